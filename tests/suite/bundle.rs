//! `bundle`: one file that carries its images, and one that is a program.

use crate::host::{Host, artifact, binary, busybox_tar, copy_program, crash_binary, wanted};
use crate::process::{Cmd, Output};
use std::fs::{self, File};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::process::Command;

const TRAILER_BYTES: usize = 96;
const FLAGS_AT: usize = 48;

/// Writes a bundle on a host that has busybox, and returns its path.
#[track_caller]
fn bundled(h: &Host, name: &str, more: &str) -> String {
    let path = h.path(name);
    assert_eq!(h.ok(&format!("bundle busybox -o {path} {more}")), "");
    path
}

/// The place and length of the only layer, and where the index begins.
fn places(h: &Host, path: &str) -> (usize, usize, usize) {
    let told = h.ok(&["bundle", "--inspect", path]);
    let number = |key: &str| -> usize {
        let line = told.lines().find(|line| line.contains(key)).unwrap();
        line.split(": ").nth(1).unwrap().trim_end_matches(',').parse().unwrap()
    };
    let (offset, length) = (number("\"offset\""), number("\"length\""));
    assert_eq!(offset, number("program_length"));
    (offset, length, offset + length)
}

/// Does something with one bit of a file turned.
fn turned(path: &str, at: usize, bit: u32, act: impl FnOnce()) {
    let turn = || {
        let file = File::options().read(true).write(true).open(path).unwrap();
        let mut byte = [0];
        file.read_exact_at(&mut byte, at as u64).unwrap();
        file.write_all_at(&[byte[0] ^ 1 << bit], at as u64).unwrap();
    };
    turn();
    act();
    turn();
}

#[track_caller]
fn is_damaged(output: Output) {
    let text = format!("{output:?}");
    assert!(output.err.contains("is damaged") || output.err.contains("image busybox:latest of"), "{text}");
    output.fails(125, "get it anew");
}

#[test]
fn it_knows_its_images_on_a_host_without_any() {
    let h = Host::new();
    let path = bundled(&h, "bb", "");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o755);
    let there = Host::with(&path);
    let line = "images --format '{{.Repository}}:{{.Tag}} {{.ID}} {{.Size}}'";
    let listed = there.ok(line);
    assert!(listed.starts_with("busybox:latest "), "{listed}");
    assert_eq!(there.ok("images --filter reference=other -q"), "");
    assert!(fs::read_dir(there.store.join("layers")).unwrap().next().is_none(), "listing unpacks nothing");
    assert_eq!(there.ok("run --rm busybox echo hi"), "hi");
    assert_eq!(there.ok(line), listed);
    let id = there.ok("image inspect -f {{.Id}} busybox");
    assert_eq!(id, h.ok("image inspect -f {{.Id}} busybox"));
    assert_eq!(there.ok(&["run", "--rm", &id[7..19], "echo", "by id"]), "by id");
    assert_eq!(there.run("run --rm ls /bin/busybox").exits(0).out, "/bin/busybox\n");
    assert_eq!(there.ok("version"), h.ok("version"));
    there.ok("rmi busybox");
    assert_eq!(there.ok(&["run", "--rm", &id, "echo", "again"]), "again");
    assert!(h.ok(&["bundle", "--inspect", &path]).contains(&id[7..]));
}

#[test]
fn a_layer_that_cannot_be_told_as_it_came_is_packed() {
    let h = Host::new();
    let before = h.ok("image inspect -f {{.Id}} busybox");
    let layer = fs::read_dir(h.store.join("layers")).unwrap().next().unwrap().unwrap().path();
    let skeleton = layer.join("skeleton");
    let mut bytes = fs::read(&skeleton).unwrap();
    // Half of it, and none of it.
    bytes.truncate(bytes.len() / 2);
    fs::write(&skeleton, bytes).unwrap();
    let half = fs::read(bundled(&h, "half", "")).unwrap();
    fs::remove_file(&skeleton).unwrap();
    let path = bundled(&h, "none", "");
    assert!(half == fs::read(&path).unwrap());
    let there = Host::with(&path);
    assert_eq!(there.ok("run --rm busybox echo hi"), "hi");
    assert_ne!(there.ok("image inspect -f {{.Id}} busybox"), before);
    h.ok(&["bundle", "--inspect", &path]);
}

