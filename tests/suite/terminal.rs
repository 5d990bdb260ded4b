//! `-t` and `-i`, at a real terminal.

use crate::attach::state;
use crate::crash::monitor;
use crate::host::Host;
use crate::process::{Running, until};
use rustix::process::Signal;
use rustix::termios::LocalModes;

const LOOP: &str = "while :; do sleep 0.01; done";

#[test]
fn a_shell_at_a_terminal() {
    let h = Host::new();
    let mut t = h.terminal("run --rm -it busybox sh");
    t.expect("# ");
    t.send("tty; test -t 0 -a -t 1 -a -t 2 && echo all three\n");
    t.expect("/dev/pts/0\r\n");
    t.expect("all three\r\n");
    t.send("exit 3\n");
    t.wait().exits(3);
}

#[test]
fn clusters_in_every_order() {
    let h = Host::new();
    for flags in ["-it", "-ti", "-i -t", "--tty --interactive"] {
        let mut t = h.terminal(&format!("run --rm {flags} busybox sh -c 'echo ready; cat'"));
        t.expect("ready"); // what is typed before that, our own terminal would still edit
        t.send("typed\n\x04");
        t.expect("typed\r\ntyped\r\n");
        t.wait().exits(0);
    }
}

#[test]
fn t_alone_reads_the_terminal_too() {
    let h = Host::new();
    let mut t = h.terminal("run --rm -t busybox sh");
    t.expect("# ");
    t.send("exit 4\n");
    t.wait().exits(4);
}

#[test]
fn the_size_is_there_from_the_start_and_follows() {
    let h = Host::new();
    let script = format!("stty size; trap 'stty size' WINCH; trap 'exit 0' INT; echo ready; {LOOP}");
    let mut t = h.cmd(&["run", "--rm", "-it", "busybox", "sh", "-c", &script]).on_terminal(33, 101);
    t.expect("33 101\r\nready");
    t.resize(50, 120);
    t.expect("50 120");
    t.send("\x03");
    t.wait().exits(0);
}

#[test]
fn an_exec_has_its_own_terminal_of_the_right_size() {
    let h = Host::new();
    h.idle("--name box");
    let script = format!("tty; stty size; trap 'stty size' WINCH; echo ready; {LOOP}");
    let mut t = h.cmd(&["exec", "-it", "box", "sh", "-c", &script]).on_terminal(33, 101);
    t.expect("/dev/pts/0\r\n33 101\r\nready");
    t.resize(50, 120);
    t.expect("50 120");
    t.send("\x03");
    t.wait().exits(130);
}

#[test]
fn ctrl_c_goes_to_the_command_inside() {
    let h = Host::new();
    let script = format!("trap 'echo got it; exit 5' INT; echo ready; {LOOP}");
    let mut t = h.terminal(&["run", "--rm", "-it", "busybox", "sh", "-c", &script]);
    t.expect("ready");
    t.send("\x03");
    t.expect("got it");
    t.wait().exits(5);
}

#[test]
fn ctrl_c_without_a_terminal_inside_is_a_signal() {
    let h = Host::new();
    let script = format!("trap 'echo got it; exit 6' INT; echo ready; {LOOP}");
    let mut t = h.terminal(&["run", "--rm", "busybox", "sh", "-c", &script]);
    t.expect("ready");
    t.send("\x03");
    t.expect("got it");
    t.wait().exits(6);
}

/// A shell at its prompt stops a job and takes it up again.
fn uses_job_control(mut t: Running<'_>) {
    t.expect("# ");
    t.send("echo re''ady; cat\n");
    t.expect("ready\r\n");
    t.send("typed\n");
    t.expect("typed\r\ntyped\r\n");
    t.send("\x1a");
    t.expect("Stopped");
    t.send("fg\n");
    t.expect("fg\r\ncat\r\n");
    t.send("again\n");
    t.expect("again\r\nagain\r\n");
    t.send("\x04");
    t.expect("# ");
    t.send("exit 5\n");
    let output = t.wait().exits(5);
    assert!(!output.out.contains("can't access tty"), "{output:?}");
}

#[test]
fn job_control_works() {
    uses_job_control(Host::new().terminal("run --rm -it busybox sh"));
}

#[test]
fn the_hosts_terminal_is_raw_meanwhile_and_as_before_afterwards() {
    let h = Host::new();
    let mut t = h.terminal("run --rm -it busybox sh");
    t.expect("# ");
    assert!(!t.settings().local_modes.contains(LocalModes::ICANON));
    t.send("exit\n");
    t.wait().exits(0); // wait compares the settings
}

