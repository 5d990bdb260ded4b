//! command: connects our own standard streams and signals with a container's process until that ends.

use super::control::{self, Message};
use super::keys::Keys;
use crate::error::{Error, Result, Tried};
use crate::kernel::{process, sys, time};
use alloc::vec::Vec;
use rustix::event::{PollFd, PollFlags};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{FileType, OFlags};
use rustix::io::Errno;
use rustix::pipe::{SpliceFlags, splice};
use rustix::termios::{OptionalActions, Termios, Winsize, isatty, tcgetattr, tcgetwinsize, tcsetattr};

/// Bytes moved at once, and what a pipe(7) has room for at first.
const CHUNK_BYTES: usize = 64 << 10;
/// How long a program may take to begin to draw anew for a size that is not ours.
const REDRAW_MS: i64 = 100;
/// So many interruptions are passed on before we leave, as docker has it.
const INTERRUPTS_MAX: u32 = 3;
const SIGINT: i32 = 2;
const SIGPIPE: i32 = 13;
const SIGTERM: i32 = 15;
const SIGCHLD: i32 = 17;
const SIGCONT: i32 = 18;
const SIGTSTP: i32 = 20;
const SIGTTIN: i32 = 21;
const SIGTTOU: i32 = 22;
const SIGURG: i32 = 23;
const SIGWINCH: i32 = 28;

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
}

/// How we are connected.
pub struct Manner {
    /// Whether our terminal is to be raw meanwhile: then the other side has the line discipline.
    pub raw: bool,
    /// Typed at a raw terminal, they end the connection.
    pub detach_keys: Vec<u8>,
    /// Whether signals are passed on; at a raw terminal the keys do that, and signals end the connection.
    pub proxies: bool,
    /// Whether the process has a terminal that somebody else has seen before: it is made to draw it anew.
    pub redraws: bool,
}

/// How a connection ended.
pub enum End {
    /// The process has ended with this code, and everything that it said is written.
    Exited(i32),
    /// The keys were typed, or there was only input, and it has ended.
    Detached,
    /// This signal told us to go.
    Signalled(i32),
}

/// The size of the terminal at our standard streams; 0 × 0 when there is none.
pub fn terminal_size() -> Winsize {
    let none = Winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 };
    tcgetwinsize(sys::stdin()).or_else(|_| tcgetwinsize(sys::stdout())).unwrap_or(none)
}

/// Our terminal in raw mode, restored when this is dropped.
struct Raw {
    before: Termios,
}

impl Raw {
    fn new() -> Option<Self> {
        let raw = Self { before: tcgetattr(sys::stdin()).ok()? };
        raw.enter();
        Some(raw)
    }

    fn enter(&self) {
        let mut raw = self.before.clone();
        raw.make_raw();
        let _ = tcsetattr(sys::stdin(), OptionalActions::Now, &raw); // a terminal that is gone ends our input, too
    }

    fn leave(&self) {
        let _ = tcsetattr(sys::stdin(), OptionalActions::Now, &self.before); // it may be gone
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        self.leave();
    }
}

/// One direction of bytes.
struct Flow {
    from: OwnedFd,
    /// Non-blocking where that can be had without others noticing.
    to: OwnedFd,
    waiting: Vec<u8>,
    /// Whether `to` has to take something before more is read.
    is_full: bool,
    /// Whether the kernel may move the bytes without showing them to us, splice(2).
    splices: bool,
    /// Whether we have tried to make the pipe between us and the process a larger one.
    is_wide: bool,
}

impl Flow {
    fn new(from: OwnedFd, to: OwnedFd, splices: bool) -> Self {
        Self { from, to, waiting: Vec::new(), is_full: false, splices, is_wide: false }
    }

    fn awaits(&self) -> (BorrowedFd<'_>, PollFlags) {
        if self.is_full { (self.to.as_fd(), PollFlags::OUT) } else { (self.from.as_fd(), PollFlags::IN) }
    }

    /// Whether everything that is there now has gone through.
    fn is_idle(&self) -> bool {
        !self.is_full && !process::readable(self.from.as_fd(), 0)
    }

    /// Moves what can be moved now; `filter` changes what was read. False at the end. The error is that of `to`.
    fn step(&mut self, is_input: bool, filter: &mut dyn FnMut(&mut Vec<u8>)) -> core::result::Result<bool, Errno> {
        if self.is_full {
            self.is_full = false;
            return self.write().map(|()| true);
        }
        if self.splices {
            match splice(&self.from, None, &self.to, None, control::PIPE_BYTES, SpliceFlags::NONBLOCK) {
                Ok(n) => {
                    if n >= CHUNK_BYTES && !self.is_wide {
                        control::widen(if is_input { self.to.as_fd() } else { self.from.as_fd() });
                        self.is_wide = true;
                    }
                    return Ok(n > 0);
                }
                Err(Errno::INTR) => return Ok(true),
                Err(Errno::AGAIN) => {
                    self.is_full = true; // `from` was readable
                    return Ok(true);
                }
                Err(Errno::PIPE) => return Err(Errno::PIPE),
                Err(_) => self.splices = false, // a terminal, or a file to append to
            }
        }
        self.waiting.resize(CHUNK_BYTES, 0);
        let n = control::read_some(self.from.as_fd(), &mut self.waiting);
        self.waiting.truncate(n.unwrap_or(0));
        if n.is_some() {
            filter(&mut self.waiting);
        }
        self.write().map(|()| n != Some(0) || self.is_full)
    }

