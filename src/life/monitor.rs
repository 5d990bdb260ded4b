//! monitor: the one process that stays with a container. It starts the first process, writes the log, answers commands,
//! takes everything down at the end, and may start it again (`restart`). As long as it lives it holds `LOCK_LIFE`: that is
//! what "running" means.

mod clients;
mod still;
mod wires;

use super::control::{self, Message};
use super::health::{self, Prober, Room};
use super::hosts;
use super::init::Start;
use super::log::Log;
use super::restart::{self, Action, Event, Past, Phase};
use super::run::{self, Run, STARTER};
use super::stream::{self, Buffers, Output};
use crate::error::{Error, Result, Tried};
use crate::kernel::{fault, file, lock, process, sys, time};
use crate::spec::{Attached, Restart, Spec, State, Status};
use crate::store::containers::{self, Container, LOCK_CHANGE, LOCK_LIFE};
use crate::store::{Store, events, trash};
use crate::walls;
use crate::walls::cgroup::{self, Joined, Place};
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::ffi::CStr;
use rustix::event::{PollFd, PollFlags};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::termios::Winsize;

/// What every monitor calls itself, 15 bytes at most: prctl(2) `PR_SET_NAME`.
pub const NAME: &CStr = c"mydocker-mon";
const SIGTERM: i32 = 15;
const SIGKILL: i32 = 9;
/// How often a monitor that is to remove its container looks whether the one who works with it is done.
const LOCK_WAIT_MS: i64 = 5;
/// Who has said nothing for so long is silent.
const SILENCE_MS: i64 = 100;
/// The exit code of a run that could not begin, docker's.
const EXIT_UNSTARTED: u8 = 128;

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
    /// Where the first process may get its root and its network from.
    pub early: Option<OwnedFd>,
    /// Whether the container was made for this start: then a start that fails removes it.
    pub fresh: bool,
}

/// One connected command.
struct Client {
    /// In the order in which they came.
    number: u32,
    socket: OwnedFd,
    is_waiting: bool,
    is_watching: bool,
    is_freezing: bool,
}

/// A monitor at its desk: what stays while runs of its container come and go.
struct Monitor<'a> {
    store: &'a Store,
    /// Its life lock.
    life: Option<OwnedFd>,
    signals: OwnedFd,
    listener: OwnedFd,
    log: Log,
    clients: Vec<Client>,
    /// Which file the record was in when we read it.
    seen: Option<(u64, i64, u64)>,
    /// The number of the one who came last.
    last_client: u32,
    state: Box<State>,
    /// How the last run was on its networks when it ended.
    attached: Vec<Attached>,
    /// The run under way; `None` while it waits before it starts the next one.
    run: Option<Box<Run>>,
    past: Past,
    /// Whether its run ends because `stop` or `restart` asked for it.
    is_stopping: bool,
    /// Whether it stays even if it was to go away with its end: somebody starts it anew.
    stays: bool,
    /// What is to be done when the run has ended, or when there is none.
    action: Action,
    /// When the next run begins, in monotonic milliseconds.
    start_at: Option<i64>,
    /// What the readers of earlier runs have not taken yet.
    lingering: Vec<Output>,
    buffers: Buffers,
    size: Winsize,
    /// Our own `oom_score_adj` before we protected ourselves: what a container's processes inherit.
    oom_score: String,
}

/// monitor: all runs of a container until nobody wants another one. Forked by the starting command.
pub fn run(store: &Store, order: Order) -> ! {
    let Order { mut container, change, control, stdin, stdout, stderr, size, early, fresh } = order;
    sys::block_signals(!0);
    // Neither can fail for a fresh fork; a monitor with the wrong name or session would still work.
    let _ = rustix::process::setsid();
    let _ = rustix::thread::set_name(NAME);
    let alive = process::null_stdio(7).and_then(|()| {
        rustix::process::fchdir(&container.dir).tried("enter the container's directory")?;
        take_life(&container)
    });
    let life = match alive {
        Ok(life) => life,
        Err(error) => give_up(store, &container, None, control.as_fd(), fresh, error),
    };
    // As long as nobody can change it; an older one may have been changed since it was read.
    let seen = if fresh { container.record_now() } else { None };
    drop(change);
    fault::point("monitor:alive");
    store.timing.mark("alive");
    let mut desk = None;
    let mut meanwhile = || {
        desk = Some(Desk::open(store, &container, seen)?);
        Ok(())
    };
    let begun = run::begin(store, &container, [stdin, stdout, stderr], Start { size, early }, &mut meanwhile)
        .and_then(|run| Monitor::open(store, &container, run, desk, size));
    let mut monitor = match begun {
        Ok(monitor) => monitor,
        Err(error) => give_up(store, &container, Some(life), control.as_fd(), fresh, error),
    };
    monitor.life = Some(life);
    store.timing.mark("Monitor::open");
    let _ = control::send(control.as_fd(), &Message::Started(monitor.state.pid)); // a starter that is gone needs no answer
    monitor.clients.push(Client { is_waiting: true, ..Client::new(STARTER, control) });
    fault::point("monitor:started");
    loop {
        let hold = monitor.live(&mut container);
        if monitor.action == Action::Leave {
            monitor.leave(&mut container, hold);
        }
        drop(hold);
        monitor.rest(&mut container);
        if monitor.action == Action::Start {
            monitor.again(&mut container);
        }
        if monitor.action == Action::Leave {
            monitor.state.status = Status::Exited;
            let _ = container.write_state(store, &monitor.state, false); // what is not written the next command settles
            monitor.leave(&mut container, None);
        }
    }
}

