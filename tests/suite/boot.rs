//! `boot` and `shutdown`: who is started when the host starts, in which order, and who hears what about it.

use crate::crash::monitor;
use crate::host::Host;
use crate::process::{at_most, until};
use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// One that ends at once when asked, and one that never listens.
const GOOD: &str = "busybox sh -c 'trap \"exit 0\" TERM; sleep 1000 & wait'";
const DEAF: &str = "busybox sh -c 'trap \"\" TERM; while :; do sleep 1; done'";

/// What a power cut does to containers: their processes end at once, and `/run` is empty at the next start.
fn cut_power(h: &Host) {
    let names = h.ok("ps --format {{.Names}}");
    let monitors: Vec<i32> = names.lines().map(|name| monitor(h, name)).collect();
    for pid in &monitors {
        kill_process(Pid::from_raw(*pid).unwrap(), Signal::KILL).unwrap();
    }
    for pid in monitors {
        until("it is gone", || {
            fs::read_to_string(format!("/proc/{pid}/stat")).map_or(true, |stat| stat.contains(") Z "))
        });
    }
    fs::remove_dir_all(&h.run_dir).unwrap();
}

fn running(h: &Host) -> BTreeSet<String> {
    h.run("ps --format {{.Names}}").out.lines().map(str::to_owned).collect() // one of them may be spoiled
}

fn names(names: &str) -> BTreeSet<String> {
    names.split_whitespace().map(str::to_owned).collect()
}

/// A number of a container's state.
fn number(h: &Host, name: &str, key: &str) -> i64 {
    let id = h.ok(&["ps", "-aq", "--no-trunc", "--filter", &format!("name=^{name}$")]);
    let text = fs::read_to_string(h.store.join("containers").join(id).join("state.json")).unwrap();
    let rest = text.split(&format!("\"{key}\":")).nth(1).unwrap();
    rest.split([',', '}']).next().unwrap().parse().unwrap()
}

/// The second word of a container's row.
fn told<'a>(table: &'a str, name: &str) -> &'a str {
    let row = table.lines().find(|line| line.split_whitespace().next() == Some(name)).unwrap_or("");
    row.get(name.len()..).unwrap_or("").trim_start().split("   ").next().unwrap()
}

/// How often containers have started since the run directory was made.
fn starts(h: &Host) -> usize {
    h.ok("events --since 1h --until 0s -f event=start --format {{.ID}}").lines().count()
}

#[test]
fn nothing_to_do() {
    let h = Host::empty();
    assert_eq!(h.ok("boot"), "NAME      STATUS    TOOK");
    assert_eq!(h.ok("shutdown"), "");
    assert_eq!(h.ok("shutdown -t 0"), "");
    for line in ["boot -t -1", "boot --parallel 0", "boot --parallel x", "shutdown -t -2", "shutdown --time x"] {
        assert!(h.run(line).code != 0, "{line}");
    }
    h.run("boot box").fails(1, "boot");
}

#[test]
fn policies_after_a_power_cut() {
    let h = Host::new();
    for policy in ["no", "always", "unless-stopped", "on-failure", "on-failure:1"] {
        let name = policy.replace(':', "");
        h.ok(&format!("run -d --name {name} --restart {policy} {GOOD}"));
        h.ok(&format!("run -d --name {name}-stopped --restart {policy} {GOOD}"));
        h.ok(&format!("create --name {name}-made --restart {policy} {GOOD}"));
        h.ok(&format!("stop {name}-stopped"));
    }
    h.ok("run -d --name done --restart on-failure busybox true");
    h.ok("run -d --name failed --restart on-failure:1 busybox false");
    h.ended("done");
    h.ended("failed");
    cut_power(&h);
    let wanted = names("always always-stopped unless-stopped on-failure on-failure1");
    let table = h.ok("boot");
    assert_eq!(running(&h), wanted, "{table}");
    for name in &wanted {
        assert_eq!(told(&table, name), "running", "{table}");
    }
    assert_eq!(table.lines().count(), 1 + wanted.len(), "{table}");
    assert_eq!(h.field("no", "State"), "exited");
    // Somebody may have looked before.
    h.ok("stop always");
    cut_power(&h);
    assert_eq!(h.ok("ps -q"), "");
    h.ok("boot");
    assert_eq!(running(&h), wanted);
}

