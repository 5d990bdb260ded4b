//! What the monitor, its first child and the commands say to each other: one packet per sentence (unix(7),
//! SOCK_SEQPACKET), a letter and a few numbers each, so that nothing is ever half-read.

use crate::error::{Error, Result, Tried};
use crate::kernel::process::{self, Child};
use crate::kernel::{at, file, io};
use crate::spec::Verdict;
use crate::store::{Store, containers};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::mem::MaybeUninit;
use rustix::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use rustix::fs::OFlags;
use rustix::io::{Errno, IoSlice, IoSliceMut};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, SocketAddrUnix, SocketFlags, SocketType, bind, connect, listen, recvmsg, sendmsg, socket_with,
    socketpair,
};

/// No packet is longer; the text of an error is cut to fit.
const PACKET_BYTES_MAX: usize = 4096;
/// Connections that may wait for the monitor's attention.
const BACKLOG: i32 = 64;
/// Name of the monitor's socket in `<run>/<id>/`.
const SOCKET: &str = "ctl";

/// What a container is ended for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A person wants it to end.
    End,
    /// The same, but it is started again at once: it stays even if it was to go away with its end.
    Again,
    /// The host goes down: at its next start the container is as if it had never ended.
    Shutdown,
}

/// A sentence.
pub enum Message {
    /// monitor: the command is running, with this pid. child: this process (a descriptor comes with it) is to become it.
    Started(i32),
    /// monitor, child: it did not work.
    Failed(Error),
    /// monitor: the container has ended with this code, and everything about it is written down.
    Exited(i32),
    /// monitor: done.
    Done,
    /// command: send this signal to the first process.
    Signal(i32),
    /// command: stop with this signal, and after so many milliseconds (negative: never) with SIGKILL.
    Stop(i32, i64, Purpose),
    /// command: tell me when it has ended.
    Wait,
    /// command: tell me its health now, and whenever that changes.
    Watch,
    /// monitor: this is its health.
    Health(Verdict),
    /// command: the terminal has so many rows and columns.
    Resize(u16, u16),
    /// command: stand still until I say otherwise or hang up.
    Freeze,
    /// command: go on.
    Thaw,
    /// command: stand still, also when I hang up, until somebody unpauses or stops it.
    Pause,
    /// command: the pause is over.
    Unpause,
    /// command: the record names other networks than before; be on those.
    Rewire,
    /// command: connect me, too, with its standard input (0), output (1) or error (2); my pipe comes with it.
    Stream(i32),
    /// the command that started it: my standard input has ended.
    Eof,
    /// child: here is the terminal's master (a descriptor comes with it).
    Terminal,
    /// monitor: here is a detached mount, or the file by which a cgroup is joined (a descriptor comes with it).
    Tree,
    /// command: this is what I was to make for you (a descriptor comes with it), or I could not.
    Made,
    /// monitor: this is one of your links; the text is an [`crate::spec::Attached`].
    Attached(String),
}

fn encode(message: &Message) -> Vec<u8> {
    let (letter, numbers, text): (u8, &[i64], &str) = match message {
        Message::Started(pid) => (b'S', &[i64::from(*pid)], ""),
        Message::Failed(error) => {
            let errno = error.errno.map_or(0, Errno::raw_os_error);
            (b'E', &[i64::from(errno), error.code.map_or(-1, i64::from)], &error.what)
        }
        Message::Exited(code) => (b'X', &[i64::from(*code)], ""),
        Message::Done => (b'D', &[], ""),
        Message::Signal(signal) => (b'K', &[i64::from(*signal)], ""),
        Message::Stop(signal, limit_ms, purpose) => (b'T', &[i64::from(*signal), *limit_ms, *purpose as i64], ""),
        Message::Wait => (b'W', &[], ""),
        Message::Watch => (b'B', &[], ""),
        Message::Health(verdict) => (b'C', &[*verdict as i64], ""),
        Message::Resize(rows, columns) => (b'R', &[i64::from(*rows), i64::from(*columns)], ""),
        Message::Freeze => (b'F', &[], ""),
        Message::Thaw => (b'U', &[], ""),
        Message::Pause => (b'H', &[], ""),
        Message::Unpause => (b'G', &[], ""),
        Message::Rewire => (b'L', &[], ""),
        Message::Stream(which) => (b'A', &[i64::from(*which)], ""),
        Message::Eof => (b'Z', &[], ""),
        Message::Terminal => (b'P', &[], ""),
        Message::Tree => (b'M', &[], ""),
        Message::Made => (b'I', &[], ""),
        Message::Attached(text) => (b'N', &[], text),
    };
    let mut bytes = alloc::vec![letter];
    for number in numbers {
        bytes.extend_from_slice(&number.to_ne_bytes());
    }
    let room = PACKET_BYTES_MAX - bytes.len();
    bytes.extend_from_slice(&text.as_bytes()[..text.len().min(room)]);
    bytes
}

