//! Resource limits and allowed devices, as the kernel has them.

use crate::host::{Host, cgroup_file, is_v1, wanted};
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

/// A disk of this machine.
fn disk() -> Option<String> {
    let real = |name: &String| !["loop", "ram", "zram", "sr", "fd", "dm-"].iter().any(|kind| name.starts_with(kind));
    let names = fs::read_dir("/sys/block").ok()?.flatten().map(|entry| entry.file_name().into_string().unwrap());
    wanted(names.filter(real).min().map(|name| format!("/dev/{name}")), "a disk")
}

/// A file of a running container, v1 or v2.
fn file_of(id: &str, v1: (&str, &str), v2: &str) -> String {
    let (controller, file) = if is_v1() { v1 } else { ("", v2) };
    fs::read_to_string(cgroup_file(controller, id, file)).unwrap().trim().to_owned()
}

#[test]
fn memory_and_swap() {
    let h = Host::new();
    for (flags, sum, swap) in [
        ("-m 32m", "67108864", "33554432"),
        ("-m 32m --memory-swap 48m", "50331648", "16777216"),
        ("-m 32m --memory-swap 32m", "33554432", "0"),
        ("-m 32m --memory-swap -1", "9223372036854771712", "max"),
    ] {
        let id = h.idle(flags);
        assert_eq!(file_of(&id, ("memory", "memory.limit_in_bytes"), "memory.max"), "33554432", "{flags}");
        let seen = file_of(&id, ("memory", "memory.memsw.limit_in_bytes"), "memory.swap.max");
        assert_eq!(seen, if is_v1() { sum } else { swap }, "{flags}");
    }
}

#[test]
fn memory_of_other_kinds() {
    let h = Host::new();
    let id = h.idle("-m 32m --memory-reservation 16m");
    assert_eq!(file_of(&id, ("memory", "memory.soft_limit_in_bytes"), "memory.low"), "16777216");
    for (flags, file, value) in [
        ("--memory-swappiness 30", "memory.swappiness", "30"),
        ("--oom-kill-disable -m 32m", "memory.oom_control", "oom_kill_disable 1"),
    ] {
        if is_v1() {
            let id = h.idle(flags);
            assert_eq!(file_of(&id, ("memory", file), "").lines().next(), Some(value));
        } else {
            h.run(&format!("run --rm {flags} busybox true")).fails(125, "cgroup v2 has no memory.");
        }
    }
}

#[test]
fn quota_and_period() {
    let h = Host::new();
    for (flags, quota, period) in [
        ("--cpu-quota 20000", "20000", "100000"),
        ("--cpu-period 50000", "-1", "50000"),
        ("--cpu-period 50000 --cpu-quota 20000", "20000", "50000"),
        ("--cpu-period 200000 --cpu-quota 1000", "1000", "200000"),
    ] {
        let id = h.idle(flags);
        let max = format!("{} {period}", quota.replace("-1", "max"));
        assert_eq!(file_of(&id, ("cpu", "cpu.cfs_quota_us"), "cpu.max"), if is_v1() { quota } else { &max }, "{flags}");
        assert_eq!(
            file_of(&id, ("cpu", "cpu.cfs_period_us"), "cpu.max"),
            if is_v1() { period } else { &max },
            "{flags}"
        );
    }
}

#[test]
fn memory_nodes() {
    assert_eq!(inside("--cpuset-mems 0", "cpuset/cpuset.mems", "cpuset.mems"), "0");
}

#[test]
fn disks() {
    let Some(disk) = disk() else { return };
    let h = Host::new();
    let id = h.idle(&format!(
        "--device-read-bps {disk}:1mb --device-write-bps {disk}:2mb --device-read-iops {disk}:30 --device-write-iops {disk}:40"
    ));
    let numbers = h.sh(&format!("lsblk -dno MAJ:MIN {disk}"));
    let numbers = numbers.trim();
    let v2 = format!("{numbers} rbps=1048576 wbps=2097152 riops=30 wiops=40");
    for (file, rate) in [("read_bps", "1048576"), ("write_bps", "2097152"), ("read_iops", "30"), ("write_iops", "40")] {
        let seen = file_of(&id, ("blkio", &format!("blkio.throttle.{file}_device")), "io.max");
        assert_eq!(seen, if is_v1() { format!("{numbers} {rate}") } else { v2.clone() });
    }
    let before = h.snapshot();
    for (flag, why) in [("--device-read-bps /dev/null:1mb", "/dev/null"), ("--device-write-iops /nosuch:10", "/nosuch")]
    {
        h.run(&format!("run -d {flag} busybox true")).fails(125, why);
    }
    h.unchanged(&before);
}