#[test]
fn what_ran_runs_again_after_a_shutdown() {
    let h = Host::new();
    for policy in ["always", "unless-stopped", "on-failure"] {
        h.ok(&format!("run -d --name {policy} --restart {policy} {GOOD}"));
        h.ok(&format!("run -d --name {policy}-stopped --restart {policy} {GOOD}"));
        h.ok(&format!("stop {policy}-stopped"));
    }
    h.ok(&format!("run -d --name none {GOOD}"));
    h.ok(&format!("run -d --name gone --rm {GOOD}"));
    h.ok(&format!("run -d --name still --restart always {GOOD}"));
    h.ok("pause still");
    h.ok("run -d --name again --restart always busybox false");
    let seen = h.spawn(&format!("run --name seen {GOOD}"));
    until("it runs", || h.field("seen", "State") == "running");
    let stopped = h.ok("shutdown");
    assert_eq!(
        stopped.lines().map(str::to_owned).collect::<BTreeSet<_>>(),
        names("always unless-stopped on-failure none gone still again seen")
    );
    assert_eq!(seen.wait().code, 0);
    assert_eq!(h.ok("ps -q"), "");
    assert_eq!(h.field("gone", "State"), "");
    assert_eq!(h.field("still", "Status").split(' ').next(), Some("Exited"));
    assert_eq!(h.ok("shutdown"), "", "nothing is left to do");
    h.ok("boot");
    until("all run", || running(&h).is_superset(&names("always unless-stopped on-failure always-stopped still")));
    assert!(running(&h).is_subset(&names("always unless-stopped on-failure always-stopped still again")));
    // The next end is a person's again.
    h.ok("stop unless-stopped on-failure");
    h.ok("shutdown");
    h.ok("boot");
    assert!(!running(&h).contains("unless-stopped") && !running(&h).contains("on-failure"));
}

#[test]
fn in_order() {
    let h = Host::new();
    // By name it would be the other way round.
    h.ok(&format!("run -d --name dd --restart always {GOOD}"));
    h.ok(&format!("run -d --name cc --restart always --network container:dd {GOOD}"));
    h.ok(&format!("run -d --name bb --restart always --after cc --after nosuch {GOOD}"));
    h.ok(&format!("run -d --name aa --restart always --label 'mydocker.after=bb, off' {GOOD}"));
    h.ok(&format!("run -d --name off {GOOD}"));
    assert_eq!(h.ok("inspect -f '{{.HostConfig.After}}' bb"), "[cc nosuch]");
    let in_order = |h: &Host| {
        let times: Vec<i64> = ["dd", "cc", "bb", "aa"].iter().map(|name| number(h, name, "started")).collect();
        assert!(times.is_sorted(), "{times:?}");
    };
    cut_power(&h);
    h.ok("boot");
    in_order(&h);
    assert_eq!(h.ok("shutdown"), "aa\nbb\ncc\ndd");
    h.ok("boot --parallel 1");
    in_order(&h);
    h.run("create --after '' busybox true").fails(125, "Invalid container name");
}

#[test]
fn a_circle_is_told_and_broken() {
    let h = Host::new();
    h.ok(&format!("run -d --name one --restart always --after two {GOOD}"));
    h.ok(&format!("run -d --name two --restart always --after three {GOOD}"));
    h.ok(&format!("run -d --name three --restart always --after one {GOOD}"));
    cut_power(&h);
    let output = h.run("boot").exits(0);
    assert!(output.err.starts_with("mydocker: one, three, two: ") && output.err.contains("circle"), "{output:?}");
    assert_eq!(running(&h), names("one two three"));
    let times: Vec<i64> = ["one", "three", "two"].iter().map(|name| number(&h, name, "started")).collect();
    assert!(times.is_sorted(), "{times:?}");
    assert_eq!(h.ok("shutdown"), "two\nthree\none");
}