#[test]
fn what_is_only_in_the_file_cannot_be_removed() {
    let h = Host::new();
    let there = Host::with(&bundled(&h, "bb", ""));
    there.run("rmi busybox").fails(1, "busybox is only in this program's own file");
    there.run("rmi nosuch").fails(1, "No such image: nosuch:latest");
    there.run("run --rm nosuch:1").fails(125, "Unable to find image 'nosuch:1' locally");
}

#[test]
fn an_entry_is_a_program() {
    let h = Host::new();
    let path = bundled(&h, "app", "--entry --rm -e A=1 busybox sh -c 'echo $A $# \"$@\"; exit 7' sh");
    let there = Host::with(&path);
    for (words, want) in [
        (&[][..], "1 0\n"),
        (&["x", "y z"], "1 2 x y z\n"),
        (&["--help"], "1 1 --help\n"),
        (&["-it", "--", "--root"], "1 3 -it -- --root\n"),
        (&["rm", "-f"], "1 2 rm -f\n"),
    ] {
        assert_eq!(there.run(words).exits(7).out, want);
    }
    assert_eq!(there.cmd("ps -aq").env("MYDOCKER_BUNDLE", "off").run().ok(), "");
    assert_eq!(there.cmd("images --format {{.Repository}}").env("MYDOCKER_BUNDLE", "off").run().ok(), "busybox");
    // Without a command, our words take the place of the image's.
    let there = Host::with(&bundled(&h, "words", "--entry --rm busybox"));
    assert_eq!(there.ok("echo hi"), "hi");
    there.run("nosuch").fails(127, "nosuch");
    there.run("/etc/passwd").fails(126, "/etc/passwd");
    let there = Host::with(&bundled(&h, "cat", "--entry --rm -i busybox cat"));
    assert_eq!(there.cmd(&[]).input("through").run().ok(), "through");
}

#[test]
fn an_entry_at_a_terminal() {
    let h = Host::new();
    let there = Host::with(&bundled(&h, "app", "--entry --rm -it busybox sh"));
    let mut t = there.terminal(&[]);
    t.expect("# ");
    t.send("tty; exit 3\n");
    t.expect("/dev/pts/0\r\n");
    t.wait().exits(3);
}

#[test]
fn an_entry_runs_its_own_image_whatever_has_its_name() {
    let h = Host::new();
    h.ok("run --name box busybox touch /mine");
    h.ok("commit box busybox");
    let there = Host::with(&bundled(&h, "app", "--entry --rm busybox ls /mine"));
    there.cmd(&["import", busybox_tar(), "busybox"]).env("MYDOCKER_BUNDLE", "off").run().ok();
    assert_eq!(there.ok(&[]), "/mine");
    let others = there.cmd("run --rm busybox ls /mine").env("MYDOCKER_BUNDLE", "off").run();
    others.exits(1);
    h.ok("rm box");
}

#[test]
fn the_same_image_gives_the_same_bytes() {
    let h = Host::new();
    let first = bundled(&h, "first", "");
    let bytes = fs::read(&first).unwrap();
    assert!(bytes == fs::read(bundled(&h, "second", "")).unwrap());
    // A file that has images of its own begins anew, with the program alone.
    let there = Host::with(&first);
    assert!(bytes == fs::read(bundled(&there, "third", "")).unwrap());
    assert!(bytes == fs::read(bundled(&there, "fourth", "--add")).unwrap());
    // It may take the place of the one that is running.
    let app = bundled(&there, "app", "--entry busybox true");
    let itself = Host::with(&app);
    itself.cmd(&["bundle", "busybox", "-o", &app]).env("MYDOCKER_BUNDLE", "off").run().ok();
    assert!(bytes == fs::read(&app).unwrap());
    // The program at the beginning is what it was, but for its mark.
    let program = fs::read(binary()).unwrap();
    assert!(bytes[FLAGS_AT + 4..program.len()] == program[FLAGS_AT + 4..]);
}