fn take_life(container: &Container) -> Result<OwnedFd> {
    // A descriptor of our own: the lock must end with this process, not with the command that shares its descriptors.
    let life = lock::open(container.dir.as_fd(), "lock")?;
    if lock::take(life.as_fd(), LOCK_LIFE)? {
        Ok(life)
    } else {
        Err(Error::new(format_args!("container {} is already running", container.spec.name)))
    }
}

/// Takes away what a run had. Errors would hide the one that matters; what is left is found by the next command.
fn take_down(store: &Store, spec: &Spec, attached: &[Attached], cgroup: &Joined) {
    let _ = hosts::withdraw(store, spec, attached);
    let _ = walls::release_prepared(spec, cgroup);
}

/// What is told of a run that could not begin.
fn note_failure(state: &mut State, error: &Error) {
    state.exit_code = i32::from(error.code.unwrap_or(EXIT_UNSTARTED));
    state.error = format!("{error}");
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
        take_down(store, &container.spec, &[], &Joined::default());
        if fresh {
            let _ = super::remove::dispose(store, &container.spec, true);
        } else if let Ok(mut state) = container.state(store) {
            note_failure(&mut state, &error);
            let _ = container.write_state(store, &state, false);
        }
    }
    drop(life);
    let _ = control::send(control, &Message::Failed(error));
    let _ = walls::release_links(store, &container.spec, &[]); // the next one on the network does what fails here
    let _ = trash::sweep(store);
    sys::exit(1)
}

/// Who waits for the end of a run hears of it; when there is no other to come, everybody. Nobody's freeze outlives it.
fn tell_end(clients: &mut [Client], exit_code: i32, is_last: bool) {
    for client in clients {
        if client.is_waiting || is_last {
            let _ = control::send(client.socket.as_fd(), &Message::Exited(exit_code)); // it may have gone
        }
        (client.is_waiting, client.is_freezing) = (false, false);
    }
}

const OOM_SCORE: &str = "/proc/self/oom_score_adj";

/// The kernel should take the container's processes before the one that tells about it. Needs CAP_SYS_RESOURCE, which
/// not every host gives: then we are as likely as others.
fn protect_from_oom() {
    let _ = file::write_at(rustix::fs::CWD, OOM_SCORE, "-999");
}

/// What a monitor needs for its work. It is there before the command runs: who connects early waits for an answer.
struct Desk {
    signals: OwnedFd,
    listener: OwnedFd,
    log: Log,
    /// See [`Monitor::oom_score`].
    oom_score: String,
    /// See [`Monitor::seen`]; `None` if nothing is certain.
    seen: Option<(u64, i64, u64)>,
}

impl Desk {
    fn open(store: &Store, container: &Container, seen: Option<(u64, i64, u64)>) -> Result<Self> {
        Ok(Self {
            seen,
            signals: sys::signalfd(sys::signal_bit(SIGTERM)).tried("watch signals")?,
            listener: control::listen_at(store, &container.spec.id)?,
            log: Log::open(process::duplicate(&container.dir)?, &container.spec.log)?,
            oom_score: file::read_text(OOM_SCORE).unwrap_or_default(),
        })
    }
}

