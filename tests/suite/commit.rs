//! `commit`: what a container changed becomes a layer, all it sees becomes an archive.

use crate::host::Host;
use rustix::fs::{XattrFlags, getxattr, setxattr};

/// A running container with something of everything in its own layer.
fn changed(h: &Host) {
    let change = "mkdir /d && echo new >/d/f && ln /d/f /d/g && chown 1000:10 /d/f && chmod 4751 /d/f && \
                  touch -d '2001-09-09 01:46:40' /d/f && ln -s f /d/l && mkfifo /d/p && \
                  rm /etc/group && rm -r /var && mkdir /var && touch /var/only && echo ready && sleep 1000";
    h.ok(&["run", "-d", "--name", "box", "busybox", "sh", "-c", change]);
    crate::process::until("it changed its files", || h.ok("logs box") == "ready");
}

const LOOK: &str = "stat -c '%n %u %g %a %Y %h %F' /d/f /d/l /d/p; readlink /d/l; cat /d/g; ls /var; \
                    [ ! -e /etc/group ] && echo none; [ /d/f -ef /d/g ] && echo same; ls -d /proc /sys /dev";
const SEEN: &str = "/d/f 1000 10 4751 1000000000 2 regular file\n/d/l 0 0 777 T 1 symbolic link\n/d/p 0 0 644 T 1 fifo\n\
                    f\nnew\nonly\nnone\nsame\n/dev\n/proc\n/sys";

