//! `save`: archives that others load, the same bytes every time, and never half of one.

use crate::archive::Tar;
use crate::host::{Host, busybox_tar, wanted};
use crate::layout::{Layer, Layout, same_tree, sha256};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Whether the host has this tool; `./build/test` installs it.
fn has(tool: &str) -> bool {
    let found = std::env::split_paths(&std::env::var_os("PATH").unwrap()).any(|dir| dir.join(tool).exists());
    wanted(found.then_some(()), tool).is_some()
}

/// A tree with something of everything, in a tar that GNU tar wrote, and as an image of this name.
fn everything(h: &Host, name: &str) -> PathBuf {
    h.sh("mkdir -p t/d/empty t/sticky t/long; cd t; echo content >f; ln f d/hard; ln -s ../f d/soft; mkfifo d/pipe; \
          mknod d/null c 1 3; chmod 4755 f; chmod 1777 sticky; chmod 000 d/empty; chown 1000:2000 d/hard; \
          chown -h 3:4 d/soft; truncate -s 3M sparse; echo end >>sparse; : >zero; chown 4000000:4000000 zero; \
          touch -d '2001-09-09 01:46:40.123456789' sparse; touch -d 1960-01-01 zero; touch -hd '2000-01-01' d/soft; \
          printf 'x%.0s' $(seq 255) | xargs touch; n=long/$(printf 'y%.0s' $(seq 200)); mkdir $n; echo deep >$n/$(printf 'z%.0s' $(seq 200))");
    let root = h.dir.join("t");
    let set = |file: &str, name: &str, value: &[u8]| {
        rustix::fs::setxattr(
            root.join(file).as_os_str().as_encoded_bytes(),
            name,
            value,
            rustix::fs::XattrFlags::empty(),
        )
        .unwrap();
    };
    set("zero", "user.note", b"a=b\n\0c");
    set("d", "user.dir", b"of d");
    set("zero", "security.capability", b"\x01\0\0\x02\0\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
    // A time that changes by itself would be no fault of an archive's.
    h.sh("find t -type d -exec touch -d '2020-02-02 02:02:02.5' '{}' +");
    h.sh("tar --xattrs --xattrs-include='*' --format=posix -S -C t -cf everything.tar .");
    h.ok(&["import", "everything.tar", name]);
    root
}

/// The directory of an image's last layer.
fn layer(h: &Host, name: &str) -> PathBuf {
    let id = h.ok(&["images", "--no-trunc", "-q", name]);
    let config = fs::read_to_string(h.store.join("images").join(id.trim_start_matches("sha256:"))).unwrap();
    let last = config.rsplit("\"sha256:").next().unwrap().split('"').next().unwrap().to_owned();
    h.store.join("layers").join(last).join("diff")
}

#[test]
fn the_same_bytes_every_time() {
    let h = Host::new();
    let root = everything(&h, "all:1");
    same_tree(&layer(&h, "all:1"), &root);
    h.ok("run --name box busybox sh -c 'rm -r /var && mkdir /var && echo new >/var/f && ln /var/f /g'");
    h.ok("commit box more:1");
    let save = "save all:1 more:1 busybox";
    h.sh("mkdir out");
    h.ok(&format!("{save} -o out/1.tar"));
    h.ok(&format!("{save} --output out/2.tar"));
    let first = fs::read(h.path("out/1.tar")).unwrap();
    assert!(first == fs::read(h.path("out/2.tar")).unwrap());
    assert_eq!(fs::metadata(h.path("out/1.tar")).unwrap().permissions().mode() & 0o7777, 0o600);
    assert_eq!(h.sh("ls -A out"), "1.tar\n2.tar");
    h.ok("rm box");
    h.ok("rmi all:1 more:1 busybox");
    assert_eq!(h.sh("ls store/layers store/images"), "store/images:\n\nstore/layers:");
    let told = h.ok("load -i out/1.tar");
    assert_eq!(told, "Loaded image: all:1\nLoaded image: more:1\nLoaded image: busybox:latest");
    same_tree(&layer(&h, "all:1"), &root);
    assert_eq!(h.ok("run --rm more:1 sh -c 'ls /var; cat /g; stat -c %h /g'"), "f\nnew\n2");
    h.ok(&format!("{save} -o /dev/null"));
    h.sh("mkfifo out/pipe; cat out/pipe >out/3.tar 2>&1 &");
    h.ok(&format!("{save} -o out/pipe"));
    crate::process::until("the pipe is read", || fs::read(h.path("out/3.tar")).unwrap() == first);
}

#[test]
fn layers_leave_as_they_came() {
    let h = Host::empty();
    let long = "n".repeat(250);
    let deep = [long.as_str(); 16].join("/"); // 4015 bytes
    let crowd = (0..10_000).fold(Tar::default().dir("crowd"), |tar, n| tar.file(&format!("crowd/{n}"), b"x"));
    let odd = Tar::default()
        .pax("path", deep.as_bytes())
        .file("x", b"deep")
        .device(b'4', "dev/sda", (8, 0))
        .bytes_entry(b'V', b"volume", b"", b"content of what nobody knows")
        .file(".wh..wh.plnk/12.34", b"of AUFS")
        .dir("gone")
        .file("gone/.wh..wh..opq", b"")
        .file(".wh.away", b"not empty")
        .symlink("way", "gone")
        .file("way/through", b"x");
    let dirty = {
        let mut bytes = odd.clone().file("padded", b"1").finished();
        let at = bytes.len() - 1024 - 100;
        bytes[at] = 7; // what stands behind the content counts, too
        [bytes, b"junk behind the end".repeat(1000)].concat()
    };
    for (what, bytes) in [
        ("many files", crowd.finished()),
        ("odd entries", odd.clone().finished()),
        ("no end", odd.bytes()),
        ("junk", dirty),
    ] {
        h.write("in.tar", &bytes);
        h.run("import in.tar odd").exits(0);
        h.ok("save -o out.tar odd");
        h.sh("rm -rf out; mkdir out; tar xf out.tar -C out");
        let blob = h.path(&format!("out/blobs/sha256/{}", sha256(&bytes)));
        assert!(fs::read(blob).unwrap() == bytes, "{what}");
        h.ok("rmi odd");
        assert_eq!(h.ok("load -q -i out.tar"), "Loaded image: odd:latest", "{what}");
        h.ok("rmi odd");
    }
    // Not everything can be told from the files alone.
    h.write("in.tar", Tar::default().file("f", b"first").file("f", b"later").finished());
    h.ok("import in.tar twice");
    h.run("save -o out/no.tar twice").fails(1, "two files of one name");
    assert!(!Path::new(&h.path("out/no.tar")).exists());
}

#[test]
fn names() {
    let h = Host::new();
    h.write("b.tar", fs::read(busybox_tar()).unwrap());
    let id = h.ok("import b.tar team/box:1");
    h.write("c.tar", Tar::default().file("f", b"").finished());
    let other = h.ok("import c.tar team/box:2");
    let tags = |line: &str| {
        h.ok(&format!("save -o out.tar {line}"));
        let manifest = h.sh("tar xOf out.tar manifest.json");
        let tags =
            manifest.split("\"RepoTags\":").skip(1).map(|rest| rest.split(",\"Layers").next().unwrap().to_owned());
        tags.collect::<Vec<_>>().join(" ")
    };
    assert_eq!(tags("team/box:1"), "[\"team/box:1\"]");
    assert_eq!(tags("team/box"), "[\"team/box:1\"] [\"team/box:2\"]");
    assert_eq!(tags("docker.io/team/box:2"), "[\"team/box:2\"]");
    assert_eq!(tags(&id), "null");
    assert_eq!(tags(&format!("{} team/box:1 team/box:1", &id[7..20])), "[\"team/box:1\"]");
    assert_eq!(tags(&other[7..]), "null");
    assert_eq!(h.ok("load -i out.tar"), format!("Loaded image ID: {other}"));
    h.run("save nosuch").fails(1, "No such image: nosuch:latest");
    h.run("save busybox nosuch -o new.tar").fails(1, "No such image: nosuch:latest");
    h.run("save").fails(1, "requires at least 1 argument");
    assert!(!Path::new(&h.path("new.tar")).exists());
    let index = h.sh("tar xOf out.tar index.json");
    assert!(!index.contains("annotations"), "{index}");
    h.ok("save -o out.tar team/box:1");
    let index = h.sh("tar xOf out.tar index.json");
    assert!(index.contains("\"io.containerd.image.name\":\"docker.io/team/box:1\""), "{index}");
    assert!(index.contains("\"org.opencontainers.image.ref.name\":\"1\""), "{index}");
}

#[test]
fn never_half_an_archive() {
    let h = Host::new();
    h.sh("mkdir out; echo precious >out/old.tar");
    let output = h.terminal("save busybox").wait();
    assert!(output.code == 1 && output.out.contains("cowardly refusing to save to a terminal"), "{output:?}");
    h.run("save busybox -o out").fails(1, "out");
    h.run("save busybox -o nosuch/x.tar").fails(1, "nosuch");
    // A layer that was changed behind our back.
    let file = layer(&h, "busybox").join("etc/passwd");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, text.replacen('r', "R", 1)).unwrap();
    h.run("save busybox -o out/old.tar").fails(1, "its files were changed in the store");
    fs::remove_file(&file).unwrap();
    h.run("save busybox -o out/new.tar").fails(1, "open ./etc/passwd");
    fs::write(&file, "short").unwrap();
    h.run("save busybox -o out/new.tar").fails(1, "shorter");
    fs::write(&file, &text).unwrap();
    let skeleton = file.ancestors().nth(3).unwrap().join("skeleton");
    let bones = fs::read(&skeleton).unwrap();
    for cut in [0, 7, 15, 16, 100, bones.len() / 2, bones.len() - 1] {
        fs::write(&skeleton, &bones[..cut]).unwrap();
        h.run("save busybox -o out/new.tar").fails(1, "layer");
    }
    fs::remove_file(&skeleton).unwrap();
    h.run("save busybox -o out/new.tar").fails(1, "import or load it again");
    assert_eq!((h.sh("ls -A out"), h.sh("cat out/old.tar")), ("old.tar".to_owned(), "precious".to_owned()));
    fs::write(&skeleton, &bones).unwrap();
    h.ok("save busybox -o out/old.tar");
    assert!(fs::metadata(h.path("out/old.tar")).unwrap().size() > 1_000_000);
    assert!(h.ok("events --since 1h --until 0s --format '{{.Action}}'").contains("save"));
}

