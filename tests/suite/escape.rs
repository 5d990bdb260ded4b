//! Ways out of a container. Each is tried by a program inside: it must fail in a default container, and get through where
//! somebody asked for it, which proves that the attempt is a real one. Nothing that gets through changes anything.

use crate::host::{Host, artifact, is_v1};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::process::{Child, Command};

/// The flag that mounts the attacker's program as /attempts.
pub fn mounted() -> String {
    format!("-v={}:/attempts:ro", artifact("attempts", "attempts").display())
}

/// What became of each attempt.
type Answers = BTreeMap<String, String>;

fn answers(output: &str) -> Answers {
    output.lines().filter_map(|line| line.split_once(": ")).map(|(name, is)| (name.to_owned(), is.to_owned())).collect()
}

/// Tries these, or everything, in a container with these flags.
#[track_caller]
fn tried(h: &Host, flags: &str, names: &[&str]) -> Answers {
    let program = mounted();
    let flags: Vec<&str> = flags.split_whitespace().collect();
    let line = [&["run", "--rm", &program][..], &flags, &["busybox", "/attempts"], names].concat();
    answers(&h.ok(&line[..]))
}

/// All answers are as expected; `|` is between those that are as good.
#[track_caller]
fn compare<'a>(what: &str, found: &Answers, expected: impl IntoIterator<Item = (&'a str, &'a str)>) {
    let mut wrong = Vec::new();
    for (name, expected) in expected {
        match found.get(name) {
            Some(is) if expected.split('|').any(|one| one == is) => {}
            None if cfg!(not(target_arch = "x86_64")) && OTHER_ENTRIES.contains(&name) => {}
            other => wrong.push(format!("{name}: {}, expected {expected}", other.map_or("not tried", String::as_str))),
        }
    }
    assert!(wrong.is_empty(), "{what}:\n{}", wrong.join("\n"));
}

/// Attempts that only one architecture has.
const OTHER_ENTRIES: &[&str] = &[
    "iopl",
    "ioperm",
    "ustat",
    "sysfs(2)",
    "uselib",
    "_sysctl",
    "nfsservctl",
    "int 0x80 keyctl",
    "int 0x80 unshare user",
    "int 0x80 mount",
    "int 0x80 clone3",
    "x32 keyctl",
    "x32 unshare user",
];

