//! What a default container sees, line by line against docker's contract. The documentation has the same as a table.

use crate::host::{Host, is_v1};
use std::fs;
use std::path::Path;

/// Capabilities of a default container.
pub const DEFAULT: u64 = 0xa804_25fb;

/// The five sets in the kernel's words, inheritable and ambient empty.
pub fn sets(permitted: u64, bounding: u64) -> String {
    format!(
        "CapInh:\t{:016x}\nCapPrm:\t{permitted:016x}\nCapEff:\t{permitted:016x}\nCapBnd:\t{bounding:016x}\nCapAmb:\t{:016x}",
        0, 0
    )
}

/// What the test, and whatever it starts, may have at most.
pub fn own_bounding_set() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("CapBnd:\t")).unwrap();
    u64::from_str_radix(line, 16).unwrap()
}

/// One line of /proc/self/status, or several.
#[track_caller]
fn status(h: &Host, flags: &str, pattern: &str) -> String {
    h.ok(&format!("run --rm {flags} busybox grep -E '^({pattern})' /proc/self/status"))
}

#[test]
fn what_it_may_do() {
    let h = Host::new();
    assert_eq!(status(&h, "", "Cap"), sets(DEFAULT, DEFAULT));
    assert_eq!(status(&h, "-u 1000", "Cap"), sets(0, DEFAULT));
    assert_eq!(status(&h, "", "NoNewPrivs|TracerPid"), "TracerPid:\t0\nNoNewPrivs:\t0");
}

#[test]
fn one_system_call_filter() {
    let h = Host::new();
    let filtered = "Seccomp:\t2\nSeccomp_filters:\t1";
    for flags in ["", "-u 1000", "--network host", "--cap-drop ALL"] {
        assert_eq!(status(&h, flags, "Seccomp"), filtered, "{flags}");
    }
    h.idle("--name box");
    assert_eq!(h.ok("exec box grep Seccomp /proc/self/status"), filtered);
    assert_eq!(h.ok("exec -u 1000 box grep Seccomp /proc/self/status"), filtered);
}

#[test]
fn who_it_is() {
    let h = Host::new();
    let ids = "Uid|Gid|Groups|Umask";
    assert_eq!(status(&h, "", ids), "Umask:\t0022\nUid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\nGroups:\t0 ");
    let user = "Umask:\t0022\nUid:\t1000\t1000\t1000\t1000\nGid:\t1000\t1000\t1000\t1000\nGroups:\t10 1000 ";
    assert_eq!(status(&h, "-u 1000", ids), user);
    // A process that is not dumpable belongs to root, and its owner can not look into it.
    assert_eq!(h.ok("run --rm -u 1000 busybox stat -c %u:%g /proc/1"), "1000:1000");
    assert_eq!(h.ok("run --rm -u 1000 busybox readlink /proc/self/exe"), "/bin/busybox");
}

#[test]
fn signals_and_session() {
    let h = Host::new();
    let none = format!("SigPnd:\t{0}\nShdPnd:\t{0}\nSigBlk:\t{0}\nSigIgn:\t{0}\nSigCgt:\t{0}", "0".repeat(16));
    let binary = crate::host::binary();
    let line = format!(
        "trap '' HUP INT TERM PIPE; MYDOCKER_ROOT={} MYDOCKER_RUN={} exec {binary} run --rm busybox grep -E '^(Sig|Shd)(Pnd|Blk|Ign|Cgt)' /proc/self/status",
        h.store.display(),
        h.run_dir.display()
    );
    assert_eq!(h.sh(&line), none, "what the caller ignores, a container does not");
    // proc_pid_stat(5): pid, parent, group, session, terminal, foreground group.
    let numbers = "set -- $(cat /proc/1/stat | cut -d')' -f2); echo $2 $3 $4 $5 $6";
    assert_eq!(h.ok(&["run", "--rm", "busybox", "sh", "-c", numbers]), "0 1 1 0 -1");
    let output = h.terminal(&["run", "--rm", "-t", "busybox", "sh", "-c", numbers]).wait().exits(0).out;
    assert_eq!(output.trim(), "0 1 1 34816 1"); // 136:0
    let files = h.terminal("run --rm -it busybox ls -l /proc/self/fd").wait().exits(0).out;
    assert_eq!(files.matches(" -> /dev/pts/0").count(), 3, "{files}");
    assert_eq!(files.lines().filter(|line| line.contains("r-x------")).count(), 1, "{files}"); // the list itself
}

