//! Our runtime under podman, containerd, docker and docker swarm, and called directly, beside crun and runc. All of it runs on
//! the stage that `build/engines` makes, which this program asks for when it is not there yet: an engine that the tests start
//! is the only one that they meet, and whatever they leave goes with it.
//!
//! `ENGINES_RUNTIME=runc` runs the same with another runtime: a test that fails there is wrong.

mod bad;
mod both;
mod bundle;
mod containerd;
mod direct;
mod docker;
mod holes;
mod podman;
mod process;
mod same;
mod stage;
mod swarm;
mod walls;

use stage::Stage;
use std::cell::RefCell;
use std::os::unix::process::CommandExt as _;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook};
use std::path::Path;
use std::process::{Command, ExitCode};
use std::sync::Mutex;
use std::time::Instant;

/// One check of a group.
pub struct Check {
    name: &'static str,
    run: fn(&Stage),
}

/// A list of functions with their names.
#[macro_export]
macro_rules! checks {
    ($($name:path),* $(,)?) => { &[$($crate::Check { name: stringify!($name), run: $name }),*] };
}

/// Checks that come one after the other, with what starts the engine that they are about.
struct Group {
    name: &'static str,
    /// Programs; without them it is skipped, but CI has everything.
    needs: &'static [&'static str],
    open: fn(&Stage),
    checks: &'static [&'static [Check]],
}

/// The longest first: as many run at a time as there are processors.
const GROUPS: [Group; 5] = [
    Group {
        name: "docker",
        needs: &["dockerd", "docker", "containerd", "runc", "tini-static"],
        open: docker::open,
        checks: &[both::CHECKS, walls::CHECKS, docker::CHECKS, swarm::CHECKS],
    },
    Group {
        name: "podman",
        needs: &["podman", "conmon", "tini-static"],
        open: podman::open,
        checks: &[both::CHECKS, walls::CHECKS, podman::CHECKS],
    },
    Group { name: "containerd", needs: &["containerd", "ctr"], open: containerd::open, checks: &[containerd::CHECKS] },
    Group {
        name: "direct",
        needs: &["umoci", "runc", "crun"],
        open: bundle::open,
        checks: &[direct::CHECKS, same::CHECKS],
    },
    Group { name: "bad", needs: &["umoci"], open: bundle::open, checks: &[bad::CHECKS, holes::CHECKS] },
];

thread_local! { static WHY: RefCell<String> = const { RefCell::new(String::new()) } }

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words.iter().any(|word| word == "--list") {
        return ExitCode::SUCCESS;
    }
    if std::env::var_os("ENGINES_PLACE").is_none() {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("build/engines");
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
        let program = std::env::current_exe().unwrap();
        let binary = std::env::var("MYDOCKER_BIN").unwrap_or_else(|_| env!("CARGO_BIN_EXE_mydocker").to_owned());
        let mut command = Command::new(script);
        command
            .args(&words)
            .env("CARGO_TARGET_DIR", target)
            .env("ENGINES_PROGRAM", program)
            .env("MYDOCKER_BIN", binary);
        panic!("build/engines: {}", command.exec());
    }
    // As the standard harness has it: a check runs when a word is part of its name; the values of flags never are.
    let words: Vec<&String> =
        words.iter().filter(|word| !word.starts_with('-') && word.parse::<u32>().is_err()).collect();
    let wanted = |group: &Group, check: &&Check| {
        let name = full_name(group, check);
        words.is_empty() || words.iter().any(|word| name.contains(word.as_str()))
    };
    set_hook(Box::new(|info| WHY.set(info.to_string())));
    let groups =
        GROUPS.iter().map(|group| (group, group.checks.iter().copied().flatten().filter(|check| wanted(group, check))));
    let groups: Vec<(&Group, Vec<&Check>)> = groups.map(|(group, checks)| (group, checks.collect())).collect();
    let (left, sum) = (Mutex::new(groups.iter().filter(|(_, checks)| !checks.is_empty())), Mutex::new((0, 0)));
    let lanes = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..lanes {
            scope.spawn(|| {
                while let Some((group, checks)) = { left.lock().unwrap().next() } {
                    let (passed, failed) = run(group, checks);
                    let mut sum = sum.lock().unwrap();
                    *sum = (sum.0 + passed, sum.1 + failed);
                }
            });
        }
    });
    let (passed, failed) = *sum.lock().unwrap();
    let how = if failed == 0 { "ok" } else { "FAILED" };
    println!("\ntest result: {how}. {passed} passed; {failed} failed; 0 ignored; 0 measured; 0 filtered out");
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn full_name(group: &Group, check: &Check) -> String {
    format!("engines::{}::{}", group.name, check.name)
}

/// Runs the checks of a group; says how many passed and failed.
fn run(group: &Group, checks: &[&Check]) -> (usize, usize) {
    let stage = Stage::new(group.name);
    let begun = Instant::now();
    let has = |program: &&&str| stage.line(&format!("command -v {program}")).run().code == 0;
    if let Some(program) = group.needs.iter().find(|program| !has(program)) {
        println!("engines::{} is skipped: it needs {program}", group.name);
        return (0, if std::env::var_os("CI").is_some() { checks.len() } else { 0 });
    }
    let attempt = |name: &str, run: fn(&Stage)| {
        let begun = Instant::now();
        let fine = catch_unwind(AssertUnwindSafe(|| run(&stage))).is_ok();
        let took = begun.elapsed().as_secs_f64();
        if fine {
            println!("test {name} ... ok ({took:.1} s)");
        } else {
            println!("test {name} ... FAILED ({took:.1} s)\n{}", WHY.take());
            stage.clean();
        }
        fine
    };
    if !attempt(&format!("engines::{}", group.name), group.open) {
        return (0, checks.len());
    }
    let passed = checks.iter().filter(|check| attempt(&full_name(group, check), check.run)).count();
    println!("{}: {:.0} s", group.name, begun.elapsed().as_secs_f64());
    (passed, checks.len() - passed)
}
