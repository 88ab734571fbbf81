//! SETTINGS (RFC 9114 section 7.2.4).

use bytes::{Bytes, BytesMut};

use super::{frames, integer};

/// What an end may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Settings {
    /// The size of a field section (RFC 9114 section 4.2.2); `None` is any.
    pub(crate) max_field_section: Option<u64>,
    /// Extended CONNECT (RFC 9220).
    pub(crate) extended_connect: bool,
}

const MAX_FIELD_SECTION_SIZE: u64 = 0x06;
const ENABLE_CONNECT_PROTOCOL: u64 = 0x08;

impl Settings {
    /// Appends the frame. QPACK's dynamic table is left at its default, which is none.
    pub(crate) fn encode(self, out: &mut BytesMut) {
        let mut payload = BytesMut::new();
        if let Some(size) = self.max_field_section {
            integer::encode(MAX_FIELD_SECTION_SIZE, &mut payload);
            integer::encode(size, &mut payload);
        }
        if self.extended_connect {
            integer::encode(ENABLE_CONNECT_PROTOCOL, &mut payload);
            integer::encode(1, &mut payload);
        }
        frames::encode_head(frames::SETTINGS, payload.len(), out);
        out.extend_from_slice(&payload);
    }

    /// Reads a frame's payload; settings that are not known are passed over. `None`: it is wrong.
    pub(crate) fn decode(payload: &Bytes) -> Option<Self> {
        let mut settings = Self { max_field_section: None, extended_connect: false };
        let mut seen = Vec::new();
        let mut rest = &payload[..];
        while !rest.is_empty() {
            let (name, first) = integer::decode(rest)?;
            let (value, second) = integer::decode(&rest[first..])?;
            rest = &rest[first + second..];
            match name {
                MAX_FIELD_SECTION_SIZE => settings.max_field_section = Some(value),
                // RFC 9220 section 3, RFC 8441 section 3.
                ENABLE_CONNECT_PROTOCOL if value > 1 => return None,
                ENABLE_CONNECT_PROTOCOL => settings.extended_connect = value == 1,
                // RFC 9114 7.2.4.1: those of HTTP/2 without a meaning here.
                0x02..=0x05 => return None,
                // The frame's limit bounds how many there are.
                _ => {}
            }
            // 7.2.4: no identifier occurs twice.
            if seen.contains(&name) {
                return None;
            }
            seen.push(name);
            if seen.len() > MOST_SETTINGS {
                return None;
            }
        }
        Some(settings)
    }
}

/// Nobody sends more; the comparison of all with all stays short.
const MOST_SETTINGS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_come_back_as_they_were() {
        let settings = Settings { max_field_section: Some(70_000), extended_connect: true };
        let mut frame = BytesMut::new();
        settings.encode(&mut frame);
        assert_eq!(Settings::decode(&frame.freeze().slice(2..)), Some(settings));
    }

    #[test]
    fn wrong_settings_are_refused() {
        let none = Settings { max_field_section: None, extended_connect: false };
        for (payload, expected) in [
            (&b""[..], Some(none)),
            (b"\x21\x05", Some(none)),
            // Of HTTP/2; twice; cut; neither 0 nor 1.
            (b"\x02\x01", None),
            (b"\x21\x05\x21\x05", None),
            (b"\x21", None),
            (b"\x08\x02", None),
        ] {
            assert_eq!(Settings::decode(&Bytes::copy_from_slice(payload)), expected);
        }
    }
}
