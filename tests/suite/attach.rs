//! `attach`, and leaving what one is attached to: several readers, detach keys, signals, streams one by one.

use crate::crash::monitor;
use crate::host::{Host, crash_binary};
use crate::process::{Cmd, Running, at_most, fewer, soon, until};
use rustix::process::Signal;
use std::collections::BTreeSet;
use std::io::Read;
use std::path::PathBuf;
use std::time::Duration;

const ESCAPE: &str = "\x10\x11";
/// Bytes that go through a container and back, in the test of that.
const MANY_BYTES: usize = 200 << 20;

/// A detached shell at a terminal.
fn shell(h: &Host) {
    h.ok("run -dit --name box busybox sh");
}

/// The pipes that a process holds.
fn pipes(pid: i32) -> BTreeSet<PathBuf> {
    let open = std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    let targets = open.filter_map(|fd| std::fs::read_link(fd.path()).ok());
    targets.filter(|target| target.to_str().is_some_and(|name| name.starts_with("pipe:"))).collect()
}

/// A command that is attached to `box`: it has so many pipes together with the monitor.
fn attached<'a>(h: &'a Host, line: &str, count: usize) -> Running<'a> {
    let (monitor, running) = (monitor(h, "box"), h.spawn(line));
    until("it is attached", || pipes(monitor).intersection(&pipes(running.pid())).count() == count);
    running
}

fn stops(t: &Running<'_>) {
    t.signal(Signal::STOP);
    until("it stands still", || state(t) == 'T');
}

/// Waits until a command passes signals on: what comes before ends it. proc_pid_status(5)
fn passes_signals_on(t: &Running<'_>) {
    until("it passes signals on", || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", t.pid())).unwrap();
        let blocked = status.lines().find_map(|line| line.strip_prefix("SigBlk:")).unwrap();
        u64::from_str_radix(blocked.trim(), 16).unwrap() & 1 << (Signal::TERM.as_raw() - 1) != 0
    });
}

/// The letter of proc_pid_stat(5).
pub fn state(t: &Running<'_>) -> char {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", t.pid())).unwrap();
    stat.rsplit(") ").next().unwrap().chars().next().unwrap()
}

#[test]
fn all_who_are_attached_see_everything_and_may_type() {
    let h = Host::new();
    shell(&h);
    let (mut a, mut b) = (h.terminal("attach box"), h.terminal("attach box"));
    a.expect("# ");
    b.expect("# ");
    a.send("echo fro''m-a\n");
    a.expect("from-a\r\n");
    b.expect("from-a\r\n");
    b.send("echo fro''m-b\n");
    a.expect("from-b\r\n");
    b.expect("from-b\r\n");
    b.send("exit 3\n");
    a.wait().exits(3);
    b.wait().exits(3);
}

#[test]
fn one_leaves_and_comes_back() {
    let h = Host::new();
    let mut t = h.terminal("run --name box -it busybox sh");
    t.expect("# ");
    t.send("echo fir''st\n");
    t.expect("first\r\n/ # ");
    t.send(ESCAPE);
    let output = t.wait().exits(0);
    assert!(!output.out.contains("escape"), "it leaves silently: {output:?}");
    assert_eq!(h.field("box", "State"), "running");
    for _ in 0..3 {
        let mut t = h.terminal("attach box");
        t.expect("# ");
        t.send("echo aga''in\n");
        t.expect("again\r\n/ # ");
        t.send("\x10");
        assert_eq!(h.field("box", "State"), "running"); // meanwhile the first key is read
        t.send("\x11");
        let output = t.wait().exits(1);
        assert!(output.out.ends_with("mydocker: read escape sequence\r\n"), "{output:?}");
    }
    let mut t = h.terminal("start -ai box");
    t.expect("# ");
    t.send(ESCAPE);
    t.wait().exits(1);
    let mut t = h.terminal("attach box");
    t.expect("# ");
    t.send("exit 4\n");
    t.wait().exits(4);
}

#[test]
fn what_is_not_the_whole_sequence_reaches_the_container() {
    let h = Host::new();
    let script = "stty raw -echo; echo ready; dd bs=1 count=5 2>/dev/null | od -An -tx1; exit 6";
    let mut t = h.terminal(&["run", "--rm", "-it", "busybox", "sh", "-c", script]);
    t.expect("ready");
    t.send("\x10a");
    t.send("\x10\x10");
    t.send("b\x11");
    t.expect("10 61 10 10 62");
    t.wait().exits(6);
}

