//! What a start costs when there is more of something: layers, volumes, variables, images, containers.

use crate::common::{Case, Times, ask, of, rounds, sh};
use crate::peers::Bench;
use std::fmt::Write as _;

const ROUNDS: usize = 15;
const IMAGES: usize = 1000;
const CONTAINERS: usize = 10_000;
const FEW: &str = "one image in the store (in memory)";
const MANY: [&str; 2] = ["1,000 images in the store (in memory)", "10,000 containers in the store (in memory)"];
/// A start with many of something that a start does not look at may take so much longer: the noise of a quiet machine.
const FLAT: f64 = 1.15;

/// Measures it.
pub fn measure(bench: &mut Bench) {
    let (dir, ours) = (bench.dir.display().to_string(), bench.ours.clone());
    let store = |name: &str| format!("{ours} --root {dir}/{name} --run-root /run/{name}");
    let plain = store("scale");
    assert!(sh(&format!("{plain} import {dir}/busybox.tar busybox")));
    // Layers: changes of changes.
    let layers = "for n in $(seq 2 100); do
            from=busybox; [ $n = 2 ] || from=layers:$((n - 1))
            CALL run --network none --name layer $from touch /$n && CALL commit layer layers:$n && CALL rm layer || exit
        done";
    assert!(sh(&layers.replace("CALL", &plain)), "no layers");
    let volumes = (0..50).fold(String::new(), |all, n| format!("{all}-v {dir}/home:/mnt/{n} "));
    let environment = (0..1000).fold(String::new(), |all, n| format!("{all}VARIABLE{n}=a value of a variable\n"));
    std::fs::write(format!("{dir}/environment"), environment).unwrap();
    // In memory, because what is made waits for the disk each time. Each image with another configuration; the layer is one.
    let kept = |name: &str| format!("{ours} --root /run/store-{name} --run-root /run/run-{name}");
    let (few, images, containers) = (kept("few"), kept("images"), kept("containers"));
    for call in [&few, &images, &containers] {
        assert!(sh(&format!("{call} import {dir}/busybox.tar busybox")), "{call}");
    }
    let jobs = "xargs -P 4 -I{}";
    let many = format!("seq {IMAGES} | {jobs} {images} import -c 'LABEL number={{}}' {dir}/busybox.tar image:{{}}");
    assert!(sh(&many), "{many}");
    let many = format!("seq {CONTAINERS} | {jobs} {containers} create --name stopped-{{}} busybox true >/dev/null");
    assert!(sh(&many), "{many}");
    let run = |call: &str, flags: &str, image: &str| format!("{call} run --rm --network none {flags} {image} true");
    let cases = [
        ("1 layer", run(&plain, "", "busybox")),
        ("20 layers", run(&plain, "", "layers:20")),
        ("100 layers", run(&plain, "", "layers:100")),
        ("50 volumes", run(&plain, &volumes, "busybox")),
        ("1,000 variables", run(&plain, &format!("--env-file {dir}/environment"), "busybox")),
        (FEW, run(&few, "", "busybox")),
        (MANY[0], run(&images, "", "busybox")),
        (MANY[1], run(&containers, "", "busybox")),
    ]
    .map(|(name, line)| Case::new(name, &line));
    let times = rounds(&cases, ROUNDS);
    bench.report.table("`run --rm busybox true` with", "ms", &times);
    facts(bench, &times);
    let scans = [("images", &images), ("containers", &containers)].map(|(what, call)| {
        let seen = ask(&format!(
            "strace -f -e trace=getdents64 {} 2>&1 | grep -c 'getdents64(.*= [0-9][0-9][0-9][0-9]'",
            run(call, "", "busybox")
        ));
        format!("{seen} of many {what}")
    });
    if crate::common::has("strace") {
        let none = scans.iter().all(|text| text.starts_with("0 "));
        bench.report.fact("directories read that grow with the store", &scans.join(", "), "none", none);
    }
    assert!(sh(&format!("rm -rf {dir}/scale /run/store-* /run/run-*")));
}

/// Flat, or so much for each.
fn facts(bench: &mut Bench, times: &[Times]) {
    let Some(plain) = of(times, "1 layer").map(Times::median) else { return };
    let mut text = String::new();
    for (name, count) in [("20 layers", 19.0), ("100 layers", 99.0), ("50 volumes", 50.0), ("1,000 variables", 1000.0)]
    {
        let Some(times) = of(times, name) else { continue };
        let _ = writeln!(text, "{name}: {:.0} µs for each. ", (times.median() - plain) * 1000.0 / count);
    }
    bench.report.text(&format!("\n{text}"));
    let Some(few) = of(times, FEW).map(Times::median) else { return };
    for name in MANY {
        let Some(times) = of(times, name) else { continue };
        let ratio = times.median() / few;
        bench.report.fact(&format!("a start with {name}"), &format!("{ratio:.2} × a start"), "flat", ratio < FLAT);
    }
}
