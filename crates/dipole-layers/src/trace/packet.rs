//! Ethernet frames with IP and TCP around bytes that went over some connection.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use dipole_net::{Addr, Side};

use crate::Origin;
use crate::shaped::Happening;

/// One connection as a TCP flow. Bytes in, frames out.
#[derive(Debug)]
pub(super) struct Flow {
    /// This end and the peer.
    ends: [End; 2],
}

#[derive(Debug, Clone, Copy)]
struct End {
    addr: SocketAddr,
    /// The sequence number of its next byte.
    next: u32,
    ended: bool,
}

const LOCAL: usize = 0;
const PEER: usize = 1;

/// The bytes that one frame carries: Ethernet's 1500 less IPv6's and TCP's headers.
const SEGMENT: usize = 1440;

// RFC 9293 section 3.1.
const FIN: u8 = 0x01;
const SYN: u8 = 0x02;
const RST: u8 = 0x04;
const PSH: u8 = 0x08;
const ACK: u8 = 0x10;

impl Flow {
    /// The flow of the connection of this number, and its handshake.
    pub(super) fn begin(
        number: u64,
        local: &Addr,
        peer: &Addr,
        origin: Origin,
    ) -> (Self, Vec<Vec<u8>>) {
        let [local, peer] = addresses(number, local, peer);
        let end = |addr, next| End { addr, next, ended: false };
        let mut flow = Self { ends: [end(local, 1000), end(peer, 2000)] };
        let (client, server) = match origin {
            Origin::Dialed => (LOCAL, PEER),
            Origin::Accepted => (PEER, LOCAL),
        };
        let frames = vec![
            flow.frame(client, SYN, &[]),
            flow.frame(server, SYN | ACK, &[]),
            flow.frame(client, ACK, &[]),
        ];
        (flow, frames)
    }

    /// Bytes that were read or written.
    pub(super) fn data(&mut self, side: Side, bytes: &[u8]) -> Vec<Vec<u8>> {
        let from = match side {
            Side::Read => PEER,
            Side::Write => LOCAL,
        };
        let mut frames: Vec<_> =
            bytes.chunks(SEGMENT).map(|piece| self.frame(from, PSH | ACK, piece)).collect();
        frames.push(self.frame(1 - from, ACK, &[]));
        frames
    }

    pub(super) fn happened(&mut self, what: Happening) -> Vec<Vec<u8>> {
        match what {
            Happening::PeerEnded => self.end(PEER),
            Happening::Ended | Happening::Closed => self.end(LOCAL),
            Happening::PeerReset => vec![self.frame(PEER, RST | ACK, &[])],
            Happening::Reset => vec![self.frame(LOCAL, RST | ACK, &[])],
        }
    }

    /// Once.
    fn end(&mut self, end: usize) -> Vec<Vec<u8>> {
        if std::mem::replace(&mut self.ends[end].ended, true) {
            return Vec::new();
        }
        vec![self.frame(end, FIN | ACK, &[]), self.frame(1 - end, ACK, &[])]
    }

    fn frame(&mut self, from: usize, flags: u8, bytes: &[u8]) -> Vec<u8> {
        let (sender, receiver) = (self.ends[from], self.ends[1 - from]);
        let acknowledged = if flags & ACK != 0 { receiver.next } else { 0 };
        let segment = segment(sender, receiver.addr, acknowledged, flags, bytes);
        let counts = bytes.len() as u32 + u32::from(flags & (SYN | FIN) != 0);
        self.ends[from].next = sender.next.wrapping_add(counts);
        ethernet(from, &ip(sender.addr.ip(), receiver.addr.ip(), &segment))
    }
}

/// Of one family, as IP wants it; made up where an end has none.
fn addresses(number: u64, local: &Addr, peer: &Addr) -> [SocketAddr; 2] {
    let is_v6 = |addr: &Addr| addr.ip().is_some_and(|addr| addr.is_ipv6());
    let v6 = is_v6(local) || is_v6(peer);
    // As many ports as there are; later connections share them.
    let port = 1024 + (number % 60_000) as u16;
    let made_up = |host: u8, port: u16| match v6 {
        true => {
            SocketAddr::new(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, host.into()).into(), port)
        }
        false => SocketAddr::new(Ipv4Addr::new(192, 0, 2, host).into(), port),
    };
    let real = |addr: &Addr| match addr.ip() {
        Some(SocketAddr::V4(addr)) if v6 => {
            Some(SocketAddr::new(addr.ip().to_ipv6_mapped().into(), addr.port()))
        }
        other => other,
    };
    [real(local).unwrap_or(made_up(1, port)), real(peer).unwrap_or(made_up(2, port))]
}

fn segment(from: End, to: SocketAddr, acknowledged: u32, flags: u8, bytes: &[u8]) -> Vec<u8> {
    let mut segment = Vec::with_capacity(20 + bytes.len());
    segment.extend_from_slice(&from.addr.port().to_be_bytes());
    segment.extend_from_slice(&to.port().to_be_bytes());
    segment.extend_from_slice(&from.next.to_be_bytes());
    segment.extend_from_slice(&acknowledged.to_be_bytes());
    segment.extend_from_slice(&[5 << 4, flags]); // a header of five words
    segment.extend_from_slice(&u16::MAX.to_be_bytes()); // the window
    segment.extend_from_slice(&[0; 4]); // checksum, urgent pointer
    segment.extend_from_slice(bytes);
    let checksum = checksum(&[&pseudo_header(from.addr.ip(), to.ip(), segment.len()), &segment]);
    segment[16..18].copy_from_slice(&checksum.to_be_bytes());
    segment
}

