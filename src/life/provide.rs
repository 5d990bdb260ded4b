//! monitor: what the child cannot get for itself: namespaces of other containers, its cgroups and links, and, for one in a
//! user namespace of its own, the mounts of the host's files. A short-lived helper process opens those; mounts travel as
//! descriptors.

use super::control::{self, Message};
use super::{exec, hosts, packing};
use crate::error::{Error, Result};
use crate::kernel::{fault, link};
use crate::spec::record::{from_json, to_json};
use crate::spec::{Attached, Namespace, Network, Owner, Spec};
use crate::store::{Store, containers};
use crate::walls::join::Joined;
use crate::walls::mount::Given;
use crate::walls::{Prepared, cgroup, ids, mount, net};
use alloc::vec::Vec;
use linux_raw_sys::general::CLONE_NEWNS;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::thread::ThreadNameSpaceType;

/// The namespaces of other containers that the child joins.
pub fn joins(store: &Store, spec: &Spec) -> Result<Vec<Joined>> {
    let mut joins = Vec::new();
    let container = |namespace: &Namespace| (namespace.of == Owner::Container).then(|| namespace.container.clone());
    let namespaces = [
        (container(&spec.namespaces.ipc), ThreadNameSpaceType::INTER_PROCESS_COMMUNICATION),
        (container(&spec.namespaces.pid), ThreadNameSpaceType::PROCESS_ID),
        (spec.network_of.clone(), ThreadNameSpaceType::NETWORK),
    ];
    for (id, kinds) in namespaces {
        let Some(id) = id else { continue };
        joins.push(owner(store, spec, &id, kinds)?);
    }
    Ok(joins)
}

fn owner(store: &Store, spec: &Spec, id: &str, kinds: ThreadNameSpaceType) -> Result<Joined> {
    let other = containers::find(store, id)?;
    let name = other.spec.name.clone();
    if other.spec.ids.is_some() || spec.ids.is_some() {
        let why = "a container in a user namespace of its own shares no namespaces";
        return Err(Error::new(format_args!("cannot join the namespaces of container {name}: {why}")));
    }
    Ok(Joined { kinds, init: exec::open_init(store, &other)?, name })
}

/// Whether the child waits for something that [`provide_sources`] sends.
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

/// monitor: gives the child all that it waits for, and returns its links. If something cannot be had the child is told, and
/// gives that as the reason for its end. So one that had a reason of its own before, or was killed, which may be why, is
/// heard first: whoever calls has to listen to the child in any case.
pub fn provide(
    store: &Store,
    spec: &Spec,
    pid: i32,
    prepared: &mut Prepared,
    sync: BorrowedFd<'_>,
) -> Result<Vec<Attached>> {
    let provided =
        provide_sources(store, spec, pid, prepared, sync).and_then(|()| provide_groups(spec, prepared, sync));
    store.timing.mark("provide_groups");
    if provided.is_ok() && spec.network == Network::Bridge {
        // Its links go where it is: not before it has entered its network.
        match control::receive(sync)? {
            Some((Message::Done, _)) => {}
            Some((Message::Failed(error), _)) => return Err(error),
            _ => return Ok(Vec::new()), // it has ended
        }
    }
    let provided = provided.and_then(|()| provide_links(store, spec, pid, prepared, sync));
    store.timing.mark("provide_links");
    provided.or_else(|error| match control::send(sync, &Message::Failed(error)) {
        Err(error) if !error.is(Errno::PIPE) => Err(error),
        _ => Ok(Vec::new()),
    })
}

/// monitor: sends the child what it waits for before all else.
fn provide_sources(store: &Store, spec: &Spec, pid: i32, prepared: &Prepared, sync: BorrowedFd<'_>) -> Result<()> {
    if !is_needed(spec) {
        return Ok(());
    }
    let joins = &prepared.joins;
    for (is_wanted, kinds, path) in [
        (shares_memory(spec), ThreadNameSpaceType::INTER_PROCESS_COMMUNICATION, "/dev/shm"),
        (shares_pids(spec), ThreadNameSpaceType::PROCESS_ID, "/proc"),
    ] {
        if let (true, Some(owner)) = (is_wanted, joins.iter().find(|join| join.kinds == kinds)) {
            help(&mut || send(sync, &[mount::tree_of(owner.init.as_fd(), path)?]))?;
        }
    }
    if let Some(range) = spec.ids {
        let namespace = ids::prepare(pid, range)?;
        help(&mut || {
            ids::adopt(range)?;
            send(sync, &mount::sources(store, spec, Some(namespace.as_fd()), None)?)
        })?;
    }
    control::send(sync, &Message::Done)
}

