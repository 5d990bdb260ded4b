//! Logs that are put aside when they are large: bounded, in order, complete across every kill, for readers at any time.

use crate::host::{Host, crash_binary};
use crate::process::{Cmd, until};
use std::fs;
use std::path::PathBuf;

/// The log files of the only container, newest first.
fn files(h: &Host) -> Vec<PathBuf> {
    let dir = fs::read_dir(h.store.join("containers")).unwrap().next().unwrap().unwrap().path();
    let slots = (0..).map(|slot| if slot == 0 { dir.join("log") } else { dir.join(format!("log.{slot}")) });
    slots.take_while(|path| path.exists()).collect()
}

fn numbers(first: u32, last: u32) -> String {
    (first..=last).fold(String::new(), |all, n| all + &n.to_string() + "\n")
}

/// The numbers that a container wrote and its log still has: without a hole, up to the last one.
#[track_caller]
fn first_kept(out: &str, last: u32) -> u32 {
    let first = out.lines().next().unwrap().parse().unwrap();
    assert!(out == numbers(first, last), "{}…", &out[..out.len().min(200)]);
    first
}

#[test]
fn a_log_has_bounds() {
    let h = Host::new();
    h.run("run --name box --log-opt max-size=20k --log-opt max-file=3 busybox seq 20000").exits(0);
    let files = files(&h);
    let sizes: Vec<u64> = files.iter().map(|path| fs::metadata(path).unwrap().len()).collect();
    assert!(sizes.len() == 3 && sizes.iter().all(|size| *size <= 20 << 10), "{sizes:?}");
    assert!(sizes[1..].iter().all(|size| *size > 19 << 10), "{sizes:?}");
    let first = first_kept(&h.run("logs box").exits(0).out, 20_000);
    assert!((18_000..19_500).contains(&first), "{first}");
    h.ok("start -a box");
    assert_eq!(h.run("logs --tail 300 box").exits(0).out, numbers(19_701, 20_000));
    h.ok("rm box");
}

#[test]
fn a_log_has_bounds_when_nobody_asks() {
    let h = Host::new();
    h.run("run --name box busybox sh -c 'yes 0123456789 | head -n 700000'").exits(0);
    let sizes: Vec<u64> = files(&h).iter().map(|path| fs::metadata(path).unwrap().len()).collect();
    assert!(sizes.len() == 3 && sizes.iter().all(|size| *size <= 10 << 20), "{sizes:?}");
}

#[test]
fn one_file_begins_anew_and_none_is_ever_too_long_for_a_line() {
    let h = Host::new();
    h.run("run --name box --log-opt max-size=1k --log-opt max-file=1 busybox seq 1000").exits(0);
    assert_eq!(files(&h).len(), 1);
    first_kept(&h.run("logs box").exits(0).out, 1000);
    h.ok("rm box");
    // Pieces of a line that are larger than a file.
    let line = "run --name box --log-opt max-size=10 --log-opt max-file=30 busybox";
    h.run(&format!("{line} sh -c 'head -c 100000 /dev/zero | tr \"\\0\" a; echo; echo end'")).exits(0);
    let lines: Vec<usize> = h.ok("logs box").lines().map(str::len).collect();
    assert_eq!(lines, [100_000, 3]);
    assert_eq!(h.ok("logs --tail 2 box").len(), 100_004);
}

#[test]
fn the_limit_can_be_lifted() {
    let h = Host::new();
    for none in ["-1", "0"] {
        let size = format!("max-size={none}");
        h.run(&["run", "--rm", "--name", "box", "--log-opt", &size, "busybox", "seq", "10"]).exits(0);
    }
    h.run("run --name box --log-opt max-size=-1 busybox seq 400000").exits(0);
    assert_eq!(files(&h).len(), 1);
    assert!(h.run("logs box").exits(0).out == numbers(1, 400_000));
}

