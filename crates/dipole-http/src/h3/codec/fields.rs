//! Field sections in QPACK (RFC 9204 section 4.5) without its dynamic table.
//!
//! The table is left out: it costs each connection memory and a wait for the other stream, and
//! saves bytes only where clients repeat long fields.

use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

use super::static_table::{self, Entry, Found};
use super::{frames, huffman, prefixed};

/// What is wrong with a field section.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SectionFault {
    /// It cannot be decoded, which ends the connection (RFC 9204 section 2.2).
    Undecodable,
    /// It breaks the rules of messages (RFC 9114 section 4.1.2).
    Malformed,
    /// It is beyond the limit (RFC 9114 section 4.2.2).
    TooLarge,
    /// An extended CONNECT for what nobody here knows (RFC 9220 section 3: 501).
    UnknownProtocol,
}

/// The fields whose names begin with a colon (RFC 9114 section 4.3).
#[derive(Debug, Default)]
pub(crate) struct Pseudo {
    pub(crate) method: Option<Bytes>,
    pub(crate) scheme: Option<Bytes>,
    pub(crate) authority: Option<Bytes>,
    pub(crate) path: Option<Bytes>,
    pub(crate) protocol: Option<Bytes>,
    pub(crate) status: Option<Bytes>,
}

impl Pseudo {
    /// None of them is there.
    pub(crate) fn is_empty(&self) -> bool {
        let all =
            [&self.method, &self.scheme, &self.authority, &self.path, &self.protocol, &self.status];
        all.into_iter().all(Option::is_none)
    }
}

/// A section that was decoded.
#[derive(Debug, Default)]
pub(crate) struct Section {
    pub(crate) pseudo: Pseudo,
    pub(crate) fields: HeaderMap,
}

/// Decodes a section of at most `limit` bytes, counted as RFC 9114 section 4.2.2 does.
pub(crate) fn decode(payload: &[u8], limit: usize) -> Result<Section, SectionFault> {
    let mut reader = Reader::new(payload, limit)?;
    let mut section = Section::default();
    while !reader.rest.is_empty() {
        let (name, value) = reader.next_line()?;
        match name {
            Name::Field(name) => {
                let value = match value {
                    Value::Known(value) => value,
                    Value::Text(text) => {
                        HeaderValue::from_maybe_shared(text).map_err(|_| SectionFault::Malformed)?
                    }
                };
                // Fails beyond 2^15 fields, for which no limit has room.
                section.fields.try_append(name, value).map_err(|_| SectionFault::TooLarge)?;
            }
            // RFC 9114 4.3: they come before the others.
            Name::Pseudo(_) if !section.fields.is_empty() => return Err(SectionFault::Malformed),
            Name::Pseudo(kind) => {
                let place = match kind {
                    Kind::Method => &mut section.pseudo.method,
                    Kind::Scheme => &mut section.pseudo.scheme,
                    Kind::Authority => &mut section.pseudo.authority,
                    Kind::Path => &mut section.pseudo.path,
                    Kind::Protocol => &mut section.pseudo.protocol,
                    Kind::Status => &mut section.pseudo.status,
                };
                let Value::Text(text) = value else { return Err(SectionFault::Malformed) };
                if place.replace(text).is_some() {
                    return Err(SectionFault::Malformed);
                }
            }
        }
    }
    Ok(section)
}

enum Name {
    Pseudo(Kind),
    Field(HeaderName),
}

#[derive(Clone, Copy)]
enum Kind {
    Method,
    Scheme,
    Authority,
    Path,
    Protocol,
    Status,
}

enum Value {
    Known(HeaderValue),
    Text(Bytes),
}

/// What each field counts besides its texts.
const PER_FIELD: usize = 32;

struct Reader<'a> {
    rest: &'a [u8],
    left: usize,
    /// All texts are decoded into one allocation, and cut off it.
    text: BytesMut,
}

impl<'a> Reader<'a> {
    fn new(payload: &'a [u8], limit: usize) -> Result<Self, SectionFault> {
        // RFC 9204 4.5.1: a required insert count of 0, for there is no dynamic table; any base.
        let (required, first) = prefixed::decode(payload, 8).ok_or(SectionFault::Undecodable)?;
        let (_, second) =
            prefixed::decode(&payload[first..], 7).ok_or(SectionFault::Undecodable)?;
        if required != 0 {
            return Err(SectionFault::Undecodable);
        }
        let text = BytesMut::with_capacity(huffman::most_decoded(payload.len()));
        Ok(Self { rest: &payload[first + second..], left: limit, text })
    }

