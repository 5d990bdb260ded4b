//! command: connects our own standard streams and signals with a container's process until that ends.

use super::control::{self, Message};
use crate::error::{Error, Result, Tried};
use crate::kernel::{io, process, sys};
use alloc::vec::Vec;
use rustix::event::{PollFd, PollFlags};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::termios::{OptionalActions, Termios, Winsize, tcgetattr, tcgetwinsize, tcsetattr};

/// Bytes moved at once.
const CHUNK_BYTES: usize = 64 << 10;
const SIGWINCH: i32 = 28;
const SIGINT: i32 = 2;
const SIGTERM: i32 = 15;
/// So many interruptions are passed on before we leave, as docker has it.
const INTERRUPTS_MAX: u32 = 3;
/// Signals that are passed on: hang-up, interrupt, quit, user 1, user 2, alarm, terminate. SIGWINCH becomes a new size.
const PROXIED: [i32; 7] = [1, 2, 3, 10, 12, 14, 15];

/// What the process is to us.
pub enum Peer {
    /// The first process of a container: its monitor speaks for it.
    Monitor(OwnedFd),
    /// A child of ours, with its terminal's master.
    Child(OwnedFd, Option<OwnedFd>),
}

/// Our ends of the process's streams. With a terminal that is a child's, `stdin` and `stdout` are its master.
pub struct Streams {
    /// Where our standard input goes.
    pub stdin: Option<OwnedFd>,
    /// What comes to our standard output.
    pub stdout: Option<OwnedFd>,
    /// What comes to our standard error.
    pub stderr: Option<OwnedFd>,
    /// Whether our terminal is to be raw meanwhile: then the other side has the line discipline.
    pub raw: bool,
}

/// The size of the terminal at our standard streams; 0 × 0 when there is none.
pub fn terminal_size() -> Winsize {
    let none = Winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 };
    tcgetwinsize(sys::stdin()).or_else(|_| tcgetwinsize(sys::stdout())).unwrap_or(none)
}

/// Our terminal in raw mode, restored when this is dropped.
struct Raw(Termios);

impl Raw {
    fn enter() -> Option<Self> {
        let before = tcgetattr(sys::stdin()).ok()?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(sys::stdin(), OptionalActions::Drain, &raw).ok()?;
        Some(Self(before))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        let _ = tcsetattr(sys::stdin(), OptionalActions::Drain, &self.0); // the terminal may be gone
    }
}

/// What a descriptor in the poll set is.
#[derive(Clone, Copy)]
enum Event {
    End,
    Signal,
    Typed,
    Writable,
    Output,
    Errors,
}

/// Relays until the process has ended and everything it said is written. Returns its exit code.
pub fn relay(peer: &Peer, mut streams: Streams) -> Result<i32> {
    let set = PROXIED.iter().fold(sys::signal_bit(SIGWINCH), |set, signal| set | sys::signal_bit(*signal));
    sys::block_signals(set);
    let signals = sys::signalfd(set).tried("watch signals")?;
    let _raw = if streams.raw { Raw::enter() } else { None };
    if let Some(stdin) = &streams.stdin {
        control::nonblocking(stdin.as_fd())?; // a full pipe must not keep us from reading what comes back
    }
    let mut pending: Vec<u8> = Vec::new();
    let mut code = None;
    let mut interrupts = 0;
    loop {
        if let Some(code) = code {
            match peer {
                Peer::Monitor(_) if streams.stdout.is_none() && streams.stderr.is_none() => return Ok(code),
                Peer::Monitor(_) => {}
                Peer::Child(..) => {
                    // Whoever still holds a child's pipes (a background process) is not waited for.
                    drain(&mut streams)?;
                    return Ok(code);
                }
            }
        }
        for event in next_events(peer, &streams, &signals, !pending.is_empty(), code.is_none()) {
            match event {
                Event::End => code = code.or(peer.code()?),
                Event::Signal => {
                    while let Some(signal) = sys::next_signal(signals.as_fd()) {
                        peer.signal(signal);
                        interrupts += u32::from(matches!(signal, SIGINT | SIGTERM));
                    }
                    // A first process without a handler ignores them: who insists gets away.
                    if interrupts >= INTERRUPTS_MAX {
                        return Err(Error::new("interrupted three times: it goes on without us").exit(1));
                    }
                }
                Event::Typed => match control::read_some(sys::stdin(), CHUNK_BYTES) {
                    Some(bytes) if bytes.is_empty() => streams.stdin = None,
                    Some(bytes) => pending = bytes,
                    None => {}
                },
                Event::Writable => {}
                Event::Output => forward(&mut streams.stdout, sys::stdout())?,
                Event::Errors => forward(&mut streams.stderr, sys::stderr())?,
            }
        }
        push(&mut streams.stdin, &mut pending);
    }
}

