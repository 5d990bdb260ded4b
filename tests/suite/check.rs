//! `check`: a line for each need, true of what `run` does here, and nothing of it stays.

use crate::host::{Host, binary};
use crate::process::{Cmd, Output};
use std::fs;

/// The needs in their order. Those that a host may tell nothing about are in brackets.
const NAMES: &str = "kernel proc root namespaces capabilities store (disk) run overlay deletions mounts seccomp remount userns \
                     cgroup (limits) (devices) bridge veth nf_tables networks (modules) clock memory";

/// The line about one need; empty when there is none.
fn line<'a>(output: &'a Output, name: &str) -> &'a str {
    output.out.lines().find(|line| line.split_whitespace().nth(1) == Some(name)).unwrap_or_default()
}

/// Every path below the host's directory.
fn files(h: &Host) -> String {
    h.sh("find . | sort")
}

#[test]
fn this_host_has_all_that_is_needed() {
    let h = Host::new();
    let (before, net, paths, mounts) = (h.snapshot(), h.net.state(), files(&h), h.sh("cat /proc/self/mountinfo"));
    let output = h.run("check").exits(0);
    let mut lines = output.out.lines();
    let mut next = lines.next();
    for name in NAMES.split_whitespace() {
        let word = name.trim_matches(['(', ')']);
        let words: Vec<&str> = next.unwrap_or_default().splitn(3, ' ').collect();
        if next.is_some_and(|line| line.get(6..).is_some_and(|rest| rest.starts_with(&format!("{word} ")))) {
            assert!(["ok", "warn"].contains(&words[0]), "{next:?}");
            next = lines.next();
        } else {
            assert!(name.starts_with('('), "no line about {word}: {}", output.out);
        }
    }
    assert_eq!((next, output.err.as_str()), (None, ""));
    h.unchanged(&before);
    h.net.unchanged(&net);
    assert_eq!((files(&h), h.sh("cat /proc/self/mountinfo")), (paths, mounts));
}

#[test]
fn scripts_choose_the_format() {
    let h = Host::empty();
    let names = h.run("check --format '{{.Status}} {{.Name}}'");
    assert_eq!(names.code, 0, "{names:?}, and again: {:?}", h.run("check"));
    let names = names.out;
    assert!(names.starts_with("ok kernel\nok proc\nok root\nok namespaces\n"), "{names}");
    assert!(h.ok("check --format json").starts_with("{\"Name\":\"kernel\",\"Status\":\"ok\",\"Text\":\"Linux "));
    h.run("check web").fails(1, "accepts no arguments");
}

/// A store that is not there yet is not there afterwards.
#[test]
fn no_store_is_made() {
    let h = Host::empty();
    let before = files(&h);
    assert!(line(&h.run("check").exits(0), "store").contains(h.store.to_str().unwrap()));
    fs::create_dir(&h.store).unwrap();
    h.run("check").exits(0);
    fs::remove_dir(&h.store).unwrap();
    assert_eq!(files(&h), before);
}

/// What is in the way, done in a mount namespace before it; what is put before the program; the need, and its line.
const OBSTACLES: [(&str, &str, &str, &str); 11] = [
    (
        "",
        "setpriv --bounding-set=-sys_admin",
        "root",
        "no    root          missing capabilities: SYS_ADMIN; without it: ",
    ),
    ("", "setpriv --bounding-set=-setpcap", "root", "no    root          missing capabilities: SETPCAP; without it: "),
    ("", "setpriv --bounding-set=-net_raw,-kill", "capabilities", "warn  capabilities  missing: KILL NET_RAW"),
    ("umount -l /proc", "", "proc", "no    proc          /proc is not mounted: mount "),
    (
        "mount -t tmpfs none store; keep",
        "",
        "disk",
        "warn  disk          the store is on tmpfs: it is memory, and gone ",
    ),
    (
        "mount -t tmpfs -o ro none store",
        "",
        "store",
        "no    store         cannot use DIR/store: make a directory in DIR/store: read-only",
    ),
    (
        "mount -t tmpfs -o ro none run",
        "",
        "run",
        "no    run           cannot use DIR/run: make a directory in DIR/run: read-only",
    ),
    (
        "mount -t tmpfs none run; mkdir run/l run/u run/w; mount -t overlay -o lowerdir=run/l,upperdir=run/u,workdir=run/w none store; keep",
        "",
        "overlay",
        "no    overlay       mount the layers under upper/ with work/ of the container's directory: overlay: filesystem on ",
    ),
    ("mount -o bind,ro /proc/sys /proc/sys", "", "networks", "no    networks      "),
    ("mount -t tmpfs none /sys/fs/cgroup", "", "cgroup", ""),
    ("umount -R /sys/fs/cgroup", "", "cgroup", ""),
];

/// What is missing has its line, and the exit code is right about what a plain `run` does.
#[test]
fn it_is_right_about_run() {
    let h = Host::new();
    fs::create_dir_all(&h.run_dir).unwrap();
    fs::create_dir_all(h.dir.join("below")).unwrap();
    let (before, net) = (h.snapshot(), h.net.state());
    for (obstacle, way, name, want) in OBSTACLES {
        // What covers the store gets the image as well.
        let keep = "cp -a /proc/$$/cwd/below/. store/";
        let obstacle = obstacle.replace("keep", keep);
        let run = |words: &str| {
            let script = format!("mount -o bind store below\n{obstacle}\ncd .\n{way} {} {words}", binary());
            Cmd::new(&h, "unshare", &["-m", "sh", "-uc", &script]).run()
        };
        h.unchanged(&before); // the last container is gone
        let paths = files(&h);
        let checked = run("check");
        assert!(files(&h) == paths, "{obstacle} {way}: {}", files(&h));
        let want = want.replace("DIR", h.dir.to_str().unwrap());
        assert!(line(&checked, name).starts_with(&want), "{obstacle} {way}: {}", checked.out);
        let started = run("run --rm busybox true");
        assert_eq!(checked.code == 0, started.code == 0, "{obstacle} {way}: {}{started:?}", checked.out);
        let has_no = checked.out.lines().any(|line| line.starts_with("no "));
        assert_eq!((checked.code == 1, checked.err.is_empty()), (has_no, !has_no), "{checked:?}");
        let skipped = checked.out.contains("\nwarn  others        not tried, as something above is missing: ");
        assert_eq!(skipped, ["root", "proc", "store"].contains(&name) && has_no, "{}", checked.out);
    }
    h.unchanged(&before);
    h.net.unchanged(&net);
}
