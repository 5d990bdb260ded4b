//! `run` in the foreground and the shape of its answers.

use crate::host::Host;
use std::fs;
use std::os::unix::fs::PermissionsExt;

#[test]
fn the_exit_code_is_the_commands() {
    let h = Host::new();
    h.run("run --rm busybox true").exits(0);
    h.run("run --rm busybox false").exits(1);
    h.run("run --rm busybox sh -c 'exit 42'").exits(42);
    h.run("run --rm busybox sh -c 'exit 255'").exits(255);
}

#[test]
fn a_command_ended_by_a_signal_is_128_and_its_number() {
    let h = Host::new();
    // In a pid namespace process 1 is immune to its own signals, as in docker; its children are not.
    h.run(&["run", "--rm", "busybox", "sh", "-c", "sh -c 'kill -9 $$'; exit $?"]).exits(137);
    h.run("run --rm busybox sh -c 'kill -9 $$; echo still here'").exits(0);
}

#[test]
fn a_command_that_is_not_there_is_127() {
    let h = Host::new();
    let before = h.snapshot();
    h.run("run --rm busybox nosuchcmd").fails(127, "exec: \"nosuchcmd\": executable file not found in $PATH");
    h.run("run busybox nosuchcmd").fails(127, "nosuchcmd");
    h.run("run -d --name gone busybox nosuchcmd").fails(127, "nosuchcmd");
    h.run("run busybox /no/such/cmd").fails(127, "/no/such/cmd");
    h.unchanged(&before);
}

#[test]
fn a_command_that_cannot_be_executed_is_126() {
    let h = Host::new();
    let before = h.snapshot();
    h.run("run busybox /etc/passwd").fails(126, "exec: \"/etc/passwd\": permission denied");
    h.run("run -d busybox /etc").fails(126, "\"/etc\"");
    h.unchanged(&before);
}

#[test]
fn words_in_one_get_a_hint() {
    let h = Host::new();
    h.run(&["run", "busybox", "top -b"]).fails(127, "sh -c");
}

#[test]
fn an_image_that_is_not_there_is_125() {
    let h = Host::new();
    let before = h.snapshot();
    h.run("run nosuchimage:1 true").fails(125, "nosuchimage:1");
    h.run("run ./nosuch.tar true").fails(125, "./nosuch.tar");
    h.run("run -d no/such true").fails(125, "no/such");
    h.unchanged(&before);
}

#[test]
fn an_unknown_flag_is_125_and_the_nearest_known_one_is_named() {
    let h = Host::new();
    h.run("run --nosuchflag busybox true").fails(125, "unknown flag: --nosuchflag");
    h.run("run --detahc busybox true").fails(125, "--detach");
    h.run("ps --al").fails(125, "--all");
    h.run("run -Q busybox true").fails(125, "-Q");
}

#[test]
fn missing_arguments_and_unknown_verbs_are_1() {
    let h = Host::empty();
    h.run("nosuchverb").fails(1, "unknown command: mydocker nosuchverb");
    h.run("comit x").fails(1, "commit");
    for verb in ["run", "create", "exec", "stop", "rm", "wait", "kill", "start", "logs", "commit", "import", "rmi"] {
        h.run(verb).fails(1, "requires ");
    }
}

#[test]
fn stdout_and_stderr_stay_apart() {
    let h = Host::new();
    let output = h.run("run --rm busybox sh -c 'echo o; echo e >&2'").exits(0);
    assert_eq!((output.out.as_str(), output.err.as_str()), ("o\n", "e\n"));
}

#[test]
fn without_i_there_is_nothing_to_read() {
    let h = Host::new();
    assert_eq!(h.cmd("run --rm busybox cat").input("typed").run().ok(), "");
    assert_eq!(h.cmd("run --rm -i busybox cat").input("typed").run().ok(), "typed");
}

#[test]
fn a_large_input_comes_out_unchanged() {
    let h = Host::new();
    let bytes: Vec<u8> = (0..5_000_000_u32).map(|n| (n * 7 % 251) as u8).collect();
    let output = h.cmd("run --rm -i busybox cat").input(bytes.clone()).run().exits(0);
    assert!(output.bytes == bytes, "{} bytes of {}", output.bytes.len(), bytes.len());
}

#[test]
fn detached_it_prints_only_the_id() {
    let h = Host::new();
    let output = h.run("run -d busybox true").exits(0);
    let id = output.out.strip_suffix('\n').unwrap();
    assert!(id.len() == 64 && id.bytes().all(|b| b.is_ascii_hexdigit()) && output.err.is_empty(), "{output:?}");
}

