//! Images that lie about what they are, and containers that want out.

use crate::archive::Tar;
use crate::host::Host;
use crate::process::{Output, cases, fewer, soon, until};
use std::time::Duration;

/// A host with something around the store that no image may reach.
fn ground() -> Host {
    let h = Host::new();
    h.write("canary/file", "precious\n");
    h
}

fn around(h: &Host) -> String {
    h.sh("find canary -printf '%p %y %m %U %s %T@ %l\\n' | sort; stat -c '%n %a %u %t:%T' /dev/null /dev/zero /dev/tty")
}

/// Runs a command in an image made of busybox and this.
#[track_caller]
fn in_image(h: &Host, tar: Tar, line: &str) -> Output {
    let path = h.write("odd.tar", tar.finished());
    h.ok(&["import", &path, "odd"]);
    let (before, outside) = (h.snapshot(), around(h));
    let output = h.run(line);
    assert_eq!(around(h), outside, "{output:?}");
    let told = output.err.lines().count() == 1;
    assert!(output.code == 0 || output.code == 125 && told, "neither run nor refused: {output:?}");
    h.unchanged(&before);
    output
}

#[test]
fn images_whose_directories_are_something_else() {
    let h = ground();
    let canary = h.path("canary");
    for name in ["dev", "proc", "sys", "etc", "tmp", "sys/fs/cgroup"] {
        for target in
            cases([canary.as_str(), "../../../../../../../..", "/", "/nosuch", name, "/proc/self/root", "root"])
        {
            in_image(&h, Tar::busybox().symlink(name, target), "run --rm odd true");
        }
        in_image(&h, Tar::busybox().fifo(name), "run --rm odd true");
        in_image(&h, Tar::busybox().file(name, b"x"), "run --rm odd true");
    }
}

#[test]
fn images_whose_files_are_something_else() {
    let h = ground();
    let canary = h.path("canary/file");
    for name in ["etc/resolv.conf", "etc/hosts", "etc/hostname", "etc/passwd", "etc/group"] {
        let path = format!("/{name}");
        let etc = "/../../../../../../../etc/shadow";
        for target in cases([canary.as_str(), etc, "/nosuch/place", path.as_str(), "/dev/null"]) {
            in_image(&h, Tar::busybox().symlink(name, target), "run --rm -u 1000:1000 odd true");
        }
        in_image(&h, Tar::busybox().fifo(name), "run --rm odd true");
        in_image(&h, Tar::busybox().dir(name), "run --rm odd true");
    }
    // Many images have this one, and it must work.
    let dangling = Tar::busybox().symlink("etc/resolv.conf", "../run/systemd/resolve/stub-resolv.conf");
    in_image(&h, dangling, "run --rm odd cat /etc/resolv.conf").ok();
    let huge = Tar::busybox().file("etc/passwd", &b"x:x:1:1:x:/:/bin/sh\n".repeat(fewer(5_000_000)));
    in_image(&h, huge.clone(), "run --rm odd id -u").ok();
    let path = h.write("odd.tar", huge.finished());
    h.ok(&["import", &path, "odd"]);
    h.run("run --rm -u y odd true").exits(125);
}

#[test]
fn mount_points_below_symlinks() {
    let h = ground();
    let canary = h.path("canary");
    h.write("source/here", "yes\n");
    for target in cases([canary.as_str(), "../../../../../../../..", "/proc/self/root", "/proc/1/cwd", "/proc"]) {
        for mount in ["/data/x", "/data", "/data/../data/y"] {
            let line = format!("run --rm -v {}:{mount} odd true", h.path("source"));
            in_image(&h, Tar::busybox().symlink("data", target), &line);
        }
        in_image(&h, Tar::busybox().symlink("data", target), "run --rm -w /data/x/y odd true");
    }
    for dir in ["/proc/self/fd/7", "/proc/self/fd/3/../..", "/proc/self/cwd", "/proc/1/root", "/etc/passwd/x"] {
        let output = h.run(&["run", "--rm", "-w", dir, "busybox", "sh", "-c", "ls / | wc -l; pwd"]);
        assert!(output.code == 125 && output.err.lines().count() == 1 || output.code == 0, "{dir}: {output:?}");
        assert!(!output.out.contains("unreachable"), "{dir}: {output:?}");
    }
}