/// An attempt, what a default container answers, and what a privileged one does. ENOSYS: not every kernel has it.
const TABLE: &[(&str, &str, &str)] = &[
    ("reboot", "EPERM", "EINVAL"),
    ("kexec_load", "EPERM", "EINVAL|ENOSYS"),
    ("kexec_file_load", "EPERM", "EINVAL|EBADF|ENOSYS"),
    ("init_module", "EPERM", "ENOEXEC|ENOSYS"),
    ("finit_module", "EPERM", "EBADF|ENOSYS"),
    ("delete_module", "EPERM", "ENOENT|ENOSYS"),
    ("swapon", "EPERM", "ENOENT|ENOSYS"),
    ("swapoff", "EPERM", "ENOENT|ENOSYS"),
    ("acct", "EPERM", "ENOENT|ENOSYS"),
    ("quotactl", "EPERM", "ENOENT|ENOSYS"),
    ("settimeofday", "EPERM", "ok"),
    ("clock_settime", "EPERM", "EINVAL"),
    ("syslog", "EPERM", "ok"),
    ("bpf", "EPERM", "EINVAL|ENOSYS"),
    ("perf_event_open", "EPERM", "ok|ENOSYS|ENOENT"),
    ("userfaultfd", "EPERM", "ok|ENOSYS"),
    ("add_key", "EPERM", "ok|ENOSYS"),
    ("request_key", "EPERM", "ENOKEY|ENOSYS"),
    ("keyctl", "EPERM", "ok|ENOSYS"),
    ("sethostname", "EPERM", "ok"),
    ("setdomainname", "EPERM", "ok"),
    ("vhangup", "EPERM", "ok"),
    ("fanotify_init", "EPERM", "ok|ENOSYS"),
    ("io_uring_setup", "EPERM", "ok|ENOSYS"),
    ("kcmp", "EPERM", "ok|ENOSYS"),
    ("pidfd_getfd", "EPERM", "EBADF"),
    ("process_madvise", "EPERM", "EBADF"),
    ("mbind", "EPERM", "EINVAL|ENOSYS"),
    ("set_mempolicy", "EPERM", "EINVAL|ENOSYS"),
    ("move_pages", "EPERM", "EINVAL|ENOSYS"),
    ("unshare mnt", "EPERM", "ok"),
    ("unshare uts", "EPERM", "ok"),
    ("unshare ipc", "EPERM", "ok"),
    ("unshare net", "EPERM", "ok"),
    ("unshare pid", "EPERM", "ok"),
    ("unshare cgroup", "EPERM", "ok"),
    ("unshare time", "EPERM", "ok|EINVAL"),
    ("unshare user", "EPERM", "ok"),
    ("unshare files", "EPERM", "ok"),
    ("clone user", "EPERM", "ok"),
    ("clone mnt", "EPERM", "ok"),
    ("clone net", "EPERM", "ok"),
    ("clone plain", "ok", "ok"),
    // A C library goes back to clone(2) only when it hears that there is no clone3(2).
    ("clone3", "ENOSYS", "EINVAL"),
    ("setns", "EPERM", "ok"),
    ("pivot_root", "EPERM", "ENOENT"),
    ("umount", "EPERM", "ok"),
    ("fsopen", "EPERM", "ok"),
    ("fspick", "EPERM", "ok"),
    ("fsconfig", "EPERM", "EINVAL|EBADF"),
    ("fsmount", "EPERM", "EBADF"),
    ("open_tree", "EPERM", "ok"),
    ("move_mount", "EPERM", "EBADF"),
    ("mount_setattr", "EPERM", "ok|ENOENT|ENOSYS"),
    ("personality 0", "ok", "ok"),
    ("personality ask", "ok", "ok"),
    ("personality linux32", "ok", "ok"),
    ("personality no-randomize", "EPERM", "ok"),
    ("personality mmap-zero", "EPERM", "ok"),
    ("socket raw", "ok", "ok"),
    ("socket packet", "ok", "ok"),
    ("socket netlink", "ok", "ok"),
    ("socket unix", "ok", "ok"),
    ("socket vsock", "EPERM", "ok|EAFNOSUPPORT"),
    ("socket alg", "EPERM", "ok|EAFNOSUPPORT"),
    ("chroot", "ok", "ok"),
    ("ptrace a child", "ok", "ok"),
    ("iopl", "EPERM", "ok|ENOSYS"),
    ("ioperm", "EPERM", "ok|ENOSYS"),
    ("ustat", "EPERM", "EINVAL|ENOSYS"),
    ("sysfs(2)", "EPERM", "ok|ENOSYS"),
    ("uselib", "EPERM", "ENOENT|ENOSYS"),
    ("_sysctl", "EPERM", "ENOSYS"),
    ("nfsservctl", "EPERM", "ENOSYS"),
    // Another entry into the kernel is no way around the filter.
    ("int 0x80 keyctl", "EPERM|ENOSYS|killed by 31", "ok|ENOSYS|killed by 11"),
    ("int 0x80 unshare user", "EPERM|ENOSYS|killed by 31", "ok|ENOSYS|killed by 11"),
    ("int 0x80 mount", "EPERM|ENOSYS|killed by 31", "EFAULT|ENOSYS|killed by 11"),
    ("int 0x80 clone3", "EPERM|ENOSYS|killed by 31", "EINVAL|ENOSYS|killed by 11"),
    ("x32 keyctl", "EPERM|ENOSYS|killed by 31", "ok|ENOSYS"),
    ("x32 unshare user", "EPERM|ENOSYS|killed by 31", "ok|ENOSYS"),
    ("mount tmpfs", "EPERM", "ok"),
    ("mount proc", "EPERM", "ok"),
    ("mount sysfs", "EPERM", "ok"),
    ("mount bind", "EPERM", "ok"),
    ("mount disk", "EPERM", "EINVAL"),
    ("remount rw", "EPERM", "EINVAL"), // nothing is mounted there
    ("unmask", "EPERM", "EINVAL"),
    ("node disk", "EPERM", "ok|ENXIO"),
    ("node loop", "EPERM", "ok|ENXIO"),
    ("node fuse", "EPERM", "ok|ENXIO|ENODEV"),
    ("node mem", "EPERM", "ok|ENXIO"),
    ("node port", "EPERM", "ok|ENXIO"),
    ("node kmsg", "EPERM", "ok"),
    ("node null", "ok", "ok"),
    ("kcore", "nothing|ENOENT", "ok|ENOENT"),
    ("keys", "nothing", "ok|nothing"), // a user may have no keys
    ("timer_list", "nothing|ENOENT", "ok|ENOENT"),
    ("interrupts", "nothing", "ok"),
    ("core_pattern", "EROFS", "ok"),
    ("modprobe", "EROFS", "ok"),
    ("drop_caches", "EROFS", "ok"),
    ("sysrq-trigger", "EROFS|ENOENT", "ok|ENOENT"),
    ("irq", "EROFS", "ok"),
    ("sysfs", "EROFS", "ok"),
    ("cgroup", "EROFS", "ok"),
    ("release_agent", "EPERM", "ok|ENOENT|EBUSY|EINVAL"), // its own test below
    ("open_by_handle_at", "EPERM", "ok|ESTALE|EINVAL|EOPNOTSUPP"),
    ("name_to_handle_at", "EPERM|ok", "ok|EOPNOTSUPP"), // docker allows it since it is harmless alone
];

