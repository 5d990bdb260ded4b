//! Looking at running containers, holding them, and changing their limits.

use crate::host::{Host, cgroup_file, is_v1};
use crate::process::{at_most, until};
use rustix::process::Signal;
use std::fs;
use std::time::{Duration, Instant};

const COUNTS: &str = "run -d --name box busybox sh -c 'i=0; while true; do echo $i; i=$((i+1)); usleep 10000; done'";

/// How much it has written: a paused one writes nothing.
fn written(h: &Host) -> usize {
    h.ok("logs box").len()
}

fn stands_still(h: &Host) -> bool {
    let before = written(h);
    std::thread::sleep(Duration::from_millis(200));
    written(h) == before
}

#[test]
fn a_pause_outlives_its_command() {
    let h = Host::new();
    let id = h.ok(COUNTS);
    until("it counts", || written(&h) > 0);
    assert_eq!(h.ok("pause box"), "box");
    assert!(stands_still(&h));
    assert_eq!(h.field("box", "State"), "paused");
    assert!(h.field("box", "Status").starts_with("Up ") && h.field("box", "Status").ends_with(" (Paused)"));
    assert_eq!(h.ok("ps -q --no-trunc --filter status=paused"), id);
    assert_eq!(h.ok("ps -q --filter status=running"), "");
    h.run("pause box").fails(1, &format!("Container {id} is already paused"));
    h.run("exec box true").fails(1, "Container box is paused, unpause the container before exec");
    h.run("start box").fails(1, "is paused");
    h.run("rm box").fails(1, "container is paused and must be unpaused first");
    assert_eq!(h.ok(&format!("container unpause {}", &id[..12])), &id[..12]);
    assert!(!stands_still(&h));
    assert_eq!(h.field("box", "State"), "running");
    h.run("unpause box").fails(1, &format!("Container {id} is not paused"));
    h.ok("kill box");
    h.ended("box");
    h.run("pause box").fails(1, &format!("Container {id} is not running"));
    h.run("unpause box").fails(1, &format!("Container {id} is not running"));
    h.run("pause nosuch").fails(1, "No such container: nosuch");
}

#[test]
fn one_that_cannot_be_paused_holds_up_no_other() {
    let h = Host::new();
    h.idle("--name one");
    h.idle("--name two");
    let output = h.run("container pause one nosuch two").exits(1);
    assert!(output.out == "one\ntwo\n" && output.err.contains("No such container: nosuch"), "{output:?}");
    let output = h.run("unpause two nosuch one").exits(1);
    assert!(output.out == "two\none\n", "{output:?}");
}

#[test]
fn a_commit_leaves_a_pause_as_it_is() {
    let h = Host::new();
    h.ok(COUNTS);
    h.ok("pause box");
    h.ok("commit box mine");
    assert_eq!(h.field("box", "State"), "paused");
    assert!(stands_still(&h));
    h.ok("unpause box");
    h.ok("commit box mine");
    assert_eq!(h.field("box", "State"), "running");
    assert!(!stands_still(&h));
}

#[test]
fn paused_ones_can_be_ended() {
    let h = Host::new();
    let before = h.snapshot();
    for (end, code) in [("stop box", 0), ("kill box", 137), ("kill -s TERM box", 0), ("stop -t 0 box", 137)] {
        h.idle("--name box");
        until("it listens", || h.ok("logs box") == "ready");
        h.ok("pause box");
        let start = Instant::now();
        h.ok(end);
        h.ended("box");
        assert!(start.elapsed() < at_most(Duration::from_secs(8)), "{end}: {:?}", start.elapsed());
        assert!(h.field("box", "Status").starts_with(&format!("Exited ({code})")), "{end}: {}", h.ok("ps -a"));
        h.ok("start box");
        assert_eq!(h.field("box", "State"), "running", "{end}");
        h.ok("pause box");
        h.ok("rm -f box");
    }
    // One that does not listen: the time limit counts from the stop.
    h.ok("run -d --name deaf busybox sh -c 'trap \"\" TERM; sleep 1000'");
    h.ok("pause deaf");
    h.ok("stop -t 1 deaf");
    assert!(h.field("deaf", "Status").starts_with("Exited (137)"));
    h.ok("rm deaf");
    h.unchanged(&before);
}