#[test]
fn several_images_share_their_layers() {
    let h = Host::new();
    h.ok("run --name box busybox touch /mine");
    h.ok("commit box mine:1");
    h.ok("rm box");
    let one = fs::metadata(bundled(&h, "one", "")).unwrap().len();
    let two = bundled(&h, "two", "mine:1");
    assert!(fs::metadata(&two).unwrap().len() < one + 10_000);
    let there = Host::with(&two);
    assert_eq!(there.ok("run --rm mine:1 ls /mine"), "/mine");
    assert_eq!(there.ok("images -q").lines().count(), 2);
    // What was committed on another host comes along with what was there.
    there.ok("run --name box mine:1 touch /yours");
    there.ok("commit box yours");
    there.ok("rm box");
    let path = there.path("three");
    there.ok(&["bundle", "yours", "--add", "-o", &path]);
    let last = Host::with(&path);
    assert_eq!(last.ok("run --rm yours ls /mine /yours"), "/mine\n/yours");
    assert_eq!(last.ok("images --format {{.Repository}}:{{.Tag}}").lines().count(), 3);
}

#[test]
fn a_file_that_was_cut_off_or_grew_is_refused() {
    let h = Host::new();
    let app = bundled(&h, "app", "--entry --rm busybox true");
    let (program, _, index) = places(&h, &app);
    let bytes = fs::read(&app).unwrap();
    let there = Host::with(&app);
    let before = there.snapshot();
    for length in [program, program + 1, index, index + 1, bytes.len() - TRAILER_BYTES, bytes.len() - 1] {
        File::options().write(true).open(&app).unwrap().set_len(length as u64).unwrap();
        is_damaged(there.run("ps"));
        h.run(&["bundle", "--inspect", &app]).fails(1, "its end is cut off");
        fs::write(&app, &bytes).unwrap();
    }
    for garbage in [&b"\0"[..], b"\n", &bytes[bytes.len() - TRAILER_BYTES..]] {
        fs::write(&app, [&bytes, garbage].concat()).unwrap();
        is_damaged(there.run("ps"));
    }
    fs::write(&app, &bytes).unwrap();
    there.unchanged(&before);
    there.ok(&[]);
}

#[test]
fn every_turned_bit_is_found() {
    let h = Host::new();
    let app = bundled(&h, "app", "--entry --rm busybox true");
    let (program, length, index) = places(&h, &app);
    let end = fs::metadata(&app).unwrap().len() as usize;
    let there = Host::with(&app);
    // The mark, the index, the trailer: found before anything is done.
    let all = (FLAGS_AT..FLAGS_AT + 4).chain((index..end - TRAILER_BYTES).step_by(97)).chain(end - TRAILER_BYTES..end);
    for at in all {
        turned(&app, at, (at % 8) as u32, || {
            is_damaged(there.run(&[]));
            assert_eq!(h.run(&["bundle", "--inspect", &app]).exits(1).out, "", "byte {at}");
        });
    }
    assert!(!there.store.exists());
    // A layer: found when it is unpacked, and none of it stays.
    for at in [program, program + 100, program + 600, program + length / 2, program + length - 1] {
        turned(&app, at, 3, || {
            there.run(&[]).fails(125, "cannot unpack the image busybox:latest of this program's own file");
            h.run(&["bundle", "--inspect", &app]).fails(1, "does not have this sha256");
            for dir in ["layers", "images", "refs", "tmp"] {
                assert!(fs::read_dir(there.store.join(dir)).unwrap().next().is_none(), "{dir}, byte {at}");
            }
        });
    }
    // The program: what is on the way is not known, but who looks sees it.
    turned(&app, program - 1, 0, || {
        h.run(&["bundle", "--inspect", &app]).fails(1, "the program in it does not have its sha256");
        let bundle = there.cmd("bundle busybox -o x").env("MYDOCKER_BUNDLE", "off").run();
        bundle.fails(1, "the program in it does not have its sha256");
    });
    there.ok(&[]);
}

#[test]
fn many_at_once_unpack_once() {
    let h = Host::new();
    let there = Host::with(&bundled(&h, "app", "--entry --rm busybox echo hi"));
    let all: Vec<_> = (0..8).map(|_| there.spawn(&[])).collect();
    for running in all {
        assert_eq!(running.wait().ok(), "hi");
    }
    assert_eq!(fs::read_dir(there.store.join("layers")).unwrap().count(), 1);
    assert_eq!(fs::read_dir(there.store.join("tmp")).unwrap().count(), 0);
}

