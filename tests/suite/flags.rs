//! The flags that open or close a container's walls: what it sees with them, and what is refused.

use crate::contract::{DEFAULT, mounts, own_bounding_set, sets};
use crate::escape::mounted;
use crate::host::{Host, is_v1, wanted};
use crate::process::{Output, until};
use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};

/// The answer of a shell in a container.
#[track_caller]
fn sh(h: &Host, flags: &str, script: &str) -> String {
    let flags: Vec<&str> = flags.split_whitespace().collect();
    h.ok(&[&["run", "--rm"][..], &flags, &["busybox", "sh", "-c", script]].concat()[..])
}

/// The lines of mountinfo about one place, as [`mounts`] has them.
#[track_caller]
fn at(h: &Host, flags: &str, place: &str) -> Vec<String> {
    let all = mounts(&sh(h, flags, "cat /proc/self/mountinfo"));
    let start = format!("{place} ");
    all.into_iter().filter_map(|line| line.strip_prefix(&start).map(str::to_owned)).collect()
}

/// Each of these is refused with one line that says this, and leaves nothing.
#[track_caller]
fn refused(list: &[(&[&str], &str)]) {
    let h = Host::new();
    let before = h.snapshot();
    for (flags, why) in list {
        h.run(&[&["run", "--rm"][..], flags, &["busybox", "true"]].concat()[..]).fails(125, why);
    }
    h.unchanged(&before);
}

#[test]
fn capabilities() {
    let h = Host::new();
    let own = own_bounding_set();
    let net_admin = 1 << 12;
    for (flags, expected) in [
        ("--cap-drop ALL", 0),
        ("--cap-drop all", 0),
        ("--cap-add NET_ADMIN", DEFAULT | net_admin),
        ("--cap-add CAP_NET_ADMIN", DEFAULT | net_admin),
        ("--cap-add net_admin", DEFAULT | net_admin),
        ("--cap-drop ALL --cap-add NET_ADMIN --cap-add cap_sys_time", 0x0200_1000),
        ("--cap-drop CHOWN --cap-drop KILL", DEFAULT & !(1 | 1 << 5)),
        ("--cap-add ALL --cap-drop NET_ADMIN", own & !net_admin),
    ] {
        assert_eq!(sh(&h, flags, "grep Cap /proc/self/status"), sets(expected, expected), "{flags}");
    }
    let user = sh(&h, "-u 1000 --cap-add NET_ADMIN", "grep Cap /proc/self/status");
    assert_eq!(user, sets(0, DEFAULT | net_admin));
    assert_eq!(sh(&h, "--privileged", "grep Cap /proc/self/status"), sets(own, own));
    assert_eq!(sh(&h, "--privileged -u 1000", "grep Cap /proc/self/status"), sets(0, own));
    refused(&[
        (&["--cap-add", "BOGUS"], "CAP_BOGUS"),
        (&["--cap-drop", "BOGUS"], "CAP_BOGUS"),
        (&["--cap-add", ""], "capability"),
        (&["--cap-add", "CAP_"], "capability"),
        (&["--cap-add", "NO\nSUCH"], "capability"),
    ]);
}

#[test]
fn new_privileges_and_the_filter() {
    let h = Host::new();
    let look = "grep -E '^(NoNewPrivs|Seccomp)' /proc/self/status | tr '\\n' ' '";
    for (flags, new, mode) in [
        ("", 0, 2),
        ("--security-opt no-new-privileges", 1, 2),
        ("--security-opt no-new-privileges:true", 1, 2),
        ("--security-opt no-new-privileges=true", 1, 2),
        ("--security-opt no-new-privileges:false", 0, 2),
        ("--security-opt seccomp=unconfined", 0, 0),
        ("--security-opt seccomp:unconfined", 0, 0),
        ("--security-opt seccomp=unconfined --security-opt no-new-privileges", 1, 0),
        ("--security-opt apparmor=unconfined --security-opt label=disable", 0, 2),
        ("--privileged", 0, 0),
        ("--cap-add ALL", 0, 2),
    ] {
        let expected = format!("NoNewPrivs:\t{new} Seccomp:\t{mode} Seccomp_filters:\t{} ", mode / 2);
        assert_eq!(sh(&h, flags, look), expected.trim_end_matches('\n'), "{flags}");
    }
    refused(&[
        (&["--security-opt", "nosuch"], "nosuch"),
        (&["--security-opt", "no-new-privileges:maybe"], "maybe"),
        (&["--security-opt", "seccomp=/nosuch/file"], "/nosuch/file"),
    ]);
}

