//! Images in and out: a distribution's 170 MB, and 50 MB of changes. Floors are `tar` into and out of a directory.

use crate::common::{Case, Times, rounds_after, sh};
use crate::peers::Bench;
use crate::report::Goal::{self, AtMost, Faster};
use std::process::{Command, Stdio};
use std::time::Duration;

const ROUNDS: usize = 5;
const ROUNDS_OF_ENGINES: usize = 2;
const MEMORY_MB: f64 = 32.0;
/// What is done, what it is compared with, and what is wished; beside the engines.
const TASKS: [(&str, &str, Goal); 5] = [
    ("import", "tar -x", AtMost(1.2)),
    ("load", "tar -x", AtMost(1.2)),
    ("save", "tar -c", AtMost(2.0)),
    ("export", "tar -c", AtMost(2.0)),
    ("commit", "docker", Faster(2.0)),
];

/// Measures it.
pub fn measure(bench: &mut Bench) {
    let tree =
        std::env::var("MYDOCKER_DEBIAN_TAR").expect("MYDOCKER_DEBIAN_TAR names the archive (build/bench sets it)");
    let dir = bench.dir.display().to_string();
    // Another layer than that of the image which the containers have: nobody unpacks what is there already.
    let other = format!(
        "cp {tree} {dir}/other.tar && tar -C / -rf {dir}/other.tar --transform s,^,other-, etc/hostname &&
         mkdir {dir}/tree && tar -C {dir}/tree -xf {tree}"
    );
    assert!(sh(&other), "{other}");
    let engines = bench.engines();
    for (at, engine) in engines.iter().enumerate() {
        prepare(&at.to_string(), engine.name, &engine.call, &tree, &dir);
    }
    for (task, other, goal) in TASKS {
        let mut cases = Vec::new();
        for (at, engine) in engines.iter().enumerate() {
            let (line, undo) = of_engine(task, &engine.call, &at.to_string(), &dir);
            let case = Case::new(engine.name, &line).before("sync").after(&undo);
            cases.push(if engine.name.starts_with("mydocker") { case } else { case.at_most(ROUNDS_OF_ENGINES) });
        }
        let floor = match other {
            "tar -x" => format!("tar -C {dir}/x -xf {dir}/other.tar"),
            _ => format!("tar -C {dir}/tree --numeric-owner -cf {dir}/c.tar ."),
        };
        if other != "docker" {
            cases.push(
                Case::new(other, &floor)
                    .before(&format!("mkdir -p {dir}/x; sync"))
                    .after(&format!("rm -rf {dir}/x {dir}/c.tar")),
            );
        }
        if other == "tar -x" {
            let synced = Case::shell("tar -x and sync", &format!("{floor} && sync -f {dir}/x"));
            cases.push(synced.before(&format!("mkdir -p {dir}/x; sync")).after(&format!("rm -rf {dir}/x")));
        }
        let times = rounds_after(&cases, ROUNDS, 0);
        let what = if task == "commit" { "`commit` of 50 MB".to_owned() } else { format!("`{task}` of 170 MB") };
        bench.report.table(&what, "ms", &times);
        bench.report.goal(&what, "ms", &times, "mydocker", other, goal);
        bench.report.bars(&what, &times, &["mydocker", other, "podman", "docker"]);
    }
    memory(bench, &dir);
    for (at, engine) in engines.iter().enumerate() {
        sh(&format!("{0} rm -f tree-{at} plain-{at}; {0} rmi -f debian changed again loaded", engine.call));
    }
}

/// What is timed, and what undoes it.
fn of_engine(task: &str, call: &str, at: &str, dir: &str) -> (String, String) {
    match task {
        "import" => (format!("{call} import {dir}/other.tar again"), format!("{call} rmi again")),
        "load" => (format!("{call} load -i {dir}/{at}.load"), format!("{call} rmi loaded")),
        "save" => (format!("{call} save -o {dir}/{at}.out debian"), format!("rm {dir}/{at}.out")),
        "export" => (format!("{call} export -o {dir}/{at}.out plain-{at}"), format!("rm {dir}/{at}.out")),
        _ => (format!("{call} commit tree-{at} changed"), format!("{call} rmi changed")),
    }
}

/// The image, a container of it as it is and one with 50 MB of changes, and an archive to load.
fn prepare(at: &str, name: &str, call: &str, tree: &str, dir: &str) {
    let change = "for n in $(seq 1000); do dd if=/dev/urandom bs=50k count=1 of=/opt/file$n 2>/dev/null; done";
    let line = format!(
        "{call} import {dir}/other.tar loaded && {call} save -o {dir}/{at}.load loaded && {call} rmi loaded &&
         {call} import {tree} debian && {call} create --name plain-{at} debian true && {call} run --network none --name tree-{at} debian sh -c '{change}'"
    );
    assert!(sh(&format!("{{ {line}; }} >/dev/null 2>&1")), "{name} cannot prepare: {line}");
}

/// The most that our processes have at once, in each task.
#[allow(clippy::cast_precision_loss)] // megabytes
fn memory(bench: &mut Bench, dir: &str) {
    let list = TASKS.map(|(task, ..)| {
        let (line, undo) = of_engine(task, &bench.ours, "0", dir);
        let most = watched(&line) as f64 / 1024.0;
        assert!(sh(&format!("{{ {undo}; }} >/dev/null 2>&1")), "{undo}");
        Times::new(&format!("mydocker {task}"), &[most])
    });
    bench.report.table("the most memory, all processes together", "MB", &list);
    let most = list.iter().map(Times::median).fold(0.0, f64::max);
    bench.report.limit("memory for images in and out", "MB", most, MEMORY_MB);
}

/// Runs a command and returns the most memory (kilobytes) that it and its children had, by a look at all of them every few
/// milliseconds.
fn watched(line: &str) -> u64 {
    let mut shell = Command::new("sh");
    let line = format!("exec {line}");
    let mut child = shell.args(["-c", &line]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
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
