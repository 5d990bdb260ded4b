//! What else a bundle says of a process: its place among others for CPU and disk, its personality, its labels.

use crate::error::{Error, Result, Tried};
use crate::kernel::{at, io, sys};
use crate::spec::oci::{IoPriority, Personality, Process, Scheduler};
use crate::spec::words;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{CWD, OFlags};

/// After `SCHED_`; the place is the number. sched(7)
const POLICIES: &str = "OTHER FIFO RR BATCH ISO IDLE DEADLINE";
/// After `SCHED_FLAG_`, by their bits.
const FLAGS: &str = "RESET_ON_FORK RECLAIM DL_OVERRUN KEEP_POLICY KEEP_PARAMS UTIL_CLAMP_MIN UTIL_CLAMP_MAX";
/// After `IOPRIO_CLASS_`, from 1 on. ioprio_set(2)
const CLASSES: &str = "RT BE IDLE";
/// personality(2), `PER_LINUX32`
const LINUX32: u32 = 8;

fn unknown(field: &str, word: &str) -> Error {
    Error::new(format_args!("{field}: \"{word}\" is not known here"))
}

fn place(field: &str, prefix: &str, known: &str, word: &str) -> Result<usize> {
    word.strip_prefix(prefix).and_then(|name| words::place(known, name)).ok_or_else(|| unknown(field, word))
}

/// child: how it is scheduled from here on.
pub fn enter(process: &Process, personality: Option<&Personality>) -> Result<()> {
    if let Some(scheduler) = &process.scheduler {
        set_scheduler(scheduler)?;
    }
    if let Some(IoPriority { class, priority }) = &process.io_priority {
        let class = place("process.ioPriority.class", "IOPRIO_CLASS_", CLASSES, class)? as u32 + 1;
        sys::set_io_priority(class << 13 | priority).tried("set process.ioPriority")?;
    }
    match personality {
        None => Ok(()),
        Some(Personality { flags, .. }) if !flags.is_empty() => Err(unknown("linux.personality.flags", &flags[0])),
        Some(Personality { domain, .. }) => match domain.as_str() {
            "LINUX" => sys::set_personality(0).tried("set linux.personality"),
            "LINUX32" => sys::set_personality(LINUX32).tried("set linux.personality"),
            _ => Err(unknown("linux.personality.domain", domain)),
        },
    }
}

fn set_scheduler(scheduler: &Scheduler) -> Result<()> {
    let policy = place("process.scheduler.policy", "SCHED_", POLICIES, &scheduler.policy)?;
    let mut flags = 0;
    for flag in &scheduler.flags {
        flags |= 1 << place("process.scheduler.flags", "SCHED_FLAG_", FLAGS, flag)?;
    }
    let attributes = sys::SchedAttributes {
        size: size_of::<sys::SchedAttributes>() as u32,
        policy: policy as u32,
        flags,
        nice: scheduler.nice.unwrap_or(0),
        priority: scheduler.priority.unwrap_or(0) as u32,
        runtime: scheduler.runtime.unwrap_or(0),
        deadline: scheduler.deadline.unwrap_or(0),
        period: scheduler.period.unwrap_or(0),
    };
    sys::set_scheduler(&attributes).tried("set process.scheduler")
}

/// What the kernel is to call the program from its execve on: a text for each file of ours that takes it.
pub struct Labels(Vec<(OwnedFd, String)>);

/// child, while /proc is still the host's: the labels that are asked for. proc_pid_attr(5)
pub fn labels(process: &Process) -> Result<Labels> {
    let mut labels = Vec::new();
    for (field, label, paths) in [
        (
            "apparmorProfile",
            &process.apparmor,
            ["/proc/self/attr/apparmor/exec", "/sys/module/apparmor/parameters/enabled"],
        ),
        ("selinuxLabel", &process.selinux, ["/proc/self/attr/exec", "/sys/fs/selinux/enforce"]),
    ] {
        let Some(label) = label.as_deref().filter(|label| !label.is_empty()) else { continue };
        at::open(CWD, paths[1], OFlags::PATH).tried_with(|| format!("process.{field}: this host has no such thing"))?;
        let file = at::open(CWD, paths[0], OFlags::WRONLY).tried_to("open", paths[0])?;
        labels.push((file, if field.starts_with('a') { ["exec ", label].concat() } else { label.into() }));
    }
    Ok(Labels(labels))
}

impl Labels {
    /// child: what it executes next has them.
    pub fn enter(&self) -> Result<()> {
        for (file, label) in &self.0 {
            io::write_all(file.as_fd(), label.as_bytes()).tried_to("set the label", label)?;
        }
        Ok(())
    }
}
