//! A config.json that cannot be honoured: an error in one line, the same as JSON in the log, and nothing is left.

use crate::bundle::Bundle;
use crate::checks;
use crate::process::{Output, soon};
use crate::stage::{Stage, cgroups};
use std::fs;
use std::time::Duration;

pub const CHECKS: &[crate::Check] = checks![
    no_json,
    no_program,
    missing,
    missing_says_the_specification,
    wrong_types,
    wrong_values,
    not_possible_here,
    fine_although
];

/// All that a container leaves while it is there.
fn left(b: &Bundle, s: &Stage) -> Vec<String> {
    let mut left: Vec<String> = cgroups(&b.id).iter().map(|path| path.display().to_string()).collect();
    let state = fs::read_dir(s.dir.join("state")).into_iter().flatten().flatten();
    left.extend(state.map(|entry| entry.path().display().to_string()).filter(|path| path.contains(&b.id)));
    let dir = s.dir.display().to_string();
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    left.extend(mounts.lines().filter(|line| line.contains(&dir)).map(str::to_owned));
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        // Both what stands in the container's root and who works for it; they may go meanwhile.
        let root = fs::read_link(entry.path().join("root")).unwrap_or_default();
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        if root.starts_with(&s.dir) || line.contains(&b.id) {
            left.push(line);
        }
    }
    left
}

/// It failed with a line, which the log has, too. `log` tells what is there of the log's last message.
#[track_caller]
pub fn refused(b: &Bundle, done: &Output) {
    assert!(done.code != 0 && done.out.is_empty(), "{done:?}");
    assert!(done.err.lines().count() == 1 && done.err.ends_with('\n'), "{done:?}");
    let (said, log) = (done.err.trim_end(), b.log());
    assert!(!log.is_empty() && said.ends_with(&log), "{done:?}, but the log has {log:?}");
}

/// The same, and nothing of the container is left.
#[track_caller]
pub fn refused_and_gone(s: &Stage, b: &Bundle, done: &Output) {
    refused(b, done);
    let mut now = Vec::new();
    soon(Duration::from_secs(10), || {
        now = left(b, s);
        now.is_empty()
    });
    assert!(now.is_empty(), "{done:?} left {now:#?}");
}

/// Creating it fails, and the message has this word; ours has, another runtime says it in its way.
#[track_caller]
fn fails(s: &Stage, b: &Bundle, word: &str) {
    b.write();
    let done = b.run("timeout 20 runtime create --bundle BUNDLE ID </dev/null");
    if done.code == 0 {
        b.run("runtime delete --force ID");
        panic!("{word}: it was created");
    }
    assert!(!s.is_ours() || done.err.contains(word), "no {word}: {done:?}");
    refused_and_gone(s, b, &done);
}