#[test]
fn a_kill_at_any_step_is_made_good_by_the_next_command() {
    let Some(crash) = crash_binary() else { return };
    let h = Host::with(&crash);
    h.ok(&["import", busybox_tar(), "busybox"]);
    let path = h.path("bb");
    Cmd::new(&h, &crash, &["bundle", "busybox", "-o", &path]).env("MYDOCKER_DIE_AT", "bundle:written").run().exits(137);
    assert!(!fs::exists(&path).unwrap());
    let path = bundled(&h, "bb", "");
    for step in ["layer:unpacked", "layer:placed", "image:stored", "image:drafted", "bundle:unpacked"] {
        let there = Host::with(&path);
        there.cmd("run --rm busybox true").env("MYDOCKER_DIE_AT", step).run().exits(137);
        assert_eq!(there.ok("run --rm busybox echo hi"), "hi", "{step}");
        assert_eq!(there.ok("images --format {{.Repository}}"), "busybox", "{step}");
        there.ok(&["import", busybox_tar(), "other"]); // sweeps
    }
}

#[test]
fn what_cannot_be_bundled_is_said() {
    let h = Host::new();
    let out = h.path("out");
    for (line, code, why) in [
        ("bundle busybox", 125, "-o FILE"),
        ("bundle -o OUT", 1, "requires at least 1 argument"),
        ("bundle nosuch -o OUT", 1, "No such image: nosuch:latest"),
        ("bundle busybox -o OUT --entry", 125, "flag needs an argument: --entry"),
        ("bundle busybox -o OUT --entry --rm", 125, "--entry needs an image"),
        ("bundle busybox -o OUT --entry --nosuch busybox", 125, "unknown flag: --nosuch"),
        ("bundle busybox -o OUT --entry --image busybox ls", 125, "first word"),
        ("bundle busybox -o OUT --entry --rm nosuch", 1, "No such image: nosuch:latest"),
        ("bundle busybox --add -o OUT", 1, "nothing to add"),
        ("bundle busybox -o /dev/null", 1, "not a regular file"),
        ("bundle busybox -o /nosuch/x", 1, "no such file or directory"),
        ("bundle --inspect /etc/passwd", 1, "/etc/passwd is not a bundle"),
        ("bundle --inspect /dev/null", 1, "/dev/null is not a bundle"),
        ("bundle --inspect /nosuch", 1, "open /nosuch"),
    ] {
        h.run(&line.replace("OUT", &out)).fails(code, why);
        assert!(!fs::exists(&out).unwrap(), "{line}");
    }
    h.run(&["bundle", "--inspect", &binary()]).fails(1, "is not a bundle");
    h.ok("run --name box busybox touch /mine");
    h.ok("commit box mine");
    h.ok("rm box");
    h.run(&["bundle", "busybox", "-o", &out, "--entry", "mine"]).fails(125, "not one of the bundle's");
}

/// A root that nobody can write to, a /tmp where nothing can be executed, and no environment but where the store is.
#[test]
fn it_needs_nothing_but_a_place_for_its_store() {
    let h = Host::new();
    bundled(&h, "app", "--entry --rm busybox echo hi");
    fs::create_dir(h.dir.join("memory")).unwrap();
    let script = "mount -t tmpfs memory memory; mount -t tmpfs -o noexec none /tmp; mount -o remount,bind,ro /
        exec env -i MYDOCKER_ROOT=$PWD/memory/store MYDOCKER_RUN=$PWD/memory/run ./app";
    let mut command = Command::new("unshare");
    h.net.hold(command.args(["-m", "sh", "-ec", script]).current_dir(&h.dir));
    let done = command.output().unwrap();
    assert_eq!(
        (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr)),
        ("hi\n".into(), "".into())
    );
}

#[test]
fn the_released_file_alone_runs_busybox() {
    if wanted(std::env::var("MYDOCKER_BIN").ok(), "MYDOCKER_BIN: run the tests by ./build/test").is_none() {
        return;
    }
    let h = Host::empty();
    let file = h.dir.join("mydocker");
    copy_program(artifact("release/mydocker-with-busybox", "release"), &file);
    let run = |words: &[&str]| {
        let mut command = Command::new(&file);
        command.args(["--root", "store", "--run-root", "run"]).args(words).env_clear().current_dir(&h.dir);
        h.net.hold(&mut command);
        let done = command.output().unwrap();
        assert!(done.status.success() && done.stderr.is_empty(), "{done:?}");
        String::from_utf8(done.stdout).unwrap()
    };
    assert_eq!(run(&["images", "--format", "{{.Repository}}"]), "busybox\n");
    assert_eq!(run(&["run", "--rm", "busybox", "echo", "hi"]), "hi\n");
}
