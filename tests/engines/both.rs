//! The life of a container, as podman and docker have it in the same words.

use crate::checks;
use crate::process::{until, until_is};
use crate::stage::{Stage, cgroups};
use crate::walls::{KNOWN, bounding, has_all_capabilities, hexadecimal};

pub const CHECKS: &[crate::Check] = checks![
    run,
    exit_codes,
    what_cannot_be_executed,
    what_it_reads,
    run_at_a_terminal,
    a_terminal_changes_its_size,
    exec,
    exec_exit_codes,
    exec_at_a_terminal,
    exec_detached,
    logs,
    stop,
    stop_what_does_not_listen,
    kill,
    pause,
    top,
    stats,
    inspect,
    restart,
    start_again,
    what_ends_by_itself,
    remove_what_runs,
    copy,
];

const RUN: &str = "engine run --rm --network none busybox";

fn run(s: &Stage) {
    assert_eq!(s.ok(&format!("{RUN} echo hello")), "hello");
}

fn exit_codes(s: &Stage) {
    for code in [0, 3, 255] {
        s.exits(code, &format!("{RUN} sh -c 'exit {code}'"));
    }
}

fn what_cannot_be_executed(s: &Stage) {
    let said = s.exits(127, &format!("{RUN} no-such-command"));
    assert!(said.contains("executable file not found in $PATH"), "{said}");
    let said = s.exits(127, &format!("{RUN} /no/such/file"));
    assert!(said.contains("no such file or directory"), "{said}");
    let said = s.exits(126, &format!("{RUN} /etc/passwd"));
    assert!(said.contains("permission denied"), "{said}");
    assert_eq!(s.ok("engine ps -aq"), "");
}

fn what_it_reads(s: &Stage) {
    assert_eq!(s.ok("printf 'one\\ntwo\\n' | engine run -i --rm --network none busybox sort -r"), "two\none");
}

fn run_at_a_terminal(s: &Stage) {
    let mut t = s.terminal("engine run --rm -it --network none busybox sh");
    t.expect("# ");
    t.send("tty; stty size; test -t 0 -a -t 1 -a -t 2 && echo a''ll three\n");
    t.expect("/dev/pts/0\n");
    t.expect("all three\n");
    t.send("exit 3\n");
    t.exits(3);
}

fn a_terminal_changes_its_size(s: &Stage) {
    let mut t = s.terminal("engine run --rm -it --network none busybox sh");
    t.expect("# ");
    // The engine says it after the start.
    t.send("until [ \"$(stty size)\" = '24 80' ]; do usleep 9999; done; echo si''ze\n");
    t.expect("size");
    t.send("exit\n");
    t.exits(0);
}

fn exec(s: &Stage) {
    s.idle("box", "--env A=b");
    assert_eq!(s.ok("engine exec box sh -c 'echo $A; pwd; id -u'"), "b\n/\n0");
    let flags = "--env A=c --env C=d --workdir /tmp --user 1000:10";
    assert_eq!(s.ok(&format!("engine exec {flags} box sh -c 'echo $A $C; pwd; id -u; id -g'")), "c d\n/tmp\n1000\n10");
    assert_eq!(s.ok("engine exec --user user1 box id -un"), "user1");
    assert_eq!(s.ok("echo words | engine exec -i box cat"), "words");
    let of = |process: &str| format!("for n in mnt pid net uts ipc cgroup; do readlink /proc/{process}/ns/$n; done");
    let first = s.ok(&format!("engine exec box sh -c '{}'", of("1")));
    assert_eq!(s.ok(&format!("engine exec box sh -c '{}'", of("self"))), first);
    let same = "for n in 1 self; do grep -E \"Cap|Seccomp:|NoNew\" /proc/$n/status | md5sum; done";
    let sums = s.ok(&format!("engine exec box sh -c '{same}'"));
    assert_eq!(sums.lines().next(), sums.lines().next_back());
    if has_all_capabilities(s) {
        let shown = s.ok("engine exec --privileged box grep CapEff: /proc/self/status");
        assert_eq!(KNOWN & hexadecimal(&shown[8..]), KNOWN & bounding(s));
    }
    s.remove("box");
}

