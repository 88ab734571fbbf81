//! Listening sockets that pass from one process to another.
//!
//! On SIGUSR2 a server starts its program anew, with the same arguments, and gives it its sockets
//! over a channel that is the new process's stdin. The new one says when it serves; then the old
//! one retires. No connection is refused in between, for the sockets stay open.
//!
//! A message on the channel is a JSON line of one listener, its descriptors beside it (SCM_RIGHTS);
//! an empty object is the last.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::Path;
use std::process::{Child, Command};
use std::time::Duration;

use dipole::ServerHandle;
use dipole::net::{ListeningSocket, Result};
use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recv, recvmsg, send, sendmsg,
    socketpair,
};
use serde::{Deserialize, Serialize};

/// The option that makes a process ask its stdin for sockets.
pub(super) const OPTION: &str = "--take-over";

/// How long either side waits for the other's next word.
const PATIENCE: Duration = Duration::from_secs(30);

/// Descriptors in one message; the system's limit is 253.
const AT_ONCE: usize = 64;

/// What the new process says when it serves.
const READY: &[u8] = b"ready";

/// The sockets of one listener.
#[derive(Debug)]
pub(super) struct Inherited {
    pub(super) listener: Listener,
    pub(super) sockets: Vec<ListeningSocket>,
}

/// Which listener.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Listener {
    /// Where it listens.
    pub(super) address: String,
    /// Its Unix path is to be unlinked at the end.
    pub(super) owns_path: bool,
    /// It is the one that takes orders.
    pub(super) is_admin: bool,
}

#[derive(Serialize, Deserialize)]
struct Message {
    listener: Option<Listener>,
}

impl Inherited {
    /// What a running server listens on.
    ///
    /// # Errors
    /// It has no sockets to give.
    pub(super) async fn of(server: &ServerHandle, role: Role) -> Result<Vec<Self>> {
        let mut all: Vec<Self> = Vec::new();
        for addr in server.local_addrs() {
            let address = addr.to_string();
            if all.iter().any(|earlier| earlier.listener.address == address) {
                continue;
            }
            let sockets = server.sockets(addr).await?;
            let owns_path = sockets.iter().any(|socket| socket.keepsake().is_some());
            let listener = Listener { address, owns_path, is_admin: role == Role::Admin };
            all.push(Self { listener, sockets });
        }
        Ok(all)
    }
}

/// What a listener is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Site,
    Admin,
}

/// Starts this program anew and waits until it serves with these sockets; gives its process id.
///
/// # Errors
/// It did not come to serve, and has ended; nothing has changed.
pub(super) fn bequeath(inheritance: Vec<Inherited>) -> io::Result<u32> {
    let (channel, theirs) =
        socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
    let mut heir = start_heir(theirs)?;
    match hand_over(&channel, &inheritance) {
        Ok(()) => {
            inheritance
                .into_iter()
                .flat_map(|inherited| inherited.sockets)
                .for_each(ListeningSocket::give_away);
            Ok(heir.id())
        }
        Err(error) => {
            let _ = heir.kill();
            let _ = heir.wait();
            Err(error)
        }
    }
}

/// The same program, which may be a newer file of that name, with the same arguments.
fn start_heir(stdin: OwnedFd) -> io::Result<Child> {
    let running = std::env::current_exe()?;
    // What the system calls the program when its file was replaced.
    let path = running.to_str().and_then(|path| path.strip_suffix(" (deleted)")).map(Path::new);
    let program = path.unwrap_or(&running);
    let mut arguments: Vec<_> = std::env::args_os().skip(1).collect();
    if !arguments.iter().any(|argument| argument == OPTION) {
        // Behind the command's name, before any `--`.
        arguments.insert(1.min(arguments.len()), OPTION.into());
    }
    Command::new(program).args(arguments).stdin(stdin).spawn()
}

