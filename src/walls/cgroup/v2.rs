//! Limits and devices on cgroup v2. Documentation/admin-guide/cgroup-v2.rst

use super::place::{Group, Hierarchy, Place};
use super::rules::{self, Rule};
use super::values::{self, CPU_PERIOD_US, no_file};
use crate::error::{Error, Result};
use crate::kernel::{bpf, file};
use crate::spec::{Limits, Rate};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use rustix::fd::AsFd;
use rustix::fs::CWD;
use rustix::io::Errno;

/// Those that cannot be where processes are come first, see [`pass_on`].
const CONTROLLERS: [&str; 5] = ["memory", "io", "cpu", "cpuset", "pids"];
const ENABLED: &str = "cgroup.subtree_control";

/// Has every level on the way down pass its controllers on. One that is missed is missed only by a limit that needs it,
/// and that one says so.
pub fn enable(hierarchy: &Hierarchy, place: Place<'_>) {
    for level in hierarchy.levels(place) {
        pass_on(&level);
    }
}

/// Has one cgroup pass its controllers on to those in it. Returns what it could not, and why.
fn pass_on(level: &str) -> Vec<(&'static str, Errno)> {
    let file = format!("{level}/{ENABLED}");
    // A write waits for cgroups that are just going away, a read does not: nearly always all is as it should be.
    let now = file::read_text(&file).unwrap_or_default();
    let missing = || CONTROLLERS.into_iter().filter(|name| !now.split_whitespace().any(|word| word == *name));
    let all: Vec<String> = missing().map(|name| format!("+{name}")).collect();
    let write = |words: &str| file::write_at(CWD, &file, words).err();
    let Some(mut errno) = (if all.is_empty() { None } else { write(&all.join(" ")) }) else { return Vec::new() };
    let mut failed = Vec::new();
    for name in missing() {
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

/// A limit's way into the kernel.
struct Setter<'a> {
    hierarchy: &'a Hierarchy,
    place: Place<'a>,
    group: &'a Group,
}

impl Setter<'_> {
    /// Writes a value that must have a file.
    fn set(&self, limit: &str, name: &str, value: &str) -> Result<()> {
        self.group.set(limit, name, value)?.ok_or_else(|| self.why_not(limit, name))
    }

    /// Why a file is missing: some level does not pass its controller on, or the kernel has no such file.
    fn why_not(&self, limit: &str, name: &str) -> Error {
        let controller = name.split('.').next().unwrap_or(name);
        for level in self.hierarchy.levels(self.place) {
            let failed = pass_on(&level).into_iter().find(|(failed, _)| *failed == controller);
            if let Some((_, errno)) = failed {
                let why = match errno {
                    Errno::NOENT | Errno::INVAL => " (the kernel or a cgroup above does not give that controller)",
                    Errno::BUSY | Errno::OPNOTSUPP => " (it has processes of its own: choose another --cgroup-parent)",
                    _ => "",
                };
                return Error::os(
                    format!("cannot set --{limit}: write +{controller} to {level}/{ENABLED}{why}"),
                    errno,
                );
            }
        }
        no_file(limit, &self.group.path, name, " (this kernel has no such limit)")
    }
}

/// Sets what is asked for of the limits. A new cgroup gets docker's defaults, too.
pub fn limit(hierarchy: &Hierarchy, place: Place<'_>, group: &Group, limits: &Limits, is_new: bool) -> Result<()> {
    let setter = Setter { hierarchy, place, group };
    memory(&setter, limits, is_new)?;
    if let Some(pids) = limits.pids {
        // No limit is what holds where there is no controller.
        match group.set("pids-limit", "pids.max", &values::tasks(pids))? {
            None if pids > 0 => return Err(setter.why_not("pids-limit", "pids.max")),
            _ => {}
        }
    }
    if let Some((flag, value)) = cpu_max(limits, || group.read("cpu.max")) {
        setter.set(flag, "cpu.max", &value)?;
    }
    if let Some(shares) = limits.cpu_shares {
        setter.set("cpu-shares", "cpu.weight", &weight(shares).to_string())?;
    }
    if let Some(cpus) = &limits.cpuset_cpus {
        setter.set("cpuset-cpus", "cpuset.cpus", cpus)?;
    }
    if let Some(mems) = &limits.cpuset_mems {
        setter.set("cpuset-mems", "cpuset.mems", mems)?;
    }
    disks(&setter, limits)
}

