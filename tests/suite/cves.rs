//! What broke others, each written from the public description of the hole. More of the same kind, on images and archives,
//! is in hostile.rs and tars.rs.

use crate::archive::Tar;
use crate::contract::DEFAULT;
use crate::escape::mounted;
use crate::host::Host;
use crate::process::{cases, fewer, until};
use std::fs;

/// A host with something around the store that no container may reach.
fn ground() -> Host {
    let h = Host::new();
    h.write("canary/file", "precious\n");
    h.write("canary/dir/file", "precious\n");
    h
}

#[track_caller]
fn untouched(h: &Host, what: &str) {
    let found = h.sh("find canary | sort | tr '\\n' ' '; cat canary/file canary/dir/file");
    assert_eq!(found, "canary canary/dir canary/dir/file canary/file precious\nprecious", "{what}");
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!mounts.contains(h.dir.to_str().unwrap()), "{what}: {mounts}");
}

/// Runs the host's shell with the variables that our binary, `$BIN`, needs.
#[track_caller]
fn host_sh(h: &Host, script: &str) -> String {
    let (store, run, bin) = (h.store.display(), h.run_dir.display(), crate::host::binary());
    h.sh(&format!("export MYDOCKER_ROOT={store} MYDOCKER_RUN={run} BIN={bin}; {script}"))
}

/// CVE-2019-5736: a container's program that is really the one that starts containers.
#[test]
fn cve_2019_5736_our_own_program_as_the_containers() {
    let h = ground();
    let victim = h.path("victim");
    crate::host::copy_program(crate::host::binary(), victim.as_ref());
    let before = fs::read(&victim).unwrap();
    let tar = Tar::busybox().entry(b'0', "script", "", b"#!/proc/self/exe\n").symlink("link", "/proc/self/exe");
    let path = h.write("odd.tar", tar.finished());
    h.ok(&["import", "-c", "ENTRYPOINT [\"/script\"]", &path, "odd"]);
    let make = "cp /script /s; chmod 755 /s; (: >>/proc/1/exe) 2>/dev/null && echo WROTE; \
                (exec 3</proc/1/exe && (: >>/proc/self/fd/3) && echo WROTE) 2>/dev/null; echo ready; sleep 1000";
    for flags in ["", "--init", "--privileged --init"] {
        let run = format!("\"$BIN\" run -d --name box {flags} --entrypoint sh odd -c '{make}'");
        host_sh(&h, &format!("BIN={victim}; {run}"));
        until("it is ready", || h.ok("logs box").contains("ready"));
        let script = "for f in /s /link /proc/self/exe; do \"$BIN\" exec box $f version </dev/null >/dev/null 2>&1 || :; \
                      \"$BIN\" exec -d box $f version || :; done";
        host_sh(&h, &format!("BIN={victim}; {script}"));
        assert_eq!(h.ok("logs box"), "ready", "{flags}");
        h.ok("rm -f box");
        assert!(fs::read(&victim).unwrap() == before, "overwritten with {flags:?}");
    }
    for line in
        ["run --rm odd", "run --rm --entrypoint /link odd version", "run --rm --entrypoint /proc/1/exe odd version"]
    {
        let output = h.run(line);
        assert!(output.code == 0 || output.err.lines().count() == 1, "{output:?}");
    }
    untouched(&h, "after all");
}

/// CVE-2024-21626: a working directory that is one of our descriptors leads to the host's files.
#[test]
fn cve_2024_21626_descriptors_as_working_directory() {
    let h = ground();
    let canary = h.path("canary/file");
    let look = format!(
        "up=.; for i in 1 2 3 4 5 6 7 8; do cat $up{canary} $up/canary/file 2>/dev/null; up=$up/..; done; pwd; ls -d $PWD/store 2>/dev/null; true"
    );
    h.idle("--name box");
    let mut tar = Tar::busybox();
    for n in 3..=20 {
        tar = tar.symlink(&format!("w{n}"), &format!("/proc/self/fd/{n}"));
    }
    let path = h.write("odd.tar", tar.finished());
    h.ok(&["import", &path, "odd"]);
    for n in 3..=20 {
        let dir = format!("/proc/self/fd/{n}");
        for line in [
            &["run", "--rm", "-w", &dir, "busybox"][..],
            &["run", "--rm", "-w", &format!("/w{n}"), "odd"],
            &["exec", "-w", &dir, "box"],
            &["exec", "-w", &format!("{dir}/../.."), "box"],
        ] {
            let output = h.run(&[line, &["sh", "-c", &look]].concat()[..]);
            assert!(!output.out.contains("precious") && !output.out.contains("unreachable"), "{output:?}");
            assert!(output.code == 0 || output.err.lines().count() == 1, "{output:?}");
        }
    }
    // Names of programs are paths, too.
    for n in 3..=20 {
        let output = h.run(&["exec", "box", &format!("/proc/self/fd/{n}/../../../bin/sh"), "-c", "echo in"]);
        assert!(output.code >= 126 && output.out.is_empty(), "{output:?}");
    }
    untouched(&h, "after all");
}