fn exec_exit_codes(s: &Stage) {
    s.idle("box", "");
    for code in [0, 5, 255] {
        s.exits(code, &format!("engine exec box sh -c 'exit {code}'"));
    }
    s.exits(137, "engine exec box sh -c 'kill -KILL $$'");
    let said = s.line("engine exec box no-such-command").run();
    // Engines of that age say 126.
    assert!([126, 127].contains(&said.code), "{said:?}");
    assert!(format!("{said:?}").contains("executable file not found in $PATH"), "{said:?}");
    let said = s.line("engine exec box /etc/passwd").run().exits(126);
    assert!(format!("{said:?}").contains("permission denied"), "{said:?}");
    assert_eq!(s.field("box", "State.Status"), "running");
    s.remove("box");
}

fn exec_at_a_terminal(s: &Stage) {
    s.idle("box", "");
    let mut t = s.terminal("engine exec -it box sh");
    t.expect("# ");
    t.send("tty; test -t 0 -a -t 1 -a -t 2 && echo a''ll three\n");
    t.expect("/dev/pts/");
    t.expect("all three\n");
    t.send("exit 4\n");
    t.exits(4);
    s.remove("box");
}

fn exec_detached(s: &Stage) {
    s.idle("box", "");
    s.ok("engine exec -d box sh -c 'echo done >/tmp/file'");
    until("the detached command wrote", || s.line("engine exec box cat /tmp/file").run().out == "done\n");
    s.remove("box");
}

fn logs(s: &Stage) {
    s.ok("engine run -d --network none --name box busybox sh -c 'echo out; echo err >&2; echo last'");
    assert_eq!(s.ok("engine wait box"), "0");
    let said = s.line("engine logs box").run();
    assert_eq!((said.out.as_str(), said.err.as_str()), ("out\nlast\n", "err\n"));
    assert_eq!(s.ok("engine logs --tail 1 box 2>&1 | wc -l"), "1");
    s.remove("box");
}

fn stop(s: &Stage) {
    s.ok("engine run -d --network none --name box busybox sh -c 'trap \"exit 7\" TERM; echo ready; sleep 1000 & wait'");
    until("it is ready", || s.line("engine logs box").run().out == "ready\n");
    s.ok("engine stop box");
    assert_eq!(s.field("box", "State.Status") + " " + &s.field("box", "State.ExitCode"), "exited 7");
    s.remove("box");
}

fn stop_what_does_not_listen(s: &Stage) {
    s.ok("engine run -d --network none --name box busybox sleep 1000");
    s.ok("engine stop -t 1 box");
    assert_eq!(s.field("box", "State.ExitCode"), "137");
    s.remove("box");
}

fn kill(s: &Stage) {
    let traps = "'trap \"echo got it\" USR1; echo ready; while :; do sleep 1000 & wait; done'";
    s.ok(&format!("engine run -d --network none --name box busybox sh -c {traps}"));
    until("it is ready", || s.line("engine logs box").run().out == "ready\n");
    s.ok("engine kill -s USR1 box");
    until("the signal arrives", || s.line("engine logs box").run().out == "ready\ngot it\n");
    s.ok("engine kill box");
    assert_eq!(s.ok("engine wait box"), "137");
    s.line("engine kill box").run();
    s.remove("box");
}

