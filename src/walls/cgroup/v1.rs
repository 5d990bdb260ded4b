//! Limits and devices on cgroup v1. Documentation/admin-guide/cgroup-v1 and Documentation/scheduler/sched-bwc.rst

use super::place::Group;
use super::rules::Rule;
use super::setter::Setter;
use super::values::{self, CPU_PERIOD_US};
use crate::error::{Result, Tried};
use crate::kernel::{at, file};
use crate::spec::Limits;
use alloc::format;
use alloc::string::{String, ToString};
use rustix::fd::AsFd;
use rustix::fs::OFlags;
use rustix::io::Errno;

/// Sets what is asked for of the limits that this hierarchy knows. A new cgroup gets docker's defaults, too.
pub fn limit(setter: &Setter<'_>, limits: &Limits, is_new: bool) -> Result<()> {
    let has = |controller| setter.hierarchy.has(controller);
    if has("memory") {
        memory(setter, limits, is_new)?;
    }
    if has("pids")
        && let Some(pids) = limits.pids
    {
        setter.set("pids-limit", "pids.max", &values::tasks(pids))?;
    }
    if has("cpu") {
        cpu(setter, limits)?;
    }
    if has("cpuset") {
        setter.cpusets(limits)?;
    }
    if has("blkio") { disks(setter, limits) } else { Ok(()) }
}

fn memory(setter: &Setter<'_>, limits: &Limits, is_new: bool) -> Result<()> {
    const SUM: &str = "memory.memsw.limit_in_bytes";
    let sum = match (limits.memory_swap, limits.memory) {
        // As docker does: as much swap again.
        (None, Some(bytes)) if is_new => Some(i64::try_from(bytes.saturating_mul(2)).unwrap_or(i64::MAX)),
        (sum, _) => sum,
    };
    let set_sum = |sum: i64| match setter.group.set("memory-swap", SUM, &sum.to_string())? {
        // The file exists only where the kernel accounts swap. Elsewhere nothing limits it, which may be what is wanted.
        None if limits.memory_swap.is_some_and(|sum| sum >= 0) => {
            let why = " (swap is not accounted here: boot with swapaccount=1)";
            Err(setter.no_file("memory-swap", SUM, why))
        }
        _ => Ok(()),
    };
    // The sum may never be below the memory alone: who raises both begins with the sum, who lowers both with the memory.
    let sum_is_first = match sum {
        Some(sum) if !is_new => {
            let now = setter.group.read(SUM).ok().and_then(|text| text.parse::<i64>().ok());
            sum < 0 || now.is_some_and(|now| sum > now)
        }
        _ => false,
    };
    if let (Some(sum), true) = (sum, sum_is_first) {
        set_sum(sum)?;
    }
    setter.number("memory", "memory.limit_in_bytes", limits.memory)?;
    if let (Some(sum), false) = (sum, sum_is_first) {
        set_sum(sum)?;
    }
    setter.number("memory-reservation", "memory.soft_limit_in_bytes", limits.memory_reservation)?;
    setter.number("memory-swappiness", "memory.swappiness", limits.memory_swappiness)?;
    if limits.oom_kill_disable {
        setter.set("oom-kill-disable", "memory.oom_control", "1")?;
    }
    Ok(())
}

fn cpu(setter: &Setter<'_>, limits: &Limits) -> Result<()> {
    let (flag, period, quota) = match limits.nano_cpus {
        Some(nano) => ("cpus", Some(CPU_PERIOD_US), Some(values::quota_us(nano) as i64)),
        None => ("cpu-quota", limits.cpu_period, limits.cpu_quota),
    };
    let period_flag = if limits.nano_cpus.is_some() { "cpus" } else { "cpu-period" };
    let set_period = |us: Option<u64>| setter.number(period_flag, "cpu.cfs_period_us", us);
    let set_quota = || quota.map_or(Ok(()), |us| setter.set(flag, "cpu.cfs_quota_us", &us.to_string()));
    match set_period(period) {
        // A shorter period with the old quota may be more than the parent has. Then the quota goes first.
        Err(error) if error.is(Errno::INVAL) && quota.is_some() => {
            set_quota()?;
            set_period(period)?;
        }
        done => {
            done?;
            set_quota()?;
        }
    }
    setter.number("cpu-shares", "cpu.shares", limits.cpu_shares)
}

fn disks(setter: &Setter<'_>, limits: &Limits) -> Result<()> {
    if let Some(weight) = limits.blkio_weight {
        // The first is of kernels from 5.0 on, where the scheduler BFQ is there; the second of older ones, with CFQ.
        let (flag, group, weight) = ("blkio-weight", setter.group, weight.to_string());
        if group.set(flag, "blkio.bfq.weight", &weight)?.is_none()
            && group.set(flag, "blkio.weight", &weight)?.is_none()
        {
            let why = " (the disk scheduler bfq is not there: modprobe bfq)";
            return Err(setter.no_file(flag, "blkio.bfq.weight", why));
        }
    }
    for throttle in &limits.throttles {
        let (flag, name, _) = values::throttle(throttle.what);
        setter.set(flag, name, &format!("{} {}", values::disk(throttle)?, throttle.rate))?;
    }
    Ok(())
}

/// Whether CPUs and memory nodes are asked for.
pub fn has_cpuset(limits: &Limits) -> [bool; 2] {
    [limits.cpuset_cpus.is_some(), limits.cpuset_mems.is_some()]
}

/// A new cpuset is empty, and an empty one takes no process: what was not asked for is the parent's. The parents on the
/// way down may be new, too.
pub fn fill_cpuset(setter: &Setter<'_>, asked: [bool; 2]) -> Result<()> {
    let names = if setter.place.is_of_bundle() { ["cpu.cpus", "cpu.mems"] } else { ["cgroup-parent"; 2] };
    for ((name, limit), asked) in ["cpuset.cpus", "cpuset.mems"].into_iter().zip(names).zip(asked) {
        let mut above = String::new();
        for level in setter.hierarchy.levels(setter.place) {
            let path = format!("{level}/{name}");
            let own = file::read_text(&path)?;
            if own.trim().is_empty() && !above.is_empty() {
                file::write_at(rustix::fs::CWD, &path, &above).tried(format_args!("write {above} to {path}"))?;
            } else {
                above = own.trim().into();
            }
        }
        // One that was there before us may have what its maker wants.
        if !asked && (setter.group.is_new || !setter.place.is_of_bundle() || setter.group.read(name)?.is_empty()) {
            setter.set(limit, name, &above)?;
        }
    }
    Ok(())
}

/// Lets the processes of a new cgroup open these devices only, or (`rest`) all others. On v1 that needs neither a file of rules nor a program:
/// each line is a rule, and what is not allowed is denied, or the other way round.
pub fn filter_devices(group: &Group, rules: &[Rule], rest: bool) -> Result<()> {
    let mut names = ["devices.deny", "devices.allow"];
    if rest {
        names.reverse();
    }
    for (name, rules) in names.into_iter().zip([None, Some(rules)]) {
        let file = at::open(group.dir.as_fd(), name, OFlags::WRONLY);
        let file = file.tried_with(|| format!("open {}/{name}", group.path))?;
        let write = |line: &str| {
            let done = rustix::io::write(&file, line.as_bytes());
            done.map(drop).tried_with(|| format!("write \"{line}\" to {}/{name}", group.path))
        };
        match rules {
            None => write("a")?,
            Some(rules) => rules.iter().try_for_each(|rule| write(&rule.line()))?,
        }
    }
    Ok(())
}
