//! Control groups, v1 and v2: `mydocker-<id>` at the root of every hierarchy that is mounted here. cgroups(7).
//!
//! Joining is cheap only in two ways, and both make the process be born limited: on v2 it is cloned into the cgroup, on
//! v1 the new process itself writes `0` to `tasks` (any write to `cgroup.procs` waits for an RCU grace period, 7–12 ms).

use super::Visible;
use crate::error::{Error, Result, Tried};
use crate::kernel::{file, process, sys};
use crate::spec::Limits;
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use linux_raw_sys::general::CLONE_NEWCGROUP;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, Mode, OFlags, openat, unlinkat};
use rustix::io::Errno;

/// How long `release` waits for killed processes to be gone.
const KILL_WAIT_MS: i64 = 10_000;
/// Period of the CPU quota in microseconds, docker's.
const CPU_PERIOD_US: u64 = 100_000;
/// The controllers that a container joins, where the kernel has them.
const CONTROLLERS: [&str; 8] = ["memory", "pids", "cpu", "cpuacct", "cpuset", "devices", "freezer", "blkio"];

/// One mounted hierarchy.
struct Hierarchy {
    /// Where it is mounted on this host.
    path: String,
    /// Its controllers (v1), as the mount option spells them.
    controllers: String,
    v2: bool,
}

impl Hierarchy {
    fn has(&self, controller: &str) -> bool {
        self.v2 || self.controllers.split(',').any(|c| c == controller)
    }

    fn group(&self, id: &str) -> String {
        format!("{}/mydocker-{id}", self.path)
    }
}

/// The cgroup of one container, open for a process to join.
pub struct Joined {
    /// v2: the directory to be cloned into.
    pub into: Option<OwnedFd>,
    /// v1: the `tasks` file of each hierarchy, and its mount option.
    tasks: Vec<(OwnedFd, String)>,
}

impl Joined {
    /// Whether the kernel checks every opening of a device node here. Where nothing does, nobody may make one.
    pub fn filters_devices(&self) -> bool {
        self.tasks.iter().any(|(_, controllers)| controllers.split(',').any(|c| c == "devices"))
    }
}

/// The hierarchies of this host: v1 ones with controllers that we use; the v2 one only where there are none of those
/// (a hybrid host keeps its controllers on v1).
fn hierarchies() -> Result<Vec<Hierarchy>> {
    Ok(parse_mountinfo(&file::read_text("/proc/self/mountinfo")?))
}

/// proc_pid_mountinfo(5): `id parent major:minor root mount-point options … - fstype source super-options`
fn parse_mountinfo(text: &str) -> Vec<Hierarchy> {
    let mut found: Vec<Hierarchy> = Vec::new();
    for line in text.lines() {
        let Some((left, right)) = line.split_once(" - ") else { continue };
        let (mut left, mut right) = (left.split(' ').skip(3), right.split(' '));
        let (Some("/"), Some(path)) = (left.next(), left.next()) else { continue };
        let (Some(kind), Some(_), Some(options)) = (right.next(), right.next(), right.next()) else { continue };
        let ours: Vec<&str> = options.split(',').filter(|o| CONTROLLERS.contains(o)).collect();
        let v2 = kind == "cgroup2";
        let known = found.iter().any(|h| h.v2 == v2 && (v2 || h.has(ours.first().unwrap_or(&""))));
        if !known && (v2 || kind == "cgroup" && !ours.is_empty()) {
            found.push(Hierarchy { path: unescape(path), controllers: ours.join(","), v2 });
        }
    }
    if found.iter().any(|h| !h.v2) {
        found.retain(|h| !h.v2);
    }
    found
}

/// Blanks, tabs, newlines and backslashes are octal in mountinfo.
fn unescape(path: &str) -> String {
    path.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\")
}

/// monitor: makes the container's cgroups and sets its limits. A limit that can't be set is an error.
pub fn prepare(id: &str, limits: &Limits) -> Result<Joined> {
    let hierarchies = hierarchies()?;
    let mut joined = Joined { into: None, tasks: Vec::new() };
    for hierarchy in &hierarchies {
        let path = hierarchy.group(id);
        match rustix::fs::mkdir(path.as_str(), Mode::from(0o755)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(Error::os(format!("make the cgroup {path}"), errno)),
        }
        let dir = file::open_dir(&path)?;
        if hierarchy.v2 {
            set_v2(hierarchy, &dir, limits)?;
            joined.into = Some(dir);
        } else {
            set_v1(hierarchy, &dir, limits)?;
            joined.tasks.push((open_tasks(&dir, &path)?, hierarchy.controllers.clone()));
        }
    }
    refuse_unset(&hierarchies, limits)?;
    Ok(joined)
}

