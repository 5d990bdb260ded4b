//! Resource limits: from flags to [`Limits`].

use super::super::args::Parsed;
use super::super::read::{self, device, whole};
use super::devices::is_disk;
use super::{bad, keep_last, wrong, wrongs};
use alloc::borrow::ToOwned;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::ops::RangeInclusive;
use mydocker::error::{self, Result};
use mydocker::kernel::file;
use mydocker::spec::{Limits, Rate, Throttle};

/// docker's smallest memory limit.
const MEMORY_BYTES_MIN: u64 = 6 << 20;
/// docker's range of CPU shares.
const CPU_SHARES: RangeInclusive<u64> = 2..=262_144;
/// Microseconds of a CPU quota's period that the kernel takes.
const CPU_PERIOD: RangeInclusive<u64> = 1000..=1_000_000;
/// The kernel's shortest CPU quota in microseconds.
const CPU_QUOTA_MIN: i64 = 1000;
/// Weight of disk use.
const BLKIO_WEIGHT: RangeInclusive<u64> = 10..=1000;
/// The largest swappiness of cgroup v1.
const SWAPPINESS_MAX: i64 = 100;

/// What the flags of `run`, `create` and `update` ask for. In all but two 0 is as good as not asked for; a limit on the
/// number of tasks is taken away by 0 and -1, which makes it -1 for `update`.
pub fn limits(parsed: &Parsed, limits: &mut Limits) -> Result<()> {
    let is_update = parsed.verb == "update";
    let amount = |key: &str, read: ReadAmount| Ok(parsed.read(key, read)?.filter(|amount| *amount > 0));
    limits.memory = amount("memory", read::bytes)?;
    limits.memory_reservation = amount("memory-reservation", read::bytes)?;
    limits.nano_cpus = amount("cpus", read::cpus)?;
    limits.cpu_period = amount("cpu-period", period)?;
    limits.cpu_shares = amount("cpu-shares", shares)?;
    limits.blkio_weight = amount("blkio-weight", weight)?;
    limits.memory_swap = parsed.read("memory-swap", swap)?.filter(|bytes| *bytes != 0);
    limits.memory_swappiness = parsed.read("memory-swappiness", swappiness)?.and_then(|number| number.try_into().ok());
    limits.oom_kill_disable = parsed.on("oom-kill-disable");
    limits.cpu_quota = parsed.read("cpu-quota", quota)?.filter(|us| *us != 0);
    if let Some(nano) = limits.nano_cpus {
        let cpus = read::cpu_list(&online("cpu"), "").map_or(1, |list| list.len());
        read::cpus_within(nano, cpus)?;
    }
    if let Some(list) = parsed.last("cpuset-cpus") {
        read::cpu_list(list, &online("cpu"))?;
        limits.cpuset_cpus = Some(list.to_owned());
    }
    if let Some(list) = parsed.last("cpuset-mems") {
        read::mem_list(list, &online("node"))?;
        limits.cpuset_mems = Some(list.to_owned());
    }
    limits.pids = match parsed.read("pids-limit", whole)? {
        Some(..=0) if is_update => Some(-1),
        pids => pids.filter(|pids| *pids > 0),
    };
    throttles(parsed, &mut limits.throttles)?;
    limits.cgroup_parent = parsed.read("cgroup-parent", cgroup_parent)?.unwrap_or_default();
    check(limits)?;
    if !is_update && limits.memory.is_none() && limits.memory_swap.is_some_and(|bytes| bytes > 0) {
        return Err(bad("You should always set the Memory limit when using Memoryswap limit, see usage"));
    }
    Ok(())
}

type ReadAmount = fn(&str) -> Result<u64>;

/// The limits of a container after `update` has asked for some: `had`, and over it what was `asked`.
pub fn updated(had: &Limits, asked: &Limits) -> Result<Limits> {
    let conflict = if asked.nano_cpus.is_some() && had.cpu_period.is_some() {
        ["Nano CPUs", "CPU Period"]
    } else if asked.nano_cpus.is_some() && had.cpu_quota.is_some_and(|us| us > 0) {
        ["Nano CPUs", "CPU Quota"]
    } else if asked.cpu_period.is_some() && had.nano_cpus.is_some() {
        ["CPU Period", "NanoCPUs"]
    } else if asked.cpu_quota.is_some() && had.nano_cpus.is_some() {
        ["CPU Quota", "NanoCPUs"]
    } else {
        [""; 2]
    };
    if !conflict[0].is_empty() {
        return Err(wrongs("Conflicting options: {} cannot be updated as {} has already been set", &conflict));
    }
    let mut limits = had.clone();
    // What was twice the memory when it was made stays what it was.
    limits.memory_swap = had.memory_swap.or_else(|| had.memory.map(|bytes| bytes.saturating_mul(2) as i64));
    if let (Some(memory), None, Some(swap @ 0..)) = (asked.memory, asked.memory_swap, limits.memory_swap)
        && memory > swap as u64
    {
        return Err(bad(
            "Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time",
        ));
    }
    limits.memory = asked.memory.or(had.memory);
    limits.memory_swap = asked.memory_swap.or(limits.memory_swap);
    limits.memory_reservation = asked.memory_reservation.or(had.memory_reservation);
    limits.nano_cpus = asked.nano_cpus.or(had.nano_cpus);
    limits.cpu_period = asked.cpu_period.or(had.cpu_period);
    limits.cpu_quota = asked.cpu_quota.or(had.cpu_quota);
    limits.cpu_shares = asked.cpu_shares.or(had.cpu_shares);
    limits.pids = asked.pids.or(had.pids);
    limits.blkio_weight = asked.blkio_weight.or(had.blkio_weight);
    if asked.cpuset_cpus.is_some() {
        limits.cpuset_cpus.clone_from(&asked.cpuset_cpus);
    }
    if asked.cpuset_mems.is_some() {
        limits.cpuset_mems.clone_from(&asked.cpuset_mems);
    }
    check(&limits)?;
    Ok(limits)
}

