//! Resource limits: from flags to [`Limits`].

use super::super::args::Parsed;
use super::super::human::visible;
use super::super::read::{self, device};
use super::bad;
use super::devices::is_disk;
use mydocker::error::{self, Error, Result};
use mydocker::kernel::file;
use mydocker::spec::{Limits, Rate, Throttle};
use std::ops::RangeInclusive;

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
const SWAPPINESS_MAX: u64 = 100;

/// What the flags of `run`, `create` and `update` ask for. In all but one 0 is as good as not asked for; a limit on the
/// number of tasks is taken away by 0 and -1, which makes it -1 for `update`.
pub fn limits(parsed: &Parsed) -> Result<Limits> {
    let is_update = parsed.verb == "update";
    let memory = |key: &str| Ok(parsed.read(key, read::bytes)?.filter(|bytes| *bytes > 0));
    let pids = parsed.read("pids-limit", whole)?;
    let limits = Limits {
        memory: memory("memory")?,
        memory_swap: parsed.read("memory-swap", swap)?.filter(|bytes| *bytes != 0),
        memory_reservation: memory("memory-reservation")?,
        memory_swappiness: parsed.read("memory-swappiness", swappiness)?.flatten(),
        oom_kill_disable: parsed.on("oom-kill-disable"),
        nano_cpus: nano_cpus(parsed)?,
        cpu_period: parsed.read("cpu-period", period)?.filter(|us| *us != 0),
        cpu_quota: parsed.read("cpu-quota", quota)?.filter(|us| *us != 0),
        cpu_shares: parsed.read("cpu-shares", |text| within(text, &CPU_SHARES, SHARES))?.flatten(),
        cpuset_cpus: cpuset(parsed, "cpuset-cpus", "cpu", read::cpu_list)?,
        cpuset_mems: cpuset(parsed, "cpuset-mems", "node", read::mem_list)?,
        pids: if is_update { pids.map(|n| if n > 0 { n } else { -1 }) } else { pids.filter(|n| *n > 0) },
        blkio_weight: parsed.read("blkio-weight", |text| within(text, &BLKIO_WEIGHT, WEIGHT))?.flatten(),
        throttles: throttles(parsed)?,
        cgroup_parent: parsed.read("cgroup-parent", cgroup_parent)?.unwrap_or_default(),
    };
    check(&limits)?;
    if !is_update && limits.memory.is_none() && limits.memory_swap.is_some_and(|bytes| bytes > 0) {
        return Err(bad("You should always set the Memory limit when using Memoryswap limit, see usage"));
    }
    Ok(limits)
}

/// The limits of a container after `update` has asked for some: `had`, and over it what was `asked`.
pub fn updated(had: &Limits, asked: &Limits) -> Result<Limits> {
    let conflict = |what: &str, other: &str| {
        Err(bad(format!("Conflicting options: {what} cannot be updated as {other} has already been set")))
    };
    if asked.nano_cpus.is_some() && had.cpu_period.is_some() {
        return conflict("Nano CPUs", "CPU Period");
    }
    if asked.nano_cpus.is_some() && had.cpu_quota.is_some_and(|us| us > 0) {
        return conflict("Nano CPUs", "CPU Quota");
    }
    if asked.cpu_period.is_some() && had.nano_cpus.is_some() {
        return conflict("CPU Period", "NanoCPUs");
    }
    if asked.cpu_quota.is_some() && had.nano_cpus.is_some() {
        return conflict("CPU Quota", "NanoCPUs");
    }
    let old_swap = had.memory_swap.or_else(|| had.memory.map(|bytes| bytes.saturating_mul(2) as i64));
    if let (Some(memory), None, Some(swap @ 0..)) = (asked.memory, asked.memory_swap, old_swap)
        && memory > swap as u64
    {
        return Err(bad(
            "Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time",
        ));
    }
    let limits = Limits {
        memory: asked.memory.or(had.memory),
        // What was twice the memory when it was made stays what it was.
        memory_swap: asked.memory_swap.or(old_swap),
        memory_reservation: asked.memory_reservation.or(had.memory_reservation),
        nano_cpus: asked.nano_cpus.or(had.nano_cpus),
        cpu_period: asked.cpu_period.or(had.cpu_period),
        cpu_quota: asked.cpu_quota.or(had.cpu_quota),
        cpu_shares: asked.cpu_shares.or(had.cpu_shares),
        cpuset_cpus: asked.cpuset_cpus.clone().or_else(|| had.cpuset_cpus.clone()),
        cpuset_mems: asked.cpuset_mems.clone().or_else(|| had.cpuset_mems.clone()),
        pids: asked.pids.or(had.pids),
        blkio_weight: asked.blkio_weight.or(had.blkio_weight),
        ..had.clone()
    };
    check(&limits)?;
    Ok(limits)
}