#[test]
fn health_is_waited_for() {
    let h = Host::new();
    let check = "--health-cmd 'test -e /ok' --health-interval 100ms --health-retries 100";
    let gate =
        "--restart always busybox sh -c 'trap \"exit 0\" TERM; rm -f /ok; sleep 1; touch /ok; sleep 1000 & wait'";
    h.ok(&format!("run -d --name db {check} {gate}"));
    h.ok(&format!("run -d --name app --restart always --after db {GOOD}"));
    h.ok("run -d --name sick --restart always --health-cmd false --health-interval 100ms --health-retries 1 busybox sleep 1000");
    h.ok(&format!("run -d --name later --restart always --after sick {GOOD}"));
    cut_power(&h);
    let output = h.run("boot").exits(1);
    for (name, status) in [("db", "healthy"), ("app", "running"), ("sick", "unhealthy"), ("later", "running")] {
        assert_eq!(told(&output.out, name), status, "{output:?}");
    }
    assert_eq!(output.err.lines().last(), Some("mydocker: not well: sick (unhealthy)"));
    assert!(number(&h, "app", "started") - number(&h, "db", "started") >= 1_000_000_000);
    // Who runs already is waited for, too.
    h.ok("stop -t 0 db");
    h.ok("start db");
    let output = h.run("boot").exits(1);
    assert_eq!((told(&output.out, "db"), told(&output.out, "app")), ("healthy", "was running"), "{output:?}");
}

#[test]
fn the_limit_ends_the_wait_and_not_the_boot() {
    let h = Host::new();
    h.ok("run -d --name slow --restart always --health-cmd true --health-interval 100s busybox sleep 1000");
    h.ok(&format!("run -d --name app --restart always --after slow {GOOD}"));
    h.ok("run -d --name short --restart on-failure --health-cmd true --health-interval 100s busybox sh -c 'test -e /a || { touch /a; exec sleep 1000; }'");
    cut_power(&h);
    // Enough for the third one to end, which is nobody's fault in a slow machine.
    let limit = at_most(Duration::from_secs(2));
    let begun = Instant::now();
    let output = h.run(&format!("boot -t {}", limit.as_secs())).exits(1);
    assert!(begun.elapsed() >= limit && begun.elapsed() < limit * 10);
    assert_eq!((told(&output.out, "slow"), told(&output.out, "app")), ("starting", "running"), "{output:?}");
    assert_eq!(told(&output.out, "short"), "failed", "{output:?}");
    assert!(output.err.contains("mydocker: short: ended with exit code 0 before its health was known\n"), "{output:?}");
    assert!(output.err.ends_with("mydocker: not well: short (failed), slow (starting)\n"), "{output:?}");
    assert_eq!(running(&h), names("slow app"));
}

