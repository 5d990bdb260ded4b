//! Resource limits: from flags to [`Limits`].

use super::super::args::Parsed;
use super::super::read;
use super::bad;
use mydocker::error::{Error, Result};
use mydocker::kernel::file;
use mydocker::spec::Limits;

/// docker's smallest memory limit.
const MEMORY_BYTES_MIN: u64 = 6 << 20;
/// docker's range of CPU shares.
const CPU_SHARES: std::ops::RangeInclusive<u64> = 2..=262_144;

/// What the flags of `run`, `create` and `update` ask for.
pub fn limits(parsed: &Parsed) -> Result<Limits> {
    let online = |what: &str| file::read_text(&format!("/sys/devices/system/{what}/online")).unwrap_or_default();
    let memory = parsed.read("memory", read::bytes)?.filter(|bytes| *bytes > 0);
    if memory.is_some_and(|bytes| bytes < MEMORY_BYTES_MIN) {
        return Err(bad("Minimum memory limit allowed is 6MB"));
    }
    let nano_cpus = parsed.read("cpus", read::cpus)?.filter(|nano| *nano > 0);
    if let Some(nano) = nano_cpus {
        let cpus = read::cpu_list(online("cpu").trim(), "").map_or(1, |list| list.len());
        read::cpus_within(nano, cpus)?;
    }
    let number = |text: &str| text.parse::<i64>().map_err(|_| Error::new("it is not a whole number"));
    let cpu_shares = parsed.read("cpu-shares", number)?.filter(|shares| *shares != 0);
    let cpu_shares = cpu_shares.map(|shares| u64::try_from(shares).ok().filter(|s| CPU_SHARES.contains(s)));
    if cpu_shares == Some(None) {
        return Err(bad("CPU shares must be between 2 and 262144"));
    }
    if let Some(list) = parsed.last("cpuset-cpus") {
        read::cpu_list(list, online("cpu").trim())?;
    }
    if let Some(list) = parsed.last("cpuset-mems") {
        read::mem_list(list, online("node").trim())?;
    }
    let text = |key| parsed.last(key).filter(|list| !list.is_empty()).map(str::to_owned);
    Ok(Limits {
        memory,
        nano_cpus,
        cpu_shares: cpu_shares.flatten(),
        cpuset_cpus: text("cpuset-cpus"),
        cpuset_mems: text("cpuset-mems"),
        pids: parsed.read("pids-limit", number)?.filter(|n| *n > 0),
        ..Limits::default()
    })
}