/// skopeo, on the archives in this host's directory.
fn skopeo(h: &Host, from: &str, to: &str) {
    h.sh(&format!("skopeo --tmpdir . --insecure-policy copy -q {from} {to}"));
}

#[test]
fn skopeo_reads_and_writes_them() {
    if !has("skopeo") {
        return;
    }
    let h = Host::new();
    let root = everything(&h, "all:1");
    let id = h.ok("images --no-trunc -q all:1");
    h.ok("save -o all.tar all:1");
    skopeo(&h, "docker-archive:all.tar", "docker-archive:1.tar:some/name:1");
    skopeo(&h, "oci-archive:all.tar:1", "oci-archive:2.tar:some/name:2");
    skopeo(&h, "oci-archive:all.tar:1", "oci:3:some/name:3");
    skopeo(&h, "oci-archive:all.tar", "docker-archive:4.tar:some/name:4");
    skopeo(&h, "--dest-compress-format zstd oci-archive:all.tar", "oci:5:some/name:5");
    assert!(h.sh("cat 5/blobs/sha256/* | grep -c 'tar+zstd'") == "1");
    for (at, archive) in ["1.tar", "2.tar", "3", "4.tar", "5"].iter().enumerate() {
        h.ok(&format!("rmi -f all:1 some/name:{at}"));
        let name = format!("some/name:{}", at + 1);
        assert_eq!(h.ok(&["load", "-i", archive]), format!("Loaded image: {name}"));
        same_tree(&layer(&h, &name), &root);
        if at != 3 {
            assert_eq!(h.ok(&["images", "--no-trunc", "-q", &name]), id, "{archive}");
        }
    }
}

