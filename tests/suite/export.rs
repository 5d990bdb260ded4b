//! `export`: all that a container sees as one archive.

use crate::host::Host;
use std::fs;
use std::os::unix::fs::PermissionsExt;

/// A container that changed its files.
fn changed(h: &Host, flags: &str) {
    let change = "echo new >/new; rm /etc/group; mkdir /d; chown 1000:10 /d; echo v >/v/inside; echo ready; sleep 1000";
    h.ok(&format!("run -d --name box -v vol:/v {flags} busybox sh -c '{change}'"));
    crate::process::until("it changed its files", || h.ok("logs box") == "ready");
}

/// What is in an archive: the lines of `tar -tv` that matter.
fn seen(h: &Host, archive: &str) -> String {
    let names = "d/|new|v/|v/inside|etc/group|etc/passwd|proc/|dev/null|.dockerenv";
    h.sh(&format!("tar --numeric-owner -tvf {archive} | awk '{{print $1, $2, $6}}' | grep -E ' ({names})$'"))
}

const SEEN: &str = "-rwxr-xr-x 0/0 .dockerenv\ndrwxr-xr-x 1000/10 d/\n-rw-r--r-- 0/0 etc/passwd\n-rw-r--r-- 0/0 new\n\
                    drwxr-xr-x 0/0 proc/\ndrwxr-xr-x 0/0 v/";

#[test]
fn to_a_file_and_to_standard_output() {
    let h = Host::new();
    changed(&h, "");
    assert_eq!(h.ok("export -o box.tar box"), "");
    let mode = fs::metadata(h.path("box.tar")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(seen(&h, "box.tar"), SEEN);
    h.ok("stop -t 0 box");
    h.ok("container export --output=stopped.tar box");
    h.sh("cmp box.tar stopped.tar");
    h.ok("import box.tar flat");
    assert_eq!(h.ok("run --rm flat sh -c 'cat /new; ls /v'"), "new");
}

#[test]
fn the_stream_is_the_same_archive() {
    let h = Host::new();
    changed(&h, "");
    h.ok("export -o box.tar box");
    h.sh(&format!("{} export box | cmp - box.tar", by_hand(&h)));
    // A reader that goes away is not worth a word.
    h.sh(&format!("{{ {} export box 2>said || echo $? >code; }} | head -c 1 >/dev/null", by_hand(&h)));
    assert_eq!(h.sh("cat said code"), "141");
}

/// The command for a script of our own.
fn by_hand(h: &Host) -> String {
    format!("MYDOCKER_ROOT={} MYDOCKER_RUN={} {}", h.store.display(), h.run_dir.display(), crate::host::binary())
}

#[test]
fn ids_are_the_containers_own() {
    let h = Host::new();
    changed(&h, "--userns auto");
    h.ok("export -o box.tar box");
    assert!(seen(&h, "box.tar").contains("drwxr-xr-x 1000/10 d/\n"), "{}", seen(&h, "box.tar"));
    h.ok("stop -t 0 box");
    h.ok("export -o stopped.tar box");
    assert!(seen(&h, "stopped.tar").contains("drwxr-xr-x 1000/10 d/\n"), "{}", seen(&h, "stopped.tar"));
}

#[test]
fn what_cannot_be_is_refused_and_leaves_nothing() {
    let h = Host::new();
    h.ok("create --name box busybox true");
    let before = h.snapshot();
    h.run("export nosuch").fails(1, "No such container: nosuch");
    h.run("export").fails(1, "requires 1 argument");
    h.run("export -o nosuch/dir/x.tar box").fails(1, "nosuch/dir");
    h.run(&format!("export -o {} box", h.dir.display())).fails(1, "is not a regular file");
    h.run("export -o /dev/null box").fails(1, "is not a regular file");
    h.sh("mkfifo pipe");
    h.run("export -o pipe box").fails(1, "is not a regular file");
    h.run("export --bogus box").fails(125, "unknown flag: --bogus");
    let on_terminal = h.terminal("export box").wait();
    assert!(on_terminal.code == 1 && on_terminal.out.contains("cowardly refusing"), "{on_terminal:?}");
    h.unchanged(&before);
    assert!(fs::metadata("/dev/null").unwrap().permissions().mode() & 0o170000 == 0o020000);
}

#[test]
fn a_file_is_replaced_only_by_a_whole_one() {
    let h = Host::new();
    h.ok("create --name box busybox true");
    h.write("box.tar", "old");
    h.sh("ln -s box.tar link.tar");
    h.ok("export -o link.tar box");
    assert!(h.sh("readlink link.tar; tar -tf box.tar | grep -c bin/sh").starts_with("box.tar\n"));
    h.write("box.tar", "old");
    // No room: the old one stays, and nothing beside it.
    let line = format!("ulimit -f 100; trap '' XFSZ; {} export -o box.tar box 2>&1 || cat box.tar", by_hand(&h));
    let said = h.sh(&line);
    assert!(said.contains("file too large") && said.ends_with("\nold"), "{said}");
    assert_eq!(h.sh("ls -A | grep -c box.tar"), "1");
}

#[test]
fn it_is_an_event() {
    let h = Host::new();
    h.ok("create --name box busybox true");
    h.ok("export -o box.tar box");
    let events = h.ok("events --since 1h --until 0s --format '{{.Action}} {{.Actor.Attributes.name}}' -f event=export");
    assert_eq!(events, "export box");
}
