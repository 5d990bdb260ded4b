//! `build/bench`: what the system call filter costs, ours and crun's with the same profile, in turns within one run: calls
//! in a second, the time that a start takes longer, and ours alone in microseconds. Prints medians; never judges.
//!
//! The profile is our default one, written down in the OCI format: that file goes to crun, and to us as a case of its own.
//! This program is static, so it is also what runs in the containers: `calls count` counts, `calls install` installs,
//! and `calls profile` prints the profile.

#![allow(clippy::cast_precision_loss)] // ten thousand calls

#[allow(dead_code)] // most of it is for those who attack
#[path = "../attempts/kernel.rs"]
mod kernel;

use crate::common::{has, median, quiet, turn, words};
use crate::peers::Bench;
use linux_raw_sys::general as raw;
use std::fmt::Write as _;
use std::process::{Command, Stdio};
use std::time::Instant;

const ROUNDS: usize = 20;
const WARM_UP_ROUNDS: usize = 2;
/// Calls are counted in slices, and the slice in the middle counts: others run on this machine, too.
const SLICES: usize = 15;
const CALLS_OF_A_SLICE: usize = 10_000;
/// What docker gives by default: these grant calls of the profile.
const CAPABILITIES: &str = "CHOWN DAC_OVERRIDE FOWNER FSETID KILL SETGID SETUID SETPCAP NET_BIND_SERVICE NET_RAW \
     SYS_CHROOT MKNOD AUDIT_WRITE SETFCAP";
const CAPABILITY_BITS: u64 = 0xa804_25fb;
/// The architectures of this machine in libseccomp's words, and their columns in `calls.txt`.
#[cfg(target_arch = "x86_64")]
const ARCHITECTURES: [(&str, usize); 2] = [("SCMP_ARCH_X86_64", 1), ("SCMP_ARCH_X86", 2)];
#[cfg(target_arch = "aarch64")]
const ARCHITECTURES: [(&str, usize); 2] = [("SCMP_ARCH_AARCH64", 3), ("SCMP_ARCH_ARM", 4)];

/// What is counted. A kernel from 5.11 on knows once for all that the filter lets the first two through; the third is one of
/// those that it must look at each time.
const COUNTED: [&str; 3] = ["getppid", "read a byte of /dev/zero", "personality(0xffffffff)"];

/// One way to run a program: how it is called, what it runs, and the case that is the same but for the filter.
struct Case {
    name: &'static str,
    count: Vec<String>,
    start: Vec<String>,
    plain: usize,
}

/// In a container: nanoseconds for a call of each kind, on one line.
fn count() {
    let zero = kernel::open("/dev/zero", raw::O_RDONLY).expect("/dev/zero");
    let byte = kernel::memory([0]);
    let calls: [(u32, [usize; 6]); 3] = [
        (raw::__NR_getppid, [0; 6]),
        (raw::__NR_read, [zero, byte, 1, 0, 0, 0]),
        (raw::__NR_personality, [0xffff_ffff, 0, 0, 0, 0, 0]),
    ];
    let took = calls.map(|(number, arguments)| {
        let slices: Vec<f64> = (0..SLICES)
            .map(|_| {
                let start = Instant::now();
                for _ in 0..CALLS_OF_A_SLICE {
                    kernel::call(number, arguments).expect("a call that is allowed");
                }
                start.elapsed().as_nanos() as f64 / CALLS_OF_A_SLICE as f64
            })
            .collect();
        median(&slices)
    });
    println!("{} {} {}", took[0], took[1], took[2]);
}

/// In a process of its own: microseconds to compile our default profile, to install it, and to compile the same as a file.
fn install() {
    let start = Instant::now();
    let filter = mydocker::walls::seccomp::compile(None, CAPABILITY_BITS, (u32::MAX, 0)).expect("a filter");
    let compiled = start.elapsed();
    let start = Instant::now();
    mydocker::walls::seccomp::enter(&filter).expect("installed");
    let installed = start.elapsed();
    let text = profile();
    let start = Instant::now();
    mydocker::walls::seccomp::compile(Some(&text), CAPABILITY_BITS, (u32::MAX, 0)).expect("a filter");
    let took = [compiled, installed, start.elapsed()].map(|took| took.as_secs_f64() * 1e6);
    println!("{} {} {}", took[0], took[1], took[2]);
}