#[test]
fn umoci_unpacks_and_changes_them() {
    if !has("umoci") {
        return;
    }
    let h = Host::new();
    let root = everything(&h, "all:1");
    h.ok("save -o all.tar all:1");
    h.sh("mkdir oci; tar xf all.tar -C oci; umoci unpack --image oci:1 bundle");
    same_tree(&h.dir.join("bundle/rootfs"), &root);
    h.sh("cd bundle/rootfs; rm -r long d/pipe; echo more >f2; ln f2 f3; touch -d 2021-01-01 f2 d .; cd ../..; umoci repack --image oci:2 bundle; rm oci/manifest.json");
    // The layer that went out is not unpacked again, the new one has its whiteouts.
    let told = h.ok("load -i oci");
    assert_eq!(told, "Loaded image: all:1\nLoaded image: all:2");
    h.ok("save -o two.tar all:2");
    h.sh("rm -rf oci bundle2; mkdir oci; tar xf two.tar -C oci; umoci unpack --image oci:2 bundle2");
    same_tree(&h.dir.join("bundle2/rootfs"), &h.dir.join("bundle/rootfs"));
}

#[test]
fn podman_reads_and_writes_them() {
    if !has("podman") {
        return;
    }
    let h = Host::new();
    let root = everything(&h, "all:1");
    // It cannot write a layer again that has a sparse file.
    h.ok("rmi all:1");
    h.sh("tar --xattrs --xattrs-include='*' --format=posix -C t -cf everything.tar .");
    h.ok("import everything.tar all:1");
    h.ok("save -o all.tar all:1 busybox");
    let podman = |line: &str| {
        h.sh(&format!("podman --root {0}/pod --runroot {0}/podrun --storage-driver vfs {line}", h.path("")))
    };
    let told = podman("load -q -i all.tar");
    assert!(told.contains("all:1") && told.contains("busybox:latest"), "{told}");
    let id = h.ok("images --no-trunc -q all:1");
    assert_eq!(podman("images -q --no-trunc all:1"), id);
    podman("save -q -o 1.tar all:1");
    podman("save -q --format oci-archive -o 2.tar all:1");
    podman("save -q --format oci-dir -o 3 all:1");
    podman("save -q -m -o 4.tar all:1 busybox");
    podman("rmi -f -a");
    h.sh("rm -rf pod podrun");
    for archive in ["1.tar", "2.tar", "3", "4.tar"] {
        h.ok("rmi -f busybox all:1");
        let told = h.ok(&["load", "-i", archive]);
        // It may put localhost/ before a name.
        let name = told.split_whitespace().find(|word| word.ends_with("all:1")).unwrap();
        // As an OCI image its configuration is written anew.
        if ["1.tar", "4.tar"].contains(&archive) {
            assert_eq!(h.ok(&["images", "--no-trunc", "-q", name]), id, "{archive}");
        }
        same_tree(&layer(&h, name), &root);
        h.ok(&["rmi", name]);
    }
    let busybox = h.ok("images --format '{{.Repository}}'");
    assert_eq!(
        h.ok(&["run", "--rm", busybox.lines().find(|name| name.ends_with("busybox")).unwrap(), "echo", "hi"]),
        "hi"
    );
}

/// Whoever loads, saves, runs and removes the same image at the same moment gets it whole, or a plain answer.
#[test]
fn all_at_once() {
    let h = Host::new();
    h.write(
        "box.tar",
        Layout::oci("box:1", &[&Layer::plain(fs::read(busybox_tar()).unwrap()), &Layer::file("m", "x")]).tar(),
    );
    h.ok("rmi busybox");
    let rounds = 12;
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..rounds {
                    assert_eq!(h.ok("load -q -i box.tar"), "Loaded image: box:1");
                }
            });
        }
        scope.spawn(|| {
            for _ in 0..rounds * 3 {
                h.run("rmi -f box:1");
            }
        });
        for verb in ["run --rm box:1 cat /m", "save -o saved.tar box:1"] {
            let h = &h;
            scope.spawn(move || {
                for _ in 0..rounds {
                    let output = h.run(verb);
                    let fits = output.code == 0
                        || output.err.contains("No such image")
                        || output.err.contains("Unable to find image");
                    assert!(fits && (output.code != 0 || output.out == "x" || !verb.starts_with("run")), "{output:?}");
                }
            });
        }
    });
    h.ok("load -i box.tar");
    assert_eq!(h.ok("run --rm box:1 cat /m"), "x");
}
