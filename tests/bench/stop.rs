//! The end of a container whose process ends when it is asked to.

use crate::common::{Case, rounds};
use crate::peers::Bench;
use crate::report::Goal::Faster;

const ROUNDS: usize = 20;
const ROUNDS_OF_ENGINES: usize = 10;
const SERVICE: &str = "sh -c 'trap \"exit 0\" TERM; echo ready; while :; do sleep 1000 & wait $!; done'";

/// Measures it.
pub fn measure(bench: &mut Bench) {
    let engines = bench.engines();
    for verb in ["stop", "rm", "rm -f"] {
        let mut cases = Vec::new();
        for engine in &engines {
            let call = &engine.call;
            // Started, and far enough to be well-behaved.
            let ready = format!("until {call} logs end 2>&1 | grep -q ready; do sleep 0.01; done");
            let mut before = format!("{} && {ready}", engine.run("-d --name end --network none", SERVICE));
            if verb == "rm" {
                before = format!("{before}; {call} stop end");
            }
            let case = Case::new(engine.name, &format!("{call} {verb} end")).before(&before);
            let ours = engine.name.starts_with("mydocker");
            cases.push(case.after(&format!("{call} rm -f end")).at_most(if ours { ROUNDS } else { ROUNDS_OF_ENGINES }));
        }
        let times = rounds(&cases, ROUNDS);
        bench.report.table(&format!("`{verb}` of a container that ends when asked"), "ms", &times);
        for other in ["podman", "docker"] {
            bench.report.goal(&format!("`{verb}`"), "ms", &times, "mydocker", other, Faster(10.0));
        }
        bench.report.bars(verb, &times, &["mydocker", "podman", "docker"]);
    }
}
