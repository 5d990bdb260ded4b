//! `build/bench`: starts of the same `true`, ours and the peers that are installed, in turns within one run. Prints medians
//! and ratios; never judges. A machine under load makes all of them slower together, so the ratios are the thing to read.

mod common;

use common::{Place, binary, has, median, quantile, quiet, sh, turn, words};
use std::fmt::Write as _;
use std::path::Path;
use std::time::Instant;

const ROUNDS: usize = 30;
const WARM_UP_ROUNDS: usize = 2;

/// One competitor: a name, the command that is timed, and what undoes it (not timed).
struct Case {
    name: &'static str,
    command: Vec<String>,
    after: Vec<String>,
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

fn main() {
    if std::env::args().any(|arg| arg == "--test") {
        return; // `cargo test --benches` only wants to know that it builds
    }
    let place = Place::new("bench");
    let cases = cases(&place.mydocker, &place.dir);
    let mut times: Vec<Vec<f64>> = vec![Vec::new(); cases.len()];
    for round in 0..WARM_UP_ROUNDS + ROUNDS {
        for step in 0..cases.len() {
            let at = turn(step, round, cases.len());
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
    report(&cases, &mut times, &binary());
}

fn report(cases: &[Case], times: &mut [Vec<f64>], binary: &str) {
    for list in times.iter_mut() {
        list.sort_by(f64::total_cmp);
    }
    let ours = median(&times[0]);
    let mut text = String::from("| `true` in busybox | median ms | p95 | min | × ours |\n|---|---:|---:|---:|---:|\n");
    let mut order: Vec<usize> = (0..cases.len()).collect();
    order.sort_by(|a, b| median(&times[*a]).total_cmp(&median(&times[*b])));
    for at in order {
        let (list, median) = (&times[at], median(&times[at]));
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
