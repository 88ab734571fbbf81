//! Where a head ends, in bytes that come bit by bit.

use std::ops::Range;

use super::reject::Reject;
use super::scan;

/// What a head may have at most.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HeadLimits {
    /// The whole head with its blank line, in bytes (431).
    pub(crate) max_head_bytes: usize,
    /// The request target, in bytes (414); `http::Uri` has a limit of 65,534 of its own.
    pub(crate) max_target_bytes: usize,
    /// How many field lines (431).
    pub(crate) max_fields: usize,
}

impl Default for HeadLimits {
    fn default() -> Self {
        Self { max_head_bytes: 64 * 1024, max_target_bytes: 16 * 1024, max_fields: 100 }
    }
}

/// How many line ends a peer may send before a start line.
const MAX_LEADING_LINES: usize = 4;

/// Looks for the end of one head. Remembers how far it came, so that a peer that sends one byte at
/// a time costs no more than one that sends all at once.
#[derive(Debug, Default)]
pub(crate) struct HeadScan {
    /// Where the first line that has not ended yet begins.
    line: usize,
    /// All before this place was looked at.
    scanned: usize,
    /// Lines that have ended, leading empty ones aside: the start line and field lines.
    lines: usize,
    leading: usize,
    has_upgrade: bool,
    start_checked: bool,
    ends: LineEnds,
}

/// Where the first lines end, so that the parse need not look for it again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct LineEnds {
    /// The place of each line's CR; 0 where it is not known.
    crs: [u16; 24],
}

impl LineEnds {
    /// Where the CR of the line is that begins at `start` and is number `line` of the head.
    #[inline]
    pub(super) fn cr_of(&self, line: usize, head: &[u8], start: usize) -> Option<usize> {
        match self.crs.get(line) {
            Some(&cr) if cr > 0 => Some(usize::from(cr)),
            // The scan has seen to it that a CR is before each LF.
            _ => Some(start + scan::find(head.get(start..)?, b'\n')?.checked_sub(1)?),
        }
    }
}

/// A whole head that is held, found by [`HeadScan`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HeadShape {
    /// All of it in bytes, from the first byte held to its blank line.
    pub(crate) len: usize,
    /// Empty lines before the start line, in bytes.
    pub(super) leading: usize,
    /// How many field lines.
    pub(super) fields: usize,
    pub(super) ends: LineEnds,
    /// There is an `Upgrade` field; whether it counts, the parse tells.
    pub(crate) has_upgrade: bool,
}

impl HeadShape {
    /// Where the start line is in `head`, without its line end.
    #[inline]
    pub(super) fn start_line(&self, head: &[u8]) -> Option<Range<usize>> {
        let end = self.ends.cr_of(0, head, self.leading)?;
        (self.leading <= end && end <= head.len()).then_some(self.leading..end)
    }
}

impl HeadScan {
    /// True when it has not looked at anything yet.
    pub(crate) fn is_new(&self) -> bool {
        self.scanned == 0
    }

    /// Looks at `held`, the unread bytes of the connection, of which no byte was consumed since
    /// the last call. `None`: the head is not whole yet; wait for more.
    ///
    /// # Errors
    /// What is wrong already, however much is still to come.
    pub(crate) fn find_end(
        &mut self,
        held: &[u8],
        limits: &HeadLimits,
    ) -> Result<Option<HeadShape>, Reject> {
        let new = held.get(self.scanned..).unwrap_or_default();
        let (blocks, rest) = new.as_chunks::<16>();
        let mut at = self.scanned;
        for block in blocks {
            if scan::is_in(block, b'\n') && self.end_lines(held, at, block)? {
                return self.shape(limits).map(Some);
            }
            at += 16;
        }
        if !rest.is_empty() && self.end_lines(held, at, &scan::block(held, at))? {
            return self.shape(limits).map(Some);
        }
        self.scanned = held.len();
        self.check_part(held, limits)?;
        Ok(None)
    }

    /// True before the first byte of a start line: the peer may end here in good order.
    pub(crate) fn is_before_start(&self, held: &[u8]) -> bool {
        self.lines == 0 && matches!(&held[self.line.min(held.len())..], b"" | b"\r")
    }

