//! What limits mean in the terms that v1 and v2 share, and which were asked for at all.

use super::place::Hierarchy;
use crate::error::{Error, Result, escaped};
use crate::kernel::at;
use crate::spec::{Limits, Rate, Throttle};
use alloc::format;
use alloc::string::{String, ToString};
use rustix::fs::{AtFlags, CWD, FileType};

/// Period of the CPU quota in microseconds, docker's.
pub const CPU_PERIOD_US: u64 = 100_000;

/// The limits by the v1 controller that they need.
pub const NEEDS: [(&str, &str); 5] = [
    ("memory", "memory memory-swap memory-reservation memory-swappiness oom-kill-disable"),
    ("cpu", "cpus cpu-period cpu-quota cpu-shares"),
    ("cpuset", "cpuset-cpus cpuset-mems"),
    ("pids", "pids-limit"),
    ("blkio", "blkio-weight device-read-bps device-write-bps device-read-iops device-write-iops"),
];

/// Which of [`NEEDS`] are asked for, in the same order.
fn asked(limits: &Limits) -> [bool; 17] {
    let l = limits;
    let throttled = |rate| l.throttles.iter().any(|throttle| throttle.what == rate);
    [
        l.memory.is_some(),
        l.memory_swap.is_some(),
        l.memory_reservation.is_some(),
        l.memory_swappiness.is_some(),
        l.oom_kill_disable,
        l.nano_cpus.is_some(),
        l.cpu_period.is_some(),
        l.cpu_quota.is_some(),
        l.cpu_shares.is_some(),
        l.cpuset_cpus.is_some(),
        l.cpuset_mems.is_some(),
        l.pids.is_some_and(|pids| pids > 0),
        l.blkio_weight.is_some(),
        throttled(Rate::ReadBytes),
        throttled(Rate::WriteBytes),
        throttled(Rate::Reads),
        throttled(Rate::Writes),
    ]
}

/// Whether nothing is asked for that needs a cgroup.
pub fn is_nothing(limits: &Limits) -> bool {
    limits.cgroup_parent.is_empty() && !asked(limits).contains(&true)
}

/// Refuses limits whose controller is nowhere. (On v2 the missing file tells.)
pub fn refuse_unset(hierarchies: &[Hierarchy], limits: &Limits) -> Result<()> {
    let asked = asked(limits);
    let mut at = 0;
    for (controller, flags) in NEEDS {
        for flag in flags.split(' ') {
            if asked[at] && !hierarchies.iter().any(|h| h.has(controller)) {
                return Err(Error::new(format_args!(
                    "cannot set --{flag}: no cgroup hierarchy with the controller {controller} is mounted here"
                )));
            }
            at += 1;
        }
    }
    Ok(())
}

/// Microseconds of CPU time in each [`CPU_PERIOD_US`].
pub fn quota_us(nano_cpus: u64) -> u64 {
    (u128::from(nano_cpus) * u128::from(CPU_PERIOD_US) / 1_000_000_000) as u64
}

/// pids.max, on both versions.
pub fn tasks(pids: i64) -> String {
    if pids > 0 { pids.to_string() } else { "max".into() }
}

/// The flag of a throttle, its file on v1, and its word on v2.
pub fn throttle(rate: Rate) -> (&'static str, &'static str, &'static str) {
    match rate {
        Rate::ReadBytes => ("device-read-bps", "blkio.throttle.read_bps_device", "rbps"),
        Rate::WriteBytes => ("device-write-bps", "blkio.throttle.write_bps_device", "wbps"),
        Rate::Reads => ("device-read-iops", "blkio.throttle.read_iops_device", "riops"),
        Rate::Writes => ("device-write-iops", "blkio.throttle.write_iops_device", "wiops"),
    }
}

/// The numbers of the disk that a throttle names: `8:0`.
pub fn disk(throttle: &Throttle) -> Result<String> {
    let cannot = || format!("cannot set --{}: {}", self::throttle(throttle.what).0, escaped(&throttle.device));
    let stat = at::stat(CWD, &throttle.device, AtFlags::empty()).map_err(|errno| Error::os(cannot(), errno))?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::BlockDevice {
        return Err(Error::new(format_args!("{} is not a block device", cannot())));
    }
    Ok(format!("{}:{}", rustix::fs::major(stat.st_rdev), rustix::fs::minor(stat.st_rdev)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn conversions() {
        assert_eq!(
            (quota_us(500_000_000), quota_us(10_000_000), quota_us(u64::MAX)),
            (50_000, 1000, 1_844_674_407_370_955)
        );
        assert_eq!((tasks(5), tasks(-1), tasks(0)), ("5".into(), "max".into(), "max".into()));
    }

    #[test]
    fn only_asked_limits_need_a_controller() {
        assert!(is_nothing(&Limits::default()) && refuse_unset(&[], &Limits::default()).is_ok());
        let unlimited = Limits { pids: Some(-1), ..Limits::default() };
        assert!(refuse_unset(&[], &unlimited).is_ok());
        let memory = Limits { memory: Some(1 << 30), ..Limits::default() };
        assert!(!is_nothing(&memory));
        let error = refuse_unset(&[], &memory).unwrap_err();
        assert!(format!("{error}").contains("--memory: no cgroup hierarchy with the controller memory"), "{error}");
        let only =
            |controllers: &str| Hierarchy { path: "/x".into(), controllers: controllers.into(), v2: false, own: None };
        assert!(refuse_unset(&[only("cpu,cpuacct")], &memory).is_err());
        assert!(refuse_unset(&[only("cpu,cpuacct"), only("memory")], &memory).is_ok());
    }

    #[test]
    fn only_disks_are_throttled() {
        let throttle = |device: &str| Throttle { device: device.into(), what: Rate::ReadBytes, rate: 1 };
        let told: Vec<String> =
            ["/dev/null", "/nosuch"].iter().map(|path| format!("{}", disk(&throttle(path)).unwrap_err())).collect();
        assert_eq!(told[0], "cannot set --device-read-bps: /dev/null is not a block device");
        assert_eq!(told[1], "cannot set --device-read-bps: /nosuch: no such file or directory");
    }
}
