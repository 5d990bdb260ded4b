//! `--restart`, `restart`, `update --restart`: who is started again, when, and what ends it.

use crate::host::Host;
use crate::process::{at_most, until};
use std::fs;
use std::time::{Duration, Instant};

/// A number or text of a container's state, as it is on disk.
fn state(h: &Host, name: &str, key: &str) -> String {
    let id = h.ok(&["ps", "-aq", "--no-trunc", "--filter", &format!("name=^{name}$")]);
    let text = fs::read_to_string(h.store.join("containers").join(id).join("state.json")).unwrap();
    let rest = text.split(&format!("\"{key}\":")).nth(1).unwrap();
    rest.split([',', '}']).next().unwrap().to_owned()
}

fn restarting(h: &Host, name: &str) {
    until("it waits", || h.field(name, "State") == "restarting");
}

#[test]
fn policies_that_make_no_sense_are_refused() {
    let h = Host::new();
    for (flags, text) in [
        ("--restart bogus", "invalid restart policy 'bogus'"),
        ("--restart always:3", "maximum retry count cannot be used with restart policy 'always'"),
        ("--restart on-failure:-1", "maximum retry count cannot be negative"),
        ("--restart on-failure:x", "maximum retry count must be an integer"),
        ("--rm --restart always", "conflicting options: cannot specify both --restart and --rm"),
    ] {
        h.run(&format!("run -d {flags} busybox true")).fails(125, text);
    }
    h.ok("run --rm --restart no busybox true");
    assert_eq!(h.ok("ps -aq"), "");
}

#[test]
fn on_failure_tries_so_often() {
    let h = Host::new();
    h.ok("run -d --name box --restart on-failure:2 busybox sh -c 'echo hi; exit 3'");
    h.ended("box");
    assert!(h.field("box", "Status").starts_with("Exited (3) "));
    assert_eq!(h.ok("logs box"), "hi\nhi\nhi", "one log for all runs");
    assert_eq!(state(&h, "box", "restarts"), "2");
    assert_eq!(state(&h, "box", "was_stopped"), "false");
}

#[test]
fn a_success_is_no_failure() {
    let h = Host::new();
    h.ok("run -d --name box --restart on-failure busybox sh -c 'test -f /was || { touch /was; exit 1; }'");
    h.ended("box");
    assert!(h.field("box", "Status").starts_with("Exited (0) "));
    assert_eq!(state(&h, "box", "restarts"), "1");
}

#[test]
fn the_waits_grow() {
    let h = Host::new();
    let begun = Instant::now();
    h.ok("run -d --name box --restart on-failure:3 busybox sh -c 'exit 1'");
    h.ended("box");
    assert!(begun.elapsed() >= Duration::from_millis(700), "100 + 200 + 400: {:?}", begun.elapsed());
}

#[test]
fn between_two_runs() {
    let h = Host::new();
    h.ok("run -d --name box --restart always busybox sh -c 'sleep 0.1; exit 4'");
    let limit = at_most(Duration::from_secs(1));
    let wait = || Duration::from_millis(100 << state(&h, "box", "restarts").parse::<u32>().unwrap());
    until("it waits for long", || wait() > limit);
    restarting(&h, "box");
    assert!(h.field("box", "Status").starts_with("Restarting (4) "));
    assert_eq!(h.ok("ps --format '{{.Names}}'"), "box", "it counts as running");
    h.run("exec box true").fails(1, "is restarting, wait until the container is running");
    h.run("pause box").fails(1, "is restarting, wait until the container is running");
    h.run("rm box").fails(1, "container is restarting: stop the container before removing or force remove");
    h.ok("kill -s USR1 box"); // nobody gets it
    assert_eq!(h.ok("start box"), "box");
    let begun = Instant::now();
    h.ok("stop box");
    assert!(begun.elapsed() < limit, "{:?}", begun.elapsed());
    let status = h.field("box", "Status");
    assert!(status.starts_with("Exited (4) "), "{status}");
    assert_eq!(state(&h, "box", "was_stopped"), "true");
}

#[test]
fn who_is_stopped_or_killed_stays_so() {
    for end in ["stop", "stop -t 0", "kill", "kill -s TERM"] {
        let h = Host::new();
        h.idle("--name box --restart always");
        until("it is ready", || h.ok("logs box") == "ready");
        h.ok(&format!("{end} box"));
        h.ended("box");
        assert_eq!(state(&h, "box", "was_stopped"), "true", "{end}");
        assert_eq!(state(&h, "box", "restarts"), "0", "{end}");
        h.ok("start box");
        assert_eq!(state(&h, "box", "was_stopped"), "false", "{end}");
    }
}

#[test]
fn another_signal_is_no_wish_to_stop_it() {
    let h = Host::new();
    h.ok("run -d --init --name box --restart unless-stopped busybox sleep 1000");
    let pid = h.field("box", "PID");
    h.ok("kill -s HUP box");
    until("it runs again", || !["", &pid].contains(&h.field("box", "PID").as_str()));
    assert_eq!(state(&h, "box", "restarts"), "1");
}

#[test]
fn removed_by_force_while_it_waits() {
    let h = Host::new();
    for _ in 0..3 {
        h.ok("run -d --name box --restart always busybox false");
        restarting(&h, "box");
        h.ok("rm -f box");
        assert_eq!(h.ok("ps -aq"), "");
    }
}

