//! The statements L1 to L13: listening, and a server's life on top of a library.

mod binding;
mod descriptors;
mod handlers;
mod handshake;
mod handshakes;
mod hooks;
mod shards;
mod shutdown;
mod stage;
mod swap;
mod unix_path;

use crate::Case;
use crate::pair::once;

/// Every statement about listeners and the life cycle, in order.
pub(crate) const CASES: &[Case] = &[
    Case {
        id: "L1",
        sentence: "listening on a taken address, a bad path, a forbidden port: Err of that kind, \
                   no panic",
        run: |subject| once(subject, binding::each_failure_has_its_kind),
    },
    Case {
        id: "L2",
        sentence: "port 0 reports the real port",
        run: |subject| once(subject, binding::real_port),
    },
    Case {
        id: "L3",
        sentence: "N workers share one address and all of them get connections",
        run: |subject| once(subject, shards::all_get_connections),
    },
    Case {
        id: "L4",
        sentence: "one silent client in a TLS or QUIC handshake delays no other",
        run: |subject| once(subject, handshakes::one_delays_no_other),
    },
    Case {
        id: "L5",
        sentence: "EMFILE on accept: backs off, keeps the listener, recovers",
        run: |subject| once(subject, descriptors::exhausted),
    },
    Case {
        id: "L6",
        sentence: "a listener given as a descriptor (socket activation, an earlier process) is \
                   used",
        run: |subject| once(subject, descriptors::given),
    },
    Case {
        id: "L7",
        sentence: "a Unix path left by a dead process is replaced, one of a live process is not; \
                   it is unlinked at the end",
        run: |subject| once(subject, unix_path::whose_it_is),
    },
    Case {
        id: "L8",
        sentence: "on_accept sees the address before any byte, on_connect when the connection is \
                   ready; a hook that refuses closes the connection without a handler call",
        run: |subject| once(subject, hooks::called_and_obeyed),
    },
    Case {
        id: "L9",
        sentence: "shutdown: stops accepting, closes idle connections at once, lets running \
                   requests end, and ends by its deadline",
        run: |subject| once(subject, shutdown::in_order),
    },
    Case {
        id: "L10",
        sentence: "shutdown before, during and after listen is Ok",
        run: |subject| once(subject, shutdown::at_any_time),
    },
    Case {
        id: "L11",
        sentence: "a panic in a handler gives an error answer where nothing was sent, ends its \
                   own connection alone, and is counted",
        run: |subject| once(subject, handlers::panic_is_contained),
    },
    Case {
        id: "L12",
        sentence: "the handler is cancelled within 100 ms of the client's going (where asked for)",
        run: |subject| once(subject, handlers::cancelled_with_the_client),
    },
    Case {
        id: "L13",
        sentence: "swapping the library of a live listener under load: no request fails, \
                   connections of the old one drain",
        run: |subject| once(subject, swap::under_load),
    },
];

#[cfg(test)]
mod tests {
    use super::CASES;

    #[test]
    fn every_statement_has_its_case_in_order() {
        let ids: Vec<_> = CASES.iter().map(|case| case.id).collect();
        let statements: Vec<_> = (1..=13).map(|number| format!("L{number}")).collect();
        assert_eq!(ids, statements);
    }
}
