//! Limits and devices on cgroup v1. Documentation/admin-guide/cgroup-v1 and Documentation/scheduler/sched-bwc.rst

use super::place::{Group, Hierarchy, Place};
use super::rules::Rule;
use super::values::{self, CPU_PERIOD_US, no_file};
use crate::error::{Error, Result, Tried};
use crate::kernel::{at, file};
use crate::spec::{Limits, Rate};
use alloc::format;
use alloc::string::{String, ToString};
use rustix::fd::AsFd;
use rustix::fs::OFlags;
use rustix::io::Errno;

/// Writes a value that must have a file.
fn set(group: &Group, limit: &str, name: &str, value: &str) -> Result<()> {
    group.set(limit, name, value)?.ok_or_else(|| no_file(limit, &group.path, name, " (this kernel has no such limit)"))
}

/// Sets what is asked for of the limits that this hierarchy knows. A new cgroup gets docker's defaults, too.
pub fn limit(hierarchy: &Hierarchy, group: &Group, limits: &Limits, is_new: bool) -> Result<()> {
    if hierarchy.has("memory") {
        memory(group, limits, is_new)?;
    }
    if hierarchy.has("pids")
        && let Some(pids) = limits.pids
    {
        set(group, "pids-limit", "pids.max", &values::tasks(pids))?;
    }
    if hierarchy.has("cpu") {
        cpu(group, limits)?;
    }
    if hierarchy.has("cpuset") {
        if let Some(cpus) = &limits.cpuset_cpus {
            set(group, "cpuset-cpus", "cpuset.cpus", cpus)?;
        }
        if let Some(mems) = &limits.cpuset_mems {
            set(group, "cpuset-mems", "cpuset.mems", mems)?;
        }
    }
    if hierarchy.has("blkio") {
        disks(group, limits)?;
    }
    Ok(())
}

fn memory(group: &Group, limits: &Limits, is_new: bool) -> Result<()> {
    const SUM: &str = "memory.memsw.limit_in_bytes";
    let sum = match (limits.memory_swap, limits.memory) {
        // As docker does: as much swap again.
        (None, Some(bytes)) if is_new => Some(i64::try_from(bytes.saturating_mul(2)).unwrap_or(i64::MAX)),
        (sum, _) => sum,
    };
    let set_sum = |sum: i64| match group.set("memory-swap", SUM, &sum.to_string())? {
        // The file exists only where the kernel accounts swap. Elsewhere nothing limits it, which may be what is wanted.
        None if limits.memory_swap.is_some_and(|sum| sum >= 0) => {
            let why = " (swap is not accounted here: boot with swapaccount=1)";
            Err(no_file("memory-swap", &group.path, SUM, why))
        }
        _ => Ok(()),
    };
    // The sum may never be below the memory alone: who raises both begins with the sum, who lowers both with the memory.
    let sum_is_first = match sum {
        Some(sum) if !is_new => {
            let now = group.read(SUM).ok().and_then(|text| text.parse::<i64>().ok());
            sum < 0 || now.is_some_and(|now| sum > now)
        }
        _ => false,
    };
    if let (Some(sum), true) = (sum, sum_is_first) {
        set_sum(sum)?;
    }
    if let Some(bytes) = limits.memory {
        set(group, "memory", "memory.limit_in_bytes", &bytes.to_string())?;
    }
    if let (Some(sum), false) = (sum, sum_is_first) {
        set_sum(sum)?;
    }
    if let Some(bytes) = limits.memory_reservation {
        set(group, "memory-reservation", "memory.soft_limit_in_bytes", &bytes.to_string())?;
    }
    if let Some(swappiness) = limits.memory_swappiness {
        set(group, "memory-swappiness", "memory.swappiness", &swappiness.to_string())?;
    }
    if limits.oom_kill_disable {
        set(group, "oom-kill-disable", "memory.oom_control", "1")?;
    }
    Ok(())
}

