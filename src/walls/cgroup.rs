//! Control groups, v1 and v2: `mydocker-<id>` in every hierarchy that is mounted here, at its root or in the parent that
//! was asked for. cgroups(7).
//!
//! Joining is cheap only in two ways, and both make the process be born limited: on v2 it is cloned into the cgroup, on
//! v1 the new process itself writes `0` to `tasks` (any write to `cgroup.procs` waits for an RCU grace period, 7–12 ms).

mod end;
mod place;
mod rules;
mod setter;
mod usage;
mod v1;
mod v2;
mod values;

pub use end::{release, release_lost};
pub use place::{Place, check_parent};
pub use usage::{Usage, pids, usage};

use super::Visible;
use crate::error::{Error, Result, Tried};
use crate::kernel::{at, bpf, file, process, sys, time};
use crate::spec::{Limits, Owner, Spec};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use linux_raw_sys::general::CLONE_NEWCGROUP;
use place::{Group, hierarchies};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::OFlags;
use rustix::io::Errno;
use setter::Setter;

/// How long `freeze` waits for processes to stand still.
const FREEZE_WAIT_MS: i64 = 10_000;

/// The cgroup of one container, open for a process to join.
#[derive(Default)]
pub struct Joined {
    /// v2: the directory to be cloned into.
    pub into: Option<OwnedFd>,
    /// v1: the `tasks` file of each hierarchy, and its mount option.
    tasks: Vec<(OwnedFd, String)>,
    /// v2: whether a program decides about devices.
    is_filtered: bool,
}

impl Joined {
    /// Whether there is nothing to join: no hierarchy, or none for us.
    pub fn is_empty(&self) -> bool {
        self.into.is_none() && self.tasks.is_empty()
    }

    /// Whether the kernel checks every opening of a device node here. Where nothing does, nobody may make one.
    pub fn filters_devices(&self) -> bool {
        self.is_filtered || self.tasks.iter().any(|(_, controllers)| controllers.split(',').any(|c| c == "devices"))
    }
}

/// monitor: makes the container's cgroups, sets its limits, and says which devices it may open. A limit that can't be set
/// is an error. Nothing to join comes out where no hierarchy is mounted, or where a root of a user namespace may not make
/// a cgroup; then nothing may have been asked for.
pub fn prepare(spec: &Spec) -> Result<Joined> {
    let (place, limits) = (Place::of(spec), &spec.limits);
    check_parent(place.parent)?;
    let rules = rules::of(spec)?;
    let all = hierarchies()?;
    values::refuse_unset(&all, limits)?;
    let mut joined = Joined::default();
    for hierarchy in &all {
        let group = match hierarchy.make(place) {
            Err(error) if is_refused(&error) && !process::is_in_first_user_namespace() => {
                if values::is_nothing(limits) {
                    continue;
                }
                let what =
                    format!("cannot set limits without the host's root, or a --cgroup-parent of ours: {}", error.what);
                return Err(error.said(what));
            }
            other => other?,
        };
        let setter = Setter { hierarchy, place, group: &group };
        if hierarchy.v2 {
            v2::enable(hierarchy, place);
            v2::limit(&setter, limits, true)?;
            joined.is_filtered = rules.as_ref().is_some_and(|rules| v2::filter_devices(&group, rules));
            joined.into = Some(group.dir);
            continue;
        }
        if hierarchy.has("cpuset") {
            v1::fill_cpuset(&setter, limits)?;
        }
        v1::limit(&setter, limits, true)?;
        if let Some(rules) = rules.as_ref().filter(|_| hierarchy.has("devices")) {
            v1::filter_devices(&group, rules)?;
        }
        joined.tasks.push((open_tasks(&group)?, hierarchy.controllers.clone()));
    }
    Ok(joined)
}

fn is_refused(error: &Error) -> bool {
    matches!(error.errno, Some(Errno::ACCESS | Errno::PERM | Errno::ROFS))
}

/// Any process: the container's existing cgroups, to be joined by an exec.
pub fn open(place: Place<'_>) -> Result<Joined> {
    let mut joined = Joined::default();
    for hierarchy in hierarchies()? {
        let Some(group) = Group::find(&hierarchy, place)? else { continue };
        if hierarchy.v2 {
            joined.is_filtered = bpf::has_device_filter(group.dir.as_fd());
            joined.into = Some(group.dir);
        } else {
            match open_tasks(&group) {
                Err(error) if error.is(Errno::NOENT) || error.is(Errno::NODEV) => {} // it ends at this moment
                tasks => joined.tasks.push((tasks?, hierarchy.controllers)),
            }
        }
    }
    Ok(joined)
}

fn open_tasks(group: &Group) -> Result<OwnedFd> {
    at::open(group.dir.as_fd(), "tasks", OFlags::WRONLY).tried_with(|| format!("open {}/tasks", group.path))
}

/// child: joins (on v1; on v2 it was born inside) and makes the cgroup the root of what it sees of cgroups, unless it is
/// to see the host's.
pub fn enter(joined: &Joined, spec: &Spec) -> Result<()> {
    join(joined)?;
    if spec.namespaces.cgroup.of == Owner::Host {
        return Ok(());
    }
    match sys::unshare(CLONE_NEWCGROUP) {
        Err(Errno::INVAL) if joined.is_empty() => Ok(()), // a kernel without cgroups
        other => other.tried("make a cgroup namespace"),
    }
}

