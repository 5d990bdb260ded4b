//! A real distribution's root file system (target/debian.tar, made by build/debian).

use crate::host::{Host, artifact};

fn debian() -> Host {
    let h = Host::empty();
    h.ok(&["import", artifact("debian.tar", "debian").to_str().unwrap(), "debian"]);
    h
}

#[test]
fn debian_runs() {
    let h = debian();
    assert!(h.ok("run --rm debian cat /etc/os-release").contains("ID=debian"));
    assert!(h.ok("run --rm debian apt-get --version").starts_with("apt "));
    assert_eq!(h.ok("run --rm -u nobody debian id -un"), "nobody");
    assert_eq!(h.ok("run --rm debian bash -c 'echo $BASH_VERSINFO'"), "5");
    assert_eq!(h.ok("run --rm debian perl -e 'print 6*7'"), "42");
}

#[test]
fn debian_installs_a_package_and_keeps_it() {
    let h = debian();
    // Its own package manager, without a network: the package is built inside.
    let build = "mkdir -p p/DEBIAN p/opt && echo data >p/opt/file && \
                 printf 'Package: thing\\nVersion: 1\\nArchitecture: all\\nMaintainer: x\\nDescription: x\\n' >p/DEBIAN/control && \
                 dpkg-deb -b p >/dev/null && dpkg -i p.deb >/dev/null";
    h.run(&["run", "--name", "box", "debian", "sh", "-c", build]).exits(0);
    h.ok("commit -o flat.tar box thing");
    for image in ["thing", "./flat.tar"] {
        let out = h.ok(&[
            "run",
            "--rm",
            image,
            "sh",
            "-c",
            "dpkg-query -W thing; cat /opt/file; dpkg -V; su -c id\\ -u nobody -s /bin/sh",
        ]);
        assert_eq!(out, "thing\t1\ndata\n65534");
    }
}

#[test]
fn debian_is_the_same_after_a_round_trip() {
    let h = debian();
    // What each container gets anew differs by nature, and a directory's size, links and time say how it came about.
    let list = "cd / && find . -xdev ! -path ./.dockerenv ! -path ./etc/hosts ! -path ./etc/hostname ! -path ./etc/resolv.conf \\( \
                \\( -path ./proc -o -path ./sys -o -path ./dev \\) -prune -o -type d -printf '%p %M %U %G\\n' -o \
                -printf '%p %M %U %G %l %n %TY%Tm%Td%TH%TM %s\\n' \\) | sort";
    let look =
        |image: &str| h.ok(&["run", "--rm", image, "sh", "-c", list]).lines().map(str::to_owned).collect::<Vec<_>>();
    h.ok("run --name box debian true");
    h.ok("commit -o flat.tar box");
    let (before, after) = (look("debian"), look("./flat.tar"));
    let differs = before.iter().zip(&after).find(|(a, b)| a != b);
    assert!(before.len() > 5000 && before == after, "{} and {} lines: {differs:?}", before.len(), after.len());
}