#[test]
fn another_signal_waits_for_the_end_of_the_pause() {
    let h = Host::new();
    h.ok("run -d --name box busybox sh -c 'trap \"echo got; exit 4\" USR1; echo ready; while true; do usleep 9999; done'");
    until("it listens", || h.ok("logs box") == "ready");
    h.ok("pause box");
    h.ok("kill -s USR1 box");
    assert_eq!(h.field("box", "State"), "paused");
    h.ok("unpause box");
    assert_eq!(h.ok("wait box"), "4");
}

#[test]
fn stats_once() {
    let h = Host::new();
    let id = h.ok("run -d --name busy --network none -m 64m busybox sh -c 'while true; do :; done'");
    h.idle("--name idle");
    h.ok("create --name made busybox true");
    let table = h.ok("stats --no-stream");
    let lines: Vec<&str> = table.lines().collect();
    assert!(lines[0].starts_with("CONTAINER ID   NAME      CPU %     MEM USAGE / LIMIT "), "{table}");
    assert!(lines[0].ends_with("NET I/O   BLOCK I/O   PIDS") || lines[0].contains("MEM %     NET I/O"), "{table}");
    assert!(lines.len() == 3 && lines[1].contains("   idle ") && lines[2].starts_with(&id[..12]), "{table}");
    let line = h.ok("stats --no-stream --format '{{.Name}} {{.CPUPerc}} {{.MemUsage}}|{{.NetIO}}|{{.PIDs}}' busy");
    let cpu: f64 = line.split([' ', '%']).nth(1).unwrap().parse().unwrap();
    assert!(cpu > 15.0 && cpu < 130.0, "{line}"); // other tests are busy, too
    assert!(line.starts_with("busy ") && line.ends_with(" / 64MiB|0B / 0B|1"), "{line}");
    let idle = h.ok("stats --no-stream --format '{{.Container}} {{.CPUPerc}}' idle");
    assert!(idle.strip_prefix("idle ").unwrap().trim_end_matches('%').parse::<f64>().unwrap() < 5.0, "{idle}");
    let made = "made 0.00% 0B / 0B 0.00% 0B / 0B 0B / 0B 0";
    let all = "{{.Name}} {{.CPUPerc}} {{.MemUsage}} {{.MemPerc}} {{.NetIO}} {{.BlockIO}} {{.PIDs}}";
    assert_eq!(h.ok(&["stats", "--no-stream", "--format", all, "made"]), made);
    assert_eq!(h.ok(&["container", "stats", "-a", "--no-stream", "--format", all]).lines().next().unwrap(), made);
    let json = h.ok("stats --no-stream --no-trunc --format json busy");
    assert!(json.contains(&format!("\"ID\":\"{id}\"")) && json.contains("\"Container\":\"busy\""), "{json}");
    h.run("stats --no-stream nosuch busy").fails(1, "No such container: nosuch");
}

#[test]
fn stats_live() {
    let h = Host::new();
    h.idle("--name box");
    let mut stats = h.spawn("stats --format '{{.Name}} {{.PIDs}}' box");
    stats.expect("box 2\n");
    stats.expect("box 2\n");
    h.ok("kill box");
    stats.expect("box --\n");
    h.ok("rm box");
    assert!(!stats.wait().ok().contains('\u{1b}'));
    let mut all = h.spawn("stats --format '{{.Name}}|{{.CPUPerc}}|'");
    h.idle("--name new");
    all.expect("new|");
    h.ok("rm -f new");
    all.signal(Signal::INT);
    all.wait().exits(130);
    h.idle("--name box");
    let mut screen = h.terminal("stats");
    screen.expect("\u{1b}[2J\u{1b}[HCONTAINER ID ");
    screen.expect("\u{1b}[HCONTAINER ID ");
    screen.send("\u{3}");
    screen.wait().exits(130);
}