#[test]
fn other_detach_keys() {
    let h = Host::new();
    shell(&h);
    for (keys, typed) in [("ctrl-a,d", "\x01d"), ("x", "x"), ("ctrl-@,ctrl-_", "\0\x1f"), ("", ESCAPE)] {
        let mut t = h.terminal(&["attach", "--detach-keys", keys, "box"]);
        t.expect("# ");
        t.send(typed);
        t.wait().exits(1);
    }
    for line in ["attach --detach-keys ctrl-1 box", "run --rm --detach-keys a,,b busybox true"] {
        let keys = line.split(' ').nth(if line.starts_with("run") { 3 } else { 2 }).unwrap();
        h.run(line).fails(125, &format!("Invalid detach keys ({keys}) provided"));
    }
    h.run("exec --detach-keys é box true").fails(125, "Invalid detach keys (é) provided");
    // Without a terminal they are bytes like others.
    let out = h.cmd("run --rm -i --detach-keys a busybox cat").input("xay").run();
    assert_eq!(out.exits(0).out, "xay");
}

#[test]
fn an_exec_that_was_left_goes_on() {
    let h = Host::new();
    h.idle("--name box");
    // More than its terminal holds: somebody must read it.
    let script = "echo ready; until test -f /go; do sleep 0.01; done; seq 50000; echo $? > /done";
    let mut t = h.terminal(&["exec", "-it", "box", "sh", "-c", script]);
    t.expect("ready");
    t.send(ESCAPE);
    let output = t.wait().exits(1);
    assert!(output.out.ends_with("mydocker: read escape sequence\r\n"), "{output:?}");
    h.ok("exec box touch /go");
    until("it has said everything", || h.run("exec box cat /done").out == "0\n");
    h.ok("exec -dt box sh -c 'seq 50000; echo $? > /two'");
    until("that one, too", || h.run("exec box cat /two").out == "0\n");
}

#[test]
fn what_cannot_be_attached_to() {
    let h = Host::new();
    h.run("attach nosuch").fails(1, "No such container: nosuch");
    h.ok("run --name over busybox true");
    h.run("attach over").fails(1, "You cannot attach to a stopped container, start it first");
    h.ok("create --name never busybox true");
    h.run("attach never").fails(1, "You cannot attach to a stopped container, start it first");
    shell(&h);
    h.run("attach box").fails(1, "the input device is not a TTY");
    h.run("start -ai box").fails(1, "the input device is not a TTY");
    h.ok("pause box");
    h.run("attach box").fails(1, "You cannot attach to a paused container, unpause it first");
    h.run("attach over box").fails(1, "requires 1 argument");
}

#[test]
fn watching_needs_no_terminal() {
    let h = Host::new();
    shell(&h);
    let mut watching = attached(&h, "attach --no-stdin box", 1);
    let mut t = h.terminal("attach box");
    t.expect("# ");
    t.send("echo he''llo; exit 2\n");
    watching.expect("hello\r\n");
    t.wait().exits(2);
    watching.wait().exits(2);
}

#[test]
fn a_terminal_is_drawn_anew() {
    let h = Host::new();
    let script = "trap 'stty size' WINCH; trap 'exit 0' INT; while :; do sleep 0.01; done";
    h.ok(&["run", "-dit", "--name", "box", "busybox", "sh", "-c", script]);
    // The second time and the third it has had this size before, and is told all the same. How often is a matter of time.
    for _ in 0..3 {
        let mut t = h.cmd("attach box").on_terminal(33, 101);
        t.expect("33 101\r\n");
        t.send(ESCAPE);
        t.wait().exits(1);
    }
    let mut t = h.cmd("attach box").on_terminal(33, 101);
    t.expect("33 101\r\n");
    t.resize(50, 120);
    t.expect("50 120\r\n");
}

#[test]
fn a_reader_that_stands_still_is_waited_for_and_holds_nobody_up_before() {
    let h = Host::new();
    let script = "until test -f /go; do sleep 0.01; done; seq 60000; echo fin; exec sleep 1000";
    h.ok(&["run", "-d", "--name", "box", "busybox", "sh", "-c", script]);
    let (mut still, mut other) = (attached(&h, "attach box", 2), attached(&h, "attach box", 2));
    stops(&still);
    h.ok("exec box touch /go");
    other.expect("\nfin\n");
    still.signal(Signal::CONT);
    still.expect("\nfin\n");
    let stopped = attached(&h, "attach box", 2);
    stops(&stopped);
    h.ok("kill box");
    let (a, b) = (still.wait().exits(137), other.wait().exits(137));
    assert!(a.out == b.out && a.out.lines().count() == 60_001);
    assert_eq!(h.field("box", "State"), "exited");
    stopped.signal(Signal::KILL);
    stopped.wait();
}

