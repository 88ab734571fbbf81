//! What holds of the codec for any bytes whatever.
//!
//! Each function takes bytes as a peer may send them and panics when something does not hold that
//! should. They are run on mutated samples by the tests below, and by libFuzzer in `fuzz/`, which
//! includes this file and the codec as they stand.

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method};
use hyper::ext::Protocol;

use super::codec::fields::{self, RequestHead, Section};
use super::codec::frames::{Frame, FrameFault, FrameReader};
use super::codec::request::{self, ExtendedConnect, Head};
use super::codec::response;
use super::codec::settings::Settings;

/// The longest frame that is held whole, and the largest section, in bytes.
const LIMIT: usize = 1024;

/// Frames are the same in one piece or many, and no more than the limit is held of one.
pub(crate) fn frames(input: &[u8]) {
    let whole = read_frames(input, input.len().max(1));
    for piece in [1, 3, 17] {
        assert_eq!(read_frames(input, piece), whole, "{piece}: {}", input.escape_ascii());
    }
}

/// What pieces of `size` bytes carry, with the pieces of DATA put together; how many frames said
/// nothing; and how it ended.
fn read_frames(input: &[u8], size: usize) -> (Vec<Frame>, u32, Result<(), FrameFault>) {
    let mut reader = FrameReader::new(LIMIT);
    let (mut frames, mut passed): (Vec<Frame>, u32) = (Vec::new(), 0);
    for piece in input.chunks(size) {
        let mut piece = Bytes::copy_from_slice(piece);
        loop {
            let next = reader.next(&mut piece);
            passed += reader.take_passed();
            match next {
                Ok(None) => break,
                Ok(Some(Frame::Data(data))) => {
                    assert!(!data.is_empty(), "{}", input.escape_ascii());
                    match frames.last_mut() {
                        Some(Frame::Data(known)) => {
                            *known = [&known[..], &data[..]].concat().into()
                        }
                        _ => frames.push(Frame::Data(data)),
                    }
                }
                Ok(Some(Frame::Other { kind, payload })) => {
                    assert!(payload.len() <= LIMIT, "{}", input.escape_ascii());
                    frames.push(Frame::Other { kind, payload });
                }
                Err(fault) => return (frames, passed, Err(fault)),
            }
        }
        assert!(piece.is_empty(), "{}", input.escape_ascii());
    }
    (frames, passed, reader.end())
}

/// A field section is within its limit, and what it says is the same when it is encoded again; the
/// heads in it too.
pub(crate) fn section(input: &[u8]) {
    let Ok(section) = fields::decode(input, LIMIT) else { return };
    let size: usize = section.fields.iter().map(|(n, v)| n.as_str().len() + v.len() + 32).sum();
    assert!(size <= LIMIT, "{}", input.escape_ascii());
    let mut out = BytesMut::new();
    fields::encode_trailers(&section.fields, &mut out);
    assert_eq!(again(&out).fields, of_message(&section.fields), "{}", input.escape_ascii());
    for extended in [ExtendedConnect::Taken, ExtendedConnect::Refused] {
        let again = fields::decode(input, LIMIT).expect("it was read before");
        if let Ok(head) = request::read(again, extended) {
            check_request(&head, input);
        }
    }
    if let Ok(head) = response::read(section) {
        let (status, sent) = (head.response.status(), head.response.headers());
        let mut out = BytesMut::new();
        fields::encode_response(status, sent, &mut out);
        let read = response::read(again(&out)).expect("a response");
        assert_eq!((read.response.status(), read.response.headers()), (status, sent));
        assert_eq!(read.content_length, head.content_length, "{}", input.escape_ascii());
    }
}

fn check_request(head: &Head, input: &[u8]) {
    let request = &head.request;
    let uri = request.uri();
    let authority = uri.authority().expect("a request has one").as_str();
    assert!(!authority.contains(['@', ' ', '/', '\r', '\n']), "{}", input.escape_ascii());
    let protocol = request.extensions().get::<Protocol>();
    let is_tunnel = request.method() == Method::CONNECT && protocol.is_none();
    assert_eq!(uri.path_and_query().is_none(), is_tunnel, "{}", input.escape_ascii());
    let lines = RequestHead {
        method: request.method().as_str(),
        scheme: uri.scheme_str(),
        authority,
        path: uri.path_and_query().map(http::uri::PathAndQuery::as_str),
        protocol: protocol.map(Protocol::as_str),
    };
    let mut out = BytesMut::new();
    fields::encode_request(&lines, request.headers(), &mut out);
    let read = request::read(again(&out), ExtendedConnect::Taken).expect("a request");
    assert_eq!(read.request.uri(), uri, "{}", input.escape_ascii());
    assert_eq!(read.request.method(), request.method(), "{}", input.escape_ascii());
    assert_eq!(read.request.headers(), request.headers(), "{}", input.escape_ascii());
}

/// The section in the one frame that was encoded.
fn again(out: &[u8]) -> Section {
    let mut reader = FrameReader::new(8 * LIMIT);
    let mut bytes = Bytes::copy_from_slice(out);
    let Ok(Some(Frame::Other { payload, .. })) = reader.next(&mut bytes) else {
        panic!("no frame: {}", out.escape_ascii());
    };
    assert!(bytes.is_empty() && reader.is_between(), "{}", out.escape_ascii());
    fields::decode(&payload, 8 * LIMIT).expect("what was encoded")
}