#[test]
fn top_shows_the_hosts_pids() {
    let h = Host::new();
    let id = h.ok("run -d --name box busybox sh -c 'sleep 1000 & exec sleep 2000'");
    // The shell becomes one of them, its child the other.
    until("both run", || h.ok("top box -o args").lines().filter(|args| args.starts_with("sleep ")).count() == 2);
    let pid = h.pid("box");
    let table = h.ok("top box");
    let head = "UID                 PID                 PPID                C                   STIME               \
                TTY                 TIME                CMD";
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines[0], head);
    let words: Vec<&str> = lines[1].split_whitespace().collect();
    assert_eq!(
        (words[0], words[1], words[5], words[6]),
        ("root", pid.to_string().as_str(), "?", "00:00:00"),
        "{table}"
    );
    assert!(lines[1].ends_with("   sleep 2000") && lines[2].ends_with("   sleep 1000"), "{table}");
    assert!(lines[2].split_whitespace().nth(2) == Some(&pid.to_string()), "{table}");
    let own = h.ok("top box -o pid,cmd");
    assert!(own.contains(&format!("\n{pid:<20}sleep 2000\n")), "{own}");
    assert!(h.ok("container top box aux").starts_with("USER                PID                 %CPU "));
    h.ok("pause box");
    assert_eq!(h.ok("top box -ef").lines().count(), 3);
    h.run("top box --forest").fails(1, "'--forest'");
    h.run("top box -o nosuch").fails(1, "'nosuch'");
    h.ok("rm -f box");
    h.run("top box").fails(1, "No such container: box");
    h.ok("create --name made busybox true");
    h.run("top made").fails(1, " is not running");
    assert_eq!(id.len(), 64);
}

#[test]
fn top_shows_foreign_words_as_they_cannot_hurt() {
    let h = Host::new();
    h.ok(&["run", "-d", "--name", "box", "busybox", "sh", "-c", "sleep 1000; echo '\u{1b}[2J'"]);
    let table = h.ok("top box -o args");
    assert!(table.contains("\\u{1b}[2J") && !table.contains('\u{1b}'), "{table}");
}

/// A limit as the kernel has it.
fn limit(id: &str, v1: &str, v2: &str) -> String {
    let (controller, file) = v1.split_once('/').unwrap();
    let path = cgroup_file(controller, id, if is_v1() { file } else { v2 });
    fs::read_to_string(path).unwrap().trim().to_owned()
}

#[test]
fn update_changes_the_kernel_and_the_record() {
    let h = Host::new();
    let id = h.idle("--name box -m 50m");
    h.ok("create --name made busybox sh -c 'trap \"exit 0\" TERM; sleep 1000 & wait'");
    let memory = || limit(&id, "memory/memory.limit_in_bytes", "memory.max");
    let pids = |id: &str| limit(id, "pids/pids.max", "pids.max");
    assert_eq!(h.ok("update --pids-limit 77 -m 60m box made"), "box\nmade");
    assert_eq!((pids(&id), memory()), ("77".to_owned(), "62914560".to_owned()));
    // As long as nobody speaks of swap it is as much again, where the host counts it.
    let sum = || is_v1().then(|| limit(&id, "memory/memory.memsw.limit_in_bytes", ""));
    assert!(sum().is_none_or(|sum| sum == "125829120"));
    h.ok("update --memory-swap 70m box");
    assert!(sum().is_none_or(|sum| sum == "73400320"));
    h.ok("container update --cpus 0.5 box");
    assert_eq!((pids(&id), memory()), ("77".to_owned(), "62914560".to_owned()));
    let quota = limit(&id, "cpu/cpu.cfs_quota_us", "cpu.max");
    assert_eq!(quota.split(' ').next(), Some("50000"));
    h.ok("stop box");
    h.ok("start box made");
    assert_eq!((pids(&id), memory()), ("77".to_owned(), "62914560".to_owned()));
    assert_eq!(pids(&h.ok("ps -q --no-trunc --filter name=made")), "77");
    h.ok("update --pids-limit -1 box");
    assert_eq!(pids(&id), "max");
    h.ok("stop box");
    h.ok("start box");
    assert_eq!(pids(&id), "max");
    h.ok("stop -t 1 made");
}

