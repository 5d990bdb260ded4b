//! What a container can see and touch.

use crate::host::Host;

#[test]
fn it_has_processes_of_its_own() {
    let h = Host::new();
    assert_eq!(h.ok("run --rm busybox sh -c 'echo $$; echo /proc/[0-9]*'"), "1\n/proc/1");
}

#[test]
fn it_has_only_lo_and_that_is_up() {
    let h = Host::new();
    assert_eq!(h.ok("run --rm --network none busybox ls /sys/class/net"), "lo");
    assert!(h.ok("run --rm --network none busybox ip addr show lo").contains("LOOPBACK,UP,LOWER_UP"));
    h.ok("run --rm --network none busybox ping -c 1 127.0.0.1");
}

#[test]
fn with_the_hosts_network_it_has_the_hosts() {
    let h = Host::new();
    h.sh("ip link add own type bridge");
    let look = "tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' ' | sort";
    assert_eq!(h.ok(&["run", "--rm", "--network", "host", "busybox", "sh", "-c", look]), h.sh(look));
    assert_eq!(h.ok("run --rm --net host busybox hostname"), h.sh("hostname"));
    h.run("run --network nosuch busybox true").fails(125, "network nosuch not found");
}

#[test]
fn its_mounts_are_invisible_outside() {
    let h = Host::new();
    h.idle("--name box");
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!mounts.contains(h.dir.to_str().unwrap()));
}

#[test]
fn it_sees_no_mount_of_the_host() {
    let h = Host::new();
    let mounts = h.ok("run --rm busybox cat /proc/mounts");
    let first = mounts.lines().next().unwrap();
    assert!(first.split(' ').nth(1) == Some("/") && first.contains(" overlay "), "{mounts}");
    let roots = mounts.lines().filter(|line| line.split(' ').nth(1) == Some("/")).count();
    assert_eq!(roots, 1, "{mounts}");
    assert!(!mounts.contains("/target/"), "{mounts}");
}

#[test]
fn proc_is_masked_and_partly_read_only() {
    let h = Host::new();
    let out = h.ok("run --rm busybox sh -c 'cat /proc/kcore /proc/keys /proc/timer_list 2>/dev/null | wc -c'");
    assert_eq!(out, "0");
    for path in ["/proc/sys/kernel/hostname", "/proc/irq/default_smp_affinity"] {
        let output = h.run(&["run", "--rm", "busybox", "sh", "-c", &format!("echo 1 >{path}")]).exits(1);
        assert!(output.err.contains("Read-only file system"), "{path}: {output:?}");
    }
}

#[test]
fn sys_is_read_only() {
    let h = Host::new();
    let output =
        h.run("run --rm busybox sh -c 'echo 1 >/sys/kernel/mm/ksm/run; mkdir /sys/fs/cgroup/x /sys/fs/cgroup/pids/x'");
    assert!(output.code == 1 && output.err.matches("Read-only file system").count() >= 2, "{output:?}");
}

#[test]
fn dev_has_dockers_nodes() {
    let h = Host::new();
    let names = "core fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero";
    let out = h.ok("run --rm busybox ls /dev");
    let found: Vec<&str> = out.lines().filter(|name| *name != "core").collect();
    assert_eq!(found, names.split(' ').filter(|name| *name != "core").collect::<Vec<_>>());
    h.ok("run --rm busybox sh -c 'echo x >/dev/null; head -c 1 /dev/zero >/dev/null; head -c 1 /dev/urandom >/dev/null; echo x >/dev/shm/f'");
}

#[test]
fn device_nodes_of_the_host_cannot_be_opened() {
    let h = Host::new();
    let output =
        h.run("run --rm busybox sh -c 'mknod /kmsg c 1 11 && head -c 1 /kmsg; mknod /disk b 254 0 && head -c 1 /disk'");
    assert!(output.out.is_empty() && output.code != 0, "{output:?}");
}

#[test]
fn it_has_dockers_capabilities() {
    let h = Host::new();
    let out = h.ok("run --rm busybox sh -c 'grep Cap /proc/self/status'");
    let mask = "00000000a80425fb";
    assert_eq!(
        out,
        format!("CapInh:\t{0}\nCapPrm:\t{mask}\nCapEff:\t{mask}\nCapBnd:\t{mask}\nCapAmb:\t{0}", "0".repeat(16))
    );
}

#[test]
fn the_kernel_refuses_what_the_capabilities_do_not_allow() {
    let h = Host::new();
    for command in [
        "mount -t tmpfs x /tmp",
        "hostname other",
        "date -s 2001-01-01",
        "chroot / true && unshare -m true",
        "ip link set lo down",
    ] {
        let output = h.run(&["run", "--rm", "busybox", "sh", "-c", command]);
        assert!(output.err.contains("not permitted") || output.err.contains("denied"), "{command}: {output:?}");
    }
}

#[test]
fn it_has_hosts_and_resolv_conf() {
    let h = Host::new();
    let hosts = h.ok("run --rm --hostname box busybox cat /etc/hosts");
    assert!(hosts.contains("127.0.0.1\tlocalhost\n") && hosts.contains("::1"), "{hosts}");
    h.ok("run --rm busybox cat /etc/resolv.conf");
}

#[test]
fn no_descriptor_of_ours_is_open_in_it() {
    let h = Host::new();
    let fds = h.ok("run --rm busybox sh -c 'ls /proc/1/fd; true'");
    assert!(fds.lines().all(|fd| fd.parse::<u32>().unwrap() <= 2), "{fds}");
    h.idle("--name box");
    let fds = h.ok("exec box sh -c 'ls /proc/$$/fd; true'");
    assert!(fds.lines().all(|fd| fd.parse::<u32>().unwrap() <= 2 || fd == "10"), "{fds}"); // 10 is the shell's own
}

