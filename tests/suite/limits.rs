//! Resource limits, as the kernel has them.

use crate::host::{Host, cgroup_file, is_v1};
use std::fs;

/// What the container sees of its own limit: the v1 file or the v2 one.
fn inside(flags: &str, v1: &str, v2: &str) -> String {
    let h = Host::new();
    let file = if is_v1() { v1 } else { v2 };
    h.ok(&format!("run --rm {flags} busybox cat /sys/fs/cgroup/{file}"))
}

#[test]
fn memory() {
    for flag in ["-m 20m", "--memory=20971520", "--memory 20M", "-mem 20m"] {
        assert_eq!(inside(flag, "memory/memory.limit_in_bytes", "memory.max"), "20971520", "{flag}");
    }
}

#[test]
fn cpus() {
    let quota = inside("--cpus 0.5", "cpu/cpu.cfs_quota_us", "cpu.max");
    assert_eq!(quota, if is_v1() { "50000" } else { "50000 100000" });
}

#[test]
fn shares() {
    for flag in ["-c 512", "--cpu-shares=512", "-cpushare 512"] {
        let shares = inside(flag, "cpu/cpu.shares", "cpu.weight");
        assert_eq!(shares, if is_v1() { "512" } else { "20" }, "{flag}");
    }
}

#[test]
fn cpuset() {
    for flag in ["--cpuset-cpus 0", "-cpuset 0"] {
        assert_eq!(inside(flag, "cpuset/cpuset.cpus", "cpuset.cpus"), "0", "{flag}");
    }
}

#[test]
fn pids() {
    assert_eq!(inside("--pids-limit 50", "pids/pids.max", "pids.max"), "50");
    assert_eq!(inside("--pids-limit -1", "pids/pids.max", "pids.max"), "max");
}

#[test]
fn a_fork_bomb_stops_at_the_limit() {
    let h = Host::new();
    let output = h.run("run --rm --pids-limit 5 busybox sh -c 'for i in 1 2 3 4 5 6 7 8; do sleep 5 & done; exit 0'");
    assert!(output.err.contains("fork"), "{output:?}");
}

#[test]
fn they_hold_for_exec_and_survive_a_restart() {
    let h = Host::new();
    let id = h.idle("--name box -m 20m");
    let file = if is_v1() { "memory/memory.limit_in_bytes" } else { "memory.max" };
    let limit = cgroup_file("memory", &id, file.rsplit('/').next().unwrap());
    assert_eq!(fs::read_to_string(&limit).unwrap(), "20971520\n");
    assert_eq!(h.ok(&format!("exec box cat /sys/fs/cgroup/{file}")), "20971520");
    h.ok("stop box");
    assert!(!limit.exists());
    h.ok("start box");
    assert_eq!(fs::read_to_string(&limit).unwrap(), "20971520\n");
}

#[test]
fn too_much_memory_is_the_end() {
    let h = Host::new();
    let eat = "x=$(head -c 100000000 /dev/zero | tr \"\\0\" a); echo $x | tail -c 4";
    h.run(&["run", "--name", "box", "-m", "20m", "busybox", "sh", "-c", eat]).exits(137);
    assert!(h.field("box", "Status").starts_with("Exited (137) "));
}

#[test]
fn dev_shm_counts() {
    let h = Host::new();
    h.run("run --rm -m 20m busybox dd if=/dev/zero of=/dev/shm/x bs=1M count=60").exits(137);
}

#[test]
fn what_cannot_be_set_is_refused() {
    let h = Host::new();
    let before = h.snapshot();
    for (flags, why) in [
        ("-m 4m", "inimum memory limit allowed is 6MB"),
        ("-m lots", "lots"),
        ("--cpus 64", "of CPUs is from 0.01 to"),
        ("--cpus x", "\"x\""),
        ("--cpuset-cpus 999", "equested CPUs are not available - requested 999"),
        ("--cpuset-cpus x", "x"),
        ("-c 1", "CPU shares"),
        ("-c 9999999", "CPU shares"),
        ("--pids-limit many", "many"),
    ] {
        h.run(&format!("run -d {flags} busybox true")).fails(125, why);
    }
    h.unchanged(&before);
}
