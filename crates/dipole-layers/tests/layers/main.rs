//! What each layer does, over the simulated network.

mod faulty;
mod limit;
mod metrics;
mod proxy_protocol;
mod throttle;
mod trace;

use std::future::poll_fn;
use std::time::Duration;

use dipole_layers::{LayerExt, Origin};
use dipole_net::{Addr, Conn, ErrorKind, ListenOptions, Listener, Result, Transport};
use dipole_sim::Network;

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

fn addr(text: &str) -> Addr {
    text.parse().unwrap_or_else(|error| panic!("{error}"))
}

fn kind<T>(result: Result<T>) -> ErrorKind {
    match result {
        Ok(_) => panic!("expected an error"),
        Err(error) => error.kind().clone(),
    }
}

fn listen(library: &impl Transport, text: &str) -> Box<dyn Listener> {
    let listeners = library.listen(&addr(text), &ListenOptions::default());
    listeners.unwrap_or_else(|error| panic!("{error}")).remove(0)
}

async fn accept(listener: &mut Box<dyn Listener>) -> Result<Box<dyn Conn>> {
    let incoming = poll_fn(|cx| listener.poll_accept(cx)).await?;
    Ok(incoming.accept().await?.into_bytes().expect("bytes"))
}

/// A connection of which the first end has the layer around it.
async fn pair_under(layer: &impl LayerExt) -> (Box<dyn Conn>, Box<dyn Conn>) {
    let (near, far) = Network::default().pair();
    let near = layer.around(Box::new(near), Origin::Dialed).await.expect("nothing is exchanged");
    (near, Box::new(far))
}