#[test]
fn who_fails_is_named_and_stops_nobody() {
    let h = Host::new();
    let dir = h.path("mounted");
    fs::create_dir(&dir).unwrap();
    h.ok(&format!("run -d --name bad --restart always --mount type=bind,src={dir},dst=/m {GOOD}"));
    h.ok(&format!("run -d --name next --restart always --after bad {GOOD}"));
    h.ok(&format!("run -d --name joins --restart always --pid container:bad {GOOD}"));
    let spoiled = h.ok(&format!("run -d --name spoiled --restart always {GOOD}"));
    let torn = h.ok(&format!("run -d --name torn --restart always {GOOD}"));
    h.ok(&format!("run -d --name fine --restart always {GOOD}"));
    cut_power(&h);
    fs::remove_dir(&dir).unwrap();
    fs::write(h.store.join("containers").join(&spoiled).join("config.json"), "{\"version\":4").unwrap();
    fs::write(h.store.join("containers").join(&torn).join("state.json"), "{\"version\":4").unwrap();
    let output = h.run("boot").exits(1);
    assert_eq!(running(&h), names("next fine"), "{output:?}");
    for line in ["mydocker: bad: ", "mydocker: joins: ", "mydocker: torn: "] {
        assert_eq!(output.err.lines().filter(|known| known.starts_with(line)).count(), 1, "{line}: {output:?}");
    }
    assert!(output.err.contains(&format!("containers/{spoiled}/config.json is damaged")), "{output:?}");
    let last = "mydocker: not well: bad (failed), joins (failed), torn (failed)";
    assert_eq!(output.err.lines().last(), Some(last), "{output:?}");
    // Put right, it comes with the next call.
    fs::create_dir(&dir).unwrap();
    let output = h.run("boot").exits(1);
    assert_eq!((told(&output.out, "bad"), told(&output.out, "fine")), ("running", "was running"), "{output:?}");
    // What cannot be read any more, but runs, ends as well.
    let fine = h.run("ps -q --no-trunc --filter name=fine").out.trim_end().to_owned();
    let record = h.store.join("containers").join(&fine).join("config.json");
    let before = fs::read(&record).unwrap();
    fs::write(&record, "").unwrap();
    let stopped = h.run("shutdown").exits(0).out;
    assert_eq!(stopped.lines().collect::<BTreeSet<_>>(), BTreeSet::from(["bad", &fine[..12], "joins", "next"]));
    fs::write(&record, before).unwrap();
    assert!(running(&h).is_empty());
    h.ok(&["rm", "-f", &spoiled[..12], &torn[..12]]);
}

#[test]
fn many_at_once_and_nobody_twice() {
    let h = Host::new();
    for n in 0..20 {
        h.ok(&format!("run -d --name box{n} --network none --restart always {GOOD}"));
    }
    cut_power(&h);
    let all = running(&h);
    assert!(all.is_empty());
    // Two boots and a person at the same time.
    let boots = [h.spawn("boot --parallel 3"), h.spawn("boot")];
    let person = h.spawn("start box19 box18 box0");
    for boot in boots {
        let output = boot.wait().exits(0);
        assert!(output.err.is_empty() && output.out.lines().count() == 21, "{output:?}");
    }
    person.wait().exits(0);
    assert_eq!((running(&h).len(), starts(&h)), (20, 20));
    let table = h.ok("boot");
    assert_eq!(table.matches("was running").count(), 20, "{table}");
    assert_eq!(starts(&h), 20);
    assert_eq!(h.ok("shutdown").lines().count(), 20);
}

#[test]
fn a_shutdown_ends_in_time() {
    let h = Host::new();
    h.ok(&format!("run -d --name db --restart always {GOOD}"));
    h.ok(&format!("run -d --name app --restart always --after db {DEAF}"));
    h.ok(&format!("run -d --name web --restart always --after app {DEAF}"));
    h.ok(&format!("run -d --name never --stop-timeout -1 {DEAF}"));
    h.ok("run -d --name quick --stop-timeout 0 busybox sleep 1000");
    let (limit, second) = (at_most(Duration::from_secs(2)), at_most(Duration::from_secs(1)));
    let begun = Instant::now();
    let stopped = h.ok(&format!("shutdown -t {}", limit.as_secs()));
    assert!(begun.elapsed() < limit + second, "{:?}", begun.elapsed());
    assert_eq!(h.ok("ps -q"), "");
    let of_chain: Vec<&str> = stopped.lines().filter(|name| *name != "never" && *name != "quick").collect();
    assert_eq!(of_chain, ["web", "app", "db"]);
    assert!(h.field("db", "Status").starts_with("Exited (0)"), "its share of the time is its own");
    h.ok("boot");
    assert_eq!(running(&h), names("db app web"));
    let begun = Instant::now();
    h.ok("shutdown -t 0");
    assert!(begun.elapsed() < 3 * second && h.ok("ps -q").is_empty());
}