fn decode(bytes: &[u8]) -> Option<Message> {
    let (letter, rest) = bytes.split_first()?;
    let number = |i: usize| Some(i64::from_ne_bytes(rest.get(i * 8..i * 8 + 8)?.try_into().ok()?));
    Some(match letter {
        b'S' => Message::Started(number(0)? as i32),
        b'E' => {
            let mut error = Error::new(String::from_utf8_lossy(rest.get(16..)?).into_owned());
            error.errno = Some(number(0)? as i32).filter(|n| *n > 0).map(Errno::from_raw_os_error);
            error.code = u8::try_from(number(1)?).ok();
            Message::Failed(error)
        }
        b'X' => Message::Exited(number(0)? as i32),
        b'D' => Message::Done,
        b'K' => Message::Signal(number(0)? as i32),
        b'T' => {
            let purposes = [Purpose::End, Purpose::Again, Purpose::Shutdown];
            Message::Stop(number(0)? as i32, number(1)?, *purposes.get(number(2)? as usize)?)
        }
        b'W' => Message::Wait,
        b'B' => Message::Watch,
        b'C' => Message::Health(*Verdict::EACH.get(number(0)? as usize)?),
        b'R' => Message::Resize(number(0)? as u16, number(1)? as u16),
        b'F' => Message::Freeze,
        b'U' => Message::Thaw,
        b'H' => Message::Pause,
        b'G' => Message::Unpause,
        b'L' => Message::Rewire,
        b'A' => Message::Stream(number(0)? as i32),
        b'Z' => Message::Eof,
        b'P' => Message::Terminal,
        b'M' => Message::Tree,
        b'I' => Message::Made,
        b'N' => Message::Attached(String::from_utf8_lossy(rest).into_owned()),
        _ => return None,
    })
}

/// Two connected ends.
pub fn pair() -> Result<(OwnedFd, OwnedFd)> {
    socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).tried("make a socket")
}

/// Says a sentence. A full socket makes it wait; a peer that is gone is `EPIPE`.
pub fn send(socket: BorrowedFd<'_>, message: &Message) -> Result<()> {
    send_with(socket, message, None)
}

/// Says a sentence, and hands a descriptor over with it.
pub fn send_with(socket: BorrowedFd<'_>, message: &Message, fd: Option<BorrowedFd<'_>>) -> Result<()> {
    send_bytes(socket, &encode(message), fd).tried("talk to the container's monitor")
}

/// The same for anybody who understands something else.
pub fn send_bytes(socket: BorrowedFd<'_>, bytes: &[u8], fd: Option<BorrowedFd<'_>>) -> core::result::Result<(), Errno> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    let fds = fd.map(|fd| [fd]);
    if let Some(fds) = &fds {
        ancillary.push(SendAncillaryMessage::ScmRights(fds));
    }
    loop {
        match sendmsg(socket, &[IoSlice::new(bytes)], &mut ancillary, SendFlags::NOSIGNAL) {
            Err(Errno::INTR | Errno::CONNRESET) => {} // see `receive`; then it is EPIPE
            other => return other.map(drop),
        }
    }
}

/// The next sentence, with the descriptor that came along. `None` when the other side has hung up.
pub fn receive(socket: BorrowedFd<'_>) -> Result<Option<(Message, Option<OwnedFd>)>> {
    let mut bytes = [0u8; PACKET_BYTES_MAX];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let got = loop {
        let flags = RecvFlags::CMSG_CLOEXEC;
        match recvmsg(socket, &mut [IoSliceMut::new(&mut bytes)], &mut ancillary, flags) {
            // Once, when the other side has closed without having read everything: what it said before is still to come.
            Err(Errno::INTR | Errno::CONNRESET) => {}
            other => break other.tried("listen to the container's monitor")?.bytes,
        }
    };
    let mut fd = None;
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(fds) = message {
            fd = fds.last();
        }
    }
    if got == 0 {
        return Ok(None);
    }
    match decode(&bytes[..got]) {
        Some(message) => Ok(Some((message, fd))),
        None => Err(Error::new("the container's monitor speaks another version of mydocker's language")),
    }
}

