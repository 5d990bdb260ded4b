//! A command in a container that runs already.

use crate::common::{Case, ask, has, rounds, sh};
use crate::peers::Bench;
use crate::report::Goal::{AtMost, Faster};

const ROUNDS: usize = 30;
const ROUNDS_OF_ENGINES: usize = 15;

/// Measures it.
pub fn measure(bench: &mut Bench) {
    let mut cases = Vec::new();
    for engine in bench.engines() {
        let name = format!("exec-{}", engine.name.replace(' ', "-"));
        let run = engine.run(&format!("-d --name {name} --network none"), "sleep 10000");
        assert!(sh(&format!("{run} >/dev/null")), "{run}");
        let undo = format!("{} rm -f {name}", engine.call);
        let case = Case::new(engine.name, &format!("{} exec {name} true", engine.call)).finally(&undo);
        cases.push(if engine.name.starts_with("mydocker") { case } else { case.at_most(ROUNDS_OF_ENGINES) });
    }
    let pid = ask(&format!("{} inspect -f '{{{{.State.Pid}}}}' exec-mydocker", bench.ours));
    cases.push(Case::new("nsenter", &format!("nsenter -t {pid} -m -u -i -n -p -C -r -w /bin/true")));
    for runtime in ["crun", "runc"].into_iter().filter(|runtime| has(runtime)) {
        let bundle = bench.bundle("sleep", None, "sleep 10000");
        let undo = format!("{runtime} delete -f exec-{runtime}");
        let line = format!("{runtime} run -d --bundle {bundle} exec-{runtime} </dev/null >/dev/null 2>&1");
        if sh(&line) {
            cases.push(Case::new(runtime, &format!("{runtime} exec exec-{runtime} true")).finally(&undo));
        } else {
            bench.report.left_out(runtime, &format!("`{line}` fails"));
        }
    }
    let times = rounds(&cases, ROUNDS);
    bench.report.table("`exec NAME true`", "ms", &times);
    for (other, goal) in
        [("nsenter", AtMost(1.5)), ("crun", Faster(4.0)), ("podman", Faster(20.0)), ("docker", Faster(20.0))]
    {
        bench.report.goal("`exec`", "ms", &times, "mydocker", other, goal);
    }
    bench.report.bars("exec", &times, &["mydocker", "nsenter", "crun", "podman", "docker"]);
}
