//! The statements D1 to D8: making connections.

mod families;
mod footprint;
mod giving_up;
mod no_connection;
pub(crate) mod tls;

use crate::Case;
use crate::pair::once;

/// Every statement about dialers, in order.
pub(crate) const CASES: &[Case] = &[
    Case {
        id: "D1",
        sentence: "refused, unknown host, unknown scheme, unreachable: Err of that kind, within \
                   the timeout, never a half-made connection",
        run: |subject| once(subject, no_connection::each_failure_has_its_kind),
    },
    Case {
        id: "D2",
        sentence: "100 dials with a 1 ms timeout: each a connection or Err(TimedOut), nothing \
                   leaked",
        run: |subject| once(subject, giving_up::short_timeouts),
    },
    Case {
        id: "D3",
        sentence: "dropping a pending dial leaks nothing",
        run: |subject| once(subject, giving_up::dropped_dials),
    },
    Case {
        id: "D4",
        sentence: "TCP over IPv4 and IPv6 and Unix sockets (paths and abstract), as declared",
        run: |subject| once(subject, families::every_declared_family),
    },
    Case {
        id: "D5",
        sentence: "two address families: the slower one does not delay the dial by more than \
                   250 ms (RFC 8305)",
        run: |subject| once(subject, families::happy_eyeballs),
    },
    Case {
        id: "D6",
        sentence: "dial with TLS gives a verified TLS connection: wrong name, expired, unknown \
                   issuer are Err(Tls) with the reason",
        run: |subject| once(subject, tls::verified),
    },
    Case {
        id: "D7",
        sentence: "add_tls handshakes at once under the deadline, also inside a CONNECT tunnel, \
                   also TLS in TLS",
        run: |subject| once(subject, tls::at_any_time),
    },
    Case {
        id: "D8",
        sentence: "a failed add_tls closes the connection",
        run: |subject| once(subject, tls::failure_closes),
    },
];

#[cfg(test)]
mod tests {
    use super::CASES;

    #[test]
    fn every_statement_has_its_case_in_order() {
        let ids: Vec<_> = CASES.iter().map(|case| case.id).collect();
        let statements: Vec<_> = (1..=8).map(|number| format!("D{number}")).collect();
        assert_eq!(ids, statements);
    }
}
