//! Control groups, v1 and v2: `mydocker-<id>` in every hierarchy that is mounted here (where none is, in v2's), at its root or
//! in the parent that was asked for. cgroups(7).
//!
//! Joining is cheap only in two ways, and both make the process be born limited: on v2 it is cloned into the cgroup, on
//! v1 the new process itself writes `0` to `tasks` (any write to `cgroup.procs` waits for an RCU grace period, 7–12 ms).

mod bundle;
mod end;
mod needs;
mod place;
mod rules;
mod setter;
mod usage;
mod v1;
mod v2;
mod values;

pub use bundle::{prepare_bundle, update_bundle};
pub use end::{release, release_bundle, release_lost, signal_all};
pub use needs::{Trial, try_out};
pub use place::{Place, bundle_path, check_parent};
pub use usage::{Usage, pids, usage};

use super::Visible;
use crate::error::{Error, Result, Tried};
use crate::kernel::{at, bpf, file, process, sys, time};
use crate::spec::{Limits, Owner, Spec};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::cell::OnceCell;
use linux_raw_sys::general::CLONE_NEWCGROUP;
use place::{Group, Hierarchy, hierarchies};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{CWD, OFlags};
use rustix::io::Errno;
use setter::Setter;

/// How long `freeze` waits for processes to stand still.
const FREEZE_WAIT_MS: i64 = 10_000;

/// The cgroup of one container, open for a process to join.
#[derive(Default)]
pub struct Joined {
    /// v2: the directory to be cloned into.
    pub into: Option<OwnedFd>,
    /// v1: the mount option of each hierarchy that is joined,
    controllers: Vec<String>,
    /// and the `tasks` file of each.
    tasks: Vec<OwnedFd>,
    /// v1: where the cgroups are still to be made, by [`make_late`] while the child builds other walls.
    late: Vec<Hierarchy>,
    /// v2: whether a program decides about devices.
    is_filtered: bool,
}

impl Joined {
    /// Whether there is nothing to join: no hierarchy, or none for us.
    pub fn is_empty(&self) -> bool {
        self.into.is_none() && self.controllers.is_empty()
    }

    /// Whether [`make_late`] has something to do, whose outcome the child waits for.
    pub fn is_late(&self) -> bool {
        !self.late.is_empty()
    }

    /// Whether the kernel checks every opening of a device node here. Where nothing does, nobody may make one.
    pub fn filters_devices(&self) -> bool {
        self.is_filtered || self.controllers.iter().any(|some| some.split(',').any(|c| c == "devices"))
    }
}

/// monitor: makes the container's cgroups, sets its limits, and says which devices it may open. A limit that can't be set
/// is an error. Nothing to join comes out where no hierarchy is mounted, or where a root of a user namespace may not make
/// a cgroup; then nothing may have been asked for. On v1, where a cgroup is joined by its process itself, and there are many,
/// the host's root makes them late.
pub fn prepare(spec: &Spec) -> Result<Joined> {
    let place = Place::of(spec);
    check_parent(place.parent)?;
    let all = hierarchies()?;
    values::refuse_unset(&all, &spec.limits)?;
    let mut joined = Joined::default();
    if all.iter().all(|hierarchy| !hierarchy.v2) && process::is_in_first_user_namespace() {
        joined.controllers = all.iter().map(|hierarchy| hierarchy.controllers.clone()).collect();
        joined.late = all;
        return Ok(joined);
    }
    make(&all, spec, &mut joined).map(|()| joined)
}

/// monitor: makes those that are late. Returns the `tasks` file of each, for the child.
pub fn make_late(prepared: &Joined, spec: &Spec) -> Result<Vec<OwnedFd>> {
    let mut joined = Joined::default();
    make(&prepared.late, spec, &mut joined)?;
    Ok(joined.tasks)
}

fn make(all: &[Hierarchy], spec: &Spec, joined: &mut Joined) -> Result<()> {
    let (place, limits) = (Place::of(spec), &spec.limits);
    let rules = rules::of(spec)?;
    for hierarchy in all {
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
        let limit = |setter: &Setter<'_>| {
            if hierarchy.v2 { v2::limit(setter, limits, true) } else { v1::limit(setter, limits, true) }
        };
        let rules = rules.as_ref().map(|rules| (&**rules, false));
        set_up((hierarchy, place, group), v1::has_cpuset(limits), &limit, rules, joined)?;
    }
    Ok(())
}

