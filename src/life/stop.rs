//! command: ends containers, pauses them, signals them, waits for them, all by asking their monitors.

use super::control::{self, Message, Purpose};
use super::monitor::NAME as MONITOR;
use super::remove;
use crate::error::{Error, Result, Tried};
use crate::kernel::time::monotonic_ms;
use crate::kernel::{file, proc, process, sys};
use crate::spec::{Status, text};
use crate::store::Store;
use crate::store::containers::{self, Container};
use alloc::format;
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::Errno;

/// How long a monitor may take to begin or to end.
const MONITOR_WAIT_MS: i64 = 10_000;
const SIGKILL: i32 = 9;
/// Seconds between the stop signal and SIGKILL when nobody says otherwise, docker's.
pub const STOP_SECONDS: i64 = 10;

/// Connects to the monitor of a running container. `None` when it does not run. A monitor that is just starting or just
/// ending has no socket: then this waits for its life lock to decide.
pub fn dial(store: &Store, container: &Container) -> Result<Option<OwnedFd>> {
    dial_within(store, container, MONITOR_WAIT_MS)
}

/// The same, with less patience.
pub fn dial_within(store: &Store, container: &Container, limit_ms: i64) -> Result<Option<OwnedFd>> {
    let deadline = monotonic_ms() + limit_ms.min(MONITOR_WAIT_MS);
    loop {
        if let Some(socket) = control::dial(store, &container.spec.id)? {
            return Ok(Some(socket));
        }
        if !container.is_alive()? {
            return Ok(None);
        }
        if monotonic_ms() > deadline {
            return Err(mute(container));
        }
        process::wait_for(&mut [], 2); // microseconds in practice; there is no event for "it now listens"
    }
}

fn mute(container: &Container) -> Error {
    let name = &container.spec.name;
    Error::new(format_args!("the monitor of container {name} does not answer; 'mydocker rm -f' removes it"))
}

/// Kills a monitor that does not answer: its socket has gone with the directory, or it stands still. All processes of the
/// container die with it.
pub fn kill_mute(store: &Store, container: &Container) -> Result<()> {
    let pid = container.state(store)?.pid;
    let (Ok(first), Some(found)) = (process::open_pidfd(pid), proc::read(pid)) else { return Err(mute(container)) };
    let monitor = process::open_pidfd(found.ppid).tried("find the monitor")?;
    // Numbers of processes are used anew: the cgroup tells whose they are.
    let is_its = |path: &str| file::read_text(path).is_ok_and(|all| text::has(&all, &container.spec.id));
    let is_monitor = proc::read(found.ppid).is_some_and(|parent| parent.comm.as_bytes() == MONITOR.to_bytes());
    if !is_its(&format!("/proc/{pid}/cgroup")) || !is_monitor || !container.is_alive()? {
        return Err(mute(container));
    }
    sys::signal(monitor.as_fd(), SIGKILL).tried("kill the monitor")?;
    for ended in [monitor, first] {
        process::readable(ended.as_fd(), MONITOR_WAIT_MS);
    }
    remove::settle(store, container).map(drop)
}

/// Whether the container runs. One that has ended but whose monitor is still at it is waited for: microseconds, and no
/// event tells that a lock was given back without taking it.
pub fn is_running(store: &Store, container: &Container) -> Result<bool> {
    let deadline = monotonic_ms() + MONITOR_WAIT_MS;
    while container.is_alive()? {
        let has_ended = container.state(store).is_ok_and(|state| state.status == Status::Exited);
        if !has_ended || monotonic_ms() > deadline {
            return Ok(true);
        }
        process::wait_for(&mut [], 1);
    }
    Ok(false)
}

/// Begins to end a container: `signal`, then after `limit_ms` (negative: never) SIGKILL. What [`await_end`] waits on is
/// returned; one that does not run is fine, and there is nothing to wait for.
pub fn stop(
    store: &Store,
    container: &Container,
    signal: i32,
    limit_ms: i64,
    purpose: Purpose,
) -> Result<Option<OwnedFd>> {
    stop_by(store, container, dial(store, container)?, signal, limit_ms, purpose)
}

