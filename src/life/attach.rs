//! command: connects our standard streams with a container that runs already.

use super::control::{self, Message};
use super::relay::Streams;
use super::start::{self, Attach};
use super::{remove, stop};
use crate::error::{Error, Result};
use crate::kernel::fault;
use crate::spec::Status;
use crate::store::containers::Container;
use crate::store::{Store, events};
use crate::walls::cgroup::{self, Place};
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::Errno;

/// Connects to a running container: from now on its output comes to us, too. Returns the conversation with its monitor,
/// which tells how the container ends, and our ends of the streams.
pub fn attach(store: &Store, container: &Container, attach: &Attach) -> Result<(OwnedFd, Streams)> {
    let spec = &container.spec;
    if remove::settle(store, container)?.is_some_and(|state| state.status == Status::Restarting) {
        return Err(Error::new("You cannot attach to a restarting container, wait until it is running"));
    }
    let control = stop::dial(store, container)?.ok_or_else(stopped)?;
    if cgroup::is_frozen(Place::of(spec)) {
        return Err(Error::new("You cannot attach to a paused container, unpause it first"));
    }
    let (ours, [stdin, stdout, stderr]) = start::pipes(attach, spec.tty)?;
    // What is typed comes last: nothing may be answered before we listen.
    for (which, pipe) in [(1, stdout), (2, stderr), (0, stdin)] {
        if let Some(pipe) = pipe
            && !control::request(control.as_fd(), &Message::Stream(which), Some(pipe.as_fd()))?
        {
            return Err(stopped());
        }
    }
    fault::point("attach:connected");
    match control::send(control.as_fd(), &Message::Wait) {
        // It has ended since it was told of our pipes: what it said is in them, and everybody hears of the last end.
        Err(error) if error.is(Errno::PIPE) => {}
        sent => sent?,
    }
    events::container(store, "attach", spec, &[]);
    Ok((control, ours))
}

fn stopped() -> Error {
    Error::new("You cannot attach to a stopped container, start it first")
}
