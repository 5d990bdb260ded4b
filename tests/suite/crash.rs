//! kill -9 at every step of everything: the next command sees the truth, the name can be used again, and nothing leaks.

use crate::host::{Host, Snapshot, busybox_tar, cgroup_file, crash_binary, is_v1};
use crate::netns::Netns;
use crate::process::{Cmd, Output, Running, cases, until};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;

/// The steps of a start that the command itself takes.
const MAKING: [&str; 3] = ["create:filled", "create:placed", "create:named"];
/// The steps of a start that the monitor or the first process takes.
const STARTING: [&str; 6] =
    ["monitor:alive", "monitor:prepared", "monitor:cloned", "monitor:attached", "init:born", "init:walled"];
/// Those of the command while the monitor makes the first process.
const HELPING: [&str; 4] = ["start:forked", "start:mounted", "start:away", "start:made"];
const ENDING: [&str; 3] = ["monitor:ended", "monitor:written", "monitor:released"];

/// Runs a command in which every process dies that reaches the step.
fn dying(h: &Host, step: &str, line: &str) -> Option<Output> {
    let output = Cmd::new(h, &crash_binary()?, line).env("MYDOCKER_DIE_AT", step).run();
    h.remember(&ids(h));
    Some(output)
}

/// The containers on disk, whatever the commands say.
fn ids(h: &Host) -> String {
    let entries = fs::read_dir(h.store.join("containers")).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect::<Vec<_>>().join("\n")
}

/// Everybody can be listed and removed, and then everything is as it was.
#[track_caller]
fn recovers(h: &Host, before: &Snapshot, after: &str) {
    let listed = h.run("ps -a");
    assert!(listed.code == 0 && listed.err.is_empty(), "after {after}: {listed:?}");
    let again = h.run("run --name box busybox echo again");
    if again.code != 0 {
        // A container of this name came to be before the kill: then it is listed, and can be removed.
        assert!(listed.out.contains(" box\n") && again.err.contains("Conflict"), "after {after}: {listed:?} {again:?}");
        h.ok("rm -f box");
        h.ok("run --name box busybox echo again");
    }
    // The removal sweeps, too.
    for id in h.ok("ps -aq").lines() {
        h.ok(&["rm", "-f", "-v", id]);
    }
    eprintln!("after {after}"); // shown when the next line fails
    h.unchanged(before);
}

fn kill(pid: i32) {
    kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
}

/// The monitor's pid: the parent of the first process.
pub fn monitor(h: &Host, name: &str) -> i32 {
    let status = fs::read_to_string(format!("/proc/{}/status", h.pid(name))).unwrap();
    status.lines().find_map(|line| line.strip_prefix("PPid:")).unwrap().trim().parse().unwrap()
}

fn gone(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.is_empty() || stat.contains(") Z ")
}

fn remove_nameless(h: &Host) {
    for line in h.ok("images --format '{{.Repository}} {{.ID}}'").lines() {
        if let Some(id) = line.strip_prefix("<none> ") {
            h.ok(&["rmi", "-f", id]);
        }
    }
}

#[test]
fn while_a_container_is_made() {
    for mode in cases(["-d", "--rm", "-i", "-d --rm -v /anonymous -v named:/n"]) {
        let h = Host::new();
        h.ok("run --rm -v named:/n busybox true");
        until("the trash is empty", || fs::read_dir(h.store.join("trash")).unwrap().count() == 0);
        for step in MAKING {
            let before = h.snapshot();
            let line = format!("run {mode} --name box busybox sleep 1000");
            let Some(output) = dying(&h, step, &line) else { return };
            output.exits(137);
            recovers(&h, &before, &format!("{line} at {step}"));
        }
    }
}

#[test]
fn while_a_container_starts() {
    for mode in cases(["-d", "--rm", "-i", "-d --rm -v /anonymous"]) {
        let h = Host::new();
        for step in STARTING {
            let before = h.snapshot();
            let line = format!("run {mode} --name box busybox sleep 1000");
            let Some(output) = dying(&h, step, &line) else { return };
            if step.starts_with("monitor") {
                // The command lives, and tidies up itself.
                output.fails(125, "monitor");
                assert_eq!(h.ok("ps -aq"), "", "{step}");
                h.unchanged(&before);
            }
            recovers(&h, &before, &format!("{line} at {step}"));
        }
    }
}