#[test]
fn a_shutdown_ends_a_boot() {
    let h = Host::new();
    h.ok("run -d --name slow --restart always --health-cmd true --health-interval 100s busybox sleep 1000");
    h.ok(&format!("run -d --name app --restart always --after slow {GOOD}"));
    cut_power(&h);
    let boot = h.spawn("boot");
    until("the boot waits", || h.field("slow", "State") == "running");
    assert_eq!(h.ok("shutdown -t 2"), "slow");
    let output = boot.wait().exits(1);
    assert!(output.err.contains("mydocker: the host goes down: nothing more is started\n"), "{output:?}");
    assert_eq!((told(&output.out, "app"), told(&output.out, "slow")), ("not started", "failed"), "{output:?}");
    assert_eq!(h.ok("ps -q"), "");
    h.run("boot -t 0").exits(1);
    assert_eq!(running(&h), names("slow app"));
}

#[test]
fn what_is_left_over_is_removed() {
    let h = Host::new();
    h.ok(&format!("run -d --name gone --rm {GOOD}"));
    h.ok(&format!("run -d --name box --restart always {GOOD}"));
    cut_power(&h);
    for dir in ["tmp/half", "trash/half"] {
        fs::create_dir_all(h.store.join(dir).join("deep")).unwrap();
    }
    let layer = "ab".repeat(32);
    fs::create_dir_all(h.store.join("layers").join(&layer).join("diff")).unwrap();
    h.ok("boot");
    assert_eq!(h.ok("ps -a --format {{.Names}}"), "box");
    for path in ["tmp/half", "trash/half", &format!("layers/{layer}")] {
        assert!(!Path::exists(&h.store.join(path)), "{path}");
    }
    assert!(h.ok("system check").contains("clean") || h.run("system check").code == 0);
}

#[test]
fn the_signal_of_an_init_is_no_wish_of_a_person() {
    let h = Host::new();
    h.ok(&format!("run -d --name box --restart unless-stopped {GOOD}"));
    h.ok(&format!("run -d --name try --restart on-failure {GOOD}"));
    for name in ["box", "try"] {
        kill_process(Pid::from_raw(monitor(&h, name)).unwrap(), Signal::TERM).unwrap();
        h.ended(name);
    }
    h.ok("boot");
    assert_eq!(running(&h), names("box try"));
}

#[test]
fn a_caller_that_ignores_the_end_of_children() {
    let h = Host::new();
    h.ok(&format!("run -d --name box --restart always {GOOD}"));
    cut_power(&h);
    let env = format!("MYDOCKER_ROOT={} MYDOCKER_RUN={}", h.store.display(), h.run_dir.display());
    let out = h.sh(&format!("trap '' CHLD; env {env} {} boot", crate::host::binary()));
    assert_eq!(told(&out, "box"), "running", "{out}");
}

/// `/run` was emptied, or mounted over: nobody reaches the monitors any more.
#[test]
fn monitors_without_a_socket_are_ended_with_their_containers() {
    let h = Host::new();
    let before = h.snapshot();
    for name in ["one", "two", "three"] {
        h.ok(&format!("run -d --name {name} --restart always {GOOD}"));
    }
    fs::remove_dir_all(&h.run_dir).unwrap();
    let begun = Instant::now();
    let output = h.run("shutdown -t 2").exits(0);
    assert!(begun.elapsed() < at_most(Duration::from_secs(6)), "{output:?}");
    assert!(running(&h).is_empty(), "{output:?}");
    h.ok("boot");
    assert_eq!(running(&h), names("one two three"));
    h.ok("rm -f two three");
    fs::remove_dir_all(&h.run_dir).unwrap();
    h.ok("rm -f one");
    h.unchanged(&before);
}

/// A monitor that stands still cannot keep the host from going down in time.
#[test]
fn a_monitor_that_stands_still_is_ended_with_its_container() {
    let h = Host::new();
    h.ok(&format!("run -d --name box --restart always {GOOD}"));
    kill_process(Pid::from_raw(monitor(&h, "box")).unwrap(), Signal::STOP).unwrap();
    let begun = Instant::now();
    h.run("shutdown -t 1").exits(0);
    assert!(begun.elapsed() < at_most(Duration::from_secs(8)));
    assert!(running(&h).is_empty());
    h.ok("boot");
    h.ok("rm -f box");
}
