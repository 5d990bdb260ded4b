//! Many commands at once on the same things, for longer than together.rs: nobody hangs, nobody fails for no reason.

use crate::archive::Tar;
use crate::host::{Host, busybox_tar, crash_binary};
use crate::process::{Cmd, Output, Running};
use rustix::process::{Pid, Signal, kill_process};
use std::time::{Duration, Instant};

fn race(h: &Host, lines: &[&str]) -> Vec<Output> {
    let running: Vec<_> = lines.iter().map(|line| h.spawn(*line)).collect();
    running.into_iter().map(Running::wait).collect()
}

/// Whose answer it is.
fn is(output: &Output, verb: &str) -> bool {
    format!("{output:?}").starts_with(&format!("[mydocker {verb} "))
}

/// Every failure is one line of ours that says one of these.
#[track_caller]
fn only(outputs: &[Output], reasons: &[&str]) {
    for output in outputs.iter().filter(|output| output.code != 0) {
        let is_known = reasons.iter().any(|reason| output.err.contains(reason));
        assert!(output.err.lines().count() == 1 && is_known, "{output:?}");
    }
}

#[test]
fn a_name_that_a_dead_container_left() {
    let h = Host::new();
    for round in 0..20 {
        std::os::unix::fs::symlink(format!("{round:064x}"), h.store.join("names/same")).unwrap();
        let outputs = race(&h, &["create --name same busybox true"; 10]);
        let winners: Vec<_> = outputs.iter().filter(|output| output.code == 0).collect();
        assert_eq!(winners.len(), 1, "{outputs:?}");
        for output in outputs.iter().filter(|output| output.code != 0) {
            let conflict = "Conflict. The container name \"/same\" is already in use by container";
            assert!(output.code == 125 && output.err.contains(conflict), "{output:?}");
        }
        h.ok("rm same");
    }
}

#[test]
fn makers_and_sweepers() {
    let h = Host::new();
    let make_and_remove = |n: u32| {
        for _ in 0..40 {
            let id = h.ok("create busybox true");
            if n.is_multiple_of(2) {
                h.ok(&["rm", &id])
            } else {
                h.ok(&["rm", "-f", &id])
            };
        }
    };
    std::thread::scope(|scope| {
        for n in 0..6 {
            scope.spawn(move || make_and_remove(n));
        }
        scope.spawn(|| {
            for _ in 0..40 {
                assert!(h.run("ps -a").err.is_empty());
            }
        });
    });
    assert_eq!(h.ok("ps -aq"), "");
}

#[test]
fn the_first_commands_in_a_new_store() {
    for _ in 0..30 {
        let h = Host::empty();
        let outputs = race(&h, &["images"; 8]);
        assert!(outputs.iter().all(|output| output.code == 0 && output.err.is_empty()), "{outputs:?}");
    }
}

#[test]
fn the_same_archive_from_everywhere() {
    let h = Host::empty();
    for _ in 0..8 {
        let line = format!("import {} busybox", busybox_tar());
        let outputs = race(&h, &[line.as_str(); 4]);
        assert!(outputs.iter().all(|output| output.code == 0 && output.err.is_empty()), "{outputs:?}");
        assert_eq!(std::fs::read_dir(h.store.join("layers")).unwrap().count(), 1);
        for id in h.ok("images -q").lines() {
            h.run(&["rmi", "-f", id]);
        }
        assert_eq!(std::fs::read_dir(h.store.join("layers")).unwrap().count(), 0);
    }
}

#[test]
fn everything_at_once_on_one_container() {
    let h = Host::new();
    let reasons = [
        "No such container",
        "is not running",
        "already running",
        "was started again",
        "container is running",
        "Conflict",
        "is restarting",
        "ended without an answer",
        "is paused",
    ];
    let lines = [
        "start box",
        "stop -t 0 box",
        "rm -f box",
        "start box",
        "kill box",
        "exec box true",
        "wait box",
        "logs box",
        "ps -a",
        "rm box",
        "stop -t 0 box",
        "commit box mine",
        "start box",
        "rm -f box",
        "create --name box busybox sleep 20",
    ];
    // It ends by itself: a wait that meets the last start has nobody else to end it.
    for round in 0..10 {
        h.ok("create --name box busybox sleep 20");
        let mut turned = lines;
        turned.rotate_left(round % lines.len());
        let outputs = race(&h, &turned);
        let quiet: Vec<Output> =
            outputs.into_iter().filter(|output| !(is(output, "exec") && output.code == 137)).collect();
        only(&quiet, &reasons);
        h.ok("rm -f box");
        assert_eq!(h.ok("ps -aq"), "");
    }
    h.run("rmi -f mine");
}

#[test]
fn removals_of_what_removes_itself() {
    let h = Host::new();
    for _ in 0..15 {
        let run = h.spawn("run --rm --name box busybox sh -c 'echo ready'");
        let outputs = race(&h, &["rm -f box", "stop -t 0 box", "start box", "rm -f box", "logs -f box"]);
        only(&outputs, &["No such container", "is not running", "was started again", "no such file"]);
        let run = run.wait();
        assert!(run.code == 0 || run.code == 137 || run.err.lines().count() == 1, "{run:?}");
        assert_eq!(h.ok("ps -aq"), "");
    }
}

