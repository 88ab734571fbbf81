//! Clients that speak no TLS.

use dipole_net::{ConnExt, TlsFault};

use crate::{Ends, plain};

#[tokio::test(start_paused = true)]
async fn a_client_in_plain_text_gets_the_answer_that_was_given() {
    let ends = Ends::with(|server, _| server.answer_to_plain_text = "speak TLS".into());
    let (mut client, far) = plain().await;
    client.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    let read = async {
        let answer = client.read_binary(9).await.unwrap();
        assert!(client.peek(1).await.unwrap_err().is_eof());
        drop(client);
        answer
    };
    let (answer, accepted) = tokio::join!(read, ends.server.accept(far));
    assert_eq!(answer, "speak TLS");
    assert_eq!(accepted.unwrap_err().tls_fault(), Some(TlsFault::NotTls));
}
