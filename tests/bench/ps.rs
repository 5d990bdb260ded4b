//! A list of containers: of one, of 200 that run, and of 1,000 of which 200 run.

use crate::common::{Case, Times, rounds, sh};
use crate::peers::Bench;
use crate::report::Goal::Faster;
use std::fmt::Write as _;

const ROUNDS: usize = 20;
/// How many run, how many there are, and how they are listed.
const STEPS: [(usize, usize, &str); 3] = [(1, 1, "ps"), (200, 200, "ps"), (200, 1000, "ps -a")];

/// Measures it.
pub fn measure(bench: &mut Bench) {
    // podman's containers take a fifth of a second each; the goal is docker's.
    let engines: Vec<_> =
        bench.engines().into_iter().filter(|e| !["podman", "mydocker before"].contains(&e.name)).collect();
    let mut steps: Vec<Vec<Times>> = Vec::new();
    let (mut run, mut all) = (0, 0);
    for (running, there, verb) in STEPS {
        for engine in &engines {
            for (from, to, verb) in [(run, running, "run -d"), (all.max(running), there, "create")] {
                let line = format!("{} {verb} --network none --name ps-{{}} busybox sleep 10000", engine.call);
                let many = format!("seq {} {to} | xargs -P 4 -I{{}} {line} >/dev/null", from + 1);
                assert!(from >= to || sh(&many), "{line}");
            }
        }
        (run, all) = (running, there);
        let mut cases: Vec<Case> =
            engines.iter().map(|engine| Case::new(engine.name, &format!("{} {verb}", engine.call))).collect();
        if let Some(base) = &bench.base {
            cases.push(Case::new("mydocker before", &format!("{base} {verb}"))); // it sees the same store
        }
        let times = rounds(&cases, ROUNDS);
        let title = format!("`{verb}` of {there} containers");
        bench.report.table(&title, "ms", &times);
        bench.report.goal(&title, "ms", &times, "mydocker", "docker", Faster(5.0));
        bench.report.bars(&title, &times, &["mydocker", "docker"]);
        steps.push(times);
    }
    let ours: Vec<f64> = steps.iter().map(|times| times[0].median()).collect();
    let mut text = String::new();
    let _ = writeln!(
        text,
        "\nOurs: {:.0} µs more for each container that runs, {:.0} µs for each that does not.",
        (ours[1] - ours[0]) * 1000.0 / 199.0,
        (ours[2] - ours[1]) * 1000.0 / 800.0
    );
    bench.report.text(&text);
    for engine in &engines {
        // Few at once: docker's daemon has locked itself up with fifty.
        assert!(sh(&format!("seq -f ps-%g {all} | xargs -n 20 {} rm -f >/dev/null", engine.call)));
    }
}
