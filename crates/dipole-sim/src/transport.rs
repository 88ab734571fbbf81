//! The listening half.

use std::collections::BTreeMap;

use dipole_net::{
    Addr, Capabilities, Error, ErrorKind, ListenOptions, Listener, Result, Transport,
};

use crate::Network;
use crate::listener::SimListener;
use crate::network::{Bound, Carries, Shard};
use crate::place::Place;

impl Transport for Network {
    fn name(&self) -> &'static str {
        "sim"
    }

    fn capabilities(&self) -> Capabilities {
        Self::CAPABILITIES
    }

    /// Shards get connections in turn; those of a dropped shard go to the others, and when the
    /// last is dropped they are reset and the address is free. Every address can be listened on
    /// that is `sim:NAME:PORT`, `NAME:PORT` or IP; the options `shards` and `backlog` count.
    fn listen(&self, addr: &Addr, options: &ListenOptions) -> Result<Vec<Box<dyn Listener>>> {
        self.listen_for(Carries::Bytes, addr, options)
    }
}

impl Network {
    /// Binds `addr` for connections of either sort.
    pub(crate) fn listen_for(
        &self,
        carries: Carries,
        addr: &Addr,
        options: &ListenOptions,
    ) -> Result<Vec<Box<dyn Listener>>> {
        let sort = carries.sort();
        let (mut place, form) = Place::parse(addr)?;
        let in_use = || Error::with_message(ErrorKind::AddrInUse, format!("{addr} is in use"));
        let mut state = self.lock();
        if place.port == 0 {
            place.port = state.free_port(sort, &place.name).ok_or_else(in_use)?;
        }
        let port = (sort, place);
        if state.bounds.contains_key(&port) {
            return Err(in_use());
        }
        let addr = port.1.addr(form);
        state.listened += 1;
        let bound = Bound {
            carries,
            number: state.listened,
            addr: addr.clone(),
            form,
            shards: (0..options.shards.get()).map(|_| Some(Shard::default())).collect(),
            turn: 0,
            backlog: (options.backlog as usize).min(state.config.backlog).max(1),
            dialers: BTreeMap::new(),
        };
        let listener = |shard| SimListener::new(self.clone(), port.clone(), &bound, shard);
        let listeners = (0..options.shards.get()).map(|shard| Box::new(listener(shard)) as _);
        let listeners = listeners.collect();
        self.shared.ledger.log(format_args!("{addr} is listened on"));
        state.known.insert(port.1.name.clone());
        state.bounds.insert(port, bound);
        Ok(listeners)
    }
}
