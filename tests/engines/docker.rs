//! What only docker's daemon has.

use crate::checks;
use crate::process::until_is;
use crate::stage::{Stage, cgroup_file, is_v1};

pub const CHECKS: &[crate::Check] =
    checks![the_runtime_is_ours, a_runtime_by_name, update, health, restart_policy, attach];

/// Starts the daemon, and imports the image.
pub fn open(s: &Stage) {
    s.write("daemon.json", "{}");
    // The name by which the daemon looks for what `--init` mounts.
    s.ok("mkdir bin && ln -s \"$(command -v tini-static)\" bin/docker-init");
    let (dir, runtime) = (s.dir.display(), &s.runtime);
    let flags = format!("--data-root {dir}/data --config-file {dir}/daemon.json -H unix:///run/docker.sock");
    let line = format!("env PATH={dir}/bin:$PATH dockerd {flags} --add-runtime mine={runtime} --default-runtime mine");
    s.daemon(&line, "docker info");
    s.ok(&format!("engine import {} busybox", s.image));
}

fn the_runtime_is_ours(s: &Stage) {
    s.idle("box", "");
    assert_eq!(s.field("box", "HostConfig.Runtime"), "mine");
    s.remove("box");
}

fn a_runtime_by_name(s: &Stage) {
    assert_eq!(s.ok("engine run --rm --network none --runtime mine busybox echo by name"), "by name");
}

fn update(s: &Stage) {
    s.idle("box", "--memory 64m --memory-swap 64m");
    s.ok("engine update --memory 48m --memory-swap 48m --cpus 0.25 --pids-limit 33 --cpuset-cpus 1 box");
    let files = [
        (cgroup_file("memory/memory.limit_in_bytes", "memory.max"), "50331648"),
        (cgroup_file("cpu/cpu.cfs_quota_us", "cpu.max"), if is_v1() { "25000" } else { "25000 100000" }),
        (cgroup_file("pids/pids.max", "pids.max"), "33"),
        (cgroup_file("cpuset/cpuset.cpus", "cpuset.cpus"), "1"),
    ];
    for (path, value) in files {
        assert_eq!(s.ok(&format!("engine exec box cat {path}")), value, "{path}");
    }
    s.remove("box");
}

fn health(s: &Stage) {
    let flags = "--health-cmd 'test -e /tmp/healthy' --health-interval 200ms --health-retries 2";
    s.idle("box", flags);
    until_is("unhealthy", || s.field("box", "State.Health.Status"));
    s.ok("engine exec box touch /tmp/healthy");
    until_is("healthy", || s.field("box", "State.Health.Status"));
    s.remove("box");
}

fn restart_policy(s: &Stage) {
    s.ok("engine run -d --name box --network none --restart on-failure:2 busybox sh -c 'echo run; exit 1'");
    until_is("exited 2", || s.field("box", "State.Status") + " " + &s.field("box", "RestartCount"));
    assert_eq!(s.ok("engine logs box"), "run\nrun\nrun");
    s.remove("box");
}

fn attach(s: &Stage) {
    s.ok("engine run -dit --name box --network none busybox sh");
    let mut t = s.terminal("engine attach box");
    t.send("echo typ''ed; exit 8\n");
    t.expect("typed");
    t.exits(8);
    s.remove("box");
}