/// Any process: the container's existing cgroups, to be joined by an exec.
pub fn open(id: &str) -> Result<Joined> {
    let mut joined = Joined { into: None, tasks: Vec::new() };
    for hierarchy in hierarchies()? {
        let path = hierarchy.group(id);
        let dir = match file::open_dir(&path) {
            Err(error) if error.is(Errno::NOENT) => continue,
            other => other?,
        };
        if hierarchy.v2 {
            joined.into = Some(dir);
        } else {
            match open_tasks(&dir, &path) {
                Err(error) if error.is(Errno::NOENT) || error.is(Errno::NODEV) => {} // it ends at this moment
                tasks => joined.tasks.push((tasks?, hierarchy.controllers)),
            }
        }
    }
    Ok(joined)
}

fn open_tasks(dir: &OwnedFd, path: &str) -> Result<OwnedFd> {
    openat(dir, "tasks", OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty()).tried_with(|| format!("open {path}/tasks"))
}

/// child: joins (on v1; on v2 it was born inside) and makes the cgroup the root of what it sees of cgroups.
pub fn enter(joined: &Joined) -> Result<()> {
    join(joined)?;
    sys::unshare(CLONE_NEWCGROUP).tried("make a cgroup namespace")
}

/// child: joins the v1 hierarchies. The writer is the process itself, with one thread: that is the cheap case.
pub fn join(joined: &Joined) -> Result<()> {
    for (tasks, controllers) in &joined.tasks {
        rustix::io::write(tasks, b"0").tried_with(|| format!("join the cgroup of {controllers}"))?;
    }
    Ok(())
}

/// What a container may see below /sys/fs/cgroup: the v1 mount options, or nothing for v2.
pub fn visible(joined: &Joined) -> Visible<'_> {
    match joined.into {
        Some(_) => Visible::V2,
        None => Visible::V1(joined.tasks.iter().map(|(_, controllers)| controllers.as_str()).collect()),
    }
}

fn set(dir: &OwnedFd, name: &str, value: &str) -> Result<()> {
    file::write_at(dir.as_fd(), name, value).tried_with(|| format!("set {name} to {value}"))
}

fn set_v1(hierarchy: &Hierarchy, dir: &OwnedFd, limits: &Limits) -> Result<()> {
    if hierarchy.has("memory")
        && let Some(bytes) = limits.memory
    {
        set(dir, "memory.limit_in_bytes", &bytes.to_string())?;
        // As docker does: as much swap again. The file exists only where the kernel accounts swap.
        match file::write_at(dir.as_fd(), "memory.memsw.limit_in_bytes", &bytes.saturating_mul(2).to_string()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(errno) => return Err(Error::os("set memory.memsw.limit_in_bytes", errno)),
        }
    }
    if hierarchy.has("pids")
        && let Some(pids) = limits.pids
    {
        set(dir, "pids.max", &if pids < 0 { "max".to_owned() } else { pids.to_string() })?;
    }
    if hierarchy.has("cpu") {
        if let Some(nano) = limits.nano_cpus {
            set(dir, "cpu.cfs_period_us", &CPU_PERIOD_US.to_string())?;
            set(dir, "cpu.cfs_quota_us", &quota_us(nano).to_string())?;
        }
        if let Some(shares) = limits.cpu_shares {
            set(dir, "cpu.shares", &shares.to_string())?;
        }
    }
    if hierarchy.has("cpuset") {
        // An empty cpuset takes no process: what was not asked for is the parent's.
        for (name, asked) in [("cpuset.cpus", &limits.cpuset_cpus), ("cpuset.mems", &limits.cpuset_mems)] {
            let value = match asked {
                Some(value) => value.clone(),
                None => file::read_text(&format!("{}/{name}", hierarchy.path))?.trim().to_owned(),
            };
            set(dir, name, &value)?;
        }
    }
    if hierarchy.has("devices") {
        set(dir, "devices.deny", "a")?;
        for rule in DEVICES {
            set(dir, "devices.allow", rule)?;
        }
    }
    Ok(())
}

/// docker's default: every node may be made, only these may be opened.
const DEVICES: [&str; 10] = [
    "c *:* m",
    "b *:* m",
    "c 1:3 rwm",
    "c 1:5 rwm",
    "c 1:7 rwm",
    "c 1:8 rwm",
    "c 1:9 rwm",
    "c 5:0 rwm",
    "c 5:2 rwm",
    "c 136:* rwm",
];

