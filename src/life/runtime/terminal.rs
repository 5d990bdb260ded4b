//! What the maker of a process hears of it on its way, and where its terminal goes.

use crate::error::{Error, Result, Tried};
use crate::kernel::at;
use crate::kernel::process::{self, Child};
use crate::life::control::{self, Message};
use crate::life::run;
use alloc::string::String;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};

/// Who holds the terminal of a process.
pub enum Console {
    /// Whoever listens at this socket.
    Socket(String),
    /// We do, as long as it runs.
    Ours,
    /// It has none, or there is nobody.
    None,
}

/// Hears a child until it executes its program, or says that it waits (`Done`): what `step` answers to that is the end, or
/// not (false). Returns the process that it is by then, and its terminal where that is ours. One that fails is ended.
pub fn hear(
    mut child: Child,
    sync: BorrowedFd<'_>,
    console: &Console,
    step: &mut dyn FnMut(&Child) -> Result<bool>,
) -> Result<(Child, Option<OwnedFd>)> {
    let mut terminal = None;
    let mut next = |child: &mut Child| -> Result<bool> {
        match control::receive(sync)? {
            None => return Ok(true),
            Some((Message::Failed(error), _)) => return Err(error),
            Some((Message::Done, _)) => return step(child),
            Some((Message::Started(_), Some(pidfd))) if process::is_child(pidfd.as_fd()) => {
                process::wait(child.pidfd.as_fd()); // it has handed over
                *child = Child { pid: process::pid_of(pidfd.as_fd())?, pidfd };
            }
            Some((Message::Terminal, Some(master))) => match console {
                Console::Socket(path) => hand_over(path, master.as_fd())?,
                Console::Ours => terminal = Some(master),
                Console::None => return Err(Error::new("process.terminal needs --console-socket")),
            },
            Some(_) => {}
        }
        Ok(false)
    };
    loop {
        match next(&mut child) {
            Ok(false) => {}
            Ok(true) => return Ok((child, terminal)),
            Err(error) => return Err(run::end(&child, error)),
        }
    }
}

/// The terminal goes to whoever listens at a socket.
fn hand_over(path: &str, master: BorrowedFd<'_>) -> Result<()> {
    send(dial(path)?.as_fd(), b"/dev/pts/ptmx", master)
}

/// A connection to whoever listens at a path.
pub fn dial(path: &str) -> Result<OwnedFd> {
    let dial = || {
        let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
        connect(&socket, &SocketAddrUnix::new(at::c(path)?.as_c_str())?).map(|()| socket)
    };
    dial().tried_to("connect to the socket", path)
}

/// Says something there, and hands a descriptor over.
pub fn send(socket: BorrowedFd<'_>, bytes: &[u8], fd: BorrowedFd<'_>) -> Result<()> {
    control::send_bytes(socket, bytes, Some(fd)).tried("hand a descriptor over")
}
