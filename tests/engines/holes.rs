//! Right words at the wrong time: what is refused, and what is left then.

use crate::bad::{refused, refused_and_gone};
use crate::bundle::Bundle;
use crate::checks;
use crate::process::{until, until_is};
use crate::stage::Stage;

pub const CHECKS: &[crate::Check] = checks![
    unknown_ids,
    ids_that_are_none,
    a_create_that_was_cut_off,
    create_twice,
    start_twice,
    delete_what_runs,
    kill_after_the_end,
    exec_after_the_end,
    exec_where_nothing_is,
    systemd_is_refused,
    wrong_words,
    a_bundle_that_vanishes,
    a_hook_that_fails,
    a_hook_that_hangs,
    a_hook_that_is_not_there,
    killed_before_the_start,
    a_terminal_for_nobody,
];

const IDLE: &str = "sleep 1000";

fn unknown_ids(s: &Stage) {
    let b = Bundle::new(s, IDLE);
    for line in [
        "state ID",
        "start ID",
        "kill ID",
        "kill ID KILL",
        "delete ID",
        "exec ID true",
        "ps ID",
        "pause ID",
        "resume ID",
    ] {
        refused_and_gone(s, &b, &b.run(&format!("runtime {line} </dev/null")));
    }
    refused_and_gone(s, &b, &b.run("runtime update --memory 64000000 ID"));
    refused_and_gone(s, &b, &b.run("runtime events --stats ID"));
}

fn ids_that_are_none(s: &Stage) {
    let before = s.ok("ls -A state 2>/dev/null | wc -l");
    let b = Bundle::new(s, IDLE);
    b.write();
    for id in ["../out", "a/b", ".", "..", "'a b'", "''", "'a\nb'"] {
        let done = b.run(&format!("runtime create --bundle BUNDLE {id} </dev/null"));
        assert!(done.code != 0 && done.out.is_empty() && !done.err.is_empty(), "{done:?}");
    }
    assert_eq!(s.ok("ls -A state 2>/dev/null | wc -l"), before);
}

/// create may be killed at any moment.
fn a_create_that_was_cut_off(s: &Stage) {
    let b = Bundle::new(s, IDLE);
    s.ok(&format!("mkdir -p state/{}/below", b.id));
    for line in ["state ID", "start ID", "delete ID"] {
        refused(&b, &b.run(&format!("runtime {line}")));
    }
    b.ok("runtime delete --force ID");
    refused_and_gone(s, &b, &b.run("runtime state ID"));
    s.ok("mkdir outside");
    b.run("runtime delete --force ../outside");
    s.ok("rmdir outside");
    b.create();
    b.ok("runtime delete --force ID");
}

fn create_twice(s: &Stage) {
    let b = Bundle::new(s, IDLE);
    b.create();
    refused(&b, &b.run("runtime create --bundle BUNDLE ID </dev/null"));
    assert_eq!(b.status(), "created");
    b.ok("runtime start ID");
    refused(&b, &b.run("runtime create --bundle BUNDLE ID </dev/null"));
    assert_eq!(b.status(), "running");
    b.ok("runtime delete --force ID");
}

fn start_twice(s: &Stage) {
    let b = Bundle::new(s, IDLE);
    b.create();
    b.ok("runtime start ID");
    refused(&b, &b.run("runtime start ID"));
    assert_eq!(b.status(), "running");
    b.ok("runtime kill ID KILL");
    until_is("stopped", || b.status());
    refused(&b, &b.run("runtime start ID"));
    b.ok("runtime delete ID");
}

fn delete_what_runs(s: &Stage) {
    let b = Bundle::new(s, IDLE);
    b.create();
    b.ok("runtime start ID");
    refused(&b, &b.run("runtime delete ID"));
    assert_eq!(b.status(), "running");
    b.ok("runtime delete --force ID");
    refused_and_gone(s, &b, &b.run("runtime delete ID"));
}

fn kill_after_the_end(s: &Stage) {
    let b = Bundle::new(s, "true");
    b.create();
    b.ok("runtime start ID");
    until_is("stopped", || b.status());
    refused(&b, &b.run("runtime kill ID TERM"));
    b.ok("runtime delete ID");
    refused_and_gone(s, &b, &b.run("runtime kill ID TERM"));
}

