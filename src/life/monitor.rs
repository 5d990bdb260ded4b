//! monitor: the one process that stays with a container. It starts the first process, writes the log, answers commands,
//! and takes everything down at the end. As long as it lives it holds `LOCK_LIFE`: that is what "running" means.

use super::control::{self, Awaited, Message};
use super::init;
use super::log::Log;
use super::program::Stdio;
use super::provide;
use super::stream::{Keyboard, Output};
use crate::error::{Error, Result, Tried};
use crate::kernel::process::{self, Child};
use crate::kernel::{fault, file, lock, sys, time};
use crate::spec::{Spec, State, Status};
use crate::store::containers::{Container, LOCK_CHANGE, LOCK_LIFE};
use crate::store::{Store, trash};
use crate::walls;
use crate::walls::cgroup::{self, Place};
use alloc::format;
use alloc::vec::Vec;
use rustix::event::{PollFd, PollFlags};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::termios::Winsize;

const SIGTERM: i32 = 15;
const SIGKILL: i32 = 9;

/// What the starting command hands over.
pub struct Order {
    /// The container to run.
    pub container: Container,
    /// Its change lock; given up as soon as the life lock is held.
    pub change: OwnedFd,
    /// Where the outcome goes, and later the exit code.
    pub control: OwnedFd,
    /// What the container reads: with a terminal, keystrokes to be passed on. `None`: nothing.
    pub stdin: Option<OwnedFd>,
    /// A pipe's write end for the one who started it in the foreground.
    pub stdout: Option<OwnedFd>,
    /// The same for the standard error.
    pub stderr: Option<OwnedFd>,
    /// The size of the starter's terminal, 0 × 0 when it has none.
    pub size: Winsize,
    /// Whether the container was made for this start: then a start that fails removes it.
    pub fresh: bool,
}

/// One connected command.
struct Client {
    socket: OwnedFd,
    is_waiting: bool,
    is_freezing: bool,
}

/// A run of a container, from the command's start to its end.
struct Run {
    /// Its mount namespace: held, its teardown is not in the way between the command's exit and our noticing.
    hold: Option<OwnedFd>,
    /// Keeps a detached container's standard input open.
    _held_stdin: Option<OwnedFd>,
    signals: OwnedFd,
    listener: OwnedFd,
    log: Log,
    outputs: [Output; 2],
    keyboard: Option<Keyboard>,
    clients: Vec<Client>,
    /// Whether a person paused it. Commits freeze it, too, each for as long as it is connected: the kernel knows only
    /// that it is frozen, not for whom.
    is_paused: bool,
    /// When SIGKILL is due, in monotonic milliseconds.
    kill_at: Option<i64>,
    has_ended: bool,
    state: State,
}

/// monitor: one run of a container. Forked by the starting command.
pub fn run(store: &Store, order: Order) -> ! {
    let Order { container, change, control, stdin, stdout, stderr, size, fresh } = order;
    sys::block_signals(!0);
    // Neither can fail for a fresh fork; a monitor with the wrong name or session would still work.
    let _ = rustix::process::setsid();
    let _ = rustix::thread::set_name(c"mydocker-mon");
    let mut life = None;
    let begun = process::null_stdio(7).and_then(|()| {
        rustix::process::fchdir(&container.dir).tried("enter the container's directory")?;
        life = Some(take_life(&container)?);
        drop(change);
        fault::point("monitor:alive");
        begin(store, &container, [stdin, stdout, stderr], size)
    });
    let (child, mut run) = match begun {
        Ok(begun) => begun,
        Err(error) => give_up(store, &container, life, control.as_fd(), fresh, error),
    };
    let _ = control::send(control.as_fd(), &Message::Started(child.pid)); // a starter that is gone needs no answer
    run.clients.push(Client { socket: control, is_waiting: true, is_freezing: false });
    fault::point("monitor:started");
    while !run.has_ended {
        run.turn(&child, &container.spec);
    }
    finish(store, &container, &child, run, life)
}

fn take_life(container: &Container) -> Result<OwnedFd> {
    // A descriptor of our own: the lock must end with this process, not with the command that shares its descriptors.
    let life = lock::open(container.dir.as_fd(), "lock")?;
    if lock::take(life.as_fd(), LOCK_LIFE)? {
        Ok(life)
    } else {
        Err(Error::new(format!("container {} is already running", container.spec.name)))
    }
}