/// A set-user-id program gives root's rights, and none where nobody may get new ones.
#[test]
fn set_user_id_programs() {
    let h = Host::new();
    let make = "cp /attempts /tmp/a; chmod 4755 /tmp/a; echo ready; exec sleep 1000";
    for (name, option, expected) in [("one", "label=disable", "ok"), ("two", "no-new-privileges", "EPERM")] {
        let program = mounted();
        h.ok(&["run", "-d", "--name", name, "--security-opt", option, &program, "busybox", "sh", "-c", make]);
        until("the program is there", || h.ok(&["logs", name]) == "ready");
        assert_eq!(h.ok(&["exec", "-u", "1000", name, "/attempts", "chroot"]), "chroot: EPERM");
        assert_eq!(h.ok(&["exec", "-u", "1000", name, "/tmp/a", "chroot"]), format!("chroot: {expected}"), "{name}");
        h.ok(&["rm", "-f", name]);
    }
}

#[test]
fn a_profile_of_ones_own() {
    let h = Host::new();
    let before = h.snapshot();
    let profile = |text: &str| h.write("profile.json", text);
    let run = |text: &str| {
        let option = format!("seccomp={}", profile(text));
        h.run(&["run", "--rm", "--security-opt", &option, "busybox", "sh", "-c", "mkdir /x; echo made"])
    };
    let denies = "{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"mkdir\",\"mkdirat\"],\
                  \"action\":\"SCMP_ACT_ERRNO\",\"errnoRet\":30}]}";
    let output = run(denies);
    assert!(output.out == "made\n" && output.err.contains("Read-only file system"), "{output:?}");
    let allows = run("{\"defaultAction\":\"SCMP_ACT_ALLOW\"}");
    assert!(allows.out == "made\n" && allows.err.is_empty(), "{allows:?}");
    run("{\"defaultAction\":\n  \"SCMP_ACT_ALLOW\",\n  ]").fails(125, "line 3, column");
    run("{\"defaultAction\":\"SCMP_ACT_NOSUCH\"}").fails(125, "SCMP_ACT_NOSUCH");
    run("{\"defaultAction\":\"SCMP_ACT_ALLOW\",\"syscalls\":[{\"names\":[\"nosuchcall\"],\"action\":\"SCMP_ACT_ERRNO\"}]}")
        .fails(125, "nosuchcall");
    run("").fails(125, "profile.json");
    h.unchanged(&before);
}

#[test]
fn privileged_mounts_and_devices() {
    let h = Host::new();
    let all = mounts(&sh(&h, "--privileged", "cat /proc/self/mountinfo"));
    let below = |dir: &str| all.iter().filter(|line| line.starts_with(dir)).cloned().collect::<Vec<_>>();
    assert_eq!(below("/proc"), ["/proc / rw,nosuid,nodev,noexec,relatime proc proc rw"]);
    assert_eq!(below("/sys ")[0], "/sys / rw,nosuid,nodev,noexec,relatime sysfs sysfs rw");
    assert!(below("/sys/fs/cgroup").iter().all(|line| line.contains(" rw,")), "{all:#?}");
    assert!(below("/sys").iter().all(|line| line.starts_with("/sys ") || line.starts_with("/sys/fs/cgroup")));
    let look = "find /dev -type b -exec stat -c '%n b %t %T' {} ';' -o -type c -exec stat -c '%n c %t %T' {} ';'";
    let inside: BTreeSet<String> = sh(&h, "--privileged", look).lines().map(str::to_owned).collect();
    let missing: Vec<String> = host_nodes().into_iter().filter(|node| !inside.contains(node)).collect();
    assert!(missing.is_empty(), "{missing:?}\n{inside:?}");
    sh(&h, "--privileged", "echo 1 >/proc/sys/net/ipv4/ip_forward"); // of its own network
}