#[test]
fn while_its_first_process_waits_for_the_command() {
    // The root and the network would have come from there. What does not come it makes, and the container runs.
    for mode in cases(["-d", "--rm -i", "-d --network none"]) {
        let h = Host::new();
        for step in HELPING {
            let before = h.snapshot();
            let line = format!("run {mode} --name box busybox sleep 1000");
            let Some(output) = dying(&h, step, &line) else { return };
            output.exits(137);
            runs_apart(&h, if mode.contains("none") { "lo" } else { "eth0\nlo" });
            recovers(&h, &before, &format!("{line} at {step}"));
        }
    }
}

#[test]
fn while_an_old_container_waits_for_the_command() {
    let h = Host::new();
    for step in HELPING {
        let before = h.snapshot();
        h.ok("create --name box busybox sleep 1000");
        let Some(output) = dying(&h, step, "start box") else { return };
        output.exits(137);
        runs_apart(&h, "eth0\nlo");
        recovers(&h, &before, &format!("start at {step}"));
    }
}

/// The container comes to run, and sees these links, on a network of its own.
#[track_caller]
fn runs_apart(h: &Host, links: &str) {
    until("it runs", || h.run("ps --format '{{.Names}} {{.State}}'").out == "box running\n");
    assert_eq!(h.ok("exec box ls /sys/class/net"), links);
    assert_ne!(Netns::of(h.pid("box")).number(), h.net.number());
}

#[test]
fn while_an_old_container_starts_again() {
    let h = Host::new();
    for step in STARTING {
        let before = h.snapshot();
        h.ok("create --name box busybox sh -c 'echo up; sleep 1000'");
        let Some(output) = dying(&h, step, "start box") else { return };
        if step.starts_with("monitor") {
            output.fails(1, "monitor");
            assert_eq!(h.field("box", "State"), "created", "{step}");
        } else {
            output.exits(0);
            h.ended("box");
        }
        h.ok("start box");
        assert_eq!(h.field("box", "State"), "running", "{step}");
        recovers(&h, &before, &format!("start at {step}"));
    }
}

/// Whatever its monitor had for it at that moment, and could not give to a dead one.
#[test]
fn a_first_process_that_is_born_and_dies() {
    let h = Host::new();
    h.ok("run -d --ipc shareable --name pod busybox sleep 1000");
    let before = h.snapshot();
    for flags in ["", "--network none", "--ipc container:pod", "--pid container:pod", "--userns auto"] {
        let Some(output) = dying(&h, "init:born", &format!("run --rm {flags} busybox true")) else { return };
        assert_eq!((output.code, output.err.as_str()), (137, ""), "{flags}: {output:?}");
    }
    h.unchanged(&before);
}

#[test]
fn just_after_the_start() {
    for mode in ["-d", "--rm", "-i", "-d --rm"] {
        let h = Host::new();
        let before = h.snapshot();
        let line = format!("run {mode} --name box busybox sleep 1000");
        let Some(output) = dying(&h, "monitor:started", &line) else { return };
        assert_eq!(output.code, if mode.contains("-d") { 0 } else { 137 }, "{line}");
        until("the monitor is gone", || h.run("ps -q").out.is_empty());
        if !mode.contains("--rm") {
            assert!(h.field("box", "Status").starts_with("Exited (137)"), "{}", h.ok("ps -a"));
            h.ok("start box");
            assert_eq!(h.field("box", "State"), "running");
        }
        recovers(&h, &before, &format!("{line} at monitor:started"));
    }
}

