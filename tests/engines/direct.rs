//! The runtime's verbs, called as an engine calls them.

use crate::bundle::{Bundle, at, text, value};
use crate::checks;
use crate::process::{until, until_is};
use crate::stage::{Stage, cgroup_file, cgroups, is_v1};
use std::fs;

pub const CHECKS: &[crate::Check] = checks![
    life,
    state,
    run,
    run_at_a_terminal,
    exec,
    exec_of_a_document,
    exec_on_some_cpus,
    kill,
    delete_by_force,
    pause,
    update,
    lists,
    hooks,
    events,
    memory_runs_out,
    a_filter_with_no_new_privileges,
    spec,
    features,
    preserved_descriptors,
    a_namespace_by_its_path,
    a_user_namespace_by_its_path,
    a_new_user_namespace_and_others,
    a_relative_root,
    flags_behind_the_id,
];

const IDLE: &str = "trap 'exit 0' TERM; echo ready; sleep 1000 & wait";

/// A container that runs and waits.
#[track_caller]
fn idle(s: &Stage) -> Bundle<'_> {
    let b = Bundle::new(s, IDLE);
    started(&b);
    until("it is ready", || b.said() == "ready\n");
    b
}

#[track_caller]
fn started(b: &Bundle) {
    b.create();
    b.ok("runtime start ID");
}

#[track_caller]
fn removed(b: &Bundle) {
    b.ok("runtime delete --force ID");
    gone(b);
}

/// Nothing of it is left.
#[track_caller]
fn gone(b: &Bundle) {
    assert_ne!(b.run("runtime state ID").code, 0);
    until("its cgroups are gone", || cgroups(&b.id).is_empty());
}

fn life(s: &Stage) {
    let b = Bundle::new(s, "echo lives; exit 3");
    b.create();
    assert_eq!((b.status().as_str(), b.said().as_str()), ("created", ""));
    let pid = fs::read_to_string(s.dir.join(format!("{}.pid", b.id))).unwrap();
    assert_eq!(text(&mut b.state(), "pid"), pid.trim());
    assert!(fs::exists(format!("/proc/{pid}")).unwrap());
    b.ok("runtime start ID");
    until_is("stopped", || b.status());
    assert_eq!(b.said(), "lives\n");
    b.ok("runtime delete ID");
    gone(&b);
}