/// The same hole, with a descriptor that whoever starts us left open.
#[test]
fn descriptors_of_the_caller_do_not_get_in() {
    let h = ground();
    h.idle("--name box");
    h.ok("create --name new busybox ls -l /proc/self/fd");
    let list = "ls -l /proc/self/fd";
    for line in [
        format!("run --rm busybox {list}"),
        format!("run --rm -i busybox {list}"),
        format!("run --rm -w /proc/self/fd/7 busybox {list}"),
        format!("exec box {list}"),
        format!("exec -i box {list}"),
        "start -a new".to_owned(),
    ] {
        let script = format!("exec 3</ 7<canary 8<>canary/file 9<canary/file; \"$BIN\" {line} </dev/null 2>&1 || :");
        let found = host_sh(&h, &script);
        assert!(!found.contains("canary") && found.lines().count() <= 6, "{line}: {found}");
    }
    // Nor does the monitor keep them.
    let pid = host_sh(
        &h,
        "exec 9<>canary/file; \"$BIN\" run -d --name late busybox sleep 1000 >/dev/null; \"$BIN\" ps -f name=late --format '{{.PID}}'",
    );
    let parent = h.sh(&format!("grep PPid /proc/{pid}/status | cut -f2"));
    for pid in [pid, parent] {
        assert!(!h.sh(&format!("ls -l /proc/{pid}/fd")).contains("canary"));
    }
    untouched(&h, "after all");
}

/// CVE-2021-30465: a mount point that another container turns into a symlink while it is being used.
#[test]
fn cve_2021_30465_mount_points_that_change() {
    const ROUNDS: usize = 12;
    let h = ground();
    let canary = h.path("canary/dir");
    h.write("source/here", "yes\n");
    let source = h.path("source");
    for (round, target) in [
        canary.clone(),
        format!("../../../../../../../../../../../..{canary}"),
        "/".into(),
        "/proc/self/root".into(),
        "/proc/1/cwd".into(),
    ]
    .iter()
    .enumerate()
    {
        let volume = format!("vol{round}:/vol");
        let make = format!("mkdir /vol/here; ln -s {target} /vol/there; exec /attempts flip /vol");
        h.ok(&["run", "-d", "--name", "flip", "-v", &volume, &mounted(), "busybox", "sh", "-c", &make]);
        until("they change", || h.ok("logs flip").contains("ready"));
        let before = h.snapshot();
        for _ in 0..fewer(ROUNDS) {
            for place in ["/vol/here", "/vol/here/new"] {
                let bind = format!("{source}:{place}");
                let line = ["run", "--rm", "-v", &volume, "-v", &bind, "busybox", "cat", "/proc/self/mountinfo"];
                let output = h.run(&line);
                let refused = output.code == 125 && output.err.lines().count() == 1;
                let mounted = output.out.lines().filter(|line| line.contains("/source ")).count() == 1;
                assert!(refused || output.code == 0 && mounted, "{output:?}");
                let output = h.run(&["run", "--rm", "-v", &volume, "-w", place, "busybox", "true"]);
                assert!(output.code == 0 || output.err.lines().count() == 1, "{output:?}");
            }
        }
        untouched(&h, target);
        assert_eq!(h.sh("ls source"), "here");
        h.unchanged(&before);
        h.ok("rm -f flip");
    }
}