#[test]
fn where_and_with_what_it_starts() {
    let h = Host::new();
    let path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    let look =
        "tr '\\0' '\\n' </proc/1/environ; readlink /proc/1/cwd; readlink /proc/1/root; cat /proc/1/timerslack_ns";
    let found = h.ok(&["run", "--rm", "--hostname", "box", "busybox", "sh", "-c", look]);
    assert_eq!(found, format!("{path}\nHOSTNAME=box\nHOME=/root\n/\n/\n50000"));
    let found = h.terminal("run --rm -t --hostname box busybox env").wait().exits(0).out;
    assert_eq!(found.replace('\r', ""), format!("{path}\nHOSTNAME=box\nTERM=xterm\nHOME=/root\n"));
}

#[test]
fn limits_of_a_process_are_the_callers() {
    let h = Host::new();
    let caller = fs::read_to_string("/proc/self/limits").unwrap();
    assert_eq!(h.ok("run --rm busybox cat /proc/self/limits").trim_end(), caller.trim_end());
    let run = |before: &str, look: &str| {
        let (store, run, binary) = (h.store.display(), h.run_dir.display(), crate::host::binary());
        h.sh(&format!("{before}; MYDOCKER_ROOT={store} MYDOCKER_RUN={run} exec {binary} run --rm busybox {look}"))
    };
    assert_eq!(run("ulimit -n 321; ulimit -c 0", "sh -c 'ulimit -n; ulimit -Hn; ulimit -c'"), "321\n321\n0");
    assert_eq!(run("echo 321 >/proc/self/oom_score_adj", "cat /proc/self/oom_score_adj"), "321");
    assert_eq!(run("umask 077", "sh -c umask"), "0022");
}

#[test]
fn namespaces() {
    let h = Host::new();
    let links = |host: bool| {
        let look = "for n in mnt pid uts ipc net cgroup user; do readlink /proc/self/ns/$n; done";
        if host { h.sh(look) } else { h.ok(&["run", "--rm", "busybox", "sh", "-c", look]) }
    };
    let (inside, outside) = (links(false), links(true));
    for (inside, outside) in inside.lines().zip(outside.lines()) {
        assert_eq!(inside == outside, inside.starts_with("user:"), "{inside} {outside}");
    }
    assert_eq!(inside.lines().count(), 7);
    let groups = h.ok("run --rm busybox cat /proc/self/cgroup");
    let own = ["memory", "pids", "cpu", "cpuset", "devices", "freezer", "blkio"];
    let is_ours = |line: &&str| line.split(':').nth(1).unwrap().split(',').any(|one| own.contains(&one)) || !is_v1();
    assert!(groups.lines().filter(is_ours).all(|line| line.ends_with(":/")), "{groups}");
}

#[test]
fn files_of_etc() {
    let h = Host::new();
    let hosts = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::0\tip6-localnet\n\
                 ff00::0\tip6-mcastprefix\nff02::1\tip6-allnodes\nff02::2\tip6-allrouters";
    assert_eq!(h.ok("run --rm --network none busybox cat /etc/hosts"), hosts);
    let hosts = format!("{hosts}\n172.17.0.2\tbox");
    assert_eq!(h.ok("run --rm --hostname box busybox cat /etc/hosts"), hosts);
    assert_eq!(h.ok("run --rm --hostname box busybox cat /etc/hostname"), "box");
    let modes = h.ok("run --rm busybox stat -c '%a %u:%g' /etc/hosts /etc/hostname /etc/resolv.conf");
    assert_eq!(modes, "644 0:0\n644 0:0\n644 0:0");
}

