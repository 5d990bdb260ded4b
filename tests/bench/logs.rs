//! 200 MB of lines through a container's log, and back; the floor is a pipe into a file, and out of one.

use crate::common::{Case, ask, rounds_after, sh};
use crate::peers::Bench;
use crate::report::Goal::AtMost;
use std::fs;
use std::io::Write as _;

const ROUNDS: usize = 7;
const ROUNDS_IN: usize = 3;
/// It takes them a quarter of a minute each.
const ROUNDS_OUT: usize = 1;
const BYTES: usize = 200_000_000;
const LINE: usize = 100;

/// Measures it.
pub fn measure(bench: &mut Bench) {
    let file = bench.dir.join("lines");
    let mut writer = std::io::BufWriter::new(fs::File::create(&file).unwrap());
    for number in 0..BYTES / LINE {
        let text = "a line of a hundred bytes that a program prints, one after the other and as fast as it can, or so";
        writeln!(writer, "{number:010} {text:.88}").unwrap();
    }
    writer.into_inner().unwrap().sync_all().unwrap();
    let (file, dir) = (file.display().to_string(), bench.dir.display().to_string());
    let mut into = vec![
        Case::shell("a pipe into a file", &format!("cat {file} | cat > {dir}/copy")).after(&format!("rm {dir}/copy")),
    ];
    let mut out = vec![Case::shell("a pipe", &format!("cat {file} | cat >/dev/null"))];
    let mut tail = Vec::new();
    for engine in bench.engines() {
        let ours = engine.name.starts_with("mydocker");
        let name = format!("log-{}", engine.name.replace(' ', "-"));
        let call = &engine.call;
        // docker keeps everything; so that ours does, too:
        let flags = if ours { "--log-opt max-size=-1" } else { "" };
        let run = engine.run(&format!("-d --name {name} --network none {flags} -v {file}:/lines:ro"), "cat /lines");
        let wait = if engine.name == "podman" { "wait -i 10ms" } else { "wait" };
        let line = format!("{run} >/dev/null && {call} {wait} {name} >/dev/null");
        let remove = format!("{call} rm -f {name}");
        let case = Case::shell(engine.name, &line).before(&format!("{remove}; true"));
        into.push(if ours { case } else { case.at_most(ROUNDS_IN) });
        let case = Case::shell(engine.name, &format!("{call} logs {name} | cat >/dev/null"));
        out.push(if ours { case } else { case.at_most(ROUNDS_OUT) });
        let case = Case::new(engine.name, &format!("{call} logs --tail 10 {name}"));
        tail.push(case.finally(&remove));
    }
    bench.report.chapter("200 MB of lines of 100 bytes");
    let times = rounds_after(&into, ROUNDS, 0);
    bench.report.table("into a log, `run -d` to `wait`", "ms", &times);
    bench.report.goal("200 MB into a log", "ms", &times, "mydocker", "a pipe into a file", AtMost(3.0));
    bench.report.bars("200 MB into a log", &times, &["mydocker", "a pipe into a file", "podman", "docker"]);
    let times = rounds_after(&out, ROUNDS, 0);
    bench.report.table("out of a log, `logs | cat`", "ms", &times);
    bench.report.goal("200 MB out of a log", "ms", &times, "mydocker", "a pipe", AtMost(4.0));
    bench.report.bars("200 MB out of a log", &times, &["mydocker", "a pipe", "podman", "docker"]);
    let ours = &bench.ours;
    let same = ask(&format!("{ours} logs log-mydocker | cmp - {file} 2>&1 && echo the same"));
    bench.report.fact("what comes out", &same, "byte-identical", same == "the same");
    // The containers go with it.
    let times = rounds_after(&tail, ROUNDS, 1);
    bench.report.table("`logs --tail 10` of 200 MB", "ms", &times);
    assert!(sh(&format!("rm {file}")));
}