/// Whether the limits are possible, and fit together.
fn check(limits: &Limits) -> Result<()> {
    let memory = limits.memory;
    let too_little = |bytes: Option<u64>| bytes.is_some_and(|bytes| bytes < MEMORY_BYTES_MIN);
    if too_little(memory) {
        return Err(bad("Minimum memory limit allowed is 6MB"));
    }
    if memory.zip(limits.memory_swap).is_some_and(|(memory, swap)| swap >= 0 && (swap as u64) < memory) {
        return Err(bad("Minimum memoryswap limit should be larger than memory limit, see usage"));
    }
    if too_little(limits.memory_reservation) {
        return Err(bad("Minimum memory reservation allowed is 6MB"));
    }
    if memory.zip(limits.memory_reservation).is_some_and(|(memory, reservation)| memory < reservation) {
        return Err(bad("Minimum memory limit can not be less than memory reservation limit, see usage"));
    }
    if limits.nano_cpus.is_some() && limits.cpu_period.is_some() {
        return Err(bad("Conflicting options: Nano CPUs (--cpus) and CPU Period (--cpu-period) cannot both be set"));
    }
    if limits.nano_cpus.is_some() && limits.cpu_quota.is_some() {
        return Err(bad("Conflicting options: Nano CPUs (--cpus) and CPU Quota (--cpu-quota) cannot both be set"));
    }
    Ok(())
}

fn whole(text: &str) -> Result<i64> {
    text.parse().map_err(|_| Error::new("it is not a whole number"))
}

const SHARES: &str = "CPU shares must be between 2 and 262144";
const WEIGHT: &str = "Range of blkio weight is from 10 to 1000";

/// A number of a range; 0 is none.
fn within(text: &str, range: &RangeInclusive<u64>, why: &str) -> Result<Option<u64>> {
    match whole(text)? {
        0 => Ok(None),
        number => u64::try_from(number).ok().filter(|n| range.contains(n)).map(Some).ok_or_else(|| Error::new(why)),
    }
}

fn swap(text: &str) -> Result<i64> {
    if text == "-1" { Ok(-1) } else { read::bytes(text).map(|bytes| bytes as i64) }
}

fn swappiness(text: &str) -> Result<Option<u64>> {
    match whole(text)? {
        -1 => Ok(None),
        number => match u64::try_from(number) {
            Ok(number @ ..=SWAPPINESS_MAX) => Ok(Some(number)),
            _ => Err(Error::new(format!("invalid value: {number}. Valid memory swappiness range is 0-100"))),
        },
    }
}

fn period(text: &str) -> Result<u64> {
    let why = "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)";
    within(text, &CPU_PERIOD, why).map(Option::unwrap_or_default)
}

fn quota(text: &str) -> Result<i64> {
    match whole(text)? {
        ..0 => Ok(-1),
        0 => Ok(0),
        CPU_QUOTA_MIN.. => whole(text),
        _ => Err(Error::new("CPU cfs quota can not be less than 1ms (i.e. 1000)")),
    }
}