#[test]
fn while_a_container_ends() {
    for mode in cases(["-d", "--rm", "-i", "-d --rm -v /anonymous"]) {
        let h = Host::new();
        for step in ENDING {
            let before = h.snapshot();
            let line = format!("run {mode} --name box busybox sh -c 'exit 3'");
            let Some(_) = dying(&h, step, &line) else { return };
            until("the monitor is gone", || h.run("ps -q").out.is_empty());
            if mode.contains("--rm") {
                assert_eq!(h.ok("ps -aq"), "", "{line} at {step}");
            } else {
                let code = if step == "monitor:ended" { "Exited (137)" } else { "Exited (3)" };
                assert!(h.field("box", "Status").starts_with(code), "{step}: {}", h.ok("ps -a"));
            }
            recovers(&h, &before, &format!("{line} at {step}"));
        }
    }
}

#[test]
fn while_a_dead_monitors_container_is_put_right() {
    for mode in ["", "--rm -v /anonymous"] {
        let h = Host::new();
        let before = h.snapshot();
        h.ok(&format!("run -d {mode} --name box busybox sleep 1000"));
        let dead = monitor(&h, "box");
        kill(dead);
        until("the monitor is gone", || gone(dead));
        let Some(output) = dying(&h, "settle:released", "ps -a") else { return };
        output.exits(137);
        assert_eq!(h.ok("ps -aq").lines().count(), usize::from(mode.is_empty()));
        recovers(&h, &before, "settle:released");
    }
}

#[test]
fn while_a_container_is_removed() {
    for step in ["remove:unnamed", "remove:thrown"] {
        for (make, line) in cases([
            ("create --name box -v /anonymous busybox true", "rm -v box"),
            ("create --name box busybox true", "rm box"),
            ("run -d --name box -v /anonymous busybox sleep 1000", "rm -f -v box"),
            ("info", "run --rm --name box -v /anonymous busybox true"),
            ("info", "run -d --rm --name box busybox true"),
            ("info", "run --rm --name box busybox nosuchprogram"),
        ]) {
            let h = Host::new();
            let before = h.snapshot();
            h.ok(make);
            let Some(_) = dying(&h, step, line) else { return };
            until("it is gone", || h.ok("ps -aq").is_empty());
            recovers(&h, &before, &format!("{line} at {step}"));
        }
    }
}

#[test]
fn while_a_container_goes_with_its_volumes() {
    let h = Host::new();
    for step in ["remove:marked", "remove:emptied", "remove:unnamed", "remove:thrown"] {
        for line in ["rm -v box", "rm -vf box"] {
            h.ok("create --name box -v /data -v kept:/kept busybox true");
            if dying(&h, step, line).is_none() {
                return;
            }
            // It cannot be started without its volume: it is gone, and so are they.
            h.run("start box").fails(1, "No such container: box");
            assert_eq!(h.ok("ps -aq"), "", "{line} at {step}");
            assert_eq!(h.ok("volume ls -q"), "kept", "{line} at {step}");
        }
        h.ok("create --name box -v /data busybox true");
        let volumes = h.ok("volume ls -q");
        dying(&h, step, "rm box");
        assert_eq!((h.ok("ps -aq").as_str(), h.ok("volume ls -q")), ("", volumes), "rm at {step}");
        h.ok("volume prune -f");
    }
}

#[test]
fn while_an_image_comes() {
    let small = |h: &Host| {
        h.sh("mkdir tree; echo hello >tree/hello; tar -C tree -cf small.tar .");
        h.path("small.tar")
    };
    for step in ["layer:unpacked", "layer:placed", "image:stored"] {
        let h = Host::new();
        let tar = small(&h);
        let before = h.snapshot();
        let Some(output) = dying(&h, step, &format!("import {tar} small")) else { return };
        output.exits(137);
        assert_eq!(h.ok("images").lines().count(), if step == "image:stored" { 3 } else { 2 }, "{step}");
        h.ok(&["import", &tar, "small"]);
        let tags = h.ok("images --format {{.ID}}");
        assert_eq!(tags.lines().count(), if step == "image:stored" { 3 } else { 2 }, "{step}");
        h.ok("rmi small");
        remove_nameless(&h);
        recovers(&h, &before, step);
    }
}