/// The nodes right below the host's /dev that docker passes on, in the words of stat(1).
fn host_nodes() -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/dev").unwrap().flatten() {
        let (name, Ok(meta)) = (entry.file_name().into_string().unwrap(), entry.metadata()) else { continue };
        let kind = if meta.file_type().is_block_device() { 'b' } else { 'c' };
        let (major, minor) = (rustix::fs::major(meta.rdev()), rustix::fs::minor(meta.rdev()));
        let is_node = kind == 'b' || meta.file_type().is_char_device();
        if is_node && !["console", "ptmx"].contains(&name.as_str()) {
            found.push(format!("/dev/{name} {kind} {major:x} {minor:x}"));
        }
    }
    found
}

#[test]
fn a_read_only_root() {
    let h = Host::new();
    let write = |path: &str| h.run(&["run", "--rm", "--read-only", "-v", "vol:/vol", "busybox", "touch", path]);
    for path in ["/x", "/etc/x", "/tmp/x", "/etc/hosts"] {
        if path != "/etc/hosts" {
            let output = write(path).exits(1);
            assert!(output.err.contains("Read-only file system"), "{output:?}");
        }
    }
    for path in ["/dev/shm/x", "/vol/x", "/dev/x"] {
        write(path).ok();
    }
    let root = at(&h, "--read-only", "/");
    assert!(root.len() == 1 && root[0].starts_with("/ ro,"), "{root:?}");
    assert_eq!(sh(&h, "--read-only --tmpfs /run", "touch /run/a; ls /run"), "a");
    assert_eq!(sh(&h, "--read-only -w /", "pwd"), "/");
}

#[test]
fn memory_file_systems() {
    let h = Host::new();
    for (flags, place, expected) in [
        ("--tmpfs /run", "/run", "/ rw,nosuid,nodev,noexec,relatime tmpfs tmpfs rw"),
        (
            "--tmpfs /run:size=1m,mode=700",
            "/run",
            "/ rw,nosuid,nodev,noexec,relatime tmpfs tmpfs rw,size=1024k,mode=700",
        ),
        ("--tmpfs /new/dir:exec,size=64k", "/new/dir", "/ rw,nosuid,nodev,relatime tmpfs tmpfs rw,size=64k"),
        ("--tmpfs /run:ro", "/run", "/ ro,nosuid,nodev,noexec,relatime tmpfs tmpfs r"),
        (
            "--mount type=tmpfs,dst=/run,tmpfs-size=2m,tmpfs-mode=0700",
            "/run",
            "/ rw,nosuid,nodev,noexec,relatime tmpfs tmpfs rw,size=2048k,mode=700",
        ),
        ("--shm-size 32m", "/dev/shm", "/ rw,nosuid,nodev,noexec,relatime tmpfs shm rw,size=32768k"),
    ] {
        let found = at(&h, flags, place);
        assert!(found.len() == 1 && found[0].starts_with(expected), "{flags}: {found:?}");
    }
    assert_eq!(sh(&h, "--shm-size 32m", "df -k /dev/shm | tail -1 | awk '{ print $2 }'"), "32768");
    refused(&[
        (&["--tmpfs", "run"], "run"),
        (&["--tmpfs", "/run:nosuchoption"], "nosuchoption"),
        (&["--tmpfs", "/"], "/"),
        (&["--shm-size", "many"], "many"),
        (&["--shm-size", "-1"], "-1"),
    ]);
}