fn hand_over(channel: &OwnedFd, inheritance: &[Inherited]) -> io::Result<()> {
    set_socket_timeout(channel, Timeout::Recv, Some(PATIENCE))?;
    set_socket_timeout(channel, Timeout::Send, Some(PATIENCE))?;
    for Inherited { listener, sockets } in inheritance {
        for some in sockets.chunks(AT_ONCE) {
            let descriptors: Vec<_> = some.iter().map(|socket| socket.as_fd()).collect();
            send_message(channel, Some(listener.clone()), &descriptors)?;
        }
    }
    send_message(channel, None, &[])?;
    let mut answer = [0; READY.len()];
    match recv(channel, &mut answer[..], RecvFlags::empty()) {
        Ok((length, _)) if answer[..length] == *READY => Ok(()),
        Ok(_) | Err(Errno::CONNRESET | Errno::PIPE) => {
            Err(io::Error::other("the new process has ended before it served"))
        }
        Err(error) => Err(late(error)),
    }
}

/// Takes what the earlier process gives on stdin.
///
/// # Errors
/// Stdin is no such channel, or the earlier process has gone.
pub(super) fn inherit() -> io::Result<(Vec<Inherited>, Heir)> {
    let channel = io::stdin().as_fd().try_clone_to_owned()?;
    set_socket_timeout(&channel, Timeout::Recv, Some(PATIENCE))?;
    let mut inheritance: Vec<Inherited> = Vec::new();
    while let Some((listener, sockets)) = receive_message(&channel)? {
        match inheritance.iter_mut().find(|earlier| earlier.listener == listener) {
            Some(earlier) => earlier.sockets.extend(sockets),
            None => inheritance.push(Inherited { listener, sockets }),
        }
    }
    Ok((inheritance, Heir { channel }))
}

/// A process that was given sockets, and has not served with them yet.
#[derive(Debug)]
pub(super) struct Heir {
    channel: OwnedFd,
}

impl Heir {
    /// From here on this process serves, and the earlier one retires.
    pub(super) fn serves(self) -> io::Result<()> {
        send(&self.channel, READY, SendFlags::NOSIGNAL)?;
        Ok(())
    }
}

fn send_message(
    channel: &OwnedFd,
    listener: Option<Listener>,
    descriptors: &[BorrowedFd<'_>],
) -> io::Result<()> {
    let text = serde_json::to_vec(&Message { listener })?;
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(AT_ONCE))];
    let mut beside = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() && !beside.push(SendAncillaryMessage::ScmRights(descriptors)) {
        return Err(io::Error::other("too many sockets for one message"));
    }
    sendmsg(channel, &[IoSlice::new(&text)], &mut beside, SendFlags::NOSIGNAL).map_err(late)?;
    Ok(())
}

/// `None` is the end.
fn receive_message(channel: &OwnedFd) -> io::Result<Option<(Listener, Vec<ListeningSocket>)>> {
    let mut text = [0; 8192];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(AT_ONCE))];
    let mut beside = RecvAncillaryBuffer::new(&mut space);
    let mut parts = [IoSliceMut::new(&mut text)];
    let received = recvmsg(channel, &mut parts, &mut beside, RecvFlags::CMSG_CLOEXEC);
    let length = received.map_err(late)?.bytes;
    let message: Message = serde_json::from_slice(&text[..length])?;
    let sockets = beside.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
        _ => None,
    });
    let sockets = sockets.flatten().map(ListeningSocket::new).collect();
    Ok(message.listener.map(|listener| (listener, sockets)))
}

/// A timeout of a socket has the name of something else.
fn late(error: Errno) -> io::Error {
    match error {
        Errno::CONNRESET | Errno::PIPE => io::Error::other("the other process has ended"),
        Errno::AGAIN => {
            let why = format!("the other process has said nothing for {PATIENCE:?}");
            io::Error::new(io::ErrorKind::TimedOut, why)
        }
        error => error.into(),
    }
}
