//! Hostile archives: refused with one line, or confined to the layer's directory. Nothing else is ever touched.

use crate::archive::{Header, Tar};
use crate::host::Host;

/// A host with things around the store that no archive may reach, and the way to look at them.
struct Ground(Host);

impl Ground {
    fn new() -> Self {
        let h = Host::empty();
        h.write("canary/file", "precious\n");
        h.sh("mkfifo canary/pipe; ln -s file canary/link; chmod 640 canary/file");
        Self(h)
    }

    fn canary(&self) -> String {
        self.0.path("canary")
    }

    fn around(&self) -> String {
        let look = "find . -path ./store -prune -o -path ./run -prune -o -name '*.tar*' -prune -o -name . -o";
        self.0.sh(&format!("{look} -printf '%p %y %m %U %n %s %T@ %l\\n' | sort"))
    }

    /// The archive is refused with one line, and nothing has changed.
    #[track_caller]
    fn refused(&self, what: &str, bytes: &[u8], why: &str) {
        self.0.ok("images"); // makes the store
        let (before, around) = (self.0.snapshot(), self.around());
        let path = self.0.write("bad.tar", bytes);
        let output = self.0.run(&["import", &path, "bad"]);
        eprintln!("{what}: {output:?}");
        output.fails(1, why);
        self.0.unchanged(&before);
        assert_eq!(self.around(), around, "{what}");
    }

    /// The archive is unpacked, and nothing but the layer is new. Returns the layer's directory.
    #[track_caller]
    fn confined(&self, what: &str, tar: Tar) -> String {
        let around = self.around();
        let path = self.0.write("odd.tar", tar.finished());
        let output = self.0.run(&["import", &path, "odd"]);
        assert!(output.code == 0, "{what}: {output:?}");
        assert_eq!(self.around(), around, "{what}");
        // What was noted of it while it was made is what is there.
        assert!(self.0.ok("system check").starts_with("clean: "), "{what}");
        let image = self.0.ok("images --no-trunc -q odd");
        let config =
            std::fs::read_to_string(self.0.store.join("images").join(image.trim_start_matches("sha256:"))).unwrap();
        let layer = config.split("sha256:").nth(1).unwrap().split('"').next().unwrap();
        self.0.store.join("layers").join(layer).join("diff").to_str().unwrap().to_owned()
    }
}

#[test]
fn names_that_lead_out_are_refused() {
    let g = Ground::new();
    let canary = g.canary();
    for name in ["../evil", "a/../../evil", "..", "a/..", "/../evil", "./../evil", "canary/../../../evil"] {
        g.refused(name, &Tar::default().dir("a").file(name, b"evil").finished(), "\"..\"");
        g.refused(name, &Tar::default().dir("a").symlink(name, "x").finished(), "\"..\"");
        g.refused(name, &Tar::default().file("f", b"").hard_link("h", name).finished(), "\"..\"");
    }
    g.refused("a hard link out", &Tar::default().hard_link("h", &format!("{canary}/file")).finished(), "link h");
    let through = Tar::default().symlink("s", &canary).hard_link("h", "s/file");
    g.refused("a hard link through a symlink", &through.finished(), "link h");
    g.refused("a NUL", &Tar::default().pax("path", b"a\0b").file("x", b"").finished(), "NUL");
    g.refused("a NUL in a link", &Tar::default().pax("linkpath", b"/\0b").symlink("x", "y").finished(), "");
}

#[test]
fn absolute_names_and_symlinks_stay_inside() {
    let g = Ground::new();
    let canary = g.canary();
    let layer = g.confined("an absolute name", Tar::default().file("/evil/f", b"x").dir(&canary));
    assert!(
        std::fs::exists(format!("{layer}/evil/f")).unwrap() && std::fs::exists(format!("{layer}{canary}")).unwrap()
    );
    for target in [canary.as_str(), "../../../../../../../..", "/", "..", "loop", "/proc/self/root", "/proc/1/cwd"] {
        let tar = Tar::default().symlink("loop", "loop").symlink("s", target);
        let after = tar.clone().file("s/evil", b"evil").file("s/a/b/evil", b"evil").dir("s/made").fifo("s/pipe");
        let path = g.0.write("odd.tar", after.finished());
        let around = g.around();
        let output = g.0.run(&["import", &path, "odd"]);
        assert!(output.code <= 1 && output.err.lines().count() <= 1, "{target}: {output:?}");
        assert_eq!(g.around(), around, "{target}");
        // In its place, the last component is not followed either.
        let layer = g.confined(target, tar.file("s", b"mine"));
        assert_eq!(std::fs::read(format!("{layer}/s")).unwrap(), b"mine");
    }
    let path = format!("s{canary}/file");
    let layer = g.confined("a root", Tar::default().symlink("s", "../../../../..").file(&path, b"evil"));
    assert_eq!(std::fs::read(format!("{layer}{canary}/file")).unwrap(), b"evil");
}