#[test]
fn signals_are_as_a_fresh_program_expects_them() {
    let h = Host::new();
    let look = "grep -E 'Sig(Blk|Ign|Cgt)' /proc/self/status";
    let none = format!("SigBlk:\t{0}\nSigIgn:\t{0}\nSigCgt:\t{0}", "0".repeat(16));
    assert_eq!(h.ok(&format!("run --rm busybox {look}")), none);
    h.idle("--name box");
    assert_eq!(h.ok(&format!("exec box {look}")), none);
}

#[test]
fn its_cgroup_is_its_root() {
    let h = Host::new();
    let groups = h.ok("run --rm busybox cat /proc/self/cgroup");
    let own =
        groups.lines().filter(|line| line.contains(":memory:") || line.contains(":pids:") || line.contains("0::"));
    assert!(own.clone().count() > 0 && own.clone().all(|line| line.ends_with(":/")), "{groups}");
}

#[test]
fn the_parts_of_the_host_are_another() {
    let h = Host::new();
    for kind in ["mnt", "pid", "uts", "ipc", "net", "cgroup"] {
        let inside = h.ok(&["run", "--rm", "busybox", "readlink", &format!("/proc/self/ns/{kind}")]);
        assert_ne!(inside, h.sh(&format!("readlink /proc/self/ns/{kind}")), "{kind}");
    }
}

#[test]
fn it_works_where_mounts_are_shared() {
    let h = Host::new();
    let run = format!(
        "MYDOCKER_ROOT={} MYDOCKER_RUN={} {} run --rm busybox echo hi && grep -c {} /proc/self/mountinfo; :",
        h.store.display(),
        h.run_dir.display(),
        crate::host::binary(),
        h.dir.display()
    );
    assert_eq!(h.sh(&format!("unshare -m --propagation shared sh -c '{run}'")), "hi\n0");
}

#[test]
fn the_store_is_closed_to_others() {
    let h = Host::new();
    h.ok("run --name box busybox true");
    assert_eq!(h.sh("stat -c %a store"), "700");
    h.run("ps").exits(0);
    let asked = std::process::Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups", &crate::host::binary(), "ps"])
        .env("MYDOCKER_ROOT", h.path("store"))
        .output();
    let asked = asked.unwrap();
    // It may be unable to reach the binary at all; in no case may it get an answer.
    assert!(!asked.status.success() && asked.stdout.is_empty(), "{asked:?}");
}

/// A command of ours that a program starts which changes something first: `sh -c 'ulimit …; exec "$@"' sh`, setpriv.
fn after(h: &Host, first: &[&str], line: &str) -> std::process::Output {
    let ours = h.cmd(line).into_command();
    let mut command = std::process::Command::new(first[0]);
    command.args(&first[1..]).arg(ours.get_program()).args(ours.get_args());
    command.envs(ours.get_envs().filter_map(|(key, value)| Some((key, value?))));
    h.net.hold(&mut command);
    command.output().unwrap()
}

/// A descriptor that finds no room in a full table is lost without an error.
#[test]
fn a_container_is_in_all_cgroups_or_does_not_start() {
    let h = Host::new();
    let cgroups = |name: &str| {
        let text = std::fs::read_to_string(format!("/proc/{}/cgroup", h.pid(name))).unwrap();
        text.lines().filter(|line| line.contains("mydocker-")).count()
    };
    h.idle("--name whole --network none");
    let (all, mut started) = (cgroups("whole"), 0);
    for limit in 16..40 {
        let change = format!("ulimit -n {limit}; exec \"$@\"");
        let run = after(&h, &["sh", "-c", &change, "sh"], "run -d --name box --network none busybox sleep 1000");
        if run.status.success() {
            assert_eq!(cgroups("box"), all, "with {limit} descriptors");
            h.ok("rm -f box");
            started += 1;
        } else {
            assert_eq!(String::from_utf8_lossy(&run.stderr).lines().count(), 1, "with {limit} descriptors: {run:?}");
            assert_eq!(h.field("box", "State"), "", "with {limit} descriptors");
        }
    }
    assert!((1..24).contains(&started), "{started}"); // else nothing was tried
}

#[test]
fn the_callers_bounding_set_may_lack_what_is_to_be_dropped() {
    let h = Host::new();
    let bounding = "--bounding-set=-all,+chown,+dac_override,+fowner,+fsetid,+kill,+setgid,+setuid,+net_bind_service,\
                    +net_raw,+sys_chroot,+mknod,+audit_write,+setfcap,+sys_admin,+net_admin";
    let line = "run --rm --network none --cap-drop SETPCAP --cap-add SYS_ADMIN --cap-add NET_ADMIN busybox echo here";
    let run = after(&h, &["setpriv", bounding, "--inh-caps=-all"], line);
    assert_eq!(String::from_utf8_lossy(&run.stdout), "here\n", "{run:?}");
}

#[test]
fn both_records_have_the_pid_of_the_command() {
    let h = Host::new();
    h.idle("--name one --network none");
    let id = h.ok("run -d --name two --network none --pid container:one busybox sleep 1000");
    let info = std::fs::read_to_string(h.run_dir.join(&id).join("containerInfo.json")).unwrap();
    assert!(info.contains(&format!("\"pid\":\"{}\"", h.pid("two"))), "{info}");
}