/// child: joins the v1 hierarchies. The writer is the process itself, with one thread: that is the cheap case.
pub fn join(joined: &Joined) -> Result<()> {
    for (tasks, controllers) in &joined.tasks {
        rustix::io::write(tasks, b"0").tried_to("join the cgroup of", controllers)?;
    }
    Ok(())
}

/// What a container may see below /sys/fs/cgroup.
pub fn visible<'a>(joined: &'a Joined, spec: &Spec) -> Result<Visible<'a>> {
    if spec.namespaces.cgroup.of == Owner::Host {
        let mut directories = Vec::new();
        for hierarchy in hierarchies()? {
            let path = if hierarchy.v2 { hierarchy.path } else { hierarchy.group(Place::of(spec)) };
            if file::exists_at(rustix::fs::CWD, &path) {
                directories.push((hierarchy.controllers, path));
            }
        }
        return Ok(Visible::Host(directories));
    }
    Ok(match joined.into {
        Some(_) => Visible::V2,
        None => Visible::V1(joined.tasks.iter().map(|(_, controllers)| controllers.as_str()).collect()),
    })
}

/// Anyone: changes the limits of a running container, those that are given. A limit of memory alone leaves that of swap as
/// it is: the sum on v1, the swap on v2. An error names what could not be set; what stands before it is set.
pub fn update(place: Place<'_>, limits: &Limits) -> Result<()> {
    let all = hierarchies()?;
    values::refuse_unset(&all, limits)?;
    let mut has_any = false;
    for hierarchy in &all {
        let Some(group) = Group::find(hierarchy, place)? else { continue };
        has_any = true;
        let setter = Setter { hierarchy, place, group: &group };
        if hierarchy.v2 { v2::limit(&setter, limits, false)? } else { v1::limit(&setter, limits, false)? }
    }
    if has_any || values::is_nothing(limits) {
        return Ok(());
    }
    Err(Error::new("cannot change a limit: the container has no cgroup, it has ended or was started without one"))
}

/// What stands in the container's file of the hierarchy with this controller: `v2` there, `v1` elsewhere.
fn look(place: Place<'_>, controller: &str, v2: &str, v1: &str) -> Option<String> {
    let all = hierarchies().ok()?;
    let hierarchy = all.iter().find(|h| h.has(controller))?;
    let name = if hierarchy.v2 { v2 } else { v1 };
    file::read_text(&format!("{}/{name}", hierarchy.group(place))).ok()
}

/// Whether the kernel killed something of the container for want of memory.
pub fn was_oom_killed(place: Place<'_>) -> bool {
    let text = look(place, "memory", "memory.events", "memory.oom_control").unwrap_or_default();
    text.lines().any(|line| line.strip_prefix("oom_kill ").is_some_and(|n| n != "0"))
}

/// Stops (or lets go on) every process of the container, and returns when they all stand still.
pub fn freeze(place: Place<'_>, frozen: bool) -> Result<()> {
    let all = hierarchies()?;
    let Some(hierarchy) = all.iter().find(|h| h.has("freezer")) else {
        return Err(Error::new("cannot pause: this kernel has no cgroup freezer"));
    };
    let group =
        Group::find(hierarchy, place)?.ok_or_else(|| Error::new("cannot pause: the container has no cgroup"))?;
    // What to write, to take it back, and what to see where.
    let (name, value, back, seen_in, wanted) = match (hierarchy.v2, frozen) {
        (true, true) => ("cgroup.freeze", "1", "0", "cgroup.events", "frozen 1"),
        (true, false) => ("cgroup.freeze", "0", "0", "cgroup.events", "frozen 0"),
        (false, true) => ("freezer.state", "FROZEN", "THAWED", "freezer.state", "FROZEN"),
        (false, false) => ("freezer.state", "THAWED", "THAWED", "freezer.state", "THAWED"),
    };
    file::write_at(group.dir.as_fd(), name, value).tried(format_args!("set {name} to {value}"))?;
    let deadline = time::monotonic_ms() + FREEZE_WAIT_MS;
    loop {
        if group.read(seen_in)?.lines().any(|line| line == wanted) {
            return Ok(());
        }
        if time::monotonic_ms() > deadline {
            // Let go again; the error says it all.
            let _ = file::write_at(group.dir.as_fd(), name, back);
            return Err(Error::os("pause the processes of the container", Errno::TIMEDOUT));
        }
        process::wait_for(&mut [], 1); // v1 has no event for it; v2's would cost an inotify for a millisecond's wait
    }
}

/// Whether the container stands still.
pub fn is_frozen(place: Place<'_>) -> bool {
    let text = look(place, "freezer", "cgroup.freeze", "freezer.state").unwrap_or_default();
    matches!(text.trim(), "1" | "FROZEN")
}

/// The version of cgroups in use: 1, 2, or 0 when none is mounted.
pub fn version() -> u8 {
    hierarchies().unwrap_or_default().first().map_or(0, |h| if h.v2 { 2 } else { 1 })
}
