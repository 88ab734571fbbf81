//! What a dialer sends over the socket of a name: the far ends of two pipes.
//!
//! The kernel keeps the offer in the socket's queue until somebody takes it, and closes the pipes'
//! ends when nobody can any more. So nothing is left behind whenever either side gives up.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use dipole_net::{Error, ErrorKind, Initiator, Result};
use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use rustix::pipe::{PipeFlags, pipe_with};

/// One end of a connection: the pipe to read and the pipe to write.
#[derive(Debug)]
pub(crate) struct Ends {
    pub(crate) input: OwnedFd,
    pub(crate) output: OwnedFd,
}

/// Descriptors cannot go without a byte beside them; it means nothing.
const BYTE: &[u8] = b"c";

/// Makes two pipes, offers one end of the connection over `socket`, and keeps the other. Never
/// waits: an empty socket takes one byte.
pub(crate) fn send(socket: impl AsFd) -> Result<Ends> {
    let pipe = || pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).map_err(from_errno);
    let ((their_input, output), (input, their_output)) = (pipe()?, pipe()?);
    let theirs = [their_input.as_fd(), their_output.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))];
    let mut beside = SendAncillaryBuffer::new(&mut space);
    // The space is for two.
    beside.push(SendAncillaryMessage::ScmRights(&theirs));
    sendmsg(socket, &[IoSlice::new(BYTE)], &mut beside, SendFlags::NOSIGNAL).map_err(from_errno)?;
    Ok(Ends { input, output })
}

/// Takes the offer out of `socket`; `None` when it has not come yet.
///
/// # Errors
/// `Closed` when the dialer has given up, `Exhausted` when this process has no descriptors left,
/// `Protocol` when what came is no offer.
pub(crate) fn receive(socket: BorrowedFd<'_>) -> Result<Option<Ends>> {
    let (mut byte, mut space) = ([0], [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(2))]);
    let mut beside = RecvAncillaryBuffer::new(&mut space);
    let into = &mut [IoSliceMut::new(&mut byte)];
    let message = match recvmsg(socket, into, &mut beside, RecvFlags::CMSG_CLOEXEC) {
        Ok(message) => message,
        Err(Errno::AGAIN | Errno::INTR) => return Ok(None),
        Err(errno) => return Err(from_errno(errno)),
    };
    if message.bytes == 0 {
        return Err(ErrorKind::Closed.into());
    }
    let mut descriptors = beside.drain().flat_map(|message| match message {
        RecvAncillaryMessage::ScmRights(descriptors) => descriptors.collect::<Vec<_>>(),
        _ => Vec::new(),
    });
    match (descriptors.next(), descriptors.next()) {
        (Some(input), Some(output)) => Ok(Some(Ends { input, output })),
        // The kernel drops what finds no room in the process.
        _ if message.flags.contains(ReturnFlags::CTRUNC) => Err(ErrorKind::Exhausted.into()),
        _ => Err(ErrorKind::Protocol { code: 0, by: Initiator::Local }.into()),
    }
}

/// The system's error in the words of the contract.
pub(crate) fn from_errno(errno: Errno) -> Error {
    std::io::Error::from(errno).into()
}