/// The start did not work: everything is as before, then the command hears why.
fn give_up(
    store: &Store,
    container: &Container,
    life: Option<OwnedFd>,
    control: BorrowedFd<'_>,
    fresh: bool,
    error: Error,
) -> ! {
    if life.is_some() {
        // Errors of the clean-up would hide the one that matters; what is left is found by the next command.
        let _ = walls::release(&container.spec);
        if fresh {
            let _ = super::remove::dispose(store, &container.spec, true);
        } else if let Ok(mut state) = container.state(store) {
            state.error = format!("{error}");
            let _ = container.write_state(store, &state, false);
        }
    }
    drop(life);
    let _ = control::send(control, &Message::Failed(error));
    let _ = trash::sweep(store);
    sys::exit(1)
}

/// The monitor's ends of the container's streams.
struct Ends {
    sources: [Option<OwnedFd>; 2],
    clients: [Option<OwnedFd>; 2],
    held_stdin: Option<OwnedFd>,
    typed: Option<OwnedFd>,
}

/// Makes the walls, the streams and the first process, and waits until that has become the command.
fn begin(store: &Store, container: &Container, streams: [Option<OwnedFd>; 3], size: Winsize) -> Result<(Child, Run)> {
    let spec = &container.spec;
    let prepared = walls::prepare(spec, provide::joins(store, spec)?)?;
    fault::point("monitor:prepared");
    let (child, sync, ends) = make_child(store, spec, &prepared, streams, size)?;
    fault::point("monitor:cloned");
    let provided = provide::provide(store, spec, child.pid, &prepared.joins, sync.as_fd());
    let awaited = provided.and_then(|()| control::await_program(sync.as_fd()));
    let (child, terminal) = match awaited {
        Ok(Awaited { terminal, program: None }) => (child, terminal),
        Ok(Awaited { terminal, program: Some(program) }) => {
            process::wait(child.pidfd.as_fd()); // it has handed over
            (program, terminal)
        }
        Err(error) => return Err(end(&child, error)),
    };
    match complete(store, container, &child, ends, terminal) {
        Ok(run) => Ok((child, run)),
        Err(error) => Err(end(&child, error)),
    }
}

/// Ends a child that cannot become the command.
fn end(child: &Child, error: Error) -> Error {
    let _ = sys::signal(child.pidfd.as_fd(), SIGKILL); // it may be gone already
    process::wait(child.pidfd.as_fd());
    error
}

fn make_child(
    store: &Store,
    spec: &Spec,
    prepared: &walls::Prepared,
    [stdin, stdout, stderr]: [Option<OwnedFd>; 3],
    size: Winsize,
) -> Result<(Child, OwnedFd, Ends)> {
    let mut ends = Ends { sources: [None, None], clients: [stdout, stderr], held_stdin: None, typed: None };
    let mut stdio = Stdio { stdin: None, stdout: None, stderr: None };
    if spec.tty {
        ends.typed = stdin;
    } else {
        let (out, err) = (control::pipe()?, control::pipe()?);
        (stdio.stdout, stdio.stderr) = (Some(out.1), Some(err.1));
        ends.sources = [Some(out.0), Some(err.0)];
        stdio.stdin = stdin;
        if spec.stdin && stdio.stdin.is_none() {
            let (read, write) = control::pipe()?;
            (stdio.stdin, ends.held_stdin) = (Some(read), Some(write));
        }
    }
    let (sync, child_sync) = control::pair()?;
    // What only the child's copy may keep, and what it must not keep: the closing of `sync` and of the write end of its
    // standard input is how it learns that nobody is there any more.
    let mut moved = Some((stdio, sync, ends));
    let cgroup = prepared.cgroup.into.as_ref().map(AsFd::as_fd);
    let child = process::spawn(walls::namespaces(spec), cgroup, &mut || {
        let Some((stdio, sync, ends)) = moved.take() else { sys::exit(1) };
        drop((sync, ends));
        init::run(store, spec, prepared, stdio, size, &child_sync)
    })
    .map_err(|error| match error.errno {
        // cgroups(7), "delegation": whoever is not root moves nobody across the border of its own tree.
        Some(Errno::ACCESS) if cgroup.is_some() => Error::os(
            "make a process in the container's cgroup: start it from within the same delegated tree",
            Errno::ACCESS,
        ),
        _ => error,
    })?;
    let Some((_, sync, ends)) = moved else { sys::exit(1) };
    Ok((child, sync, ends))
}