fn state(s: &Stage) {
    let mut b = Bundle::new(s, IDLE);
    b.set("annotations", r#"{"one":"1","the other":"2 \" 3"}"#);
    started(&b);
    let mut state = b.state();
    for (path, want) in
        [("id", b.id.as_str()), ("status", "running"), ("bundle", &b.dir()), ("annotations.the other", "2 \" 3")]
    {
        assert_eq!(text(&mut state, path), want, "{path}");
    }
    assert!(text(&mut state, "ociVersion").starts_with("1."));
    removed(&b);
}

fn run(s: &Stage) {
    let b = Bundle::new(s, "cat; exit 3");
    b.write();
    let done = b.run("echo words | runtime run --bundle BUNDLE ID").exits(3);
    assert_eq!(done.out, "words\n");
    gone(&b);
    let b = Bundle::new(s, IDLE);
    b.write();
    b.ok("cd BUNDLE && runtime run -d ID >DIR/ID.said 2>&1 </dev/null");
    until("it is ready", || b.said() == "ready\n");
    assert_eq!(b.status(), "running");
    removed(&b);
    let b = Bundle::new(s, "kill -TERM $$; sleep 5 & wait");
    b.write();
    b.run("runtime run --bundle BUNDLE ID").exits(0); // process 1 is not killed by its own signal
    gone(&b);
}

fn run_at_a_terminal(s: &Stage) {
    let mut b = Bundle::new(s, "tty; test -t 0 -a -t 1 -a -t 2 && echo all three; read word; echo got $word; exit 4");
    b.set("process.terminal", "true");
    b.write();
    let mut t = b.line("runtime run --bundle BUNDLE ID").on_terminal(24, 80);
    t.expect("/dev/pts/0\nall three\n");
    t.send("it\n");
    t.expect("got it\n");
    t.exits(4);
    gone(&b);
}

fn exec(s: &Stage) {
    let b = idle(s);
    assert_eq!(b.ok("echo words | runtime exec ID sh -c 'cat; echo $HOME; pwd'"), "words\n/root\n/");
    assert_eq!(
        b.ok("runtime exec --env A=b --cwd /tmp --user 1000:10 ID sh -c 'echo $A; pwd; id -u; id -g'"),
        "b\n/tmp\n1000\n10"
    );
    b.run("runtime exec ID sh -c 'exit 5'").exits(5);
    b.run("runtime exec ID sh -c 'kill -KILL $$'").exits(137);
    let done = b.run("runtime exec ID no-such-command");
    assert!(done.code != 0 && done.err.contains("executable file not found in $PATH"), "{done:?}");
    b.ok("runtime exec --detach --pid-file DIR/exec.pid ID sleep 500 >/dev/null 2>&1 </dev/null");
    let pid = s.ok("cat exec.pid");
    assert_eq!(s.ok(&format!("tr '\\0' ' ' </proc/{pid}/cmdline")), "sleep 500 ");
    let mut t = b.line("runtime exec --tty ID sh -c 'tty; read word; echo got $word'").on_terminal(24, 80);
    t.expect("/dev/pts/");
    t.send("it\n");
    t.expect("got it\n");
    t.exits(0);
    removed(&b);
}

fn exec_of_a_document(s: &Stage) {
    let b = idle(s);
    let process = r#"{"user":{"uid":1000,"gid":10,"additionalGids":[20]},"args":["sh","-c","id -u; id -G; pwd; echo $A; ulimit -n"],
        "env":["A=b","PATH=/bin"],"cwd":"/tmp","rlimits":[{"type":"RLIMIT_NOFILE","soft":50,"hard":60}]}"#;
    s.write("process.json", process);
    assert_eq!(b.ok("runtime exec --process DIR/process.json ID"), "1000\n10 20\n/tmp\nb\n50");
    removed(&b);
}