impl<'a> Monitor<'a> {
    /// The record that the first run is under way. Ends the run if that fails.
    fn open(
        store: &'a Store,
        container: &Container,
        run: Box<Run>,
        desk: Option<Desk>,
        size: Winsize,
    ) -> Result<Box<Self>> {
        let Some(Desk { signals, listener, log, oom_score, seen }) = desk else {
            return Err(run::end(&run.child, Error::new("the monitor is not ready")));
        };
        let mut monitor = Box::new(Self {
            store,
            life: None,
            signals,
            listener,
            log,
            clients: Vec::new(),
            seen,
            last_client: STARTER,
            state: State::created(),
            attached: Vec::new(),
            run: None,
            past: Past::default(),
            is_stopping: false,
            stays: false,
            action: Action::Stay,
            start_at: None,
            lingering: Vec::new(),
            buffers: Buffers::default(),
            size,
            oom_score,
        });
        monitor.enter(container, run).map(|()| monitor)
    }

    /// A run is under way: it is written down. Ends it if that fails.
    fn enter(&mut self, container: &Container, mut run: Box<Run>) -> Result<()> {
        run.prober = container.spec.health.as_ref().map(Prober::new);
        *self.state = State {
            pid: run.child.pid,
            status: Status::Running,
            started: time::now(),
            started_up: Some(time::since_boot()),
            finished: self.state.finished,
            restarts: self.past.restarts,
            health: container.spec.health.as_ref().map(|_| health::unknown()),
            networks: core::mem::take(&mut run.attached),
            ports: run.published.bound.clone(),
            ..*State::created()
        };
        if let Err(error) = container.write_state(self.store, &self.state, false) {
            return Err(run::end(&run.child, error));
        }
        protect_from_oom();
        (self.action, self.is_stopping, self.run) = (Action::Stay, false, Some(run));
        events::networks(self.store, "connect", &container.spec.id, &self.state.networks);
        events::container(self.store, "start", &container.spec, &[]);
        Ok(())
    }

    /// Stays with a run until its end. Then that is written down and everything of it taken away; who waits is told now if
    /// it is to be started again. What is returned may be let go of when everybody has been told.
    fn live(&mut self, container: &mut Container) -> Option<OwnedFd> {
        while self.run.as_ref().is_some_and(|run| !run.has_ended) {
            self.turn(container);
        }
        // Its name, its limits and its policy may have been changed meanwhile.
        self.reread(container);
        let spec = &container.spec;
        let run = self.run.as_ref()?;
        let exit_code = process::peek(run.child.pidfd.as_fd());
        self.state.exit_code = exit_code;
        self.state.finished = time::now();
        self.state.pid = 0;
        self.attached = core::mem::take(&mut self.state.networks);
        self.state.ports.clear();
        // The limit itself may have come later than our copy of the record.
        self.state.oom_killed = exit_code == 137 && cgroup::oom_kills(Place::of(spec)) > 0;
        let ran_ms = time::monotonic_ms() - run.began_ms;
        self.happens(spec.restart, Event::Ended(exit_code, ran_ms));
        let goes_on = self.action != Action::Leave;
        self.state.status = if goes_on { Status::Restarting } else { Status::Exited };
        self.state.restarts = self.past.restarts;
        fault::point("monitor:ended");
        self.store.timing.mark("saw the end");
        // Errors from here on have nobody to hear them; what is left undone the next command finds and does.
        if goes_on || self.stays || !spec.auto_remove {
            let _ = container.write_state(self.store, &self.state, false);
        }
        self.tell_end(spec);
        events::networks(self.store, "disconnect", &spec.id, &self.attached);
        let mut run = self.run.take()?;
        // Reaped only now: until here its pid could not become another process's.
        process::wait(run.child.pidfd.as_fd());
        fault::point("monitor:written");
        self.store.timing.mark("wrote it down");
        run.relays.end();
        drop(run.published);
        take_down(self.store, spec, &self.attached, &run.cgroup);
        fault::point("monitor:released");
        self.store.timing.mark("take_down");
        if let Some(prober) = run.prober {
            prober.end();
        }
        self.lingering.extend(run.outputs);
        if goes_on {
            tell_end(&mut self.clients, exit_code, false);
        }
        run.hold
    }

    /// Waits until it is time for the next run, or until nobody wants one any more.
    fn rest(&mut self, container: &mut Container) {
        while let Action::Wait(wait_ms) = self.action {
            self.start_at.get_or_insert_with(|| time::monotonic_ms() + wait_ms);
            self.turn(container);
        }
        self.start_at = None;
    }

    /// The next run. If it cannot be, that is the end.
    fn again(&mut self, container: &mut Container) {
        fault::point("monitor:again");
        self.reread(container);
        let _ = file::write_at(rustix::fs::CWD, OOM_SCORE, &self.oom_score); // what is not allowed was not changed
        let start = Start { size: self.size, early: None };
        let begun = run::begin(self.store, container, [None, None, None], start, &mut || Ok(()));
        match begun.and_then(|run| self.enter(container, run)) {
            Ok(()) => fault::point("monitor:restarted"),
            Err(error) => {
                take_down(self.store, &container.spec, &[], &Joined::default());
                note_failure(&mut self.state, &error);
                self.happens(container.spec.restart, Event::Failed);
            }
        }
    }