/// Everything in /dev: mode, owner, numbers, target.
#[test]
fn devices() {
    let h = Host::new();
    let look = "cd /dev; find . -type l -exec sh -c 'echo $0 l $(readlink $0)' {} ';' \
                -o -exec stat -c '%n %A %u:%g %t:%T' {} ';'";
    let list = |output: String| {
        let core = |line: &&str| *line != "./core l /proc/kcore"; // docker has it where the kernel has that
        let mut lines: Vec<String> = output.lines().filter(core).map(|line| line.trim().to_owned()).collect();
        lines.sort();
        lines
    };
    let mut expected = vec![
        ". drwxr-xr-x 0:0 0:0",
        "./fd l /proc/self/fd",
        "./full crw-rw-rw- 0:0 1:7",
        "./mqueue drwxrwxrwt 0:0 0:0",
        "./null crw-rw-rw- 0:0 1:3",
        "./ptmx l pts/ptmx",
        "./pts drwxr-xr-x 0:0 0:0",
        "./pts/ptmx crw-rw-rw- 0:0 5:2",
        "./random crw-rw-rw- 0:0 1:8",
        "./shm drwxrwxrwt 0:0 0:0",
        "./stderr l /proc/self/fd/2",
        "./stdin l /proc/self/fd/0",
        "./stdout l /proc/self/fd/1",
        "./tty crw-rw-rw- 0:0 5:0",
        "./urandom crw-rw-rw- 0:0 1:9",
        "./zero crw-rw-rw- 0:0 1:5",
    ];
    assert_eq!(list(h.ok(&["run", "--rm", "busybox", "sh", "-c", look])), expected);
    expected.extend(["./console crw--w---- 0:5 88:0", "./pts/0 crw--w---- 0:5 88:0"]);
    expected.sort_unstable();
    let output = h.terminal(&["run", "--rm", "-it", "busybox", "sh", "-c", look]).wait().exits(0).out;
    assert_eq!(list(output), expected);
}

/// A line of mountinfo without what differs from run to run: `place root options type source superblock-options`.
pub fn mounts(mountinfo: &str) -> Vec<String> {
    let mut lines: Vec<String> = mountinfo.lines().map(normal).collect();
    lines.sort();
    lines
}

fn normal(line: &str) -> String {
    let (left, right) = line.split_once(" - ").unwrap();
    let (left, right): (Vec<&str>, Vec<&str>) = (left.split(' ').collect(), right.split(' ').collect());
    let (root, place, options) = (left[3], left[4], left[5]);
    let propagation = left[6..].concat();
    if place.starts_with("/etc/") && root.ends_with(place.strip_prefix("/etc").unwrap()) {
        return format!("{place} {options}{propagation}"); // a file of the host, on whatever disk that has
    }
    match right[0] {
        "overlay" => format!("{place} {root} {options}{propagation} overlay"),
        kind => {
            let special = right[2].replace(",inode64", "");
            format!("{place} {root} {options}{propagation} {kind} {} {special}", right[1])
        }
    }
}