    /// Ends the lines that end in `block`, which is at `at`. True when the head has ended, and then
    /// `line` is where it did.
    #[inline]
    fn end_lines(&mut self, held: &[u8], at: usize, block: &[u8; 16]) -> Result<bool, Reject> {
        for (word, places) in scan::places(block, b'\n').into_iter().enumerate() {
            for place in places {
                if self.end_line(held, at + 8 * word + place)? {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    #[inline]
    fn end_line(&mut self, held: &[u8], lf: usize) -> Result<bool, Reject> {
        let line = std::mem::replace(&mut self.line, lf + 1);
        // RFC 9112 2.2: a bare LF could be taken as a line end. Two parsers that differ in it see
        // two different messages, so it is none here.
        if lf == line || held[lf - 1] != b'\r' {
            return Err(Reject::LineEnd);
        }
        if lf == line + 1 {
            return if self.lines > 0 { Ok(true) } else { self.skip_leading_line() };
        }
        if let Some(end) = self.ends.crs.get_mut(self.lines) {
            *end = u16::try_from(lf - 1).unwrap_or(0);
        }
        self.lines += 1;
        if held[line] | 0x20 == b'u' {
            let name = &held[line..lf];
            self.has_upgrade |=
                name.len() > 8 && name[7] == b':' && name[..7].eq_ignore_ascii_case(b"upgrade");
        }
        Ok(false)
    }

    /// RFC 9112 2.2: at least one empty line before the request line is ignored.
    fn skip_leading_line(&mut self) -> Result<bool, Reject> {
        self.leading += 2;
        if self.leading > 2 * MAX_LEADING_LINES { Err(Reject::StartLine) } else { Ok(false) }
    }

    fn shape(&self, limits: &HeadLimits) -> Result<HeadShape, Reject> {
        if self.line > limits.max_head_bytes {
            return Err(Reject::HeadTooLong);
        }
        if self.lines - 1 > limits.max_fields {
            return Err(Reject::TooManyFields);
        }
        Ok(HeadShape {
            len: self.line,
            leading: self.leading,
            fields: self.lines - 1,
            ends: self.ends,
            has_upgrade: self.has_upgrade,
        })
    }

    /// What can be said of a head that is not whole. Nothing here looks at more than the bytes of
    /// one line that is not whole, and of that only at its beginning.
    fn check_part(&mut self, held: &[u8], limits: &HeadLimits) -> Result<(), Reject> {
        if self.lines == 0 {
            return self.check_start(held, limits);
        }
        if held.len() >= limits.max_head_bytes {
            return Err(Reject::HeadTooLong);
        }
        if self.lines > limits.max_fields + 1 {
            return Err(Reject::TooManyFields);
        }
        self.check_start_line(held)
    }

    /// As `check_part`, while the start line is not whole.
    fn check_start(&self, held: &[u8], limits: &HeadLimits) -> Result<(), Reject> {
        const MAX_METHOD: usize = 64;
        let part = &held[self.line.min(held.len())..];
        // What is not HTTP at all, such as a TLS handshake, is told by its first byte.
        match part.first() {
            None | Some(b'\r') => {}
            Some(b) if b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b) => {}
            Some(_) => return Err(Reject::StartLine),
        }
        let longest = limits.max_head_bytes.min(limits.max_target_bytes + MAX_METHOD);
        if part.len() < longest && held.len() < limits.max_head_bytes {
            return Ok(());
        }
        // RFC 9112 3: a request target that is too long is a 414.
        let has_method = part[..part.len().min(MAX_METHOD)].contains(&b' ');
        Err(if has_method { Reject::TargetTooLong } else { Reject::StartLine })
    }

    /// A start line without a version is HTTP/0.9, after which no blank line would come.
    fn check_start_line(&mut self, held: &[u8]) -> Result<(), Reject> {
        if self.start_checked {
            return Ok(());
        }
        self.start_checked = true;
        let line = held.get(self.leading..).unwrap_or_default();
        let line = &line[..scan::find(line, b'\r').unwrap_or(line.len())];
        let is_version = |text: &[u8]| text.starts_with(b"HTTP/");
        let at_end = line.len().checked_sub(8).is_some_and(|at| is_version(&line[at..]));
        if is_version(line) || at_end { Ok(()) } else { Err(Reject::StartLine) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: HeadLimits =
        HeadLimits { max_head_bytes: 200, max_target_bytes: 20, max_fields: 3 };

    fn whole(held: &[u8]) -> Result<Option<HeadShape>, Reject> {
        HeadScan::default().find_end(held, &SMALL)
    }

    #[test]
    fn a_head_ends_at_its_blank_line() {
        let head = b"GET / HTTP/1.1\r\nhost: a\r\nx: y\r\n\r\n";
        let shape = whole(head).expect("good").expect("whole");
        assert_eq!((shape.len, shape.leading, shape.fields), (head.len(), 0, 2));
        assert!(!shape.has_upgrade);
        assert_eq!(shape.ends.crs[..4], [14, 23, 29, 0]);
        assert_eq!(whole(&[head, &b"\r\n\n\0"[..]].concat()), Ok(Some(shape)));
        for end in 0..head.len() {
            assert_eq!(whole(&head[..end]), Ok(None), "{end}");
        }
    }

    #[test]
    fn a_head_that_comes_bit_by_bit_ends_at_the_same_place() {
        let head = b"\r\nGET / HTTP/1.1\r\nUpgrade: x\r\n\r\n";
        let shape = whole(head).expect("good").expect("whole");
        assert_eq!((shape.len, shape.leading, shape.fields), (head.len(), 2, 1));
        assert!(shape.has_upgrade);
        let mut scan = HeadScan::default();
        for end in 0..head.len() {
            assert_eq!(scan.find_end(&head[..end], &SMALL), Ok(None), "{end}");
            assert_eq!(scan.is_before_start(&head[..end]), end < 3, "{end}");
        }
        assert_eq!(scan.find_end(head, &SMALL), Ok(Some(shape)));
        for first in 0..head.len() {
            let mut scan = HeadScan::default();
            assert_eq!(scan.find_end(&head[..first], &SMALL), Ok(None));
            assert_eq!(scan.find_end(head, &SMALL), Ok(Some(shape)), "{first}");
        }
    }

    #[test]
    fn what_cannot_become_a_head_is_refused_before_it_is_whole() {
        let long_target = [b"GET /".as_slice(), &[b'a'; 85]].concat();
        let bad: &[(&[u8], Reject)] = &[
            (b"\n", Reject::LineEnd),
            (b"GET / HTTP/1.1\n", Reject::LineEnd),
            (b"GET / HTTP/1.1\r\nhost: a\n\n", Reject::LineEnd),
            (b"GET / HTTP/1.1\r\n\n", Reject::LineEnd),
            (b"GET /\r\n", Reject::StartLine),
            (b"hello\r\n", Reject::StartLine),
            (b"\r\n\r\n\r\n\r\n\r\n", Reject::StartLine),
            (b"\x16\x03\x01\x02", Reject::StartLine),
            (b" GET", Reject::StartLine),
            (&[b'a'; 85], Reject::StartLine),
            (&long_target, Reject::TargetTooLong),
            (&[0xff; 300], Reject::StartLine),
            (b"\x80", Reject::StartLine),
            (b"GET / HTTP/1.1\r\na:\r\nb:\r\nc:\r\nd:\r\n", Reject::TooManyFields),
            (b"GET / HTTP/1.1\r\na:\r\nb:\r\nc:\r\nd:\r\n\r\n", Reject::TooManyFields),
        ];
        for (held, reject) in bad {
            assert_eq!(whole(held), Err(*reject), "{}", held.escape_ascii());
        }
        let long = format!("GET / HTTP/1.1\r\na: {}", "b".repeat(200));
        assert_eq!(whole(long.as_bytes()), Err(Reject::HeadTooLong));
        let long = format!("GET / HTTP/1.1\r\na: {}\r\n\r\n", "b".repeat(200));
        assert_eq!(whole(long.as_bytes()), Err(Reject::HeadTooLong));
        let fits = format!("GET / HTTP/1.1\r\na: {}\r\n\r\n", "b".repeat(177));
        assert_eq!(whole(fits.as_bytes()).map(|shape| shape.map(|shape| shape.len)), Ok(Some(200)));
    }
}