#[test]
fn images_that_go_while_they_are_used() {
    let h = Host::new();
    let tar = h.write("other.tar", Tar::busybox().file("other", b"here").finished());
    let import = format!("import {tar} other");
    for force in ["", "-f"] {
        for _ in 0..10 {
            h.ok(&import);
            let rmi = format!("rmi {force} other");
            let lines = [
                "run --rm other cat /other",
                &rmi,
                "run --rm other cat /other",
                &rmi,
                &import,
                "run --name box other cat /other",
            ];
            let outputs = race(&h, &lines);
            only(&outputs, &["Unable to find image", "No such image", "conflict", "Conflict"]);
            for output in outputs.iter().filter(|output| is(output, "run") && output.code == 0) {
                assert_eq!(output.out, "here", "a container without its layers: {output:?}");
            }
            if h.ok("ps -aq").lines().count() == 1 {
                assert_eq!(h.ok("start -a box"), "here");
                h.ok("rm box");
            }
            for line in
                h.ok("images --format '{{.Repository}} {{.ID}}'").lines().filter(|line| !line.starts_with("busybox "))
            {
                h.run(&["rmi", "-f", line.split(' ').nth(1).unwrap()]);
            }
            assert_eq!(std::fs::read_dir(h.store.join("layers")).unwrap().count(), 1);
        }
    }
}

#[test]
fn commits_of_what_goes_away() {
    let h = Host::new();
    let fill = "i=0; while [ $i -lt 3000 ]; do i=$((i+1)); echo $i >/f$i; done; touch /last; echo ready; sleep 1000";
    for _ in 0..3 {
        h.ok(&["run", "-d", "--name", "box", "busybox", "sh", "-c", fill]);
        crate::process::until("it is filled", || h.ok("logs box").contains("ready"));
        let outputs = race(&h, &["commit box mine", "rm -f box", "rmi -f busybox"]);
        only(&outputs, &["No such container", "No such image", "is not running", "conflict"]);
        if outputs[0].code == 0 {
            let files = h.ok("run --rm mine sh -c 'ls / | grep -c ^f; ls /last'");
            assert_eq!(files, "3000\n/last", "a commit that lacks something");
        }
        h.run("rm -f box");
        h.run("rmi -f mine");
        h.ok(&["import", busybox_tar(), "busybox"]);
    }
}

#[test]
fn listing_never_fails_meanwhile() {
    let h = Host::new();
    let end = Instant::now() + Duration::from_secs(5);
    let busy = |line: &'static str| {
        let h = &h;
        move || {
            while Instant::now() < end {
                h.run(line);
            }
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(busy("run --rm busybox true"));
        scope.spawn(busy("run --rm --name same busybox true"));
        scope.spawn(busy("run -d --rm --name same busybox sleep 1000"));
        scope.spawn(busy("rm -f same"));
        while Instant::now() < end {
            h.ok("ps -a");
            h.ok("ps -q");
            h.ok("images");
        }
    });
    h.run("rm -f same");
    assert_eq!(h.ok("ps -aq"), "");
}

/// The children of a process, and theirs.
fn family(pid: i32, found: &mut Vec<i32>) {
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    for child in children.split_whitespace().map(|word| word.parse().unwrap()) {
        found.push(child);
        family(child, found);
    }
}

/// kill -9 of the command, of its monitor, or of the first process, at moments that no crash point names.
#[test]
fn kills_at_any_moment() {
    let h = Host::new();
    let before = h.snapshot();
    let modes = [
        "run -d --name box busybox sleep 1000",
        "run --rm --name box busybox sleep 1000",
        "run --name box busybox true",
    ];
    let mut random = 12345u32;
    for round in 0..90 {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let line = modes[round % 3];
        let run = h.spawn(line);
        let end = Instant::now() + Duration::from_micros(u64::from(random >> 8) % 15_000);
        let mut victims = vec![run.pid()];
        while Instant::now() < end {
            let mut all = Vec::new();
            family(run.pid(), &mut all);
            victims.extend(all.into_iter().filter(|pid| !victims.contains(pid)).collect::<Vec<_>>());
        }
        let victim = victims[(random >> 4) as usize % victims.len()];
        let _ = kill_process(Pid::from_raw(victim).unwrap(), Signal::KILL);
        if line.starts_with("run --rm") {
            let _ = kill_process(Pid::from_raw(run.pid()).unwrap(), Signal::KILL); // it would wait for its end
        }
        run.wait();
        let what = format!("round {round}: {line}, {victim} of {victims:?}");
        h.remember(
            &std::fs::read_dir(h.store.join("containers"))
                .unwrap()
                .map(|e| e.unwrap().file_name().into_string().unwrap() + "\n")
                .collect::<String>(),
        );
        let listed = h.run("ps -a");
        assert!(listed.code == 0 && listed.err.is_empty(), "{what}: {listed:?}");
        let removed = h.run("rm -f box");
        assert!(removed.code == 0, "{what}: {removed:?}");
        let again = h.run("run --rm --name box busybox true");
        assert!(again.code == 0, "{what}: {listed:?}, {removed:?}, {again:?}");
    }
    h.ok("create --name box busybox true");
    h.ok("rm box");
    h.unchanged(&before);
}

/// The same with steps of two runs that meet: a start that dies while another one waits for the name.
#[test]
fn a_death_in_the_middle_of_a_race() {
    let Some(crash) = crash_binary() else { return };
    let h = Host::new();
    for step in ["create:placed", "create:named", "monitor:alive", "monitor:cloned", "remove:thrown"] {
        let dying = Cmd::new(&h, &crash, "run --rm --name box busybox true").env("MYDOCKER_DIE_AT", step).spawn();
        let other = h.spawn("run --name box busybox true");
        dying.wait();
        let other = other.wait();
        assert!(other.code == 0 || other.code == 125 && other.err.contains("Conflict"), "{step}: {other:?}");
        h.ok("rm -f box");
        assert_eq!(h.ok("ps -aq"), "", "{step}");
    }
    // The last one that died has not swept.
    h.ok("create --name box busybox true");
    h.ok("rm box");
}
