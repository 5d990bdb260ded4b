//! Containers that stay: one, and fifty, one after the other and eight at once.

use crate::common::{Case, Times, ask, has, rounds, sh};
use crate::peers::{Bench, Engine};
use crate::report::Goal::Faster;
use std::time::Instant;

const ROUNDS: usize = 20;
const BATCHES: usize = 5;
const CONTAINERS: usize = 50;

/// Measures it.
pub fn measure(bench: &mut Bench) {
    one(bench);
    let mut times: Vec<Times> = Vec::new();
    let bundle = bench.bundle("sleep", None, "sleep 10000");
    let mut cases = Vec::new();
    for Engine { name, call } in bench.own() {
        let run = format!("{call} run -d --name batch-N --network none busybox sleep 10000");
        let count = format!("{call} ps -q --filter name=batch- | wc -l");
        let rm = format!("{call} rm -f $(seq -f batch-%g {CONTAINERS})");
        cases.push((name, run, count, rm));
    }
    if has("crun") {
        let run = format!("{{ crun create --bundle {bundle} batch-N && crun start batch-N; }}");
        let rm = format!("for n in $(seq {CONTAINERS}); do crun delete -f batch-$n; done");
        cases.push(("crun", run, "crun list | grep -c ^batch-.*running".to_owned(), rm));
    }
    let ways = [("one after the other", 1), ("eight at once", 8)];
    let mut lists = vec![(Vec::new(), 0); cases.len() * ways.len()];
    for round in 0..=BATCHES {
        for step in 0..lists.len() {
            let at = crate::common::turn(step, round, lists.len());
            let ((_, run, count, rm), (_, jobs)) = (&cases[at / 2], ways[at % 2]);
            let line = run.replace("-N", "-$0"); // for sh -c
            let start = Instant::now();
            let all = format!("seq {CONTAINERS} | xargs -P {jobs} -n 1 sh -c '{line}' </dev/null >/dev/null 2>&1");
            sh(&all.replace(" </dev/null", ""));
            let took = start.elapsed().as_secs_f64() * 1000.0;
            let running: usize = ask(count).parse().unwrap_or(0);
            assert!(sh(&format!("{{ {rm}; }} >/dev/null 2>&1")), "{rm}");
            if round > 0 {
                lists[at].0.push(took);
                lists[at].1 += CONTAINERS - running.min(CONTAINERS);
            }
        }
    }
    for (at, (list, failed)) in lists.iter().enumerate() {
        let name = format!("{}, {}", cases[at / 2].0, ways[at % 2].0);
        times.push(Times::new(&name, list));
        if cases[at / 2].0 == "mydocker" {
            let what = format!("{} starts, {}", BATCHES * CONTAINERS, ways[at % 2].0);
            bench.report.fact(&what, &format!("{failed} failed"), "none fails or hangs", *failed == 0);
        } else if *failed > 0 {
            bench.report.text(&format!("\n{name}: {failed} of {} starts failed\n", BATCHES * CONTAINERS));
        }
    }
    bench.report.table(&format!("{CONTAINERS} × `run -d` (crun: create and start)"), "ms", &times);
    for (way, _) in ways {
        let (ours, crun) = (format!("mydocker, {way}"), format!("crun, {way}"));
        bench.report.goal(&format!("{CONTAINERS} × `run -d`, {way}"), "ms", &times, &ours, &crun, Faster(5.0));
    }
}

fn one(bench: &mut Bench) {
    let mut cases = Vec::new();
    for engine in bench.engines() {
        let run = Case::new(engine.name, &engine.run("-d --name one --network none", "sleep 10000"));
        cases.push(run.after(&format!("{} rm -f one", engine.call)).at_most(if engine.name.starts_with("mydocker") {
            ROUNDS
        } else {
            ROUNDS / 2
        }));
    }
    if has("crun") {
        let bundle = bench.bundle("sleep", None, "sleep 10000");
        cases.push(Case::new("crun", &format!("crun run -d --bundle {bundle} one")).after("crun delete -f one"));
    }
    let times = rounds(&cases, ROUNDS);
    bench.report.table("`run -d busybox sleep`", "ms", &times);
    bench.report.bars("run -d", &times, &["mydocker", "crun", "podman", "docker"]);
}