/// The program file of the command that enters a container must not be writable from inside (CVE-2019-5736).
#[test]
fn our_program_file_cannot_be_overwritten() {
    let h = Host::new();
    // Another file than the one that runs as the container's monitor, as after an upgrade: no ETXTBSY protects it.
    let victim = h.path("victim");
    crate::host::copy_program(crate::host::binary(), victim.as_ref());
    let before = std::fs::read(&victim).unwrap();
    let catch = "mkfifo /pipe; echo ready; while :; do for p in /proc/[0-9]*; do \
                 [ $p = /proc/$$ ] || exe=$(readlink $p/exe) || continue; \
                 case $exe in ''|/bin/busybox) continue;; esac; \
                 exec 3<$p/exe || { echo refused; exit; }; kill -9 ${p#/proc/}; i=0; \
                 while [ $i -lt 300 ]; do i=$((i+1)); (echo pwned >/proc/self/fd/3) 2>/dev/null && echo WROTE; done; \
                 echo done; exit; done; done";
    h.ok(&["run", "-d", "--name", "box", "busybox", "sh", "-c", catch]);
    until("it lies in wait", || h.ok("logs box").contains("ready"));
    let mut exec = std::process::Command::new(&victim);
    exec.env("MYDOCKER_ROOT", &h.store).env("MYDOCKER_RUN", &h.run_dir);
    h.net.hold(&mut exec);
    let mut exec = exec.args(["exec", "box", "/proc/self/exe", "import", "/pipe"]).spawn().unwrap();
    until("it tried", || exec.try_wait().unwrap().is_some() || h.field("box", "State") == "exited");
    let _ = exec.kill();
    exec.wait().unwrap();
    assert!(std::fs::read(&victim).unwrap() == before, "overwritten: {}", h.ok("logs box"));
    h.ok("rm -f box");
    // The same from the first process on.
    let entry = h.run(&["run", "--rm", "--entrypoint", "/proc/self/exe", "busybox", "version"]);
    assert!(entry.code == 0 || entry.err.lines().count() == 1, "{entry:?}");
    let write = "cp /bin/busybox /b; (echo pwned >/proc/1/exe) 2>/dev/null; echo $?";
    h.ok(&["run", "--rm", "busybox", "sh", "-c", write]);
    assert!(std::fs::read(crate::host::binary()).unwrap().starts_with(b"\x7fELF"));
}

#[test]
fn nothing_of_ours_is_left_open() {
    let h = Host::new();
    let list = "for fd in /proc/1/fd/*; do echo ${fd##*/}; done";
    h.idle("--name box");
    let exec = h.ok(&["exec", "box", "sh", "-c", list]);
    let three = |text: &str| text.split_whitespace().filter(|fd| !["0", "1", "2"].contains(fd)).count() == 0;
    assert!(three(&exec), "{exec}"); // those of the shell, which opened nothing
    // One's own, where the directory that is listed is 3.
    for line in
        [&["exec", "box"][..], &["exec", "-i", "box"], &["run", "--rm", "busybox"], &["run", "--rm", "-i", "busybox"]]
    {
        let fds = h.ok(&[line, &["ls", "/proc/self/fd"]].concat()[..]);
        assert_eq!(fds.split_whitespace().collect::<Vec<_>>(), ["0", "1", "2", "3"], "{line:?}");
    }
    assert_eq!(h.ok("exec box readlink /proc/1/root"), "/");
    assert_eq!(h.ok("exec box readlink /proc/1/cwd"), "/");
    let dir = h.dir.to_str().unwrap();
    for file in ["environ", "cmdline", "mounts"] {
        let said = h.ok(&["exec", "box", "cat", &format!("/proc/1/{file}")]);
        // The overlay names its layers by relative paths.
        assert!(!said.contains(dir), "/proc/1/{file}: {said}");
    }
}

