//! `logs`.

use crate::host::Host;
use crate::process::{fewer, until};
use std::fs;

#[test]
fn two_streams_come_out_on_two_streams() {
    let h = Host::new();
    h.run("run --name box busybox sh -c 'for i in 1 2 3; do echo out$i; echo err$i >&2; done; printf nonl'");
    let output = h.run("logs box").exits(0);
    assert_eq!(output.out, "out1\nout2\nout3\nnonl");
    assert_eq!(output.err, "err1\nerr2\nerr3\n");
}

#[test]
fn tail_counts_lines_from_the_end() {
    let h = Host::new();
    h.run("run --name box busybox sh -c 'seq 5; printf nonl'");
    assert_eq!(h.ok("logs --tail 2 box"), "5\nnonl");
    assert_eq!(h.ok("logs -n 1 box"), "nonl");
    assert_eq!(h.ok("logs -n 0 box"), "");
    for all in ["-1", "all", "abc", "6", "100"] {
        assert_eq!(h.ok(&["logs", "--tail", all, "box"]), "1\n2\n3\n4\n5\nnonl", "{all}");
    }
}

#[test]
fn following_ends_with_the_container() {
    let h = Host::new();
    h.ok("run -d --name box busybox sh -c 'echo first; sleep 0.3; echo second; sleep 0.3; echo last'");
    assert_eq!(h.ok("logs -f box"), "first\nsecond\nlast");
    assert_eq!(h.ok("logs -f box"), "first\nsecond\nlast");
    assert_eq!(h.ok("logs -f --tail 1 box"), "last");
}

#[test]
fn following_shows_a_line_when_it_is_written() {
    let h = Host::new();
    h.ok("run -d -i --name box busybox sh -c 'echo first; sleep 1000'");
    let mut logs = h.spawn("logs -f box");
    logs.expect("first\n");
    h.ok("kill box");
    logs.wait().exits(0);
}

#[test]
fn bytes_are_kept_as_they_are() {
    let h = Host::new();
    let bytes: Vec<u8> = (0..=255).chain([b'\n', 0, 0xff, b'\r', b'\n', b'\n', 0x80]).collect();
    h.cmd("run -i --name box busybox cat").input(bytes.clone()).run().exits(0);
    assert_eq!(h.run("logs box").bytes, bytes);
}

#[test]
fn long_lines_stay_whole() {
    let h = Host::new();
    h.run("run --name box busybox sh -c 'head -c 300000 /dev/zero | tr \"\\0\" a; echo; echo end'").exits(0);
    let out = h.ok("logs box");
    let lines: Vec<usize> = out.lines().map(str::len).collect();
    assert_eq!(lines, [300_000, 3]);
    assert_eq!(h.ok("logs --tail 1 box"), "end");
}

#[test]
fn twenty_megabytes_are_byte_exact() {
    let h = Host::new();
    let lines = fewer(3_000_000);
    let run = h.run(&format!("run --name box --log-opt max-size=-1 busybox seq 1 {lines}")).exits(0);
    let wanted = (1..=lines).map(|n| n.to_string() + "\n").collect::<String>();
    assert!(wanted.len() > fewer(20_000_000));
    assert!(run.out == wanted, "run: {} bytes of {}", run.out.len(), wanted.len());
    let logs = h.run("logs box").exits(0).out;
    assert!(logs == wanted, "logs: {} bytes of {}", logs.len(), wanted.len());
}

#[test]
fn a_detached_container_does_not_wait_for_readers() {
    let h = Host::new();
    h.ok("run -d --name box busybox sh -c 'seq 100000; echo done'");
    assert_eq!(h.ok("wait box"), "0");
    assert_eq!(h.ok("logs --tail 1 box"), "done");
    assert_eq!(h.ok("logs box").lines().count(), 100_001);
}

#[test]
fn a_container_that_has_become_silent_costs_no_buffers() {
    let h = Host::new();
    h.ok("run -d --name box busybox sh -c 'seq 100000; echo done; exec sleep 1000'");
    until("all of it is there", || h.ok("logs --tail 1 box") == "done");
    let rollup = format!("/proc/{}/smaps_rollup", crate::crash::monitor(&h, "box"));
    let own_kb = || -> u32 {
        let text = fs::read_to_string(&rollup).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix("Private_Dirty:")).unwrap();
        line.trim_end_matches(" kB").trim().parse().unwrap()
    };
    until("the buffers of 192 kB have gone", || own_kb() < 180);
    h.ok("rm -f box");
}

#[test]
fn a_terminals_output_is_logged_as_it_was() {
    let h = Host::new();
    h.ok("run -dt --name box busybox sh -c 'echo a; echo b >&2'");
    h.ended("box");
    let output = h.run("logs box").exits(0);
    assert_eq!((output.out.as_str(), output.err.as_str()), ("a\r\nb\r\n", ""));
}

#[test]
fn a_second_run_adds_to_the_log() {
    let h = Host::new();
    h.run("run --name box busybox echo once").exits(0);
    h.ok("start -a box");
    assert_eq!(h.ok("logs box"), "once\nonce");
}