/// Each of these changes makes it fail, and the message has the word. All failures are told at once.
#[track_caller]
fn each_says(s: &Stage, changes: &[(&str, Option<&str>, &str)]) {
    let mut wrong = Vec::new();
    for (path, to, word) in changes {
        let mut b = Bundle::new(s, "true");
        match to {
            Some(to) => b.set(path, to),
            None => b.unset(path),
        };
        if std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| fails(s, &b, word))).is_err() {
            wrong.push(format!("{path} = {to:?}: {}", crate::WHY.take()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The same with the field's name.
#[track_caller]
fn each(s: &Stage, changes: &[(&str, Option<&str>)]) {
    let named = |path: &str| path.rsplit('.').find(|key| key.parse::<u32>().is_err()).unwrap().to_owned();
    let words: Vec<String> = changes.iter().map(|(path, _)| named(path)).collect();
    let changes: Vec<_> = changes.iter().zip(&words).map(|((path, to), word)| (*path, *to, word.as_str())).collect();
    each_says(s, &changes);
}

fn no_json(s: &Stage) {
    let b = Bundle::new(s, "true");
    for content in ["", "{", "[]", "null", "{\"ociVersion\":", "{} {}", "\u{1}"] {
        if content == "null" && !s.is_ours() {
            continue; // runc panics
        }
        s.write(&format!("{}/config.json", b.id), content);
        let done = b.run("runtime create --bundle BUNDLE ID </dev/null");
        refused_and_gone(s, &b, &done);
    }
    s.ok(&format!("rm {}/config.json", b.id));
    refused_and_gone(s, &b, &b.run("runtime create --bundle BUNDLE ID </dev/null"));
    refused_and_gone(s, &b, &b.run("runtime create --bundle DIR/no-such-folder ID </dev/null"));
}

/// Without a program it cannot be started; the specification lets it be created.
fn no_program(s: &Stage) {
    for (path, to) in [("process", None), ("process.args", None), ("process.args", Some("[]"))] {
        let mut b = Bundle::new(s, "true");
        match to {
            Some(to) => b.set(path, to),
            None => b.unset(path),
        };
        b.write();
        let mut done = b.run("runtime create --bundle BUNDLE ID >DIR/ID.said </dev/null");
        if done.code == 0 {
            done = b.run("runtime start ID");
            refused(&b, &done);
            b.ok("runtime delete --force ID");
        }
        refused_and_gone(s, &b, &done);
    }
}

fn missing(s: &Stage) {
    each(s, &[("root", None), ("process.cwd", None)]);
}

/// What runc takes, guessing; ours does not.
fn missing_says_the_specification(s: &Stage) {
    if !s.is_ours() {
        return;
    }
    let argument = |fields: &str| {
        let call = format!(r#"{{"names":["mkdir"],"action":"SCMP_ACT_ERRNO","args":[{{{fields}}}]}}"#);
        format!(r#"{{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{call}]}}"#)
    };
    each(
        s,
        &[
            ("ociVersion", None),
            ("ociVersion", Some("\"2.0.0\"")),
            ("ociVersion", Some("\"\"")),
            ("root.path", None),
            ("root", Some(r#"{"path":""}"#)),
            ("mounts.1.destination", None),
            ("linux.namespaces.0.type", None),
            ("process.rlimits.0.type", None),
            ("process.rlimits.1", Some(r#"{"type":"RLIMIT_NOFILE","soft":1024,"hard":1024}"#)),
            ("hooks.prestart.0", Some(r#"{"args":["true"]}"#)),
            ("linux.devices.0", Some(r#"{"type":"c","major":1,"minor":3}"#)),
            ("linux.devices.0", Some(r#"{"path":"/dev/mine","major":1,"minor":3}"#)),
            ("linux.seccomp", Some(r#"{"syscalls":[{"names":["mkdir"],"action":"SCMP_ACT_ERRNO"}]}"#)),
            ("linux.seccomp", Some(r#"{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdir"]}]}"#)),
            ("linux.seccomp", Some(&argument(r#""index":1,"value":2"#))),
            ("linux.seccomp", Some(&argument(r#""index":1,"op":"SCMP_CMP_EQ""#))),
            ("linux.seccomp", Some(&argument(r#""value":2,"op":"SCMP_CMP_EQ""#))),
        ],
    );
}

fn wrong_types(s: &Stage) {
    each(
        s,
        &[
            ("ociVersion", Some("1")),
            ("process", Some("[]")),
            ("process.args", Some("\"true\"")),
            ("process.args", Some("[1]")),
            ("process.env", Some("{}")),
            ("process.cwd", Some("7")),
            ("process.user.uid", Some("\"root\"")),
            ("process.user.uid", Some("-1")),
            ("process.user.uid", Some("4294967296")),
            ("process.terminal", Some("\"no\"")),
            ("process.rlimits.0.soft", Some("\"many\"")),
            ("process.capabilities", Some("[\"CAP_KILL\"]")),
            ("root", Some("\"rootfs\"")),
            ("root.readonly", Some("1")),
            ("hostname", Some("{}")),
            ("mounts", Some("{}")),
            ("mounts.0.options", Some("\"ro\"")),
            ("hooks", Some("[]")),
            ("hooks.prestart", Some("{\"path\":\"/bin/true\"}")),
            ("annotations", Some("[]")),
            ("linux", Some("true")),
            ("linux.namespaces", Some("{}")),
            ("linux.namespaces.0.type", Some("1")),
            ("linux.resources.memory.limit", Some("\"1g\"")),
            ("linux.resources.pids.limit", Some("1.5")),
            ("linux.sysctl", Some("[]")),
            ("linux.maskedPaths", Some("\"/proc\"")),
            ("linux.seccomp", Some("\"default\"")),
            ("linux.uidMappings", Some("{}")),
        ],
    );
}

fn wrong_values(s: &Stage) {
    // A parameter that belongs to the whole machine, and the value that it has.
    let pattern = format!(r#"{{"kernel.core_pattern":"{}"}}"#, s.ok("cat /proc/sys/kernel/core_pattern"));
    each_says(
        s,
        &[
            ("process.args.0", Some("\"no-such-command\""), "no-such-command"),
            ("process.cwd", Some("\"relative\""), "cwd"),
            ("process.rlimits.0.type", Some("\"RLIMIT_NONE\""), "none"),
            ("root.path", Some("\"no-such-root\""), "no-such-root"),
            ("mounts.1.type", Some("\"no-such-file-system\""), "no-such-file-system"),
            (
                "mounts.1",
                Some(r#"{"destination":"/data","type":"bind","source":"/no/such/source","options":["bind"]}"#),
                "/no/such/source",
            ),
            ("linux.namespaces.0.type", Some("\"none\""), "type"),
            ("linux.namespaces.1.path", Some("\"/no/such/path\""), "/no/such/path"),
            ("linux.namespaces.1.path", Some("\"/proc/self/ns/ipc\""), "/proc/self/ns/ipc"),
            ("linux.sysctl", Some(r#"{"no.such.parameter":"1"}"#), "sysctl"),
            ("linux.sysctl", Some(&pattern), "sysctl"),
            ("linux.seccomp", Some(r#"{"defaultAction":"SCMP_ACT_NONE"}"#), "seccomp"),
            ("linux.rootfsPropagation", Some("\"sideways\""), "rootfsPropagation"),
            ("linux.devices.0", Some(r#"{"type":"x","path":"/dev/mine","major":1,"minor":3}"#), "devices"),
            ("linux.intelRdt", Some(r#"{"l3CacheSchema":"L3:0=f"}"#), "intelRdt"),
        ],
    );
}

/// What runc passes over, and ours does not.
fn not_possible_here(s: &Stage) {
    if !s.is_ours() {
        return;
    }
    each(
        s,
        &[
            ("linux.resources.rdma", Some(r#"{"mlx5_1":{"hcaHandles":3}}"#)),
            ("linux.memoryPolicy", Some(r#"{"mode":"MPOL_BIND","nodes":"0"}"#)),
            ("linux.netDevices", Some(r#"{"eth0":{}}"#)),
        ],
    );
}

/// Unknown fields and newer versions are allowed.
fn fine_although(s: &Stage) {
    let mut b = Bundle::new(s, "echo fine");
    b.set("ociVersion", "\"1.9.0\"").set("something", "{\"new\":[1,null]}").set("process.something", "\"new\"");
    b.set("linux.something", "[{}]")
        .set("annotations", "null")
        .set("windows", "{\"layerFolders\":[]}")
        .unset("hostname");
    b.write();
    assert_eq!(b.ok("runtime run --bundle BUNDLE ID"), "fine");
}
