//! command: the host goes down: ends all containers, those first that come after others. What a person wanted of them stays
//! as it was, so that the next `boot` brings back what ran.

use super::control::Purpose;
use super::sequence;
use super::stop::{self, STOP_SECONDS};
use crate::error::{Error, Result};
use crate::kernel::{file, process, sys, time};
use crate::spec::order;
use crate::spec::{Spec, Status};
use crate::store::containers::{self, Container};
use crate::store::{self, Store};
use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use rustix::event::{PollFd, PollFlags};
use rustix::fd::{AsFd, OwnedFd};

const SIGTERM: i32 = 15;
const SIGKILL: i32 = 9;
/// So long before the limit all that still runs is killed, or a quarter of the limit if that is less.
const MARGIN_MS: i64 = 1000;
/// How long after that something may take to be gone before it is told of as what could not be stopped.
const KILL_WAIT_MS: i64 = 2000;
/// How long a monitor may take to answer, or a quarter of what is left; one that does not is killed with its container.
const PATIENCE_MS: i64 = 3000;
/// How long a monitor whose container has ended is given to end, too.
const MONITOR_WAIT_MS: i64 = 1000;

/// Whom the end of a container is told to: its name, or why it could not be.
pub type Teller<'a> = &'a mut dyn FnMut(Result<&str>);

enum Now {
    /// Others end first.
    Waits,
    /// Its monitor was told.
    Told(OwnedFd),
    Done,
}

struct Entry {
    container: Container,
    /// The places of those that end first.
    first: Vec<usize>,
    /// How many end one after the other, it and those that wait for it.
    depth: i64,
    now: Now,
}

/// When what happens at the latest, in monotonic milliseconds.
#[derive(Clone, Copy)]
struct Limits {
    kill_at: i64,
    give_up_at: i64,
}

/// Ends all containers; with a limit in milliseconds nothing runs after that. Looks again until nothing runs that could be
/// ended: a boot or a person may be starting something.
pub fn shutdown(store: &Store, limit_ms: Option<i64>, tell: Teller<'_>) -> Result<()> {
    // A boot that sees this starts nothing more.
    let _down = store::hold(&store.root_path, true)?;
    process::lift_open_files();
    let now = time::monotonic_ms();
    let limits = limit_ms.map_or(Limits { kill_at: i64::MAX, give_up_at: i64::MAX }, |limit_ms| {
        let kill_at = now.saturating_add(limit_ms).saturating_sub(MARGIN_MS.min(limit_ms / 4));
        Limits { kill_at, give_up_at: kill_at.saturating_add(KILL_WAIT_MS) }
    });
    let mut stuck: Vec<String> = Vec::new();
    let mut monitors: Vec<OwnedFd> = Vec::new();
    let mut is_boot_over = false;
    loop {
        let mut entries = running(store, &stuck)?;
        if !entries.is_empty() {
            end(store, &mut entries, limits, &mut monitors, &mut stuck, tell);
        } else if is_boot_over {
            break;
        } else {
            await_boot(store, limits)?;
            is_boot_over = true;
        }
    }
    // A monitor keeps files of the store open for a moment longer, and whoever goes on wants to unmount its disk.
    let until = time::monotonic_ms() + MONITOR_WAIT_MS;
    for monitor in &monitors {
        process::readable(monitor.as_fd(), (until - time::monotonic_ms()).max(0));
    }
    Ok(())
}

/// What runs, by name, with the order in which it is to end. One whose record cannot be read is called by its id.
fn running(store: &Store, stuck: &[String]) -> Result<Vec<Entry>> {
    let mut found = Vec::new();
    for id in containers::ids(store)? {
        if stuck.contains(&id) || !containers::is_alive(store, &id) {
            continue;
        }
        match containers::open(store, &id) {
            Ok(container) => found.push(container),
            Err(error) => {
                let dir = file::open_dir_at(store.containers.as_fd(), &id).map_err(|_| error)?;
                let mut spec = Spec::empty();
                (spec.name, spec.id, spec.stop_signal) = (id[..12].to_owned(), id, SIGTERM);
                found.push(Container { spec, dir });
            }
        }
    }
    let mut entries = Vec::new();
    for container in order::sorted(found, &|a, b| a.spec.name < b.spec.name) {
        entries.push(Entry { container, first: Vec::new(), depth: 1, now: Now::Waits });
    }
    let mut specs: Vec<&Spec> = Vec::new();
    for entry in &entries {
        specs.push(&entry.container.spec);
    }
    let mut before = sequence::of(&specs);
    sequence::straighten(&mut before);
    let depths = sequence::depths(&before);
    for (at, first) in sequence::reversed(&before).into_iter().enumerate() {
        (entries[at].first, entries[at].depth) = (first, depths[at]);
    }
    Ok(entries)
}