fn pause(s: &Stage) {
    let counts = "'while :; do echo >>/count; usleep 10000; done'";
    let id = s.ok(&format!("engine run -d --network none --name box busybox sh -c {counts}"));
    assert!(!id.is_empty());
    let count = || s.ok("engine exec box wc -c /count");
    until("it counts", || s.line("engine exec box test -s /count").run().code == 0);
    s.ok("engine pause box");
    assert_eq!(s.field("box", "State.Status"), "paused");
    let pid = s.field("box", "State.Pid");
    // Its processor time stands still.
    let used = || s.ok(&format!("cut -d' ' -f14-17 /proc/{pid}/stat"));
    let before = used();
    assert_ne!(s.line("engine exec box true").run().code, 0);
    assert_eq!(used(), before);
    s.ok("engine unpause box");
    assert_eq!(s.field("box", "State.Status"), "running");
    let before = count();
    until("it counts again", || count() != before);
    s.ok("engine pause box");
    s.remove("box"); // a frozen one, too
}

fn top(s: &Stage) {
    s.idle("box", "");
    until("the shell has its child", || s.ok("engine top box").contains("sleep 1000"));
    s.remove("box");
}

fn stats(s: &Stage) {
    s.idle("box", "--memory 64m --memory-swap 64m --pids-limit 40");
    let shown = s.ok("engine stats --no-stream --format '{{.Name}} {{.MemUsage}} {{.PIDs}}' box");
    let words: Vec<&str> = shown.split_whitespace().collect();
    assert_eq!((words[0], words[2]), ("box", "/"), "{shown}");
    assert!(words[3] == "64MiB" || words[3] == "67.11MB", "{shown}");
    assert!(words[1].starts_with(|c: char| c.is_ascii_digit()) && !words[1].starts_with("0B"), "{shown}");
    assert_eq!(words[4], "2", "{shown}");
    s.remove("box");
}

fn inspect(s: &Stage) {
    s.idle("box", "");
    let pid: u32 = s.field("box", "State.Pid").parse().unwrap();
    assert!(std::fs::exists(format!("/proc/{pid}")).unwrap());
    assert_eq!(s.field("box", "State.Status") + &s.field("box", "State.Running"), "runningtrue");
    s.ok("engine stop box");
    assert_eq!(s.field("box", "State.Status") + &s.field("box", "State.Running"), "exitedfalse");
    assert_eq!(s.field("box", "State.Pid"), "0");
    s.remove("box");
}

fn restart(s: &Stage) {
    s.idle("box", "");
    let pid = s.field("box", "State.Pid");
    s.ok("engine restart -t 2 box");
    assert_eq!(s.field("box", "State.Status"), "running");
    assert_ne!(s.field("box", "State.Pid"), pid);
    assert_eq!(s.ok("engine exec box echo again"), "again");
    s.remove("box");
}

fn start_again(s: &Stage) {
    s.ok("engine create --name box --network none busybox sh -c 'echo x >>/file; wc -l </file; exit 6'");
    s.exits(6, "engine start -a box");
    assert_eq!(s.line("engine start -a box").run().exits(6).out, "2\n");
    s.remove("box");
}

fn what_ends_by_itself(s: &Stage) {
    s.ok("engine run -d --network none --name box busybox sh -c 'sleep 0.1; exit 9'");
    until_is("exited 9", || s.field("box", "State.Status") + " " + &s.field("box", "State.ExitCode"));
    s.remove("box");
}

fn remove_what_runs(s: &Stage) {
    let id = s.idle("box", "");
    let pid = s.field("box", "State.Pid");
    let has_cgroups = || !cgroups(&id).is_empty();
    assert!(has_cgroups());
    s.ok("engine rm -f box");
    until("its cgroups are gone", || !has_cgroups());
    assert!(!std::fs::exists(format!("/proc/{pid}")).unwrap());
    assert_eq!(s.ok("engine ps -aq"), "");
}

fn copy(s: &Stage) {
    s.idle("box", "");
    s.write("file", "copied\n");
    s.ok("engine cp file box:/tmp/there");
    assert_eq!(s.ok("engine exec box cat /tmp/there"), "copied");
    s.ok("engine cp box:/etc/passwd back && grep -q user1 back");
    s.remove("box");
}
