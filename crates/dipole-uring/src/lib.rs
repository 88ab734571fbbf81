//! Network library: TCP and Unix sockets on io_uring.