/// CVE-2025-31133 and -52565: what we cover with /dev/null, and mount on /dev/console, by way of an image's or a volume's
/// own idea of them.
#[test]
fn cve_2025_31133_and_52565_nodes_that_are_symlinks() {
    let h = ground();
    let canary = h.path("canary/file");
    let look = "cat /proc/keys /proc/timer_list /proc/kcore /canary 2>/dev/null; (echo x >/proc/sys/kernel/core_pattern) 2>/dev/null && echo WROTE; true";
    for target in cases([
        canary.as_str(),
        "/proc/sys/kernel/core_pattern",
        "/proc/self/exe",
        "/etc/passwd",
        "../../../../../..",
        "/nosuch",
    ]) {
        let mut tar = Tar::busybox();
        for name in ["null", "console", "ptmx", "pts", "shm", "mqueue", "fd", "tty", "zero"] {
            tar = tar.symlink(&format!("dev/{name}"), target).symlink(&format!("fake/{name}"), target);
        }
        let path = h.write("odd.tar", tar.finished());
        h.ok(&["import", &path, "odd"]);
        assert_eq!(h.ok(&["run", "--rm", "odd", "sh", "-c", look]), "", "{target}");
        let output = h.terminal("run --rm -it odd tty").wait().exits(0);
        assert_eq!(output.out, "/dev/pts/0\r\n");
        // The same by a volume over /dev: nobody has to start, but nothing may go wrong.
        h.ok("run --rm -v fake:/f odd sh -c 'rm -rf /f/*; cp -a /fake/. /f/'");
        for flags in ["-v fake:/dev", "-v fake:/dev --read-only", "-v fake:/dev/pts", "-v fake:/proc"] {
            let output = h.run(
                &[&["run", "--rm"][..], &flags.split(' ').collect::<Vec<_>>(), &["odd", "sh", "-c", look]].concat()[..],
            );
            assert!(
                output.code == 125 && output.err.lines().count() == 1 || !output.out.contains("WROTE"),
                "{output:?}"
            );
            let output = h.terminal(&format!("run --rm -it {flags} odd true")).wait();
            assert!(output.code == 0 || output.code >= 125, "{output:?}");
            untouched(&h, target);
        }
    }
    assert!(!fs::read_to_string("/proc/sys/kernel/core_pattern").unwrap().starts_with('x'));
}

/// The same while another container changes what is in the volume.
#[test]
fn cve_2025_52565_nodes_that_change() {
    let h = ground();
    let canary = h.path("canary/file");
    let make = format!(
        "ln -s {canary} /vol/console; ln -s {canary} /vol/null; mkdir /vol/here; : >/vol/here/console; ln -s {canary} /vol/there; exec /attempts flip /vol"
    );
    h.ok(&["run", "-d", "--name", "flip", "-v", "vol:/vol", &mounted(), "busybox", "sh", "-c", &make]);
    until("they change", || h.ok("logs flip").contains("ready"));
    for _ in 0..10 {
        for flags in ["-v vol:/dev", "-v vol:/dev/pts", "-v vol:/vol -w /vol/here/x"] {
            let output = h.terminal(&format!("run --rm -it {flags} busybox true")).wait();
            assert!(output.code == 0 || output.code >= 125, "{output:?}");
        }
    }
    untouched(&h, "flipped");
    h.ok("rm -f flip");
}

/// CVE-2025-52881: what we write below /proc must be a file of the kernel's, whatever is mounted there.
#[test]
fn cve_2025_52881_writes_that_go_elsewhere() {
    let h = ground();
    let tree = "mkdir -p /p/sys/net/ipv4 /p/sys/kernel /p/self/attr /p/self/task/self /p/1; for f in sys/net/ipv4/ip_forward \
                sys/kernel/msgmax self/oom_score_adj self/attr/exec self/uid_map self/setgroups sysrq-trigger; do ln -s /c/file /p/$f; done";
    h.ok(&["run", "--rm", "-v", "fake:/p", "busybox", "sh", "-c", tree]);
    let canary = format!("{}:/c", h.path("canary"));
    for flags in [
        "",
        "--sysctl net.ipv4.ip_forward=1",
        "--oom-score-adj 100",
        "--security-opt no-new-privileges",
        "--userns auto",
    ] {
        let flags: Vec<&str> = flags.split_whitespace().collect();
        let line = [&["run", "--rm", "-v", &canary, "-v", "fake:/proc"][..], &flags, &["busybox", "true"]].concat();
        let output = h.run(&line[..]);
        assert!(output.code == 0 || output.code == 125 && output.err.lines().count() == 1, "{output:?}");
        untouched(&h, "a volume over /proc");
    }
    // A container that covers its own /proc, and waits for an exec.
    let cover = "mount --bind /p /proc; echo ready; sleep 1000";
    h.ok(&[
        "run",
        "-d",
        "--name",
        "box",
        "--cap-add",
        "SYS_ADMIN",
        "--oom-score-adj",
        "100",
        "-v",
        &canary,
        "-v",
        "fake:/p",
        "busybox",
        "sh",
        "-c",
        cover,
    ]);
    until("it is covered", || h.ok("logs box").contains("ready"));
    for line in [
        "exec box true",
        "exec -u 1000 box true",
        "exec -d box true",
        "exec --privileged box true",
        "exec -w /x box true",
    ] {
        let output = h.run(line);
        assert!(output.code == 0 || output.err.lines().count() == 1, "{output:?}");
    }
    untouched(&h, "a covered /proc");
}