#[test]
fn detached_it_keeps_no_descriptor_of_the_caller() {
    let h = Host::new();
    // Cmd waits for the end of both pipes: a monitor that held one would keep $(mydocker run -d …) waiting.
    h.ok("run -d --name box busybox sleep 1000");
    assert_eq!(h.field("box", "State"), "running");
}

#[test]
fn rm_removes_it_at_the_end() {
    let h = Host::new();
    let before = h.snapshot();
    h.run("run --rm --name box busybox sh -c 'exit 3'").exits(3);
    assert_eq!(h.ok("ps -aq"), "");
    h.unchanged(&before);
}

#[test]
fn rm_works_detached() {
    let h = Host::new();
    let before = h.snapshot();
    h.ok("run -d --rm busybox true");
    crate::process::until("it is gone", || h.ok("ps -aq").is_empty());
    h.unchanged(&before);
}

#[test]
fn without_rm_it_stays_with_its_exit_code() {
    let h = Host::new();
    h.run("run --name box busybox sh -c 'exit 3'").exits(3);
    assert!(h.field("box", "Status").starts_with("Exited (3) "));
}

#[test]
fn a_reader_that_goes_away_ends_it_quietly() {
    let h = Host::new();
    let bin = crate::host::binary();
    let run = format!(
        "export MYDOCKER_ROOT={} MYDOCKER_RUN={}; {{ {bin} run --rm busybox yes; }} 2>err | head -n 1; cat err",
        h.store.display(),
        h.run_dir.display()
    );
    assert_eq!(h.sh(&run), "y");
}

#[test]
fn ps_into_a_closed_pipe_is_quiet() {
    let h = Host::new();
    let (bin, store) = (crate::host::binary(), h.store.display().to_string());
    assert_eq!(h.sh(&format!("{{ sleep 0.1; {bin} --root {store} images; }} 2>err | true; cat err")), "");
}

#[test]
fn an_answer_that_cannot_be_written_is_an_error() {
    let h = Host::new();
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    h.cmd("images").spawn_into(full.try_clone().unwrap()).wait().fails(1, "write our output");
    h.cmd("run --rm busybox echo hi").spawn_into(full).wait().fails(125, "write our output");
}

#[test]
fn flags_stop_at_the_image() {
    let h = Host::new();
    assert_eq!(h.ok("run --rm busybox echo -d --rm -x"), "-d --rm -x");
    assert_eq!(h.ok("run --rm -- busybox echo a"), "a");
}

#[test]
fn flags_come_in_every_spelling() {
    let h = Host::new();
    assert_eq!(h.ok("run --rm=true -eA=1 -e B=2 --env=C=3 --env D=4 busybox sh -c 'echo $A$B$C$D'"), "1234");
    h.ok("run -dit --name=all --rm=false busybox cat");
    assert_eq!(h.field("all", "State"), "running");
}

#[test]
fn cidfile_gets_the_id_and_must_be_new() {
    let h = Host::new();
    let id = h.ok("run -d --cidfile id busybox true");
    assert_eq!(std::fs::read_to_string(h.dir.join("id")).unwrap(), id);
    h.run("run --cidfile id busybox true").fails(125, "id");
    h.run("run --cidfile other busybox nosuch").fails(127, "nosuch");
    assert!(!h.dir.join("other").exists());
}

#[test]
fn a_directory_can_be_the_root() {
    let h = Host::new();
    h.sh(&format!("mkdir root && tar -C root -xf {}", crate::host::busybox_tar()));
    assert_eq!(h.ok("run --rm --rootfs root sh -c 'echo made >/x; cat /x'"), "made");
    assert!(h.dir.join("root/bin/busybox").exists());
    h.run("run --rootfs nosuch sh").fails(125, "nosuch");
}

#[test]
fn the_store_can_be_named_on_the_command_line() {
    let h = Host::new();
    let root = h.store.to_str().unwrap();
    assert_eq!(h.ok(&["--root", root, "images", "--format", "{{.Repository}}"]), "busybox");
    assert_eq!(h.ok(&["--root", &h.path("other"), "images", "-q"]), "");
    h.run(&["--rot", "x", "ps"]).fails(125, "--root");
    // What is missing on the way to a place is made, for its owner alone.
    h.ok(&["--root", &h.path("far/away//from/"), "images"]);
    h.ok(&["--run-root", &h.path("near/by/"), "run", "--rm", "busybox", "true"]);
    for made in ["far", "far/away/from/layers", "near", "near/by"] {
        assert_eq!(fs::metadata(h.path(made)).unwrap().permissions().mode() & 0o7777, 0o700, "{made}");
    }
}
