//! What holds of frames for any bytes whatever; libFuzzer runs it in `fuzz/`, too.

use bytes::{Bytes, BytesMut};

use super::frame::{Frame, HEADER, Header, LONGEST};

/// What is a frame says the same when it is encoded again.
pub(crate) fn frames(input: &[u8]) {
    let mut rest = input;
    while let Ok(Some(header)) = Header::decode(rest) {
        assert!(header.length <= LONGEST, "{}", input.escape_ascii());
        let Some(payload) = rest[HEADER..].get(..header.length) else { return };
        rest = &rest[HEADER + header.length..];
        let Ok(frame) = Frame::decode(header, Bytes::copy_from_slice(payload)) else { return };
        let mut out = BytesMut::new();
        let data = frame.clone().encode(&mut out);
        out.extend_from_slice(&data);
        let again = Header::decode(&out).expect("a header").expect("a whole one");
        let payload = out.freeze().slice(HEADER..);
        assert_eq!(again.length, payload.len(), "{}", input.escape_ascii());
        assert_eq!(Frame::decode(again, payload), Ok(frame), "{}", input.escape_ascii());
    }
}

#[test]
fn twenty_thousand_changed_samples_hold() {
    let sample: &[&[u8]] = &[
        b"\x00\0\0\0\0\0\0\x1c\0\0\0\0\0\0\0\0OWN1\0\0\0\x64\0\0\0\x10\0\0\0\x07\0\0\0\x09\0\0\0\0\0\0\x75\x30",
        b"\x01\x01\0\0\0\0\0\x05\0\0\0\0\0\0\0\x04hello",
        b"\x02\0\0\0\0\0\0\x08\0\0\0\0\0\0\0\x05\0\0\0\0\0\0\0\x01",
        b"\x08\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
        b"\x0a\0\0\0\0\0\0\x0f\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x07enough",
    ];
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut below = move |limit: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random % limit.max(1) as u64) as usize
    };
    let mut taken = 0;
    for _ in 0..20_000 {
        let mut bytes = sample[below(sample.len())].to_vec();
        for _ in 0..=below(3) {
            let at = below(bytes.len());
            match below(4) {
                0 if at < bytes.len() => bytes[at] = below(256) as u8,
                1 if at < bytes.len() => bytes[at] ^= 1 << below(8),
                2 => bytes.extend_from_slice(sample[below(sample.len())]),
                _ => bytes.truncate(at.max(HEADER)),
            }
        }
        frames(&bytes);
        taken += usize::from(matches!(Header::decode(&bytes), Ok(Some(_))));
    }
    assert!(taken > 1000, "{taken}");
}
