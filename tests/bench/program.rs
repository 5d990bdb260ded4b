//! `build/bench`: what ours costs beside the peers that run here and beside floors that nothing can be below. Every case comes
//! once in each round, in another order each time, so that other work on the machine makes all of them slower together: the
//! ratios are the thing to read. Prints Markdown; never judges by an exit code.
//!
//! `build/bench` (the script) makes the surroundings: namespaces, a cgroup and a directory of the benchmark's own.

mod archives;
mod calls;
mod chart;
mod common;
mod detached;
mod exec;
mod logs;
mod memory;
mod network;
mod oci;
mod peers;
mod ps;
mod report;
mod scale;
mod start;
mod stop;

use peers::Bench;

type Group = (&'static str, fn(&mut Bench));

/// The groups of measurements, by their names.
const GROUPS: [Group; 12] = [
    ("start", start::measure),
    ("exec", exec::measure),
    ("detached", detached::measure),
    ("memory", memory::measure),
    ("stop", stop::measure),
    ("ps", ps::measure),
    ("logs", logs::measure),
    ("scale", scale::measure),
    ("archives", archives::measure),
    ("network", network::measure),
    ("calls", calls::measure),
    ("oci", oci::measure),
];

fn main() {
    let asked: Vec<String> = std::env::args().skip(1).collect();
    if asked.iter().any(|word| word == "--test" || word == "--bench") {
        return; // cargo only wants to know that it builds: `build/bench` makes the surroundings
    }
    if asked.first().is_some_and(|word| calls::runs_inside(word)) {
        return;
    }
    let mut bench = Bench::new();
    for name in &asked {
        let Some((_, measure)) = GROUPS.iter().find(|(group, _)| group == name) else {
            eprintln!("bench: no group {name}; there are {}", GROUPS.map(|(group, _)| group).join(" "));
            std::process::exit(1);
        };
        eprintln!("== {name}");
        let start = std::time::Instant::now();
        measure(&mut bench);
        bench.report.write(name);
        eprintln!("== {name}: {:.0} s", start.elapsed().as_secs_f64());
    }
    bench.report.finish(GROUPS.len() == asked.len());
}
