//! `create`, `start`, `stop`, `kill`, `wait`, `rm`.

use crate::host::Host;
use crate::process::{at_most, until};
use std::time::{Duration, Instant};

#[test]
fn created_then_started() {
    let h = Host::new();
    let id = h.ok("create --name box busybox sh -c 'echo hi; exit 3'");
    assert_eq!(id.len(), 64);
    assert_eq!(h.field("box", "Status"), "Created");
    assert_eq!(h.ok("start box"), "box");
    assert_eq!(h.ok("wait box"), "3");
    assert_eq!(h.ok("logs box"), "hi");
}

#[test]
fn start_a_shows_the_output_and_ends_with_the_code() {
    let h = Host::new();
    h.ok("create --name box busybox sh -c 'echo hi; exit 3'");
    for _ in 0..2 {
        assert_eq!(h.run("start -a box").exits(3).out, "hi\n");
    }
}

#[test]
fn start_ai_connects_the_input() {
    let h = Host::new();
    h.ok("create -i --name box busybox cat");
    assert_eq!(h.cmd("start -ai box").input("typed").run().ok(), "typed");
}

#[test]
fn what_runs_is_not_started_twice() {
    let h = Host::new();
    h.idle("--name box");
    let pid = h.pid("box");
    assert_eq!(h.ok("start box"), "box");
    assert_eq!(h.pid("box"), pid);
}

#[test]
fn a_start_that_fails_leaves_a_made_container_as_it_was() {
    let h = Host::new();
    h.ok("create --name box busybox nosuch");
    h.run("start box").fails(1, "nosuch");
    assert_eq!(h.ok("inspect -f '{{.State.ExitCode}} {{.State.Status}}' box"), "127 created");
    assert_eq!(h.field("box", "Status"), "Created");
}

#[test]
fn several_words_go_on_after_a_failure() {
    let h = Host::new();
    h.ok("create --name aa busybox true");
    h.ok("create --name bb busybox true");
    let output = h.run("start aa nosuch bb").exits(1);
    assert_eq!(output.out, "aa\nbb\n");
    assert_eq!(output.err, "mydocker: No such container: nosuch\n");
    h.ok("wait aa bb"); // what runs is not removed
    let output = h.run("rm aa nosuch bb").exits(1);
    assert_eq!(output.out, "aa\nbb\n");
}

#[test]
fn changes_survive_a_restart() {
    let h = Host::new();
    h.run("run --name box busybox sh -c 'echo x >>/count; wc -l </count'").exits(0);
    assert_eq!(h.ok("start -a box"), "2");
    assert_eq!(h.ok("start -a box"), "3");
}

#[test]
fn stop_lets_it_end_by_itself() {
    let h = Host::new();
    h.ok("run -d --name box busybox sh -c 'trap \"echo bye; exit 9\" TERM; echo ready; while :; do sleep 0.01; done'");
    until("it is ready", || h.ok("logs box") == "ready");
    let begun = Instant::now();
    assert_eq!(h.ok("stop box"), "box");
    assert!(begun.elapsed() < at_most(Duration::from_secs(8)), "{:?}", begun.elapsed());
    assert!(h.field("box", "Status").starts_with("Exited (9) "));
    assert_eq!(h.ok("logs box"), "ready\nbye");
}

#[test]
fn stop_kills_what_does_not_listen() {
    let h = Host::new();
    h.ok("run -d --name box busybox sleep 1000"); // process 1 has no handler: TERM does nothing
    let begun = Instant::now();
    assert_eq!(h.ok("stop -t 1 box"), "box");
    assert!(begun.elapsed() >= Duration::from_secs(1));
    assert!(h.field("box", "Status").starts_with("Exited (137) "));
}

#[test]
fn stop_without_time_kills_at_once() {
    let h = Host::new();
    h.ok("run -d --name box busybox sleep 1000");
    let begun = Instant::now();
    h.ok("stop -t 0 box");
    assert!(begun.elapsed() < at_most(Duration::from_secs(8)));
}

#[test]
fn stopping_twice_harms_nobody() {
    let h = Host::new();
    h.idle("--name box");
    h.ok("create --name new busybox true");
    assert_eq!(h.ok("stop box"), "box");
    assert_eq!(h.ok("stop box new"), "box\nnew");
    h.run("stop nosuch").fails(1, "No such container: nosuch");
}

#[test]
fn stop_sends_the_images_signal() {
    let h = Host::new();
    h.ok(&["import", "-c", "STOPSIGNAL SIGUSR1", crate::host::busybox_tar(), "usr1"]);
    h.ok("run -d --name box usr1 sh -c 'trap \"exit 5\" USR1; echo ready; while :; do sleep 0.01; done'");
    until("it is ready", || h.ok("logs box") == "ready");
    h.ok("stop box");
    assert!(h.field("box", "Status").starts_with("Exited (5) "));
}