#[test]
fn signals_are_passed_on() {
    let h = Host::new();
    let names = ["HUP", "QUIT", "USR1", "USR2", "ALRM", "CONT", "TSTP", "TTIN", "IO", "PWR", "XCPU"];
    let traps = names.map(|name| format!("trap 'echo got-{name}' {name};")).join(" ");
    let script = format!("{traps} trap 'exit 9' TERM; echo ready; while :; do sleep 0.01; done");
    let mut t = h.spawn(&["run", "--name", "box", "busybox", "sh", "-c", &script]);
    t.expect("ready\n");
    let other = attached(&h, "attach box", 2);
    passes_signals_on(&other);
    for name in names {
        for from in [&t, &other] {
            h.sh(&format!("kill -{name} {}", from.pid()));
        }
        t.expect(&format!("got-{name}\n"));
    }
    other.signal(Signal::TERM);
    other.wait().exits(9);
    t.wait().exits(9);
}

#[test]
fn signals_that_are_not_passed_on_end_only_us() {
    let h = Host::new();
    h.idle("--name box");
    for signal in [Signal::INT, Signal::TERM, Signal::HUP, Signal::USR1] {
        let t = attached(&h, "attach --sig-proxy=false box", 2);
        t.signal(signal);
        t.wait().exits(128 + signal.as_raw());
    }
    assert_eq!(h.field("box", "State"), "running");
    h.ok("stop box");
    let mut t = h.spawn("start -a --sig-proxy=false box");
    t.expect("ready\n");
    t.signal(Signal::TERM);
    t.wait().exits(143);
    assert_eq!(h.field("box", "State"), "running");
}

#[test]
fn who_insists_gets_away() {
    let h = Host::new();
    let mut t = h.spawn("run --name box busybox sh -c 'echo ready; exec sleep 1000'");
    t.expect("ready\n");
    // A shell that is interrupted between the two ends.
    until("the shell is no longer one", || !h.ok("top box").contains("ready"));
    for sent in 1..=2 {
        t.signal(Signal::INT);
        // Two at once would be one.
        let passed_on = || h.ok("events --since 1h --until 0s -f event=kill").lines().count();
        let is_passed_on = soon(at_most(Duration::from_secs(10)), || passed_on() == sent);
        assert!(is_passed_on, "{sent} of 2: {} {}", h.ok("events --since 1h --until 0s"), h.ok("ps -a"));
    }
    t.signal(Signal::TERM);
    t.wait().exits(1);
    assert_eq!(h.field("box", "State"), "running");
}

#[test]
fn input_ends_with_the_starters() {
    let h = Host::new();
    let mut t = h.cmd("run --rm -i --name box busybox cat").input("").spawn();
    t.send("one\n");
    t.expect("one\n");
    let mut other = h.cmd("attach box").input("").spawn();
    other.send("two\n");
    t.expect("two\n");
    t.hang_up();
    t.wait().exits(0);
    other.wait().exits(0);
    // The starter is killed: its container reads the end, as with any pipe.
    let mut t = h.cmd("run -i --name box busybox cat").input("").spawn();
    t.send("one\n");
    t.expect("one\n");
    t.signal(Signal::KILL);
    t.wait().exits(137);
    h.ended("box");
}

#[test]
fn detached_input_stays_open() {
    let h = Host::new();
    h.ok("run -di --name box busybox cat");
    for word in ["one\n", "two\n"] {
        let mut t = h.cmd("attach box").input("").spawn();
        t.send(word);
        t.hang_up();
        t.expect(word);
        t.signal(Signal::KILL);
        t.wait().exits(137);
    }
    assert_eq!(h.run("logs box").out, "one\ntwo\n");
    assert_eq!(h.field("box", "State"), "running");
}

#[test]
fn streams_one_by_one() {
    let h = Host::new();
    let script = "echo out; echo err >&2; exit 3";
    for (streams, out, err) in [
        (["-a", "stdout"].as_slice(), "out\n", ""),
        (&["--attach=STDERR"], "", "err\n"),
        (&["-a", "stdout", "-a", "stderr"], "out\n", "err\n"),
    ] {
        let line = [&["run", "--rm"], streams, &["busybox", "sh", "-c", script]].concat();
        let output = h.run(line.as_slice()).exits(3);
        assert_eq!((output.out.as_str(), output.err.as_str()), (out, err));
    }
    let output = h.cmd("run -i -a stdin --name box busybox cat").input("typed\n").run();
    assert_eq!(output.ok().len(), 64);
    h.ended("box");
    assert_eq!(h.run("logs box").out, "typed\n");
    h.run("run -d -a stdout busybox true").fails(125, "Conflicting options: -a and -d");
    let why = "invalid argument \"in\" for \"-a, --attach\" flag: valid streams are STDIN, STDOUT and STDERR";
    h.run("run -a in busybox true").fails(125, why);
    h.run("create -a in busybox true").fails(125, why);
}