/// The specification has it since 1.2.1, and for exec alone.
fn exec_on_some_cpus(s: &Stage) {
    if !s.is_ours() {
        return;
    }
    let mut b = Bundle::new(s, IDLE);
    b.set("process.execCPUAffinity", r#"{"initial":"0","final":"0-1"}"#);
    started(&b);
    let cpus = "sh -c 'grep Cpus_allowed_list /proc/self/status | cut -f2'";
    let all = s.ok("grep Cpus_allowed_list /proc/self/status | cut -f2");
    let pid = text(&mut b.state(), "pid");
    assert_eq!(s.ok(&format!("grep Cpus_allowed_list /proc/{pid}/status | cut -f2")), all);
    assert_eq!(b.ok(&format!("runtime exec ID {cpus}")), "0-1");
    for (affinity, want) in [
        (r#"{"initial":"0-1","final":"1"}"#, "1"),
        (r#"{"final":"0,1-1"}"#, "0-1"),
        (r#"{"initial":"","final":"0"}"#, "0"),
        ("{}", all.as_str()),
    ] {
        let args = r#""args":["grep","Cpus_allowed_list","/proc/self/status"],"env":["PATH=/bin"],"cwd":"/""#;
        s.write("process.json", &format!(r#"{{{args},"execCPUAffinity":{affinity}}}"#));
        let said = b.ok("runtime exec --process DIR/process.json ID");
        assert_eq!(said.split_whitespace().last(), Some(want), "{affinity}");
    }
    for wrong in ["all", "1-", "3-4097", "0;1"] {
        s.write("process.json", &format!(r#"{{"args":["true"],"cwd":"/","execCPUAffinity":{{"final":"{wrong}"}}}}"#));
        let done = b.run("runtime exec --process DIR/process.json ID");
        assert!(done.code != 0 && done.err.contains("execCPUAffinity"), "{done:?}");
    }
    removed(&b);
}

fn kill(s: &Stage) {
    let b = idle(s);
    b.ok("runtime kill ID"); // SIGTERM
    until_is("stopped", || b.status());
    assert_ne!(b.run("runtime kill ID KILL").code, 0);
    b.ok("runtime delete ID");
    for signal in ["KILL", "SIGKILL", "9", "-- -9"] {
        let b = idle(s);
        if b.run(&format!("runtime kill ID {signal}")).code == 0 {
            until_is("stopped", || b.status());
        } else {
            assert_eq!(signal, "-- -9");
        }
        removed(&b);
    }
    // Every process of it, though it shares the pid namespace.
    let mut b = Bundle::new(s, "sleep 1000 & sleep 1000 & echo ready; wait");
    b.unset("hostname").set("linux.namespaces", r#"[{"type":"mount"},{"type":"network"}]"#);
    started(&b);
    until("it is ready", || b.said() == "ready\n");
    let procs = || {
        cgroups(&b.id)
            .iter()
            .map(|at| fs::read_to_string(at.join("cgroup.procs")).unwrap_or_default())
            .collect::<String>()
    };
    assert!(procs().lines().count() >= 3);
    b.ok("runtime kill --all ID KILL");
    until_is("", procs);
    until_is("stopped", || b.status());
    removed(&b);
}

fn delete_by_force(s: &Stage) {
    let b = idle(s);
    let pid = text(&mut b.state(), "pid");
    assert_ne!(b.run("runtime delete ID").code, 0);
    assert_eq!(b.status(), "running");
    removed(&b);
    until("its process is gone", || !fs::exists(format!("/proc/{pid}")).unwrap());
    // What was never started, and what is not there.
    let b = Bundle::new(s, IDLE);
    b.create();
    removed(&b);
    b.ok("runtime delete --force ID");
}

fn pause(s: &Stage) {
    let b = idle(s);
    b.ok("runtime pause ID");
    assert_eq!(b.status(), "paused");
    assert_ne!(b.run("runtime exec ID true").code, 0);
    b.ok("runtime resume ID");
    assert_eq!(b.status(), "running");
    assert_eq!(b.ok("runtime exec ID echo awake"), "awake");
    b.ok("runtime pause ID");
    removed(&b);
}

fn update(s: &Stage) {
    let b = idle(s);
    let file = |v1: &str, v2: &str| {
        let part = if is_v1() { format!("/{}/", v1.split('/').next().unwrap()) } else { String::new() };
        let group = cgroups(&b.id).into_iter().find(|at| at.to_str().unwrap().contains(&part)).unwrap();
        let name = cgroup_file(v1, v2);
        fs::read_to_string(group.join(name.rsplit('/').next().unwrap())).unwrap().trim().to_owned()
    };
    b.ok("runtime update --memory 33554432 --pids-limit 44 ID");
    assert_eq!(file("memory/memory.limit_in_bytes", "memory.max"), "33554432");
    assert_eq!(file("pids/pids.max", "pids.max"), "44");
    let resources =
        r#"{"memory":{"limit":50331648},"cpu":{"quota":20000,"period":100000,"shares":256},"pids":{"limit":45}}"#;
    b.ok(&format!("echo '{resources}' | runtime update --resources - ID"));
    assert_eq!(file("memory/memory.limit_in_bytes", "memory.max"), "50331648");
    assert_eq!(file("cpu/cpu.cfs_quota_us", "cpu.max"), if is_v1() { "20000" } else { "20000 100000" });
    assert_eq!(file("pids/pids.max", "pids.max"), "45");
    removed(&b);
}

fn lists(s: &Stage) {
    let b = idle(s);
    assert!(b.ok("runtime list -q").lines().any(|id| id == b.id));
    let shown = b.ok("runtime list");
    let line = shown.lines().find(|line| line.starts_with(&b.id)).unwrap();
    assert!(line.contains("running") && line.contains(&b.dir()), "{shown}");
    let mut list = value(&b.ok("runtime list --format json"));
    assert_eq!(text(&mut list, "0.status"), "running");
    let pid = text(&mut b.state(), "pid");
    let mut pids = value(&b.ok("runtime ps --format json ID"));
    assert_eq!(text(&mut pids, "0"), pid);
    assert!(b.ok("runtime ps ID").contains(&pid));
    assert!(b.ok("runtime ps ID -o pid,args").contains("sh -c"));
    removed(&b);
}

fn hooks(s: &Stage) {
    let order = s.dir.join("order");
    let order = order.display();
    let mut b = Bundle::new(s, &format!("echo program >&3; exec 3>&-; {IDLE}"));
    let kinds = ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"];
    for kind in kinds {
        // startContainer is a program of the container.
        let hook = if kind == "startContainer" {
            r#"{"path":"/bin/sh","args":["sh","-c","cat >/dev/shm/state; echo startContainer >/dev/shm/order"]}"#
                .to_owned()
        } else {
            let script = format!("cat >{order}-{kind}; test \\\"$A\\\" = b && echo {kind} >>{order}");
            format!(
                r#"{{"path":"/bin/sh","args":["sh","-c","{script}"],"env":["A=b","PATH=/bin:/usr/bin"],"timeout":20}}"#
            )
        };
        b.add(&format!("hooks.{kind}"), &hook);
    }
    b.set("process.args", r#"["sh","-c","cat /dev/shm/order; sleep 1000"]"#);
    b.create();
    let done = || fs::read_to_string(format!("{order}")).unwrap_or_default().replace('\n', " ");
    // runc runs those after the start with those before it.
    if s.is_ours() {
        assert_eq!(done(), "prestart createRuntime createContainer ");
    }
    b.ok("runtime start ID");
    until("the program runs after its hook", || b.said() == "startContainer\n");
    until_is("prestart createRuntime createContainer poststart ", done);
    removed(&b);
    assert_eq!(done(), "prestart createRuntime createContainer poststart poststop ");
    for (kind, status) in
        [("prestart", "creat"), ("createRuntime", "creat"), ("createContainer", "creat"), ("poststop", "stopped")]
    {
        let mut state = value(&fs::read_to_string(format!("{order}-{kind}")).unwrap());
        assert_eq!(text(&mut state, "id"), b.id);
        assert_eq!(text(&mut state, "bundle"), b.dir());
        assert!(text(&mut state, "status").starts_with(status), "{kind}: {state:?}");
    }
}

fn events(s: &Stage) {
    let b = idle(s);
    let mut stats = value(&b.ok("runtime events --stats ID"));
    assert_eq!((text(&mut stats, "type"), text(&mut stats, "id")), ("stats".to_owned(), b.id.clone()));
    assert_ne!(text(&mut stats, "data.memory.usage.usage"), "0");
    assert_eq!(text(&mut stats, "data.pids.current"), "2");
    removed(&b);
}

/// What needs more memory than there is ends, and whoever listens is told.
fn memory_runs_out(s: &Stage) {
    let mut b =
        Bundle::new(s, "mkfifo /tmp/go; echo ready; read go </tmp/go; tail -c 200m /dev/zero; sleep 1000 & wait");
    b.set("linux.resources.memory", r#"{"limit":33554432,"swap":33554432}"#);
    b.add("mounts", r#"{"destination":"/tmp","type":"tmpfs","source":"tmpfs"}"#);
    started(&b);
    until("it is ready", || b.said() == "ready\n");
    s.ok("rm -f events");
    b.ok("runtime events --interval 50ms ID >DIR/events 2>&1 </dev/null & echo $! >DIR/events.pid");
    let told = || fs::read_to_string(s.dir.join("events")).unwrap_or_default();
    until("it is listened to", || told().contains("\"stats\""));
    b.ok("runtime exec ID sh -c 'echo >/tmp/go'");
    let line = format!("{{\"type\":\"oom\",\"id\":\"{}\"}}\n", b.id);
    until("it is told", || told().contains(&line));
    removed(&b);
    until("it ends with the container", || s.line("kill -0 $(cat DIR/events.pid)").run().code != 0);
    assert_eq!(told().matches("oom").count(), 1, "{}", told());
}

/// A filter need not let through what its container gets along without.
fn a_filter_with_no_new_privileges(s: &Stage) {
    let mut b = Bundle::new(s, "echo fine");
    let calls = r#"[{"names":["capget","capset","setuid","setgroups"],"action":"SCMP_ACT_ERRNO"}]"#;
    b.set("linux.seccomp", &format!(r#"{{"defaultAction":"SCMP_ACT_ALLOW","syscalls":{calls}}}"#));
    b.set("process.noNewPrivileges", "true").write();
    assert_eq!(b.ok("runtime run --bundle BUNDLE ID"), "fine");
}

fn spec(s: &Stage) {
    let b = Bundle::new(s, "true");
    s.ok("mkdir spec");
    b.ok("runtime spec --bundle DIR/spec");
    assert_ne!(b.run("runtime spec --bundle DIR/spec").code, 0); // it is there
    let mut config = value(&fs::read_to_string(s.dir.join("spec/config.json")).unwrap());
    let rootfs = s.dir.join("image/rootfs").display().to_string();
    *at(&mut config, "root.path") = value(&format!("\"{rootfs}\""));
    *at(&mut config, "process.terminal") = value("false");
    *at(&mut config, "process.args") = value(r#"["echo","hello"]"#);
    s.write("spec/config.json", &miniserde::json::to_string(&config));
    assert_eq!(b.ok("runtime run --bundle DIR/spec ID"), "hello");
}

fn features(s: &Stage) {
    let b = Bundle::new(s, "true");
    let mut features = value(&b.ok("runtime features"));
    assert!(text(&mut features, "ociVersionMin").starts_with("1.0"));
    assert!(text(&mut features, "ociVersionMax").starts_with("1."));
    let list = format!("{:?}", at(&mut features, "hooks"));
    assert!(list.contains("createRuntime") && list.contains("poststop"), "{list}");
    assert!(b.ok("runtime --version").contains("spec: 1."));
}

fn preserved_descriptors(s: &Stage) {
    let b = Bundle::new(s, "cat <&3; ls /proc/self/fd | wc -l; test -e /proc/self/fd/4 || echo none");
    b.write();
    s.write("third", "by 3\n");
    // Its own three, that one, and the directory that ls reads.
    assert_eq!(b.ok("runtime run --preserve-fds 1 --bundle BUNDLE ID 3<DIR/third 5<DIR/third"), "by 3\n5\nnone");
    let b = Bundle::new(s, "ls /proc/self/fd | wc -l");
    b.write();
    assert_eq!(b.ok("runtime run --bundle BUNDLE ID 3<DIR/third 5<DIR/third"), "4");
}

fn a_namespace_by_its_path(s: &Stage) {
    let first = idle(s);
    let pid = text(&mut first.state(), "pid");
    let script = "for n in net ipc uts; do readlink /proc/self/ns/$n; done";
    let mut b = Bundle::new(s, script);
    b.unset("hostname");
    let spaces = ["network", "ipc", "uts"].iter().zip(["net", "ipc", "uts"]);
    let joined: Vec<String> =
        spaces.map(|(kind, name)| format!(r#"{{"type":"{kind}","path":"/proc/{pid}/ns/{name}"}}"#)).collect();
    b.set("linux.namespaces", &format!(r#"[{{"type":"mount"}},{{"type":"pid"}},{}]"#, joined.join(",")));
    b.write();
    assert_eq!(b.ok("runtime run --bundle BUNDLE ID"), s.ok(&script.replace("self", &pid)));
    removed(&first);
}

/// Those that are new belong to it: what is mounted, and the first process, may be changed there.
fn a_user_namespace_by_its_path(s: &Stage) {
    let mut first = Bundle::new(s, IDLE);
    first.map_ids().add("linux.namespaces", r#"{"type":"user"}"#).add("linux.namespaces", r#"{"type":"cgroup"}"#);
    started(&first);
    until("it is ready", || first.said() == "ready\n");
    let pid = text(&mut first.state(), "pid");
    let script = "id -u; cat /proc/self/uid_map | tr -s ' '; cat /proc/self/oom_score_adj; \
                  echo 99 >/proc/sys/kernel/msgmni && cat /proc/sys/kernel/msgmni";
    let path = |kind: &str, name: &str| format!(r#"{{"type":"{kind}","path":"/proc/{pid}/ns/{name}"}}"#);
    let (user, net) = (path("user", "user"), path("network", "net"));
    for others in [
        format!(r#"{net},{{"type":"pid"}},{{"type":"ipc"}},{{"type":"uts"}}"#),
        format!(r#"{net},{},{{"type":"ipc"}},{},{}"#, path("pid", "pid"), path("uts", "uts"), path("cgroup", "cgroup")),
        r#"{"type":"network"},{"type":"pid"},{"type":"ipc"},{"type":"uts"},{"type":"cgroup"}"#.to_owned(),
    ] {
        let mut b = Bundle::new(s, script);
        // Engines say the ids again.
        b.map_ids().unset("hostname").set("process.oomScoreAdj", "300");
        b.unset("linux.maskedPaths").unset("linux.readonlyPaths");
        b.set("linux.namespaces", &format!(r#"[{{"type":"mount"}},{user},{others}]"#));
        b.write();
        assert_eq!(b.ok("runtime run --bundle BUNDLE ID"), "0\n 0 100000 65536\n300\n99", "{others}");
        started(b.set("process.args.2", &format!("\"{IDLE}\"")));
        assert_eq!(b.ok("runtime exec ID cat /proc/self/uid_map | tr -s ' '"), " 0 100000 65536");
        removed(&b);
    }
    removed(&first);
}

/// Those of the host's are entered with the host's powers.
fn a_new_user_namespace_and_others(s: &Stage) {
    let first = idle(s);
    let pid = text(&mut first.state(), "pid");
    let mut b = Bundle::new(
        s,
        "id -u; tr -s ' ' </proc/self/uid_map; for n in net ipc uts; do readlink /proc/self/ns/$n; done",
    );
    b.map_ids().unset("hostname");
    // Of somebody else's network nothing can be mounted in the new one: engines bind the host's.
    b.set("mounts", r#"[{"destination":"/proc","type":"proc","source":"proc"}]"#);
    let path = |kind: &str, name: &str| format!(r#"{{"type":"{kind}","path":"/proc/{pid}/ns/{name}"}}"#);
    let others = [path("network", "net"), path("ipc", "ipc"), path("uts", "uts")].join(",");
    b.set("linux.namespaces", &format!(r#"[{{"type":"user"}},{{"type":"mount"}},{{"type":"pid"}},{others}]"#));
    b.write();
    let theirs = s.ok(&format!("for n in net ipc uts; do readlink /proc/{pid}/ns/$n; done"));
    assert_eq!(b.ok("runtime run --bundle BUNDLE ID"), format!("0\n 0 100000 65536\n{theirs}"));
    removed(&first);
}

fn a_relative_root(s: &Stage) {
    let mut b = Bundle::new(s, "echo hello");
    b.set("root.path", "\"../image/rootfs\"");
    b.write();
    assert_eq!(b.ok("runtime run --bundle BUNDLE ID"), "hello");
    assert_eq!(b.ok("cd BUNDLE && runtime run ID"), "hello");
}

fn flags_behind_the_id(s: &Stage) {
    let b = idle(s);
    assert_eq!(b.ok("runtime exec ID sh -c 'echo $0 $@' -- --all"), "-- --all");
    removed(&b);
}