/// Limits a new cgroup, and notes how it is joined. `cpusets`: whether `limit` sets CPUs, and memory nodes; `rules` about
/// devices, and whether what they do not name is allowed.
fn set_up(
    (hierarchy, place, group): (&Hierarchy, Place<'_>, Group),
    cpusets: [bool; 2],
    limit: &dyn Fn(&Setter<'_>) -> Result<()>,
    rules: Option<(&[rules::Rule], bool)>,
    joined: &mut Joined,
) -> Result<()> {
    let setter = Setter { hierarchy, place, group: &group };
    if hierarchy.v2 {
        v2::enable(hierarchy, place);
        limit(&setter)?;
        joined.is_filtered = rules.is_some_and(|(rules, rest)| v2::filter_devices(&group, rules, rest));
        joined.into = Some(group.dir);
        return Ok(());
    }
    if hierarchy.has("cpuset") {
        v1::fill_cpuset(&setter, cpusets)?;
    }
    limit(&setter)?;
    if let Some((rules, rest)) = rules.filter(|_| hierarchy.has("devices")) {
        v1::filter_devices(&group, rules, rest)?;
    }
    joined.tasks.push(open_tasks(&group)?);
    joined.controllers.push(hierarchy.controllers.clone());
    Ok(())
}

fn is_refused(error: &Error) -> bool {
    matches!(error.errno, Some(Errno::ACCESS | Errno::PERM | Errno::ROFS))
}

/// monitor: [`release`], without looking for the hierarchies where [`prepare`] has found them.
pub fn release_prepared(prepared: &Joined, place: Place<'_>) -> Result<()> {
    if prepared.is_late() { end::release_from(&prepared.late, place) } else { release(place) }
}

/// Any process: the container's existing cgroups, to be joined by an exec.
pub fn open(place: Place<'_>) -> Result<Joined> {
    let mut joined = Joined::default();
    for hierarchy in place.hierarchies()? {
        let Some(group) = Group::find(&hierarchy, place)? else { continue };
        if hierarchy.v2 {
            joined.is_filtered = bpf::has_device_filter(group.dir.as_fd());
            joined.into = Some(group.dir);
        } else {
            match open_tasks(&group) {
                Err(error) if error.is(Errno::NOENT) || error.is(Errno::NODEV) => {} // it ends at this moment
                tasks => {
                    joined.tasks.push(tasks?);
                    joined.controllers.push(hierarchy.controllers);
                }
            }
        }
    }
    Ok(joined)
}

fn open_tasks(group: &Group) -> Result<OwnedFd> {
    at::open(group.dir.as_fd(), "tasks", OFlags::WRONLY).tried_with(|| format!("open {}/tasks", group.path))
}

/// child: joins (on v1; on v2 it was born inside) and makes the cgroup the root of what it sees of cgroups, unless it is
/// to see the host's. `late` is what [`make_late`] returned.
pub fn enter(joined: &Joined, late: &[OwnedFd], spec: &Spec) -> Result<()> {
    // Descriptors that find no room in a full table are gone without an error.
    if late.len() != joined.late.len() {
        return Err(Error::new("cannot join all cgroups: too many files are open, or the monitor has ended"));
    }
    join_each(late, joined)?;
    enter_bundle(joined, spec.namespaces.cgroup.of != Owner::Host)
}

/// child: the same for a bundle, where none is late.
pub fn enter_bundle(joined: &Joined, has_own_namespace: bool) -> Result<()> {
    join(joined)?;
    if !has_own_namespace {
        return Ok(());
    }
    match sys::unshare(CLONE_NEWCGROUP) {
        Err(Errno::INVAL) if joined.is_empty() => Ok(()), // a kernel without cgroups
        other => other.tried("make a cgroup namespace"),
    }
}

/// child: joins the v1 hierarchies. The writer is the process itself, with one thread: that is the cheap case.
pub fn join(joined: &Joined) -> Result<()> {
    join_each(&joined.tasks, joined)
}

fn join_each(tasks: &[OwnedFd], joined: &Joined) -> Result<()> {
    for (tasks, controllers) in tasks.iter().zip(&joined.controllers) {
        rustix::io::write(tasks, b"0").tried_to("join the cgroup of", controllers)?;
    }
    Ok(())
}

/// What a container may see below /sys/fs/cgroup.
pub fn visible<'a>(joined: &'a Joined, spec: &Spec) -> Result<Visible<'a>> {
    visible_at(Place::of(spec), joined, spec.namespaces.cgroup.of != Owner::Host)
}

/// The same for any place. Whoever has the host's namespace sees its own cgroups on v1, and the host's tree on v2.
pub fn visible_at<'a>(place: Place<'_>, joined: &'a Joined, has_own_namespace: bool) -> Result<Visible<'a>> {
    if !has_own_namespace {
        let mut directories = Vec::new();
        for hierarchy in place.hierarchies()? {
            if hierarchy.own.is_some() {
                return Ok(Visible::V2); // without a namespace of its own, a new mount shows all
            }
            let path = if hierarchy.v2 { hierarchy.path } else { hierarchy.group(place) };
            if file::exists_at(rustix::fs::CWD, &path) {
                directories.push((hierarchy.controllers, path));
            }
        }
        return Ok(Visible::Host(directories));
    }
    Ok(match joined.into {
        Some(_) => Visible::V2,
        None => Visible::V1(joined.controllers.iter().map(String::as_str).collect()),
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
    look_in(&hierarchies().ok()?, place, controller, v2, v1)
}

fn look_in(all: &[Hierarchy], place: Place<'_>, controller: &str, v2: &str, v1: &str) -> Option<String> {
    let hierarchy = all.iter().find(|h| h.has(controller))?;
    let name = if hierarchy.v2 { v2 } else { v1 };
    let bytes = file::read_small_at(CWD, &format!("{}/{name}", hierarchy.group(place)), 4096).ok()?;
    String::from_utf8(bytes).ok()
}

/// How many processes of the container the kernel killed for want of memory.
pub fn oom_kills(place: Place<'_>) -> u64 {
    let text = look(place, "memory", "memory.events", "memory.oom_control").unwrap_or_default();
    text.lines().find_map(|line| line.strip_prefix("oom_kill ")?.parse().ok()).unwrap_or(0)
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
    Freezer::default().holds(place)
}

/// Tells of many containers whether they stand still. Where that is to be seen is looked for once.
#[derive(Default)]
pub struct Freezer(OnceCell<Vec<Hierarchy>>);

impl Freezer {
    /// Whether this one does.
    pub fn holds(&self, place: Place<'_>) -> bool {
        let all = self.0.get_or_init(|| hierarchies().unwrap_or_default());
        let text = look_in(all, place, "freezer", "cgroup.freeze", "freezer.state").unwrap_or_default();
        matches!(text.trim(), "1" | "FROZEN")
    }
}

/// The version of cgroups in use: 1, 2, or 0 when none is mounted.
pub fn version() -> u8 {
    hierarchies().unwrap_or_default().first().map_or(0, |h| if h.v2 { 2 } else { 1 })
}