/// Without the fields of the connection, which are not encoded.
fn of_message(fields: &HeaderMap) -> HeaderMap {
    let kept = fields.iter().filter(|(name, _)| !fields::is_of_connection(name));
    kept.map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// Settings say the same when they are encoded again.
pub(crate) fn settings(input: &[u8]) {
    let Some(settings) = Settings::decode(&Bytes::copy_from_slice(input)) else { return };
    let mut out = BytesMut::new();
    settings.encode(&mut out);
    let mut reader = FrameReader::new(LIMIT);
    let Ok(Some(Frame::Other { payload, .. })) = reader.next(&mut out.freeze()) else {
        panic!("no frame: {}", input.escape_ascii());
    };
    assert_eq!(Settings::decode(&payload), Some(settings), "{}", input.escape_ascii());
}

/// Runs each property on samples that were changed at random: the same bytes in every run.
#[cfg(test)]
mod tests {
    use super::*;

    const ROUNDS: usize = 20_000;

    const FRAMES: &[&[u8]] = &[
        b"\x01\x04head\x00\x05hello\x01\x02xy",
        b"\x21\x03abc\x00\x00\x00\x41\x00data that is longer than sixty-four bytes, so that it has two of length",
        b"\x04\x04\x06\x40\x64\x08\x07\x01\x08\x0d\x01\x05\x80\x0f\x07\x00\x03u=1",
        b"\xc0\x00\x00\x00\x00\x00\x00\x01\x02\x00\x00\x02\x01\x00",
    ];

    const SECTIONS: &[&[u8]] = &[
        // GET https://a/: of the static table; one in Huffman's code; literals.
        b"\x00\x00\xd1\xd7\xc1\x50\x01a\x23x-y\x01z\x5f\x1d\x03abc",
        b"\x00\x00\xd4\xd7\x50\x03a:1\x51\x04/p?q\x54\x015\x2b:protocol\x00\x29x-cookies\x01a",
        b"\x00\x00\xcf\x50\x05a:443\x27\x02:protocol\x09websocket\xd7\xc1",
        b"\x00\x00\xd9\x54\x0212\xf5\x5f\x09\x83\xa8\xe5\xdf\x27\x00trailer\x05value",
        b"\x00\x00\xff\x00\x55\x03a=1\x55\x03b=2\x7f\x45\x06secret",
    ];

    const SETTINGS: &[&[u8]] =
        &[b"\x06\x80\x01\x00\x00\x08\x01", b"\x21\x05\x01\x00\x07\x00", b"\x33\x01\x06\x40\x64"];

    /// A generator of numbers that are random enough (xorshift).
    struct Numbers(u64);

    impl Numbers {
        fn below(&mut self, limit: usize) -> usize {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            (self.0 % limit.max(1) as u64) as usize
        }

        fn change(&mut self, bytes: &mut Vec<u8>, samples: &[&[u8]]) {
            let (at, end) = (self.below(bytes.len() + 1), self.below(bytes.len() + 1));
            let (at, end) = (at.min(end), at.max(end));
            match self.below(6) {
                0 if at < bytes.len() => bytes[at] = self.below(256) as u8,
                1 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
                2 => drop(bytes.drain(at..end.min(at + 8))),
                3 => drop(bytes.splice(at..at, bytes[at..end].to_vec())),
                4 => {
                    let other = samples[self.below(samples.len())];
                    bytes.truncate(at);
                    bytes.extend_from_slice(&other[self.below(other.len())..]);
                }
                _ => bytes.insert(at, [0x00, 0x01, 0x3f, 0x40, 0x7f, 0x80, 0xff][self.below(7)]),
            }
        }
    }

    /// How many of the changed samples hold and are taken as `takes` says.
    fn hold_for_changed(
        samples: &[&[u8]],
        property: fn(&[u8]),
        takes: impl Fn(&[u8]) -> bool,
    ) -> usize {
        samples.iter().for_each(|sample| property(sample));
        let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
        let mut taken = 0;
        for _ in 0..ROUNDS {
            let mut bytes = samples[numbers.below(samples.len())].to_vec();
            for _ in 0..=numbers.below(4) {
                numbers.change(&mut bytes, samples);
            }
            property(&bytes);
            taken += usize::from(takes(&bytes));
        }
        taken
    }

    #[test]
    fn frames_are_read_in_one_way() {
        let taken = hold_for_changed(FRAMES, frames, |bytes| read_frames(bytes, 9).2.is_ok());
        assert!((ROUNDS / 100..ROUNDS).contains(&taken), "{taken}");
    }

    #[test]
    fn sections_say_the_same_when_they_are_encoded_again() {
        let taken =
            hold_for_changed(SECTIONS, section, |bytes| fields::decode(bytes, LIMIT).is_ok());
        assert!((ROUNDS / 100..ROUNDS).contains(&taken), "{taken}");
    }

    #[test]
    fn settings_say_the_same_when_they_are_encoded_again() {
        let taken = hold_for_changed(SETTINGS, settings, |bytes| {
            Settings::decode(&Bytes::copy_from_slice(bytes)).is_some()
        });
        assert!((ROUNDS / 100..ROUNDS).contains(&taken), "{taken}");
    }
}