fn quota_us(nano_cpus: u64) -> u64 {
    (u128::from(nano_cpus) * u128::from(CPU_PERIOD_US) / 1_000_000_000) as u64
}

/// cpu.weight (1–10000) for cpu.shares (2–262144), the mapping that runc uses.
fn weight(shares: u64) -> u64 {
    1 + (shares.clamp(2, 262_144) - 2) * 9999 / 262_142
}

fn set_v2(hierarchy: &Hierarchy, dir: &OwnedFd, limits: &Limits) -> Result<()> {
    let root = file::open_dir(&hierarchy.path)?;
    for controller in ["cpuset", "cpu", "io", "memory", "pids"] {
        // One that this kernel lacks is missed only by a limit that needs it, and that is an error below.
        let _ = file::write_at(root.as_fd(), "cgroup.subtree_control", &format!("+{controller}"));
    }
    if let Some(bytes) = limits.memory {
        set(dir, "memory.max", &bytes.to_string())?;
        match file::write_at(dir.as_fd(), "memory.swap.max", &bytes.to_string()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(errno) => return Err(Error::os("set memory.swap.max", errno)),
        }
    }
    if let Some(pids) = limits.pids {
        set(dir, "pids.max", &pids.to_string())?;
    }
    if let Some(nano) = limits.nano_cpus {
        set(dir, "cpu.max", &format!("{} {CPU_PERIOD_US}", quota_us(nano)))?;
    }
    if let Some(shares) = limits.cpu_shares {
        set(dir, "cpu.weight", &weight(shares).to_string())?;
    }
    if let Some(cpus) = &limits.cpuset_cpus {
        set(dir, "cpuset.cpus", cpus)?;
    }
    if let Some(mems) = &limits.cpuset_mems {
        set(dir, "cpuset.mems", mems)?;
    }
    Ok(())
}

/// On v2 a missing controller made the write fail; on v1 there was nothing to write to.
fn refuse_unset(hierarchies: &[Hierarchy], limits: &Limits) -> Result<()> {
    let asked = [
        ("memory", limits.memory.is_some()),
        ("pids", limits.pids.is_some()),
        ("cpu", limits.nano_cpus.is_some() || limits.cpu_shares.is_some()),
        ("cpuset", limits.cpuset_cpus.is_some() || limits.cpuset_mems.is_some()),
    ];
    for (controller, asked) in asked {
        if asked && !hierarchies.iter().any(|h| h.has(controller)) {
            return Err(Error::new(format!(
                "cannot set a limit: no cgroup hierarchy with the controller {controller} is mounted here"
            )));
        }
    }
    Ok(())
}

/// Anyone: kills what is left in the container's cgroups, and removes them. Idempotent; goes on after an error and
/// returns the first.
pub fn release(id: &str) -> Result<()> {
    let mut first = Ok(());
    let deadline = crate::kernel::time::monotonic_ms() + KILL_WAIT_MS;
    let all = hierarchies()?;
    for hierarchy in &all {
        let path = hierarchy.group(id);
        let done = match unlinkat(rustix::fs::CWD, path.as_str(), AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(_) => empty_and_remove(&all, id, &path, deadline),
        };
        if first.is_ok() {
            first = done;
        }
    }
    first
}

fn empty_and_remove(all: &[Hierarchy], id: &str, path: &str, deadline: i64) -> Result<()> {
    let dir = match file::open_dir(path) {
        Err(error) if error.is(Errno::NOENT) => return Ok(()),
        other => other?,
    };
    loop {
        // Sub-cgroups that a container made (it cannot by default) go first.
        let entries = match file::entries(dir.as_fd()) {
            Err(error) if error.is(Errno::NOENT) || error.is(Errno::NODEV) => return Ok(()), // somebody else was faster
            other => other?,
        };
        for (name, kind) in entries {
            if kind == rustix::fs::FileType::Directory
                && let Ok(name) = name.into_string()
            {
                empty_and_remove(all, id, &format!("{path}/{name}"), deadline)?;
            }
        }
        match kill_all(dir.as_fd(), &|| thaw(all, id), deadline) {
            Err(error) if error.is(Errno::NOENT) || error.is(Errno::NODEV) => return Ok(()), // likewise
            other => other?,
        }
        match unlinkat(rustix::fs::CWD, path, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => return Ok(()),
            // Processes are dead but their last references are not: the kernel has no event for that on v1. A poll
            // without descriptors is a timer.
            Err(Errno::BUSY) if crate::kernel::time::monotonic_ms() < deadline => {
                process::wait_for(&mut [], 2);
            }
            Err(errno) => return Err(Error::os(format!("remove the cgroup {path}"), errno)),
        }
    }
}