fn online(what: &str) -> String {
    file::read_text(&format!("/sys/devices/system/{what}/online")).unwrap_or_default().trim().to_owned()
}

fn nano_cpus(parsed: &Parsed) -> Result<Option<u64>> {
    let nano_cpus = parsed.read("cpus", read::cpus)?.filter(|nano| *nano > 0);
    if let Some(nano) = nano_cpus {
        let cpus = read::cpu_list(&online("cpu"), "").map_or(1, |list| list.len());
        read::cpus_within(nano, cpus)?;
    }
    Ok(nano_cpus)
}

type ReadList = fn(&str, &str) -> Result<Vec<u32>>;

fn cpuset(parsed: &Parsed, key: &str, what: &str, read: ReadList) -> Result<Option<String>> {
    let Some(list) = parsed.last(key) else { return Ok(None) };
    read(list, &online(what))?;
    Ok(Some(list.to_owned()))
}

/// What `--device-read-bps` and its kind ask for; of two for the same the later one counts.
fn throttles(parsed: &Parsed) -> Result<Vec<Throttle>> {
    let mut all: Vec<Throttle> = Vec::new();
    for (key, what) in [
        ("device-read-bps", Rate::ReadBytes),
        ("device-write-bps", Rate::WriteBytes),
        ("device-read-iops", Rate::Reads),
        ("device-write-iops", Rate::Writes),
    ] {
        let is_bytes = matches!(what, Rate::ReadBytes | Rate::WriteBytes);
        let read = if is_bytes { device::bytes_per_second } else { device::operations_per_second };
        for (device, rate) in parsed.read_all(key, read)? {
            is_disk(&device)
                .map_err(|errno| bad(format!("cannot use --{key} {}: {}", visible(&device), error::text(errno))))?;
            all.retain(|other| other.what != what || other.device != device);
            all.push(Throttle { device, what, rate });
        }
    }
    Ok(all)
}

/// A cgroup by its path from the root, with or without the first slash.
fn cgroup_parent(text: &str) -> Result<String> {
    let is_word = |part: &str| !["", ".", ".."].contains(&part) && !part.contains(char::is_control) && part.len() < 256;
    let path = text.trim_matches('/');
    if path.is_empty() || path.split('/').all(is_word) {
        return Ok(path.to_owned());
    }
    Err(Error::new("it is not the path of a cgroup, such as /machine/ours"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn text<T: core::fmt::Debug>(result: Result<T>) -> String {
        result.map_or_else(|error| error.to_string(), |value| format!("{value:?}"))
    }

    #[test]
    fn values() {
        assert_eq!(text(swap("-1")), "-1");
        assert_eq!(text(swap("1m")), "1048576");
        assert_eq!(text(swap("-2")), "invalid size: '-2'");
        assert_eq!(text(swappiness("-1")), "None");
        assert_eq!(text(swappiness("100")), "Some(100)");
        assert_eq!(text(swappiness("101")), "invalid value: 101. Valid memory swappiness range is 0-100");
        assert_eq!(text(period("0")), "0");
        assert_eq!(text(period("100000")), "100000");
        assert!(text(period("999")).starts_with("CPU cfs period can not be less than 1ms"));
        assert!(text(period("1000001")).starts_with("CPU cfs period can not be less than 1ms"));
        assert_eq!(text(quota("-7")), "-1");
        assert_eq!(text(quota("1000")), "1000");
        assert_eq!(text(quota("999")), "CPU cfs quota can not be less than 1ms (i.e. 1000)");
        assert_eq!(text(within("1001", &BLKIO_WEIGHT, WEIGHT)), WEIGHT);
        assert_eq!(text(within("-10", &BLKIO_WEIGHT, WEIGHT)), WEIGHT);
        assert_eq!(text(within("x", &BLKIO_WEIGHT, WEIGHT)), "it is not a whole number");
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