fn memory(setter: &Setter<'_>, limits: &Limits, is_new: bool) -> Result<()> {
    let refuse = |flag: &str, file: &str| {
        Err(Error::new(format!("cannot set --{flag}: cgroup v2 has no {file} (leave the flag out on this host)")))
    };
    if limits.memory_swappiness.is_some() {
        return refuse("memory-swappiness", "memory.swappiness");
    }
    if limits.oom_kill_disable {
        return refuse("oom-kill-disable", "memory.oom_control");
    }
    if let Some(bytes) = limits.memory {
        setter.set("memory", "memory.max", &bytes.to_string())?;
    }
    if let Some(swap) = swap_max(limits, is_new, || setter.group.read("memory.max"))? {
        match setter.group.set("memory-swap", "memory.swap.max", &swap)? {
            // The file exists only where the kernel accounts swap. Elsewhere nothing limits it, which may be what is wanted.
            None if limits.memory_swap.is_some_and(|sum| sum >= 0) => {
                return Err(setter.why_not("memory-swap", "memory.swap.max"));
            }
            _ => {}
        }
    }
    if let Some(bytes) = limits.memory_reservation {
        setter.set("memory-reservation", "memory.low", &bytes.to_string())?;
    }
    Ok(())
}

/// memory.swap.max counts swap alone; docker's limit is memory and swap together.
fn swap_max(limits: &Limits, is_new: bool, memory_now: impl FnOnce() -> Result<String>) -> Result<Option<String>> {
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
        None => Err(Error::new(format!("cannot set --memory-swap: {sum} is below the limit of memory"))),
    }
}

/// cpu.max is quota and period in one; the flag is the one to blame.
fn cpu_max(limits: &Limits, now: impl FnOnce() -> Result<String>) -> Option<(&'static str, String)> {
    if let Some(nano) = limits.nano_cpus {
        return Some(("cpus", format!("{} {CPU_PERIOD_US}", values::quota_us(nano))));
    }
    let quota = limits.cpu_quota.map(|us| if us < 0 { "max".into() } else { us.to_string() });
    match (quota, limits.cpu_period) {
        (Some(quota), Some(period)) => Some(("cpu-quota", format!("{quota} {period}"))),
        (Some(quota), None) => Some(("cpu-quota", quota)), // the period stays
        (None, Some(period)) => {
            let now = now().unwrap_or_default(); // without the file the write fails, and tells
            let quota = now.split(' ').next().filter(|quota| !quota.is_empty()).unwrap_or("max");
            Some(("cpu-period", format!("{quota} {period}")))
        }
        (None, None) => None,
    }
}

/// cpu.weight (1–10000) for cpu.shares (2–262144), the mapping that runc uses.
fn weight(shares: u64) -> u64 {
    1 + (shares.clamp(2, 262_144) - 2) * 9999 / 262_142
}

/// io.weight (1–10000) for blkio.weight (10–1000), likewise.
fn io_weight(weight: u64) -> u64 {
    1 + (weight.clamp(10, 1000) - 10) * 9999 / 990
}

fn disks(setter: &Setter<'_>, limits: &Limits) -> Result<()> {
    if let Some(weight) = limits.blkio_weight {
        // The scheduler BFQ has a file of its own, with the range of v1.
        if setter.group.set("blkio-weight", "io.bfq.weight", &weight.to_string())?.is_none() {
            setter.set("blkio-weight", "io.weight", &io_weight(weight).to_string())?;
        }
    }
    for throttle in &limits.throttles {
        let what = match throttle.what {
            Rate::ReadBytes => "rbps",
            Rate::WriteBytes => "wbps",
            Rate::Reads => "riops",
            Rate::Writes => "wiops",
        };
        let value = format!("{} {what}={}", values::disk(throttle)?, throttle.rate);
        setter.set(values::flag(throttle.what), "io.max", &value)?;
    }
    Ok(())
}

/// Lets the processes of a new cgroup open these devices only. False on a kernel that cannot (no CONFIG_CGROUP_BPF), or
/// where we may not: then whoever asks must see to it that no device node can be made.
pub fn filter_devices(group: &Group, rules: &[Rule]) -> bool {
    bpf::attach_device_filter(group.dir.as_fd(), &rules::program(rules)).is_ok()
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
            swap_max(&limits, is_new, || Ok("30".into())).map_err(|e| format!("{e}"))
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
        assert!(swap_max(&limits, true, || Ok("max".into())).is_err());
    }

    #[test]
    fn quotas() {
        let max = |nano_cpus, cpu_quota, cpu_period| {
            let limits = Limits { nano_cpus, cpu_period, cpu_quota, ..Limits::default() };
            cpu_max(&limits, || Ok("max 100000".into())).map(|(flag, value)| format!("{flag} {value}"))
        };
        assert_eq!(max(None, None, None), None);
        assert_eq!(max(Some(1_500_000_000), None, None).unwrap(), "cpus 150000 100000");
        assert_eq!(max(None, Some(25_000), Some(50_000)).unwrap(), "cpu-quota 25000 50000");
        assert_eq!(max(None, Some(25_000), None).unwrap(), "cpu-quota 25000");
        assert_eq!(max(None, Some(-1), None).unwrap(), "cpu-quota max");
        assert_eq!(max(None, None, Some(50_000)).unwrap(), "cpu-period max 50000");
    }
}