const TCP: u8 = 6;

/// What the checksum covers beside the segment (RFC 9293 section 3.1).
fn pseudo_header(from: IpAddr, to: IpAddr, length: usize) -> Vec<u8> {
    let mut header = Vec::with_capacity(40);
    match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            header.extend_from_slice(&from.octets());
            header.extend_from_slice(&to.octets());
            header.extend_from_slice(&[0, TCP]);
            header.extend_from_slice(&(length as u16).to_be_bytes());
        }
        (from, to) => {
            header.extend_from_slice(&v6(from).octets());
            header.extend_from_slice(&v6(to).octets());
            header.extend_from_slice(&(length as u32).to_be_bytes());
            header.extend_from_slice(&[0, 0, 0, TCP]);
        }
    }
    header
}

fn ip(from: IpAddr, to: IpAddr, segment: &[u8]) -> Vec<u8> {
    let mut packet = Vec::with_capacity(40 + segment.len());
    match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            // RFC 791 section 3.1.
            packet.extend_from_slice(&[0x45, 0]);
            packet.extend_from_slice(&((20 + segment.len()) as u16).to_be_bytes());
            packet.extend_from_slice(&[0, 0, 0x40, 0, 64, TCP, 0, 0]);
            packet.extend_from_slice(&from.octets());
            packet.extend_from_slice(&to.octets());
            let checksum = checksum(&[&packet]);
            packet[10..12].copy_from_slice(&checksum.to_be_bytes());
        }
        (from, to) => {
            // RFC 8200 section 3.
            packet.extend_from_slice(&[0x60, 0, 0, 0]);
            packet.extend_from_slice(&(segment.len() as u16).to_be_bytes());
            packet.extend_from_slice(&[TCP, 64]);
            packet.extend_from_slice(&v6(from).octets());
            packet.extend_from_slice(&v6(to).octets());
        }
    }
    packet.extend_from_slice(segment);
    packet
}

fn v6(ip: IpAddr) -> Ipv6Addr {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => ip,
    }
}

fn ethernet(from: usize, packet: &[u8]) -> Vec<u8> {
    // Locally administered addresses: one ends in 1, the other in 2.
    let address = |end: usize| [2, 0, 0, 0, 0, end as u8 + 1];
    let kind: u16 = if packet[0] >> 4 == 4 { 0x0800 } else { 0x86dd };
    let mut frame = Vec::with_capacity(14 + packet.len());
    frame.extend_from_slice(&address(1 - from));
    frame.extend_from_slice(&address(from));
    frame.extend_from_slice(&kind.to_be_bytes());
    frame.extend_from_slice(packet);
    frame
}

/// RFC 1071. Every part but the last has an even length.
///
/// By its section 2 (B and C) longer words may be added as well, when the carries are folded in: 16 bytes
/// at a time. A capture sums up all bytes there are, so it counts, most of all in a debug build.
fn checksum(parts: &[&[u8]]) -> u16 {
    let mut sum = 0_u128;
    for part in parts {
        let (words, rest) = part.as_chunks::<16>();
        for word in words {
            sum = add(sum, *word);
        }
        let mut last = [0; 16];
        last[..rest.len()].copy_from_slice(rest);
        sum = add(sum, last);
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

/// With the carry, which is worth 1 in whatever size of words.
fn add(sum: u128, word: [u8; 16]) -> u128 {
    let (sum, carry) = sum.overflowing_add(u128::from_be_bytes(word));
    // A sum that has overflowed is not the largest one.
    sum.wrapping_add(u128::from(carry))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_the_specifications_example() {
        // RFC 1071 section 3.
        let bytes = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
        assert_eq!(checksum(&[&bytes]), !0xddf2);
    }

    #[test]
    fn the_checksum_of_any_length_and_parts_is_the_sum_of_its_words_of_two_bytes() {
        let bytes: Vec<u8> = (0..70_000_u32).map(|n| (n * 251 % 256) as u8 | 0xc0).collect();
        for length in (0..40).chain([1459, 1460, 65_535, 70_000]) {
            let mut sum: u64 = bytes[..length]
                .chunks(2)
                .map(|pair| 256 * u64::from(pair[0]) + u64::from(pair.get(1).copied().unwrap_or(0)))
                .sum();
            while sum > 0xffff {
                sum = (sum & 0xffff) + (sum >> 16);
            }
            let expected = !(sum as u16);
            for cut in [0, 2, 6, 12, 20, 38] {
                let (first, second) = bytes[..length].split_at(cut.min(length & !1));
                assert_eq!(checksum(&[first, second]), expected, "{length} bytes cut at {cut}");
            }
        }
    }

    #[test]
    fn sequence_numbers_count_bytes_and_both_ends() {
        let addr: Addr = "127.0.0.1:80".parse().expect("an address");
        let (mut flow, handshake) = Flow::begin(0, &addr, &Addr::Unnamed, Origin::Accepted);
        assert_eq!(handshake.len(), 3);
        let frames = flow.data(Side::Read, &[7; 3000]);
        assert_eq!(frames.len(), 4);
        let sequence =
            |frame: &Vec<u8>| u32::from_be_bytes(frame[38..42].try_into().expect("four"));
        let numbers: Vec<_> = frames.iter().map(sequence).collect();
        assert_eq!(numbers, [2001, 3441, 4881, 1001]);
        assert_eq!(flow.happened(Happening::Closed).len(), 2);
        assert_eq!(flow.happened(Happening::Ended).len(), 0);
        assert_eq!(flow.ends[LOCAL].next, 1002);
    }
}
