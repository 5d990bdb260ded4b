//! What an engine calls instead of runc: the runtimes' own verbs, with the config.json that docker writes.

use crate::common::{Case, ask, has, rounds, sh};
use crate::peers::Bench;
use crate::report::Goal::Faster;
use miniserde::json::{self, Value};
use std::fs;

const ROUNDS: usize = 30;

/// Measures it.
pub fn measure(bench: &mut Bench) {
    let ours = bench.ours.clone();
    let has_docker = bench.engines().iter().any(|engine| engine.name == "docker");
    if !has_docker {
        return bench.report.left_out("oci", "nobody writes docker's config.json");
    }
    // It stays meanwhile: its files are mounted.
    let id = ask("docker run -d --network none busybox sleep 100000");
    let config = format!("/run/docker/containerd/daemon/io.containerd.runtime.v2.task/moby/{id}/config.json");
    let config = fs::read_to_string(&config).unwrap_or_else(|error| panic!("{config}: {error}"));
    let mut runtimes = vec![("mydocker", format!("{ours} oci"))];
    for name in ["crun", "runc", "youki"] {
        if has(name) {
            runtimes.push((name, name.to_owned()));
        } else {
            bench.report.left_out(name, "not installed");
        }
    }
    let (mut starts, mut execs, mut deletes) = (Vec::new(), Vec::new(), Vec::new());
    for (name, call) in &runtimes {
        let make = |what: &str, command: &str| {
            let (bundle, id) = (bench.dir.join(format!("oci-{what}-{name}")), format!("bench-{what}-{name}"));
            let rootfs = bench.dir.join("rootfs").display().to_string();
            fs::create_dir_all(&bundle).unwrap();
            fs::write(bundle.join("config.json"), changed(&config, &rootfs, &id, command)).unwrap();
            let create = format!("{call} create --bundle {} {id} </dev/null >/dev/null 2>&1", bundle.display());
            (format!("{create} && {call} start {id}"), id)
        };
        let (start, id) = make("start", "true");
        starts.push(Case::shell(name, &start).after(&format!("{call} delete -f {id}")));
        let (start, id) = make("exec", "sleep 100000");
        let undo = format!("{call} delete -f {id}");
        if sh(&start) {
            execs.push(Case::new(name, &format!("{call} exec {id} true")).finally(&undo));
        } else {
            bench.report.left_out(name, &format!("`{start}` fails"));
        }
        let (start, id) = make("delete", "true");
        let ended = format!("{start} && until {call} state {id} | grep -q stopped; do :; done");
        let undo = format!("{call} delete -f {id}");
        deletes.push(Case::new(name, &format!("{call} delete {id}")).before(&ended).after(&undo));
    }
    for (what, cases) in [("create and start", starts), ("exec", execs), ("delete", deletes)] {
        let times = rounds(&cases, ROUNDS);
        let what = format!("`oci`, {what}, docker's config.json");
        bench.report.table(&what, "ms", &times);
        bench.report.goal(&what, "ms", &times, "mydocker", "crun", Faster(3.0));
    }
    sh(&format!("docker rm -f {id} >/dev/null"));
}

/// docker's config.json for another root, cgroup and command; without its hook, which is about its own networks.
fn changed(config: &str, rootfs: &str, id: &str, command: &str) -> String {
    let Ok(Value::Object(mut all)) = json::from_str(config) else { panic!("no JSON: {config}") };
    all.remove("hooks");
    let args = command.split(' ').map(|word| Value::String(word.to_owned())).collect();
    for (part, key, value) in [
        ("root", "path", Value::String(rootfs.to_owned())),
        ("linux", "cgroupsPath", Value::String(format!("/{id}"))),
        ("process", "args", Value::Array(args)),
    ] {
        let Some(Value::Object(part)) = all.get_mut(part) else { panic!("no {part}: {config}") };
        part.insert(key.to_owned(), value);
    }
    json::to_string(&all)
}
