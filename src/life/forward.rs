//! monitor: passes on what reaches the host's own sockets of published ports, because no rule of the packet filter leads it
//! to the container: IPv6 to a container that has none, `::1`, and everything after somebody emptied the packet filter.
//! A connection, or a client of udp, has a child of its own for as long as it lasts.

use crate::error::Result;
use crate::kernel::process::{self, Child};
use crate::kernel::{io, sys};
use crate::spec::Protocol;
use crate::walls::net::ports::{self, Published};
use crate::walls::privs;
use alloc::vec;
use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use rustix::event::{PollFd, PollFlags};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, Shutdown, SocketAddrAny, SocketFlags, recvfrom, sockopt};
use rustix::process::{Pid, Signal, getpid, getppid};

/// So many children there may be at once; who comes then waits.
const RELAYS_MAX: usize = 256;
/// So many bytes wait in each direction of a connection; no datagram is longer.
const CHUNK_BYTES: usize = 64 << 10;
/// A client of udp that neither says nor hears anything for so long has gone; docker's limit.
const SILENCE_MS: i64 = 90_000;
const SIGKILL: i32 = 9;

/// A child that passes on.
struct Relay {
    child: Child,
    /// A client of udp: at which port of ours, who, and the way to the container for what still arrives at our socket.
    client: Option<(usize, SocketAddrAny, OwnedFd)>,
}

/// The children of one run.
#[derive(Default)]
pub struct Relays {
    children: Vec<Relay>,
    /// Whether there was no descriptor or no process for one more.
    is_short: bool,
    /// Where they lead.
    targets: [Option<IpAddr>; 2],
}