    fn next_line(&mut self) -> Result<(Name, Value), SectionFault> {
        let first = self.rest[0];
        let (name, value) = if first & 0x80 != 0 {
            // 4.5.2, indexed field line; the second bit: of the static table.
            let entry = self.entry(first & 0x40 != 0, 6)?;
            known(entry)
        } else if first & 0x40 != 0 {
            // 4.5.4, literal field line with name reference.
            let entry = self.entry(first & 0x10 != 0, 4)?;
            let text = self.text(7)?;
            (known(entry).0, Value::Text(text))
        } else if first & 0x20 != 0 {
            // 4.5.6, literal field line with literal name.
            let name = self.text(3)?;
            let name = name_of(&name)?;
            (name, Value::Text(self.text(7)?))
        } else {
            // 4.5.3, 4.5.5: of the dynamic table.
            return Err(SectionFault::Undecodable);
        };
        let name_length = match &name {
            Name::Field(name) => name.as_str().len(),
            Name::Pseudo(kind) => kind.name().len(),
        };
        let value_length = match &value {
            Value::Known(value) => value.len(),
            Value::Text(text) => text.len(),
        };
        self.left = self
            .left
            .checked_sub(name_length + value_length + PER_FIELD)
            .ok_or(SectionFault::TooLarge)?;
        Ok((name, value))
    }

    fn entry(&mut self, is_static: bool, prefix: u32) -> Result<&'static Entry, SectionFault> {
        let (index, length) =
            prefixed::decode(self.rest, prefix).ok_or(SectionFault::Undecodable)?;
        self.rest = &self.rest[length..];
        let entry = is_static.then(|| static_table::entry(index)).flatten();
        entry.ok_or(SectionFault::Undecodable)
    }

    /// A text (4.1.2): the bit above the prefix of its length says that it is in Huffman's code.
    fn text(&mut self, prefix: u32) -> Result<Bytes, SectionFault> {
        let is_huffman = self.rest.first().is_some_and(|first| first >> prefix & 1 == 1);
        let (length, begin) =
            prefixed::decode(self.rest, prefix).ok_or(SectionFault::Undecodable)?;
        let length = usize::try_from(length).map_err(|_| SectionFault::Undecodable)?;
        let encoded = self.rest[begin..].get(..length).ok_or(SectionFault::Undecodable)?;
        self.rest = &self.rest[begin + length..];
        if is_huffman {
            huffman::decode(encoded, &mut self.text).ok_or(SectionFault::Undecodable)?;
        } else {
            self.text.extend_from_slice(encoded);
        }
        Ok(self.text.split().freeze())
    }
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Method => ":method",
            Self::Scheme => ":scheme",
            Self::Authority => ":authority",
            Self::Path => ":path",
            Self::Protocol => ":protocol",
            Self::Status => ":status",
        }
    }
}

fn known(entry: &'static Entry) -> (Name, Value) {
    let (kind, value) = match entry {
        Entry::Field(name, value) => {
            return (Name::Field(name.clone()), Value::Known(value.clone()));
        }
        Entry::Authority(value) => (Kind::Authority, value),
        Entry::Path(value) => (Kind::Path, value),
        Entry::Method(value) => (Kind::Method, value),
        Entry::Scheme(value) => (Kind::Scheme, value),
        Entry::Status(value) => (Kind::Status, value),
    };
    (Name::Pseudo(kind), Value::Text(Bytes::from_static(value.as_bytes())))
}

fn name_of(name: &[u8]) -> Result<Name, SectionFault> {
    Ok(match name {
        b":method" => Name::Pseudo(Kind::Method),
        b":scheme" => Name::Pseudo(Kind::Scheme),
        b":authority" => Name::Pseudo(Kind::Authority),
        b":path" => Name::Pseudo(Kind::Path),
        b":protocol" => Name::Pseudo(Kind::Protocol),
        b":status" => Name::Pseudo(Kind::Status),
        // RFC 9114 4.2: no upper case.
        _ => Name::Field(HeaderName::from_lowercase(name).map_err(|_| SectionFault::Malformed)?),
    })
}

/// What a request's head says before its fields (RFC 9114 sections 4.3.1 and 4.4).
#[derive(Debug, Clone, Copy)]
pub(crate) struct RequestHead<'a> {
    pub(crate) method: &'a str,
    /// `None` for CONNECT alone, unless it is extended.
    pub(crate) scheme: Option<&'a str>,
    pub(crate) authority: &'a str,
    /// `None` where there is no scheme.
    pub(crate) path: Option<&'a str>,
    /// Of an extended CONNECT (RFC 9220).
    pub(crate) protocol: Option<&'a str>,
}