/// On v1 a frozen process does not even notice SIGKILL, and whoever froze it may be dead.
fn thaw(all: &[Hierarchy], id: &str) {
    for hierarchy in all.iter().filter(|h| !h.v2 && h.has("freezer")) {
        if let Ok(dir) = file::open_dir(&hierarchy.group(id)) {
            let _ = file::write_at(dir.as_fd(), "freezer.state", "THAWED"); // what stays frozen is a timeout below
        }
    }
}

/// Kills every process of one cgroup and waits for their ends.
fn kill_all(dir: BorrowedFd<'_>, thaw: &dyn Fn(), deadline: i64) -> Result<()> {
    let _ = file::write_at(dir, "cgroup.kill", "1"); // v2 since 5.14; elsewhere the loop below does it
    loop {
        let text = file::read_at(dir, "cgroup.procs", file::RECORD_BYTES_MAX)?;
        let pids: Vec<i32> =
            text.split(|b| *b == b'\n').filter_map(|l| core::str::from_utf8(l).ok()?.parse().ok()).collect();
        // A pid of 0 is a process of a pid namespace that we cannot see; nothing of ours.
        let mut waiting = Vec::new();
        for pid in pids.into_iter().filter(|pid| *pid > 0) {
            let Ok(pidfd) = process::open_pidfd(pid) else { continue };
            let _ = sys::signal(pidfd.as_fd(), 9); // it may have ended since
            waiting.push(pidfd);
        }
        if waiting.is_empty() {
            return Ok(());
        }
        thaw();
        for pidfd in waiting {
            if !process::readable(pidfd.as_fd(), (deadline - crate::kernel::time::monotonic_ms()).max(0)) {
                return Err(Error::os("kill the processes of the container", Errno::TIMEDOUT));
            }
        }
    }
}

/// Whether the kernel killed something of the container for want of memory.
pub fn was_oom_killed(id: &str) -> bool {
    let Ok(all) = hierarchies() else { return false };
    let Some(hierarchy) = all.iter().find(|h| h.has("memory")) else { return false };
    let name = if hierarchy.v2 { "memory.events" } else { "memory.oom_control" };
    let Ok(text) = file::read_text(&format!("{}/{name}", hierarchy.group(id))) else { return false };
    text.lines().any(|line| line.strip_prefix("oom_kill ").is_some_and(|n| n != "0"))
}

/// Stops (or lets go on) every process of the container, and returns when they all stand still.
pub fn freeze(id: &str, frozen: bool) -> Result<()> {
    let all = hierarchies()?;
    let Some(hierarchy) = all.iter().find(|h| h.has("freezer")) else {
        return Err(Error::new("cannot pause: this kernel has no cgroup freezer"));
    };
    let dir = file::open_dir(&hierarchy.group(id))?;
    let (name, value) = match (hierarchy.v2, frozen) {
        (true, true) => ("cgroup.freeze", "1"),
        (true, false) => ("cgroup.freeze", "0"),
        (false, true) => ("freezer.state", "FROZEN"),
        (false, false) => ("freezer.state", "THAWED"),
    };
    set(&dir, name, value)?;
    let deadline = crate::kernel::time::monotonic_ms() + KILL_WAIT_MS;
    let (seen_in, wanted) = match (hierarchy.v2, frozen) {
        (true, true) => ("cgroup.events", "frozen 1"),
        (true, false) => ("cgroup.events", "frozen 0"),
        (false, _) => ("freezer.state", value),
    };
    loop {
        let text = file::read_at(dir.as_fd(), seen_in, 4096)?;
        if text.split(|b| *b == b'\n').any(|line| line == wanted.as_bytes()) {
            return Ok(());
        }
        if crate::kernel::time::monotonic_ms() > deadline {
            let _ = file::write_at(dir.as_fd(), name, if hierarchy.v2 { "0" } else { "THAWED" }); // the error says it all
            return Err(Error::os("pause the processes of the container", Errno::TIMEDOUT));
        }
        process::wait_for(&mut [], 1); // v1 has no event for it; v2's would cost an inotify for a millisecond's wait
    }
}