#[test]
fn limits_of_each_process() {
    let h = Host::new();
    let look = "ulimit -n; ulimit -Hn; ulimit -c";
    assert_eq!(sh(&h, "--ulimit nofile=100:200 --ulimit core=0", look), "100\n200\n0");
    assert_eq!(sh(&h, "--ulimit nofile=100", "ulimit -n; ulimit -Hn"), "100\n100");
    assert_eq!(sh(&h, "--ulimit nofile=100:200 -u 1000", look.split(" ulimit -c").next().unwrap()), "100\n200");
    assert_eq!(sh(&h, "--ulimit core=-1:-1 --ulimit stack=1048576", "ulimit -s"), "1024");
    assert_eq!(sh(&h, "--oom-score-adj 300", "cat /proc/self/oom_score_adj"), "300");
    assert_eq!(sh(&h, "--umask 027", "umask; grep Umask /proc/1/status"), "0027\nUmask:\t0027");
    refused(&[
        (&["--ulimit", "nosuch=1"], "nosuch"),
        (&["--ulimit", "nofile"], "nofile"),
        (&["--ulimit", "nofile=x"], "nofile"),
        (&["--ulimit", "nofile=200:100"], "200"),
        (&["--ulimit", "nofile=1:2:3"], "1:2:3"),
        (&["--ulimit", "nofile=99999999999999999999"], "nofile"),
        (&["--oom-score-adj", "1001"], "1001"),
        (&["--oom-score-adj", "-1001"], "1001"),
        (&["--umask", "9"], "9"),
    ]);
}

#[test]
fn kernel_parameters() {
    let h = Host::new();
    let host = h.net.get("ipv4/ip_forward");
    let other = if host.trim() == "0" { "1" } else { "0" };
    let flags = format!("--sysctl net.ipv4.ip_forward={other} --sysctl kernel.msgmax=65530");
    let look = "cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/msgmax";
    assert_eq!(sh(&h, &flags, look), format!("{other}\n65530"));
    assert_eq!(h.net.get("ipv4/ip_forward"), host);
    refused(&[
        (&["--sysctl", "vm.drop_caches=1"], "vm.drop_caches"),
        (&["--sysctl", "kernel.core_pattern=x"], "kernel.core_pattern"),
        (&["--sysctl", "kernel.hostname=x"], "kernel.hostname"),
        (&["--sysctl", "net.ipv4.ip_forward"], "net.ipv4.ip_forward"),
        (&["--sysctl", "net/../vm/drop_caches=1"], "vm"),
        (&["--sysctl", "net.nosuch=1"], "net.nosuch"),
        (&["--sysctl", "=1"], "=1"),
        (&["--network", "host", "--sysctl", "net.ipv4.ip_forward=0"], "net.ipv4.ip_forward"),
        (&["--ipc", "host", "--sysctl", "kernel.msgmax=65530"], "kernel.msgmax"),
    ]);
}

#[test]
fn devices() {
    let h = Host::new();
    let list = "stat -c '%A %u:%g %t:%T' /dev/mynull; echo 1 >/dev/mynull && echo ok";
    assert_eq!(sh(&h, "--device /dev/null:/dev/mynull:rw", list), "crw-rw-rw- 0:0 1:3\nok");
    assert_eq!(sh(&h, "--device /dev/null:/dev/sub/mine", "ls /dev/sub"), "mine");
    let mode = sh(&h, "--device /dev/kmsg", "stat -c '%n %t:%T' /dev/kmsg");
    assert_eq!(mode, "/dev/kmsg 1:b");
    let open = "(: </dev/k) 2>/dev/null && echo read; (: >/dev/k) 2>/dev/null && echo write; true";
    // A device that everybody may open who is let to it.
    let Some(device) = wanted(fs::metadata("/dev/fuse").ok().map(|_| "/dev/fuse"), "/dev/fuse") else { return };
    for (access, expected) in [("r", "read"), ("w", "write"), ("rwm", "read\nwrite"), ("m", "")] {
        assert_eq!(sh(&h, &format!("--device {device}:/dev/k:{access}"), open), expected, "{access}");
    }
    assert!(fs::metadata("/dev/net/tun").is_err() || sh(&h, "--device /dev/net", "ls /dev/net").contains("tun"));
    refused(&[
        (&["--device", "/dev/nosuch"], "/dev/nosuch"),
        (&["--device", "/dev/null:/dev/x:q"], "q"),
        (&["--device", "/etc/passwd"], "/etc/passwd"),
        (&["--device", "/dev/null:rel"], "rel"),
        (&["--device", ""], "device"),
        (&["--device-cgroup-rule", "x 1:1 r"], "x 1:1 r"),
        (&["--device-cgroup-rule", "c 1:1"], "c 1:1"),
        (&["--device-cgroup-rule", "c 1:1 q"], "c 1:1 q"),
    ]);
}