impl RequestHead<'_> {
    fn lines(&self) -> impl Iterator<Item = (Kind, &str)> {
        let lines = [
            (Kind::Method, Some(self.method)),
            (Kind::Scheme, self.scheme),
            (Kind::Authority, Some(self.authority)),
            (Kind::Path, self.path),
            (Kind::Protocol, self.protocol),
        ];
        lines.into_iter().filter_map(|(kind, text)| Some((kind, text?)))
    }

    /// How a server counts the section (RFC 9114 section 4.2.2).
    pub(crate) fn size(&self, fields: &HeaderMap) -> u64 {
        let line = |name: &str, value: usize| (name.len() + value + PER_FIELD) as u64;
        let pseudo: u64 = self.lines().map(|(kind, text)| line(kind.name(), text.len())).sum();
        let fields = fields.iter().filter(|(name, _)| !is_of_connection(name));
        pseudo + fields.map(|(name, value)| line(name.as_str(), value.len())).sum::<u64>()
    }
}

/// Appends a HEADERS frame with a request's head. Fields of the connection are left out.
pub(crate) fn encode_request(head: &RequestHead<'_>, fields: &HeaderMap, out: &mut BytesMut) {
    encode_frame(out, |out| {
        for (kind, text) in head.lines() {
            match static_table::find_pseudo(kind.name(), text) {
                Found::Whole(index) => indexed(index, out),
                Found::Name(index) => named(index, text.as_bytes(), false, out),
                Found::Nothing => literal(kind.name(), text.as_bytes(), false, out),
            }
        }
        encode_fields(fields, out);
    });
}

/// Appends a HEADERS frame with a response's status and fields. Fields of the connection, which
/// HTTP/3 has none of (RFC 9114 section 4.2), are left out.
pub(crate) fn encode_response(status: StatusCode, fields: &HeaderMap, out: &mut BytesMut) {
    encode_frame(out, |out| {
        match status.as_u16() {
            100 => indexed(63, out),
            103 => indexed(24, out),
            200 => indexed(25, out),
            204 => indexed(64, out),
            206 => indexed(65, out),
            302 => indexed(66, out),
            304 => indexed(26, out),
            400 => indexed(67, out),
            403 => indexed(68, out),
            404 => indexed(27, out),
            421 => indexed(69, out),
            425 => indexed(70, out),
            500 => indexed(71, out),
            503 => indexed(28, out),
            // `:status` is in the table from here on.
            _ => named(24, status.as_str().as_bytes(), false, out),
        }
        encode_fields(fields, out);
    });
}

/// Appends a HEADERS frame with trailers.
pub(crate) fn encode_trailers(fields: &HeaderMap, out: &mut BytesMut) {
    encode_frame(out, |out| encode_fields(fields, out));
}

fn encode_frame(out: &mut BytesMut, section: impl FnOnce(&mut BytesMut)) {
    // Its length comes before it: a head of the longest that most sections need is left free.
    const HEAD: usize = 3;
    let begin = out.len();
    out.put_bytes(0, HEAD);
    // RFC 9204 4.5.1: no dynamic table.
    out.put_bytes(0, 2);
    section(out);
    let length = out.len() - begin - HEAD;
    if let Ok(short) = u16::try_from(length)
        && short < 0x4000
    {
        out[begin] = frames::HEADERS as u8;
        // RFC 9000 16: the form of two bytes, also where one would do.
        out[begin + 1..begin + HEAD].copy_from_slice(&(0x4000 | short).to_be_bytes());
        return;
    }
    let section = out.split_off(begin + HEAD);
    out.truncate(begin);
    frames::encode_head(frames::HEADERS, section.len(), out);
    out.extend_from_slice(&section);
}

fn encode_fields(fields: &HeaderMap, out: &mut BytesMut) {
    for (name, value) in fields {
        if is_of_connection(name) {
            continue;
        }
        let (text, is_secret) = (value.as_bytes(), value.is_sensitive());
        match static_table::find(name, text) {
            Found::Whole(index) if !is_secret => indexed(index, out),
            Found::Whole(index) | Found::Name(index) => named(index, text, is_secret, out),
            Found::Nothing => literal(name.as_str(), text, is_secret, out),
        }
    }
}

/// A field that only makes sense on HTTP/1.1 (RFC 9114 section 4.2).
pub(crate) fn is_of_connection(name: &HeaderName) -> bool {
    *name == header::CONNECTION
        || *name == header::TRANSFER_ENCODING
        || *name == header::UPGRADE
        || name.as_str() == "keep-alive"
        || name.as_str() == "proxy-connection"
}

/// 4.5.2.
fn indexed(index: u64, out: &mut BytesMut) {
    prefixed::encode(index, 0xc0, 6, out);
}

