//! `update`.

use super::args::Parsed;
use super::decide::limits;
use super::{each, open_store};
use mydocker::error::{Error, Result};
use mydocker::life::update;
use mydocker::spec::Limits;
use mydocker::store::containers;

/// `update [OPTIONS] CONTAINER…`
pub fn update(parsed: &Parsed) -> Result<u8> {
    if parsed.flags.is_empty() {
        return Err(Error::new("you must provide one or more flags when using this command").exit(1));
    }
    let mut asked = limits::limits(parsed)?;
    if asked.pids.is_none() && parsed.given("pids-limit") {
        asked.pids = Some(-1); // 0 and below: no limit, which is not the same as nothing asked
    }
    let store = open_store()?;
    each(&parsed.words, |word| {
        let container = containers::find(&store, word)?;
        let cannot = |error: Error| Error {
            what: format!("Cannot update container {}: {}", container.spec.id, error.what),
            ..error
        };
        update::update(&store, &container, &|old| merge(old, &asked)).map_err(cannot)?;
        Ok(word.to_owned())
    })
}

/// What was asked instead of what was; the rest stays. docker's refusals in docker's words.
fn merge(old: &Limits, asked: &Limits) -> Result<Limits> {
    for (asked, kept, what, has) in [
        (asked.nano_cpus.is_some(), old.cpu_period.is_some(), "Nano CPUs", "CPU Period has"),
        (asked.nano_cpus.is_some(), old.cpu_quota.is_some_and(|quota| quota > 0), "Nano CPUs", "CPU Quota has"),
        (asked.cpu_period.is_some(), old.nano_cpus.is_some(), "CPU Period", "NanoCPUs has"),
        (asked.cpu_quota.is_some_and(|quota| quota > 0), old.nano_cpus.is_some(), "CPU Quota", "NanoCPUs has"),
    ] {
        if asked && kept {
            return Err(Error::new(format!("Conflicting options: {what} cannot be updated as {has} already been set")));
        }
    }
    let mut new = old.clone();
    macro_rules! take {
        ($($field:ident)*) => { $(if asked.$field.is_some() { new.$field.clone_from(&asked.$field); })* };
    }
    take!(memory memory_reservation memory_swappiness nano_cpus cpu_period cpu_quota cpu_shares);
    take!(cpuset_cpus cpuset_mems pids blkio_weight);
    new.memory_swap = match (asked.memory_swap, old.memory_swap, old.memory) {
        (Some(asked), ..) => Some(asked),
        (None, Some(kept), _) => Some(kept),
        // What was twice the memory when the container was made does not follow the memory.
        (None, None, Some(memory)) if asked.memory.is_some() => i64::try_from(memory.saturating_mul(2)).ok(),
        (None, None, _) => None,
    };
    let memory = new.memory.unwrap_or(0);
    if new.memory_swap.and_then(|swap| u64::try_from(swap).ok()).is_some_and(|swap| memory > swap) {
        let way_out = "update the memoryswap at the same time";
        return Err(Error::new(format!("Memory limit should be smaller than already set memoryswap limit, {way_out}")));
    }
    if new.memory_reservation.is_some_and(|reserved| memory > 0 && reserved > memory) {
        return Err(Error::new("Minimum memory limit can not be less than memory reservation limit"));
    }
    Ok(new)
}

#[cfg(test)]
mod tests {
    use super::*;

    const M: u64 = 1 << 20;

    fn merged(old: &Limits, asked: &Limits) -> core::result::Result<Limits, String> {
        merge(old, asked).map_err(|error| error.to_string())
    }

    fn memory(memory: Option<u64>, swap: Option<i64>) -> Limits {
        Limits { memory: memory.map(|m| m * M), memory_swap: swap.map(|s| s * M as i64), ..Limits::default() }
    }

    #[test]
    fn what_is_not_asked_stays() {
        let old = Limits { pids: Some(7), cpu_shares: Some(512), cgroup_parent: "/x".to_owned(), ..Limits::default() };
        let new =
            merged(&old, &Limits { pids: Some(-1), cpuset_cpus: Some("0".to_owned()), ..Limits::default() }).unwrap();
        assert_eq!((new.pids, new.cpu_shares, new.cgroup_parent.as_str()), (Some(-1), Some(512), "/x"));
        assert_eq!(new.cpuset_cpus.as_deref(), Some("0"));
    }

    #[test]
    fn memory_and_swap() {
        let swap =
            |old: Limits, asked: Limits| merged(&old, &asked).map(|new| new.memory_swap.map(|swap| swap / M as i64));
        assert_eq!(swap(memory(None, None), memory(Some(50), None)), Ok(None));
        assert_eq!(swap(memory(Some(50), None), memory(Some(80), None)), Ok(Some(100)));
        assert_eq!(swap(memory(Some(50), None), memory(None, Some(80))), Ok(Some(80)));
        let refused = swap(memory(Some(50), None), memory(Some(200), None)).unwrap_err();
        assert!(refused.starts_with("Memory limit should be smaller than already set memoryswap limit"), "{refused}");
        assert!(swap(memory(Some(50), Some(60)), memory(Some(61), None)).is_err());
        assert_eq!(swap(memory(Some(50), Some(60)), memory(Some(200), Some(400))), Ok(Some(400)));
        let unlimited = Limits { memory_swap: Some(-1), ..memory(Some(200), None) };
        assert_eq!(merged(&memory(Some(50), None), &unlimited).unwrap().memory_swap, Some(-1));
    }

    #[test]
    fn cpus_or_a_quota() {
        let cpus = || Limits { nano_cpus: Some(1), ..Limits::default() };
        let quota = || Limits { cpu_quota: Some(5000), ..Limits::default() };
        assert!(merged(&cpus(), &quota()).is_err() && merged(&quota(), &cpus()).is_err());
        assert!(merged(&cpus(), &cpus()).is_ok());
    }
}