/// Looks at all of it in an image; `T` stands for a time of now.
fn seen(h: &Host, image: &str) -> String {
    let out = h.ok(&["run", "--rm", image, "sh", "-c", LOOK]);
    let word = |word: &str| if word.len() == 10 && word > "1700000000" { "T".to_owned() } else { word.to_owned() };
    out.lines().map(|line| line.split(' ').map(word).collect::<Vec<_>>().join(" ")).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_image_has_what_the_container_changed() {
    let h = Host::new();
    changed(&h);
    let id = h.ok("commit box new:1");
    assert!(id.starts_with("sha256:") && id.len() == 71);
    assert_eq!(seen(&h, "new:1"), SEEN);
    assert_eq!(seen(&h, &id), SEEN);
}

#[test]
fn the_archive_has_all_the_container_sees() {
    let h = Host::new();
    changed(&h);
    h.ok("commit -o flat.tar box");
    assert_eq!(seen(&h, "./flat.tar"), SEEN);
    assert!(!h.sh("tar tf flat.tar").contains(".wh."));
}

#[test]
fn a_stopped_container_can_be_committed_too() {
    let h = Host::new();
    changed(&h);
    h.ok("stop -t 0 box");
    h.ok("commit -o flat.tar box new");
    assert_eq!(seen(&h, "new"), SEEN);
    assert_eq!(seen(&h, "./flat.tar"), SEEN);
}

#[test]
fn the_container_goes_on() {
    let h = Host::new();
    h.ok("run -d --name box busybox sh -c 'while :; do date >/tick; done'");
    h.ok("commit box new");
    let before = h.ok("exec box stat -c %z /tick");
    crate::process::until("it ticks", || h.ok("exec box stat -c %z /tick") != before);
    h.ok("commit --pause=false box new");
}

#[test]
fn volumes_and_what_is_mounted_stay_out() {
    let h = Host::new();
    h.write("src/secret", "x");
    h.ok(&format!(
        "run --name box -v {}:/m busybox sh -c 'echo x >/m/more; echo x >/dev/shm/y; hostname'",
        h.path("src")
    ));
    h.ok("commit -o flat.tar box new");
    let look = "ls -d /m/secret /m/more /dev/shm/y 2>/dev/null || ls -d /m";
    for image in ["new", "./flat.tar"] {
        assert_eq!(h.ok(&["run", "--rm", image, "sh", "-c", look]), "/m");
    }
}

#[test]
fn extended_attributes_are_kept() {
    let h = Host::new();
    h.idle("--name box");
    h.ok("exec box sh -c 'echo x >/f; mkdir /d'");
    // cap_net_raw+ep, as setcap(8) writes it.
    let capability = [1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let root = format!("/proc/{}/root", h.pid("box"));
    setxattr(format!("{root}/f"), "security.capability", &capability, XattrFlags::empty()).unwrap();
    setxattr(format!("{root}/f"), "user.note", b"a\0b", XattrFlags::empty()).unwrap();
    setxattr(format!("{root}/d"), "user.dir", b"d", XattrFlags::empty()).unwrap();
    h.ok("commit -o flat.tar box new");
    for (name, image) in [("layer", "new"), ("flat", "./flat.tar")] {
        h.ok(&["run", "-d", "--name", name, image, "sleep", "1000"]);
        let root = format!("/proc/{}/root", h.pid(name));
        let read = |file: &str, key: &str| {
            let mut buf = [0; 64];
            let n = getxattr(format!("{root}/{file}"), key, &mut buf)
                .unwrap_or_else(|e| panic!("{name} {file} {key}: {e}"));
            buf[..n].to_vec()
        };
        assert_eq!(read("f", "security.capability"), capability);
        assert_eq!(read("f", "user.note"), b"a\0b");
        assert_eq!(read("d", "user.dir"), b"d");
    }
}

#[test]
fn the_configuration_is_the_containers() {
    let h = Host::new();
    h.ok("run --name box -e A=b -w /tmp -u user1 busybox sh -c 'id -un; pwd; echo $A'");
    h.ok("commit box new");
    assert_eq!(h.ok("run --rm new"), "user1\n/tmp\nb");
}

#[test]
fn c_changes_the_configuration() {
    let h = Host::new();
    h.ok("run --name box -e A=b busybox true");
    h.ok(&["commit", "-m", "why", "-c", "ENV A=c Z=1", "-c", "CMD [\"sh\", \"-c\", \"echo $A$Z\"]", "box", "new"]);
    assert_eq!(h.ok("run --rm new"), "c1");
    h.run("commit -c BOGUS box new").fails(125, "BOGUS");
    h.run("commit box 'bad name'").fails(1, "bad name");
}

#[test]
fn layers_pile_up() {
    let h = Host::new();
    for n in 1..=5 {
        let image = if n == 1 { "busybox" } else { "pile" };
        h.ok(&format!("run --name box {image} sh -c 'echo {n} >>/count; rm -f /gone{n}; touch /gone{}'", n + 1));
        h.ok("commit box pile");
        h.ok("rm box");
    }
    assert_eq!(h.ok("run --rm pile sh -c 'cat /count; ls -d /gone*'"), "1\n2\n3\n4\n5\n/gone6");
}

#[test]
fn an_unwritable_archive_is_an_error_and_leaves_nothing() {
    let h = Host::new();
    h.ok("run --name box busybox touch /x");
    let before = h.snapshot();
    h.run("commit -o nosuch/flat.tar box").fails(1, "nosuch");
    h.run("commit nosuch new").fails(1, "No such container: nosuch");
    h.unchanged(&before);
}

#[test]
fn a_file_grows_big_enough_for_real_ones() {
    let h = Host::new();
    h.ok("run --name box busybox dd if=/dev/zero of=/big bs=1M count=50 status=none");
    h.ok("commit -o flat.tar box new");
    assert_eq!(h.ok("run --rm new stat -c %s /big"), "52428800");
    assert_eq!(h.ok("run --rm ./flat.tar stat -c %s /big"), "52428800");
}

#[test]
fn long_and_odd_names_come_through() {
    let h = Host::new();
    let long = "n".repeat(200);
    let make = format!("mkdir -p /{long}/{long} && echo deep >/{long}/{long}/f && echo odd >'/a b\u{e9}\\'");
    h.ok(&["run", "--name", "box", "busybox", "sh", "-c", &make]);
    h.ok("commit -o flat.tar box new");
    let look = format!("cat /{long}/{long}/f '/a b\u{e9}\\'");
    for image in ["new", "./flat.tar"] {
        assert_eq!(h.ok(&["run", "--rm", image, "sh", "-c", &look]), "deep\nodd");
    }
}

#[test]
fn a_hole_stays_a_hole() {
    let h = Host::new();
    h.ok(&["run", "--name", "box", "busybox", "sh", "-c", "truncate -s 300M /hole; echo end >>/hole"]);
    h.ok("commit box holes");
    let blocks = h.sh(&format!("du -sk {}/layers | cut -f1", h.store.display()));
    assert!(blocks.trim().parse::<u64>().unwrap() < 20_000, "{blocks} KiB on disk");
    assert_eq!(h.ok("run --rm holes tail -c 4 /hole"), "end");
    assert_eq!(h.ok("run --rm holes stat -c %s /hole"), ((300 << 20) + 4).to_string());
}