fn default_answers() -> impl Iterator<Item = (&'static str, &'static str)> {
    TABLE.iter().map(|(name, default, _)| (*name, *default))
}

#[test]
fn a_default_container_is_closed() {
    let h = Host::new();
    let found = tried(&h, "", &[]);
    compare("run", &found, default_answers());
    let known = |name: &&String| TABLE.iter().any(|(known, ..)| known == name) || *name == "tiocsti";
    assert!(found.keys().all(|name| known(&name)), "an attempt without an expectation: {found:?}");
}

#[test]
fn an_exec_is_as_closed() {
    let h = Host::new();
    h.idle(&format!("--name box {}", mounted()));
    let inside = answers(&h.ok("exec box /attempts"));
    compare("exec", &inside, default_answers());
    // As docker: every capability, but the container's filter and devices.
    let inside = answers(&h.ok("exec --privileged box /attempts"));
    compare("exec --privileged", &inside, [("mount tmpfs", "EPERM"), ("node disk", "EPERM"), ("clone3", "ENOSYS")]);
    assert!(h.run("exec box ip link set lo down").err.contains("not permitted"));
    h.ok("exec --privileged box ip link set lo down");
}

#[test]
fn another_user_can_do_no_more() {
    let h = Host::new();
    let found = tried(&h, "-u 1000", &[]);
    let also = |name: &str| match name {
        "socket raw" | "socket packet" | "chroot" | "node null" => Some("EPERM"),
        "core_pattern" | "modprobe" | "drop_caches" | "irq" | "sysfs" | "cgroup" => Some("EROFS|EACCES"),
        "sysrq-trigger" => Some("EROFS|EACCES|ENOENT"),
        _ => None,
    };
    compare("-u 1000", &found, default_answers().map(|(name, is)| (name, also(name).unwrap_or(is))));
}

#[test]
fn no_new_privileges_changes_nothing_else() {
    let h = Host::new();
    compare("no-new-privileges", &tried(&h, "--security-opt no-new-privileges", &[]), default_answers());
}

#[test]
fn a_container_in_a_user_namespace_is_as_closed() {
    let h = Host::new();
    let found = tried(&h, "--userns=auto", &[]);
    // Who is root in a namespace only may make no node at all, and owns nothing in /proc/sys and /sys.
    let also = |name: &str| match name {
        "node null" => Some("EPERM"),
        "core_pattern" | "modprobe" | "drop_caches" | "irq" | "sysfs" | "cgroup" => Some("EROFS|EACCES"),
        "sysrq-trigger" => Some("EROFS|EACCES|ENOENT"),
        _ => None,
    };
    compare("--userns", &found, default_answers().map(|(name, is)| (name, also(name).unwrap_or(is))));
}

/// Without this, the tests above could not tell a wall from an attempt that never works.
#[test]
fn a_privileged_container_is_open() {
    let h = Host::new();
    let found = tried(&h, "--privileged", &[]);
    // A host may be guarded against its own root; a container can then do no more.
    let disk = h.sh("tail -n +3 /proc/partitions | head -n 1 | awk '{ print \"/dev/\" $4 }'");
    let is_guarded = File::open(&disk).is_err();
    let expected = TABLE.iter().map(|(name, _, privileged)| match *name {
        "node disk" if is_guarded => (*name, "EPERM"),
        // A hierarchy that the host does not have is made for nobody who is in a cgroup namespace; kernels differ in why.
        "release_agent" if !is_v1() => (*name, "EPERM|EINVAL"),
        name => (name, *privileged),
    });
    compare("--privileged", &found, expected);
}

