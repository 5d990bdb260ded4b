//! Several commands at once: one wins, the others hear why.

use crate::host::{Host, busybox_tar};
use crate::process::Output;
use std::collections::BTreeSet;

/// Starts all of these before waiting for the first.
fn race(h: &Host, lines: &[&str]) -> Vec<Output> {
    let running: Vec<_> = lines.iter().map(|line| h.spawn(*line)).collect();
    running.into_iter().map(crate::process::Running::wait).collect()
}

fn wins(outputs: &[Output]) -> usize {
    outputs.iter().filter(|output| output.code == 0).count()
}

fn each_loser_says(outputs: &[Output], text: &str) {
    for output in outputs.iter().filter(|output| output.code != 0) {
        assert!(output.err.contains(text) && output.err.lines().count() == 1, "{output:?}");
    }
}

#[test]
fn twenty_at_once_are_twenty_containers() {
    let h = Host::new();
    let outputs = race(&h, &["run -d busybox sleep 1000"; 20]);
    let ids: BTreeSet<String> = outputs.into_iter().map(Output::ok).collect();
    let listed: BTreeSet<String> = h.ok("ps -q --no-trunc").lines().map(str::to_owned).collect();
    assert!(ids.len() == 20 && ids == listed);
}

#[test]
fn twenty_that_end_at_once() {
    let h = Host::new();
    let before = h.snapshot();
    let outputs = race(&h, &["run --rm busybox echo hi"; 20]);
    assert!(outputs.iter().all(|output| output.out == "hi\n" && output.code == 0), "{outputs:?}");
    h.unchanged(&before);
}

#[test]
fn one_name_goes_to_one() {
    let h = Host::new();
    for _ in 0..10 {
        let outputs = race(&h, &["run -d --name same busybox sleep 1000"; 2]);
        assert_eq!(wins(&outputs), 1, "{outputs:?}");
        each_loser_says(&outputs, "already in use");
        assert!(outputs.iter().all(|output| matches!(output.code, 0 | 125)));
        h.ok("rm -f same");
    }
}

#[test]
fn one_removal_wins() {
    let h = Host::new();
    for _ in 0..10 {
        h.ok("create --name box busybox true");
        let outputs = race(&h, &["rm box"; 3]);
        assert_eq!(wins(&outputs), 1, "{outputs:?}");
        assert_eq!(h.ok("ps -aq"), "");
    }
}

#[test]
fn forced_removals_of_a_running_one() {
    let h = Host::new();
    for _ in 0..5 {
        h.ok("run -d --name box busybox sleep 1000");
        let outputs = race(&h, &["rm -f box"; 3]);
        assert!(wins(&outputs) >= 1, "{outputs:?}");
        assert_eq!(h.ok("ps -aq"), "");
    }
}

#[test]
fn one_start_at_a_time() {
    let h = Host::new();
    h.ok("create --name box busybox sh -c 'echo started; sleep 1000'");
    for round in 1..=5 {
        let outputs = race(&h, &["start box"; 3]);
        assert!(outputs.iter().all(|output| output.code == 0 && output.out == "box\n"), "{outputs:?}");
        assert_eq!(h.field("box", "State"), "running");
        crate::process::until("it has started once", || h.ok("logs box").lines().count() == round);
        h.ok("stop -t 0 box");
    }
    let outputs = race(&h, &["restart -t 0 box"; 4]);
    assert!(outputs.iter().all(|output| output.code == 0 && output.out == "box\n"), "{outputs:?}");
    assert_eq!(h.field("box", "State"), "running");
}

/// A commit has its container's lock and talks to the monitor, who wants the lock to remove the container.
#[test]
fn commits_of_one_that_goes_away_by_itself() {
    let h = Host::new();
    for round in 0..40 {
        let id = h.ok(&format!("run -d --rm busybox usleep {}", round * 300));
        let commit = format!("commit {id}");
        for output in race(&h, &[commit.as_str(); 2]) {
            let is_gone = output.code == 1 && output.err.starts_with("mydocker: No such container: ");
            assert!(output.code == 0 || is_gone, "{output:?}");
        }
        h.run(&format!("wait {id}"));
    }
}

#[test]
fn a_start_and_a_removal() {
    let h = Host::new();
    for _ in 0..10 {
        h.ok("create --name box busybox true");
        let outputs = race(&h, &["start box", "rm box"]);
        assert!(wins(&outputs) >= 1, "{outputs:?}");
        h.run("rm -f box");
        assert_eq!(h.ok("ps -aq"), "");
    }
}

#[test]
fn stops_from_everywhere() {
    let h = Host::new();
    h.idle("--name box");
    let outputs = race(&h, &["stop box", "stop -t 1 box", "kill box", "stop box"]);
    assert!(outputs.iter().all(|output| output.code == 0 || output.err.contains("is not running")), "{outputs:?}");
    assert_eq!(h.field("box", "State"), "exited");
}

#[test]
fn an_image_imported_by_many_is_there_once() {
    let h = Host::empty();
    let line = format!("run --rm {} echo hi", busybox_tar());
    let outputs = race(&h, &[line.as_str(); 6]);
    assert!(outputs.iter().all(|output| output.out == "hi\n"), "{outputs:?}");
    assert_eq!(std::fs::read_dir(h.store.join("layers")).unwrap().count(), 1);
}

#[test]
fn an_image_goes_or_is_used() {
    let h = Host::new();
    for _ in 0..10 {
        let outputs = race(&h, &["run -d --name box busybox sleep 1000", "rmi busybox"]);
        let [run, rmi] = &outputs[..] else { panic!() };
        match (run.code, rmi.code) {
            (0, 1) => assert!(rmi.err.contains("conflict"), "{rmi:?}"),
            (125, 0) => assert!(run.err.contains("busybox"), "{run:?}"),
            _ => panic!("{outputs:?}"),
        }
        h.ok("rm -f box").truncate(0);
        h.ok(&["import", busybox_tar(), "busybox"]);
    }
}

#[test]
fn execs_into_one_that_ends() {
    let h = Host::new();
    for _ in 0..10 {
        h.idle("--name box");
        let outputs = race(&h, &["exec box true", "exec box true", "stop -t 0 box", "exec box true", "exec box true"]);
        for output in outputs {
            let told = output.err.contains("is not running") || output.code == 137;
            assert!(output.code == 0 || told, "{output:?}");
        }
        h.ok("rm box");
    }
}

/// Whoever starts something short hears of its end, and of nothing else, however close the end is to the question.
#[test]
fn short_ones_tell_their_code() {
    let h = Host::new();
    for _ in 0..10 {
        // The end of our input is told to a monitor that may be leaving at that moment.
        let outputs = race(&h, &["run --rm -i busybox sh -c 'exit 3'"; 6]);
        assert!(outputs.iter().all(|output| output.code == 3), "{outputs:?}");
        let ids: Vec<String> =
            race(&h, &["run -d --rm busybox sh -c 'exit 3'"; 6]).into_iter().map(Output::ok).collect();
        for id in ids {
            let waited = h.run(&format!("wait {id}"));
            let is_gone = waited.code == 1 && waited.err == format!("mydocker: No such container: {id}\n");
            assert!(waited.out == "3\n" || is_gone, "{waited:?}");
        }
    }
}
