//! Canned answers on tokio's own sockets, a task a connection: what its event source costs.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;

use compare::canned::{Answers, Asked};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

/// As large as what the others read into.
const ROOM: usize = 16 * 1024;

fn main() -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(serve())
}

async fn serve() -> io::Result<()> {
    let listener = TcpListener::from_std(compare::listen())?;
    compare::announce(listener.local_addr()?, "bare_tokio");
    let accepting = tokio::spawn(async move {
        let answers = Arc::new(Answers::default());
        loop {
            let (stream, _) = listener.accept().await?;
            // Ends with its client.
            tokio::spawn(answer(stream, Arc::clone(&answers)));
        }
    });
    accepting.await.expect("it does not panic")
}

async fn answer(mut stream: TcpStream, answers: Arc<Answers>) -> io::Result<()> {
    let (mut input, mut held) = (vec![0; ROOM], 0);
    let mut output = Vec::new();
    loop {
        match read(&mut stream, &mut input[held..]).await? {
            0 => return Ok(()),
            n => held += n,
        }
        let mut used = 0;
        while let Ok(Some((asked, length))) = answers.next(&input[used..held]) {
            used += length;
            answers.put(&mut output, asked);
            if let Asked::Mebibyte = asked {
                write_all(&mut stream, &output).await?;
                output.clear();
                write_all(&mut stream, answers.mebibyte).await?;
            }
        }
        input.copy_within(used..held, 0);
        held -= used;
        write_all(&mut stream, &output).await?;
        output.clear();
    }
}

async fn read(stream: &mut TcpStream, room: &mut [u8]) -> io::Result<usize> {
    let mut room = ReadBuf::new(room);
    poll_fn(|cx| Pin::new(&mut *stream).poll_read(cx, &mut room)).await?;
    Ok(room.filled().len())
}

async fn write_all(stream: &mut TcpStream, mut data: &[u8]) -> io::Result<()> {
    while !data.is_empty() {
        let n = poll_fn(|cx| Pin::new(&mut *stream).poll_write(cx, data)).await?;
        data = &data[n..];
    }
    Ok(())
}
