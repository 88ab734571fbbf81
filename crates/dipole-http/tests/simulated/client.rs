//! Clients that ask, and know what a right answer is.

use std::time::Duration;

use bytes::Bytes;
use dipole_http::{Body, Client};
use http::{Request, Response, StatusCode};
use http_body_util::BodyExt;
use tokio::time::{sleep, timeout};

use crate::faults::Chance;
use crate::run::Outcome;
use crate::service::pattern;

/// Whoever makes no progress comes to a deadline of client or server long before; and a network that
/// is slow in every way at once takes minutes for a body.
const FOR_EVER: Duration = Duration::from_secs(24 * 3600);

/// What is asked, and what a right answer says.
struct Question {
    request: Request<Body>,
    status: StatusCode,
    /// `None` where no whole body is right.
    body: Option<Bytes>,
}

/// Asks so many times, one after the other.
pub(crate) async fn ask(client: Client, origin: &str, name: usize, mut chance: Chance) -> Outcome {
    let mut outcome = Outcome::default();
    for number in 0..chance.between(2, 8) {
        let id = format!("{name}-{number}");
        let question = question(origin, &id, &mut chance);
        let gives_up = chance.one_in(12).then(|| Duration::from_millis(chance.between(0, 300)));
        let answered = answered(&client, question, &id);
        let right = match gives_up {
            None => timeout(FOR_EVER, answered).await.unwrap_or_else(|_| panic!("{id} hangs")),
            Some(patience) => timeout(patience, answered).await.unwrap_or(false),
        };
        match right {
            true => outcome.right += 1,
            false => outcome.failed += 1,
        }
        sleep(Duration::from_millis(chance.between(0, 200))).await;
    }
    outcome
}

fn question(origin: &str, id: &str, chance: &mut Chance) -> Question {
    let size = match chance.between(0, 4) {
        0 => 0,
        1 => chance.between(1, 100),
        2 | 3 => chance.between(100, 5000),
        // More than is read, written or queued at once.
        _ => chance.between(5000, 80_000),
    } as usize;
    let ok = StatusCode::OK;
    let (method, path, sent, status, body) = match chance.between(0, 9) {
        0 | 1 => ("POST", "/echo".to_owned(), Some(size), ok, Some(pattern(size))),
        2 => ("PUT", "/read".to_owned(), Some(size), ok, Some(pattern(size))),
        3 | 4 => ("GET", format!("/bytes/{size}"), None, ok, Some(pattern(size))),
        5 | 6 => ("GET", format!("/chunks/{size}"), None, ok, Some(pattern(size))),
        7 => {
            let path = format!("/slow/{}", chance.between(0, 3000));
            ("GET", path, None, ok, Some("slow".into()))
        }
        8 => {
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            ("GET", "/panic".to_owned(), None, status, None)
        }
        _ => ("GET", format!("/break/{size}"), None, ok, None),
    };
    let body_sent = sent.map_or_else(Body::empty, |size| Body::from(pattern(size)));
    let request = Request::builder().method(method).uri(format!("{origin}{path}"));
    let request = request.header("x-id", id).body(body_sent).expect("a request");
    Question { request, status, body }
}

/// True for a right answer, false for an error; a wrong answer is a panic.
async fn answered(client: &Client, question: Question, id: &str) -> bool {
    let path = question.request.uri().path().to_owned();
    let Ok(response) = client.request(question.request).await else {
        return false;
    };
    if is_the_servers_own(&response) {
        return false;
    }
    assert_eq!(response.status(), question.status, "{id} {path}");
    if response.status().is_success() {
        assert_eq!(response.headers()["x-id"], *id, "{path} has another's answer");
    }
    match (response.into_body().collect().await, question.body) {
        (Ok(body), Some(expected)) => {
            let body = body.to_bytes();
            assert!(body == expected, "{id} {path}: {} of {} bytes", body.len(), expected.len());
            true
        }
        // An answer that was asked to be an error.
        (Ok(_), None) if question.status.is_server_error() => true,
        (Ok(body), None) => panic!("{id} {path} looks whole with {} bytes", body.to_bytes().len()),
        (Err(_), _) => false,
    }
}

/// An error that the server answers by itself: a request that came too slowly, or not whole.
fn is_the_servers_own(response: &Response<Body>) -> bool {
    matches!(response.status().as_u16(), 400 | 408 | 503)
}