    /// Reads the record again if it is another one than last time: whoever changes it puts a new file in its place.
    fn reread(&mut self, container: &mut Container) {
        let now = container.record_now();
        if now.is_some() && now == self.seen {
            return;
        }
        if let Ok(fresh) = containers::open(self.store, &container.spec.id) {
            (container.spec, self.seen) = (fresh.spec, now);
        }
    }

    fn happens(&mut self, restart: Restart, event: Event) {
        let phase = if self.run.is_some() { Phase::Running } else { Phase::Waiting };
        match restart::next(restart, &mut self.past, phase, event) {
            Action::Stay => {}
            action => self.action = action,
        }
    }

    /// A person wants it to end, and not to be started again before somebody says so. Written down before it is done.
    fn stopped_by_person(&mut self, container: &Container) {
        if !self.state.was_stopped {
            self.state.was_stopped = true;
            let _ = container.note_state(self.store, &self.state, false); // it ends all the same
        }
        self.happens(container.spec.restart, Event::Stopped);
    }

    /// The host goes down: it ends, and is not started again before the host is. What a person said before stays true.
    fn goes_down(&mut self, container: &Container) {
        if self.state.ended_with_host.is_none() {
            self.state.ended_with_host = Some(true);
            let _ = container.note_state(self.store, &self.state, false); // it ends all the same
        }
        self.happens(container.spec.restart, Event::Stopped);
    }

    /// Takes everything away, and only then tells who waits.
    fn leave(mut self, container: &mut Container, hold: Option<OwnedFd>) -> ! {
        let is_removed = container.spec.auto_remove && !self.stays;
        if is_removed {
            let _change = self.await_change(container); // without it the removal is as good
            self.reread(container); // a rename that was under way is over now
            let _ = super::remove::dispose(self.store, &container.spec, true);
        }
        self.store.timing.mark("remove::dispose");
        // In this order: who is cut off by the listener's end must not find the container "running" still.
        drop(self.life.take());
        self.accept(); // who came while we were at it
        drop(self.listener);
        tell_end(&mut self.clients, self.state.exit_code, true);
        drop((self.clients, hold));
        let _ = walls::release_links(self.store, &container.spec, &self.attached); // the next one on the network does what fails here
        if is_removed {
            let _ = trash::sweep(self.store);
        }
        if self.lingering.iter().any(Output::has_reader) {
            drop(self.buffers); // a reader that is stuck may stay for long
            stream::linger(&mut self.lingering);
        }
        sys::exit(0)
    }

    /// The change lock: a commit that is under way still needs the container. Who comes with a wish meanwhile, as that commit
    /// may, hears that it has ended; who waits for the end hears it when all is done.
    fn await_change(&mut self, container: &Container) -> Result<OwnedFd> {
        let file = lock::open(container.dir.as_fd(), "lock")?;
        while !lock::take(file.as_fd(), LOCK_CHANGE)? {
            self.accept();
            let exit_code = self.state.exit_code;
            self.clients.retain_mut(|client| {
                if !client.is_waiting && process::readable(client.socket.as_fd(), 0) {
                    let wish = control::receive(client.socket.as_fd());
                    client.is_waiting = matches!(wish, Ok(Some((Message::Wait | Message::Stop(..), _))));
                    if !client.is_waiting {
                        tell_end(core::slice::from_mut(client), exit_code, true);
                        return false;
                    }
                }
                true
            });
            // No event tells that a lock was given back.
            process::wait_for(&mut [PollFd::from_borrowed_fd(self.listener.as_fd(), PollFlags::IN)], LOCK_WAIT_MS);
        }
        Ok(file)
    }

    /// In how many milliseconds there is something to do; negative for never.
    fn limit_ms(&self) -> i64 {
        let kill_at = self.run.as_ref().and_then(|run| run.kill_at);
        let check_at = self.run.as_ref().and_then(|run| run.prober.as_ref()?.deadline());
        let at = |at: Option<i64>| at.unwrap_or(i64::MAX);
        let first = at(kill_at).min(at(check_at)).min(at(self.start_at));
        let left_ms = if first == i64::MAX { i64::MAX } else { (first - time::monotonic_ms()).max(0) };
        let left_ms = if self.buffers.are_there() { left_ms.min(SILENCE_MS) } else { left_ms };
        if left_ms == i64::MAX { -1 } else { left_ms }
    }