/// Whether the limits are possible, and fit together.
fn check(limits: &Limits) -> Result<()> {
    let (memory, reservation) = (limits.memory, limits.memory_reservation);
    let is_less = |a: Option<u64>, b: Option<u64>| a.zip(b).is_some_and(|(a, b)| a < b);
    let swap = limits.memory_swap.and_then(|swap| u64::try_from(swap).ok());
    let why = if is_less(memory, Some(MEMORY_BYTES_MIN)) {
        "Minimum memory limit allowed is 6MB"
    } else if is_less(swap, memory) {
        "Minimum memoryswap limit should be larger than memory limit, see usage"
    } else if is_less(reservation, Some(MEMORY_BYTES_MIN)) {
        "Minimum memory reservation allowed is 6MB"
    } else if is_less(memory, reservation) {
        "Minimum memory limit can not be less than memory reservation limit, see usage"
    } else if limits.nano_cpus.is_some() && limits.cpu_period.is_some() {
        "Conflicting options: Nano CPUs (--cpus) and CPU Period (--cpu-period) cannot both be set"
    } else if limits.nano_cpus.is_some() && limits.cpu_quota.is_some() {
        "Conflicting options: Nano CPUs (--cpus) and CPU Quota (--cpu-quota) cannot both be set"
    } else {
        return Ok(());
    };
    Err(bad(why))
}

/// A number of a range; 0 is none.
fn within(text: &str, range: &RangeInclusive<u64>, why: &str) -> Result<u64> {
    let number = u64::try_from(whole(text)?).unwrap_or(u64::MAX);
    if number == 0 || range.contains(&number) { Ok(number) } else { Err(bad(why)) }
}

fn shares(text: &str) -> Result<u64> {
    within(text, &CPU_SHARES, "CPU shares must be between 2 and 262144")
}

fn weight(text: &str) -> Result<u64> {
    within(text, &BLKIO_WEIGHT, "Range of blkio weight is from 10 to 1000")
}

fn period(text: &str) -> Result<u64> {
    let why = "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)";
    within(text, &CPU_PERIOD, why)
}

fn swap(text: &str) -> Result<i64> {
    if text == "-1" { Ok(-1) } else { read::bytes(text).map(|bytes| bytes as i64) }
}

/// 0 to 100, and -1 for not asked for.
fn swappiness(text: &str) -> Result<i64> {
    match whole(text)? {
        number @ -1..=SWAPPINESS_MAX => Ok(number),
        number => Err(wrong("invalid value: {}. Valid memory swappiness range is 0-100", &number.to_string())),
    }
}

fn quota(text: &str) -> Result<i64> {
    match whole(text)? {
        1..CPU_QUOTA_MIN => Err(bad("CPU cfs quota can not be less than 1ms (i.e. 1000)")),
        number => Ok(number.max(-1)),
    }
}

fn online(what: &str) -> String {
    file::read_text(&["/sys/devices/system/", what, "/online"].concat()).unwrap_or_default().trim().to_owned()
}

/// What `--device-read-bps` and its kind ask for; of two for the same the later one counts.
fn throttles(parsed: &Parsed, all: &mut Vec<Throttle>) -> Result<()> {
    for (key, what) in [
        ("device-read-bps", Rate::ReadBytes),
        ("device-write-bps", Rate::WriteBytes),
        ("device-read-iops", Rate::Reads),
        ("device-write-iops", Rate::Writes),
    ] {
        let read = if matches!(what, Rate::ReadBytes | Rate::WriteBytes) { device::bytes_limit } else { device::limit };
        let first = all.len();
        parsed.list(key, read, all)?;
        for throttle in &mut all[first..] {
            throttle.what = what;
            if let Err(errno) = is_disk(&throttle.device) {
                return Err(wrongs("cannot use --{} {}: {}", &[key, &throttle.device, &error::text(errno)]));
            }
        }
    }
    keep_last(all, &|one, later| one.what == later.what && one.device == later.device);
    Ok(())
}