#[test]
fn kill_sends_what_was_asked() {
    let h = Host::new();
    h.ok("run -d --name box busybox sh -c 'trap \"echo usr\" USR1; echo ready; while :; do sleep 0.01; done'");
    until("it is ready", || h.ok("logs box") == "ready");
    for (signal, lines) in [("USR1", 2), ("SIGUSR1", 3), ("10", 4)] {
        assert_eq!(h.ok(&["kill", "-s", signal, "box"]), "box");
        until("it answers", || h.ok("logs box").lines().count() == lines);
    }
    assert_eq!(h.ok("kill box"), "box");
    assert_eq!(h.ok("wait box"), "137");
}

#[test]
fn kill_wants_a_running_container_and_a_real_signal() {
    let h = Host::new();
    let id = h.ok("create --name new busybox true");
    h.run("kill new").fails(1, &format!("Cannot kill container: new: Container {id} is not running"));
    h.run("kill nosuch").fails(1, "No such container: nosuch");
    let output = h.run("kill -s NOSUCH new");
    assert!(output.code != 0 && output.err.contains("NOSUCH"), "{output:?}");
}

#[test]
fn wait_prints_exit_codes() {
    let h = Host::new();
    h.ok("run -d --name aa busybox sh -c 'sleep 0.3; exit 9'");
    h.ok("run -d --name bb busybox true");
    assert_eq!(h.ok("wait aa bb"), "9\n0");
    h.run("wait nosuch").fails(1, "No such container: nosuch");
}

#[test]
fn rm_refuses_what_runs() {
    let h = Host::new();
    h.idle("--name box");
    let before = h.snapshot();
    h.run("rm box").fails(1, "running");
    assert_eq!(h.field("box", "State"), "running");
    h.unchanged(&before);
}

#[test]
fn rm_f_kills_and_removes() {
    let h = Host::new();
    let before = h.snapshot();
    h.ok("run -d --name box busybox sleep 1000");
    assert_eq!(h.ok("rm -f box"), "box");
    assert_eq!(h.ok("ps -aq"), "");
    h.unchanged(&before);
}

#[test]
fn rm_of_nothing_is_an_error_unless_forced() {
    let h = Host::new();
    h.run("rm nosuch").fails(1, "No such container: nosuch");
    h.run("rm -f nosuch").exits(0);
}

#[test]
fn a_name_is_free_after_rm() {
    let h = Host::new();
    h.ok("run --name box busybox true");
    h.ok("rm box");
    h.ok("run --name box busybox true");
}

#[test]
fn everything_in_it_ends_with_its_first_process() {
    let h = Host::new();
    h.run("run --name box busybox sh -c 'sleep 998 & setsid sleep 998 & exit 4'").exits(4);
    until("no process is left", || !h.sh("ps -eo args").contains("sleep 998"));
}

#[test]
fn sigterm_to_the_foreground_command_reaches_the_container() {
    let h = Host::new();
    let line = "run --rm --name box busybox sh -c 'trap \"exit 8\" TERM; echo ready; while :; do sleep 0.01; done'";
    let mut run = h.spawn(line);
    run.expect("ready\n");
    run.signal(rustix::process::Signal::TERM);
    run.wait().exits(8);
}

#[test]
fn several_are_stopped_side_by_side() {
    let h = Host::new();
    // The first one ends only after the second one was told: one after the other would take for ever.
    let first = "trap 'while [ ! -e /shared/go ]; do :; done; exit 0' TERM; echo ready; sleep 1000 & wait";
    let second = "trap 'touch /shared/go; exit 0' TERM; echo ready; sleep 1000 & wait";
    for (name, command) in [("first", first), ("second", second)] {
        h.ok(&["run", "-d", "--name", name, "-v", "shared:/shared", "busybox", "sh", "-c", command]);
        until("it listens", || h.run(&["logs", name]).out.contains("ready"));
    }
    let output = h.run("stop -t -1 first nosuch second").exits(1);
    assert_eq!(output.out, "first\nsecond\n");
    assert!(output.err.contains("No such container: nosuch"));
}

#[test]
fn rename_gives_another_name() {
    let h = Host::new();
    let id = h.idle("--name old");
    h.ok("create --name other busybox true");
    assert_eq!(h.ok("rename old new"), "");
    assert_eq!(h.ok("ps -q --no-trunc --filter name=^new$"), id);
    h.run("exec old true").fails(1, "No such container: old");
    h.run("rename new new").fails(1, "Renaming a container with the same name as its current name");
    h.run("rename nosuch y1").fails(1, "No such container: nosuch");
    h.run("rename new other").fails(1, "Conflict. The container name \"/other\" is already in use by container \"");
    h.run("rename new 'a b'").fails(1, "Invalid container name (a b)");
    h.ok("create --name old busybox true");
    h.ok("stop -t 0 new");
    assert!(h.field("new", "Status").starts_with("Exited"));
    let info = std::fs::read_to_string(h.run_dir.join(&id).join("containerInfo.json")).unwrap();
    assert!(info.contains("\"name\":\"new\""), "{info}");
}

#[test]
fn a_renamed_container_goes_away_with_its_end() {
    let h = Host::new();
    h.idle("--rm --name old");
    h.ok("rename old new");
    h.ok("stop -t 0 new");
    until("it goes away", || h.ok("ps -aq").is_empty());
    h.ok("create --name new busybox true");
}