impl Relays {
    /// Adds what it waits for: the ends of its children, and then, if there may be one more, who knocks at a port.
    pub fn watch<'a>(&'a self, published: &'a Published, fds: &mut Vec<PollFd<'a>>) {
        let mut watch = |fd: &'a OwnedFd| fds.push(PollFd::from_borrowed_fd(fd.as_fd(), PollFlags::IN));
        for relay in &self.children {
            watch(&relay.child.pidfd);
        }
        if !self.is_short && self.children.len() < RELAYS_MAX {
            for (socket, bound) in published.sockets.iter().zip(&published.bound) {
                if bound.protocol != Protocol::Sctp {
                    watch(socket);
                }
            }
        }
    }

    /// Does what there is to do, without waiting.
    pub fn turn(&mut self, published: &Published) {
        if published.bound.is_empty() {
            return;
        }
        if self.targets != published.targets {
            self.end();
            self.targets = published.targets;
        }
        self.is_short = false;
        let mut fds = Vec::new();
        self.watch(published, &mut fds);
        process::wait_for(&mut fds, 0);
        let mut ready: Vec<bool> = Vec::new();
        for fd in &fds {
            ready.push(!fd.revents().is_empty());
        }
        drop(fds);
        let knocks = ready.split_off(self.children.len());
        for at in (0..self.children.len()).rev() {
            if ready[at] {
                process::wait(self.children.swap_remove(at).child.pidfd.as_fd());
            }
        }
        let mut knocks = knocks.into_iter();
        for (at, bound) in published.bound.iter().enumerate() {
            if bound.protocol != Protocol::Sctp && knocks.next() == Some(true) {
                let is_tcp = bound.protocol == Protocol::Tcp;
                let done = if is_tcp { self.accept(published, at) } else { self.hear(published, at) };
                // All else is the client's trouble. We try again when something else has happened.
                self.is_short = matches!(done, Err(Errno::MFILE | Errno::NFILE | Errno::NOMEM | Errno::NOBUFS));
                if self.is_short || self.children.len() >= RELAYS_MAX {
                    return;
                }
            }
        }
    }

    /// One connection.
    fn accept(&mut self, published: &Published, at: usize) -> core::result::Result<(), Errno> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let client = rustix::net::accept_with(&published.sockets[at], flags)?;
        prepare(&client);
        let Some(to) = published.target(at) else { return reset(client.as_fd()) };
        match connect(to, Protocol::Tcp) {
            Ok(inner) => self.spawn(&client, &inner, None),
            Err(errno) => reset(client.as_fd()).and(Err(errno)),
        }
    }

    /// One datagram. Its sender's next ones arrive at a socket of his own, and may overtake those that came before it was there.
    fn hear(&mut self, published: &Published, at: usize) -> core::result::Result<(), Errno> {
        let mut buf = vec![0; CHUNK_BYTES];
        let (_, n, from) = recvfrom(&published.sockets[at], &mut buf[..], RecvFlags::empty())?;
        let (Some(from), Some(to)) = (from, published.target(at)) else { return Ok(()) };
        let is_his = |relay: &&Relay| relay.client.as_ref().is_some_and(|(port, who, _)| *port == at && *who == from);
        if self.children.iter().find(is_his).is_none() {
            let who = SocketAddr::try_from(from.clone())?;
            let client = ports::open(who.ip(), Protocol::Udp)?;
            sockopt::set_socket_reuseport(&client, true)?;
            let own = SocketAddr::try_from(rustix::net::getsockname(&published.sockets[at])?)?;
            rustix::net::bind(&client, &own)?;
            rustix::net::connect(&client, &who)?;
            let inner = connect(to, Protocol::Udp)?;
            let kept = rustix::io::fcntl_dupfd_cloexec(&inner, 3)?;
            self.spawn(&client, &inner, Some((at, from.clone(), kept)))?;
        }
        if let Some((_, _, to)) = self.children.iter().find(is_his).and_then(|relay| relay.client.as_ref()) {
            let _ = rustix::net::send(to, &buf[..n], SendFlags::empty()); // a datagram may be lost
        }
        Ok(())
    }

    /// Makes a child between the two sockets.
    fn spawn(
        &mut self,
        client: &OwnedFd,
        inner: &OwnedFd,
        udp: Option<(usize, SocketAddrAny, OwnedFd)>,
    ) -> core::result::Result<(), Errno> {
        let monitor = getpid();
        let who = udp.as_ref().map(|(_, who, _)| who);
        let child = process::spawn(0, None, &mut || {
            if shut_in(monitor, client.as_fd(), inner.as_fd()).is_ok() {
                match who {
                    None => pass_stream(),
                    Some(who) => pass_datagrams(who),
                }
            }
            sys::exit(0)
        });
        match child {
            Ok(child) => {
                self.children.push(Relay { child, client: udp });
                Ok(())
            }
            // No process to be had: as if no descriptor were.
            Err(error) => {
                reset(client.as_fd()).and(Err(error.errno.filter(|e| *e != Errno::AGAIN).unwrap_or(Errno::NOMEM)))
            }
        }
    }

    /// The end of the run, or of its address, which may be another container's soon.
    pub fn end(&mut self) {
        for relay in self.children.drain(..) {
            let _ = sys::signal(relay.child.pidfd.as_fd(), SIGKILL); // it may have ended
            process::wait(relay.child.pidfd.as_fd());
        }
    }
}

/// A socket on its way to the container; whether it gets there shows later.
fn connect(to: SocketAddr, protocol: Protocol) -> core::result::Result<OwnedFd, Errno> {
    let socket = ports::open(to.ip(), protocol)?;
    match rustix::net::connect(&socket, &to) {
        Ok(()) | Err(Errno::INPROGRESS) => {}
        Err(errno) => return Err(errno),
    }
    if protocol == Protocol::Tcp {
        prepare(&socket);
    }
    Ok(socket)
}

/// What is passed on is not delayed, and who vanishes is not waited for forever. Neither is worth an error.
fn prepare(socket: &OwnedFd) {
    let _ = sockopt::set_tcp_nodelay(socket, true);
    let _ = sockopt::set_socket_keepalive(socket, true);
}

