//! `exec`.

use crate::host::Host;
use crate::process::until;

#[test]
fn runs_in_the_container() {
    let h = Host::new();
    h.idle("--name box --hostname inside");
    assert_eq!(h.ok("exec box hostname"), "inside");
    assert_eq!(h.ok("exec box cat /proc/1/comm"), "sh");
    h.ok("exec box sh -c 'echo made >/file'");
    assert_eq!(h.ok("exec box cat /file"), "made");
}

#[test]
fn the_exit_code_is_the_commands() {
    let h = Host::new();
    h.idle("--name box");
    h.run("exec box sh -c 'exit 7'").exits(7);
    h.run("exec box sh -c 'kill -9 $$'").exits(137);
    h.run("exec box nosuch").fails(127, "\"nosuch\": executable file not found in $PATH");
    h.run("exec box /etc/passwd").fails(126, "permission denied");
}

#[test]
fn only_a_running_container_will_do() {
    let h = Host::new();
    h.run("exec nosuch true").fails(1, "No such container: nosuch");
    let id = h.ok("create --name new busybox true");
    h.run("exec new true").fails(1, &format!("Container {id} is not running"));
    h.ok("run --name old busybox true");
    h.run("exec old true").fails(1, "is not running");
}

#[test]
fn streams_stay_apart() {
    let h = Host::new();
    h.idle("--name box");
    let output = h.run("exec box sh -c 'echo o; echo e >&2'").exits(0);
    assert_eq!((output.out.as_str(), output.err.as_str()), ("o\n", "e\n"));
}

#[test]
fn reads_only_with_i() {
    let h = Host::new();
    h.idle("--name box");
    assert_eq!(h.cmd("exec -i box cat").input("in\n").run().ok(), "in");
    assert_eq!(h.cmd("exec box cat").input("in\n").run().ok(), "");
}

#[test]
fn has_the_containers_environment_and_its_own() {
    let h = Host::new();
    h.idle("--name box --hostname box -e A=1 -e B=1");
    let env = h.cmd("exec -e B=2 -e C -e D=4 box env").env("C", "host").env("SECRET", "x").run().ok();
    let path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    assert_eq!(env, format!("{path}\nHOSTNAME=box\nA=1\nB=2\nC=host\nD=4\nHOME=/root"));
}

#[test]
fn has_the_containers_user_and_place_unless_told() {
    let h = Host::new();
    h.idle("--name box -u user1 -w /tmp");
    assert_eq!(h.ok("exec box sh -c 'id -un; pwd'"), "user1\n/tmp");
    assert_eq!(h.ok("exec -u 0 -w /etc box sh -c 'id -un; pwd'"), "root\n/etc");
    assert_eq!(h.ok("exec -u 1000:1 box id"), "uid=1000(user1) gid=1(daemon) groups=1(daemon)");
    h.run("exec -u nosuch box id").fails(125, "unable to find user nosuch");
}

#[test]
fn has_the_containers_walls() {
    let h = Host::new();
    let id = h.idle("--name box");
    let look = "cat /proc/self/cgroup | grep -v 0::; grep -E 'Cap(Eff|Bnd)' /proc/self/status; mount";
    assert_eq!(h.ok(&["exec", "box", "sh", "-c", look]), h.ok(&["exec", "box", "sh", "-c", look]));
    assert!(h.ok("exec box grep CapBnd /proc/self/status").ends_with("00000000a80425fb"));
    h.spawn("exec box sleep 997").hang_up();
    let tasks = crate::host::cgroup_file("pids", &id, "cgroup.procs");
    until("its process is in the cgroup", || std::fs::read_to_string(&tasks).unwrap().lines().count() >= 3);
}

#[test]
fn detached_it_returns_at_once() {
    let h = Host::new();
    h.idle("--name box");
    assert_eq!(h.ok("exec -d box sh -c 'sleep 0.2; echo late >/late; sleep 1000'"), "");
    until("it writes its file", || h.run("exec box cat /late").out == "late\n");
}

#[test]
fn ends_with_the_container() {
    let h = Host::new();
    h.idle("--name box");
    let exec = h.spawn("exec box sleep 998");
    until("it runs", || h.ok("exec box ps").contains("sleep 998"));
    h.ok("kill box");
    exec.wait().exits(137);
}

#[test]
fn a_terminal_without_input_works_from_a_script() {
    let h = Host::new();
    h.idle("--name box");
    assert_eq!(h.run("exec -t box tty").exits(0).out, "/dev/pts/0\r\n");
    h.run("exec -it box true").fails(1, "the input device is not a TTY");
}

#[test]
fn sees_the_default_working_directory_of_the_container() {
    let h = Host::new();
    h.idle("--name box -w /made");
    assert_eq!(h.ok("exec box pwd"), "/made");
    assert_eq!(h.ok("exec -w /new/dir box pwd"), "/new/dir");
    h.run("exec -w rel box pwd").exits(125);
}