/// The namespace of a process, as a link has it.
fn namespace(kind: &str) -> String {
    fs::read_link(format!("/proc/self/ns/{kind}")).unwrap().to_str().unwrap().to_owned()
}

#[test]
fn namespaces_of_the_host() {
    let h = Host::new();
    for (flag, kind) in [("--pid", "pid"), ("--ipc", "ipc"), ("--uts", "uts"), ("--cgroupns", "cgroup")] {
        let link = format!("readlink /proc/self/ns/{kind}");
        assert_eq!(sh(&h, &format!("{flag} host"), &link), namespace(kind), "{flag} host");
        assert_ne!(sh(&h, &format!("{flag} private"), &link), namespace(kind), "{flag} private");
    }
    assert_eq!(sh(&h, "--uts host", "hostname"), h.sh("hostname"));
    assert_eq!(sh(&h, "--pid host", "cat /proc/1/comm"), h.sh("cat /proc/1/comm"));
    let groups = sh(&h, "--cgroupns host", "cat /proc/self/cgroup");
    assert!(groups.contains("/mydocker-"), "{groups}");
    assert_eq!(sh(&h, "--ipc none", "ls /dev | grep shm; true"), "");
    refused(&[
        (&["--pid", "nosuch"], "nosuch"),
        (&["--ipc", "nosuch"], "nosuch"),
        (&["--uts", "private:x"], "private:x"),
        (&["--uts", "host", "--hostname", "x"], "hostname"),
        (&["--cgroupns", "nosuch"], "nosuch"),
        (&["--pid", "container:nosuch"], "nosuch"),
        (&["--ipc", "container:nosuch"], "nosuch"),
    ]);
}

#[test]
fn namespaces_of_another_container() {
    let h = Host::new();
    h.idle("--name box --ipc shareable");
    for kind in ["pid", "ipc"] {
        let link = format!("readlink /proc/self/ns/{kind}");
        let own = h.ok(&format!("exec box {link}"));
        assert_eq!(sh(&h, &format!("--{kind} container:box"), &link), own, "{kind}");
    }
    assert!(sh(&h, "--pid container:box", "ps").contains("sleep 1000"));
    h.ok("exec box touch /dev/shm/shared");
    assert_eq!(sh(&h, "--ipc container:box", "ls /dev/shm"), "shared");
    h.ok("rm -f box");
    h.idle("--name box --ipc private");
    h.run("run --rm --ipc container:box busybox true").fails(125, "box");
    h.ok("stop -t 0 box");
    h.run("run --rm --pid container:box busybox true").fails(125, "is not running");
}

#[test]
fn a_process_of_ours_as_pid_1() {
    let h = Host::new();
    assert_ne!(sh(&h, "--init", "cat /proc/1/comm"), "sh");
    h.run("run --rm --init busybox sh -c 'exit 7'").exits(7);
    h.run("run --rm --init busybox sh -c 'kill -9 $$'").exits(137);
    h.run("run --rm --init busybox nosuch").exits(127);
    // Orphans that have ended are nobody's zombies.
    let orphans = "for i in 1 2 3 4 5; do sh -c 'true &'; done; i=0; while [ $i -lt 100 ] && ps -o stat | grep -q Z; do \
                   i=$((i+1)); sleep 0.1; done; ps -o stat | grep -c Z; true";
    assert_eq!(sh(&h, "--init", orphans), "0");
    h.ok("run -d --name box --init busybox sleep 1000");
    h.ok("stop box");
    assert!(h.field("box", "Status").starts_with("Exited (143)"), "{}", h.field("box", "Status"));
    h.ok("rm box");
    // Without it nobody is there to take SIGTERM.
    h.ok("run -d --name box busybox sleep 1000");
    h.ok("stop -t 0 box");
    assert!(h.field("box", "Status").starts_with("Exited (137)"));
}