/// CVE-2026-47262: /etc/passwd and /etc/group of an image are as large as the attacker likes.
#[test]
fn cve_2026_47262_accounts_without_end() {
    let h = ground();
    h.sh(&format!(
        "mkdir root; tar xf {} -C root; chmod 755 root; cd root/etc; echo 'gone:x:7:7::/:' >>passwd; truncate -s 6G passwd group",
        crate::host::busybox_tar()
    ));
    // Address space, in kilobytes: what would read the files whole could not start.
    let run = |line: &str| host_sh(&h, &format!("ulimit -v 400000; \"$BIN\" {line} 2>&1 || :"));
    assert_eq!(run("run --rm --rootfs $PWD/root -u 1000 id -u"), "1000");
    // Files that are too large count as empty.
    for user in ["nosuch", "0:nosuch", "user1"] {
        let said = run(&format!("run --rm --rootfs $PWD/root -u {user} id -u"));
        assert!(said.contains("unable to find") && said.lines().count() == 1, "{said}");
    }
    run("run -d --name box --rootfs $PWD/root sleep 1000");
    assert_eq!(run("exec -u 1000 box id -u"), "1000");
    assert!(run("exec -u nosuch box id -u").contains("unable to find"));
    h.ok("rm -f box");
    // One line without end, and one user in very many groups.
    h.sh(
        "cd root/etc; head -c 3000000 /dev/zero | tr '\\0' x >passwd; seq 2000 90000 | sed 's/.*/g&:x:&:user1/' >group",
    );
    assert_eq!(run("run --rm --rootfs $PWD/root -u 1000 stat -c %u /proc/1"), "1000");
    h.sh("echo 'user1:x:1000:1000::/:' >root/etc/passwd");
    assert_eq!(run("run --rm --rootfs $PWD/root -u user1 stat -c %u /proc/1"), "1000");
}

/// CVE-2026-30892: a user by number is that number, whatever names there are.
#[test]
fn cve_2026_30892_a_number_is_a_user() {
    let h = Host::new();
    let accounts = "root:x:0:0:root:/root:/bin/sh\n1:x:0:0:not one:/root:/bin/sh\none:x:1:1::/:\n";
    let groups = "root:x:0:\n1:x:0:\n7:x:0:one\none:x:1:\n";
    let tar = Tar::busybox().file("etc/passwd", accounts.as_bytes()).file("etc/group", groups.as_bytes());
    let path = h.write("odd.tar", tar.finished());
    h.ok(&["import", &path, "odd"]);
    for image in ["busybox", "odd"] {
        h.ok(&["run", "-d", "--name", image, image, "sleep", "1000"]);
        for (user, expected) in
            [("1", "1 1"), ("1:1", "1 1"), ("1:7", "1 7"), ("7", "7 0"), ("7:1", "7 1"), ("0:1", "0 1")]
        {
            let look = ["sh", "-c", "echo $(id -u) $(id -g)"];
            let inside = h.ok(&[&["exec", "-u", user, image][..], &look].concat()[..]);
            assert_eq!(inside, expected, "exec -u {user} in {image}");
            let inside = h.ok(&[&["run", "--rm", "-u", user, image][..], &look].concat()[..]);
            assert_eq!(inside, expected, "run -u {user} {image}");
        }
        assert_eq!(
            h.ok(&["exec", "-u", "1", image, "grep", "CapEff", "/proc/self/status"]),
            "CapEff:\t0000000000000000"
        );
    }
}