/// Waits, and tells what can be done now.
fn next_events(peer: &Peer, streams: &Streams, signals: &OwnedFd, is_pending: bool, is_running: bool) -> Vec<Event> {
    let mut watched: Vec<(Event, BorrowedFd<'_>, PollFlags)> = Vec::new();
    watched.push((Event::Signal, signals.as_fd(), PollFlags::IN));
    if is_running {
        watched.push((Event::End, peer.end(), PollFlags::IN));
        if let Some(stdin) = &streams.stdin {
            watched.push(if is_pending {
                (Event::Writable, stdin.as_fd(), PollFlags::OUT)
            } else {
                (Event::Typed, sys::stdin(), PollFlags::IN)
            });
        }
    }
    for (event, source) in [(Event::Output, &streams.stdout), (Event::Errors, &streams.stderr)] {
        if let Some(source) = source {
            watched.push((event, source.as_fd(), PollFlags::IN));
        }
    }
    let mut fds: Vec<PollFd<'_>> = watched.iter().map(|(_, fd, flags)| PollFd::from_borrowed_fd(*fd, *flags)).collect();
    process::wait_for(&mut fds, -1);
    // Output before the end: what a dead process said is still to be shown.
    let ready = watched.iter().zip(&fds).filter(|(_, fd)| !fd.revents().is_empty());
    ready.map(|((event, ..), _)| *event).collect()
}

/// Moves one chunk from the process to us.
fn forward(source: &mut Option<OwnedFd>, to: BorrowedFd<'_>) -> Result<()> {
    let Some(from) = source else { return Ok(()) };
    match control::read_some(from.as_fd(), CHUNK_BYTES) {
        Some(bytes) if bytes.is_empty() => *source = None,
        Some(bytes) => io::write_all(to, &bytes).tried("write our output")?,
        None => {}
    }
    Ok(())
}

/// Writes what was typed, as much as fits now.
fn push(stdin: &mut Option<OwnedFd>, pending: &mut Vec<u8>) {
    while !pending.is_empty()
        && let Some(to) = stdin
    {
        match rustix::io::write(&*to, pending) {
            Ok(n) => drop(pending.drain(..n)),
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => return,
            Err(_) => *stdin = None, // EPIPE: nobody reads it any more
        }
    }
    if stdin.is_none() {
        pending.clear();
    }
}

/// Takes what is there, without waiting for more.
fn drain(streams: &mut Streams) -> Result<()> {
    for (source, to) in [(&mut streams.stdout, sys::stdout()), (&mut streams.stderr, sys::stderr())] {
        while let Some(from) = &*source
            && process::readable(from.as_fd(), 0)
        {
            forward(source, to)?;
        }
    }
    Ok(())
}

impl Peer {
    /// What becomes readable when there is news about the end.
    fn end(&self) -> BorrowedFd<'_> {
        match self {
            Self::Monitor(control) => control.as_fd(),
            Self::Child(pidfd, _) => pidfd.as_fd(),
        }
    }

    /// The exit code, if the news is the end. A monitor that dies takes its container with it.
    fn code(&self) -> Result<Option<i32>> {
        match self {
            Self::Monitor(control) => match control::receive(control.as_fd())? {
                Some((Message::Exited(code), _)) => Ok(Some(code)),
                Some(_) => Ok(None),
                None => Ok(Some(137)),
            },
            Self::Child(pidfd, _) => Ok(Some(process::wait(pidfd.as_fd()))),
        }
    }

    /// Passes a signal on. The process may have ended: then there is nobody to tell.
    fn signal(&self, signal: i32) {
        match (self, signal) {
            (Self::Monitor(control), SIGWINCH) => {
                let size = terminal_size();
                let _ = control::send(control.as_fd(), &Message::Resize(size.ws_row, size.ws_col));
            }
            (Self::Child(_, Some(master)), SIGWINCH) => {
                let _ = rustix::termios::tcsetwinsize(master, terminal_size());
            }
            (Self::Child(_, None), SIGWINCH) => {}
            (Self::Monitor(control), signal) => {
                let _ = control::send(control.as_fd(), &Message::Signal(signal));
            }
            (Self::Child(pidfd, _), signal) => {
                let _ = sys::signal(pidfd.as_fd(), signal);
            }
        }
    }
}
