//! The end of containers: what a dead monitor left is put right, and everything about a container goes away.

use super::{control, hosts, stop};
use crate::error::{Error, Result};
use crate::kernel::{fault, file, process, sys, time};
use crate::spec::{Spec, State, Status};
use crate::store::containers::{self, Container};
use crate::store::{Store, events, images, names, trash};
use crate::walls;
use alloc::borrow::ToOwned;
use alloc::format;
use rustix::fd::AsFd;

/// The true state of a container. One whose monitor died (only SIGKILL or a power cut can do that) is put right first:
/// nothing of it runs any more, and its record says so. `None`: it was to go away with its end, and now it has.
pub fn settle(store: &Store, container: &Container) -> Result<Option<State>> {
    let state = container.state(store)?;
    let is_there = || file::exists_at(store.containers.as_fd(), &container.spec.id);
    if state.status == Status::Created && !is_there() {
        return Ok(None); // what it had become went away with it
    }
    let is_over = |state: &State| matches!(state.status, Status::Created | Status::Exited);
    if is_over(&state) || container.is_alive()? {
        return Ok(Some(state));
    }
    let ended = |mut state: State| {
        state.networks.clear();
        state.ports.clear();
        // Between two runs its end is known already.
        let is_known = state.status == Status::Restarting;
        State {
            status: Status::Exited,
            pid: 0,
            exit_code: if is_known { state.exit_code } else { 137 },
            finished: if is_known { state.finished } else { time::now() },
            error: "its monitor was killed".to_owned(),
            ..state
        }
    };
    let Some(_change) = container.try_change(store) else {
        return Ok(is_there().then(|| ended(state))); // somebody is at it: the truth is known, the putting right is theirs
    };
    let state = container.state(store)?;
    if is_over(&state) || container.is_alive()? {
        return Ok(Some(state));
    }
    let _ = hosts::withdraw(store, &container.spec, &state.networks); // a name too many harms less than a container that stays
    walls::release(&container.spec)?;
    walls::release_links(store, &container.spec, &state.networks)?;
    fault::point("settle:released");
    events::container(store, "die", &container.spec, &[("exitCode", "137")]);
    events::networks(store, "disconnect", &container.spec.id, &state.networks);
    if container.spec.auto_remove {
        dispose(store, &container.spec, true)?;
        trash::sweep(store)?;
        return Ok(None);
    }
    let state = ended(state);
    // On a full or read-only disk it cannot be written down, but it is true all the same.
    let _ = container.write_state(store, &state, false);
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

/// `rm`: removes a container. A running one only by `force`, which kills it.
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
        let monitor = stop::dial(store, &container)?;
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
    trash::sweep(store)?;
    release_links_later(store, &container.spec)
}

/// Does what nobody needs to wait for in a process of its own, if there is anything to do: a monitor that is just ending does
/// it, too.
fn release_links_later(store: &Store, spec: &Spec) -> Result<()> {
    if !walls::net::endpoint::is_left(store, spec) {
        return Ok(());
    }
    let mut work = || {
        let _ = rustix::process::setsid();
        let _ = process::null_stdio(7).and_then(|()| walls::release_links(store, spec, &[]));
        sys::exit(0)
    };
    process::spawn(0, None, &mut work).map(drop)
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
    Error::new(format!("cannot remove container \"{word}\": container is {why}"))
}

/// `rm -f` of a container whose record cannot be read: everything that its id leads to goes.
fn remove_damaged(store: &Store, id: &str) -> Result<()> {
    // Its monitor knows what it started, and must be done before its things are taken away.
    stop::kill_and_wait(control::dial(store, id)?)?;
    walls::release_lost(id)?;
    for name in file::names(store.names.as_fd())? {
        if names::holder(store, &name).as_deref() == Some(id) {
            names::release(store, &name, id)?;
        }
    }
    containers::remove_run_dir(store, id)?;
    trash::throw(store, store.containers.as_fd(), id)?;
    trash::sweep(store)
}