/// What one flag opens, and what it leaves closed.
const SINGLE: &[(&str, &[(&str, &str)])] = &[
    ("--cap-add SYS_BOOT", &[("reboot", "EINVAL"), ("mount tmpfs", "EPERM")]),
    ("--cap-add SYS_MODULE", &[("delete_module", "ENOENT|ENOSYS"), ("finit_module", "EBADF|ENOSYS"), ("bpf", "EPERM")]),
    ("--cap-add SYS_TIME", &[("settimeofday", "ok"), ("clock_settime", "EINVAL"), ("reboot", "EPERM")]),
    ("--cap-add SYSLOG", &[("syslog", "ok"), ("reboot", "EPERM")]),
    ("--cap-add SYS_PTRACE", &[("kcmp", "ok|ENOSYS"), ("pidfd_getfd", "EBADF"), ("keyctl", "EPERM")]),
    ("--cap-add SYS_NICE", &[("mbind", "EINVAL|ENOSYS"), ("set_mempolicy", "EINVAL|ENOSYS"), ("kcmp", "EPERM")]),
    ("--cap-add SYS_PACCT", &[("acct", "ENOENT|ENOSYS"), ("swapon", "EPERM")]),
    ("--cap-add SYS_RAWIO", &[("iopl", "ok|ENOSYS"), ("ioperm", "ok|ENOSYS"), ("node mem", "EPERM")]),
    ("--cap-add SYS_TTY_CONFIG", &[("vhangup", "ok"), ("reboot", "EPERM")]),
    ("--cap-add BPF", &[("bpf", "EINVAL|ENOSYS"), ("perf_event_open", "EPERM")]),
    ("--cap-add PERFMON", &[("perf_event_open", "ok|ENOSYS|ENOENT"), ("bpf", "EPERM")]),
    ("--cap-add DAC_READ_SEARCH", &[("open_by_handle_at", "ok|ESTALE|EINVAL|EOPNOTSUPP"), ("mount bind", "EPERM")]),
    (
        "--cap-add SYS_ADMIN",
        &[
            ("mount tmpfs", "ok"),
            ("mount bind", "ok"),
            ("unmask", "ok"),
            ("unshare mnt", "ok"),
            ("unshare user", "ok"),
            ("clone net", "ok"),
            ("clone3", "EINVAL"),
            ("fsopen", "ok"),
            ("open_tree", "ok"),
            ("move_mount", "EBADF"),
            ("setns", "ok"),
            ("pivot_root", "EPERM"),
            ("keyctl", "EPERM"),
            ("reboot", "EPERM"),
            ("node disk", "EPERM"),
            ("io_uring_setup", "EPERM"),
        ],
    ),
    (
        "--security-opt seccomp=unconfined",
        &[
            ("keyctl", "ok|ENOSYS"),
            ("add_key", "ok|ENOSYS"),
            ("io_uring_setup", "ok|ENOSYS"),
            ("unshare user", "ok"),
            ("clone3", "EINVAL"),
            ("personality no-randomize", "ok"),
            ("socket vsock", "ok|EAFNOSUPPORT"),
            ("int 0x80 mount", "EFAULT|ENOSYS|killed by 11"),
            ("reboot", "EPERM"),
            ("mount tmpfs", "EPERM"),
            ("unshare mnt", "EPERM"),
            ("node disk", "EPERM"),
            ("core_pattern", "EROFS"),
            ("keys", "nothing"),
        ],
    ),
    (
        "--security-opt systempaths=unconfined",
        &[("interrupts", "ok"), ("core_pattern", "ok"), ("irq", "ok"), ("mount tmpfs", "EPERM"), ("sysfs", "EROFS")],
    ),
    ("--cap-drop NET_RAW", &[("socket raw", "EPERM"), ("socket packet", "EPERM"), ("socket netlink", "ok")]),
    ("--cap-drop SYS_CHROOT", &[("chroot", "EPERM")]),
    ("--cap-drop MKNOD", &[("node null", "EPERM"), ("node disk", "EPERM")]),
    ("--cap-drop ALL", &[("chroot", "EPERM"), ("socket raw", "EPERM"), ("clone plain", "ok"), ("clone3", "ENOSYS")]),
    ("--cap-add ALL", &[("reboot", "EINVAL"), ("mount tmpfs", "ok"), ("keyctl", "EPERM"), ("pivot_root", "EPERM")]),
];

