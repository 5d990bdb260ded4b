//! /proc and /sys of a container: what of the kernel it sees, and what of that it can change. proc(5), sysfs(5),
//! cgroup_namespaces(7).

use super::super::Visible;
use super::tree::{
    PLAIN, READ_ONLY, attach, clone_tree, empty_directory, existing, filesystem, place, protect, protect_all,
};
use crate::error::{Error, Result, Tried};
use crate::kernel::file;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::mount::MountAttrFlags;

/// What of /proc is covered by an empty file, or by an empty directory, or is read-only: docker's list.
const MASKED_FILES: &str = "kcore keys latency_stats sched_debug timer_list timer_stats interrupts";
const MASKED_DIRECTORIES: &str = "acpi asound scsi";
const READ_ONLY_PATHS: &str = "bus fs irq sys sysrq-trigger";
/// What of /sys is covered.
const MASKED_SYS: &str = "firmware devices/virtual/powercap";

/// The paths of a container that are masked, and the ones that are read-only; each CPU's are not among them.
pub fn covered() -> (Vec<String>, Vec<String>) {
    let mut masked = Vec::new();
    below(&mut masked, "/proc", MASKED_FILES);
    below(&mut masked, "/proc", MASKED_DIRECTORIES);
    below(&mut masked, "/sys", MASKED_SYS);
    let mut read_only = Vec::new();
    below(&mut read_only, "/proc", READ_ONLY_PATHS);
    (masked, read_only)
}

fn below(paths: &mut Vec<String>, dir: &str, names: &str) {
    for name in names.split(' ') {
        paths.push(format!("{dir}/{name}"));
    }
}

/// /proc with docker's read-only and masked paths. They are covered through the new proc itself, before anybody can
/// interfere. `others` is the /proc of a container whose pid namespace it shares.
pub fn proc(root: BorrowedFd<'_>, dev: &OwnedFd, others: Option<OwnedFd>, open: bool) -> Result<()> {
    let proc = match others {
        Some(others) if is_proc(&others)? => others,
        Some(_) => return Err(Error::new("what is at /proc of the other container is no /proc")),
        None => match filesystem("proc", &[], PLAIN) {
            // In a user namespace only whoever owns the pid namespace may: with the host's pids, it is the host's /proc.
            Err(error) if error.is(Errno::PERM) => clone_tree(rustix::fs::CWD, "/proc", true)?,
            other => other?,
        },
    };
    attach(&proc, place(root, "proc")?.as_fd())?;
    if open {
        return Ok(());
    }
    for name in READ_ONLY_PATHS.split(' ') {
        if let Some(target) = existing(&proc, name)? {
            freeze(&target)?;
        }
    }
    // The container's own /dev/null: whoever is root inside may change its mode and owner.
    for name in MASKED_FILES.split(' ') {
        if let Some(target) = existing(&proc, name)? {
            attach(&clone_tree(dev.as_fd(), "null", false)?, target.as_fd())?;
        }
    }
    mask_directories(&proc, MASKED_DIRECTORIES)
}

/// Covers a file or directory with itself, read-only.
pub fn freeze(target: &OwnedFd) -> Result<()> {
    let copy = clone_tree(target.as_fd(), "", true)?;
    attach(&copy, target.as_fd())?;
    protect(&copy)
}

/// Whether it is on a file system of this kind.
pub fn is_proc(tree: &OwnedFd) -> Result<bool> {
    let found = rustix::fs::fstatfs(tree).tried("look at what is to be /proc")?;
    Ok(found.f_type == rustix::fs::PROC_SUPER_MAGIC)
}

fn mask_directories(tree: &OwnedFd, names: &str) -> Result<()> {
    names.split(' ').try_for_each(|name| mask_directory(tree, name))
}

fn mask_directory(tree: &OwnedFd, name: &str) -> Result<()> {
    match existing(tree, name)? {
        Some(target) => attach(&empty_directory()?, target.as_fd()),
        None => Ok(()),
    }
}

/// /sys read-only, and in it the container's own cgroups and nothing above them. `open`: nothing is covered; `writable`:
/// and it can be changed.
pub fn sys(root: BorrowedFd<'_>, cgroups: &Visible<'_>, open: bool, writable: bool) -> Result<()> {
    let attributes = if writable { PLAIN } else { READ_ONLY };
    let own = match filesystem("sysfs", &[], attributes) {
        // In a user namespace only whoever owns the network namespace may: with the host's network, it is the host's.
        Err(error) if error.is(Errno::PERM) => None,
        other => Some(other?),
    };
    let is_own = own.is_some();
    let sysfs = match own {
        Some(sysfs) => sysfs,
        None => clone_tree(rustix::fs::CWD, "/sys", true)?,
    };
    attach(&sysfs, place(root, "sys")?.as_fd())?;
    if !is_own && !writable {
        protect_all(&sysfs)?;
    }
    if !open {
        mask_directories(&sysfs, MASKED_SYS)?;
        mask_temperatures(&sysfs)?;
    }
    match existing(&sysfs, "fs/cgroup")? {
        Some(target) => groups(target.as_fd(), cgroups, attributes, writable),
        None => Ok(()), // a kernel without cgroups
    }
}

/// The name of a hierarchy's directory: its controllers, or its name where it has none.
fn directory(options: &str) -> &str {
    options.strip_prefix("name=").unwrap_or(options)
}

/// Mounts on `at` what is to be seen of the cgroups.
pub fn groups(at: BorrowedFd<'_>, cgroups: &Visible<'_>, attributes: MountAttrFlags, writable: bool) -> Result<()> {
    let guard = |tree: &OwnedFd| if writable { Ok(()) } else { protect(tree) };
    let top = || -> Result<OwnedFd> {
        let top = filesystem("tmpfs", &[("mode", "755"), ("size", "64k")], PLAIN)?;
        attach(&top, at)?;
        Ok(top)
    };
    match cgroups {
        Visible::V2 => attach(&filesystem("cgroup2", &[], attributes)?, at),
        Visible::V1(hierarchies) => {
            let top = top()?;
            for options in hierarchies {
                let mut keys = Vec::new();
                for option in options.split(',') {
                    keys.push(option.split_once('=').unwrap_or((option, "")));
                }
                let tree = filesystem("cgroup", &keys, attributes)?;
                attach(&tree, place(top.as_fd(), directory(options))?.as_fd())?;
            }
            guard(&top)
        }
        Visible::Host(directories) => {
            let is_v2 = directories.iter().all(|(name, _)| name.is_empty());
            let top = if is_v2 { None } else { Some(top()?) };
            for (name, path) in directories {
                let tree = clone_tree(rustix::fs::CWD, path, false)?;
                match &top {
                    Some(top) => attach(&tree, place(top.as_fd(), directory(name))?.as_fd())?,
                    None => attach(&tree, at)?,
                }
                guard(&tree)?;
            }
            top.map_or(Ok(()), |top| guard(&top))
        }
    }
}

/// How often each CPU was too hot tells about the neighbours' work.
fn mask_temperatures(sysfs: &OwnedFd) -> Result<()> {
    const FIRST: &str = "devices/system/cpu/cpu0/thermal_throttle";
    if existing(sysfs, FIRST)?.is_none() {
        return Ok(());
    }
    let cpus = existing(sysfs, "devices/system/cpu")?;
    let Some(cpus) = cpus else { return Ok(()) };
    for name in file::names(cpus.as_fd())? {
        if name.strip_prefix("cpu").is_some_and(|rest| rest.parse::<u32>().is_ok()) {
            mask_directory(&cpus, &format!("{name}/thermal_throttle"))?;
        }
    }
    Ok(())
}
