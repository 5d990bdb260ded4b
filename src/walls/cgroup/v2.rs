//! Limits and devices on cgroup v2. Documentation/admin-guide/cgroup-v2.rst

use super::place::{Group, Hierarchy, Place};
use super::rules::{self, Rule};
use super::setter::Setter;
use super::values::{self, CPU_PERIOD_US};
use crate::error::{Error, Result};
use crate::kernel::{bpf, file};
use crate::spec::Limits;
use crate::spec::words;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use rustix::fd::AsFd;
use rustix::fs::CWD;
use rustix::io::Errno;

/// Those that cannot be where processes are come first, see [`pass_on`].
pub const CONTROLLERS: &str = "memory io cpu cpuset pids";
/// More of them for a bundle, where they are.
const OF_BUNDLES: &str = "hugetlb rdma misc";
/// Where a cgroup says what it passes on.
pub const ENABLED: &str = "cgroup.subtree_control";

/// Has every level on the way down pass its controllers on. One that is missed is missed only by a limit that needs it,
/// and that one says so.
pub fn enable(hierarchy: &Hierarchy, place: Place<'_>) {
    let mut wanted = String::from(CONTROLLERS);
    if place.is_of_bundle() {
        let given = file::read_text(&[&hierarchy.path, "/cgroup.controllers"].concat()).unwrap_or_default();
        for name in OF_BUNDLES.split(' ').filter(|name| words::has(given.trim_end(), name)) {
            wanted.extend([" ", name]);
        }
    }
    for level in hierarchy.levels(place) {
        pass_on(&level, &wanted);
    }
}

/// Has one cgroup pass its controllers on to those in it. Returns what it could not, and why.
pub fn pass_on<'a>(level: &str, wanted: &'a str) -> Vec<(&'a str, Errno)> {
    let file = format!("{level}/{ENABLED}");
    // A write waits for cgroups that are just going away, a read does not: nearly always all is as it should be.
    let now = file::read_text(&file).unwrap_or_default();
    let (mut missing, mut all) = (Vec::new(), String::new());
    for name in wanted.split(' ') {
        if !now.split_whitespace().any(|word| word == name) {
            all.push_str(if all.is_empty() { "+" } else { " +" });
            all.push_str(name);
            missing.push(name);
        }
    }
    let write = |words: &str| file::write_at(CWD, &file, words).err();
    let Some(mut errno) = (if all.is_empty() { None } else { write(&all) }) else { return Vec::new() };
    let mut failed = Vec::new();
    for name in missing {
        // All or nothing was nothing: each alone. But in a cgroup that has processes some would be taken, and make it one
        // of threads, in which nothing can be started any more.
        if !matches!(errno, Errno::BUSY | Errno::OPNOTSUPP) {
            match write(&format!("+{name}")) {
                None => continue,
                Some(other) => errno = other,
            }
        }
        failed.push((name, errno));
    }
    failed
}

/// Sets what is asked for of the limits. A new cgroup gets docker's defaults, too.
pub fn limit(setter: &Setter<'_>, limits: &Limits, is_new: bool) -> Result<()> {
    memory(setter, limits, is_new)?;
    if let Some(pids) = limits.pids {
        // No limit is what holds where there is no controller.
        set_or_none(setter, "pids-limit", "pids.max", &values::tasks(pids), pids > 0)?;
    }
    if let Some((flag, value)) = cpu_max(limits, &|| setter.group.read("cpu.max")) {
        setter.set(flag, "cpu.max", &value)?;
    }
    setter.number("cpu-shares", "cpu.weight", limits.cpu_shares.map(weight))?;
    setter.cpusets(limits)?;
    disks(setter, limits)
}

/// Writes a value whose file may be missing, unless it `matters`.
fn set_or_none(setter: &Setter<'_>, limit: &str, name: &str, value: &str, matters: bool) -> Result<()> {
    match setter.group.set(limit, name, value)? {
        None if matters => Err(setter.why_not(limit, name)),
        _ => Ok(()),
    }
}

fn memory(setter: &Setter<'_>, limits: &Limits, is_new: bool) -> Result<()> {
    for (is_asked, flag, file) in [
        (limits.memory_swappiness.is_some(), "memory-swappiness", "memory.swappiness"),
        (limits.oom_kill_disable, "oom-kill-disable", "memory.oom_control"),
    ] {
        if is_asked {
            let why = format!("cgroup v2 has no {file} (leave the flag out on this host)");
            return Err(Error::new(format_args!("cannot set --{flag}: {why}")));
        }
    }
    setter.number("memory", "memory.max", limits.memory)?;
    if let Some(swap) = swap_max(limits, is_new, &|| setter.group.read("memory.max"))? {
        // The file exists only where the kernel accounts swap. Elsewhere nothing limits it, which may be what is wanted.
        let matters = limits.memory_swap.is_some_and(|sum| sum >= 0);
        set_or_none(setter, "memory-swap", "memory.swap.max", &swap, matters)?;
    }
    setter.number("memory-reservation", "memory.low", limits.memory_reservation)
}

/// memory.swap.max counts swap alone; docker's limit is memory and swap together.
fn swap_max(limits: &Limits, is_new: bool, memory_now: &dyn Fn() -> Result<String>) -> Result<Option<String>> {
    let sum = match (limits.memory_swap, limits.memory) {
        (Some(sum), _) => sum,
        (None, Some(bytes)) if is_new => return Ok(Some(bytes.to_string())), // as docker does: as much swap again
        (None, _) => return Ok(None),
    };
    let Ok(sum) = u64::try_from(sum) else { return Ok(Some("max".into())) };
    let memory = match limits.memory {
        Some(bytes) => Some(bytes),
        None => memory_now()?.parse().ok(),
    };
    match memory.and_then(|memory| sum.checked_sub(memory)) {
        Some(swap) => Ok(Some(swap.to_string())),
        None if memory.is_none() => Err(Error::new("cannot set --memory-swap: there is no limit of memory (--memory)")),
        None => Err(Error::new(format_args!("cannot set --memory-swap: {sum} is below the limit of memory"))),
    }
}