/// monitor: the socket that commands connect to. It replaces one that a dead monitor left.
pub fn listen_at(store: &Store, id: &str) -> Result<OwnedFd> {
    let dir = containers::run_dir(store, id)?;
    file::remove_tree(dir.as_fd(), SOCKET)?;
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None).tried("make a socket")?;
    bind(&socket, &address(&dir)?).tried_with(|| format!("bind {}/{id}/{SOCKET}", store.run_path))?;
    listen(&socket, BACKLOG).tried("listen")?;
    Ok(socket)
}

/// command: connects to the monitor of a container. `None` when there is none.
pub fn dial(store: &Store, id: &str) -> Result<Option<OwnedFd>> {
    let dir = match file::open_dir(&format!("{}/{id}", store.run_path)) {
        Err(error) if error.is(Errno::NOENT) => return Ok(None),
        other => other?,
    };
    let kind = SocketType::SEQPACKET;
    let socket = socket_with(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None).tried("make a socket")?;
    loop {
        match connect(&socket, &address(&dir)?) {
            Ok(()) => return Ok(Some(socket)),
            Err(Errno::INTR) => {}
            Err(Errno::NOENT | Errno::CONNREFUSED) => return Ok(None),
            Err(errno) => return Err(Error::os("connect to the container's monitor", errno)),
        }
    }
}

/// By way of /proc: a socket's address has room for 107 bytes only, a path has no such limit.
fn address(dir: &OwnedFd) -> Result<SocketAddrUnix> {
    let path = at::c(&format!("/proc/self/fd/{}/{SOCKET}", dir.as_raw_fd()));
    path.and_then(|path| SocketAddrUnix::new(path.as_c_str())).tried("name a socket")
}

/// Waits for the answer to what was said; a monitor that dies instead is an error.
pub fn answer(socket: BorrowedFd<'_>) -> Result<Message> {
    match receive(socket)? {
        Some((Message::Failed(error), _)) => Err(error),
        Some((message, _)) => Ok(message),
        None => Err(Error::new("the container's monitor ended without an answer")),
    }
}

/// Says something, perhaps with a descriptor, and waits until it is done. False when the monitor has just ended instead.
pub fn request(socket: BorrowedFd<'_>, message: &Message, fd: Option<BorrowedFd<'_>>) -> Result<bool> {
    match send_with(socket, message, fd).and_then(|()| receive(socket)) {
        Ok(Some((Message::Failed(error), _))) => Err(error),
        Ok(answer) => Ok(matches!(answer, Some((Message::Done, _)))),
        Err(error) if error.is(Errno::PIPE) => Ok(false),
        Err(error) => Err(error),
    }
}

/// What the child said on its way.
#[derive(Default)]
pub struct Awaited {
    /// The master of the program's terminal.
    pub terminal: Option<OwnedFd>,
    /// The process that became the program, where that is not the child itself. It is our child too.
    pub program: Option<Child>,
}

/// parent: waits for execve, which closes the child's end; before it there may come a terminal, a process, or an error.
pub fn await_program(sync: BorrowedFd<'_>) -> Result<Awaited> {
    let mut awaited = Awaited::default();
    loop {
        match hear(&mut awaited, sync) {
            Ok(true) => {}
            Ok(false) => return Ok(awaited),
            Err(error) => {
                if let Some(program) = awaited.program {
                    process::wait(program.pidfd.as_fd());
                }
                return Err(error);
            }
        }
    }
}

/// parent: the next thing that the child says on its way; false at the execve.
pub fn hear(awaited: &mut Awaited, sync: BorrowedFd<'_>) -> Result<bool> {
    match receive(sync)? {
        None => return Ok(false),
        Some((Message::Terminal, fd)) if awaited.terminal.is_none() => awaited.terminal = fd,
        // In another container's pid namespace somebody may trace our child, and speak for it.
        Some((Message::Started(_), Some(pidfd))) if awaited.program.is_none() && process::is_child(pidfd.as_fd()) => {
            awaited.program = Some(Child { pid: process::pid_of(pidfd.as_fd())?, pidfd });
        }
        Some((Message::Failed(error), _)) => return Err(error),
        Some(_) => {}
    }
    Ok(true)
}