#[test]
fn what_was_there_is_replaced_not_followed() {
    let g = Ground::new();
    let file = format!("{}/file", g.canary());
    let layer = g.confined(
        "a link to a link",
        Tar::default().symlink("a", &file).symlink("b", "a").file("b", b"x").file("a", b"y"),
    );
    assert_eq!(std::fs::read(format!("{layer}/a")).unwrap(), b"y");
    let tar = Tar::default()
        .dir("d")
        .file("d/f", b"1")
        .symlink("d", &g.canary())
        .file("d/file", b"2")
        .dir("d")
        .file("d/g", b"3");
    g.refused("through a symlink that leads nowhere in here", &tar.finished(), "not a directory");
    let tar = Tar::default()
        .dir("t")
        .dir("d")
        .file("d/f", b"1")
        .symlink("d", "t")
        .file("d/x", b"2")
        .dir("d")
        .file("d/g", b"3");
    let layer = g.confined("directory, symlink, directory", tar);
    assert_eq!(std::fs::read(format!("{layer}/t/x")).unwrap(), b"2");
    assert!(std::fs::exists(format!("{layer}/d/g")).unwrap() && !std::fs::exists(format!("{layer}/d/f")).unwrap());
    let tar = Tar::default().file("f", b"1").hard_link("h", "f").file("f", b"22").hard_link("f", "h").file("h", b"333");
    let layer = g.confined("the same names again", tar);
    assert_eq!(std::fs::read(format!("{layer}/f")).unwrap(), b"1");
    assert_eq!(std::fs::read(format!("{layer}/h")).unwrap(), b"333");
    // A hard link to a symlink is a symlink, and a file in its place is a file.
    g.confined("a hard link to a symlink", Tar::default().symlink("s", &file).hard_link("h", "s").file("h", b"x"));
    g.refused("a file below a file", &Tar::default().file("f", b"1").file("f/x", b"2").finished(), "not a directory");
    g.confined("a fifo in its place", Tar::default().fifo("f").file("f", b"2").fifo("f"));
    g.confined("twice", Tar::default().dir("d").dir("d").file("d/x", b"").dir("d"));
}

#[test]
fn devices_are_left_out() {
    let g = Ground::new();
    let tar = Tar::default().device(b'4', "disk", (254, 0)).device(b'4', "sda", (8, 0)).device(b'3', "mem", (1, 1));
    let layer = g.confined(
        "devices",
        tar.device(b'3', "kmsg", (1, 11)).device(b'3', "gone", (0, 0)).device(b'3', "null", (1, 3)),
    );
    for name in ["disk", "sda", "mem", "kmsg", "gone"] {
        assert!(!std::fs::exists(format!("{layer}/{name}")).unwrap(), "{name}");
    }
}

#[test]
fn whiteouts_stay_inside() {
    let g = Ground::new();
    let canary = g.canary();
    for name in [".wh..", ".wh...", ".wh.", "a/.wh."] {
        g.refused(name, &Tar::default().dir("a").file(name, b"").finished(), "whiteout");
    }
    for name in ["s/.wh.file", "s/.wh..wh..opq"] {
        let tar = Tar::default().symlink("s", &canary).file(name, b"");
        g.refused("a whiteout through a symlink", &tar.finished(), "not a directory");
    }
    g.confined("a whiteout of a symlink", Tar::default().symlink("s", &canary).file(".wh.s", b""));
}

#[test]
fn impossible_numbers_are_refused() {
    let g = Ground::new();
    let sized = |size: &[u8]| Header { kind: b'0', name: b"f", link: b"", mode: 0o644, size, device: (0, 0) }.bytes();
    for (what, size) in [
        ("negative", &[0xff; 12][..]),
        ("huge", b"\x80\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff"),
        ("larger than 64 bits", b"\x80\x7f\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"),
        ("the largest octal", b"777777777777"),
        ("no number", b"hello world!"),
        ("negative octal", b"-0000000001\0"),
    ] {
        g.refused(what, &Tar::default().raw(&sized(size)).raw(b"x").finished(), "");
    }
    for (key, value) in [
        ("size", "-1"),
        ("size", "99999999999999999999999"),
        ("size", "18446744073709551615"),
        ("size", "x"),
        ("uid", "4294967296"),
        ("mtime", "99999999999999999999999"),
        ("GNU.sparse.realsize", "99999999999999999999"),
    ] {
        g.refused(key, &Tar::default().pax(key, value.as_bytes()).file("f", b"x").finished(), "");
    }
    g.refused("a long name", &Tar::default().pax("path", &vec![b'a'; 300]).file("x", b"").finished(), "too long");
    g.refused("a very long name", &Tar::default().pax("path", &vec![b'/'; 70_000]).file("x", b"").finished(), "");
    g.refused(
        "a huge record",
        &Tar::default().pax("comment", &vec![b'a'; 2 << 20]).file("x", b"").finished(),
        "larger",
    );
    g.refused("no name", &Tar::default().file("", b"").finished(), "no name");
}

