//! command: the host has started: puts right what its end left behind, and starts what is to run, many at a time, in sequence.

use super::control::{self, Message};
use super::{remove, restart, sequence, stop};
use crate::error::Result;
use crate::kernel::process::{self, Child};
use crate::kernel::{file, sys, time};
use crate::spec::order;
use crate::spec::text;
use crate::spec::{Policy, Spec, Status, Verdict};
use crate::store::containers::{self, Container};
use crate::store::{self, Store, images, trash};
use alloc::borrow::ToOwned;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use rustix::event::{PollFd, PollFlags};
use rustix::fd::{AsFd, OwnedFd};
use rustix::process::{Resource, Rlimit, setrlimit};

/// What has become of a container.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The host goes down: it was not started.
    Unstarted,
    /// It ran already.
    WasRunning,
    /// It was started, and nobody asks for its health.
    Running,
    /// It runs, and a check has said so.
    Healthy,
    /// It runs, but too many checks have failed.
    Unhealthy,
    /// It runs, and at the limit its health was not known.
    Starting,
    /// It could not be started, or it ended before its health was known.
    Failed,
}

/// A container that is to run.
pub struct Entry {
    /// The container.
    pub container: Container,
    /// What has become of it.
    pub outcome: Outcome,
    /// Milliseconds from the moment when its turn came until that was known.
    pub took_ms: i64,
    /// The places of those that it comes after.
    before: Vec<usize>,
    /// When its turn came, in monotonic milliseconds.
    begun_ms: i64,
    now: Now,
}

enum Now {
    /// Its turn has not come.
    Waits,
    /// A child starts it.
    Starts(Child),
    /// Its monitor tells of its health.
    Watched(OwnedFd),
    Done,
}

/// How it is done.
pub struct Manner<'a> {
    /// So many are started at the same time.
    pub parallel: usize,
    /// So many milliseconds health is waited for. Everything is started, whatever the time.
    pub limit_ms: i64,
    /// child: starts the container with this id. Returns the exit code; has told of an error.
    pub start: &'a dyn Fn(&str) -> i32,
    /// Takes what went wrong, a line each.
    pub tell: Teller<'a>,
}

/// What lines go to, each with whether it is an error.
type Teller<'a> = &'a mut dyn FnMut(&str, bool);

/// What we hold while we work, and no child of ours may keep.
struct Held {
    /// That no other boot works.
    turn: OwnedFd,
    /// Removes what killed commands left.
    sweeper: Child,
    /// The limit of open files that we came with.
    files: Rlimit,
}

/// Starts what is to run, and waits until its health is known. Only one boot works at a time: a second one finds all done.
pub fn boot(store: &Store, manner: &mut Manner<'_>) -> Result<Vec<Entry>> {
    let deadline = time::monotonic_ms().saturating_add(manner.limit_ms);
    drop(file::make_dirs(&store.run_path, 0o700)?);
    let sweeper = process::aside(&mut || sweep(store))?; // before we have what it must not inherit
    let turn = store::hold(&store.run_path, false)?;
    let mut held = Some(Held { turn, sweeper, files: process::lift_open_files() });
    let mut entries = entries(store, manner.tell)?;
    loop {
        begin(store, &mut entries, &mut held, manner);
        let is_due = time::monotonic_ms() >= deadline;
        if entries.iter().all(|entry| matches!(entry.now, Now::Done)) {
            break;
        }
        await_news(&entries, deadline);
        for entry in &mut entries {
            news(store, entry, manner.tell);
            if is_due && matches!(entry.now, Now::Watched(_)) {
                entry.ends(Outcome::Starting);
            }
        }
    }
    let Some(Held { sweeper, turn, .. }) = held else { return Ok(entries) };
    let left_ms = (deadline - time::monotonic_ms()).max(0);
    if process::readable(sweeper.pidfd.as_fd(), left_ms) && process::wait(sweeper.pidfd.as_fd()) != 0 {
        (manner.tell)("not all that killed commands left could be removed; 'mydocker system check' tells more", true);
    }
    drop(turn);
    Ok(entries)
}