#[test]
fn what_is_not_there_has_no_log() {
    let h = Host::new();
    h.run("logs nosuch").fails(1, "No such container: nosuch");
    h.ok("create --name new busybox true");
    assert_eq!(h.ok("logs new"), "");
}

/// The times of the lines, in the log's own words.
fn times(h: &Host) -> Vec<String> {
    let output = h.run("logs -t box").exits(0);
    let mut times: Vec<String> =
        (output.out + &output.err).lines().map(|line| line.split(' ').next().unwrap().to_owned()).collect();
    times.sort();
    times
}

#[test]
fn lines_have_times() {
    let h = Host::new();
    h.run("run --name box busybox sh -c 'echo a; echo b >&2; sleep 0.2; printf c'").exits(0);
    let output = h.run("logs -t box").exits(0);
    for (shown, wanted) in output.out.split('\n').zip(["a", "c"]).chain(output.err.lines().zip(["b"])) {
        let (time, line) = shown.split_once(' ').unwrap();
        assert!(time.len() == 30 && &time[10..11] == "T" && time.ends_with('Z') && line == wanted, "{output:?}");
    }
    let details = h.run("logs --details box").exits(0);
    assert_eq!((details.out.as_str(), details.err.as_str()), (" a\n c", " b\n"));
    let both = h.run("logs -t --details --tail 1 box").exits(0).out;
    assert_eq!(&both[30..], "  c");
    // A long line has one time, however many pieces it was written in.
    h.run("run --name long busybox sh -c 'head -c 100000 /dev/zero | tr \"\\0\" a; echo'").exits(0);
    assert_eq!(h.ok("logs -t long").len(), 100_031);
    assert_eq!(h.ok("logs --tail 1 long").len(), 100_000);
}

#[test]
fn lines_of_some_time() {
    let h = Host::new();
    h.run("run --name box busybox sh -c 'echo 1; sleep 0.1; echo 2 >&2; sleep 0.1; echo 3'").exits(0);
    let all = times(&h);
    let shown = |flags: &str| {
        let output = h.run(&format!("logs {flags} box")).exits(0);
        (output.out + &output.err).replace('\n', "")
    };
    for (flags, wanted) in [
        (format!("--since {}", all[1]), "32"),
        (format!("--since {}", all[1].trim_end_matches('Z')), "32"),
        (format!("--until {}", all[1]), "12"),
        (format!("--since {} --until {}", all[1], all[1]), "2"),
        (format!("-f --since {}", all[2]), "3"),
        (format!("--tail 1 --since {}", all[0]), "3"),
        ("--since 1h".to_owned(), "132"),
        ("--since 1970-01-01".to_owned(), "132"),
        ("--since 300s --until 0h".to_owned(), "132"),
        ("--since -1h".to_owned(), ""),
        ("--until 1h30m".to_owned(), ""),
        ("--until 1795303213.5".to_owned(), "132"),
        ("--since 0".to_owned(), "132"),
    ] {
        let wanted =
            if flags.contains("1795303213") && all[0].as_str() > "2026-11-21T23:20:13.5" { "" } else { wanted };
        assert_eq!(shown(&flags), wanted, "{flags}");
    }
    for flag in ["--since", "--until"] {
        h.run(&["logs", flag, "noon", "box"]).fails(
            125,
            &format!("invalid argument \"noon\" for \"{flag}\" flag: failed to parse value as time or duration"),
        );
    }
}

#[test]
fn following_until_some_time() {
    let h = Host::new();
    h.ok("run -d --name box busybox sh -c 'echo early; sleep 1000'");
    until("it has begun", || h.ok("logs box") == "early");
    assert_eq!(h.ok("logs -f --until -1s box"), "early");
    h.ok("rm -f box");
}

#[test]
fn what_has_no_newline_yet_goes_on_in_the_next_run() {
    let h = Host::new();
    h.run("run --name box busybox printf abc").exits(0);
    h.ok("start -a box");
    assert_eq!(h.run("logs box").exits(0).out, "abcabc");
    assert_eq!(h.run("logs --tail 1 box").exits(0).out, "abcabc");
}

#[test]
fn a_child_that_outlives_the_command_loses_nothing_that_was_written_before() {
    let h = Host::new();
    h.ok("run -d --name box busybox sh -c '(while :; do echo spam; done) & sleep 0.2; echo end >&2'");
    until("it ends", || h.field("box", "State") == "exited");
    assert!(h.run("logs box").err == "end\n");
}

#[test]
fn who_writes_without_end_keeps_nobody_waiting() {
    let h = Host::new();
    h.ok("run -d --name box busybox yes");
    // Each of these the monitor answers, between two turns of what it has to write.
    for _ in 0..10 {
        h.ok("pause box");
        h.ok("unpause box");
    }
    h.ok("kill box");
    h.ended("box");
    assert!(h.ok("logs --tail 1000 box").lines().all(|line| line == "y"));
}

#[test]
fn a_child_that_outlives_the_command_and_writes_on_is_not_waited_for() {
    let h = Host::new();
    h.run("run --name box --pid host busybox sh -c 'yes & exec sleep 0.1'").exits(0);
    h.ok("rm box");
}
