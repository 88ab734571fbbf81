//! TLS as a connection over any connection.

#![forbid(unsafe_code)]