#[test]
fn a_command_that_cannot_start_leaves_the_terminal_alone() {
    let h = Host::new();
    let output = h.terminal("run --rm -it busybox nosuch").wait().exits(127);
    assert!(output.out.starts_with("mydocker: ") && output.out.lines().count() == 1, "{output:?}");
}

#[test]
fn much_output_comes_through_whole() {
    let h = Host::new();
    let output = h.terminal("run --rm -it busybox seq 100000").wait().exits(0);
    assert_eq!(output.out.lines().count(), 100_000);
    assert!(output.out.ends_with("99999\r\n100000\r\n"), "{}", &output.out[output.out.len() - 100..]);
}

#[test]
fn without_a_terminal_it_is_refused() {
    let h = Host::new();
    let before = h.snapshot();
    h.run("run -it busybox true").fails(1, "the input device is not a TTY");
    h.run("run -ti --rm busybox true").fails(1, "the input device is not a TTY");
    h.unchanged(&before);
}

#[test]
fn t_without_i_needs_no_terminal() {
    let h = Host::new();
    assert_eq!(h.run("run --rm -t busybox tty").exits(0).out, "/dev/pts/0\r\n");
}

#[test]
fn term_is_set_with_a_terminal_only() {
    let h = Host::new();
    assert_eq!(h.run("run --rm -t busybox sh -c 'echo $TERM'").out, "xterm\r\n");
    assert_eq!(h.run("run --rm busybox sh -c 'echo $TERM'").out, "\n");
}

#[test]
fn detached_the_monitor_owns_the_terminal() {
    let h = Host::new();
    h.ok("run -dit --name box busybox sh -c 'tty; cat'");
    until("it says its terminal", || h.run("logs box").out == "/dev/pts/0\r\n");
    assert_eq!(h.field("box", "State"), "running");
    h.ok("stop -t 0 box");
}

#[test]
fn start_ai_takes_up_the_terminal() {
    let h = Host::new();
    h.ok("create -it --name box busybox sh");
    let mut t = h.terminal("start -ai box");
    t.expect("# ");
    t.send("exit 9\n");
    t.wait().exits(9);
}

#[test]
fn hanging_up_does_not_hurt_the_container() {
    let h = Host::new();
    let mut t =
        h.terminal(&["run", "--name", "box", "-it", "busybox", "sh", "-c", "trap '' HUP; echo ready; sleep 1000"]);
    t.expect("ready");
    t.signal(Signal::KILL);
    t.wait().exits(137);
    assert_eq!(h.field("box", "State"), "running");
    assert_eq!(h.ok("exec box echo alive"), "alive");
}

fn is_raw(t: &Running<'_>) -> bool {
    !t.settings().local_modes.contains(LocalModes::ICANON)
}

#[test]
fn a_signal_ends_only_us_and_the_terminal_is_as_before() {
    let h = Host::new();
    h.ok("run -dit --name box busybox sh");
    for signal in [Signal::TERM, Signal::HUP, Signal::INT, Signal::QUIT, Signal::USR1] {
        for line in ["attach box", "exec -it box sh"] {
            let mut t = h.terminal(line);
            t.expect("# ");
            until("the terminal is raw", || is_raw(&t));
            t.signal(signal);
            t.wait().exits(128 + signal.as_raw()); // wait compares the settings
        }
    }
    assert_eq!(h.field("box", "State"), "running");
}

#[test]
fn the_containers_end_gives_the_terminal_back() {
    let h = Host::new();
    for way in ["kill box", "stop -t 0 box", "rm -f box"] {
        let mut t = h.terminal("run --name box -it busybox sh");
        t.expect("# ");
        h.ok(way);
        t.wait().exits(137);
        h.run("rm -f box");
    }
    let mut t = h.terminal("run --name box -it busybox sh");
    t.expect("# ");
    h.sh(&format!("kill -KILL {}", monitor(&h, "box")));
    t.wait().exits(137);
}

#[test]
fn standing_still_gives_the_terminal_back_for_that_time() {
    let h = Host::new();
    let mut t = h.terminal("run --rm -it busybox sh");
    t.expect("# ");
    let before = t.settings();
    for _ in 0..2 {
        until("the terminal is raw", || is_raw(&t));
        t.signal(Signal::TSTP);
        until("it stands still", || state(&t) == 'T');
        assert!(!is_raw(&t));
        t.signal(Signal::CONT);
        until("the terminal is raw again", || is_raw(&t));
        assert_eq!(before.local_modes, t.settings().local_modes);
        t.send("echo bac''k\n");
        t.expect("back\r\n");
    }
    t.send("exit 4\n");
    t.wait().exits(4);
}

#[test]
fn an_exec_has_job_control() {
    let h = Host::new();
    h.idle("--name box");
    uses_job_control(h.terminal("exec -it box sh"));
}