#[test]
fn groups() {
    let h = Host::new();
    let id = |flags: &str| h.ok(&format!("run --rm {flags} busybox id"));
    assert_eq!(id("--group-add daemon --group-add 777"), "uid=0(root) gid=0(root) groups=0(root),1(daemon),777");
    let user = id("-u user1 --group-add 777");
    assert!(user.starts_with("uid=1000(user1) gid=1000(user1) groups=") && user.contains(",777"), "{user}");
    refused(&[(&["--group-add", "nosuch"], "nosuch"), (&["--group-add", "-1"], "-1")]);
}

#[test]
fn mounts_by_name_of_option() {
    let h = Host::new();
    h.write("dir/file", "here\n");
    let dir = h.path("dir");
    let cat = "cat /m/file; touch /m/new 2>/dev/null && echo wrote && rm /m/new; true";
    for (options, expected) in [
        ("", "here\nwrote"),
        (",readonly", "here"),
        (",ro", "here"),
        (",readonly=true", "here"),
        (",readonly=false", "here\nwrote"),
        (",bind-propagation=rprivate", "here\nwrote"),
        (",bind-recursive=disabled", "here\nwrote"),
        (",bind-recursive=readonly,readonly,bind-propagation=rprivate", "here"),
    ] {
        for (source, target) in [("source", "target"), ("src", "dst"), ("src", "destination")] {
            let flags = format!("--mount type=bind,{source}={dir},{target}=/m{options}");
            assert_eq!(sh(&h, &flags, cat), expected, "{flags}");
        }
    }
    h.ok("run --rm -v data:/m busybox sh -c 'mkdir /m/sub; echo here >/m/sub/file'");
    assert_eq!(sh(&h, "--mount src=data,dst=/m,volume-subpath=sub", cat), "here\nwrote");
    assert_eq!(sh(&h, "--mount type=volume,src=data,dst=/m,ro", "ls /m; touch /m/x 2>/dev/null || echo no"), "sub\nno");
    assert_eq!(sh(&h, "--mount type=volume,dst=/etc", "ls /etc | grep -c passwd"), "1");
    assert_eq!(sh(&h, "--mount type=volume,dst=/etc,volume-nocopy", "ls /etc | grep -c passwd; true"), "0");
    refused(&[
        (&["--mount", "type=bind,src=/nosuch/x,dst=/m"], "bind source path does not exist: /nosuch/x"),
        (&["--mount", "type=nosuch,dst=/m"], "nosuch"),
        (&["--mount", "type=bind,dst=/m,nosuch=1"], "nosuch"),
        (&["--mount", "type=bind,src=/etc"], "target"),
        (&["--mount", "type=bind,dst=/m"], "Source must not be empty"),
        (&["--mount", "type=bind,src=/etc,dst=rel"], "rel"),
        (&["--mount", "type=bind,src=/etc,dst=/"], "/"),
        (&["--mount", "type=bind,src=/etc,dst=/m,bind-propagation=x"], "x"),
        (&["--mount", "type=tmpfs,dst=/m,tmpfs-size=x"], "x"),
        (&["--mount", "type=tmpfs,dst=/m,tmpfs-mode=9"], "9"),
        (&["--mount", "type=volume,src=data,dst=/m,volume-subpath=../.."], ".."),
        (&["--mount", "type=bind,src=/etc,dst=/m", "-v", "/etc:/m"], "Duplicate mount point: /m"),
        (&["--tmpfs", "/m", "-v", "/etc:/m"], "Duplicate mount point: /m"),
        (&["--mount", ""], "mount"),
    ]);
}

