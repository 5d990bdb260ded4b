//! The line about what takes long: on a terminal only, and gone at the end.

use crate::host::Host;
use crate::process::{Running, until};
use rustix::process::Signal;
use std::fs;
use std::time::{Duration, Instant};

/// An archive that cannot be read in the blink of an eye, and takes no room.
fn large_archive(h: &Host) -> String {
    h.sh(
        "mkdir tree; truncate -s 400m tree/zeros; tar -C tree -cf - . | dd of=large.tar conv=sparse bs=64k 2>/dev/null",
    );
    h.path("large.tar")
}

/// Holds a command that has read some megabytes until more than a second has passed.
fn hold(t: &Running<'_>) {
    let read = || {
        let io = fs::read_to_string(format!("/proc/{}/io", t.pid())).unwrap_or_default();
        io.lines().find_map(|line| line.strip_prefix("rchar: ")?.parse::<u64>().ok()).unwrap_or(0)
    };
    until("it reads", || read() > 4 << 20);
    t.signal(Signal::STOP);
    let end = Instant::now() + Duration::from_millis(1100);
    until("a second passes", || Instant::now() > end);
    t.signal(Signal::CONT);
}

const CLEARED: &str = "\r\x1b[K";

#[test]
fn a_bar_for_an_import() {
    let h = Host::empty();
    let tar = large_archive(&h);
    let mut t = h.terminal(&["import", &tar, "large"]);
    hold(&t);
    t.expect("Importing ");
    t.expect("% [=");
    t.expect("] ");
    t.expect("/419MB  ");
    t.expect("/s  ");
    t.expect("s left\x1b[K");
    let out = t.wait().exits(0).out;
    // What is told at the end begins at the left of a line that is empty again.
    assert!(out.rsplit_once(CLEARED).is_some_and(|(_, rest)| rest.starts_with("sha256:")), "{out:?}");
    assert!(out.split('\r').all(|line| line.trim_end_matches("\x1b[K").chars().count() < 80), "{out:?}");
}

#[test]
fn no_bar_where_nobody_looks_or_wants_it() {
    let h = Host::empty();
    let tar = large_archive(&h);
    let quiet = h.terminal(&["import", "-q", &tar, "large"]);
    hold(&quiet);
    let out = quiet.wait().exits(0).out;
    assert!(out.starts_with("sha256:"), "{out:?}");
    let dumb = h.cmd(&["import", &tar, "large"]).env("TERM", "dumb").on_terminal(24, 80);
    hold(&dumb);
    let out = dumb.wait().exits(0).out;
    assert!(out.starts_with("sha256:"), "{out:?}");
    let piped = h.spawn(&["import", &tar, "large"]);
    hold(&piped);
    piped.wait().ok();
}

#[test]
fn commits_and_copies_tell_too() {
    let h = Host::new();
    h.ok("run --name box busybox sh -c 'dd if=/dev/zero of=/zeros bs=1M count=1 seek=399 2>/dev/null'");
    for (line, word) in [
        ("commit box mine".to_owned(), "Committing "),
        (format!("commit -o {} box mine", h.path("flat.tar")), "Committing "),
        (format!("cp box:/zeros {}", h.path("zeros")), "Copying "),
        (format!("cp {} box:/again", h.path("zeros")), "Copying "),
    ] {
        let mut t = h.terminal(&line);
        let (children, mut found) = (|pid: i32| fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")), None);
        until("it has a child", || {
            found = children(t.pid()).ok().and_then(|text| text.split_whitespace().next()?.parse::<i32>().ok());
            found.is_some()
        });
        let child = rustix::process::Pid::from_raw(found.unwrap()).unwrap();
        let _ = rustix::process::kill_process(child, Signal::STOP);
        let end = Instant::now() + Duration::from_millis(1100);
        until("a second passes", || Instant::now() > end);
        let _ = rustix::process::kill_process(child, Signal::CONT);
        t.expect(word);
        let out = t.wait().exits(0).out;
        let last = out.rsplit(CLEARED).next().unwrap();
        assert!(last.starts_with("sha256:") || last.starts_with("Successfully copied 4"), "{line}: {out:?}");
    }
}