#[test]
fn the_host_is_out_of_reach_for_root_inside() {
    let h = ground();
    let outside = around(&h);
    h.idle("--name box");
    let disk = h.sh("lsblk -dno MAJ:MIN 2>/dev/null | head -1 | tr -d ' '; true");
    let (major, minor) = disk.split_once(':').unwrap_or(("254", "0"));
    for (what, script) in [
        ("a disk", format!("rm -f /d; mknod /d b {major} {minor} && dd if=/d of=/dev/null count=1")),
        ("the memory", "rm -f /m; mknod /m c 1 1 && dd if=/m of=/dev/null count=1".to_owned()),
        ("the kernel's log", "rm -f /k; mknod /k c 1 11 && dd if=/k of=/dev/null count=1".to_owned()),
        ("a mount", "mkdir -p /mnt; mount -t tmpfs none /mnt".to_owned()),
        ("another proc", "mkdir -p /p; mount -t proc none /p".to_owned()),
        ("an unmask", "umount /proc/keys || umount /proc/timer_list".to_owned()),
        ("a remount", "mount -o remount,rw /sys || mount -o remount,bind,rw /proc/sys".to_owned()),
        ("sysrq", "[ -e /proc/sysrq-trigger ] && echo h >/proc/sysrq-trigger".to_owned()),
        ("core_pattern", "echo x >/proc/sys/kernel/core_pattern".to_owned()),
        ("a sysctl", "echo 1 >/proc/sys/vm/drop_caches".to_owned()),
        ("irq", "echo 1 >/proc/irq/default_smp_affinity".to_owned()),
        (
            "sysfs",
            "echo 0 >/sys/kernel/mm/ksm/run || { cd /sys/fs/cgroup/memory || cd /sys/fs/cgroup; } 2>/dev/null && mkdir x".to_owned(),
        ),
        ("its limits", "echo 1 >/sys/fs/cgroup/pids/pids.max || echo 1 >/sys/fs/cgroup/pids.max".to_owned()),
        ("release_agent", "echo x >/sys/fs/cgroup/memory/release_agent".to_owned()),
        ("the host's name", "hostname evil".to_owned()),
        ("the time", "! date -s 2001-01-01 2>&1 | grep -q permitted".to_owned()),
        ("a module", "insmod /bin/busybox".to_owned()),
        ("the kernel's memory", "[ -e /proc/kcore ] && dd if=/proc/kcore of=/x count=1 && [ -s /x ]".to_owned()),
        ("keys", "[ -s /proc/keys ]".to_owned()),
        ("a namespace", "nsenter -t 1 -m true && unshare -m mount -t tmpfs none /mnt".to_owned()),
        ("a network's address", "ip link add evil type dummy".to_owned()),
    ] {
        let output = h.run(&["exec", "box", "sh", "-c", &script]);
        eprintln!("{what}: {output:?}");
        let missing = ["not found", "No such file", "Usage", "applet"].iter().any(|text| output.err.contains(text));
        assert!(output.code != 0 && !missing, "{what}: {output:?}");
    }
    let spoil = "chmod 000 /dev/null /dev/zero /dev/tty /proc/keys /proc/kcore /proc/timer_list; \
                 chown 1000:1000 /dev/null /proc/keys; rm -f /dev/null /dev/zero; rm -rf /proc/keys /sys/firmware /dev/shm/*; true";
    h.run(&["exec", "box", "sh", "-c", spoil]);
    assert_eq!(around(&h), outside);
    // Whatever it did to its own /dev: others are as new, and it can still be used and removed.
    assert_eq!(h.ok("run --rm busybox stat -c %a /dev/null"), "666");
    let after = h.run("exec box echo alive");
    assert!(after.out == "alive\n" || after.err.lines().count() == 1, "{after:?}");
    h.ok("rm -f box");
}

/// Without a system call filter everybody may make a user namespace, and is root with all powers there.
#[test]
fn a_user_namespace_is_no_way_out() {
    let h = ground();
    let outside = around(&h);
    for script in [
        "mount -t proc none /proc && [ -s /proc/keys ]",
        "umount /proc/keys",
        "[ -e /proc/sysrq-trigger ] && umount -l /proc/sysrq-trigger && echo h >/proc/sysrq-trigger",
        "mount -o remount,bind,rw /proc/sys && echo x >/proc/sys/kernel/core_pattern",
        "mount -o remount,bind,rw /sys && echo 0 >/sys/kernel/profiling",
        "mkdir -p /c; mount -t cgroup -o memory none /c && echo x >/c/release_agent",
        "mknod /d b 254 0 && dd if=/d of=/dev/null count=1",
    ] {
        let output = h.run(&["run", "--rm", "busybox", "unshare", "-Urmpf", "sh", "-c", script]);
        eprintln!("{output:?}");
        let missing = ["not found", "No such file", "Usage", "applet"].iter().any(|text| output.err.contains(text));
        assert!(output.code != 0 && !missing, "{script}: {output:?}");
    }
    assert_eq!(around(&h), outside);
}

/// A replaced /dev/null, /dev/ptmx or shell is what an exec meets in a container that was taken over.
#[test]
fn an_exec_into_a_spoilt_container() {
    let h = ground();
    let outside = around(&h);
    for spoil in [
        "rm /dev/null; mkfifo /dev/null",
        "rm /dev/null; mkdir /dev/null",
        "rm /dev/null; ln -s /dev/full /dev/null",
        "rm -f /dev/ptmx; mkfifo /dev/ptmx",
        "mkfifo /f; ln -sf /f /etc/passwd; ln -sf /f /etc/group",
        "rm /etc/passwd; mkfifo /etc/passwd",
        "rm /etc/passwd; ln -s /dev/zero /etc/passwd",
        "rm -rf /tmp; ln -s /proc/self/fd /tmp",
    ] {
        h.ok(&["run", "-d", "--name", "box", "busybox", "sh", "-c", &format!("({spoil}); echo ready; sleep 1000")]);
        until("it is spoilt", || h.ok("logs box").contains("ready"));
        for line in ["exec box echo alive", "exec -d box true", "exec -u nosuch box true", "exec -w /tmp box true"] {
            let output = h.run(line);
            assert!(output.code == 0 || output.err.lines().count() <= 1, "{spoil}: {output:?}");
        }
        let output = h.terminal("exec -it box echo alive").wait();
        assert!(output.code == 0 || output.code == 125 || output.code == 1, "{spoil}: {output:?}");
        h.ok("rm -f box");
    }
    assert_eq!(around(&h), outside);
}