#[test]
fn the_end_is_found_across_files() {
    let h = Host::new();
    h.run("run --name box --log-opt max-size=2k --log-opt max-file=1000 busybox seq 3000").exits(0);
    assert!(files(&h).len() > 50);
    for count in [0, 1, 10, 47, 100, 999, 2999, 3000, 3001] {
        let first = 3001 - count.min(3000);
        assert_eq!(h.run(&format!("logs --tail {count} box")).exits(0).out, numbers(first, 3000), "{count}");
        assert_eq!(h.run(&format!("logs -f --tail {count} box")).exits(0).out, numbers(first, 3000), "{count}");
    }
}

#[test]
fn who_follows_misses_and_repeats_nothing() {
    let h = Host::new();
    for (size, tail) in [("1k", "all"), ("4k", "0"), ("50k", "1")] {
        let limits = format!("--log-opt max-size={size} --log-opt max-file=1000");
        h.ok(&format!("run -d -i --name box {limits} busybox sh -c 'echo first; read x; seq 10000'"));
        until("it has begun", || h.ok("logs box") == "first");
        let readers: Vec<_> = (0..3).map(|_| h.spawn(&format!("logs -f --tail {tail} box"))).collect();
        // From the moment on when it has begun to watch; without any history nothing shows that.
        if tail == "0" {
            for reader in &readers {
                let fds = format!("/proc/{}/fd", reader.pid());
                let links = || fs::read_dir(&fds).unwrap().flatten().filter_map(|fd| fs::read_link(fd.path()).ok());
                until("it follows", || links().any(|to| to.to_string_lossy().contains("inotify")));
            }
        }
        let mut writer = h.cmd("exec -i box sh -c 'cat > /proc/1/fd/0'").input("").spawn();
        writer.send("go\n");
        writer.hang_up();
        let wanted = if tail == "0" { String::new() } else { "first\n".to_owned() } + &numbers(1, 10_000);
        for reader in readers {
            let out = reader.wait().exits(0).out;
            assert!(out == wanted, "{size} {tail}: {} bytes of {}", out.len(), wanted.len());
        }
        drop(writer.wait());
        h.ok("rm -f box");
    }
}

#[test]
fn a_slow_reader_goes_on_with_the_oldest_file() {
    let h = Host::new();
    let limits = "--log-opt max-size=1k --log-opt max-file=2";
    h.run(&format!("run --name box {limits} busybox seq 10")).exits(0);
    h.ok("start box");
    // Each look finds what is there at that moment, in order.
    for _ in 0..20 {
        let out = h.run("logs box").exits(0).out;
        assert!(out.is_empty() || out.ends_with('\n'));
    }
    h.ended("box");
    assert!(h.ok("logs box").ends_with("\n9\n10"));
}

#[test]
fn kills_at_every_step_lose_no_line() {
    for step in ["rotate:made", "rotate:moved", "rotate:shifted", "rotate:done"] {
        let h = Host::new();
        let Some(binary) = crash_binary() else { return };
        // Some files are there before: the first run is not killed.
        let line = "run -d --name box --log-opt max-size=1k --log-opt max-file=100 busybox sh -c 'seq 100'";
        h.ok(line);
        h.ended("box");
        for _ in 1..4 {
            Cmd::new(&h, &binary, "start box").env("MYDOCKER_DIE_AT", step).run().exits(0);
            until("its monitor is killed", || h.field("box", "Status").starts_with("Exited (137)"));
            let out = h.run("logs box").exits(0).out;
            let runs: Vec<&str> = out.split("100\n").collect();
            assert_eq!(runs[0], numbers(1, 99), "{step}");
            // Each later run has what was written before the kill, from the first number on; that may be nothing.
            let pieces = out.lines().collect::<Vec<_>>();
            let is_next =
                |pair: &[&str]| pair[1] == "1" || pair[0].parse::<u32>().unwrap() + 1 == pair[1].parse().unwrap();
            assert!(pieces.windows(2).all(is_next), "{step}: {out}");
        }
        h.ok("start -a box");
        let out = h.run("logs box").exits(0).out;
        assert!(out.ends_with(&numbers(1, 100)), "{step}: {out}");
        assert_eq!(h.run("logs --tail 150 box").exits(0).out.lines().count(), 150, "{step}");
    }
}

