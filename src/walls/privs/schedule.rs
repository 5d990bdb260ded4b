//! What else a bundle says of a process: its place among others for CPU and disk, its personality, its labels.

use crate::error::{Error, Result, Tried};
use crate::kernel::{at, io, sys};
use crate::spec::oci::Process;
use crate::spec::schema::Value;
use crate::spec::words;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{CWD, OFlags};
use rustix::thread::{CpuSet, sched_setaffinity};

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
pub fn enter(process: &Process, personality: Value<'_>) -> Result<()> {
    if process.scheduler.value().is_there() {
        set_scheduler(process.scheduler.value())?;
    }
    if process.io_priority.value().is_there() {
        let (class, priority) = (process.io_priority.at("class").word(), process.io_priority.at("priority").natural());
        let class = place("process.ioPriority.class", "IOPRIO_CLASS_", CLASSES, class)? as u32 + 1;
        sys::set_io_priority(class << 13 | priority.unwrap_or(0) as u32).tried("set process.ioPriority")?;
    }
    if !personality.is_there() {
        return Ok(());
    }
    if let Some(flag) = personality.at("flags").list().next() {
        return Err(unknown("linux.personality.flags", flag.word()));
    }
    let persona = match personality.at("domain").word() {
        "LINUX" => 0,
        "LINUX32" => LINUX32,
        other => return Err(unknown("linux.personality.domain", other)),
    };
    sys::set_personality(persona).tried("set linux.personality")
}

fn set_scheduler(scheduler: Value<'_>) -> Result<()> {
    let policy = place("process.scheduler.policy", "SCHED_", POLICIES, scheduler.at("policy").word())?;
    let mut flags = 0;
    for flag in scheduler.at("flags").list() {
        flags |= 1 << place("process.scheduler.flags", "SCHED_FLAG_", FLAGS, flag.word())?;
    }
    let (signed, natural) =
        (|name| scheduler.at(name).number().unwrap_or(0) as i32, |name| scheduler.at(name).natural().unwrap_or(0));
    let attributes = sys::SchedAttributes {
        size: size_of::<sys::SchedAttributes>() as u32,
        policy: policy as u32,
        flags,
        nice: signed("nice"),
        priority: signed("priority") as u32,
        runtime: natural("runtime"),
        deadline: natural("deadline"),
        period: natural("period"),
    };
    sys::set_scheduler(&attributes).tried("set process.scheduler")
}

/// exec: the CPUs that this process and its children run on from here: `0-3,7`.
pub fn run_on(list: &str) -> Result<()> {
    const FIELD: &str = "process.execCPUAffinity";
    if list.is_empty() {
        return Ok(());
    }
    let mut cpus = CpuSet::new();
    for part in list.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        match (first.parse(), last.parse()) {
            (Ok(first), Ok(last)) if last < CpuSet::MAX_CPU => (first..=last).for_each(|cpu| cpus.set(cpu)),
            _ => return Err(unknown(FIELD, list)),
        }
    }
    sched_setaffinity(None, &cpus).tried_with(|| format!("set {FIELD} to {list}"))
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
