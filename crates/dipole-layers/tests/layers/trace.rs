use std::io::Write;
use std::sync::{Arc, Mutex};

use dipole_layers::{Pcap, Trace};
use dipole_net::{Conn, ConnExt, ErrorKind};

use crate::{kind, pair_under};

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The TCP payloads of a capture, by the last byte of the sender's hardware address.
fn payloads(capture: &[u8]) -> [Vec<u8>; 2] {
    let mut payloads = [Vec::new(), Vec::new()];
    let mut rest = &capture[24..];
    while !rest.is_empty() {
        let length = u32::from_le_bytes(rest[8..12].try_into().unwrap()) as usize;
        let frame = &rest[16..16 + length];
        payloads[usize::from(frame[11]) - 1].extend_from_slice(&frame[14 + 20 + 20..]);
        rest = &rest[16 + length..];
    }
    payloads
}

#[tokio::test(start_paused = true)]
async fn a_capture_holds_every_byte_of_both_directions() {
    let file = Shared::default();
    let (mut near, mut far) = pair_under(&Trace::new().pcap(Pcap::to(file.clone()).unwrap())).await;
    let (up, down) = (vec![b'u'; 10_000], vec![b'd'; 70_000]);
    near.write_all(&up).await.unwrap();
    far.skip_all(up.len()).await.unwrap();
    far.write_all(&down).await.unwrap();
    near.skip_all(40_000).await.unwrap();
    near.skip_all(30_000).await.unwrap();
    far.close();
    assert_eq!(kind(near.peek(1).await), ErrorKind::Eof);
    drop(near);
    let capture = file.0.lock().unwrap();
    assert!(payloads(&capture) == [up, down]);
}
