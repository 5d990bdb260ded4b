//! `build/bench`: starts of the same `true`, ours and the peers that are installed, in turns within one run. Prints medians
//! and ratios; never judges. A machine under load makes all of them slower together, so the ratios are the thing to read.

#![allow(clippy::cast_precision_loss)] // thirty rounds

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

const ROUNDS: usize = 30;
const WARM_UP_ROUNDS: usize = 2;

/// One competitor: a name, the command that is timed, and what undoes it (not timed).
struct Case {
    name: &'static str,
    command: Vec<String>,
    after: Vec<String>,
}

fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

fn has(program: &str) -> bool {
    let path = std::env::var("PATH").unwrap_or_default();
    path.split(':').any(|dir| Path::new(dir).join(program).is_file())
}

fn sh(script: &str) -> bool {
    Command::new("sh").args(["-c", script]).stdout(Stdio::null()).status().is_ok_and(|status| status.success())
}

fn quiet(command: &[String]) -> bool {
    let mut child = Command::new(&command[0]);
    child.args(&command[1..]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    child.status().is_ok_and(|status| status.success())
}

/// An OCI bundle of `true` with the runtime's own default configuration.
fn bundle(runtime: &str, dir: &Path, rootfs: &Path) -> bool {
    let (dir, rootfs) = (dir.display(), rootfs.display());
    sh(&format!(
        "mkdir -p {dir} && cd {dir} && rm -f config.json && {runtime} spec >/dev/null 2>&1 && \
         sed -i -e 's/\"terminal\": true/\"terminal\": false/' -e 's/^\\(\\s*\\)\"sh\"$/\\1\"true\"/' \
         -e 's|\"path\": \"rootfs\"|\"path\": \"{rootfs}\"|' config.json"
    ))
}

fn cases(binary: &str, dir: &Path) -> Vec<Case> {
    let rootfs = dir.join("rootfs");
    let mut cases = vec![
        Case { name: "mydocker run --rm", command: words(&format!("{binary} run --rm busybox true")), after: vec![] },
        Case {
            name: "mydocker run --rm --network host",
            command: words(&format!("{binary} run --rm --network host busybox true")),
            after: vec![],
        },
        Case {
            name: "unshare + chroot",
            command: words(&format!("unshare -m -p -f -i -u -n chroot {} /bin/true", rootfs.display())),
            after: vec![],
        },
    ];
    if has("bwrap") {
        let line = format!("bwrap --unshare-all --bind {} / --proc /proc --dev /dev /bin/true", rootfs.display());
        cases.push(Case { name: "bwrap", command: words(&line), after: vec![] });
    }
    for runtime in ["crun", "runc"] {
        let at = dir.join(runtime);
        if has(runtime) && bundle(runtime, &at, &rootfs) {
            let id = format!("mydocker-bench-{}", std::process::id());
            let command = words(&format!("{runtime} run --bundle {} {id}", at.display()));
            cases.push(Case { name: runtime, command, after: words(&format!("{runtime} delete -f {id}")) });
        }
    }
    for engine in ["podman", "docker"] {
        if has(engine)
            && sh(&format!(
                "{engine} info >/dev/null 2>&1 && {engine} import {}/busybox.tar mydocker-bench",
                dir.display()
            ))
        {
            let command = words(&format!("{engine} run --rm --network none mydocker-bench true"));
            cases.push(Case { name: if engine == "podman" { "podman" } else { "docker" }, command, after: vec![] });
        }
    }
    cases.retain(|case| {
        let works = quiet(&case.command);
        if !works {
            println!("{} is installed but does not run here; left out", case.name);
        }
        if !case.after.is_empty() {
            quiet(&case.after);
        }
        works
    });
    cases
}

fn quantile(sorted: &[f64], q: f64) -> f64 {
    sorted[((sorted.len() - 1) as f64 * q).round() as usize]
}

fn main() {
    if std::env::args().any(|arg| arg == "--test") {
        return; // `cargo test --benches` only wants to know that it builds
    }
    let binary = std::env::var("MYDOCKER_BIN").unwrap_or_else(|_| env!("CARGO_BIN_EXE_mydocker").to_owned());
    let tar = std::env::var("MYDOCKER_IMAGE_TAR")
        .expect("MYDOCKER_IMAGE_TAR names the busybox archive (build/bench sets it)");
    let dir =
        PathBuf::from(std::env::var("CARGO_TARGET_TMPDIR").unwrap_or_else(|_| env!("CARGO_TARGET_TMPDIR").to_owned()))
            .join("bench");
    let shown = dir.display();
    assert!(sh(&format!(
        "rm -rf {shown} && mkdir -p {shown}/rootfs && cp {tar} {shown}/busybox.tar && tar -C {shown}/rootfs -xf {tar}"
    )));
    // SAFETY is not needed: the environment is set before anything else runs in this single thread.
    let store = [("MYDOCKER_ROOT", dir.join("root")), ("MYDOCKER_RUN", dir.join("run"))];
    let import =
        Command::new(&binary).args(["import", &tar, "busybox"]).envs(store.clone()).stdout(Stdio::null()).status();
    assert!(import.is_ok_and(|status| status.success()), "cannot import {tar}");
    let cases: Vec<Case> = cases(&format!("env MYDOCKER_ROOT={shown}/root MYDOCKER_RUN={shown}/run {binary}"), &dir);
    let mut times: Vec<Vec<f64>> = vec![Vec::new(); cases.len()];
    for round in 0..WARM_UP_ROUNDS + ROUNDS {
        for step in 0..cases.len() {
            let at = (step * 7 + round) % cases.len(); // another order each round, the same for everybody
            let start = Instant::now();
            let works = quiet(&cases[at].command);
            let took = start.elapsed().as_secs_f64() * 1000.0;
            if !cases[at].after.is_empty() {
                quiet(&cases[at].after);
            }
            assert!(works, "{} failed in round {round}", cases[at].name);
            if round >= WARM_UP_ROUNDS {
                times[at].push(took);
            }
        }
    }
    report(&cases, &mut times, &binary);
    sh(&format!("rm -rf {shown}"));
}

fn report(cases: &[Case], times: &mut [Vec<f64>], binary: &str) {
    for list in times.iter_mut() {
        list.sort_by(f64::total_cmp);
    }
    let ours = quantile(&times[0], 0.5);
    let mut text = String::from("| `true` in busybox | median ms | p95 | min | × ours |\n|---|---:|---:|---:|---:|\n");
    let mut order: Vec<usize> = (0..cases.len()).collect();
    order.sort_by(|a, b| quantile(&times[*a], 0.5).total_cmp(&quantile(&times[*b], 0.5)));
    for at in order {
        let (list, median) = (&times[at], quantile(&times[at], 0.5));
        let _ = writeln!(
            text,
            "| {} | {median:.1} | {:.1} | {:.1} | {:.2} |",
            cases[at].name,
            quantile(list, 0.95),
            list[0],
            median / ours
        );
    }
    println!("{ROUNDS} rounds, every case once in each, after {WARM_UP_ROUNDS} warm-up rounds\n\n{text}");
    let bytes = std::fs::metadata(binary).map_or(0, |meta| meta.len());
    println!("binary: {bytes} bytes");
}