#[test]
fn each_flag_opens_one_door() {
    let h = Host::new();
    // Debian's kernel has a third degree, at which it asks for SYS_ADMIN. EACCES: the call itself was let through.
    let paranoid = fs::read_to_string("/proc/sys/kernel/perf_event_paranoid").unwrap_or_default();
    let is_paranoid = paranoid.trim().parse().is_ok_and(|degree: i32| degree > 2);
    for (flags, expected) in SINGLE {
        let names: Vec<&str> = expected.iter().map(|(name, _)| *name).collect();
        let expected = expected.iter().map(|&(name, answer)| match (name, answer) {
            ("perf_event_open", "ok|ENOSYS|ENOENT") if is_paranoid => (name, "EACCES"),
            asked => asked,
        });
        if cfg!(target_arch = "x86_64") || !names.iter().any(|name| OTHER_ENTRIES.contains(name)) {
            compare(flags, &tried(&h, flags, &names), expected);
        }
    }
}

#[test]
fn a_device_rule_lets_a_node_be_opened() {
    let h = Host::new();
    let node = |rule: &str| h.run(&["run", "--rm", &mounted(), rule, "busybox", "/attempts", "node fuse", "node loop"]);
    let open = "ok|ENXIO|ENODEV"; // a kernel may have none
    let found = answers(&node("--device-cgroup-rule=c 10:229 r").ok());
    compare("c 10:229 r", &found, [("node fuse", open), ("node loop", "EPERM")]);
    let found = answers(&node("--device-cgroup-rule=c 10:229 w").ok());
    compare("c 10:229 w", &found, [("node fuse", "EPERM")]);
    let found = answers(&node("--device-cgroup-rule=b 7:* rwm").ok());
    compare("b 7:* rwm", &found, [("node fuse", "EPERM"), ("node loop", open)]);
}

/// cgroups(7): a program that the kernel would run on the host. Only the root of a hierarchy has it.
#[test]
fn the_release_agent_is_out_of_reach() {
    if !is_v1() {
        return; // there is none on v2
    }
    let h = Host::new();
    for (flags, expected) in [
        ("--cap-add SYS_ADMIN", "ENOENT"), // the root of what it mounts is its own cgroup
        ("--privileged --cgroupns host", "ok"),
        ("--cgroupns host", "EPERM"),
        ("--security-opt seccomp=unconfined --cgroupns host", "EPERM"),
    ] {
        compare(flags, &tried(&h, flags, &["release_agent"]), [("release_agent", expected)]);
    }
}

/// A process of the host.
struct Victim(Child);

impl Drop for Victim {
    fn drop(&mut self) {
        let _ = self.0.kill(); // it may have been killed by what we test
        let _ = self.0.wait();
    }
}

/// A process of the host: not there at all, or there and closed, and open to a privileged container.
#[test]
fn processes_outside_are_out_of_reach() {
    let h = Host::new();
    let victim = Victim(Command::new("sleep").arg("1000").spawn().unwrap());
    let pid = victim.0.id().to_string();
    let try_outside = |flags: &str| tried(&h, flags, &["outside", &pid]);
    let names = ["ptrace", "process_vm_readv", "pidfd_getfd", "mem", "root", "cwd", "environ", "fd", "ns"];
    let all = |is: &'static str| names.map(|name| (name, is));
    compare("a pid of its own", &try_outside(""), all("ESRCH|ENOENT|EPERM"));
    compare("a pid of its own", &try_outside("--cap-add SYS_PTRACE"), all("ESRCH|ENOENT|EPERM"));
    compare("--pid host", &try_outside("--pid host"), all("EPERM|EACCES"));
    compare("--pid host -u 1000", &try_outside("--pid host -u 1000"), all("EPERM|EACCES"));
    let open = all("ok").map(|(name, is)| (name, if name == "process_vm_readv" { "EFAULT" } else { is }));
    compare("--privileged --pid host", &try_outside("--pid host --privileged"), open);
}

/// TIOCSTI types into a terminal. That terminal must be the container's own, never the one that we were started on.
#[test]
fn its_terminal_is_not_ours() {
    let h = Host::new();
    let look = "/attempts tiocsti; stat -Lc %d /proc/self/fd/0; stat -c %d /dev/pts";
    let mut t = h.terminal(&["run", "--rm", "-it", &mounted(), "busybox", "sh", "-c", look]);
    t.expect("tiocsti: "); // ok before Linux 6.2, EIO where it is switched off
    let output = t.wait().exits(0).out;
    let numbers: Vec<&str> = output.lines().filter(|line| line.parse::<u32>().is_ok()).collect();
    assert!(numbers.len() == 2 && numbers[0] == numbers[1], "{output:?}");
    for flag in ["--rm", "-i"] {
        // Even from a terminal: without -t the container has none.
        let mut t = h.terminal(&["run", "--rm", flag, &mounted(), "busybox", "/attempts", "tiocsti"]);
        t.expect("tiocsti: ENOTTY");
        t.wait().exits(0);
    }
}
