//! No HTTP at all: looks for the blank line and writes a canned answer. What this costs is the
//! client's and the runtime's share, contained in the figures of the others as well.

use std::fmt::Write;

use memchr::memmem::Finder;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::scenario::{BINARY, HELLO, TEXT};
use crate::{Client, Prepared, Scenario};

const INPUT_SIZE: usize = 16 * 1024;

/// A connection whose client sends `batches` batches.
pub fn prepare(scenario: Scenario, batches: usize) -> Prepared {
    prepare_with(scenario, batches, || || {})
}

/// The same with some work for each request.
pub(crate) fn prepare_with<W>(scenario: Scenario, batches: usize, work: impl Fn() -> W) -> Prepared
where
    W: FnMut() + Send + 'static,
{
    let answer = match scenario {
        Scenario::Post => answer(BINARY, &"x".repeat(scenario.answer_body_size())),
        Scenario::Hello | Scenario::Browser | Scenario::Pipelined => answer(TEXT, HELLO),
    };
    let serve = |client| Box::pin(serve(client, answer.clone(), scenario.depth(), work())) as _;
    Prepared::new(serve, scenario, batches)
}

/// The client's batches come whole.
async fn serve(mut client: Client, answer: Vec<u8>, depth: usize, mut work: impl FnMut()) {
    let blank_line = Finder::new(b"\r\n\r\n");
    let mut input = vec![0; INPUT_SIZE];
    let mut output = Vec::with_capacity(answer.len() * depth);
    loop {
        let received = client.read(&mut input).await.expect("the client does not break off");
        if received == 0 {
            return;
        }
        for _ in blank_line.find_iter(&input[..received]) {
            work();
            output.extend_from_slice(&answer);
        }
        client.write_all(&output).await.expect("the client does not break off");
        output.clear();
    }
}

fn answer(media_type: &str, body: &str) -> Vec<u8> {
    let mut answer = String::from("HTTP/1.1 200 OK\r\n");
    write!(answer, "content-type: {media_type}\r\ncontent-length: {}\r\n", body.len())
        .expect("a string takes everything");
    answer.push_str("date: Thu, 01 Jan 2026 00:00:00 GMT\r\n\r\n");
    answer.push_str(body);
    answer.into_bytes()
}