/// The mounts of every container, whatever this kernel has.
fn expected_mounts() -> Vec<String> {
    let (plain, protected) = ("rw,nosuid,nodev,noexec,relatime", "ro,nosuid,nodev,noexec,relatime");
    let mut all: Vec<String> = [
        "/ / rw,relatime overlay",
        "/dev / rw,nosuid,relatime tmpfs tmpfs rw,size=65536k,mode=755",
        "/dev/pts / rw,nosuid,noexec,relatime devpts devpts rw,gid=5,mode=620,ptmxmode=666",
        "/etc/hosts rw,relatime",
        "/etc/hostname rw,relatime",
        "/etc/resolv.conf rw,relatime",
    ]
    .map(str::to_owned)
    .into();
    all.push(format!("/dev/shm / {plain} tmpfs shm rw,size=65536k"));
    all.push(format!("/dev/mqueue / {plain} mqueue mqueue rw"));
    all.push(format!("/proc / {plain} proc proc rw"));
    all.push(format!("/sys / {protected} sysfs sysfs rw"));
    let is_there = |path: &&str| Path::new(path).exists();
    for path in
        ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"].iter().filter(|p| is_there(p))
    {
        all.push(format!("{path} {} {protected} proc proc rw", &path[5..]));
    }
    let files = ["interrupts", "kcore", "keys", "latency_stats", "sched_debug", "timer_list", "timer_stats"];
    for path in files.map(|name| format!("/proc/{name}")).iter().filter(|path| is_there(&path.as_str())) {
        all.push(format!("{path} /null rw,nosuid,relatime tmpfs tmpfs rw,size=65536k,mode=755"));
    }
    let covered = |path: &str| format!("{path} / {protected} tmpfs tmpfs rw,size=0k,mode=555");
    let directories = ["/proc/acpi", "/proc/asound", "/proc/scsi", "/sys/firmware", "/sys/devices/virtual/powercap"];
    all.extend(directories.iter().filter(|path| is_there(path)).map(|path| covered(path)));
    let cpus =
        fs::read_dir("/sys/devices/system/cpu").unwrap().flatten().map(|cpu| cpu.path().join("thermal_throttle"));
    all.extend(cpus.filter(|path| path.exists()).map(|path| covered(path.to_str().unwrap())));
    all.extend(expected_cgroups(protected));
    all.sort();
    all
}

/// The cgroup mounts: what the host has of v1 hierarchies that we use, or v2.
fn expected_cgroups(options: &str) -> Vec<String> {
    let host = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let special = |line: &str| line.rsplit(' ').next().unwrap().to_owned();
    if !is_v1() {
        let line = host.lines().find(|line| line.contains(" - cgroup2 ")).unwrap();
        return vec![format!("/sys/fs/cgroup / {options} cgroup2 cgroup2 {}", special(line))];
    }
    let used = ["memory", "pids", "cpu", "cpuacct", "cpuset", "devices", "freezer", "blkio"];
    let mut all = vec![format!("/sys/fs/cgroup / {options} tmpfs tmpfs rw,size=64k,mode=755")];
    for line in host.lines().filter(|line| line.contains(" - cgroup ")).map(special) {
        let names: Vec<&str> = line.split(',').filter(|name| used.contains(name)).collect();
        if !names.is_empty() {
            all.push(format!("/sys/fs/cgroup/{} / {options} cgroup cgroup {line}", names.join(",")));
        }
    }
    all
}

#[track_caller]
fn same_mounts(what: &str, mountinfo: &str, mut expected: Vec<String>) {
    expected.sort();
    let found = mounts(mountinfo);
    let missing: Vec<&String> = expected.iter().filter(|line| !found.contains(line)).collect();
    let more: Vec<&String> = found.iter().filter(|line| !expected.contains(line)).collect();
    assert!(missing.is_empty() && more.is_empty(), "{what}: missing {missing:#?}\nmore {more:#?}");
    assert_eq!(found.len(), expected.len(), "{what}: {found:#?}");
}

