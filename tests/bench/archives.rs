//! `build/bench archives`: images in and out, ours and the peers that are there (podman; docker when its daemon answers),
//! in turns within one run. Prints medians, ratios, and the most memory that the command itself had; never judges. What a
//! daemon needs is the daemon's.

#[allow(dead_code)] // the others use all of it
mod common;

use common::{Place, has, median, sh, turn};
use std::fmt::Write as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const ROUNDS: usize = 5;

/// One competitor at one task: what is timed, and what undoes it.
struct Case {
    task: &'static str,
    name: &'static str,
    command: String,
    after: String,
}

fn main() {
    if !std::env::args().skip(1).any(|word| word == "archives") {
        return; // minutes and a gigabyte: only for those who ask
    }
    let tree =
        std::env::var("MYDOCKER_DEBIAN_TAR").expect("MYDOCKER_DEBIAN_TAR names the archive (build/bench sets it)");
    let place = Place::new("bench-archives");
    let (dir, ours) = (place.dir.display().to_string(), place.mydocker.clone());
    // Another layer than that of the image which the containers have: nobody unpacks what is there already.
    let other =
        format!("cp {tree} {dir}/other.tar && tar -C / -rf {dir}/other.tar --transform s,^,other-, etc/hostname");
    assert!(sh(&other));
    let mut cases = vec![
        case(
            "import",
            "tar -x",
            format!("mkdir {dir}/x && tar -C {dir}/x -xf {dir}/other.tar"),
            format!("rm -rf {dir}/x"),
        ),
        case(
            "import",
            "tar -x and sync",
            format!("mkdir {dir}/y && tar -C {dir}/y -xf {dir}/other.tar && sync -f {dir}/y"),
            format!("rm -rf {dir}/y"),
        ),
    ];
    // It wants a short path for what it keeps in /run.
    let run = std::env::temp_dir().join(format!("mdbench{}", std::process::id()));
    let podman = format!(
        "podman --root {dir}/podman --runroot {} --cgroup-manager cgroupfs --events-backend none --storage-driver overlay",
        run.display()
    );
    let mut engines = vec![("mydocker", ours)];
    if has("podman") {
        engines.push(("podman", podman.clone()));
    }
    if has("docker") && sh("docker version >/dev/null 2>&1") {
        engines.push(("docker", "docker".to_owned()));
    }
    for (name, engine) in &engines {
        prepare(name, engine, &tree, &dir);
        let file = format!("{dir}/{name}");
        let box_ = format!("bench-{name}");
        cases.extend([
            case("import", name, format!("exec {engine} import {dir}/other.tar again"), format!("{engine} rmi again")),
            case("commit", name, format!("exec {engine} commit {box_} changed"), format!("{engine} rmi changed")),
            case("export", name, format!("exec {engine} export -o {file}.out {box_}"), format!("rm {file}.out")),
            case("save", name, format!("exec {engine} save -o {file}.out debian"), format!("rm {file}.out")),
            case("load", name, format!("exec {engine} load -i {file}.load"), format!("{engine} rmi loaded")),
        ]);
    }
    measure(&cases);
    for (name, engine) in &engines {
        sh(&format!("{engine} rm -f bench-{name}; {engine} rmi -f debian changed again loaded"));
    }
    sh(&format!("umount -R {dir}/podman/overlay 2>/dev/null; rm -rf {}", run.display()));
}

fn case(task: &'static str, name: &'static str, command: String, after: String) -> Case {
    Case { task, name, command, after: after + " >/dev/null 2>&1" }
}

/// The image, a container of it with 50 MB of changes, and an archive to load.
fn prepare(name: &str, engine: &str, tree: &str, dir: &str) {
    let change = "for n in $(seq 1000); do dd if=/dev/urandom bs=50k count=1 of=DIR/file$n 2>/dev/null; done";
    let make = if name == "podman" {
        // Its containers do not start on every host; to commit one they need not.
        let change = change.replace("DIR", "$at/opt");
        format!("{engine} create --name bench-{name} debian true && at=$({engine} mount bench-{name}) && {change}")
    } else {
        format!("{engine} run --network none --name bench-{name} debian sh -c '{}'", change.replace("DIR", "/opt"))
    };
    let archive = format!(
        "{engine} import {dir}/other.tar loaded && {engine} save -o {dir}/{name}.load loaded && {engine} rmi loaded"
    );
    assert!(sh(&format!("{archive} && {engine} import {tree} debian && {make}")), "{name} cannot prepare");
}

/// Every case in turns, and the table.
#[allow(clippy::cast_precision_loss)] // megabytes
fn measure(cases: &[Case]) {
    let mut times = vec![Vec::new(); cases.len()];
    let mut memory = vec![0; cases.len()];
    for round in 0..ROUNDS {
        for step in 0..cases.len() {
            let at = turn(step, round, cases.len());
            assert!(sh("sync"));
            let started = Instant::now();
            let kilobytes = run(&cases[at].command);
            times[at].push(started.elapsed().as_secs_f64());
            memory[at] = memory[at].max(kilobytes);
            assert!(sh(&cases[at].after), "{}", cases[at].after);
        }
    }
    let mut table = String::new();
    for task in ["import", "commit", "export", "save", "load"] {
        let of_task = |name: &str| cases.iter().position(|case| case.task == task && case.name == name);
        let ours = median(&times[of_task("mydocker").unwrap()]);
        for (at, case) in cases.iter().enumerate().filter(|(_, case)| case.task == task) {
            let time = median(&times[at]);
            let _ = writeln!(
                table,
                "{task:8} {:16} {time:7.3} s (at best {:7.3}) {:6.2} x ours {:6.1} MB at most",
                case.name,
                times[at].iter().copied().fold(f64::MAX, f64::min),
                time / ours,
                memory[at] as f64 / 1024.0
            );
        }
    }
    print!("{table}");
}

/// Runs a line of shell and returns the most memory (kilobytes) that it and its children had, by a look at all of them every
/// few milliseconds.
fn run(line: &str) -> u64 {
    let mut shell = Command::new("sh");
    let mut child = shell.args(["-c", line]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let mut most = 0;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success(), "{line}");
            return most;
        }
        most = most.max(peak(child.id()));
        std::thread::sleep(Duration::from_millis(4));
    }
}

/// The sum of what a process and its children have had at most.
fn peak(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let own = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    let own = own.trim().trim_end_matches(" kB").parse().unwrap_or(0);
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    children.split_whitespace().filter_map(|pid| pid.parse().ok()).map(peak).sum::<u64>() + own
}
