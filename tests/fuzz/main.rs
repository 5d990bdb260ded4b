//! Hostile input for every parser: what a person keeps in `corpus/`, and what becomes of it when bytes are changed at random.
//! It needs nothing but a stable compiler. There is no coverage to go by; an input is kept to go on from when its outcome
//! (the error, the shape of what was read) is one that was not seen before.
//!
//! Each target runs in a process of its own. One that panics, is killed, takes too long or too much memory fails, and the
//! input is written into the corpus: there it stays, and is tried first from then on.
//!
//! `MYDOCKER_FUZZ_SECONDS`: for all targets together. `MYDOCKER_FUZZ_SEED`: another one finds other things.

mod memory;
mod mutate;
mod targets;

use mutate::Random;
use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};
use targets::{TARGETS, Target};

/// When nobody says otherwise: enough to try the corpus and a little more.
const SECONDS: u64 = 6;
/// What one input may take. Unoptimised code on a busy machine is slow.
const SLOW: Duration = Duration::from_secs(10);
const MEMORY_BYTES_MAX: usize = 64 << 20;
const INPUT_BYTES_MAX: usize = 64 << 10;
/// Inputs to go on from.
const KEPT_MAX: usize = 2000;
/// Where a worker writes its inputs, and how long it works.
const WORKER: &str = "MYDOCKER_FUZZ_WORKER";
const WORKER_MS: &str = "MYDOCKER_FUZZ_WORKER_MS";

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn corpus(target: &str) -> PathBuf {
    let target = if target == "unpack" { "tar" } else { target };
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus").join(target)
}

/// Where a worker puts each input before it tries it.
fn current(target: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("fuzz-{target}-{}", std::process::id()))
}

fn main() -> ExitCode {
    if let Ok(path) = std::env::var(WORKER) {
        let name = std::env::args().nth(1).unwrap_or_default();
        let Some(target) = TARGETS.iter().find(|target| target.name == name) else { return ExitCode::FAILURE };
        work(target, Path::new(&path));
        return ExitCode::SUCCESS;
    }
    let words: Vec<String> = std::env::args().skip(1).collect();
    if words.iter().any(|word| word == "--list") {
        return ExitCode::SUCCESS;
    }
    // As the standard harness has it: a target runs when a word is part of its name; the values of flags never are.
    let words: Vec<&String> =
        words.iter().filter(|word| !word.starts_with('-') && word.parse::<u32>().is_err()).collect();
    let wanted = |target: &&Target| {
        let full = format!("fuzz::{}", target.name);
        words.is_empty() || words.iter().any(|word| full.contains(word.as_str()))
    };
    let all: Vec<&Target> = TARGETS.iter().filter(wanted).collect();
    let left = Mutex::new(all.iter());
    let failed = Mutex::new(0);
    let lanes = std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(all.len().max(1));
    let each = Duration::from_secs(number("MYDOCKER_FUZZ_SECONDS", SECONDS)) * lanes as u32 / all.len().max(1) as u32;
    std::thread::scope(|scope| {
        for _ in 0..lanes {
            scope.spawn(|| {
                while let Some(target) = { left.lock().unwrap().next() } {
                    if !run(target, each) {
                        *failed.lock().unwrap() += 1;
                    }
                }
            });
        }
    });
    let failed = *failed.lock().unwrap();
    let how = if failed == 0 { "ok" } else { "FAILED" };
    println!(
        "\ntest result: {how}. {} passed; {failed} failed; 0 ignored; 0 measured; 0 filtered out",
        all.len() - failed
    );
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs one target in a process of its own, and keeps the input that it stumbled over.
fn run(target: &Target, time: Duration) -> bool {
    let input = current(target.name);
    let output = Command::new(std::env::current_exe().unwrap())
        .arg(target.name)
        .env(WORKER, &input)
        .env(WORKER_MS, time.as_millis().to_string())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let fine = output.status.success();
    if fine {
        println!("test fuzz::{} ... ok ({})", target.name, said.trim());
    } else {
        let file = std::fs::read(&input).unwrap_or_default();
        let (size, bytes) =
            file.split_first_chunk().map_or((0, &file[..]), |(size, rest)| (u64::from_le_bytes(*size), rest));
        let bytes = &bytes[..bytes.len().min(size as usize)];
        let mut hash = DefaultHasher::new();
        bytes.hash(&mut hash);
        let kept = corpus(target.name).join(format!("found-{:016x}", hash.finish()));
        std::fs::write(&kept, bytes).unwrap();
        println!("test fuzz::{} ... FAILED", target.name);
        println!("{}\n{}: the input is in {}", String::from_utf8_lossy(&output.stderr), output.status, kept.display());
    }
    let _ = std::fs::remove_file(&input); // a worker that did not begin has made none
    fine
}

/// worker: tries the corpus, and then what becomes of it.
fn work(target: &Target, path: &Path) {
    let end = Instant::now() + Duration::from_millis(number(WORKER_MS, 0));
    let mut random = Random(number("MYDOCKER_FUZZ_SEED", 1));
    let mut names: Vec<PathBuf> = std::fs::read_dir(corpus(target.name))
        .map(|dir| dir.map(|entry| entry.unwrap().path()).collect())
        .unwrap_or_default();
    names.sort();
    let mut kept: Vec<Vec<u8>> = names.iter().map(|name| std::fs::read(name).unwrap()).collect();
    kept.push(Vec::new());
    let file = std::fs::File::create(path).unwrap();
    memory::watch(SLOW);
    let mut seen = BTreeSet::new();
    let mut tries = 0u64;
    let mut attempt = |input: &[u8]| {
        // Its size first: to write over what is there is much cheaper than to make the file anew.
        file.write_all_at(&(input.len() as u64).to_le_bytes(), 0).unwrap();
        file.write_all_at(input, 8).unwrap();
        tries += 1;
        let outcome = memory::guard(MEMORY_BYTES_MAX, || (target.run)(input));
        // Numbers are different each time; what is said about them is not.
        let shape: String = outcome.chars().filter(|c| !c.is_ascii_digit()).take(120).collect();
        seen.len() < KEPT_MAX && seen.insert(shape)
    };
    for input in &kept {
        attempt(input);
    }
    while Instant::now() < end {
        let mut input = kept[random.below(kept.len())].clone();
        let other = &kept[random.below(kept.len())];
        mutate::change(&mut input, other, target.words, &mut random);
        input.truncate(INPUT_BYTES_MAX);
        (target.mend)(&mut input, &mut random);
        if attempt(&input) {
            kept.push(input);
        }
    }
    println!("{tries} inputs, {} outcomes", seen.len());
}
