//! monitor: what the child cannot get for itself: namespaces of other containers, and, for one in a user namespace of its
//! own, the mounts of the host's files. A short-lived helper process opens those; mounts travel as descriptors.

use super::control::{self, Message};
use super::{exec, packing, program};
use crate::error::{Error, Result};
use crate::kernel::{process, sys};
use crate::spec::{Namespace, Owner, Spec};
use crate::store::{Store, containers};
use crate::walls::join::Joined;
use crate::walls::mount::Given;
use crate::walls::{ids, mount};
use alloc::vec::Vec;
use linux_raw_sys::general::CLONE_NEWNS;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::thread::ThreadNameSpaceType;

/// The namespaces of other containers that the child joins.
pub fn joins(store: &Store, spec: &Spec) -> Result<Vec<Joined>> {
    let mut joins = Vec::new();
    let namespaces = [
        (&spec.namespaces.ipc, ThreadNameSpaceType::INTER_PROCESS_COMMUNICATION),
        (&spec.namespaces.pid, ThreadNameSpaceType::PROCESS_ID),
    ];
    for (namespace, kinds) in namespaces {
        joins.extend(owner(store, spec, namespace, kinds)?);
    }
    Ok(joins)
}

fn owner(store: &Store, spec: &Spec, namespace: &Namespace, kinds: ThreadNameSpaceType) -> Result<Option<Joined>> {
    if namespace.of != Owner::Container {
        return Ok(None);
    }
    let other = containers::find(store, &namespace.container)?;
    let name = other.spec.name.clone();
    if other.spec.ids.is_some() || spec.ids.is_some() {
        let why = "a container in a user namespace of its own shares no namespaces";
        return Err(Error::new(alloc::format!("cannot join the namespaces of container {name}: {why}")));
    }
    Ok(Some(Joined { kinds, init: exec::open_init(store, &other)?, name }))
}

/// Whether the child waits for something that [`provide`] sends.
fn is_needed(spec: &Spec) -> bool {
    spec.ids.is_some() || shares_memory(spec) || shares_pids(spec)
}

/// A /proc shows the pid namespace of who mounts it: that of another container is a copy of its own.
fn shares_pids(spec: &Spec) -> bool {
    spec.namespaces.pid.of == Owner::Container
}

fn shares_memory(spec: &Spec) -> bool {
    spec.namespaces.ipc.of == Owner::Container && spec.shm_bytes.is_some()
}

/// monitor: sends the child what it waits for.
pub fn provide(store: &Store, spec: &Spec, pid: i32, joins: &[Joined], sync: BorrowedFd<'_>) -> Result<()> {
    if !is_needed(spec) {
        return Ok(());
    }
    for (is_wanted, kinds, path) in [
        (shares_memory(spec), ThreadNameSpaceType::INTER_PROCESS_COMMUNICATION, "/dev/shm"),
        (shares_pids(spec), ThreadNameSpaceType::PROCESS_ID, "/proc"),
    ] {
        if let (true, Some(owner)) = (is_wanted, joins.iter().find(|join| join.kinds == kinds)) {
            help(&mut || send(sync, [mount::tree_of(owner.init.as_fd(), path)?]))?;
        }
    }
    if let Some(range) = spec.ids {
        let namespace = ids::prepare(pid, range)?;
        help(&mut || {
            ids::adopt(range)?;
            send(sync, mount::sources(store, spec, Some(namespace.as_fd()))?)
        })?;
    }
    control::send(sync, &Message::Done)
}

/// Runs `work` in a process that may enter namespaces, and waits for it.
fn help(work: &mut dyn FnMut() -> Result<()>) -> Result<()> {
    let (report, child_report) = control::pair()?;
    let mut moved = Some(report);
    // What it mounts on the way is mounted nowhere else.
    let helper = process::spawn(CLONE_NEWNS, None, &mut || {
        drop(moved.take());
        match work() {
            Ok(()) => sys::exit(0),
            Err(error) => program::fail(child_report.as_fd(), error),
        }
    })?;
    drop(child_report);
    match moved {
        Some(report) => packing::await_writer(&helper, report.as_fd()),
        None => sys::exit(1),
    }
}

fn send(sync: BorrowedFd<'_>, trees: impl IntoIterator<Item = OwnedFd>) -> Result<()> {
    trees.into_iter().try_for_each(|tree| control::send_with(sync, &Message::Tree, Some(tree.as_fd())))
}

/// child: takes what [`provide`] sends.
pub fn take(spec: &Spec, sync: BorrowedFd<'_>) -> Result<Given> {
    let mut given = Given::default();
    if !is_needed(spec) {
        return Ok(given);
    }
    let mut trees = Vec::new();
    while let Some((Message::Tree, fd)) = control::receive(sync)? {
        trees.extend(fd);
    }
    let mut trees = trees.into_iter();
    given.shm = if shares_memory(spec) { trees.next() } else { None };
    given.proc = if shares_pids(spec) { trees.next() } else { None };
    given.sources = spec.ids.is_some().then(|| trees.collect());
    Ok(given)
}
