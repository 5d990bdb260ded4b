//! The end of containers: what a dead monitor left is put right, and everything about a container goes away.

use super::{control, hosts, stop};
use crate::error::{Error, Result, Tried};
use crate::kernel::{fault, file, process, time};
use crate::spec::{Spec, State, Status};
use crate::store::containers::{self, Container};
use crate::store::{Store, events, images, trash};
use crate::walls;
use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use rustix::fd::{AsFd, BorrowedFd};
use rustix::io::Errno;

/// The true state of a container. One whose monitor died (only SIGKILL or a power cut can do that) is put right first:
/// nothing of it runs any more, and its record says so. `None`: it was to go away with its end, and now it has.
pub fn settle(store: &Store, container: &Container) -> Result<Option<Box<State>>> {
    let look = || known(store, &container.spec, container.dir.as_fd(), "");
    let (mut state, mut is_sure) = look()?;
    let change = if is_sure { None } else { container.try_change(store) };
    if change.is_some() {
        (state, is_sure) = look()?;
    }
    match state {
        Some(state) if !is_sure => put_right(store, container, state, change.is_some()),
        state => Ok(state),
    }
}

/// The same for what [`containers::each`] shows. It is opened only where something is to be put right or to be told.
pub fn settled(store: &Store, spec: &Spec) -> Result<Option<Box<State>>> {
    if let Ok((state, true)) = known(store, spec, store.containers.as_fd(), &[&spec.id, "/"].concat()) {
        return Ok(state);
    }
    match containers::open(store, &spec.id) {
        Err(error) if error.is(Errno::NOENT) => Ok(None),
        container => settle(store, &container?),
    }
}

/// The state of a container, and whether that is true: its monitor lives, or is not needed. `dir` and `path` as for
/// [`containers::state_in`].
fn known(store: &Store, spec: &Spec, dir: BorrowedFd<'_>, path: &str) -> Result<(Option<Box<State>>, bool)> {
    let found = containers::state_in(store, dir, path, &spec.id)?;
    // What was found by its path is there.
    let is_found = found.is_some() && !path.is_empty();
    let state = found.unwrap_or_else(State::created);
    if state.status == Status::Created && !is_found && !is_there(store, spec) {
        return Ok((None, true)); // what it had become went away with it
    }
    let is_over = matches!(state.status, Status::Created | Status::Exited) && !is_cut_off(store, spec, &state);
    let is_sure = is_over || containers::lives_in(dir, path)?;
    Ok((Some(state), is_sure))
}

fn is_there(store: &Store, spec: &Spec) -> bool {
    file::exists_at(store.containers.as_fd(), &spec.id)
}

/// Whether who made it to start it at once was killed in between.
fn is_cut_off(store: &Store, spec: &Spec, state: &State) -> bool {
    state.status == Status::Created && spec.auto_remove && containers::is_unconfirmed(store, &spec.id)
}

/// A container whose monitor died. Where somebody else is at it, the truth is known, and the putting right is theirs.
fn put_right(store: &Store, container: &Container, mut state: Box<State>, is_ours: bool) -> Result<Option<Box<State>>> {
    let is_cut_off = is_cut_off(store, &container.spec, &state);
    if !is_ours && !is_there(store, &container.spec) {
        return Ok(None);
    }
    if is_ours {
        let _ = hosts::withdraw(store, &container.spec, &state.networks); // a name too many harms less than a container that stays
        walls::release(&container.spec)?;
        walls::release_links(store, &container.spec, &state.networks)?;
        fault::point("settle:released");
        if !is_cut_off {
            events::container(store, "die", &container.spec, &[("exitCode", "137")]);
        }
        events::networks(store, "disconnect", &container.spec.id, &state.networks);
        if container.spec.auto_remove {
            dispose(store, &container.spec, true)?;
            trash::sweep(store)?;
            return Ok(None);
        }
    }
    if is_cut_off {
        return Ok(Some(state));
    }
    state.networks.clear();
    state.ports.clear();
    // Between two runs its end is known already.
    if state.status != Status::Restarting {
        (state.exit_code, state.finished) = (137, time::now());
    }
    (state.status, state.pid, state.ended_with_host) = (Status::Exited, 0, Some(true));
    "its monitor was killed".clone_into(&mut state.error);
    if is_ours {
        // On a full or read-only disk it cannot be written down, but it is true all the same.
        let _ = container.write_state(store, &state, false);
    }
    Ok(Some(state))
}

