//! What sending costs on this machine with and without a copy, by size: for
//! `UringOptions::zero_copy_from`.
//!
//! ```sh
//! zero_copy receive 10.9.0.2:7000          # on the far side, until it is ended
//! zero_copy send 10.9.0.2:7000             # prints a table, in half a minute
//! ```
//!
//! Where the kernel copies all the same, as on loopback, no size is worth it: a connection asks once
//! and no more, so the two columns are alike. Elsewhere the threshold is the size from which on the
//! second one stays below the first.

#[cfg(not(target_os = "linux"))]
fn main() {}

#[cfg(target_os = "linux")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    linux::main()
}

#[cfg(target_os = "linux")]
mod linux {
    use std::future::poll_fn;
    use std::sync::Arc;
    use std::time::{Duration, Instant};

    use bytes::Bytes;
    use dipole_io::DrivenRuntime;
    use dipole_net::{Addr, Conn, ConnExt, DialerExt, ListenOptions, Result, Transport};
    use dipole_uring::{Uring, UringOptions};
    use rustix::time::{ClockId, clock_gettime};

    const KIBIBYTES: [usize; 9] = [4, 8, 16, 32, 64, 128, 256, 512, 1024];
    /// So often each size is sent, in turn with and without a copy.
    const ROUNDS: u32 = 6;
    const ROUND: Duration = Duration::from_millis(250);

    pub(super) fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["receive", addr] => Ok(receive(&addr.parse()?)?),
            ["send", addr] => Ok(send(&addr.parse()?)?),
            _ => Err("usage: zero_copy receive|send ADDR".into()),
        }
    }

    fn receive(addr: &Addr) -> Result<()> {
        let uring = Uring::new()?;
        let transport: Arc<dyn Transport> = Arc::new(uring.clone());
        DrivenRuntime::new([&transport])?.block_on(async {
            let mut listener = uring.listen(addr, &ListenOptions::default())?.remove(0);
            loop {
                let incoming = poll_fn(|cx| listener.poll_accept(cx)).await?;
                let Some(conn) = incoming.accept().await?.into_bytes() else { continue };
                // Ends with its sender.
                tokio::task::spawn_local(async move { drop(throw_away(conn).await) });
            }
        })
    }

    async fn throw_away(mut conn: Box<dyn Conn>) -> Result<()> {
        loop {
            conn.peek(1).await?;
            conn.skip(conn.len())?;
            conn.release();
        }
    }

    fn send(addr: &Addr) -> Result<()> {
        println!(
            "CPU of the sender, ns for each KiB; sends that asked for no copy, and were copied"
        );
        println!("   KiB     copied  zero copy   ratio  asked  copied");
        for kibibytes in KIBIBYTES {
            let mut spent = [0.0; 2];
            let mut counters = None;
            for round in 0..2 * ROUNDS {
                let kind = (round % 2) as usize;
                let mut options = UringOptions::default();
                options.zero_copy_from = (kind == 1).then_some(1);
                let uring = Uring::with_options(options)?;
                spent[kind] += send_for_a_while(&uring, addr, kibibytes * 1024)?;
                if kind == 1 {
                    counters = Some(uring.counters());
                }
            }
            let [copied, zero_copy] = spent.map(|nanoseconds| nanoseconds / f64::from(ROUNDS));
            let counters = counters.expect("there was a round");
            println!(
                "{kibibytes:>6} {copied:>10.0} {zero_copy:>10.0} {:>7.2} {:>6} {:>7}",
                zero_copy / copied,
                counters.zero_copy_sends,
                counters.zero_copies_copied
            );
        }
        Ok(())
    }

    /// The CPU time of this process, in nanoseconds for each KiB that it has sent.
    fn send_for_a_while(uring: &Uring, addr: &Addr, size: usize) -> Result<f64> {
        let transport: Arc<dyn Transport> = Arc::new(uring.clone());
        let runtime = DrivenRuntime::new([&transport])?;
        runtime.block_on(async {
            let mut conn = uring.dial_timeout(addr, Some(Duration::from_secs(5))).await?;
            let data = Bytes::from(vec![7; size]);
            let (began, before) = (Instant::now(), clock_gettime(ClockId::ProcessCPUTime));
            let mut sent = 0;
            while began.elapsed() < ROUND {
                for _ in 0..8 {
                    conn.write_binary(data.clone());
                    conn.flush().await?;
                    sent += size;
                }
            }
            let spent = clock_gettime(ClockId::ProcessCPUTime) - before;
            let nanoseconds = spent.tv_sec as f64 * 1e9 + spent.tv_nsec as f64;
            Ok(nanoseconds / (sent as f64 / 1024.0))
        })
    }
}
