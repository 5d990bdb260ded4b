//! containerd, with its own client and runc's shim.

use crate::checks;
use crate::process::{until, until_is};
use crate::stage::{Stage, cgroups, is_v1};

pub const CHECKS: &[crate::Check] = checks![
    run,
    exit_codes,
    at_a_terminal,
    exec,
    exec_at_a_terminal,
    processes,
    pause,
    metrics,
    kill_and_delete,
    limits,
    namespaces
];

const IMAGE: &str = "docker.io/library/busybox:latest";

/// Starts the daemon, and imports the image, which we save.
pub fn open(s: &Stage) {
    let config = "version = 2\nroot = \"DIR/root\"\nstate = \"/run/ctr\"\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\"]\n\
        [grpc]\naddress = \"/run/ctr.sock\"\n";
    s.write("config.toml", &config.replace("DIR", s.dir.to_str().unwrap()));
    s.daemon("containerd --config config.toml", "ctr --address /run/ctr.sock version");
    let store = "MYDOCKER_ROOT=DIR/store MYDOCKER_RUN=DIR/run";
    s.ok(&format!("{store} {0} import {1} busybox && {store} {0} save -o saved.tar busybox", s.ours, s.image));
    s.ok("engine images import saved.tar");
}

/// The words before an image and a name.
fn start(flags: &str) -> String {
    format!("engine run --runtime io.containerd.runc.v2 --runc-binary RUNTIME {flags} {IMAGE}")
}

#[track_caller]
fn idle(s: &Stage, name: &str, flags: &str) {
    let loops = "'trap \"exit 0\" TERM; sleep 1000 & wait'";
    s.ok(&format!("{} {name} sh -c {loops}", start(&format!("-d {flags}"))));
}

fn task(s: &Stage, name: &str) -> String {
    let list = s.ok("engine task ls");
    let line = list.lines().find(|line| line.split_whitespace().next() == Some(name)).unwrap_or_default();
    line.split_whitespace().nth(2).unwrap_or("GONE").to_owned()
}

/// Ends and removes a container.
#[track_caller]
fn remove(s: &Stage, name: &str) {
    s.ok(&format!("engine task kill -s KILL {name}"));
    until_is("STOPPED", || task(s, name));
    s.ok(&format!("engine task delete {name}"));
    s.ok(&format!("engine containers rm {name}"));
    until("its cgroups are gone", || cgroups(name).is_empty());
}

fn run(s: &Stage) {
    assert_eq!(s.ok(&format!("{} box-run echo hello", start("--rm"))), "hello");
    until("its cgroups are gone", || cgroups("box-run").is_empty());
}

fn exit_codes(s: &Stage) {
    for code in [0, 3, 255] {
        s.exits(code, &format!("{} box-{code} sh -c 'exit {code}'", start("--rm")));
    }
    let said = s.exits(1, &format!("{} box-none no-such-command", start("--rm")));
    assert!(said.contains("executable file not found in $PATH"), "{said}");
    until("its cgroups are gone", || cgroups("box-").is_empty());
    assert_eq!(s.ok("engine containers ls -q"), "");
}

fn at_a_terminal(s: &Stage) {
    let mut t = s.terminal(&format!("{} box-tty sh", start("--rm -t")));
    t.expect("# ");
    t.send("tty; stty size; test -t 0 -a -t 1 -a -t 2 && echo a''ll three\n");
    t.expect("/dev/pts/0\n24 80\n");
    t.expect("all three\n");
    t.send("exit 3\n");
    t.exits(3);
}

fn exec(s: &Stage) {
    idle(s, "box-exec", "--env A=b");
    assert_eq!(s.ok("engine task exec --exec-id one box-exec sh -c 'echo $A; id -u; pwd'"), "b\n0\n/");
    let flags = "--exec-id two --user 1000:10 --cwd /tmp";
    assert_eq!(s.ok(&format!("engine task exec {flags} box-exec sh -c 'id -u; id -g; pwd'")), "1000\n10\n/tmp");
    s.exits(5, "engine task exec --exec-id three box-exec sh -c 'exit 5'");
    let said = s.exits(1, "engine task exec --exec-id four box-exec no-such-command");
    assert!(said.contains("executable file not found in $PATH"), "{said}");
    s.ok("engine task exec -d --exec-id five box-exec sleep 500");
    until("the detached command runs", || s.ok("engine task exec --exec-id six box-exec ps").contains("sleep 500"));
    remove(s, "box-exec");
}

