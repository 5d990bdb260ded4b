//! `build/bench network`: what a network on a bridge costs, ours and the peers that run here, in turns: at the start of a
//! container, and in throughput. The script gives it a network namespace of its own, where dockerd is started if there is one.

mod common;

use common::{Place, has, median, quiet, sh, turn, words};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const ROUNDS_OF_STARTS: usize = 20;
const ROUNDS_OF_THROUGHPUT: usize = 7;
/// How long bytes are sent for each number, in milliseconds.
const SENDING: u32 = 500;
const WAYS: [&str; 3] = ["host to container", "container to host", "container to container"];

/// A system that runs containers: how it is called, flags that its `run` needs here, and its name for the image.
struct Engine {
    name: &'static str,
    call: String,
    flags: &'static str,
    image: &'static str,
}

impl Engine {
    fn run(&self, flags: &str, command: &str) -> Vec<String> {
        words(&format!("{} run {} {flags} {} {command}", self.call, self.flags, self.image))
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

/// docker's daemon, with everything in the benchmark's own directory.
struct Daemon(Child);

impl Daemon {
    fn start(dir: &str) -> Option<Self> {
        let line = format!(
            "dockerd --data-root {dir}/docker --exec-root {dir}/exec --pidfile {dir}/pid -H unix://{dir}/sock --cgroup-parent \
             /mydocker-bench"
        );
        let words = words(&line);
        let mut daemon = Command::new(&words[0]);
        let child = daemon.args(&words[1..]).stdout(Stdio::null()).stderr(Stdio::null()).stdin(Stdio::null()).spawn();
        let daemon = Self(child.ok()?);
        let end = Instant::now() + Duration::from_secs(20);
        while Instant::now() < end {
            if sh(&format!("docker -H unix://{dir}/sock info >/dev/null 2>&1")) {
                return Some(daemon);
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        None
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        sh(&format!("kill {}", self.0.id())); // it ends its own children
        let _ = self.0.wait();
        sh("rmdir /sys/fs/cgroup/*/mydocker-bench 2>/dev/null");
    }
}

fn engines(place: &Place, daemon: Option<&Daemon>) -> Vec<Engine> {
    let at = place.dir.display();
    let mut engines = vec![Engine { name: "mydocker", call: place.mydocker.clone(), flags: "", image: "busybox" }];
    if has("podman") {
        let call = format!(
            "podman --root {at}/podman --runroot {at}/podrun --tmpdir {at}/podtmp --cgroup-manager cgroupfs --events-backend none"
        );
        // Without limits it asks for more than it may here.
        let flags = "--ulimit nofile=1024:1024 --ulimit nproc=1024:1024";
        engines.push(Engine { name: "podman", call, flags, image: "bench" });
    }
    if daemon.is_some() {
        engines.push(Engine { name: "docker", call: format!("docker -H unix://{at}/sock"), flags: "", image: "bench" });
    }
    engines.retain(|engine| {
        if engine.name != "mydocker" {
            sh(&format!("{} import {at}/busybox.tar bench >/dev/null 2>&1", engine.call));
        }
        let works =
            ["--network none", "--network bridge"].iter().all(|net| quiet(&engine.run(&format!("--rm {net}"), "true")));
        if !works {
            println!("{} is installed but does not run here; left out", engine.name);
        }
        works
    });
    engines
}

fn starts(engines: &[Engine]) {
    let cases: Vec<(usize, &str)> = (0..engines.len()).flat_map(|at| [(at, "none"), (at, "bridge")]).collect();
    let mut times = vec![Vec::new(); cases.len()];
    for round in 0..=ROUNDS_OF_STARTS {
        for step in 0..cases.len() {
            let at = turn(step, round, cases.len());
            let (engine, network) = cases[at];
            let command = engines[engine].run(&format!("--rm --network {network}"), "true");
            let start = Instant::now();
            assert!(quiet(&command), "{} failed in round {round}", engines[engine].name);
            if round > 0 {
                times[at].push(start.elapsed().as_secs_f64() * 1000.0);
            }
        }
    }
    println!("| `run --rm … true` | none, ms | bridge, ms | added, ms | × ours |\n|---|---:|---:|---:|---:|");
    let added = |at: usize| median(&times[2 * at + 1]) - median(&times[2 * at]);
    for (at, engine) in engines.iter().enumerate() {
        let (none, bridge) = (median(&times[2 * at]), median(&times[2 * at + 1]));
        println!("| {} | {none:.1} | {bridge:.1} | {:.1} | {:.1} |", engine.name, added(at), added(at) / added(0));
    }
    println!("\nmedians of {ROUNDS_OF_STARTS} rounds, every case once in each\n");
}

fn throughput(engines: &[Engine], traffic: &str) {
    let mut host = Command::new(traffic);
    let mut host = host.args(["answer", "7"]).stdout(Stdio::null()).spawn().unwrap();
    for engine in engines {
        for name in ["one", "two"] {
            let flags = format!("-d --name {name} --network bridge -v {traffic}:/bin/traffic:ro");
            assert!(quiet(&engine.run(&flags, "traffic answer 7")), "{} does not serve", engine.name);
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
    println!("| one tcp connection, Gbit/s | {} |\n|---|---:|---:|---:|", WAYS.join(" | "));
    for (at, engine) in engines.iter().enumerate() {
        let medians: Vec<String> =
            (0..WAYS.len()).map(|way| format!("{:.1}", median(&rates[at * WAYS.len() + way]))).collect();
        println!("| {} | {} |", engine.name, medians.join(" | "));
        let _ = engine.ask("rm -f one two");
    }
    println!("\nmedians of {ROUNDS_OF_THROUGHPUT} rounds of {SENDING} ms");
    let _ = host.kill();
    let _ = host.wait();
}

fn main() {
    if std::env::args().any(|arg| arg == "--test") {
        return; // `cargo test --benches` only wants to know that it builds
    }
    let traffic =
        std::env::var("MYDOCKER_TRAFFIC").expect("MYDOCKER_TRAFFIC names tests/traffic (build/bench sets it)");
    let place = Place::new("bench-network");
    let daemon = if has("dockerd") && has("docker") { Daemon::start(&place.dir.display().to_string()) } else { None };
    let engines = engines(&place, daemon.as_ref());
    starts(&engines);
    throughput(&engines, &traffic);
}