/// Takes a container that does not run off the disk; its anonymous volumes too if asked. Idempotent; goes on after an
/// error and returns the first.
pub fn dispose(store: &Store, spec: &Spec, with_volumes: bool) -> Result<()> {
    let is_there = file::exists_at(store.containers.as_fd(), &spec.id);
    let mut result = containers::remove(store, spec, with_volumes);
    if is_there && result.is_ok() {
        events::container(store, "destroy", spec, &[]);
    }
    // An image that was removed by force left its layers to us.
    if !spec.image_id.is_empty() && !file::exists_at(store.images.as_fd(), &spec.image_id) {
        result = result.and(images::tidy(store));
    }
    result
}

/// `rm`: removes a container. A running one only by `force`, which kills it. What it had on disk goes with the next sweep.
pub fn remove(store: &Store, word: &str, force: bool, with_volumes: bool) -> Result<()> {
    let id = containers::resolve(store, word)?;
    let container = match containers::find(store, &id) {
        Ok(container) => container,
        Err(_) if force && file::exists_at(store.containers.as_fd(), &id) => return remove_damaged(store, &id),
        Err(error) => return Err(error),
    };
    let is_running = || {
        let is_running = stop::is_running(store, &container)?;
        if is_running && !force { Err(in_use(store, &container, word)) } else { Ok(is_running) }
    };
    is_running()?;
    // First the lock, then the kill: a commit that is under way must not find its container gone.
    let _change = loop {
        let change = container.await_change(store)?;
        if !is_running()? {
            break change;
        }
        let monitor = match stop::dial(store, &container) {
            Err(_) => stop::kill_mute(store, &container).map(|()| None)?,
            Ok(monitor) => monitor,
        };
        if !container.spec.auto_remove {
            stop::kill_and_wait(monitor)?;
            break change;
        }
        drop(change); // its monitor removes it, and needs the lock for that; unless it is killed on its way
        stop::kill_and_wait(monitor)?;
    };
    // Somebody may have renamed it between our look and the lock.
    let container = containers::open(store, &id)?;
    walls::release(&container.spec)?;
    dispose(store, &container.spec, with_volumes)?;
    if !container.spec.auto_remove {
        sync(store)?;
    }
    release_links_later(store, &container.spec)
}

/// What has left the list of containers does not come back with a power cut.
fn sync(store: &Store) -> Result<()> {
    rustix::fs::fsync(&store.containers).tried("sync the containers")
}

/// Does what nobody needs to wait for in a process of its own, if there is anything to do: a monitor that is just ending does
/// it, too.
fn release_links_later(store: &Store, spec: &Spec) -> Result<()> {
    if !walls::net::endpoint::is_left(store, spec) {
        return Ok(());
    }
    process::aside(&mut || walls::release_links(store, spec, &[])).map(drop)
}

/// Deletes what was removed, in a process of its own. What is not deleted now goes with the next command that removes.
pub fn sweep_later(store: &Store) {
    let _ = process::aside(&mut || trash::sweep(store));
}

/// Why a container that runs is not removed without force.
fn in_use(store: &Store, container: &Container, word: &str) -> Error {
    let is_waiting = container.state(store).is_ok_and(|state| state.status == Status::Restarting);
    let why = if walls::cgroup::is_frozen(walls::cgroup::Place::of(&container.spec)) {
        "paused and must be unpaused first"
    } else if is_waiting {
        "restarting: stop the container before removing or force remove"
    } else {
        "running: stop the container before removing or force remove"
    };
    Error::new(format_args!("cannot remove container \"{word}\": container is {why}"))
}

/// `rm -f` of a container whose record cannot be read: everything that its id leads to goes.
fn remove_damaged(store: &Store, id: &str) -> Result<()> {
    // Its monitor knows what it started, and must be done before its things are taken away.
    stop::kill_and_wait(control::dial(store, id)?)?;
    walls::release_lost(id)?;
    containers::remove_lost(store, id)?;
    sync(store)
}