fn cpu(group: &Group, limits: &Limits) -> Result<()> {
    let (flag, period, quota) = match limits.nano_cpus {
        Some(nano) => ("cpus", Some(CPU_PERIOD_US), Some(values::quota_us(nano) as i64)),
        None => ("cpu-quota", limits.cpu_period, limits.cpu_quota),
    };
    let period_flag = if limits.nano_cpus.is_some() { "cpus" } else { "cpu-period" };
    let set_period = |us: u64| set(group, period_flag, "cpu.cfs_period_us", &us.to_string());
    let set_quota = |us: i64| set(group, flag, "cpu.cfs_quota_us", &us.to_string());
    match (period, quota) {
        // A shorter period with the old quota may be more than the parent has. Then the quota goes first.
        (Some(period), Some(quota)) => match set_period(period) {
            Err(error) if error.is(Errno::INVAL) => {
                set_quota(quota)?;
                set_period(period)?;
            }
            done => {
                done?;
                set_quota(quota)?;
            }
        },
        (period, quota) => {
            period.map_or(Ok(()), set_period)?;
            quota.map_or(Ok(()), set_quota)?;
        }
    }
    if let Some(shares) = limits.cpu_shares {
        set(group, "cpu-shares", "cpu.shares", &shares.to_string())?;
    }
    Ok(())
}

fn disks(group: &Group, limits: &Limits) -> Result<()> {
    if let Some(weight) = limits.blkio_weight {
        // The first is of kernels from 5.0 on, where the scheduler BFQ is there; the second of older ones, with CFQ.
        let (flag, weight) = ("blkio-weight", weight.to_string());
        if group.set(flag, "blkio.bfq.weight", &weight)?.is_none()
            && group.set(flag, "blkio.weight", &weight)?.is_none()
        {
            let why = " (the disk scheduler bfq is not there: modprobe bfq)";
            return Err(no_file(flag, &group.path, "blkio.bfq.weight", why));
        }
    }
    for throttle in &limits.throttles {
        let name = match throttle.what {
            Rate::ReadBytes => "blkio.throttle.read_bps_device",
            Rate::WriteBytes => "blkio.throttle.write_bps_device",
            Rate::Reads => "blkio.throttle.read_iops_device",
            Rate::Writes => "blkio.throttle.write_iops_device",
        };
        let value = format!("{} {}", values::disk(throttle)?, throttle.rate);
        set(group, values::flag(throttle.what), name, &value)?;
    }
    Ok(())
}

/// A new cpuset is empty, and an empty one takes no process: what was not asked for is the parent's. The parents on the
/// way down may be new, too.
pub fn fill_cpuset(hierarchy: &Hierarchy, place: Place<'_>, group: &Group, limits: &Limits) -> Result<()> {
    for (name, asked) in [("cpuset.cpus", &limits.cpuset_cpus), ("cpuset.mems", &limits.cpuset_mems)] {
        let mut above = String::new();
        for level in hierarchy.levels(place) {
            let path = format!("{level}/{name}");
            let own = file::read_text(&path)?;
            if own.trim().is_empty() && !above.is_empty() {
                file::write_at(rustix::fs::CWD, &path, &above).tried_with(|| format!("write {above} to {path}"))?;
            } else {
                above = own.trim().into();
            }
        }
        if asked.is_none() {
            set(group, "cgroup-parent", name, &above)?;
        }
    }
    Ok(())
}

/// Lets the processes of a new cgroup open these devices only. On v1 that needs neither a file of rules nor a program:
/// each line is a rule, and what is not allowed is denied.
pub fn filter_devices(group: &Group, rules: &[Rule]) -> Result<()> {
    let write = |name: &str, lines: &mut dyn Iterator<Item = String>| {
        let file = at::open(group.dir.as_fd(), name, OFlags::WRONLY);
        let file = file.tried_with(|| format!("open {}/{name}", group.path))?;
        for line in lines {
            rustix::io::write(&file, line.as_bytes())
                .map_err(|errno| Error::os(format!("write \"{line}\" to {}/{name}", group.path), errno))?;
        }
        Ok(())
    };
    write("devices.deny", &mut core::iter::once("a".into()))?;
    write("devices.allow", &mut rules.iter().map(Rule::line))
}
