//! Archives of other programs, and ours in their hands.

use crate::archive::Tar;
use crate::host::Host;
use crate::process::until;
use rustix::fs::{XattrFlags, getxattr, setxattr};
use std::fs;
use std::io::Write;
use std::os::unix::fs::{FileTypeExt, MetadataExt};

/// Where the only layer of an image lies.
fn layer(h: &Host, image: &str) -> String {
    let id = h.ok(&["images", "--no-trunc", "-q", image]);
    let config = fs::read_to_string(h.store.join("images").join(id.trim_start_matches("sha256:"))).unwrap();
    let layer = config.split("sha256:").nth(1).unwrap().split('"').next().unwrap();
    h.store.join("layers").join(layer).join("diff").to_str().unwrap().to_owned()
}

#[test]
fn holes_as_gnu_tar_writes_them() {
    let h = Host::empty();
    // More regions than an old header holds, one at the start, and a hole at the end.
    h.sh("mkdir d; for n in 0 3 9 27 81 243 400 500 600; do printf x$n | dd of=d/f bs=4k seek=$n conv=notrunc status=none; done");
    h.sh("truncate -s 3M d/f; truncate -s 2M d/hole; printf end | dd of=d/end bs=1M seek=2 status=none");
    let wanted = h.sh("cd d && sha256sum *");
    for how in ["gnu", "posix --sparse-version=0.0", "posix --sparse-version=0.1", "posix --sparse-version=1.0"] {
        h.sh(&format!("tar -C d -S --format={how} -cf holes.tar f hole end"));
        assert!(fs::metadata(h.path("holes.tar")).unwrap().len() < 200_000, "{how}");
        h.ok("import holes.tar holes");
        let layer = layer(&h, "holes");
        assert_eq!(h.sh(&format!("cd {layer} && sha256sum *")), wanted, "{how}");
        for name in ["f", "hole", "end"] {
            let there = fs::metadata(format!("{layer}/{name}")).unwrap();
            assert!(there.blocks() * 512 < there.len() / 4, "{how}: {name} has {} blocks", there.blocks());
        }
    }
}

#[test]
fn gnu_tar_reads_what_we_write() {
    let h = Host::new();
    let (long, name) = ("n".repeat(150), "x".repeat(99));
    let make = format!(
        "mkdir -p /t/{long}/{long}; cd /t; echo a >'{name}'; ln '{name}' hard; ln -s {long} soft; mkfifo pipe; \
         truncate -s 3M hole; echo end >>hole; chmod 4711 hard; chown 5:4000000 soft hole; chmod 1777 {long}; \
         touch -d '1969-12-31 23:59:58' old; echo b >'a b\u{e9}\\'; mknod null c 1 3"
    );
    h.ok(&["run", "--name", "box", "--cap-add", "MKNOD", "busybox", "sh", "-c", &make]);
    h.ok("commit -o flat.tar box new");
    h.sh("mkdir out && tar --warning=no-timestamp --numeric-owner --xattrs -C out -xpf flat.tar 2>errors");
    assert_eq!(fs::read_to_string(h.path("errors")).unwrap(), "");
    let look = "find . -printf '%p %y %m %U %G %s %n %T@ %l\\n' | sed 's/^\\([^ ]*\\) d \\(.*\\) [0-9]* \\([0-9]* [^ ]*\\)/\\1 d \\2 \\3/' | sort";
    h.ok("import flat.tar again");
    let ours = h.sh(&format!("cd {}/t && {look}", layer(&h, "again")));
    assert_eq!(h.sh(&format!("cd out/t && {look}")), ours);
    assert!(ours.lines().count() > 10 && ours.contains("-2.0"), "{ours}");
    assert_eq!(h.sh("sha256sum <out/t/hole"), h.sh(&format!("sha256sum <{}/t/hole", layer(&h, "again"))));
}

#[test]
fn whiteouts_become_the_overlays() {
    let h = Host::empty();
    let tar = Tar::default()
        .dir("a")
        .file("a/.wh.gone", b"")
        .file("a/.wh..wh..opq", b"")
        .file("a/keep", b"")
        .file(".wh.d", b"")
        .dir("d")
        .dir("e")
        .file(".wh.e", b"")
        .file(".wh..wh.aufs", b"")
        .file(".wh.f", b"")
        .file("g/.wh..wh..opq", b"");
    h.write("w.tar", tar.finished());
    h.ok("import w.tar w");
    let layer = layer(&h, "w");
    for gone in ["a/gone", "f"] {
        let there = fs::symlink_metadata(format!("{layer}/{gone}")).unwrap();
        assert!(there.file_type().is_char_device() && there.rdev() == 0, "{gone}");
    }
    for dir in ["a", "d", "e", "g"] {
        let mut mark = [0; 4];
        let read = getxattr(format!("{layer}/{dir}"), "trusted.overlay.opaque", &mut mark);
        assert_eq!((read, mark[0]), (Ok(1), b'y'), "{dir}");
    }
    assert_eq!(fs::read_dir(&layer).unwrap().count(), 5);
}

