//! `-v`.

use crate::host::Host;
use std::fs;

#[test]
fn a_host_directory() {
    let h = Host::new();
    h.write("src/f", "hi\n");
    let src = h.path("src");
    assert_eq!(h.ok(&format!("run --rm -v {src}:/m busybox sh -c 'cat /m/f; echo new >/m/g'")), "hi");
    assert_eq!(fs::read_to_string(h.dir.join("src/g")).unwrap(), "new\n");
}

#[test]
fn a_host_file() {
    let h = Host::new();
    let file = h.write("file", "hi\n");
    assert_eq!(
        h.ok(&format!("run --rm -v {file}:/etc/motd busybox sh -c 'cat /etc/motd; echo more >>/etc/motd'")),
        "hi"
    );
    assert_eq!(fs::read_to_string(file).unwrap(), "hi\nmore\n");
}

#[test]
fn several_of_them_one_below_the_other() {
    let h = Host::new();
    let (a, b) = (h.write("a/x", "1\n"), h.write("b/y", "2\n"));
    let (a, b) = (a.strip_suffix("/x").unwrap(), b.strip_suffix("/y").unwrap());
    let line = format!("run --rm -v {b}:/m/deep/er -v {a}:/m -v {a}:/n busybox cat /m/x /m/deep/er/y /n/x");
    assert_eq!(h.ok(&line), "1\n2\n1");
}

#[test]
fn read_only() {
    let h = Host::new();
    let file = h.write("src/f", "hi\n");
    let output = h.run(&format!("run --rm -v {}:/m:ro busybox touch /m/x", h.path("src"))).exits(1);
    assert_eq!(output.err, "touch: /m/x: Read-only file system\n");
    h.run(&format!("run --rm -v {file}:/f:ro busybox sh -c 'echo x >/f'")).exits(1);
    assert_eq!(fs::read_to_string(file).unwrap(), "hi\n");
}

#[test]
fn read_only_holds_for_what_is_mounted_below() {
    let h = Host::new();
    h.sh("mkdir -p src/sub");
    let run = format!(
        "mount -t tmpfs none {0}/sub && MYDOCKER_ROOT={1} MYDOCKER_RUN={2} {3} run --rm -v {0}:/m:ro busybox touch /m/sub/x",
        h.path("src"),
        h.store.display(),
        h.run_dir.display(),
        crate::host::binary()
    );
    let mut command = std::process::Command::new("unshare");
    h.net.hold(command.args(["-m", "sh", "-c", &run]));
    let done = command.output().unwrap();
    assert!(String::from_utf8_lossy(&done.stderr).contains("Read-only file system"), "{done:?}");
}

#[test]
fn a_relative_path_is_the_callers() {
    let h = Host::new();
    h.write("work/data/f", "here\n");
    let work = h.path("work");
    for path in ["./data", "../work/data", "."] {
        let line = format!("run --rm -v {path}:/m busybox sh -c 'cat /m/f /m/data/f 2>/dev/null'");
        assert_eq!(h.cmd(&line).cwd(&work).run().out, "here\n", "{path}");
    }
}

#[test]
fn a_missing_host_directory_is_made() {
    let h = Host::new();
    h.ok(&format!("run --rm -v {}:/m busybox touch /m/x", h.path("not/there")));
    assert!(h.dir.join("not/there/x").exists());
}

#[test]
fn a_named_volume_stays() {
    let h = Host::new();
    h.ok("run --rm -v data:/m busybox sh -c 'echo kept >/m/f'");
    assert_eq!(h.ok("run --rm -v data:/m:ro busybox cat /m/f"), "kept");
    h.ok("run --name box -v data:/m busybox true");
    h.ok("rm -v box");
    assert_eq!(h.ok("run --rm -v data:/m busybox cat /m/f"), "kept");
}

#[test]
fn a_new_named_volume_begins_with_what_the_image_has_there() {
    let h = Host::new();
    assert_eq!(h.ok("run --rm -v conf:/etc busybox sh -c 'wc -l </etc/passwd; echo x >/etc/new'"), "4");
    assert!(h.ok("run --rm -v conf:/etc:ro busybox ls /etc").contains("new\npasswd"));
}