/// What is mounted below a bind: read-only with it, or on request writable, or not there.
#[test]
fn mounts_below_a_bind() {
    let h = Host::new();
    fs::create_dir_all(h.path("dir/below")).unwrap();
    let (dir, binary) = (h.path("dir"), crate::host::binary());
    let (store, run) = (h.store.display(), h.run_dir.display());
    let with = |mount: &str| {
        let look = "touch /m/below/x 2>/dev/null && echo wrote; grep -c /m/below /proc/self/mountinfo; true";
        h.sh(&format!(
            "unshare -m --propagation private sh -ec 'mount -t tmpfs none {dir}/below; \
             MYDOCKER_ROOT={store} MYDOCKER_RUN={run} {binary} run --rm {mount} busybox sh -c \"{look}\"'"
        ))
    };
    assert_eq!(with(&format!("-v {dir}:/m")), "wrote\n1");
    assert_eq!(with(&format!("-v {dir}:/m:ro")), "1");
    let long = |more: &str| with(&format!("--mount type=bind,src={dir},dst=/m{more}"));
    assert_eq!(long(""), "wrote\n1");
    assert_eq!(long(",readonly"), "1");
    assert_eq!(long(",readonly,bind-recursive=writable"), "wrote\n1");
    assert_eq!(long(",bind-recursive=disabled"), "wrote\n0");
}

#[test]
fn a_user_namespace() {
    let h = Host::new();
    h.write("dir/file", "here\n");
    let maps = sh(&h, "--userns auto", "cat /proc/self/uid_map /proc/self/gid_map");
    let numbers: Vec<u64> = maps.split_whitespace().map(|word| word.parse().unwrap()).collect();
    assert!(numbers.len() == 6 && numbers[0] == 0 && numbers[1] != 0 && numbers[2] == 65536, "{maps}");
    assert_eq!(numbers[..3], numbers[3..], "{maps}");
    assert_eq!(
        sh(&h, "--userns 700000:1000", "cat /proc/self/uid_map").split_whitespace().collect::<Vec<_>>(),
        ["0", "700000", "1000"]
    );
    assert_eq!(sh(&h, "--userns host", "readlink /proc/self/ns/user"), namespace("user"));
    // The image's files belong to root inside, and what is made belongs to nobody of importance outside.
    let look = "stat -c %u:%g /bin/busybox /etc/hosts /home/user1; touch /x; stat -c %u /x; id -u";
    assert_eq!(sh(&h, "--userns auto", look), "0:0\n0:0\n1000:1000\n0\n0");
    let flags = format!("--userns auto -v {}:/b -v vol:/v", h.path("dir"));
    let look = "cat /b/file; touch /b/x 2>/dev/null || echo no; touch /v/made; stat -c %u /v/made";
    assert_eq!(sh(&h, &flags, look), "here\nno\n0");
    assert_eq!(sh(&h, "-v vol:/v", "stat -c %u /v/made"), "0");
    let id = h.idle("--name box --userns auto");
    let status = fs::read_to_string(format!("/proc/{}/status", h.pid("box"))).unwrap();
    let uid =
        status.lines().find_map(|line| line.strip_prefix("Uid:\t")).unwrap().split('\t').next().unwrap().to_owned();
    assert_ne!(uid, "0", "{id}");
    refused(&[
        (&["--userns", "nosuch"], "nosuch"),
        (&["--userns", "0:65536"], "0:65536"),
        (&["--userns", "700000:0"], "700000:0"),
        (&["--userns", "4294967295:2"], "4294967295:2"),
    ]);
}

/// Refusals of one flag together with another.
#[test]
fn what_cannot_be_together() {
    let output = |flags: &str| -> Output { Host::new().run(&format!("run --rm {flags} busybox true")) };
    if !is_v1() {
        output("--memory-swappiness 10").fails(125, "cgroup v2 has no memory.swappiness"); // docker warns and goes on
    }
    output("--privileged --security-opt no-new-privileges").exits(0);
    output("--privileged --cap-drop ALL").exits(0);
    output("--cap-drop NET_RAW --cap-add NET_RAW").exits(0);
}