fn exec_at_a_terminal(s: &Stage) {
    idle(s, "box-tty", "");
    let mut t = s.terminal("engine task exec -t --exec-id one box-tty sh");
    t.expect("# ");
    t.send("tty; stty size; exit 4\n");
    t.expect("/dev/pts/0\n24 80\n");
    t.exits(4);
    remove(s, "box-tty");
}

fn processes(s: &Stage) {
    idle(s, "box-ps", "");
    until_is("2", || s.ok("engine task ps box-ps").lines().skip(1).count().to_string());
    let pids = s.ok("engine task ps box-ps | awk 'NR > 1 { print $1 }'");
    assert!(pids.lines().all(|pid| std::fs::exists(format!("/proc/{pid}")).unwrap()), "{pids}");
    remove(s, "box-ps");
}

fn pause(s: &Stage) {
    idle(s, "box-pause", "");
    assert_eq!(task(s, "box-pause"), "RUNNING");
    s.ok("engine task pause box-pause");
    assert_eq!(task(s, "box-pause"), "PAUSED");
    s.ok("engine task resume box-pause");
    assert_eq!(task(s, "box-pause"), "RUNNING");
    assert_eq!(s.ok("engine task exec --exec-id one box-pause echo awake"), "awake");
    remove(s, "box-pause");
}

fn metrics(s: &Stage) {
    idle(s, "box-metrics", "--memory-limit 67108864");
    let shown = s.ok("engine task metrics box-metrics");
    let value = |key: &str| {
        let line = shown.lines().find(|line| line.starts_with(key)).unwrap_or_else(|| panic!("no {key}: {shown}"));
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap()
    };
    assert_eq!(value(if is_v1() { "memory.limit_in_bytes" } else { "memory.usage_limit" }), 64 << 20);
    assert!(value(if is_v1() { "memory.usage_in_bytes" } else { "memory.usage" }) > 0);
    assert_eq!(value("pids.current"), 2);
    remove(s, "box-metrics");
}

fn kill_and_delete(s: &Stage) {
    idle(s, "box-kill", "");
    assert_ne!(s.line("engine containers rm box-kill").run().code, 0);
    s.ok("engine task kill -s TERM box-kill");
    until_is("STOPPED", || task(s, "box-kill"));
    s.ok("engine task delete box-kill");
    assert_eq!(task(s, "box-kill"), "GONE");
    // The container can have another task.
    s.ok("engine task start -d box-kill");
    assert_eq!(task(s, "box-kill"), "RUNNING");
    remove(s, "box-kill");
}

fn limits(s: &Stage) {
    idle(s, "box-limits", "--memory-limit 33554432 --cpu-quota 30000 --cpu-period 100000");
    let group = &cgroups("box-limits")[0];
    let at = |controller: &str, file: &str| {
        let group =
            cgroups("box-limits").into_iter().find(|path| !is_v1() || path.to_str().unwrap().contains(controller));
        std::fs::read_to_string(group.unwrap().join(file)).unwrap()
    };
    assert!(group.exists());
    if is_v1() {
        assert_eq!(at("/memory/", "memory.limit_in_bytes"), "33554432\n");
        assert_eq!(at("/cpu/", "cpu.cfs_quota_us"), "30000\n");
    } else {
        assert_eq!(at("", "memory.max"), "33554432\n");
        assert_eq!(at("", "cpu.max"), "30000 100000\n");
    }
    remove(s, "box-limits");
}

fn namespaces(s: &Stage) {
    let read = "readlink /proc/self/ns/net";
    assert_eq!(s.ok(&format!("{} box-host {read}", start("--rm --net-host"))), s.ok(read));
    idle(s, "box-first", "");
    let pid = s.ok("engine task ls | awk '$1 == \"box-first\" { print $2 }'");
    let of_first = s.ok(&format!("readlink /proc/{pid}/ns/net"));
    let flag = format!("--rm --with-ns network:/proc/{pid}/ns/net");
    assert_eq!(s.ok(&format!("{} box-second {read}", start(&flag))), of_first);
    remove(s, "box-first");
}