#[test]
fn every_line_of_mountinfo() {
    let h = Host::new();
    for flags in ["", "-u 1000", "--network host", "--cap-add ALL"] {
        let found = h.ok(&format!("run --rm {flags} busybox cat /proc/self/mountinfo"));
        same_mounts(flags, &found, expected_mounts());
    }
    let found = h.terminal("run --rm -it busybox cat /proc/self/mountinfo").wait().exits(0).out.replace('\r', "");
    let console = "/dev/console /0 rw,nosuid,noexec,relatime devpts devpts rw,gid=5,mode=620,ptmxmode=666";
    same_mounts("-it", &found, [expected_mounts(), vec![console.to_owned()]].concat());
    let found = h.ok("run --rm -v vol:/v -v vol:/ro:ro --tmpfs /t busybox grep -E ' /(v|ro|t) ' /proc/self/mountinfo");
    let options: Vec<String> =
        found.lines().map(|line| line.split(' ').skip(4).take(2).collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(options, ["/v rw,relatime", "/ro ro,relatime", "/t rw,nosuid,nodev,noexec,relatime"]);
}

#[test]
fn what_is_covered_is_empty_and_what_is_protected_refuses() {
    let h = Host::new();
    let look = "for d in /proc/acpi /proc/asound /proc/scsi /sys/firmware /sys/devices/virtual/powercap \
                /sys/devices/system/cpu/cpu*/thermal_throttle; do ls -A $d 2>/dev/null; done; \
                cat /proc/kcore /proc/keys /proc/timer_list /proc/interrupts /proc/sched_debug 2>/dev/null; true";
    assert_eq!(h.ok(&["run", "--rm", "busybox", "sh", "-c", look]), "");
    let write = "for f in $(find /proc/sys /proc/irq -type f -perm -200 | head -40) /sys/fs/cgroup/*/tasks \
                 /sys/fs/cgroup/cgroup.procs; do [ -e $f ] || continue; (: >>$f) 2>/dev/null && echo $f; done; true";
    assert_eq!(h.ok(&["run", "--rm", "busybox", "sh", "-c", write]), "");
    let make = "mkdir /sys/x /proc/x /sys/fs/cgroup/x /proc/sys/x 2>/dev/null; ls -d /sys/x /proc/x /sys/fs/cgroup/x 2>/dev/null; true";
    assert_eq!(h.ok(&["run", "--rm", "busybox", "sh", "-c", make]), "");
}

/// All that a process can say about the walls around it.
const LOOK: &str = "grep -E '^(Umask|Uid|Gid|Groups|Sig[BIC]|Cap|NoNew|Seccomp|Cpus_allowed_list|Mems_allowed_list)' /proc/self/status; \
                    cat /proc/self/cgroup /proc/self/limits /proc/self/mountinfo /proc/self/oom_score_adj /proc/self/uid_map; \
                    for n in mnt pid uts ipc net cgroup user time; do readlink /proc/self/ns/$n; done; \
                    umask; pwd; env; hostname; cat /proc/self/personality 2>/dev/null";

/// An exec is inside the same walls as init.
#[track_caller]
fn exec_is_like_init(flags: &str) {
    let h = Host::new();
    let script = format!("({LOOK}) >/dev/shm/init; echo ready; exec sleep 1000");
    h.ok(&[
        &["run", "-d", "--name", "box"][..],
        &flags.split_whitespace().collect::<Vec<_>>(),
        &["busybox", "sh", "-c", &script],
    ]
    .concat()[..]);
    crate::process::until("it has looked", || h.ok("logs box") == "ready");
    let init = h.ok("exec box cat /dev/shm/init");
    let exec = h.ok(&["exec", "box", "sh", "-c", LOOK]);
    let differences: Vec<_> = init.lines().zip(exec.lines()).filter(|(a, b)| a != b).collect();
    assert!(init.lines().count() == exec.lines().count() && differences.is_empty(), "{flags}: {differences:#?}");
    h.ok("rm -f box");
}

#[test]
fn an_exec_has_the_same_walls() {
    for flags in ["", "-u 1000", "-w /tmp -e A=b", "--network host", "-m 20m --pids-limit 50 --cpuset-cpus 0"] {
        exec_is_like_init(flags);
    }
}

#[test]
fn an_exec_has_the_walls_that_were_asked_for() {
    for flags in [
        "--cap-drop ALL --cap-add CHOWN",
        "--cap-add NET_ADMIN -u 1000",
        "--privileged",
        "--security-opt no-new-privileges",
        "--security-opt seccomp=unconfined",
        "--ulimit nofile=100:200 --oom-score-adj 300",
        "--group-add 777",
        "--read-only",
    ] {
        exec_is_like_init(flags);
    }
}

#[test]
fn an_exec_has_the_namespaces_that_were_asked_for() {
    for flags in ["--pid host", "--ipc host", "--uts host", "--cgroupns host", "--userns auto", "--init"] {
        exec_is_like_init(flags);
    }
}
