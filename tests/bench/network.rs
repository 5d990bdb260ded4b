//! What a bridge lets through, ours and the engines', in turns. (What it adds to a start: start.rs.)

use crate::common::{median, quiet, turn, words};
use crate::peers::{Bench, Engine};
use std::fmt::Write as _;
use std::process::{Command, Stdio};

const ROUNDS_OF_THROUGHPUT: usize = 7;
/// How long bytes are sent for each number, in milliseconds.
const SENDING: u32 = 500;
const WAYS: [&str; 3] = ["host to container", "container to host", "container to container"];

impl Engine {
    fn words(&self, flags: &str, command: &str) -> Vec<String> {
        words(&self.run(flags, command))
    }

    /// The answer of one of its commands.
    fn ask(&self, line: &str) -> String {
        answer(&format!("{} {line}", self.call))
    }

    fn inspect(&self, name: &str, field: &str) -> String {
        self.ask(&format!("inspect -f {{{{.NetworkSettings.{field}}}}} {name}"))
    }
}

fn answer(line: &str) -> String {
    let words = words(line);
    let done = Command::new(&words[0]).args(&words[1..]).stderr(Stdio::null()).output().unwrap();
    String::from_utf8_lossy(&done.stdout).trim().to_owned()
}

fn throughput(engines: &[Engine], traffic: &str) -> String {
    let mut host = Command::new(traffic);
    let mut host = host.args(["answer", "7"]).stdout(Stdio::null()).spawn().unwrap();
    for engine in engines {
        for name in ["one", "two"] {
            let flags = format!("-d --name {name} --network bridge -v {traffic}:/bin/traffic:ro");
            assert!(quiet(&engine.words(&flags, "traffic answer 7")), "{} does not serve", engine.name);
        }
    }
    let mut rates = vec![Vec::new(); engines.len() * WAYS.len()];
    for round in 0..ROUNDS_OF_THROUGHPUT {
        for step in 0..rates.len() {
            let at = turn(step, round, rates.len());
            let engine = &engines[at / WAYS.len()];
            let rate = match at % WAYS.len() {
                0 => answer(&format!("{traffic} speed {}:7 {SENDING}", engine.inspect("one", "IPAddress"))),
                1 => engine.ask(&format!("exec one traffic speed {}:7 {SENDING}", engine.inspect("one", "Gateway"))),
                _ => engine.ask(&format!("exec one traffic speed {}:7 {SENDING}", engine.inspect("two", "IPAddress"))),
            };
            rates[at].push(rate.parse::<f64>().unwrap_or_else(|_| panic!("{}: {rate}", engine.name)) / 1000.0);
        }
    }
    let mut text = format!("\n| one tcp connection, Gbit/s | {} |\n|---|---:|---:|---:|\n", WAYS.join(" | "));
    for (at, engine) in engines.iter().enumerate() {
        let medians: Vec<String> =
            (0..WAYS.len()).map(|way| format!("{:.1}", median(&rates[at * WAYS.len() + way]))).collect();
        let _ = writeln!(text, "| {} | {} |", engine.name, medians.join(" | "));
        let _ = engine.ask("rm -f one two");
    }
    let _ = writeln!(text, "\nmedians of {ROUNDS_OF_THROUGHPUT} rounds of {SENDING} ms");
    let _ = host.kill();
    let _ = host.wait();
    text
}

/// Measures it.
pub fn measure(bench: &mut Bench) {
    let traffic =
        std::env::var("MYDOCKER_TRAFFIC").expect("MYDOCKER_TRAFFIC names tests/traffic (build/bench sets it)");
    let engines = bench.engines();
    let text = throughput(&engines, &traffic);
    bench.report.text(&text);
}