/// Whether the container stands still.
pub fn is_frozen(id: &str) -> bool {
    let Ok(all) = hierarchies() else { return false };
    let Some(hierarchy) = all.iter().find(|h| h.has("freezer")) else { return false };
    let name = if hierarchy.v2 { "cgroup.freeze" } else { "freezer.state" };
    file::read_text(&format!("{}/{name}", hierarchy.group(id))).is_ok_and(|t| matches!(t.trim(), "1" | "FROZEN"))
}

/// What a container uses, and may use.
#[derive(Default, Clone)]
pub struct Usage {
    /// CPU time of all its processes, in nanoseconds.
    pub cpu_ns: u64,
    /// Bytes of memory, without the file pages that are first to be given back.
    pub memory_bytes: u64,
    /// Its limit; without one, the machine's memory.
    pub memory_limit: u64,
    /// Number of tasks.
    pub pids: u64,
    /// Its limit.
    pub pids_limit: Option<u64>,
    /// Bytes read from disks.
    pub block_read: u64,
    /// Bytes written to disks.
    pub block_written: u64,
}

/// What the container uses now.
pub fn usage(id: &str) -> Result<Usage> {
    let all = hierarchies()?;
    let text = |controller: &str, name: &str| -> Result<String> {
        let found = all.iter().find(|h| h.has(controller));
        let hierarchy = found.ok_or_else(|| Error::new(format!("no cgroup controller {controller}")))?;
        file::read_text(&format!("{}/{name}", hierarchy.group(id)))
    };
    let number = |text: String| text.trim().parse::<u64>().unwrap_or(0);
    let cpu_ns = number(text("cpuacct", "cpuacct.usage")?);
    let machine = crate::kernel::proc::machine().memory_kib * 1024;
    let stat = text("memory", "memory.stat")?;
    let inactive =
        stat.lines().find_map(|l| l.strip_prefix("total_inactive_file ")).map_or(0, |n| number(n.to_owned()));
    let used = number(text("memory", "memory.usage_in_bytes")?);
    Ok(Usage {
        cpu_ns,
        memory_bytes: if inactive < used { used - inactive } else { used },
        memory_limit: number(text("memory", "memory.limit_in_bytes")?).min(machine),
        pids: number(text("pids", "pids.current")?),
        ..Usage::default()
    })
}

/// Changes the limits of a running container.
pub fn update(id: &str, limits: &Limits) -> Result<()> {
    for hierarchy in hierarchies()? {
        let dir = file::open_dir(&hierarchy.group(id))?;
        if hierarchy.has("memory") && limits.memory.is_some() {
            set(&dir, "memory.memsw.limit_in_bytes", "-1")?;
        }
        set_v1(&hierarchy, &dir, limits)?;
    }
    Ok(())
}

/// The pids of all processes of the container.
pub fn pids(id: &str) -> Result<Vec<i32>> {
    let all = hierarchies()?;
    let Some(hierarchy) = all.first() else { return Ok(Vec::new()) };
    let text = file::read_text(&format!("{}/cgroup.procs", hierarchy.group(id)))?;
    Ok(text.lines().filter_map(|line| line.parse().ok()).collect())
}

/// The version of cgroups in use: 1, 2, or 0 when none is mounted.
pub fn version() -> u8 {
    match hierarchies() {
        Ok(all) if all.iter().any(|h| h.v2) => 2,
        Ok(all) if !all.is_empty() => 1,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const V1: &str = "31 30 0:26 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct\n\
                      32 30 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
                      33 30 0:28 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd\n\
                      35 30 0:27 /x /mnt/memory rw - cgroup cgroup rw,memory\n\
                      34 30 0:29 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";

    #[test]
    fn hybrid_hosts_keep_v1() {
        let found = parse_mountinfo(V1);
        assert_eq!(found.len(), 2);
        assert!(found[0].has("cpu") && found[0].has("cpuacct") && !found[0].has("memory"));
        assert_eq!(found[0].controllers, "cpu,cpuacct");
        assert_eq!(found[1].path, "/sys/fs/cgroup/memory");
    }

    #[test]
    fn unified_hosts_have_one() {
        let found = parse_mountinfo("34 30 0:29 / /sys/fs/my\\040cgroup rw - cgroup2 cgroup2 rw\n");
        assert_eq!(found.len(), 1);
        assert!(found[0].v2 && found[0].path == "/sys/fs/my cgroup");
    }

    #[test]
    fn conversions() {
        assert_eq!((weight(2), weight(1024), weight(262_144)), (1, 39, 10_000));
        assert_eq!(quota_us(500_000_000), 50_000);
    }
}
