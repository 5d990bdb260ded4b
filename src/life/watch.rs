//! command: looks at running containers: what they use, and their processes.

use super::remove;
use crate::error::{Error, Result};
use crate::kernel::proc::{self, Process};
use crate::kernel::{file, time};
use crate::spec::order;
use crate::spec::{Network, Status};
use crate::store::Store;
use crate::store::containers::Container;
use crate::walls::cgroup::{self, Place, Usage};
use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;
use rustix::io::Errno;

/// One look at what a container uses.
pub struct Sample {
    /// When, in monotonic nanoseconds.
    pub at: i64,
    /// What the kernel accounted until then.
    pub usage: Usage,
    /// Bytes that came over its own network.
    pub received: u64,
    /// Bytes that went there.
    pub sent: u64,
}

/// Looks at a container; `None` when it does not run.
pub fn sample(store: &Store, container: &Container) -> Result<Option<Sample>> {
    let Some(pid) = init_of(store, container)? else { return Ok(None) };
    let usage = match cgroup::usage(Place::of(&container.spec)) {
        // It has ended, or nobody counts here: this host has no cgroups, or none for us.
        Err(error) if is_missing(&error) => match init_of(store, container)? {
            Some(_) => Usage::default(),
            None => return Ok(None),
        },
        other => other?,
    };
    let at = time::monotonic_ns();
    // What goes over the host's network is not the container's alone.
    let is_own = container.spec.network != Network::Host;
    let (received, sent) = is_own.then(|| proc::network_bytes(pid)).flatten().unwrap_or_default();
    Ok(Some(Sample { at, usage, received, sent }))
}

/// The processes of a running container, by pid. One that ends meanwhile is left out.
pub fn processes(store: &Store, container: &Container) -> Result<Vec<Process>> {
    let not_running = || Error::new(format_args!("Container {} is not running", container.spec.id));
    let init = super::exec::running(store, container)?.ok_or_else(not_running)?.pid;
    let mut pids = match cgroup::pids(Place::of(&container.spec)) {
        Err(error) if is_missing(&error) => Vec::new(),
        other => other?,
    };
    if pids.is_empty() {
        pids = in_namespace_of(init);
    }
    if pids.is_empty() {
        return Err(not_running()); // it has ended meanwhile
    }
    let mut processes: Vec<Process> = Vec::new();
    for pid in order::sorted(pids, &|a, b| a < b) {
        if processes.last().is_none_or(|last| last.pid != pid) {
            processes.extend(proc::read(pid).map(|process| *process));
        }
    }
    Ok(processes)
}

/// The pid of its first process; `None` when it does not run.
fn init_of(store: &Store, container: &Container) -> Result<Option<i32>> {
    let state = remove::settle(store, container)?;
    Ok(state.filter(|state| state.status == Status::Running).map(|state| state.pid))
}

/// Whether an error only says that there is no cgroup.
fn is_missing(error: &Error) -> bool {
    error.is(Errno::NOENT) || error.is(Errno::NODEV)
}

/// Without cgroups: all processes of the container's pid namespace; of a shared one only the first process is known.
fn in_namespace_of(init: i32) -> Vec<i32> {
    let namespace = |pid: &str| file::link_target(rustix::fs::CWD, &format!("/proc/{pid}/ns/pid"));
    let Some(own) = namespace(&init.to_string()) else { return Vec::new() };
    if namespace("self").as_ref() == Some(&own) {
        return alloc::vec![init];
    }
    let mut pids = proc::pids();
    pids.retain(|pid| namespace(&pid.to_string()).as_ref() == Some(&own));
    pids
}
