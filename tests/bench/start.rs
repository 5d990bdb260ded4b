//! A container that does nothing, from the call to its exit code: against the least that can be, runtimes and engines; without
//! a network, and on a bridge.

use crate::common::{Case, Times, ask, has, rounds};
use crate::peers::Bench;
use crate::report::Goal::{AtMost, Faster};
use std::fmt::Write as _;

const ROUNDS: usize = 30;
/// Engines take a hundred times as long.
const ROUNDS_OF_ENGINES: usize = 15;
const WHAT: &str = "`run --rm busybox true`";

/// Measures it.
pub fn measure(bench: &mut Bench) {
    let engines = bench.engines();
    let cases = without_network(bench);
    let times = rounds(&cases, ROUNDS);
    bench.report.table(&format!("{WHAT}, no network"), "ms", &times);
    cost_of_a_process(bench);
    for (other, goal) in [
        ("floor in C", AtMost(1.5)),
        ("bwrap", AtMost(1.3)),
        ("crun", Faster(3.0)),
        ("podman", Faster(25.0)),
        ("docker", Faster(50.0)),
    ] {
        bench.report.goal(&format!("{WHAT}, no network"), "ms", &times, "mydocker", other, goal);
    }
    bench.report.bars("a start", &times, &["mydocker", "floor in C", "crun", "podman", "docker"]);
    let bridge: Vec<Case> = engines
        .iter()
        .map(|engine| Case::new(engine.name, &engine.run("--rm --network bridge", "true")).at_most(ROUNDS_OF_ENGINES))
        .collect();
    let times = rounds(&bridge, ROUNDS_OF_ENGINES);
    bench.report.table(&format!("{WHAT}, on a bridge"), "ms", &times);
    for other in ["podman", "docker"] {
        bench.report.goal(&format!("{WHAT}, on a bridge"), "ms", &times, "mydocker", other, Faster(40.0));
    }
    bench.report.bars("a start on a bridge", &times, &["mydocker", "podman", "docker"]);
}

fn without_network(bench: &mut Bench) -> Vec<Case> {
    let dir = bench.dir.display().to_string();
    let mut cases = Vec::new();
    for engine in bench.engines() {
        let run = Case::new(engine.name, &engine.run("--rm --network none", "true"));
        cases.push(if engine.name.starts_with("mydocker") { run } else { run.at_most(ROUNDS_OF_ENGINES) });
    }
    cases.push(Case::new(
        "mydocker, the host's network",
        &format!("{} run --rm --network host busybox true", bench.ours),
    ));
    let floor = format!("{dir}/floor {dir}/store /run/floor {dir}/rootfs /bin/true");
    assert!(std::fs::create_dir_all("/run/floor").is_ok());
    for part in ["tmp", "containers", "trash", "names"] {
        assert!(std::fs::create_dir_all(format!("{dir}/store/{part}")).is_ok());
    }
    cases.push(Case::new("floor in C", &floor));
    cases.push(Case::new("floor in C, the kernel's part", &format!("env FLOOR_BARE=1 {floor}")));
    let rootfs = format!("{dir}/rootfs");
    cases.push(Case::new("unshare + chroot", &format!("unshare -m -p -f -i -u -n chroot {rootfs} /bin/true")));
    if has("bwrap") {
        let line = format!("bwrap --unshare-all --bind {rootfs} / --proc /proc --dev /dev /bin/true");
        cases.push(Case::new("bwrap", &line));
    } else {
        bench.report.left_out("bwrap", "not installed");
    }
    for runtime in ["crun", "runc"] {
        if !has(runtime) {
            bench.report.left_out(runtime, "not installed");
            continue;
        }
        let (full, own) = (bench.bundle("true", None, "true"), bench.bundle(runtime, Some(runtime), "true"));
        let run = |bundle: &str| format!("{runtime} run --bundle {bundle} bench-{runtime}");
        let undo = format!("{runtime} delete -f bench-{runtime}");
        cases.push(Case::new(runtime, &run(&full)).after(&undo));
        cases.push(Case::new(&format!("{runtime}, no filter"), &run(&own)).after(&undo));
    }
    cases
}

/// What the harness and the kernel take for any program.
fn cost_of_a_process(bench: &mut Bench) {
    let times: Vec<Times> = rounds(
        &[
            Case::new("mydocker version", &format!("{} version", bench.ours)),
            Case::new("true (static)", &format!("{}/rootfs/bin/busybox true", bench.dir.display())),
        ],
        ROUNDS,
    );
    bench.report.table("a process alone", "ms", &times);
    let mut text = String::new();
    let _ = writeln!(
        text,
        "\nBundles are ready: no image, no overlay, no record, no log. Page size {}.",
        ask("getconf PAGESIZE")
    );
    bench.report.text(&text);
}
