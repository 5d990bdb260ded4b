//! What a detached container costs beyond its own processes: the memory that only its monitor has.

use crate::common::{Times, ask, sh};
use crate::peers::Bench;
use std::fs;
use std::time::{Duration, Instant};

const CONTAINERS: usize = 50;
const OF_ENGINES: usize = 10;
const LIMIT_KB: f64 = 200.0;

/// Measures it.
pub fn measure(bench: &mut Bench) {
    let mut times = Vec::new();
    for engine in bench.engines() {
        let helper = match engine.name {
            "podman" => "conmon",
            "docker" => "containerd-shim",
            _ => "mydocker-mon",
        };
        let count = if helper == "mydocker-mon" { CONTAINERS } else { OF_ENGINES };
        let names = format!("$(seq -f memory-%g {count})");
        let run = engine.run("-d --network none --name $name", "sleep 10000");
        assert!(sh(&format!("for name in {names}; do {run}; done >/dev/null")), "{run}");
        let list = private_of(helper);
        assert!(list.len() == count, "{} of {helper}", list.len());
        times.push(Times::new(engine.name, &list));
        assert!(sh(&format!("{} rm -f {names} >/dev/null 2>&1", engine.call)));
    }
    bench.report.table("private memory of each detached container's helper process", "kB", &times);
    bench.report.limit("memory of a detached container beyond its own", "kB", times[0].median(), LIMIT_KB);
    let end = Instant::now() + Duration::from_secs(2);
    while !private_of("mydocker").is_empty() && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(10));
    }
    let left = private_of("mydocker").len();
    let said = if left == 0 { "no process".to_owned() } else { format!("{left} processes") };
    bench.report.fact("when no container runs", &said, "nothing", left == 0);
    bench.report.bars("memory of a detached container", &times, &["mydocker", "podman", "docker"]);
    if times.iter().any(|times| times.name == "docker") {
        let daemons = ask("for name in dockerd containerd; do pid=$(pidof $name) && \
             awk -v n=$name '/^Private/ { kb += $2 } END { print n \": \" kb \" kB\" }' /proc/$pid/smaps_rollup; done");
        bench.report.text(&format!("\nBeside that, private: {}.\n", daemons.replace('\n', ", ")));
    }
}

/// Private memory of every process whose name begins like this, in kB.
fn private_of(name: &str) -> Vec<f64> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let read = |file: &str| fs::read_to_string(entry.path().join(file)).unwrap_or_default();
        if !read("comm").starts_with(name) {
            continue;
        }
        let of_line = |line: &str| line.split_whitespace().nth(1).and_then(|kb| kb.parse::<f64>().ok());
        let rollup = read("smaps_rollup");
        let kb: f64 = rollup.lines().filter(|line| line.starts_with("Private_")).filter_map(of_line).sum();
        if kb > 0.0 {
            found.push(kb);
        }
    }
    found
}
