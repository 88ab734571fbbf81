//! A WebSocket as axum serves it, and what its client sends.

use axum::extract::WebSocketUpgrade;
use axum::extract::ws::Message;
use axum::response::Response;
use bytes::Bytes;

/// Answers each text with the same in capitals.
pub(crate) async fn shouting_socket(upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(async |mut socket| {
        while let Some(Ok(message)) = socket.recv().await {
            let Message::Text(text) = message else { continue };
            let _ = socket.send(Message::Text(text.to_uppercase().into())).await;
        }
    })
}

/// A text of the client, masked with zeros (RFC 6455 section 5.2); up to 125 bytes.
pub(crate) fn text_frame(text: &str) -> Bytes {
    let length = u8::try_from(text.len()).ok().filter(|length| *length <= 125).expect("short");
    [&[0x81, 0x80 | length, 0, 0, 0, 0], text.as_bytes()].concat().into()
}