#[test]
fn sparse_bombs() {
    let g = Ground::new();
    let sparse = |size: &str| {
        let pax = ["GNU.sparse.major=1", "GNU.sparse.minor=0"]
            .into_iter()
            .fold(String::new(), |all, record| format!("{all}{} {record}\n", record.len() + 4));
        let size = format!("GNU.sparse.realsize={size}");
        let all = format!("{pax}{} {size}\n", size.len() + 4);
        Tar::default().bytes_entry(b'x', b"pax", b"", all.as_bytes()).file("hole", format!("{:\n<512}", "0").as_bytes())
    };
    // A hole costs nothing where it is; it may be refused or not, but the disk does not get full of it.
    let path = g.0.write("hole.tar", sparse("9223372036854775807").finished());
    let output = g.0.run(&["import", &path, "hole"]);
    assert!(output.code <= 1 && output.err.lines().count() <= 1, "{output:?}");
    let used: u64 = g.0.sh("du -sm store").split('\t').next().unwrap().parse().unwrap();
    assert!(used < 10, "{used} MB");
}

#[test]
fn every_piece_of_an_archive() {
    let g = Ground::new();
    let small =
        Tar::default().dir("d").file("d/f", &[b'x'; 700]).symlink("s", "d/f").pax("path", b"long").file("x", b"y");
    let whole = small.finished();
    g.0.ok("images");
    let before = g.0.snapshot();
    for end in (0..whole.len()).step_by(512).chain([1, 511, 513, 1023]) {
        let path = g.0.write("part.tar", &whole[..end]);
        let output = g.0.run(&["import", &path, "part"]);
        match output.code {
            0 => drop(g.0.ok("rmi part")), // between two entries: some writers leave the end out
            _ => output.fails(1, "cannot import"),
        }
        g.0.unchanged(&before);
    }
}

#[test]
fn what_is_no_archive() {
    let g = Ground::new();
    g.refused("empty", b"", "not a tar archive");
    g.refused("text", b"hello\n", "not a tar archive");
    g.refused(
        "garbage",
        &(0..100_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect::<Vec<_>>(),
        "not a tar",
    );
    for (name, bytes) in [
        ("zstd", &b"\x28\xb5\x2f\xfdxxxxxxxxxxxx"[..]),
        ("zstd", b"\x50\x2a\x4d\x18\xff\xff\xff\xffxxxx"),
        ("xz", b"\xfd7zXZ\0xxxxxxxxxx"),
        ("bzip2", b"BZh91AY&SYxxxxxxx"),
        ("", b"\x1f\x8b\x08\x00garbage and more garbage"),
        ("", b"\x1f\x8b"),
    ] {
        g.refused(name, bytes, name);
    }
    let h = &g.0;
    h.run("import canary").fails(1, "directory");
    h.run("run --rm ./canary true").exits(125);
    h.run("import nosuch.tar").fails(1, "nosuch.tar");
    h.run("import --max-size 1m /dev/zero").fails(1, "1048576");
    h.run("import --max-size 1m /dev/urandom").fails(1, "/dev/urandom");
    h.run("import --max-size 1m /dev/null").fails(1, "not a tar archive");
}

#[test]
fn bombs() {
    let g = Ground::new();
    let h = &g.0;
    h.ok("images");
    let before = h.snapshot();
    // 64 MiB in one member; twenty of them behind the end of the archive.
    h.sh("head -c 67108864 /dev/zero | gzip -9 >zeros.gz");
    h.write("one.tar", Tar::default().file("f", b"x").finished());
    h.sh("(gzip -c one.tar; for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do cat zeros.gz; done) >bomb.tar.gz");
    h.run("import bomb.tar.gz bomb").fails(1, "bomb.tar.gz");
    h.run("import --max-size 1m bomb.tar.gz bomb").fails(1, "1048576");
    h.run("run --rm ./bomb.tar.gz true").fails(125, "bomb.tar.gz");
    h.unchanged(&before);
    h.ok("import --max-ratio 2000 bomb.tar.gz bomb");
    h.run("import --max-size -1 bomb.tar.gz").exits(125);
    h.run("import --max-ratio x bomb.tar.gz").exits(125);
}

#[test]
fn setuid_programs_are_out_of_reach_on_the_host() {
    let g = Ground::new();
    let header = Header { kind: b'0', name: b"su", link: b"", mode: 0o4755, size: b"00000000000\0", device: (0, 0) };
    g.confined("setuid", Tar::default().header(&header));
    let seen = std::process::Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups", "ls"])
        .arg(g.0.store.join("layers"))
        .output()
        .unwrap();
    assert!(!seen.status.success(), "{seen:?}");
}

#[test]
fn deep_and_wide() {
    let g = Ground::new();
    let mut tar = Tar::default();
    let deep = "d/".repeat(5_000);
    tar = tar.pax("path", format!("{deep}f").as_bytes()).file("x", b"deep");
    for n in 0..10_000 {
        tar = tar.file(&format!("wide/{n}"), b"");
    }
    let h = &g.0;
    h.ok("images");
    let before = h.snapshot();
    let path = h.write("deep.tar", tar.finished());
    let output = h.run(&["import", &path, "deep"]);
    assert!(output.code <= 1 && output.err.lines().count() <= 1, "{output:?}");
    if output.code == 0 {
        h.ok("rmi deep");
    }
    h.unchanged(&before);
}