/// Everything a peer of the socket says is small: it can be checked that nothing more is waiting.
pub fn has_hung_up(socket: BorrowedFd<'_>) -> bool {
    let mut one = [0u8; 1];
    let peek = RecvFlags::PEEK | RecvFlags::DONTWAIT;
    match rustix::net::recv(socket, &mut one[..], peek) {
        Ok((0, _)) | Err(Errno::CONNRESET) => true,
        Ok(_) | Err(_) => false,
    }
}

/// A pipe, close-on-exec: (read end, write end).
pub fn pipe() -> Result<(OwnedFd, OwnedFd)> {
    rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).tried("make a pipe")
}

/// What the kernel holds of a stream that says much.
pub const PIPE_BYTES: usize = 256 << 10;

/// Makes a pipe of ours larger: fewer and longer turns for both its sides. Not every user may have that, and what is a
/// terminal has none: then it stays as it is. `F_SETPIPE_SZ`, pipe(7)
pub fn widen(pipe: BorrowedFd<'_>) {
    if rustix::pipe::fcntl_getpipe_size(pipe).is_ok_and(|now| now < PIPE_BYTES) {
        let _ = rustix::pipe::fcntl_setpipe_size(pipe, PIPE_BYTES);
    }
}

/// Makes reads and writes answer `EAGAIN` instead of waiting. Only for descriptors whose other users want that too.
pub fn nonblocking(fd: BorrowedFd<'_>) -> Result<()> {
    let flags = rustix::fs::fcntl_getfl(fd).tried("read descriptor flags")?;
    rustix::fs::fcntl_setfl(fd, flags | OFlags::NONBLOCK).tried("set descriptor flags")
}

/// Another open file for what this descriptor stands for, non-blocking without its other users noticing. For pipes and
/// terminals; proc_pid_fd(5)
pub fn reopen(fd: BorrowedFd<'_>, flags: OFlags) -> core::result::Result<OwnedFd, Errno> {
    let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
    at::open(rustix::fs::CWD, &path, flags | OFlags::NONBLOCK | OFlags::NOCTTY)
}

/// Reads what is there; `None` when nothing is there now, 0 at the end.
pub fn read_some(fd: BorrowedFd<'_>, buf: &mut [u8]) -> Option<usize> {
    match io::read(fd, buf) {
        Err(Errno::AGAIN) => None,
        read => Some(read.unwrap_or(0)), // EIO: the last holder of a terminal's other side is gone; that is its end
    }
}

/// Writes what can be written now, and tells how much that was. An error is for good: `EPIPE`, or `EIO` of a terminal.
pub fn write_some(to: BorrowedFd<'_>, bytes: &[u8]) -> core::result::Result<usize, Errno> {
    let mut done = 0;
    while done < bytes.len() {
        match rustix::io::write(to, &bytes[done..]) {
            Ok(n) => done += n,
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => break,
            Err(errno) => return Err(errno),
        }
    }
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_survive_the_wire() {
        let error = Error::os("do it", Errno::NOENT).exit(127);
        let Some(Message::Failed(back)) = decode(&encode(&Message::Failed(error))) else { panic!() };
        assert!(back.what == "do it" && back.is(Errno::NOENT) && back.code == Some(127));
        let stop = Message::Stop(15, -1, Purpose::Shutdown);
        assert!(matches!(decode(&encode(&stop)), Some(Message::Stop(15, -1, Purpose::Shutdown))));
        let health = Message::Health(Verdict::Unhealthy);
        assert!(matches!(decode(&encode(&health)), Some(Message::Health(Verdict::Unhealthy))));
        assert!(matches!(decode(&encode(&Message::Resize(24, 80))), Some(Message::Resize(24, 80))));
        assert!(decode(b"").is_none() && decode(b"X123").is_none() && decode(b"?").is_none());
        let long = Error::new("x".repeat(9999));
        assert!(encode(&Message::Failed(long)).len() <= PACKET_BYTES_MAX);
    }
}