/// Everything between execve and "it is running".
fn complete(store: &Store, container: &Container, child: &Child, ends: Ends, terminal: Option<OwnedFd>) -> Result<Run> {
    let Ends { mut sources, clients: [stdout, stderr], held_stdin, typed } = ends;
    let mut keyboard = None;
    if let Some(master) = terminal {
        let writer = process::duplicate(&master)?;
        if let Some(typed) = &typed {
            control::nonblocking(typed.as_fd())?;
        }
        keyboard = Some(Keyboard::new(typed, writer));
        sources[0] = Some(master);
    }
    for fd in sources.iter().chain([&stdout, &stderr]).flatten() {
        control::nonblocking(fd.as_fd())?;
    }
    let path = format!("/proc/{}/ns/mnt", child.pid);
    let [out, err] = sources;
    let run = Run {
        hold: rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok(),
        _held_stdin: held_stdin,
        signals: sys::signalfd(sys::signal_bit(SIGTERM)).tried("watch signals")?,
        listener: control::listen_at(store, &container.spec.id)?,
        log: Log::open(process::duplicate(&container.dir)?, &container.spec.log)?,
        outputs: [Output::new(out, stdout, "stdout"), Output::new(err, stderr, "stderr")],
        keyboard,
        clients: Vec::new(),
        is_paused: false,
        kill_at: None,
        has_ended: false,
        state: State { pid: child.pid, status: Status::Running, started: time::now(), ..State::created() },
    };
    container.write_state(store, &run.state, false)?;
    protect_from_oom();
    Ok(run)
}

/// The kernel should take the container's processes before the one that tells about it. Needs CAP_SYS_RESOURCE, which
/// not every host gives: then we are as likely as others.
fn protect_from_oom() {
    let _ = file::write_at(rustix::fs::CWD, "/proc/self/oom_score_adj", "-999");
}

impl Run {
    /// Waits for something to happen, and deals with all that did.
    fn turn(&mut self, child: &Child, spec: &Spec) {
        let limit = match self.kill_at {
            Some(at) => (at - time::monotonic_ms()).max(0),
            None => -1,
        };
        let mut fds: Vec<PollFd<'_>> = Vec::new();
        for fd in [self.signals.as_fd(), self.listener.as_fd()] {
            fds.push(PollFd::from_borrowed_fd(fd, PollFlags::IN));
        }
        fds.extend(self.clients.iter().map(|client| PollFd::from_borrowed_fd(client.socket.as_fd(), PollFlags::IN)));
        fds.push(PollFd::from_borrowed_fd(child.pidfd.as_fd(), PollFlags::IN));
        self.outputs.iter().for_each(|output| output.watch(&mut fds));
        if let Some(keyboard) = &self.keyboard {
            keyboard.watch(&mut fds);
        }
        process::wait_for(&mut fds, limit);
        let ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        drop(fds);
        if ready[0] {
            while sys::next_signal(self.signals.as_fd()).is_some() {
                let _ = self.signal(child, spec, spec.stop_signal); // nobody asked for an answer
            }
        }
        for at in (0..self.clients.len()).rev() {
            if ready[2 + at] {
                self.listen_to(at, child, spec);
            }
        }
        if ready[1] {
            self.accept();
        }
        if process::readable(child.pidfd.as_fd(), 0) {
            self.has_ended = true;
            self.kill_at = None;
        }
        for output in &mut self.outputs {
            // A log that cannot be written (a full disk) must not stop the container; the state tells about it.
            if let Err(error) = output.pump(&mut self.log, self.has_ended) {
                self.state.error = format!("{error}");
            }
        }
        if let Some(keyboard) = &mut self.keyboard {
            keyboard.pump();
        }
        if self.kill_at.is_some_and(|at| time::monotonic_ms() >= at) {
            self.kill_at = None;
            let _ = self.signal(child, spec, SIGKILL); // ESRCH: it has just ended
        }
    }

    fn accept(&mut self) {
        use rustix::net::{SocketFlags, accept_with};
        while let Ok(socket) = accept_with(&self.listener, SocketFlags::CLOEXEC) {
            self.clients.push(Client { socket, is_waiting: false, is_freezing: false });
        }
    }

    /// One sentence of one client; a client that hangs up or talks nonsense is forgotten.
    fn listen_to(&mut self, at: usize, child: &Child, spec: &Spec) {
        let Ok(Some((message, _))) = control::receive(self.clients[at].socket.as_fd()) else {
            self.forget(at, spec);
            return;
        };
        let answer = match message {
            Message::Signal(signal) => match self.signal(child, spec, signal) {
                Ok(()) => Message::Done,
                Err(error) => Message::Failed(error),
            },
            Message::Stop(signal, limit_ms) => {
                self.clients[at].is_waiting = true;
                if self.signal(child, spec, signal).is_ok() && limit_ms >= 0 {
                    let at = time::monotonic_ms().saturating_add(limit_ms);
                    self.kill_at = Some(self.kill_at.map_or(at, |other| other.min(at)));
                }
                return;
            }
            Message::Wait => {
                self.clients[at].is_waiting = true;
                return;
            }
            Message::Resize(rows, columns) => {
                if let Some(keyboard) = &self.keyboard {
                    let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
                    let _ = rustix::termios::tcsetwinsize(&keyboard.master, size); // the terminal may be gone
                }
                return;
            }
            Message::Freeze => match cgroup::freeze(Place::of(spec), true) {
                Ok(()) => {
                    self.clients[at].is_freezing = true;
                    Message::Done
                }
                Err(error) => Message::Failed(error),
            },
            Message::Thaw => {
                self.clients[at].is_freezing = false;
                self.thaw(spec);
                Message::Done
            }
            Message::Pause => self.pause(spec).map_or_else(Message::Failed, |()| Message::Done),
            Message::Unpause => self.unpause(spec).map_or_else(Message::Failed, |()| Message::Done),
            _ => return self.forget(at, spec),
        };
        if control::send(self.clients[at].socket.as_fd(), &answer).is_err() {
            self.forget(at, spec);
        }
    }