/// cpu.max is quota and period in one. What is not asked for stays.
pub fn quota_in_period(quota: Option<i64>, period: Option<u64>, now: &dyn Fn() -> Result<String>) -> String {
    let mut value: String = match quota {
        Some(us) if us >= 0 => us.to_string(),
        Some(_) => "max".into(),
        None => {
            let now = now().unwrap_or_default(); // without the file the write fails, and tells
            now.split(' ').next().filter(|quota| !quota.is_empty()).unwrap_or("max").into()
        }
    };
    if let Some(us) = period {
        value.extend([" ", &us.to_string()]);
    }
    value
}

/// The same for limits; the flag is the one to blame.
fn cpu_max(limits: &Limits, now: &dyn Fn() -> Result<String>) -> Option<(&'static str, String)> {
    if let Some(nano) = limits.nano_cpus {
        return Some(("cpus", format!("{} {CPU_PERIOD_US}", values::quota_us(nano))));
    }
    let flag = match (limits.cpu_quota, limits.cpu_period) {
        (None, None) => return None,
        (None, _) => "cpu-period",
        _ => "cpu-quota",
    };
    Some((flag, quota_in_period(limits.cpu_quota, limits.cpu_period, now)))
}

/// cpu.weight (1–10000) for cpu.shares (2–262144), the mapping that runc uses.
pub fn weight(shares: u64) -> u64 {
    1 + (shares.clamp(2, 262_144) - 2) * 9999 / 262_142
}

/// io.weight (1–10000) for blkio.weight (10–1000), likewise.
pub fn io_weight(weight: u64) -> u64 {
    1 + (weight.clamp(10, 1000) - 10) * 9999 / 990
}

fn disks(setter: &Setter<'_>, limits: &Limits) -> Result<()> {
    if let Some(weight) = limits.blkio_weight {
        // The scheduler BFQ has a file of its own, with the range of v1.
        if setter.group.set("blkio-weight", "io.bfq.weight", &weight.to_string())?.is_none() {
            setter.number("blkio-weight", "io.weight", Some(io_weight(weight)))?;
        }
    }
    for throttle in &limits.throttles {
        let (flag, _, what) = values::throttle(throttle.what);
        setter.set(flag, "io.max", &format!("{} {what}={}", values::disk(throttle)?, throttle.rate))?;
    }
    Ok(())
}

/// Lets the processes of a new cgroup open these devices only, or (`rest`) all others. False on a kernel that cannot (no CONFIG_CGROUP_BPF), or
/// where we may not: then whoever asks must see to it that no device node can be made.
pub fn filter_devices(group: &Group, rules: &[Rule], rest: bool) -> bool {
    bpf::attach_device_filter(group.dir.as_fd(), &rules::program(rules, rest)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights() {
        assert_eq!((weight(2), weight(512), weight(1024), weight(262_144)), (1, 20, 39, 10_000));
        assert_eq!((io_weight(10), io_weight(500), io_weight(1000)), (1, 4950, 10_000));
    }

    #[test]
    fn swap_is_what_is_left_of_the_sum() {
        let swap = |memory, memory_swap, is_new| {
            let limits = Limits { memory, memory_swap, ..Limits::default() };
            swap_max(&limits, is_new, &|| Ok("30".into())).map_err(|e| format!("{e}"))
        };
        assert_eq!(swap(Some(20), None, true), Ok(Some("20".into())));
        assert_eq!(swap(Some(20), None, false), Ok(None));
        assert_eq!(swap(Some(20), Some(50), true), Ok(Some("30".into())));
        assert_eq!(swap(Some(20), Some(20), true), Ok(Some("0".into())));
        assert_eq!(swap(Some(20), Some(-1), true), Ok(Some("max".into())));
        assert_eq!(swap(None, Some(-1), false), Ok(Some("max".into())));
        assert_eq!(swap(None, Some(50), false), Ok(Some("20".into())));
        assert!(swap(Some(20), Some(10), true).unwrap_err().contains("--memory-swap"));
        let limits = Limits { memory_swap: Some(50), ..Limits::default() };
        assert!(swap_max(&limits, true, &|| Ok("max".into())).is_err());
    }

    #[test]
    fn quotas() {
        let max = |nano_cpus, cpu_quota, cpu_period| {
            let limits = Limits { nano_cpus, cpu_period, cpu_quota, ..Limits::default() };
            cpu_max(&limits, &|| Ok("max 100000".into())).map(|(flag, value)| format!("{flag} {value}"))
        };
        assert_eq!(max(None, None, None), None);
        assert_eq!(max(Some(1_500_000_000), None, None).unwrap(), "cpus 150000 100000");
        assert_eq!(max(None, Some(25_000), Some(50_000)).unwrap(), "cpu-quota 25000 50000");
        assert_eq!(max(None, Some(25_000), None).unwrap(), "cpu-quota 25000");
        assert_eq!(max(None, Some(-1), None).unwrap(), "cpu-quota max");
        assert_eq!(max(None, None, Some(50_000)).unwrap(), "cpu-period max 50000");
    }
}