fn exec_where_nothing_is(s: &Stage) {
    let b = Bundle::new(s, IDLE);
    b.create();
    b.ok("runtime start ID");
    // The last is a directory of the host, if the runtime has it open by that number (CVE-2024-21626).
    for (at, cwd) in ["tmp", "/no/such/place", "/etc/passwd", "/proc/self/fd/7"].iter().enumerate() {
        s.write(
            "process.json",
            &format!(r#"{{"args":["true"],"env":["PATH=/bin"],"cwd":"{cwd}","user":{{"uid":0,"gid":0}}}}"#),
        );
        let done = b.run("runtime exec --process DIR/process.json ID 7</ </dev/null");
        assert!(done.code != 0 && !done.err.is_empty() || at == 3 && !s.is_ours(), "{cwd}: {done:?}");
    }
    b.run("runtime exec ID test -e /no").exits(1);
    b.ok("runtime delete --force ID");
}

/// The log is found though what is refused comes before it.
fn systemd_is_refused(s: &Stage) {
    if !s.is_ours() {
        return;
    }
    let b = Bundle::new(s, IDLE);
    b.write();
    let flags = format!("--systemd-cgroup --root DIR/state --log DIR/{}.log --log-format json", b.id);
    let done = s.line(&format!("RUNTIME {flags} create --bundle {} {}", b.dir(), b.id)).run();
    refused_and_gone(s, &b, &done);
}

fn exec_after_the_end(s: &Stage) {
    let b = Bundle::new(s, "true");
    b.create();
    b.ok("runtime start ID");
    until_is("stopped", || b.status());
    refused(&b, &b.run("runtime exec ID true </dev/null"));
    refused(&b, &b.run("runtime pause ID"));
    b.ok("runtime delete ID");
}

fn wrong_words(s: &Stage) {
    let b = Bundle::new(s, IDLE);
    b.create();
    b.ok("runtime start ID");
    for line in ["kill ID NONE", "kill ID 400", "kill ID -1x"] {
        let done = b.run(&format!("runtime {line}"));
        assert!(done.code != 0 && !done.err.is_empty(), "{done:?}");
    }
    for line in ["no-such-verb", "create --no-such-flag ID", "exec ID", "create", "--no-such-flag state ID"] {
        let done = b.run(&format!("runtime {line} </dev/null"));
        assert!(done.code != 0 || !s.is_ours(), "{done:?}"); // runc prints its help for a verb that it does not know
    }
    assert_eq!(b.status(), "running");
    b.ok("runtime delete --force ID");
}

fn a_bundle_that_vanishes(s: &Stage) {
    let b = Bundle::new(s, "echo starts all the same");
    b.create();
    s.ok(&format!("rm -r {}", b.dir()));
    b.ok("runtime start ID");
    until_is("stopped", || b.status());
    assert_eq!(b.said(), "starts all the same\n");
    b.ok("runtime delete ID");
    // The same with a program that is gone by then.
    let mut b = Bundle::new(s, "true");
    s.ok("rm -rf root && cp -a image/rootfs root");
    b.set("root.path", &format!("\"{}/root\"", s.dir.display()));
    b.create();
    s.ok("rm -r root/bin");
    // The program is looked for before the start, and executed after its answer.
    b.run("runtime start ID");
    until_is("stopped", || b.status());
    b.ok("runtime delete --force ID");
}

/// A bundle with a hook.
fn hooked<'a>(s: &'a Stage, kind: &str, script: &str) -> Bundle<'a> {
    let mut b = Bundle::new(s, IDLE);
    let hook =
        format!(r#"{{"path":"/bin/sh","args":["sh","-c","{script}"],"env":["PATH=/bin:/usr/bin"],"timeout":1}}"#);
    b.add(&format!("hooks.{kind}"), &hook);
    b.write();
    b
}

fn a_hook_that_fails(s: &Stage) {
    for kind in ["prestart", "createRuntime", "createContainer"] {
        let b = hooked(s, kind, "printf words >&2; exit 3");
        let done = b.run("runtime create --bundle BUNDLE ID </dev/null");
        assert!(done.err.contains('3'), "{done:?}");
        refused_and_gone(s, &b, &done);
    }
    let b = hooked(s, "startContainer", "exit 3");
    b.create();
    b.run("runtime start ID"); // which may have answered by then
    until_is("stopped", || b.status());
    b.ok("runtime delete --force ID");
    // It has started by then, and ends for it. runc runs that hook before.
    if s.is_ours() {
        let b = hooked(s, "poststart", "exit 3");
        b.create();
        refused(&b, &b.run("runtime start ID"));
        until_is("stopped", || b.status());
        b.ok("runtime delete ID");
    }
    // Those after the end are told, and change nothing.
    let mut b = hooked(s, "poststop", "exit 3");
    let mark = s.dir.join("mark").display().to_string();
    b.add("hooks.poststop", &format!(r#"{{"path":"/bin/touch","args":["touch","{mark}"]}}"#));
    b.create();
    b.run("runtime delete --force ID");
    assert!(!s.is_ours() || std::fs::remove_file(mark).is_ok()); // runc stops at the first one
    refused_and_gone(s, &b, &b.run("runtime state ID"));
}

fn a_hook_that_hangs(s: &Stage) {
    for kind in ["prestart", "createRuntime", "createContainer"] {
        let b = hooked(s, kind, "exec sleep 1000");
        refused_and_gone(s, &b, &b.run("runtime create --bundle BUNDLE ID </dev/null"));
    }
}

fn a_hook_that_is_not_there(s: &Stage) {
    let mut b = Bundle::new(s, IDLE);
    b.add("hooks.prestart", r#"{"path":"/no/such/hook"}"#);
    b.write();
    refused_and_gone(s, &b, &b.run("runtime create --bundle BUNDLE ID </dev/null"));
}

fn killed_before_the_start(s: &Stage) {
    let b = Bundle::new(s, IDLE);
    b.create();
    b.ok("runtime kill ID KILL");
    until("it has ended", || b.status() == "stopped");
    refused(&b, &b.run("runtime start ID"));
    b.ok("runtime delete ID");
    refused_and_gone(s, &b, &b.run("runtime state ID"));
}

fn a_terminal_for_nobody(s: &Stage) {
    let mut b = Bundle::new(s, IDLE);
    b.set("process.terminal", "true");
    b.write();
    refused_and_gone(s, &b, &b.run("runtime create --bundle BUNDLE ID </dev/null"));
    let mut b = Bundle::new(s, IDLE);
    b.set("process.terminal", "false");
    b.write();
    refused_and_gone(s, &b, &b.run("runtime create --bundle BUNDLE --console-socket DIR/none ID </dev/null"));
}