/// Ends them. Those that cannot be are stuck.
fn end(
    store: &Store,
    entries: &mut [Entry],
    limits: Limits,
    monitors: &mut Vec<OwnedFd>,
    stuck: &mut Vec<String>,
    tell: Teller<'_>,
) {
    loop {
        let now = time::monotonic_ms();
        let mut fds = Vec::new();
        let mut next = limits.give_up_at;
        for at in 0..entries.len() {
            let is_done = |at: &usize| matches!(entries[*at].now, Now::Done);
            let is_next = now >= limits.kill_at || entries[at].first.iter().all(is_done);
            if !matches!(entries[at].now, Now::Waits) || !is_next {
                continue;
            }
            // Those that wait for it get as much of what is left.
            let left_ms = limits.kill_at.saturating_sub(now).max(0) / entries[at].depth;
            match begin(store, &entries[at].container, left_ms) {
                Ok(Some(socket)) => {
                    monitors.extend(monitor_of(&socket));
                    entries[at].now = Now::Told(socket);
                }
                ended => entries[at].is_over(ended.map(drop), stuck, tell),
            }
        }
        for entry in entries.iter() {
            match &entry.now {
                Now::Told(socket) => fds.push(PollFd::from_borrowed_fd(socket.as_fd(), PollFlags::IN)),
                Now::Waits => next = limits.kill_at, // then it is killed without having been asked
                Now::Done => {}
            }
        }
        if fds.is_empty() {
            if entries.iter().all(|entry| matches!(entry.now, Now::Done)) {
                return;
            }
            continue; // what others waited for has just ended
        }
        process::wait_for(&mut fds, if next == i64::MAX { -1 } else { (next - now).max(0) });
        drop(fds);
        let gives_up = time::monotonic_ms() >= limits.give_up_at;
        for entry in entries.iter_mut() {
            let Now::Told(socket) = &entry.now else { continue };
            // What comes is its exit code, or that its monitor has hung up.
            if process::readable(socket.as_fd(), 0) {
                entry.is_over(Ok(()), stuck, tell);
            } else if gives_up {
                let killed = stop::kill_mute(store, &entry.container).or_else(|_| has_ended(store, &entry.container));
                entry.is_over(killed, stuck, tell);
            }
        }
    }
}

/// Whether it has, and only its monitor is still at work; or it went away with its end.
fn has_ended(store: &Store, container: &Container) -> Result<()> {
    let is_over = match container.state(store) {
        Ok(state) => state.status == Status::Exited,
        Err(_) => !container.is_alive().unwrap_or(true),
    };
    if is_over { Ok(()) } else { Err(Error::new("it does not end, not even by SIGKILL")) }
}

impl Entry {
    fn is_over(&mut self, how: Result<()>, stuck: &mut Vec<String>, tell: Teller<'_>) {
        let Spec { id, name, .. } = &*self.container.spec;
        if how.is_err() {
            stuck.push(id.clone());
        }
        tell(how.map_or_else(|error| Err(error.reword(&|why| [name, ": ", why].concat())), |()| Ok(name.as_str())));
        self.now = Now::Done;
    }
}

/// Tells the monitor that its container is to end, within so many milliseconds.
fn begin(store: &Store, container: &Container, left_ms: i64) -> Result<Option<OwnedFd>> {
    let spec = &container.spec;
    let own_ms = spec.stop_timeout.unwrap_or(STOP_SECONDS).saturating_mul(1000);
    let limit_ms = match own_ms {
        ..0 if left_ms > i64::from(u32::MAX) => -1, // never, and nobody has set a limit
        ..0 => left_ms,
        _ => own_ms.min(left_ms),
    };
    // Without time to react there is no point in asking.
    let signal = if limit_ms == 0 { SIGKILL } else { spec.stop_signal };
    match stop::dial_within(store, container, PATIENCE_MS.min(left_ms / 4)) {
        Err(_) => stop::kill_mute(store, container).map(|()| None),
        Ok(monitor) => stop::stop_by(store, container, monitor, signal, limit_ms, Purpose::Shutdown),
    }
}

/// The monitor at the other end, unix(7) `SO_PEERCRED`.
fn monitor_of(socket: &OwnedFd) -> Option<OwnedFd> {
    let peer = rustix::net::sockopt::socket_peercred(socket).ok()?;
    process::open_pidfd(peer.pid.as_raw_nonzero().get()).ok()
}

/// Waits until a boot that is under way has ended; it sees that the host goes down.
fn await_boot(store: &Store, limits: Limits) -> Result<()> {
    let mut wait = || {
        let held = store::hold(&store.run_path, false);
        sys::exit(i32::from(held.is_err()))
    };
    // A child, because nothing else waits for a lock with a limit.
    let child = process::spawn(0, None, &mut wait)?;
    let left_ms = limits.give_up_at.saturating_sub(time::monotonic_ms());
    if !process::readable(child.pidfd.as_fd(), if limits.give_up_at == i64::MAX { -1 } else { left_ms.max(0) }) {
        let _ = sys::signal(child.pidfd.as_fd(), SIGKILL); // it may have ended now
    }
    process::wait(child.pidfd.as_fd());
    Ok(())
}