#[test]
fn weight_of_disk_use() {
    let h = Host::new();
    let id = h.idle("--blkio-weight 500");
    let seen = file_of(&id, ("blkio", "blkio.bfq.weight"), "io.weight");
    assert_eq!(seen, if is_v1() { "500" } else { "default 4950" });
}

/// The cgroup parent of a test in every hierarchy where there is one.
fn parents(name: &str) -> Vec<String> {
    let dirs = fs::read_dir("/sys/fs/cgroup").unwrap().flatten().map(|entry| entry.path());
    let dirs = dirs.chain(["/sys/fs/cgroup".into()]).map(|dir| dir.join(name));
    dirs.filter(|dir| dir.exists()).map(|dir| dir.to_str().unwrap().to_owned()).collect()
}

#[test]
fn a_parent_is_made_shared_and_goes_with_the_last() {
    let h = Host::new();
    let name = format!("test-{}", h.dir.file_name().unwrap().to_str().unwrap());
    let one = h.idle(&format!("--name one --cgroup-parent /{name}/sub -m 32m"));
    h.idle(&format!("--name two --cgroup-parent {name}"));
    let dirs = parents(&name);
    assert!(!dirs.is_empty());
    assert!(dirs.iter().all(|dir| fs::exists(format!("{dir}/sub/mydocker-{one}/cgroup.procs")).unwrap()), "{dirs:?}");
    let limit = if is_v1() { "memory.limit_in_bytes" } else { "memory.max" };
    let of = dirs.iter().find_map(|dir| fs::read_to_string(format!("{dir}/sub/mydocker-{one}/{limit}")).ok());
    assert_eq!(of.as_deref(), Some("33554432\n"));
    // It cannot see where it is, and an exec is there, too.
    let own = h.ok("exec one cat /proc/self/cgroup");
    assert!(own.lines().all(|line| line.ends_with(":/")), "{own}");
    h.ok("stop one");
    assert!(parents(&format!("{name}/sub")).is_empty() && parents(&name) == dirs);
    h.ok("start one");
    h.ok("update -m 64m --memory-swap -1 one");
    let of = dirs.iter().find_map(|dir| fs::read_to_string(format!("{dir}/sub/mydocker-{one}/{limit}")).ok());
    assert_eq!(of.as_deref(), Some("67108864\n"));
    assert!(h.ok("top one").contains("sleep 1000"));
    h.ok("pause one");
    h.ok("unpause one");
    h.ok("rm -f one two");
    assert!(parents(&name).is_empty());
}

#[test]
fn a_parent_of_somebody_else_stays() {
    let h = Host::new();
    let name = format!("test-{}", h.dir.file_name().unwrap().to_str().unwrap());
    let theirs = if is_v1() { format!("memory/{name}") } else { name.clone() };
    h.sh(&format!("mkdir /sys/fs/cgroup/{theirs}"));
    h.ok(&format!("run --rm --cgroup-parent {name}/x/y busybox true"));
    let left = parents(&name);
    h.sh(&format!("rmdir /sys/fs/cgroup/{theirs}"));
    assert_eq!(left, [format!("/sys/fs/cgroup/{theirs}")]);
}

#[test]
fn a_damaged_record_does_not_hide_a_cgroup() {
    let h = Host::new();
    let name = format!("test-{}", h.dir.file_name().unwrap().to_str().unwrap());
    let id = h.idle(&format!("--name box --cgroup-parent {name}/x"));
    h.write(&format!("store/containers/{id}/config.json"), "{");
    h.ok("rm -f box");
    assert!(parents(&name).is_empty());
}

#[test]
fn a_parent_above_the_root_is_refused() {
    let h = Host::new();
    let before = h.snapshot();
    for parent in ["..", "a/../../b", "/../x"] {
        h.run(&["run", "-d", "--cgroup-parent", parent, "busybox", "true"]).fails(125, "cgroup");
    }
    h.unchanged(&before);
}

/// Whether a container that makes this node itself may open it: `<` to read, `>` to write.
fn may_open(h: &Host, flags: &[&str], node: &str, direction: &str) -> bool {
    let command = format!("mknod /tmp/node {node} && (: {direction} /tmp/node) 2>&1; echo done");
    let output = h.ok([&["run", "--rm"], flags, &["busybox", "sh", "-c", &command]].concat().as_slice());
    assert!(output.ends_with("done"), "{output}");
    !output.contains("not permitted")
}