/// 4.5.4; a secret is never to be put into a table, by whoever passes it on.
fn named(index: u64, text: &[u8], is_secret: bool, out: &mut BytesMut) {
    prefixed::encode(index, if is_secret { 0x70 } else { 0x50 }, 4, out);
    plain(text, out);
}

/// 4.5.6.
fn literal(name: &str, text: &[u8], is_secret: bool, out: &mut BytesMut) {
    prefixed::encode(name.len() as u64, if is_secret { 0x30 } else { 0x20 }, 3, out);
    out.extend_from_slice(name.as_bytes());
    plain(text, out);
}

/// Not in Huffman's code: it would save a fifth of the bytes and cost more time than the rest of
/// the encoding.
fn plain(text: &[u8], out: &mut BytesMut) {
    prefixed::encode(text.len() as u64, 0, 7, out);
    out.extend_from_slice(text);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(list: &[(&'static str, &'static str)]) -> HeaderMap {
        let pair =
            |&(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value));
        list.iter().map(pair).collect()
    }

    #[test]
    fn what_is_encoded_is_decoded_to_the_same() {
        for status in [100, 200, 204, 299, 404, 431, 599] {
            let status = StatusCode::from_u16(status).unwrap();
            let sent = fields(&[
                ("content-type", "text/plain"),
                ("content-type", "text/new"),
                ("x-custom", "something"),
                ("x-frame-options", "sameorigin"),
                ("vary", ""),
                ("connection", "close"),
            ]);
            let mut frame = BytesMut::new();
            encode_response(status, &sent, &mut frame);
            let section = decode(&frame[3..], 1000).unwrap();
            assert_eq!(section.pseudo.status.unwrap(), status.as_str());
            let mut expected = sent;
            expected.remove("connection");
            assert_eq!(section.fields, expected);
        }
    }

    #[test]
    fn a_long_section_has_a_longer_head() {
        let mut sent = HeaderMap::new();
        sent.insert("x-long", HeaderValue::from_str(&"x".repeat(40_000)).unwrap());
        let mut frame = BytesMut::from(&b"before"[..]);
        encode_trailers(&sent, &mut frame);
        assert_eq!(&frame[..6], b"before");
        let mut reader = frames::FrameReader::new(50_000);
        let mut bytes = frame.freeze().slice(6..);
        let Ok(Some(frames::Frame::Other { payload, .. })) = reader.next(&mut bytes) else {
            panic!("no frame");
        };
        assert_eq!(decode(&payload, 50_000).unwrap().fields, sent);
    }

    #[test]
    fn a_section_is_counted_as_the_rfc_does() {
        // `:path: /` and `age: 0`: 6 and 4 bytes of text, and 32 each.
        let section = b"\x00\x00\xc1\xc2";
        assert!(decode(section, 6 + 4 + 64).is_ok());
        assert_eq!(decode(section, 6 + 4 + 63).unwrap_err(), SectionFault::TooLarge);
    }

    #[test]
    fn wrong_sections_are_refused() {
        use SectionFault::{Malformed, Undecodable};
        for (section, fault) in [
            (&b""[..], Undecodable),
            (b"\x00", Undecodable),
            // Of a dynamic table.
            (b"\x01\x00", Undecodable),
            (b"\x00\x00\x80", Undecodable),
            (b"\x00\x00\x10", Undecodable),
            (b"\x00\x00\x00\x01a", Undecodable),
            // Beyond the static one.
            (b"\x00\x00\xff\x24", Undecodable),
            // A text that is cut.
            (b"\x00\x00\x51\x05abc", Undecodable),
            (b"\x00\x00\x23a", Undecodable),
            // Upper case; a name that is none; a value that is none.
            (b"\x00\x00\x21A\x01b", Malformed),
            (b"\x00\x00\x21 \x01b", Malformed),
            (b"\x00\x00\x21a\x01\n", Malformed),
            // An unknown pseudo field; one twice; one after a field.
            (b"\x00\x00\x22:a\x01b", Malformed),
            (b"\x00\x00\xc1\xc1", Malformed),
            (b"\x00\x00\xc2\xc1", Malformed),
        ] {
            assert_eq!(decode(section, 1000).unwrap_err(), fault, "{section:x?}");
        }
    }

    #[test]
    fn no_bytes_make_the_decoder_panic() {
        let mut seed = 7u64;
        for _ in 0..20_000 {
            let mut bytes = vec![0, 0];
            for _ in 0..seed % 60 {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                bytes.push((seed >> 33) as u8);
            }
            seed = seed.wrapping_add(1);
            drop(decode(&bytes, 10_000));
        }
    }
}