    fn write(&mut self) -> core::result::Result<(), Errno> {
        let done = control::write_some(self.to.as_fd(), &self.waiting)?;
        self.waiting.drain(..done);
        self.is_full = !self.waiting.is_empty();
        Ok(())
    }
}

/// A descriptor for one of our standard outputs that makes nobody wait: a terminal that was told to stand still must not
/// keep us from hearing signals. Only pipes and terminals can make us wait, and can be opened anew.
fn output(fd: BorrowedFd<'_>) -> Result<OwnedFd> {
    let is_slow = rustix::fs::fstat(fd)
        .is_ok_and(|stat| matches!(FileType::from_raw_mode(stat.st_mode), FileType::Fifo | FileType::CharacterDevice));
    match is_slow.then(|| control::reopen(fd, OFlags::WRONLY)) {
        Some(Ok(own)) => Ok(own),
        _ => process::duplicate(fd),
    }
}

/// What a descriptor in the poll set is.
#[derive(Clone, Copy, PartialEq)]
enum Event {
    End,
    Signal,
    /// Something can be done about this one of the flows.
    Flow(usize),
}

/// A connection.
struct Relay<'a> {
    peer: &'a Peer,
    manner: &'a Manner,
    keys: Keys<'a>,
    has_detached: bool,
    signals: OwnedFd,
    raw: Option<Raw>,
    /// Standard input, output and error; `None` after their end.
    flows: [Option<Flow>; 3],
    interrupts: u32,
    code: Option<i32>,
    /// When the terminal gets its true size, in monotonic milliseconds.
    redraw_at: Option<i64>,
}

/// Relays until the process has ended and everything it said is written, or until we are told to leave.
pub fn relay(peer: &Peer, streams: Streams, manner: &Manner) -> Result<End> {
    let Streams { stdin, stdout, stderr } = streams;
    // A child of ours may have our own streams; its end is waited for all the same.
    let only_input = stdout.is_none() && stderr.is_none() && matches!(peer, Peer::Monitor(_));
    let set = caught(manner);
    sys::block_signals(set);
    let signals = sys::signalfd(set).tried("watch signals")?;
    let mut relay = Relay {
        peer,
        manner,
        keys: Keys::new(&[]),
        has_detached: false,
        signals,
        raw: None,
        flows: [None, None, None],
        interrupts: 0,
        code: None,
        redraw_at: None,
    };
    if manner.raw {
        relay.raw = Raw::new();
    }
    if relay.raw.is_some() {
        relay.keys = Keys::new(&manner.detach_keys);
    }
    if let Some(stdin) = stdin {
        control::nonblocking(stdin.as_fd())?; // a full pipe must not keep us from reading what comes back
        relay.flows[0] = Some(Flow::new(process::duplicate(sys::stdin())?, stdin, !manner.raw));
    }
    for (at, from, to) in [(1, stdout, sys::stdout()), (2, stderr, sys::stderr())] {
        if let Some(from) = from {
            relay.flows[at] = Some(Flow::new(from, output(to)?, true));
        }
    }
    if manner.redraws {
        relay.redraw();
    }
    loop {
        if relay.has_detached || only_input && relay.flows[0].is_none() {
            return Ok(End::Detached);
        }
        if let Some(code) = relay.code
            && relay.has_said_all()
        {
            return Ok(if only_input { End::Detached } else { End::Exited(code) });
        }
        if let Some(end) = relay.turn()? {
            return Ok(end);
        }
    }
}

/// The signals that we want to hear about instead of being ended or stopped by them.
fn caught(manner: &Manner) -> sys::SignalSet {
    if !manner.raw && !manner.proxies {
        return sys::signal_bit(SIGWINCH);
    }
    // Of these docker passes none on, either.
    let free = sys::signal_bit(SIGPIPE) | sys::signal_bit(SIGCHLD) | sys::signal_bit(SIGURG);
    // They stop a job in the background that wants the terminal.
    let of_jobs = sys::signal_bit(SIGTTIN) | sys::signal_bit(SIGTTOU);
    !(if isatty(sys::stdin()) { free | of_jobs } else { free })
}