#[test]
fn devices_that_may_be_opened() {
    let h = Host::new();
    let before = h.snapshot();
    let (null, tun, console) = ("c 1 3", "c 10 200", "c 5 1");
    assert!(may_open(&h, &[], null, "<") && may_open(&h, &[], null, ">"));
    assert!(!may_open(&h, &[], tun, "<") && !may_open(&h, &[], console, "<"));
    assert!(may_open(&h, &["--device-cgroup-rule", "c 10:200 rwm"], tun, "<"));
    assert!(may_open(&h, &["--device-cgroup-rule=a *:* rwm"], tun, ">"));
    let read = ["--device-cgroup-rule", "c 10:* r"];
    assert!(may_open(&h, &read, tun, "<") && !may_open(&h, &read, tun, ">") && !may_open(&h, &read, console, "<"));
    assert!(may_open(&h, &["--privileged"], tun, "<"));
    for rule in ["c 1:3", "d 1:3 r", "c 1:3 x", "c 1:3 rr", "c one:3 r"] {
        h.run(&["run", "-d", "--device-cgroup-rule", rule, "busybox", "true"]).fails(125, rule);
    }
    h.unchanged(&before);
}

#[test]
fn a_disk_that_was_given() {
    // Some hosts keep their own disks from everybody: any that opens will do.
    let all = fs::read_dir("/sys/block").unwrap().flatten().map(|entry| entry.file_name().into_string().unwrap());
    let one = all.map(|name| format!("/dev/{name}")).find(|path| fs::File::open(path).is_ok());
    let Some(disk) = wanted(one, "a disk that opens") else { return };
    let h = Host::new();
    let given = format!("{disk}:{disk}:r");
    let opened = |how: &str| {
        let command = format!("(: {how} {disk}) 2>&1; echo done");
        h.ok(&["run", "--rm", "--device", &given, "busybox", "sh", "-c", &command])
    };
    assert_eq!(opened("<"), "done");
    assert!(opened(">").contains("not permitted"));
    // The same node by another way in is refused, and so is the disk to an exec in another container.
    let output = h.run(&["run", "--rm", "-v", &format!("{disk}:/disk"), "busybox", "head", "-c", "1", "/disk"]);
    assert!(output.err.contains("not permitted"), "{output:?}");
    h.idle("--name box");
    let node = h.sh(&format!("stat -c '%Hr %Lr' {disk}"));
    let output = h.run(&["exec", "box", "sh", "-c", &format!("mknod /tmp/d b {node} && cat /tmp/d")]);
    assert!(output.err.contains("not permitted"), "{output:?}");
}

#[test]
fn limits_change_while_it_runs() {
    let h = Host::new();
    let id = h.idle("--name box -m 32m --pids-limit 50");
    let memory = || file_of(&id, ("memory", "memory.limit_in_bytes"), "memory.max");
    let swap = || file_of(&id, ("memory", "memory.memsw.limit_in_bytes"), "memory.swap.max");
    h.ok("update -m 64m --memory-swap 128m box");
    assert_eq!((memory(), swap()), ("67108864".into(), if is_v1() { "134217728" } else { "67108864" }.into()));
    h.ok("update -m 16m --memory-swap 16m box");
    assert_eq!((memory(), swap()), ("16777216".into(), if is_v1() { "16777216" } else { "0" }.into()));
    h.ok("update --pids-limit -1 -c 512 --cpus 0.5 box");
    assert_eq!(file_of(&id, ("pids", "pids.max"), "pids.max"), "max");
    assert_eq!(file_of(&id, ("cpu", "cpu.shares"), "cpu.weight"), if is_v1() { "512" } else { "20" });
    assert_eq!(file_of(&id, ("cpu", "cpu.cfs_quota_us"), "cpu.max"), if is_v1() { "50000" } else { "50000 100000" });
    h.ok("stop box");
    h.ok("start box");
    assert_eq!(memory(), "16777216");
}

#[test]
fn its_usage_and_its_processes() {
    let h = Host::new();
    h.idle("--name box -m 32m --pids-limit 50");
    assert_eq!(h.ok(&["stats", "--no-stream", "--format", "{{.Name}} {{.PIDs}}", "box"]), "box 2");
    let memory = h.ok(&["stats", "--no-stream", "--format", "{{.MemUsage}}", "box"]);
    assert!(memory.ends_with(" / 32MiB"), "{memory}");
    let top = h.ok("top box");
    assert!(top.lines().count() == 3 && top.contains("sleep 1000"), "{top}");
}