#[test]
fn anonymous_volumes_go_with_rm_v_only() {
    let h = Host::new();
    let count = || fs::read_dir(h.store.join("volumes")).unwrap().count();
    h.ok("run --name aa -v /m busybox touch /m/x");
    h.ok("run --name bb -v /m busybox touch /m/x");
    assert_eq!(count(), 2);
    h.ok("rm aa");
    assert_eq!(count(), 2);
    h.ok("rm -v bb");
    assert_eq!(count(), 1);
    h.ok("run --rm -v /m busybox touch /m/x");
    assert_eq!(count(), 1);
}

#[test]
fn data_of_the_host_is_never_touched() {
    let h = Host::new();
    h.write("src/deep/f", "precious");
    let src = h.path("src");
    h.idle(&format!("--name box -v {src}:/m -v {src}/deep:/m/again"));
    h.ok("exec -d box sh -c 'exec 3<>/m/deep/f; sleep 1000'");
    let mut busy = std::process::Command::new("sleep").arg("60").current_dir(&src).spawn().unwrap();
    h.ok("rm -f -v box");
    busy.kill().unwrap();
    busy.wait().unwrap();
    assert_eq!(fs::read_to_string(h.dir.join("src/deep/f")).unwrap(), "precious");
    assert!(!h.dir.join("src/again/f").exists());
}

#[test]
fn a_link_in_the_image_leads_nowhere_outside() {
    let h = Host::new();
    h.sh(&format!(
        "mkdir root outside && tar -C root -xf {} && ln -s ../../../outside root/m",
        crate::host::busybox_tar()
    ));
    h.sh("tar -C root -cf evil.tar .");
    h.write("src/f", "hi\n");
    h.run(&format!("run --rm -v {}:/m/x ./evil.tar cat /m/x/f", h.path("src")));
    assert_eq!(fs::read_dir(h.dir.join("outside")).unwrap().count(), 0);
}

#[test]
fn bad_ones_are_refused_before_anything_happens() {
    let h = Host::new();
    let before = h.snapshot();
    for (spec, why) in [
        ("/a:rel", "mount path must be absolute"),
        ("/a:/", "destination can't be '/'"),
        ("/a:/b:bogus", "invalid mode: bogus"),
        ("a/b:/m", "includes invalid characters"),
        ("/a:/b:ro:z", "/a:/b:ro:z"),
        (":/b", "empty section"),
        ("", "empty"),
        ("/a:/m\n/x", "control characters"),
        ("../x:/m:ro,rw", "invalid mode"),
    ] {
        h.run(&["run", "-d", "-v", spec, "busybox", "true"]).fails(125, why);
    }
    h.run("run -v /a:/m -v /b:/m busybox true").fails(125, "Duplicate mount point: /m");
    h.unchanged(&before);
    assert!(!std::path::Path::new("/a").exists());
}

#[test]
fn what_cannot_be_mounted_is_125_and_leaves_nothing() {
    let h = Host::new();
    let file = h.write("file", "hi\n");
    let before = h.snapshot();
    h.run(&format!("run -d -v {file}/below:/m busybox true")).fails(125, "file/below");
    h.run(&format!("run -d -v {file}:/etc busybox true")).fails(125, "/etc");
    h.unchanged(&before);
}

#[test]
fn a_volume_over_etc_leaves_our_files_in_it() {
    let h = Host::new();
    assert!(h.ok("run --rm -v conf:/etc busybox cat /etc/hosts").contains("localhost"));
    assert!(h.ok("run --rm -v conf:/etc:ro busybox cat /etc/hosts").contains("localhost"));
    let own = h.write("own", "mine\n");
    assert_eq!(h.ok(&["run", "--rm", "-v", &format!("{own}:/etc/hosts"), "busybox", "cat", "/etc/hosts"]), "mine");
    let output = h.run(&["run", "--rm", "-v", &format!("{own}:/etc"), "busybox", "true"]);
    assert!(output.code == 125 && output.err.contains("is a file"), "{output:?}");
}

#[test]
fn a_run_that_fails_leaves_no_new_volume() {
    let h = Host::new();
    let before = h.snapshot();
    h.run("run --rm -v fresh:/etc -v /anonymous -v ./made/here:/m busybox nosuch").exits(127);
    h.unchanged(&before);
    h.ok("run --rm -v kept:/etc busybox touch /etc/mine");
    h.run("run --rm -v kept:/etc busybox nosuch").exits(127);
    assert!(h.ok("run --rm -v kept:/etc busybox ls /etc").contains("mine"));
}