/// Our default profile in the OCI format (config-linux.md of the runtime specification, "Seccomp").
pub fn profile() -> String {
    let granted = |by: &str| by.split('|').any(|one| ["yes", "4.8"].contains(&one) || CAPABILITIES.contains(one));
    let mut allowed = Vec::new();
    for line in include_str!("../../src/walls/seccomp/calls.txt").lines().filter(|line| !line.starts_with('#')) {
        let columns: Vec<&str> = line.split(' ').collect();
        if ARCHITECTURES.iter().any(|(_, column)| columns[*column] != "-") && granted(columns[5]) {
            allowed.push(format!("\"{}\"", columns[0]));
        }
    }
    let mut rules = vec![
        format!(r#"{{"names":[{}],"action":"SCMP_ACT_ALLOW"}}"#, allowed.join(",")),
        r#"{"names":["clone3"],"action":"SCMP_ACT_ERRNO","errnoRet":38}"#.to_owned(),
        when("clone", r#""value":2114060288,"valueTwo":0,"op":"SCMP_CMP_MASKED_EQ""#), // 0x7e020000
    ];
    let is = |value: u64| format!(r#""value":{value},"op":"SCMP_CMP_EQ""#);
    rules.extend([0, 8, 0x2_0000, 0x2_0008, 0xffff_ffff].map(|persona| when("personality", &is(persona))));
    // One by one: libseccomp compares an argument only once in a rule.
    let families = (0..=45).filter(|family| ![12, 19, 20, 23, 25, 34, 37, 38, 40].contains(family));
    rules.extend(families.map(|family| when("socket", &is(family))));
    let architectures = ARCHITECTURES.map(|(name, _)| format!("\"{name}\"")).join(",");
    format!(
        r#"{{"defaultAction":"SCMP_ACT_ERRNO","architectures":[{architectures}],
"flags":["SECCOMP_FILTER_FLAG_SPEC_ALLOW"],"syscalls":[{}]}}"#,
        rules.join(",\n")
    )
}

fn when(call: &str, first_argument: &str) -> String {
    format!(r#"{{"names":["{call}"],"action":"SCMP_ACT_ALLOW","args":[{{"index":0,{first_argument}}}]}}"#)
}

/// crun's own default configuration, with this command, our program, and perhaps a filter.
fn bundle(bench: &Bench, own: &str, command: &str, seccomp: Option<&str>) -> Option<String> {
    let spec = Command::new("sh")
        .args(["-c", "cd $0 && rm -f config.json && crun spec && cat config.json"])
        .arg(&bench.dir)
        .output();
    let spec = String::from_utf8(spec.ok().filter(|output| output.status.success())?.stdout).ok()?;
    let words: Vec<String> = command.split(' ').map(|word| format!("\"{word}\"")).collect();
    let program = format!(r#"{{"destination":"/calls","source":"{own}","options":["bind","ro"]}}"#);
    let mut spec = spec
        .replacen(r#""terminal": true"#, r#""terminal": false"#, 1)
        .replacen(r#""sh""#, &words.join(","), 1)
        .replacen(r#""mounts": ["#, &format!(r#""mounts": [{program},"#), 1);
    if let Some(profile) = seccomp {
        spec = spec.replacen(r#""linux": {"#, &format!(r#""linux": {{ "seccomp": {profile},"#), 1);
    }
    let name = format!("{}-{}.json", command.rsplit(' ').next()?, seccomp.is_some());
    let path = bench.dir.join(name);
    std::fs::write(&path, spec).ok()?;
    let id = format!("mydocker-bench-{}", std::process::id());
    Some(format!("crun run --bundle {} --config {} {id}", bench.dir.display(), path.display()))
}

fn cases(bench: &Bench) -> Vec<Case> {
    let own = std::env::current_exe().expect("our own path").display().to_string();
    let profile = profile();
    let file = bench.dir.join("profile.json");
    std::fs::write(&file, &profile).expect("the profile is written");
    let mut cases = vec![Case {
        name: "no container",
        count: words(&format!("{own} count")),
        start: vec!["true".to_owned()],
        plain: 0,
    }];
    let from_file = format!("--security-opt seccomp={}", file.display());
    for (name, flags) in [
        ("mydocker, seccomp=unconfined", "--security-opt seccomp=unconfined"),
        ("**mydocker**", ""),
        ("mydocker, the profile as a file", &from_file),
    ] {
        let ours = |flags: &str, command: &str| words(&format!("{} run --rm {flags} {command}", bench.ours));
        cases.push(Case {
            name,
            count: ours(&format!("{flags} -v {own}:/calls:ro"), "busybox /calls count"),
            start: ours(flags, "busybox true"),
            plain: 1,
        });
    }
    if has("crun") {
        for (name, seccomp) in [("crun, no filter", None), ("crun, the same file", Some(profile.as_str()))] {
            let bundles = (bundle(bench, &own, "/calls count", seccomp), bundle(bench, &own, "true", seccomp));
            if let (Some(count), Some(start)) = bundles {
                cases.push(Case { name, count: words(&count), start: words(&start), plain: 4 });
            }
        }
    }
    let works = |case: &Case| quiet(&case.count) && quiet(&case.start);
    if cases.len() > 4 && !cases[4..].iter().all(works) {
        eprintln!("bench: crun is installed but does not run here; left out");
        cases.truncate(4);
    }
    cases
}

/// What a program prints: numbers.
fn numbers(command: &[String]) -> Vec<f64> {
    let output =
        Command::new(&command[0]).args(&command[1..]).stdin(Stdio::null()).output().expect("the command can be run");
    let text = String::from_utf8_lossy(&output.stdout);
    let numbers: Vec<f64> = text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    assert!(output.status.success() && numbers.len() > 1, "{command:?}: {output:?}");
    numbers
}

/// Milliseconds that a command takes.
fn time(command: &[String]) -> f64 {
    let start = Instant::now();
    assert!(quiet(command), "{command:?} failed");
    start.elapsed().as_secs_f64() * 1e3
}

/// What this program is for when it is called like that, in a container or in a process of its own; whether it was.
pub fn runs_inside(word: &str) -> bool {
    match word {
        "count" => count(),
        "install" => install(),
        "profile" => println!("{}", profile()),
        _ => return false,
    }
    true
}

/// Measures it.
pub fn measure(bench: &mut Bench) {
    let cases = cases(bench);
    let own = [std::env::current_exe().expect("our own path").display().to_string(), "install".to_owned()];
    let mut counts = vec![vec![Vec::new(); COUNTED.len()]; cases.len()];
    let mut starts = vec![Vec::new(); cases.len()];
    let mut installs = vec![Vec::new(); 3];
    for round in 0..WARM_UP_ROUNDS + ROUNDS {
        let is_counted = round >= WARM_UP_ROUNDS;
        for at in (0..cases.len()).map(|step| turn(step, round, cases.len())) {
            for (kind, ns) in numbers(&cases[at].count).into_iter().enumerate().filter(|_| is_counted) {
                counts[at][kind].push(ns);
            }
        }
        for at in (0..cases.len()).map(|step| turn(step, round, cases.len())) {
            let took = time(&cases[at].start);
            starts[at].extend(is_counted.then_some(took));
        }
        for (list, us) in installs.iter_mut().zip(numbers(&own)).filter(|_| is_counted) {
            list.push(us);
        }
    }
    report(bench, &cases, &counts, &starts, &installs);
}

fn report(bench: &mut Bench, cases: &[Case], counts: &[Vec<Vec<f64>>], starts: &[Vec<f64>], installs: &[Vec<f64>]) {
    let mut text =
        format!("\n| million calls in a second, × outside | {} |\n|---|---:|---:|---:|\n", COUNTED.join(" | "));
    for (case, kinds) in cases.iter().zip(counts) {
        let cell = |(ns, outside): (&Vec<f64>, &Vec<f64>)| {
            format!("{:.2} ({:.2})", 1e3 / median(ns), median(outside) / median(ns))
        };
        let cells: Vec<String> = kinds.iter().zip(&counts[0]).map(cell).collect();
        let _ = writeln!(text, "| {} | {} |", case.name, cells.join(" | "));
    }
    text.push_str("\n| a start of `true` | median ms | more than without a filter, ms |\n|---|---:|---:|\n");
    for (at, case) in cases.iter().enumerate().skip(1) {
        // Round by round: what slows a round down slows both.
        let more: Vec<f64> = starts[at].iter().zip(&starts[case.plain]).map(|(with, without)| with - without).collect();
        let more = if case.plain == at { String::new() } else { format!("{:+.1}", median(&more)) };
        let _ = writeln!(text, "| {} | {:.1} | {more} |", case.name, median(&starts[at]));
    }
    let [compile, install, file] = [0, 1, 2].map(|at| median(&installs[at]));
    let _ = writeln!(
        text,
        "\nours alone: {compile:.0} µs to compile, {install:.0} µs to install; {file:.0} µs to compile the file; {ROUNDS} rounds"
    );
    bench.report.text(&text);
}