#[test]
fn while_an_archive_is_run() {
    for step in ["layer:unpacked", "layer:placed", "image:stored"] {
        let h = Host::new();
        let Some(output) = dying(&h, step, &format!("run --rm {} echo hi", busybox_tar())) else { return };
        output.exits(137);
        assert_eq!(h.ok(&["run", "--rm", busybox_tar(), "echo", "hi"]), "hi");
        h.ok(&["import", busybox_tar(), "busybox"]);
    }
}

#[test]
fn while_an_image_goes() {
    for step in ["rmi:untagged", "rmi:deleted"] {
        let h = Host::new();
        h.sh("mkdir tree; echo hello >tree/hello; tar -C tree -cf small.tar .");
        let before = h.snapshot();
        h.ok(&["import", &h.path("small.tar"), "small"]);
        let Some(output) = dying(&h, step, "rmi small") else { return };
        output.exits(137);
        assert_eq!(h.run("run --rm small true").exits(125).err.lines().count(), 1);
        remove_nameless(&h);
        // The layer that nobody uses any more goes with the next image that goes.
        h.sh("echo other >tree/other; tar -C tree -cf other.tar .");
        h.ok(&["import", &h.path("other.tar"), "other"]);
        h.ok("rmi other");
        recovers(&h, &before, step);
    }
}

#[test]
fn while_a_volume_is_made() {
    for step in ["volume:named", "volume:noted", "volume:filling", "volume:filled"] {
        let h = Host::new();
        let before = h.snapshot();
        let Some(output) = dying(&h, step, "create --name box -v data:/etc busybox true") else { return };
        output.exits(137);
        // Whoever comes next finds all of it.
        assert!(h.ok("run --rm -v data:/etc busybox ls /etc").contains("passwd"), "{step}");
        assert!(!h.store.join("volumes/data/filling").exists(), "{step}");
        h.run("rm -f box");
        h.ok("volume rm data");
        recovers(&h, &before, step);
    }
    // So does the container that was to have it, when it is there already.
    for step in ["create:named", "volume:named", "volume:noted", "volume:filling", "volume:filled"] {
        let h = Host::new();
        let before = h.snapshot();
        dying(&h, step, "create --name box -v /etc busybox grep root /etc/passwd").unwrap().exits(137);
        assert!(h.ok("start -a box").starts_with("root:"), "{step}");
        h.ok("rm -v box");
        recovers(&h, &before, step);
    }
}

#[test]
fn while_a_container_is_committed() {
    for step in ["commit:paused", "layer:unpacked", "layer:placed", "image:stored"] {
        let h = Host::new();
        let before = h.snapshot();
        h.idle("--name box");
        let Some(output) = dying(&h, step, "commit box mine") else { return };
        output.exits(137);
        // It goes on: what stands still cannot run anything.
        until("it goes on", || {
            h.field("box", "Status").starts_with("Up") && !h.field("box", "Status").contains("Paused")
        });
        assert_eq!(h.ok("exec box echo alive"), "alive");
        h.ok("commit box mine");
        assert_eq!(h.ok("run --rm mine echo mine"), "mine");
        h.ok("rmi -f mine");
        remove_nameless(&h);
        recovers(&h, &before, step);
    }
}

#[test]
fn while_limits_are_changed() {
    let h = Host::new();
    let before = h.snapshot();
    h.idle("--name box --pids-limit 60");
    let Some(output) = dying(&h, "update:set", "update --pids-limit 77 box") else { return };
    output.exits(137);
    // The kernel has the new limit, the record the old one; whoever asks again gets both.
    h.ok("update --pids-limit 77 box");
    h.ok("stop box");
    h.ok("start box");
    let file = if is_v1() { "pids/pids.max" } else { "pids.max" };
    assert_eq!(h.ok(&format!("exec box cat /sys/fs/cgroup/{file}")), "77");
    h.ok("rm -f box");
    recovers(&h, &before, "update:set");
}