/// When the connection is closed now, the other side hears that this is not its regular end.
fn reset(socket: BorrowedFd<'_>) -> core::result::Result<(), Errno> {
    sockopt::set_socket_linger(socket, Some(Duration::ZERO))
}

/// child: has nothing but the two sockets from here on, as standard input and output, and no powers.
fn shut_in(monitor: Pid, client: BorrowedFd<'_>, inner: BorrowedFd<'_>) -> Result<()> {
    let _ = rustix::process::set_parent_process_death_signal(Some(Signal::KILL)); // fails for other signals, only
    if getppid() != Some(monitor) {
        sys::exit(0);
    }
    let _ = rustix::thread::set_name(c"mydocker-port"); // only for people who look at ps
    process::set_stdio([Some(client), Some(inner), None])?;
    sys::close_from(3, false);
    privs::keep_nothing()?;
    privs::forbid_new()
}

/// One direction of a connection.
struct Way {
    from: BorrowedFd<'static>,
    to: BorrowedFd<'static>,
    buf: Vec<u8>,
    /// What of the buffer is still to be written.
    waiting: core::ops::Range<usize>,
    is_over: bool,
}

impl Way {
    fn new(from: BorrowedFd<'static>, to: BorrowedFd<'static>) -> Self {
        Self { from, to, buf: vec![0; CHUNK_BYTES], waiting: 0..0, is_over: false }
    }

    /// Moves what can be moved. The end of one direction leaves the other one open.
    fn step(&mut self) -> core::result::Result<(), Errno> {
        if self.waiting.is_empty() {
            self.waiting = 0..io::read(self.from, &mut self.buf)?;
            if self.waiting.is_empty() {
                self.is_over = true;
                return rustix::net::shutdown(self.to, Shutdown::Write);
            }
        }
        self.waiting.start += rustix::io::write(self.to, &self.buf[self.waiting.clone()])?;
        Ok(())
    }
}

/// child: passes bytes on, both ways, until both have ended or one side breaks off: then the other one does, too.
fn pass_stream() {
    let ends = [sys::stdin(), sys::stdout()];
    let mut ways = [Way::new(ends[0], ends[1]), Way::new(ends[1], ends[0])];
    loop {
        let mut fds = Vec::new();
        for way in &ways {
            if !way.is_over {
                let is_empty = way.waiting.is_empty();
                let (end, event) = if is_empty { (way.from, PollFlags::IN) } else { (way.to, PollFlags::OUT) };
                fds.push(PollFd::from_borrowed_fd(end, event));
            }
        }
        if fds.is_empty() {
            return;
        }
        process::wait_for(&mut fds, -1);
        for way in &mut ways {
            let done = if way.is_over { Ok(()) } else { way.step() };
            if !matches!(done, Ok(()) | Err(Errno::AGAIN | Errno::INTR)) {
                for end in ends {
                    let _ = reset(end); // they are closed in any case
                }
                return;
            }
        }
    }
}

/// child: passes datagrams on, both ways, until there have been none for a while.
fn pass_datagrams(client: &SocketAddrAny) {
    let ends = [sys::stdin(), sys::stdout()];
    let mut buf = vec![0; CHUNK_BYTES];
    loop {
        let mut fds = ends.map(|end| PollFd::from_borrowed_fd(end, PollFlags::IN));
        if process::wait_for(&mut fds, SILENCE_MS) == 0 {
            return;
        }
        for (at, end) in ends.into_iter().enumerate() {
            // An error is an answer to an earlier datagram that could not be delivered.
            let Ok((_, n, from)) = recvfrom(end, &mut buf[..], RecvFlags::empty()) else { continue };
            // The socket may have got a stranger's datagram before it was connected.
            if at == 1 || from.as_ref() == Some(client) {
                let _ = rustix::net::send(ends[1 - at], &buf[..n], SendFlags::empty()); // may be lost
            }
        }
    }
}