#[test]
fn containers_that_take_all_they_can() {
    let h = Host::new();
    let before = h.snapshot();
    let full = h.run("run --rm busybox dd if=/dev/zero of=/dev/shm/x bs=1M");
    assert!(full.code == 1 && full.err.contains("No space left"), "{full:?}");
    let forks = "i=0; while [ $i -lt 100 ]; do i=$((i+1)); sleep 1000 & done; wait";
    h.ok(&["run", "-d", "--name", "box", "--pids-limit", "20", "busybox", "sh", "-c", forks]);
    h.ok("rm -f box");
    let bomb = "f() { f | f & }; f; sleep 1000";
    h.ok(&["run", "-d", "--name", "box", "--pids-limit", "100", "busybox", "sh", "-c", bomb]);
    h.ok("stop -t 0 box");
    h.ok("rm -f box");
    let daemons =
        "for i in 1 2 3; do setsid sh -c 'setsid sleep 1000 & setsid sleep 1000' >/dev/null 2>&1 & done; exit 7";
    h.run(&["run", "--rm", "busybox", "sh", "-c", daemons]).exits(7);
    let closed = "echo said; exec >&- 2>&- <&-; sleep 1000";
    h.ok(&["run", "-d", "--name", "box", "busybox", "sh", "-c", closed]);
    assert_eq!(h.field("box", "State"), "running");
    until("it has said it", || h.ok("logs box") == "said");
    h.ok("stop -t 0 box");
    h.ok("rm box");
    h.unchanged(&before);
}

#[test]
fn deep_and_wide_trees_can_be_removed() {
    let h = Host::new();
    let before = h.snapshot();
    // A thousand levels at a time, because no path may be longer than 4096 bytes.
    let (levels, wide) = (fewer(1000), fewer(10_000));
    let deep = format!(
        "p=; i=0; while [ $i -lt {levels} ]; do i=$((i+1)); p=$p/d; done; mkdir /a; \
         for i in 1 2 3 4 5; do mkdir -p /t$p; mv /a /t$p/; mv /t /a; done; mkdir /w; cd /w; i=0; \
         while [ $i -lt {wide} ]; do i=$((i+1)); : >$i; done; echo $i"
    );
    let output = h.run(&["run", "--name", "box", "busybox", "sh", "-c", &deep]);
    assert_eq!(output.out, format!("{wide}\n"), "{:?}", output.err);
    let output = h.run("commit box deep");
    assert!(output.code == 0 || output.err.lines().count() == 1, "{output:?}");
    h.ok("rm box");
    if output.code == 0 {
        h.ok("rmi deep");
    }
    h.unchanged(&before);
}

#[test]
fn much_output_that_nobody_reads() {
    let h = Host::new();
    let before = h.snapshot();
    let binary = crate::host::binary();
    let env = format!("MYDOCKER_ROOT={} MYDOCKER_RUN={}", h.store.display(), h.run_dir.display());
    // Closed: the command ends as if by SIGPIPE, the container goes on into its log.
    let code = h.sh(&format!("{env} sh -c '{binary} run --name box busybox head -c {} /dev/zero; echo $? >code' | head -c 1 >/dev/null; cat code", fewer(200_000_000)));
    assert_eq!(code, "141");
    h.ended("box");
    assert!(h.field("box", "Status").starts_with("Exited (0)"));
    h.ok("rm box");
    // Stuck: the container is held back, but not the one who stops it.
    let pipe = h.path("pipe");
    h.sh("mkfifo pipe");
    let stuck = std::fs::File::options().read(true).write(true).open(&pipe).unwrap();
    let run = h
        .cmd("run --name box busybox sh -c 'while :; do echo yes yes yes; done'")
        .spawn_into(stuck.try_clone().unwrap());
    until("it runs", || h.field("box", "State") == "running");
    let stop = h.spawn("stop -t 0 box");
    let answered = soon(Duration::from_secs(20), || h.field("box", "State") == "exited");
    run.signal(rustix::process::Signal::KILL);
    stop.wait().ok();
    run.wait();
    h.ok("rm -f box");
    assert!(answered, "a reader that does not read keeps it from ending");
    h.unchanged(&before);
}
