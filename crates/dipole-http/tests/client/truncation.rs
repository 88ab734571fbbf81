//! A response that is cut short is an error, wherever it is cut.

use dipole_http::{BodyError, ClientErrorKind};
use dipole_net::ErrorKind;

use crate::far::{bad, good, near_and_far, read};

const LENGTH: &str = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";
const CHUNKS: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n\
                      5\r\nhello\r\n1\r\n!\r\n0\r\nx: y\r\n\r\n";

#[tokio::test(start_paused = true)]
async fn a_connection_that_ends_too_early_is_an_error() {
    for answer in [LENGTH, CHUNKS] {
        let head = answer.find("\r\n\r\n").expect("a head") + 4;
        for end in 0..answer.len() {
            let (near, mut far) = near_and_far();
            let asked = near.get();
            drop(far.serve(&answer[..end]).await);
            if end < head {
                assert_eq!(bad(asked).await.kind(), ClientErrorKind::Connection, "{end}");
                continue;
            }
            match read(good(asked).await).await {
                Err(BodyError::Connection(error)) => assert!(error.is_eof(), "{end}: {error}"),
                other => panic!("{end}: {other:?}"),
            }
            assert_eq!(near.open(), 0);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_reset_is_an_error_also_where_the_end_would_be_none() {
    for answer in [LENGTH, CHUNKS, "HTTP/1.1 200 OK\r\n\r\nhello"] {
        let (near, mut far) = near_and_far();
        let asked = near.get();
        let cut = answer.rfind("he").expect("a body") + 2;
        let mut conn = far.serve(&answer[..cut]).await;
        let response = good(asked).await;
        conn.conn.reset();
        match read(response).await {
            Err(BodyError::Connection(error)) => assert_eq!(*error.kind(), ErrorKind::Reset),
            other => panic!("{other:?}"),
        }
        assert_eq!(near.open(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn what_came_before_the_cut_is_given() {
    use http_body_util::BodyExt;
    let (near, mut far) = near_and_far();
    let asked = near.get();
    drop(far.serve("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhello").await);
    let mut body = good(asked).await.into_body();
    let first = body.frame().await.expect("a piece").expect("good").into_data();
    assert_eq!(first.expect("data"), "hello");
    assert!(body.frame().await.expect("an error").is_err());
    assert!(body.frame().await.is_none(), "nothing comes after an error");
}