#[test]
fn a_killed_command_leaves_its_container_running() {
    let h = Host::new();
    let before = h.snapshot();
    let mut run = h.spawn("run --name box busybox sh -c 'trap \"exit 5\" TERM; echo ready; sleep 1000 & wait'");
    run.expect("ready");
    run.signal(Signal::KILL);
    run.wait().exits(137);
    assert!(h.field("box", "Status").starts_with("Up"));
    h.ok("stop box");
    assert!(h.field("box", "Status").starts_with("Exited (5)"), "{}", h.ok("ps -a"));
    h.ok("rm box");
    let mut run = h.spawn("run -i --rm --name box busybox sh -c 'echo ready; sleep 1000'");
    run.expect("ready");
    run.signal(Signal::KILL);
    run.wait().exits(137);
    assert!(h.field("box", "Status").starts_with("Up"));
    h.ok("stop -t 0 box");
    assert_eq!(h.ok("ps -aq"), "");
    h.unchanged(&before);
}

#[test]
fn a_killed_monitor_takes_its_container_along() {
    let h = Host::new();
    for mode in ["", "--rm"] {
        let before = h.snapshot();
        let mut run = h.spawn(&format!("run {mode} --name box busybox sh -c 'echo ready; sleep 1000'"));
        run.expect("ready");
        let (first, dead) = (h.pid("box"), monitor(&h, "box"));
        kill(dead);
        run.wait().exits(137);
        until("the first process is gone", || gone(first));
        if mode.is_empty() {
            assert!(h.field("box", "Status").starts_with("Exited (137)"), "{}", h.ok("ps -a"));
            h.ok("start box");
            assert_eq!(h.field("box", "State"), "running");
            kill(monitor(&h, "box"));
            h.ok("rm -f box");
        } else {
            h.run("start box").fails(1, "No such container: box");
        }
        assert_eq!(h.ok("ps -aq"), "");
        recovers(&h, &before, "the monitor's end");
    }
}

/// The kernel forgets the death signal when a program changes who one is.
#[test]
fn a_killed_monitors_container_that_does_not_notice() {
    let h = Host::new();
    h.ok("run --name maker busybox sh -c 'mkdir /s && cp /bin/busybox /s/sleep && chmod 4755 /s/sleep'");
    h.ok("commit maker setuid");
    h.ok("rm maker");
    let before = h.snapshot();
    h.ok("run -d -u 1000 --name box setuid /s/sleep 1000");
    let (first, dead) = (h.pid("box"), monitor(&h, "box"));
    kill(dead);
    until("the monitor is gone", || gone(dead));
    assert!(h.field("box", "Status").starts_with("Exited (137)"), "{}", h.ok("ps -a"));
    assert!(gone(first), "it still runs");
    h.ok("rm box");
    h.unchanged(&before);
}

/// While it is committed a container stands still, and on cgroup v1 what stands still cannot even be killed.
#[test]
fn a_killed_monitors_container_that_stands_still() {
    let h = Host::new();
    if !is_v1() {
        return; // there, killing wins over freezing
    }
    let before = h.snapshot();
    let id = h.idle("--name box");
    let (first, dead) = (h.pid("box"), monitor(&h, "box"));
    // What a commit does, without the commit: so there is no race to win.
    fs::write(cgroup_file("freezer", &id, "freezer.state"), "FROZEN").unwrap();
    kill(dead);
    until("the monitor is gone", || gone(dead));
    assert!(h.field("box", "Status").starts_with("Exited (137)"), "{}", h.ok("ps -a"));
    until("the first process is gone", || gone(first));
    h.ok("rm box");
    h.unchanged(&before);
}

#[test]
fn a_killed_first_process() {
    let h = Host::new();
    let before = h.snapshot();
    h.ok("run -d --name box busybox sleep 1000");
    kill(h.pid("box"));
    h.ended("box");
    assert!(h.field("box", "Status").starts_with("Exited (137)"));
    h.ok("start box");
    h.ok("rm -f box");
    h.ok("run -d --rm --name box busybox sleep 1000");
    kill(h.pid("box"));
    until("it is gone", || h.ok("ps -aq").is_empty());
    h.unchanged(&before);
}