#[test]
fn the_foreground_and_wait_end_with_the_first_run() {
    let h = Host::new();
    assert_eq!(h.run("run --name box --restart always busybox sh -c 'echo once; exit 5'").exits(5).out, "once\n");
    assert_eq!(h.ok("wait box"), "5");
    h.ok("rm -f box");
}

#[test]
fn each_run_is_made_anew() {
    let h = Host::new();
    let script = "echo $$ $(cat /proc/self/oom_score_adj); mount | grep -c overlay; tty; echo >/run/x; ls /run; exit 1";
    h.ok(&[
        "run",
        "-d",
        "-t",
        "--name",
        "box",
        "--restart",
        "on-failure:1",
        "--tmpfs",
        "/run",
        "busybox",
        "sh",
        "-c",
        script,
    ]);
    h.ended("box");
    let log = h.ok("logs box");
    let lines: Vec<&str> = log.lines().map(str::trim_end).collect();
    assert_eq!(lines.len(), 8, "{log}");
    assert_eq!(lines[..4], lines[4..]);
}

#[test]
fn a_start_that_fails_ends_it() {
    let h = Host::new();
    let dir = h.path("volume");
    fs::create_dir(&dir).unwrap();
    h.ok(&format!(
        "run -d --name box --restart always --mount type=bind,src={dir},dst=/v busybox sh -c 'sleep 0.2; exit 1'"
    ));
    until("it waits for long", || state(&h, "box", "restarts").parse::<u32>().unwrap() >= 1);
    fs::remove_dir(&dir).unwrap();
    h.ended("box");
    assert!(state(&h, "box", "error").contains("volume"), "{}", state(&h, "box", "error"));
    assert_ne!(state(&h, "box", "exit_code"), "0");
}

#[test]
fn update_changes_the_policy() {
    let h = Host::new();
    h.ok("run -d --name box --restart always busybox sh -c 'sleep 0.2; exit 7'");
    h.ok("update --restart no box");
    h.ended("box");
    h.ok("update --restart on-failure:1 box");
    h.ok("start box");
    until("it ends", || state(&h, "box", "restarts") == "1" && h.field("box", "State") == "exited");
    h.run("update --restart always:3 box").fails(125, "maximum retry count");
    h.idle("--rm --name gone");
    h.run("update --restart always gone").fails(1, "AutoRemove is enabled");
}

#[test]
fn restart_stops_and_starts() {
    let h = Host::new();
    h.idle("--name aa");
    h.idle("--rm --name bb");
    h.ok("create --name cc busybox sleep 1000");
    until("it is ready", || h.ok("logs aa") == "ready");
    let pids = [h.pid("aa"), h.pid("bb")];
    let output = h.run("restart -t 2 aa nosuch bb cc").exits(1);
    assert_eq!(output.out, "aa\nbb\ncc\n");
    assert!(output.err.contains("No such container: nosuch"));
    for (name, old) in [("aa", pids[0]), ("bb", pids[1]), ("cc", 0)] {
        assert_ne!(h.pid(name), old);
    }
    h.ok("restart -s KILL cc");
    assert_eq!(h.field("cc", "State"), "running");
    h.ok("stop -t 0 bb");
    until("it goes away", || h.field("bb", "State").is_empty());
}

#[test]
fn stop_takes_the_signal_and_the_time_of_the_container() {
    let h = Host::new();
    let script = "trap \"exit 7\" USR1; trap \"exit 8\" USR2; echo ready; while :; do sleep 0.01; done";
    let run = |flags: &str| {
        let mut line = vec!["run", "-d", "--name", "box"];
        line.extend(flags.split_whitespace());
        line.extend(["busybox", "sh", "-c", script]);
        h.ok(line.as_slice());
        until("it is ready", || h.ok("logs box") == "ready");
    };
    for (flags, end, status) in [
        ("--stop-signal USR1", "stop", "Exited (7) "),
        ("--stop-signal 10", "stop -s USR2", "Exited (8) "),
        ("--stop-timeout 0", "stop", "Exited (137) "),
        ("--stop-timeout 100", "stop --time 0", "Exited (137) "),
    ] {
        run(flags);
        h.ok(&format!("{end} box"));
        assert!(h.field("box", "Status").starts_with(status), "{flags} {end}: {}", h.field("box", "Status"));
        h.ok("rm box");
    }
    h.run("run --stop-signal NOPE busybox true").fails(125, "invalid signal: NOPE");
    h.run("run --stop-timeout x busybox true").fails(125, "invalid argument \"x\" for \"--stop-timeout\" flag");
}

#[test]
fn harmless_flags() {
    let h = Host::new();
    h.ok("run --rm -q --pull never --platform linux busybox true");
    h.ok("run --rm --quiet --pull missing busybox true");
    h.run("run --pull always busybox true").fails(125, "there is no registry");
    h.run("run --pull often busybox true").fails(125, "invalid pull option: 'often': must be one of");
    h.run("run --platform linux/s390x busybox true").fails(125, "does not run here");
    h.ok(
        "run --rm --runtime runc --isolation default --volume-driver local --disable-content-trust=false busybox true",
    );
    h.run("run --runtime kata busybox true").fails(125, "--runtime kata is not there: only runc");
}