#[test]
fn a_default_acl_is_not_for_what_is_unpacked() {
    let h = Host::empty();
    // user::rwx user:7:rwx group::r-x mask::rwx other::r-x; acl(5), linux/posix_acl_xattr.h
    let entry =
        |tag: u16, perm: u16, id: u32| [&tag.to_le_bytes()[..], &perm.to_le_bytes(), &id.to_le_bytes()].concat();
    let all = [(1, 7, u32::MAX), (2, 7, 7), (4, 5, u32::MAX), (16, 7, u32::MAX), (32, 5, u32::MAX)];
    let acl = [2u32.to_le_bytes().to_vec(), all.map(|(tag, perm, id)| entry(tag, perm, id)).concat()].concat();
    let key = "system.posix_acl_default";
    let probe = h.path("");
    if setxattr(&probe, key, &acl, XattrFlags::empty()).is_err() {
        return; // this file system has no ACLs
    }
    rustix::fs::removexattr(&probe, key).unwrap();
    let tar = Tar::default().pax(&format!("SCHILY.xattr.{key}"), &acl).dir("d").file("d/f", b"").dir("d/e");
    h.write("acl.tar", tar.finished());
    h.ok("import acl.tar acl");
    let layer = layer(&h, "acl");
    let mut buf = [0; 100];
    assert_eq!(getxattr(format!("{layer}/d"), key, &mut buf), Ok(acl.len()));
    for (name, key) in [("d/f", "system.posix_acl_access"), ("d/e", key)] {
        assert!(getxattr(format!("{layer}/{name}"), key, &mut buf).is_err(), "{name}");
    }
}

#[test]
fn who_unpacks_is_shut_in() {
    let h = Host::empty();
    h.sh("mkfifo slow.tar");
    let import = h.spawn("import slow.tar slow");
    let mut pipe = fs::OpenOptions::new().write(true).open(h.path("slow.tar")).unwrap();
    let tar = Tar::default().dir("d").file("d/f", &[b'x'; 5000]).finished();
    pipe.write_all(&tar[..2048]).unwrap();
    let (pid, mut child) = (import.pid(), String::new());
    until("the child has made a directory", || {
        child = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap().trim().to_owned();
        !child.is_empty() && fs::exists(format!("/proc/{child}/root/d/f")).unwrap_or(false)
    });
    let root = fs::read_link(format!("/proc/{child}/root")).unwrap();
    assert!(root.ends_with("diff") && root.starts_with(h.store.join("tmp")), "{root:?}");
    let status = fs::read_to_string(format!("/proc/{child}/status")).unwrap();
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().to_owned();
    // CHOWN 0, DAC_OVERRIDE 1, FOWNER 3, FSETID 4, MKNOD 27, SETFCAP 31
    let powers = u64::from_str_radix(&field("CapPrm:"), 16).unwrap();
    assert_eq!(powers & !0x8800_001b, 0, "{powers:x}");
    assert_eq!(
        (field("CapEff:"), field("CapInh:"), field("NoNewPrivs:")),
        (field("CapPrm:"), "0".repeat(16), "1".into())
    );
    // Its input, its two reports, and what it writes to: the root, its directory, and the file.
    for fd in fs::read_dir(format!("/proc/{child}/fd")).unwrap() {
        let to = fs::read_link(fd.unwrap().path()).unwrap();
        let to = to.to_str().unwrap();
        let inside =
            to.starts_with('/') && (to == "/" || to.starts_with(root.to_str().unwrap()) || !to.contains("store"));
        assert!(inside || to.starts_with("pipe:") || to.starts_with("socket:"), "{to}");
    }
    assert_ne!(fs::read_link(format!("/proc/{child}/ns/net")).unwrap(), fs::read_link("/proc/self/ns/net").unwrap());
    pipe.write_all(&tar[2048..]).unwrap();
    drop(pipe);
    assert_eq!(import.wait().code, 0);
    assert_eq!(fs::read(format!("{}/d/f", layer(&h, "slow"))).unwrap(), [b'x'; 5000]);
}

#[test]
fn who_unpacks_may_be_killed() {
    let h = Host::empty();
    h.ok("images");
    let before = h.snapshot();
    h.sh("mkfifo slow.tar");
    let import = h.spawn("import slow.tar slow");
    let mut pipe = fs::OpenOptions::new().write(true).open(h.path("slow.tar")).unwrap();
    let tar = Tar::default().file("f", &[b'x'; 5000]).finished();
    pipe.write_all(&tar[..1024]).unwrap();
    let (pid, mut child) = (import.pid(), String::new());
    until("there is a child", || {
        child = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap().trim().to_owned();
        !child.is_empty()
    });
    let victim = rustix::process::Pid::from_raw(child.parse().unwrap()).unwrap();
    rustix::process::kill_process(victim, rustix::process::Signal::KILL).unwrap();
    // Nobody takes it any more.
    let _ = pipe.write_all(&tar[1024..]);
    drop(pipe);
    import.wait().fails(1, "was killed");
    h.sh("rm slow.tar");
    h.unchanged(&before);
}