/// Kills a command that is at it, and the container is as before.
fn bystander(h: &Host, mut running: Running<'_>, text: &str) {
    if !text.is_empty() {
        running.expect(text);
    }
    running.signal(Signal::KILL);
    running.wait().exits(137);
    assert_eq!(h.ok("exec box echo alive"), "alive");
}

#[test]
fn killed_bystanders() {
    let h = Host::new();
    let before = h.snapshot();
    let deaf = "trap \"echo asked\" TERM; echo ready; while :; do sleep 1000 & wait; done";
    h.ok(&format!("run -d --name box busybox sh -c '{deaf}'"));
    bystander(&h, h.spawn("exec box sh -c 'echo in; sleep 1000 >/dev/null 2>&1 </dev/null'"), "in");
    bystander(&h, h.spawn("logs -f box"), "ready");
    bystander(&h, h.spawn("wait box"), "");
    let stop = h.spawn("stop -t 1000 box");
    until("it is asked to stop", || h.ok("logs box").contains("asked"));
    bystander(&h, stop, "");
    assert_eq!(h.field("box", "State"), "running");
    h.ok("stop -t 0 box");
    h.ok("rm box");
    h.unchanged(&before);
}

#[test]
fn a_layer_that_nobody_refers_to_goes_with_the_next_import() {
    let h = Host::new();
    h.sh("mkdir tree; echo hello >tree/hello; tar -C tree -cf small.tar .; echo other >tree/other; tar -C tree -cf other.tar .");
    let layers = || fs::read_dir(h.store.join("layers")).unwrap().count();
    let before = layers();
    let Some(output) = dying(&h, "layer:placed", &format!("import {} small", h.path("small.tar"))) else { return };
    output.exits(137);
    assert_eq!(layers(), before + 1);
    h.ok(&["import", &h.path("other.tar"), "other"]);
    assert_eq!(layers(), before + 1);
}

#[test]
fn while_it_starts_again() {
    for step in ["monitor:ended", "monitor:written", "monitor:released", "monitor:again", "monitor:restarted"] {
        let h = Host::new();
        let before = h.snapshot();
        let line = "run -d --name box --restart always busybox sh -c 'sleep 0.1; exit 3'";
        let Some(output) = dying(&h, step, line) else { return };
        output.exits(0);
        h.ended("box");
        let status = h.field("box", "Status");
        // Between two runs the code of the last one is known.
        let is_known = ["monitor:written", "monitor:released", "monitor:again"].contains(&step);
        assert!(status.starts_with(if is_known { "Exited (3) " } else { "Exited (137) " }), "{step}: {status}");
        h.ok("start box");
        h.ok("rm -f box");
        recovers(&h, &before, step);
    }
}

#[test]
fn while_it_is_renamed() {
    for (step, name) in [("rename:linked", "new"), ("rename:written", "new")] {
        let h = Host::new();
        let before = h.snapshot();
        h.idle("--name box");
        let Some(output) = dying(&h, step, "rename box new") else { return };
        output.exits(137);
        assert_eq!(h.ok("ps --format '{{.Names}}'"), name, "{step}");
        assert_eq!(h.ok("exec new echo here"), "here", "{step}");
        h.ok("create --name box busybox true");
        h.ok("rm -f new box");
        recovers(&h, &before, step);
    }
}

/// A service that an init starts anew, by `run --rm --name`, after its monitor was killed or the power was cut.
#[test]
fn the_name_of_one_that_was_to_go_away() {
    let h = Host::new();
    let before = h.snapshot();
    for round in 0..2 {
        h.idle("--rm --name web -v /anonymous");
        let pid = monitor(&h, "web");
        kill(pid);
        until("the monitor is gone", || gone(pid));
        eprintln!("round {round}");
    }
    h.idle("--rm --name web");
    assert_eq!(h.ok("ps -aq").lines().count(), 1);
    h.idle("--name kept");
    let pid = monitor(&h, "kept");
    kill(pid);
    until("the monitor is gone", || gone(pid));
    h.run("run --name kept busybox true").fails(125, "Conflict");
    h.ok("rm -f web kept");
    h.unchanged(&before);
}