    fn forget(&mut self, at: usize, spec: &Spec) {
        if self.clients.remove(at).is_freezing {
            self.thaw(spec);
        }
    }

    fn is_frozen(&self) -> bool {
        self.is_paused || self.clients.iter().any(|client| client.is_freezing)
    }

    /// Lets it go on, unless somebody else wants it to stand still.
    fn thaw(&mut self, spec: &Spec) {
        if !self.is_frozen() {
            let _ = cgroup::freeze(Place::of(spec), false); // what cannot be thawed now is thawed by being killed
        }
    }

    fn pause(&mut self, spec: &Spec) -> Result<()> {
        if self.is_paused {
            return Err(Error::new(format!("Container {} is already paused", spec.id)));
        }
        let frozen = cgroup::freeze(Place::of(spec), true);
        self.is_paused = frozen.is_ok();
        frozen
    }

    fn unpause(&mut self, spec: &Spec) -> Result<()> {
        if !self.is_paused {
            return Err(Error::new(format!("Container {} is not paused", spec.id)));
        }
        self.is_paused = false;
        if self.is_frozen() {
            return Ok(()); // a commit is at it, and lets it go on at its end
        }
        let thawed = cgroup::freeze(Place::of(spec), false);
        self.is_paused = thawed.is_err();
        thawed
    }

    /// Sends a signal to the first process. The stop signal ends a pause, as docker has it: a frozen process notices
    /// nothing. SIGKILL ends every process of the pid namespace; on v1 the frozen ones only once they are thawed.
    fn signal(&mut self, child: &Child, spec: &Spec, signal: i32) -> Result<()> {
        let sent = sys::signal(child.pidfd.as_fd(), signal).tried("signal the container");
        let was_frozen = self.is_frozen();
        if signal == SIGKILL || signal == spec.stop_signal {
            self.is_paused = false;
        }
        if signal == SIGKILL {
            self.clients.iter_mut().for_each(|client| client.is_freezing = false);
        }
        if was_frozen {
            self.thaw(spec);
        }
        sent
    }
}

/// Writes down how it ended, takes everything away, and only then tells who waits.
fn finish(store: &Store, container: &Container, child: &Child, run: Run, life: Option<OwnedFd>) -> ! {
    let spec = &container.spec;
    let Run { mut state, clients, hold, listener, outputs, .. } = run;
    let exit_code = process::peek(child.pidfd.as_fd());
    state.status = Status::Exited;
    state.exit_code = exit_code;
    state.finished = time::now();
    state.pid = 0;
    // The limit itself may have come later than our copy of the record.
    state.oom_killed = exit_code == 137 && cgroup::was_oom_killed(Place::of(spec));
    fault::point("monitor:ended");
    // Errors from here on have nobody to hear them; what is left undone the next command finds and does.
    if !spec.auto_remove {
        let _ = container.write_state(store, &state, false);
    }
    // Reaped only now: until here its pid could not become another process's.
    process::wait(child.pidfd.as_fd());
    fault::point("monitor:written");
    let _ = walls::release(spec);
    fault::point("monitor:released");
    if spec.auto_remove {
        // A commit that is under way still needs it.
        let _change =
            lock::open(container.dir.as_fd(), "lock").map(|file| lock::wait(file.as_fd(), LOCK_CHANGE).map(|()| file));
        let _ = super::remove::dispose(store, spec, true);
    }
    // In this order: who is cut off by the listener's end must not find the container "running" still.
    drop(life);
    drop(listener);
    for client in clients.iter().filter(|client| client.is_waiting) {
        let _ = control::send(client.socket.as_fd(), &Message::Exited(exit_code));
    }
    drop((clients, hold));
    if spec.auto_remove {
        let _ = trash::sweep(store);
    }
    for mut output in outputs {
        output.linger();
    }
    sys::exit(0)
}