/// child: removes what killed commands left in the store. Nobody's start waits for that.
fn sweep(store: &Store) -> Result<()> {
    // Opened anew: a lock of ours must not be the one of our parent's.
    let store = store::open(&store.root_path, &store.run_path)?;
    images::tidy(&store).and(trash::sweep(&store))
}

/// What is to run or runs already, by name, each with those that it comes after. What was lost and is not to run is put right
/// on the way.
fn entries(store: &Store, tell: Teller<'_>) -> Result<Vec<Entry>> {
    let (found, errors) = containers::all(store)?;
    for error in &errors {
        tell(&error.to_string(), true);
    }
    let begun_ms = time::monotonic_ms();
    let mut entries = Vec::new();
    for container in order::sorted(found, &|a, b| a.spec.name < b.spec.name) {
        let (outcome, is_wanted) = match look(store, &container) {
            Err(error) => {
                tell(&about(&container.spec, &error), true);
                (Outcome::Failed, container.spec.restart.policy != Policy::No)
            }
            Ok(known) => known,
        };
        if is_wanted {
            entries.push(Entry { container, outcome, took_ms: 0, before: Vec::new(), begun_ms, now: Now::Waits });
        }
    }
    let mut specs: Vec<&Spec> = Vec::new();
    for entry in &entries {
        specs.push(&entry.container.spec);
    }
    let mut before = sequence::of(&specs);
    for circle in sequence::straighten(&mut before) {
        let mut line = String::new();
        for at in circle {
            text::add(&mut line, ", ", &specs[at].name);
        }
        tell(&(line + ": each comes after the next one, in a circle; they start in the order of their names"), false);
    }
    for (entry, before) in entries.iter_mut().zip(before) {
        entry.before = before;
        match entry.outcome {
            Outcome::Failed => entry.now = Now::Done,
            Outcome::WasRunning => watch(store, entry, tell),
            _ => {}
        }
    }
    Ok(entries)
}

/// What a container is now, and whether it is one of those that are to run. One that is not, and was lost, is put right.
fn look(store: &Store, container: &Container) -> Result<(Outcome, bool)> {
    // First this: of one that is over, what is written then is the last word.
    let is_alive = container.is_alive()?;
    let mut state = container.state(store)?;
    let restart = container.spec.restart;
    let ran = matches!(state.status, Status::Running | Status::Restarting);
    if ran && is_alive {
        return Ok((Outcome::WasRunning, restart.policy != Policy::No));
    }
    if ran {
        state.ended_with_host = Some(true);
    }
    let is_wanted = restart::at_boot(restart, &state);
    // Who starts it does that first, many at a time.
    if ran && !is_wanted {
        remove::settle(store, container)?;
    }
    Ok((Outcome::Unstarted, is_wanted))
}

fn about(spec: &Spec, why: &dyn core::fmt::Display) -> String {
    [&spec.name, ": ", &why.to_string()].concat()
}

impl Entry {
    fn ends(&mut self, outcome: Outcome) {
        self.outcome = outcome;
        self.took_ms = time::monotonic_ms() - self.begun_ms;
        self.now = Now::Done;
    }
}

