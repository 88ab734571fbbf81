//! A network library of Dipole's alone: canned answers written on `Conn`, as the floors write theirs.

use std::future::poll_fn;
use std::sync::Arc;

use bytes::Bytes;
use dipole::io::DrivenRuntime;
use dipole::net::{Addr, Conn, ConnExt, ListenOptions, Listener, Result, Transport};

use crate::canned::{Answers, Asked};

/// Serves on one thread until the process is ended, as a worker of Dipole's server would.
pub fn serve(transport: Arc<dyn Transport>, name: &str) -> Result<()> {
    let runtime = DrivenRuntime::new([&transport])?;
    runtime.block_on(async {
        let addr = Addr::Ip(crate::listen_address());
        let listener = transport.listen(&addr, &ListenOptions::default())?.remove(0);
        let address = listener.local_addr().ip().expect("it listens on TCP");
        crate::announce(address, name);
        // As in a server, accepting is a task like the others, and nothing else is woken with it.
        let accepting = tokio::task::spawn_local(accept(listener));
        accepting.await.expect("it does not panic")
    })
}

async fn accept(mut listener: Box<dyn Listener>) -> Result<()> {
    let answers = Arc::new(Answers::default());
    loop {
        let connection = poll_fn(|cx| listener.poll_accept(cx)).await?.accept().await?;
        let Some(conn) = connection.into_bytes() else { continue };
        let answers = Arc::clone(&answers);
        // Ends with its client.
        tokio::task::spawn_local(async move { drop(answer(conn, &answers).await) });
    }
}

async fn answer(mut conn: Box<dyn Conn>, answers: &Answers) -> Result<()> {
    let conn = &mut *conn;
    let mut output = Vec::new();
    loop {
        let mut used = 0;
        let mut large = Bytes::new();
        while let Ok(Some((asked, length))) = answers.next(&conn.buffered()[used..]) {
            used += length;
            answers.put(&mut output, asked);
            if let Asked::Mebibyte = asked {
                large = Bytes::from_static(answers.mebibyte);
                break;
            }
        }
        if used == 0 {
            conn.peek(conn.len() + 1).await?;
            continue;
        }
        conn.skip(used)?;
        conn.release();
        conn.malloc(output.len()).copy_from_slice(&output);
        output.clear();
        if !large.is_empty() {
            conn.write_binary(large);
        }
        conn.flush().await?;
    }
}