#[test]
fn what_update_cannot_do_changes_nothing() {
    let h = Host::new();
    let id = h.idle("--name box -m 50m --cpus 0.5");
    let memory = || limit(&id, "memory/memory.limit_in_bytes", "memory.max");
    let record = h.store.join("containers").join(&id).join("config.json");
    let before = fs::read_to_string(&record).unwrap();
    let swap =
        "Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time";
    h.run("update -m 200m box").fails(1, swap);
    h.run("update --cpu-quota 20000 box").fails(1, "CPU Quota cannot be updated as NanoCPUs has already been set");
    h.run("update -m 4m box").fails(125, "inimum memory limit allowed is 6MB");
    h.run("update --cpus 99 box").fails(125, "ange of CPUs is from");
    h.run("update box").fails(1, "you must provide one or more flags");
    h.run("update --nosuch box").fails(125, "unknown flag");
    h.run("update --cpuset-cpus 4000 box").fails(125, "CPUs are not available");
    assert_eq!((fs::read_to_string(&record).unwrap(), memory()), (before.clone(), "52428800".to_owned()));
    let output = h.run("update --pids-limit 50 nosuch box").exits(1);
    assert!(output.out == "box\n" && output.err.contains("No such container: nosuch"), "{output:?}");
    assert_ne!(fs::read_to_string(&record).unwrap(), before);
    assert!(fs::read_to_string(&record).unwrap().contains("52428800"));
    assert_eq!(h.ok("exec box echo alive"), "alive");
}

#[test]
fn an_update_is_seen_by_the_one_who_tells_why_it_died() {
    let h = Host::new();
    let eat = "read line; x=$(head -c 100000000 /dev/zero | tr \"\\0\" a); echo $x | tail -c 4";
    let mut run = h.spawn(&["run", "-i", "--name", "box", "busybox", "sh", "-c", &format!("echo ready; {eat}")]);
    run.expect("ready");
    h.ok("update -m 20m box");
    run.send("go\n");
    run.wait().exits(137);
    let state = h.store.join("containers").join(h.ok("ps -aq --no-trunc")).join("state.json");
    assert!(fs::read_to_string(state).unwrap().contains("\"oom_killed\":true"));
}

#[test]
fn a_cgroup_below_another_is_found_too() {
    let h = Host::new();
    let parent = format!("/watched-{}/inner", std::process::id());
    let id = h.idle(&format!("--name box -m 50m --cgroup-parent {parent}"));
    h.ok("update --pids-limit 77 box");
    let file = if is_v1() { "pids/pids.max" } else { "pids.max" };
    assert_eq!(h.ok(&format!("exec box cat /sys/fs/cgroup/{file}")), "77");
    assert!(h.ok("stats --no-stream --format {{.MemUsage}} box").ends_with(" / 50MiB"));
    assert_eq!(h.ok("top box").lines().count(), 3);
    h.ok("pause box");
    assert_eq!(h.field("box", "State"), "paused");
    h.run("exec box true").fails(1, "is paused");
    h.ok("stop box");
    h.ok("start box");
    assert_eq!(h.ok(&format!("exec box cat /sys/fs/cgroup/{file}")), "77");
    assert_eq!(id.len(), 64);
}