/// monitor, the last: puts the child on its networks, and tells it. Returns its links.
fn provide_links(
    store: &Store,
    spec: &Spec,
    pid: i32,
    prepared: &mut Prepared,
    sync: BorrowedFd<'_>,
) -> Result<Vec<Attached>> {
    if spec.network != Network::Bridge {
        return Ok(Vec::new());
    }
    let attached = net::endpoint::attach(store, spec, pid)?;
    fault::point("monitor:attached");
    prepared.published.open(spec, &attached)?;
    for one in &attached {
        control::send(sync, &Message::Attached(to_json(one)))?;
    }
    // While it sets them up: the files are mounted already, but nobody reads them before it has heard that this is done.
    hosts::write(store, spec, &attached)?;
    control::send(sync, &Message::Done)?;
    Ok(attached)
}

/// monitor: makes the cgroups that the child needs only now, and sends them.
fn provide_groups(spec: &Spec, prepared: &Prepared, sync: BorrowedFd<'_>) -> Result<()> {
    if !prepared.cgroup.is_late() {
        return Ok(());
    }
    let groups = cgroup::make_late(&prepared.cgroup, spec)?;
    send(sync, &groups)?;
    control::send(sync, &Message::Done)
}

/// child: the next thing that is sent; an error if that is what the monitor has instead.
fn next(from: BorrowedFd<'_>) -> Result<Option<(Message, Option<OwnedFd>)>> {
    match control::receive(from)? {
        Some((Message::Failed(error), _)) => Err(error),
        sent => Ok(sent),
    }
}

/// child: takes what was sent up to another message, or the end: what [`provide_groups`] sends (less if no file
/// can be opened any more, or the monitor ends).
pub fn take_trees(from: BorrowedFd<'_>) -> Result<Vec<OwnedFd>> {
    let mut trees = Vec::new();
    while let Some((Message::Tree, fd)) = next(from)? {
        trees.extend(fd);
    }
    Ok(trees)
}

/// child: takes the next thing that the starting command was to make. `None`: it could not, or has ended, or there is none.
pub fn take_early(from: Option<BorrowedFd<'_>>) -> Result<Option<OwnedFd>> {
    let Some(from) = from else { return Ok(None) };
    Ok(control::receive(from)?.and_then(|(_, fd)| fd))
}

/// child: enters its network, and tells [`provide_links`].
pub fn enter_network(spec: &Spec, early: Option<BorrowedFd<'_>>, sync: BorrowedFd<'_>) -> Result<()> {
    net::enter(take_early(early)?)?;
    if spec.network == Network::Bridge { control::send(sync, &Message::Done) } else { Ok(()) }
}

/// Runs `work` in a process that may enter namespaces, and waits for it.
pub(super) fn help(work: &mut dyn FnMut() -> Result<()>) -> Result<()> {
    // What it mounts on the way is mounted nowhere else.
    packing::in_child(CLONE_NEWNS, work)
}

/// Sends the child what [`take_trees`] takes.
pub(super) fn send(sync: BorrowedFd<'_>, trees: &[OwnedFd]) -> Result<()> {
    for tree in trees {
        control::send_with(sync, &Message::Tree, Some(tree.as_fd()))?;
    }
    Ok(())
}

/// child: takes what [`provide_sources`] sends.
pub fn take(spec: &Spec, sync: BorrowedFd<'_>) -> Result<Given> {
    let mut given = Given::default();
    if !is_needed(spec) {
        return Ok(given);
    }
    let mut trees = take_trees(sync)?.into_iter();
    given.shm = if shares_memory(spec) { trees.next() } else { None };
    given.proc = if shares_pids(spec) { trees.next() } else { None };
    given.sources = spec.ids.is_some().then(|| trees.collect());
    Ok(given)
}

/// child: sets up the links that [`provide_links`] tells of, until it has no more to say. A monitor that ends takes the child
/// with it.
pub fn take_links(sync: BorrowedFd<'_>) -> Result<()> {
    let socket = link::open()?;
    while let Some((Message::Attached(text), _)) = next(sync)? {
        let mut attached = Attached::default();
        from_json(&mut attached, &text);
        net::endpoint::enter(&socket, &attached)?;
    }
    Ok(())
}