    /// Waits for something to happen, and deals with all that did.
    fn turn(&mut self, container: &mut Container) {
        let mut fds: Vec<PollFd<'_>> = Vec::new();
        let mut watch = |fd| fds.push(PollFd::from_borrowed_fd(fd, PollFlags::IN));
        watch(self.signals.as_fd());
        watch(self.listener.as_fd());
        for client in &self.clients {
            watch(client.socket.as_fd());
        }
        let (mut end, mut outputs) = (None, [None; 2]);
        if let Some(run) = &self.run {
            end = Some(fds.len());
            fds.push(PollFd::new(&run.child.pidfd, PollFlags::IN));
            outputs = run.outputs.each_ref().map(|output| output.watch(&mut fds));
            run.input.watch(&mut fds);
            run.relays.watch(&run.published, &mut fds);
            if let Some(prober) = &run.prober {
                prober.watch(&mut fds);
            }
        }
        for output in &self.lingering {
            output.watch(&mut fds);
        }
        let ready = process::wait_for_each(&mut fds, self.limit_ms());
        drop(fds);
        if !ready.contains(&true) {
            self.buffers = Buffers::default(); // a container that is silent costs no memory
        }
        if ready[0] {
            while sys::next_signal(self.signals.as_fd()).is_some() {
                self.goes_down(container); // the init of the host ends everything so
                let _ = self.signal(&container.spec, container.spec.stop_signal); // nobody asked for an answer
            }
        }
        if ready[2..2 + self.clients.len()].contains(&true) {
            self.reread(container); // what is told about it has its present name
        }
        for at in (0..self.clients.len()).rev() {
            if ready[2 + at] {
                self.listen_to(at, container);
            }
        }
        if ready[1] {
            self.accept();
        }
        let is_ready = |at: Option<usize>| at.is_some_and(|at| ready[at]);
        self.pump(container, is_ready(end), outputs.map(is_ready));
        self.check(container);
        let is_due = |at: i64| time::monotonic_ms() >= at;
        if let Some(run) = self.run.as_mut().filter(|run| run.kill_at.is_some_and(is_due)) {
            run.kill_at = None;
            let _ = self.signal(&container.spec, SIGKILL); // ESRCH: it has just ended
        }
        if self.start_at.is_some_and(is_due) {
            self.happens(container.spec.restart, Event::Due);
        }
    }

    /// Looks after its health.
    fn check(&mut self, container: &Container) {
        let is_frozen = self.is_frozen();
        if let (Some(run), Some(health)) = (&mut self.run, &container.spec.health)
            && !run.has_ended
            && let Some(prober) = &mut run.prober
        {
            let init = run.child.pidfd.as_fd();
            let room = Room { store: self.store, container, init, oom_score: &self.oom_score };
            let verdict = |state: &State| state.health.as_ref().map(|checked| checked.status);
            let before = verdict(&self.state);
            if prober.turn(&room, health, &mut self.state, is_frozen) {
                if let Some(now) = verdict(&self.state).filter(|now| Some(*now) != before) {
                    let action = format!("health_status: {}", health::word(now));
                    events::container(self.store, &action, &container.spec, &[]);
                    clients::tell_health(&self.clients, now);
                }
                let _ = container.note_state(self.store, &self.state, false); // a full disk changes nobody's health
            }
        }
    }

    /// Moves what the container and its readers have for each other, and notices the end. What was ready is told: nothing is
    /// asked twice in a turn.
    fn pump(&mut self, container: &Container, has_ended: bool, outputs: [bool; 2]) {
        let mut failure = None;
        if let Some(run) = &mut self.run {
            if has_ended {
                run.has_ended = true;
                run.kill_at = None;
            }
            for (output, is_ready) in run.outputs.iter_mut().zip(outputs) {
                if let Err(error) = output.pump(&mut self.log, &mut self.buffers, is_ready, has_ended) {
                    failure = Some(error);
                }
            }
            run.input.pump();
            run.relays.turn(&run.published);
        }
        // A log that cannot be written (a full disk) must not stop the container; the record tells about it, once.
        if let Some(error) = failure.filter(|_| self.state.error.is_empty()) {
            self.state.error = format!("{error}");
            let _ = container.note_state(self.store, &self.state, false); // it is the same disk
        }
        self.lingering.retain_mut(|output| {
            let _ = output.pump(&mut self.log, &mut self.buffers, false, true); // its part of the log is complete
            output.has_reader()
        });
    }
}