/// A cgroup by its path from the root, with or without the first slash.
fn cgroup_parent(text: &str) -> Result<String> {
    let path = text.trim_matches('/');
    let is_word = |part: &str| !matches!(part, "" | "." | "..") && part.len() < 256;
    if path.is_empty() || !read::has_control(path) && path.split('/').all(is_word) {
        return Ok(path.to_owned());
    }
    Err(bad("it is not the path of a cgroup, such as /machine/ours"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    const MIB: u64 = 1 << 20;

    fn text<T: core::fmt::Debug>(result: Result<T>) -> String {
        result.map_or_else(|error| error.to_string(), |value| format!("{value:?}"))
    }

    #[test]
    fn values() {
        assert_eq!(text(swap("-1")), "-1");
        assert_eq!(text(swap("1m")), "1048576");
        assert_eq!(text(swap("-2")), "invalid size: '-2'");
        assert_eq!(text(swappiness("-1")), "-1");
        assert_eq!(text(swappiness("100")), "100");
        assert_eq!(text(swappiness("101")), "invalid value: 101. Valid memory swappiness range is 0-100");
        assert_eq!(text(period("0")), "0");
        assert_eq!(text(period("100000")), "100000");
        assert!(text(period("999")).starts_with("CPU cfs period can not be less than 1ms"));
        assert!(text(period("1000001")).starts_with("CPU cfs period can not be less than 1ms"));
        assert_eq!(text(quota("-7")), "-1");
        assert_eq!(text(quota("1000")), "1000");
        assert_eq!(text(quota("999")), "CPU cfs quota can not be less than 1ms (i.e. 1000)");
        assert_eq!(text(weight("1001")), "Range of blkio weight is from 10 to 1000");
        assert_eq!(text(weight("-10")), "Range of blkio weight is from 10 to 1000");
        assert_eq!(text(weight("x")), "it is not a whole number");
        assert_eq!(text(cgroup_parent("/a/b.slice/")), "\"a/b.slice\"");
        assert_eq!(text(cgroup_parent("/")), "\"\"");
        for wrong in ["..", "a/../b", "a//b", "./a", "a\nb"] {
            assert!(text(cgroup_parent(wrong)).starts_with("it is not the path"), "{wrong}");
        }
    }

    #[test]
    fn what_fits_together() {
        let memory = Limits { memory: Some(100 * MIB), ..Limits::default() };
        for (limits, want) in [
            (Limits { memory: Some(6 * MIB), ..Limits::default() }, "()"),
            (Limits { memory: Some(6 * MIB - 1), ..Limits::default() }, "Minimum memory limit allowed is 6MB"),
            (Limits { memory_swap: Some(-1), ..memory.clone() }, "()"),
            (Limits { memory_swap: Some(100 << 20), ..memory.clone() }, "()"),
            (
                Limits { memory_swap: Some(50 << 20), ..memory.clone() },
                "Minimum memoryswap limit should be larger than memory limit, see usage",
            ),
            (Limits { memory_reservation: Some(5), ..Limits::default() }, "Minimum memory reservation allowed is 6MB"),
            (
                Limits { memory_reservation: Some(101 * MIB), ..memory },
                "Minimum memory limit can not be less than memory reservation limit, see usage",
            ),
            (
                Limits { nano_cpus: Some(1), cpu_quota: Some(1), ..Limits::default() },
                "Conflicting options: Nano CPUs (--cpus) and CPU Quota (--cpu-quota) cannot both be set",
            ),
        ] {
            assert_eq!(text(check(&limits)), want);
        }
    }

    #[test]
    fn updates() {
        let had = Limits { memory: Some(100 * MIB), pids: Some(9), nano_cpus: Some(1), ..Limits::default() };
        let update = |asked: Limits| updated(&had, &asked);
        let new = update(Limits { memory: Some(150 * MIB), pids: Some(-1), ..Limits::default() }).unwrap();
        assert_eq!((new.memory, new.memory_swap, new.pids), (Some(150 * MIB), Some(200 << 20), Some(-1)));
        assert_eq!(new.nano_cpus, Some(1));
        let swap = "Memory limit should be smaller than already set memoryswap limit";
        assert!(text(update(Limits { memory: Some(201 * MIB), ..Limits::default() }).map(drop)).starts_with(swap));
        let both = Limits { memory: Some(300 * MIB), memory_swap: Some(-1), ..Limits::default() };
        assert_eq!(update(both).unwrap().memory_swap, Some(-1));
        let quota = text(update(Limits { cpu_quota: Some(5000), ..Limits::default() }).map(drop));
        assert_eq!(quota, "Conflicting options: CPU Quota cannot be updated as NanoCPUs has already been set");
    }
}