/// The same, by the monitor that was dialled.
pub fn stop_by(
    store: &Store,
    container: &Container,
    monitor: Option<OwnedFd>,
    signal: i32,
    limit_ms: i64,
    purpose: Purpose,
) -> Result<Option<OwnedFd>> {
    match monitor {
        Some(socket) => ask(socket, &Message::Stop(signal, limit_ms, purpose)),
        None => remove::settle(store, container).map(|_| None),
    }
}

/// `None` when the monitor has just ended.
fn ask(socket: OwnedFd, message: &Message) -> Result<Option<OwnedFd>> {
    match control::send(socket.as_fd(), message) {
        Err(error) if error.is(Errno::PIPE) => Ok(None),
        sent => sent.map(|()| Some(socket)),
    }
}

/// Waits for the end of what [`stop`] has begun to end. That it was stopped survives a power cut when this returns.
pub fn finish(store: &Store, id: &str, begun: Option<OwnedFd>) -> Result<()> {
    if let Some(socket) = begun {
        await_end(&socket)?;
    }
    containers::sync_state(store, id)
}

/// SIGKILL through the monitor at the other end, and the wait for everything to be taken down. Without a monitor the
/// caller releases what is left.
pub fn kill_and_wait(monitor: Option<OwnedFd>) -> Result<()> {
    let Some(socket) = monitor else { return Ok(()) };
    match ask(socket, &Message::Stop(SIGKILL, -1, Purpose::End))? {
        Some(socket) => await_end(&socket).map(drop),
        None => Ok(()),
    }
}

/// Sends a signal. Only a running container can get one.
pub fn kill(store: &Store, container: &Container, word: &str, signal: i32) -> Result<()> {
    tell(store, container, &Message::Signal(signal), &format!("Cannot kill container: {word}: "))?;
    containers::sync_state(store, &container.spec.id) // a person may have stopped it with that
}

/// Makes every process of a running container stand still until [`unpause`], or until it is stopped or killed.
pub fn pause(store: &Store, container: &Container) -> Result<()> {
    tell(store, container, &Message::Pause, "")
}

/// Ends a [`pause`].
pub fn unpause(store: &Store, container: &Container) -> Result<()> {
    tell(store, container, &Message::Unpause, "")
}

/// Says something that is answered with "done" or an error. `cannot` begins the error for a container that does not run.
fn tell(store: &Store, container: &Container, message: &Message, cannot: &str) -> Result<()> {
    remove::settle(store, container)?;
    let not_running = || Error::new(format_args!("{cannot}Container {} is not running", container.spec.id));
    let socket = dial(store, container)?.ok_or_else(not_running)?;
    if control::request(socket.as_fd(), message, None)? { Ok(()) } else { Err(not_running()) }
}

/// Waits for the end of a container and returns its exit code; at once for one that does not run. `word` is what the user
/// calls it.
pub fn wait(store: &Store, container: &Container, word: &str) -> Result<i32> {
    if let Some(socket) = dial(store, container)? {
        let _ = control::send(socket.as_fd(), &Message::Wait); // a monitor that leaves has told the code before it hung up
        if let Ok(Some(code)) = await_end(&socket) {
            containers::sync_state(store, &container.spec.id)?;
            return Ok(code);
        }
    }
    // One that was never started has the exit code 0, as docker has it.
    remove::settle(store, container)?.map(|state| state.exit_code).ok_or_else(|| containers::missing(word))
}

/// The exit code, or `None` when the monitor died instead of telling.
pub fn await_end(socket: &OwnedFd) -> Result<Option<i32>> {
    loop {
        match control::receive(socket.as_fd())? {
            Some((Message::Exited(code), _)) => return Ok(Some(code)),
            Some((Message::Failed(error), _)) => return Err(error),
            Some(_) => {}
            None => return Ok(None),
        }
    }
}