#[test]
fn kills_at_every_step_keep_the_bounds() {
    for step in ["rotate:made", "rotate:removed", "rotate:moved", "rotate:shifted", "rotate:done"] {
        let h = Host::new();
        let Some(binary) = crash_binary() else { return };
        h.run("run --name box --log-opt max-size=1k --log-opt max-file=3 busybox seq 100").exits(0);
        for _ in 0..5 {
            Cmd::new(&h, &binary, "start box").env("MYDOCKER_DIE_AT", step).run().exits(0);
            until("its monitor is killed", || h.field("box", "Status").starts_with("Exited (137)"));
        }
        h.ok("start -a box");
        assert_eq!(files(&h).len(), 3, "{step}");
        assert!(h.run("logs box").exits(0).out.ends_with(&numbers(90, 100)), "{step}");
    }
}

#[test]
fn what_a_power_cut_left_is_passed_over() {
    let h = Host::new();
    h.run("run --name box --log-opt max-size=1m busybox seq 3").exits(0);
    let log = files(&h).remove(0);
    let whole = fs::read(&log).unwrap();
    for tail in [&[0u8; 5000][..], b"2026-11-21T23:20:13.431986999Z std", b"2026-11-21T23:20:13.431986999Z stdout F ha"]
    {
        fs::write(&log, [&whole, tail].concat()).unwrap();
        assert_eq!(h.ok("logs box"), "1\n2\n3");
        assert_eq!(h.ok("logs --tail 2 box"), "2\n3");
        // What comes next is whole again, whatever stands before it.
        h.ok("start -a box");
        let out = h.ok("logs box");
        assert!(out.starts_with("1\n2\n3\n") && out.ends_with("\n1\n2\n3"), "{out}");
        assert_eq!(h.ok("logs --tail 3 box"), "1\n2\n3");
    }
    // Zeros in the middle, more than anybody would want in memory.
    let file = fs::File::options().write(true).open(&log).unwrap();
    file.set_len((whole.len() as u64) + (200 << 20)).unwrap();
    h.ok("start -a box");
    let (bin, id) = (crate::host::binary(), h.field("box", "ID"));
    let (store, run) = (h.store.display(), h.run_dir.display());
    for (flags, wanted) in [("", "1\n2\n3\n1\n2\n3"), ("--tail 4", "3\n1\n2\n3")] {
        let out = h.sh(&format!("ulimit -v 50000; exec {bin} --root {store} --run-root {run} logs {flags} {id}"));
        assert!(out.ends_with(wanted), "{out}");
    }
}

#[test]
fn options_that_are_wrong() {
    let h = Host::new();
    for (flags, why) in [
        ("--log-driver syslog", "logger: no log driver named 'syslog' is registered: there are json-file, local"),
        ("--log-driver none --log-opt max-size=1m", "invalid logging opts for driver none"),
        ("--log-opt x=1", "unknown log opt 'x' for json-file log driver: those"),
        ("--log-driver local --log-opt x", "unknown log opt 'x' for local log driver"),
        ("--log-opt max-size=x", "invalid log opt 'max-size=x': invalid size"),
        ("--log-opt max-size", "invalid log opt 'max-size': max-size is a size, for example 10m"),
        ("--log-opt max-file=0", "invalid log opt 'max-file=0': max-file is a number of files, 1 or more"),
        ("--log-opt max-file=-1", "max-file is a number"),
    ] {
        h.run(&format!("create {flags} busybox true")).fails(125, why);
    }
    for fine in ["tag={{.Name}}", "labels=a,b", "env=X", "mode=non-blocking", "compress=true", "max-size=1.5g"] {
        h.run(&["run", "--rm", "--log-driver", "local", "--log-opt", fine, "busybox", "true"]).exits(0);
    }
}

#[test]
fn a_container_that_keeps_no_log() {
    let h = Host::new();
    assert_eq!(h.ok("run --name box --log-driver none busybox echo said"), "said");
    h.run("logs box").fails(1, "configured logging driver does not support reading: container box was made with");
    h.run("logs -f box").fails(1, "configured logging driver does not support reading");
    assert_eq!(files(&h).len(), 0);
    assert_eq!(h.ok("start -a box"), "said");
}