/// CVE-2026-41579 and -47766: /dev, /proc or /sys of an image is a symlink, and what we mount and write goes where that leads.
/// The images are in hostile.rs; these are directories, which are not unpacked by us.
#[test]
fn cve_2026_41579_and_47766_directories_that_are_symlinks() {
    let h = ground();
    h.sh(&format!("mkdir root; tar xf {} -C root", crate::host::busybox_tar()));
    let canary = h.path("canary");
    for name in ["dev", "proc", "sys", "etc"] {
        for target in [canary.as_str(), &format!("../../../../../../../../..{canary}"), "/tmp", "tmp"] {
            h.sh(&format!("mv root/{name} kept; ln -s {target} root/{name}"));
            for flags in ["", "-t", "--privileged", "--read-only"] {
                let line = format!("run --rm {flags} --rootfs {} true", h.path("root"));
                let output = if flags == "-t" { h.terminal(&line).wait() } else { h.run(&line) };
                assert!(output.code == 0 || output.code == 125, "{output:?}");
                untouched(&h, &format!("/{name} -> {target}, {flags}"));
            }
            h.sh(&format!("rm root/{name}; mv kept root/{name}"));
        }
    }
    h.ok(&format!("run --rm --rootfs {} true", h.path("root")));
}

/// CVE-2016-9962: a process on its way into a container still has our memory and our descriptors. What somebody inside who
/// lies in wait gets of it.
#[track_caller]
fn got_of_an_exec(h: &Host, flags: &str) -> Vec<String> {
    const EXECS: usize = 25;
    let flags: Vec<&str> = flags.split_whitespace().collect();
    let program = mounted();
    let line = [&["run", "-d", "--name", "box", &program][..], &flags, &["busybox", "/attempts", "lie-in-wait", "2"]];
    h.ok(&line.concat()[..]);
    until("it lies in wait", || h.ok("logs box").contains("ready"));
    for n in 0..EXECS {
        let verbs =
            [&["exec", "box", "true"][..], &["exec", "-u", "1000", "box", "true"], &["exec", "-d", "box", "true"]];
        h.run(verbs[n % 3]); // the time may be over
    }
    h.ended("box");
    let said = h.ok("logs box");
    assert!(said.starts_with("ready") && said.ends_with("done"), "{said}");
    h.ok("rm box");
    said.lines().filter(|line| line.starts_with("got ")).map(str::to_owned).collect()
}

#[test]
fn cve_2016_9962_nobody_gets_at_an_exec() {
    let h = ground();
    for flags in ["", "-u 1000", "--cap-add SYS_ADMIN", "--userns auto --cap-add SYS_PTRACE"] {
        assert_eq!(got_of_an_exec(&h, flags), Vec::<String>::new(), "{flags}");
    }
}

/// The kernel lets a tracer look at everybody in its pid namespace. It must find nothing that it does not have anyway.
#[test]
fn cve_2016_9962_who_may_trace_gets_nothing_new() {
    let h = ground();
    let profile =
        r#"{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["acct"], "action": "SCMP_ACT_ERRNO"}]}"#;
    let own_filter = format!("--security-opt seccomp={}", h.write("profile.json", profile));
    let own = DEFAULT | 1 << 19;
    let is_new = |line: &&String| match line.split(' ').collect::<Vec<_>>()[..] {
        ["got", "another", ..] | ["got", "exe"] => true,
        ["got", "capabilities", set] => u64::from_str_radix(set, 16).is_ok_and(|set| set & !own != 0),
        ["got", path, target] if path.contains("/fd/") => target.starts_with('/') && !target.starts_with("/dev/"),
        ["got", _, target] => target.starts_with(h.dir.to_str().unwrap()),
        _ => false,
    };
    for filter in ["", "--security-opt seccomp=unconfined", &own_filter] {
        let got = got_of_an_exec(&h, &format!("--cap-add SYS_PTRACE {filter}"));
        let mut new: Vec<&String> = got.iter().filter(is_new).collect();
        new.truncate(40);
        assert!(new.is_empty(), "{filter} {new:#?}");
    }
}