impl Relay<'_> {
    /// Waits, and does what can be done then.
    fn turn(&mut self) -> Result<Option<End>> {
        for event in self.next_events() {
            match event {
                Event::End => self.code = self.code.or(self.peer.code()?),
                Event::Signal => {
                    while let Some(signal) = sys::next_signal(self.signals.as_fd()) {
                        if self.hear(signal)? {
                            return Ok(Some(End::Signalled(signal)));
                        }
                    }
                }
                Event::Flow(at) => self.step(at)?,
            }
        }
        Ok(None)
    }

    /// Waits, and tells what can be done now.
    fn next_events(&mut self) -> Vec<Event> {
        let (mut watched, mut fds) = (Vec::new(), Vec::new());
        let mut watch = |event, (fd, flags)| {
            watched.push(event);
            fds.push(PollFd::from_borrowed_fd(fd, flags));
        };
        watch(Event::Signal, (self.signals.as_fd(), PollFlags::IN));
        let is_over = self.code.is_some();
        if !is_over {
            watch(Event::End, (self.peer.end(), PollFlags::IN));
        }
        for (at, flow) in self.flows.iter().enumerate() {
            if let Some(flow) = flow
                && !(is_over && at == 0)
            {
                watch(Event::Flow(at), flow.awaits());
            }
        }
        let limit = self.redraw_at.map_or(-1, |at| (at - time::monotonic_ms()).max(0));
        let mut events = Vec::new();
        for (at, is_ready) in process::wait_for_each(&mut fds, limit).into_iter().enumerate() {
            if is_ready {
                events.push(watched[at]);
            }
        }
        if let Some(at) = self.redraw_at
            && (events.contains(&Event::Flow(1)) || time::monotonic_ms() >= at)
        {
            self.redraw_at = None;
            self.peer.resize(terminal_size());
        }
        events
    }

    /// Whether everything that the process said before its end is written.
    fn has_said_all(&self) -> bool {
        let mut open = self.flows[1..].iter().flatten();
        match self.peer {
            Peer::Monitor(_) => open.next().is_none(),
            // Whoever still holds a child's pipes (a background process) is not waited for.
            Peer::Child(..) => open.all(Flow::is_idle),
        }
    }

    fn step(&mut self, at: usize) -> Result<()> {
        let Some(flow) = &mut self.flows[at] else { return Ok(()) };
        let (keys, has_detached) = (&mut self.keys, &mut self.has_detached);
        let is_raw = self.raw.is_some();
        let stepped = flow.step(at == 0, &mut |bytes: &mut Vec<u8>| {
            if at == 0 && is_raw {
                let typed = core::mem::take(bytes);
                *has_detached = keys.filter(&typed, bytes);
                if typed.is_empty() {
                    keys.finish(bytes);
                }
            }
        });
        match stepped {
            Ok(true) => {}
            Err(errno) if at > 0 => return Err(Error::os("write our output", errno)),
            _ => {
                self.flows[at] = None;
                if let (0, Peer::Monitor(control)) = (at, self.peer) {
                    let _ = control::send(control.as_fd(), &Message::Eof); // it may have ended
                }
            }
        }
        Ok(())
    }

    /// A signal for us. True when it makes us leave.
    fn hear(&mut self, signal: i32) -> Result<bool> {
        match (&self.raw, signal) {
            (_, SIGWINCH) => self.peer.resize(terminal_size()),
            (Some(raw), SIGTSTP) => {
                raw.leave();
                let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::STOP);
            }
            // Whoever had the terminal meanwhile has changed it.
            (Some(raw), SIGCONT) => {
                raw.enter();
                self.redraw();
            }
            (None, _) if self.manner.proxies => {
                self.peer.signal(signal);
                self.interrupts += u32::from(matches!(signal, SIGINT | SIGTERM));
                // A first process without a handler ignores them: who insists gets away.
                if self.interrupts >= INTERRUPTS_MAX {
                    return Err(Error::new("interrupted three times: it goes on without us").exit(1));
                }
            }
            _ => return Ok(true),
        }
        Ok(false)
    }

    /// Makes a program at the other terminal draw all of it: it gets a size that is wrong, then the true one. One after the
    /// other at once would be one change, or none.
    fn redraw(&mut self) {
        let size = terminal_size();
        if size.ws_row > 0 {
            let wrong = Winsize { ws_row: size.ws_row + 1, ws_col: size.ws_col + 1, ..size };
            self.peer.resize(wrong);
            self.redraw_at = Some(time::monotonic_ms() + REDRAW_MS);
        }
    }
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

    /// Gives its terminal, if it has one, a size. The process may have ended: then there is nobody to tell.
    fn resize(&self, size: Winsize) {
        match self {
            Self::Monitor(control) => {
                let _ = control::send(control.as_fd(), &Message::Resize(size.ws_row, size.ws_col));
            }
            Self::Child(_, Some(master)) => {
                let _ = rustix::termios::tcsetwinsize(master, size);
            }
            Self::Child(_, None) => {}
        }
    }

    /// Passes a signal on. The process may have ended: then there is nobody to tell.
    fn signal(&self, signal: i32) {
        match self {
            Self::Monitor(control) => {
                let _ = control::send(control.as_fd(), &Message::Signal(signal));
            }
            Self::Child(pidfd, _) => {
                let _ = sys::signal(pidfd.as_fd(), signal);
            }
        }
    }
}