/// Starts those whose turn has come.
fn begin(store: &Store, entries: &mut Vec<Entry>, held: &mut Option<Held>, manner: &mut Manner<'_>) {
    let mut under_way = entries.iter().filter(|entry| matches!(entry.now, Now::Starts(_))).count();
    for at in 0..entries.len() {
        let is_done = |at: &usize| matches!(entries[*at].now, Now::Done);
        if under_way >= manner.parallel
            || !matches!(entries[at].now, Now::Waits)
            || !entries[at].before.iter().all(is_done)
        {
            continue;
        }
        if store::is_held(&store.root_path) {
            (manner.tell)("the host goes down: nothing more is started", true);
            for entry in entries.iter_mut().filter(|entry| matches!(entry.now, Now::Waits)) {
                entry.ends(Outcome::Unstarted);
            }
            return;
        }
        entries[at].begun_ms = time::monotonic_ms();
        let id = entries[at].container.spec.id.clone();
        let child = process::spawn(0, None, &mut || {
            // The monitor that comes of this must hold neither our turn nor our lines to other monitors.
            drop(core::mem::take(entries));
            if let Some(Held { files, .. }) = held.take() {
                let _ = setrlimit(Resource::Nofile, files);
            }
            sys::exit((manner.start)(&id))
        });
        match child {
            Ok(child) => {
                entries[at].now = Now::Starts(child);
                under_way += 1;
            }
            Err(error) => {
                (manner.tell)(&about(&entries[at].container.spec, &error), true);
                entries[at].ends(Outcome::Failed);
            }
        }
    }
}

/// Waits until a child has ended or a monitor has something to say; where health is waited for, not beyond the deadline.
fn await_news(entries: &[Entry], deadline: i64) {
    let mut limit_ms = -1;
    let mut fds = Vec::new();
    for entry in entries {
        let fd = match &entry.now {
            Now::Starts(child) => child.pidfd.as_fd(),
            Now::Watched(socket) => {
                limit_ms = (deadline - time::monotonic_ms()).max(0);
                socket.as_fd()
            }
            Now::Waits | Now::Done => continue,
        };
        fds.push(PollFd::from_borrowed_fd(fd, PollFlags::IN));
    }
    // Nothing to wait for: one could not be started, and others waited for it.
    if !fds.is_empty() {
        process::wait_for(&mut fds, limit_ms);
    }
}

/// What there is to know of a container without waiting.
fn news(store: &Store, entry: &mut Entry, tell: Teller<'_>) {
    match &entry.now {
        Now::Starts(child) if process::readable(child.pidfd.as_fd(), 0) => match process::wait(child.pidfd.as_fd()) {
            0 => {
                entry.outcome = Outcome::Running;
                watch(store, entry, tell);
            }
            _ => entry.ends(Outcome::Failed), // the child has told
        },
        Now::Watched(socket) if process::readable(socket.as_fd(), 0) => match control::receive(socket.as_fd()) {
            Ok(Some((Message::Health(Verdict::Starting), _))) => {}
            Ok(Some((Message::Health(verdict), _))) => entry.ends(known(verdict)),
            _ => entry.ends(judge(store, entry, tell)),
        },
        _ => {}
    }
}

const fn known(verdict: Verdict) -> Outcome {
    match verdict {
        Verdict::Starting => Outcome::Starting,
        Verdict::Healthy => Outcome::Healthy,
        Verdict::Unhealthy => Outcome::Unhealthy,
    }
}

/// It runs: if somebody asks for its health, that is waited for.
fn watch(store: &Store, entry: &mut Entry, tell: Teller<'_>) {
    if entry.container.spec.health.is_none() {
        return entry.ends(entry.outcome);
    }
    match stop::dial(store, &entry.container) {
        Ok(Some(socket)) if control::send(socket.as_fd(), &Message::Watch).is_ok() => entry.now = Now::Watched(socket),
        _ => entry.ends(judge(store, entry, tell)),
    }
}

/// The verdict about one whose monitor does not tell of its health: it has ended, or is of an older version.
fn judge(store: &Store, entry: &Entry, tell: Teller<'_>) -> Outcome {
    let why = match remove::settle(store, &entry.container) {
        Ok(Some(state)) if matches!(state.status, Status::Running | Status::Restarting) => {
            return state.health.map_or(Outcome::Starting, |checked| known(checked.status));
        }
        Ok(Some(state)) => {
            ["ended with exit code ", &state.exit_code.to_string(), " before its health was known"].concat()
        }
        Ok(None) => "was removed".to_owned(),
        Err(error) => error.to_string(),
    };
    tell(&about(&entry.container.spec, &why), true);
    Outcome::Failed
}
