//! command: ends containers, pauses them, signals them, waits for them, all by asking their monitors.

use super::control::{self, Message};
use super::remove;
use crate::error::{Error, Result};
use crate::kernel::process;
use crate::kernel::time::monotonic_ms;
use crate::spec::Status;
use crate::store::Store;
use crate::store::containers::{self, Container};
use alloc::format;
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::Errno;

/// How long a monitor may take to begin or to end.
const MONITOR_WAIT_MS: i64 = 10_000;
const SIGKILL: i32 = 9;

/// Connects to the monitor of a running container. `None` when it does not run. A monitor that is just starting or just
/// ending has no socket: then this waits for its life lock to decide.
pub fn dial(store: &Store, container: &Container) -> Result<Option<OwnedFd>> {
    let deadline = monotonic_ms() + MONITOR_WAIT_MS;
    loop {
        if let Some(socket) = control::dial(store, &container.spec.id)? {
            return Ok(Some(socket));
        }
        if !container.is_alive()? {
            return Ok(None);
        }
        if monotonic_ms() > deadline {
            return Err(Error::new(format_args!(
                "the monitor of container {} does not answer; 'mydocker rm -f' removes it",
                container.spec.name
            )));
        }
        process::wait_for(&mut [], 2); // microseconds in practice; there is no event for "it now listens"
    }
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
/// returned; one that does not run is fine, and there is nothing to wait for. With `stays` even one that was to go away
/// with its end is still there afterwards.
pub fn stop(store: &Store, container: &Container, signal: i32, limit_ms: i64, stays: bool) -> Result<Option<OwnedFd>> {
    match dial(store, container)? {
        Some(socket) => ask(socket, &Message::Stop(signal, limit_ms, stays)),
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

/// SIGKILL through the monitor at the other end, and the wait for everything to be taken down. Without a monitor the
/// caller releases what is left.
pub fn kill_and_wait(monitor: Option<OwnedFd>) -> Result<()> {
    let Some(socket) = monitor else { return Ok(()) };
    match ask(socket, &Message::Stop(SIGKILL, -1, false))? {
        Some(socket) => await_end(&socket).map(drop),
        None => Ok(()),
    }
}

/// Sends a signal. Only a running container can get one.
pub fn kill(store: &Store, container: &Container, word: &str, signal: i32) -> Result<()> {
    tell(store, container, &Message::Signal(signal), &format!("Cannot kill container: {word}: "))
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