#[test]
fn start_a_joins_one_that_runs() {
    let h = Host::new();
    h.ok("run -d --name box busybox sh -c 'until test -f /go; do sleep 0.01; done; echo fin; exit 5'");
    let mut t = attached(&h, "start -a box", 2);
    h.run("exec box touch /go"); // the end that it brings about may meet it, too
    t.expect("fin\n");
    t.wait().exits(5);
}

/// It ends when the command has its output, and has yet to say that it waits for the end.
#[test]
fn start_a_joins_one_that_ends_at_that_moment() {
    let Some(binary) = crash_binary() else { return };
    let h = Host::new();
    h.ok("run -d --name box busybox sh -c 'until test -f /go; do sleep 0.01; done; echo fin; exit 5'");
    let mut t = Cmd::new(&h, &binary, "start -a box").env("MYDOCKER_STOP_AT", "attach:connected").spawn();
    until("it stands still", || state(&t) == 'T');
    let monitor = monitor(&h, "box");
    h.run("exec box touch /go"); // the end that it brings about may meet it, too
    until("the monitor is gone", || std::fs::metadata(format!("/proc/{monitor}")).is_err());
    t.signal(Signal::CONT);
    t.expect("fin\n");
    t.wait().exits(5);
}

#[test]
fn many_who_come_and_go_leave_nothing() {
    let h = Host::new();
    h.idle("--name box");
    let open = || pipes(monitor(&h, "box")).len();
    let before = open();
    let all: Vec<_> = (0..20).map(|_| attached(&h, "attach box", 2)).collect();
    assert_eq!(open(), before + 20 * 2);
    for one in all {
        one.signal(Signal::KILL);
        one.wait();
    }
    until("all are forgotten", || open() == before);
}

#[test]
fn much_goes_through_unchanged() {
    let h = Host::new();
    let (store, run_dir) = (h.store.display(), h.run_dir.display());
    let run =
        format!("env MYDOCKER_ROOT={store} MYDOCKER_RUN={run_dir} {} run --rm -i busybox cat", crate::host::binary());
    h.sh(&format!("head -c {} /dev/urandom > much", fewer(MANY_BYTES)));
    h.sh(&format!("cat much | {run} | cmp - much"));
    h.sh(&format!("{run} < much > copy; cmp copy much; {run} < much >> copy; cat much much | cmp - copy"));
}

#[test]
fn signals_are_heard_while_nobody_reads_our_output() {
    let h = Host::new();
    let path = h.path("fifo");
    h.sh(&format!("mkfifo {path}"));
    let fifo = std::fs::File::options().read(true).write(true).open(&path).unwrap();
    let script = "trap 'exit 7' TERM; yes many & wait";
    let t = h.cmd(&["run", "--name", "box", "busybox", "sh", "-c", script]).spawn_into(fifo.try_clone().unwrap());
    until("it runs", || h.field("box", "State") == "running");
    until("it waits", || {
        let first = h.pid("box");
        let child = std::fs::read_to_string(format!("/proc/{first}/task/{first}/children")).unwrap();
        std::fs::read_to_string(format!("/proc/{}/wchan", child.trim())).is_ok_and(|at| at.contains("pipe_write"))
    });
    passes_signals_on(&t);
    t.signal(Signal::TERM);
    h.ended("box");
    std::thread::spawn(move || {
        let mut fifo = fifo;
        let mut buf = vec![0; 1 << 16];
        while fifo.read(&mut buf).is_ok_and(|n| n > 0) {}
    });
    t.wait().exits(7);
}

#[test]
fn a_reader_that_leaves_ends_us_but_not_the_container() {
    let h = Host::new();
    let (binary, name) = (crate::host::binary(), "box");
    let run = format!(
        "export MYDOCKER_ROOT={} MYDOCKER_RUN={}; {{ {binary} run --name {name} busybox sh -c 'while :; do echo y; sleep 0.01; done' || echo $? > rc; }} | head -n 1",
        h.store.display(),
        h.run_dir.display()
    );
    assert_eq!(h.sh(&run), "y");
    until("it has ended", || std::fs::read_to_string(h.dir.join("rc")).is_ok_and(|code| code == "141\n"));
    assert_eq!(h.field("box", "State"), "running");
}
