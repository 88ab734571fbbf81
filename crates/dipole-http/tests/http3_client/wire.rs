//! HTTP/3 by hand: frames, and fields without compression (RFC 9114, RFC 9204).

pub(crate) const DATA: u64 = 0x00;
pub(crate) const HEADERS: u64 = 0x01;
pub(crate) const SETTINGS: u64 = 0x04;
pub(crate) const PUSH_PROMISE: u64 = 0x05;
pub(crate) const GOAWAY: u64 = 0x07;

pub(crate) const NO_ERROR: u64 = 0x100;
pub(crate) const ID_ERROR: u64 = 0x108;
pub(crate) const REQUEST_REJECTED: u64 = 0x10b;
pub(crate) const REQUEST_CANCELLED: u64 = 0x10c;
pub(crate) const MESSAGE_ERROR: u64 = 0x10e;
pub(crate) const VERSION_FALLBACK: u64 = 0x110;

/// An integer of variable length (RFC 9000 section 16).
pub(crate) fn integer(value: u64) -> Vec<u8> {
    match value {
        0..0x40 => vec![value as u8],
        0x40..0x4000 => (0x4000 | value as u16).to_be_bytes().to_vec(),
        0x4000..0x4000_0000 => (0x8000_0000 | value as u32).to_be_bytes().to_vec(),
        _ => (0xc000_0000_0000_0000 | value).to_be_bytes().to_vec(),
    }
}

pub(crate) fn frame(kind: u64, payload: &[u8]) -> Vec<u8> {
    [integer(kind), integer(payload.len() as u64), payload.to_vec()].concat()
}

pub(crate) fn data(payload: &str) -> Vec<u8> {
    frame(DATA, payload.as_bytes())
}

/// A HEADERS frame.
pub(crate) fn head(fields: &[(&str, &str)]) -> Vec<u8> {
    // RFC 9204 4.5.1: nothing of the dynamic table.
    let mut section = vec![0, 0];
    for (name, value) in fields {
        // RFC 9204 4.5.6.
        prefixed(0x20, 3, name.len(), &mut section);
        section.extend_from_slice(name.as_bytes());
        prefixed(0x00, 7, value.len(), &mut section);
        section.extend_from_slice(value.as_bytes());
    }
    frame(HEADERS, &section)
}

/// A response of these parts, with a length.
pub(crate) fn answer(body: &str) -> Vec<u8> {
    let length = body.len().to_string();
    [head(&[(":status", "200"), ("content-length", &length)]), data(body)].concat()
}

/// RFC 7541 5.1.
fn prefixed(flags: u8, bits: u8, value: usize, out: &mut Vec<u8>) {
    let most = (1 << bits) - 1;
    if value < most {
        return out.push(flags | value as u8);
    }
    out.push(flags | most as u8);
    let mut left = value - most;
    while left >= 0x80 {
        out.push(0x80 | (left % 0x80) as u8);
        left /= 0x80;
    }
    out.push(left as u8);
}
