//! `load`: every kind of archive that others write, and every way in which one can be wrong.

use crate::archive::Tar;
use crate::host::{Host, busybox_tar};
use crate::layout::{Layer, Layout, OCI, descriptor, sha256};
use crate::process::cases;
use std::fs;
use std::os::unix::fs::MetadataExt;

fn busybox() -> Layer {
    Layer::plain(fs::read(busybox_tar()).unwrap())
}

/// The archive loads, says so, and what is in its second layer can be read.
#[track_caller]
fn loads(h: &Host, archive: impl AsRef<[u8]>, name: &str) {
    let path = h.write("image.tar", archive);
    assert_eq!(h.ok(&["load", "-i", &path]), format!("Loaded image: {name}"));
    assert_eq!(h.ok(&["run", "--rm", name, "cat", "/mark"]), "here");
    h.ok(&["rmi", name]);
    assert_eq!(h.ok("images -q") + &h.sh("ls store/layers"), "");
}

/// The archive is refused with one line that says why, and nothing is left.
#[track_caller]
fn refused(h: &Host, archive: impl AsRef<[u8]>, why: &str) {
    h.ok("images"); // makes the store
    let before = h.snapshot();
    let path = h.write("bad.tar", archive);
    h.run(&["load", "-i", &path]).fails(1, why);
    h.unchanged(&before);
}

#[test]
fn dockers_archives() {
    let h = Host::empty();
    let (base, mark) = (busybox(), Layer::file("mark", "here"));
    let old = Layout::docker("some/box:1", &[&base, &mark]);
    loads(&h, old.tar(), "some/box:1");
    loads(&h, old.backwards(), "some/box:1");
    // A layer that is there already was a symlink.
    let mut linked = Layout::docker("box:2", &[&base, &mark, &mark]);
    let of = |layout: &Layout, at: usize| {
        let dir = sha256(format!("{at}box:2").as_bytes());
        assert!(layout.files.contains_key(&format!("{dir}/layer.tar")));
        dir
    };
    let (first, second) = (of(&linked, 1), of(&linked, 2));
    linked.files.remove(&format!("{second}/layer.tar"));
    linked.links.insert(format!("{second}/layer.tar"), format!("../{first}/layer.tar"));
    loads(&h, linked.tar(), "box:2");
    loads(&h, linked.backwards(), "box:2");
    linked.links.insert(format!("{second}/layer.tar"), format!("../{second}/layer.tar"));
    refused(&h, linked.tar(), "leads nowhere");
    linked.links.insert(format!("{second}/layer.tar"), "/etc/passwd".to_owned());
    refused(&h, linked.tar(), "is missing");
    linked.dir(&h, "dir");
    h.run("load -i dir").fails(1, "is missing");
}

#[test]
fn oci_layouts() {
    let h = Host::empty();
    let (base, mark) = (busybox(), Layer::file("mark", "here"));
    let layout = Layout::oci("docker.io/library/box:1", &[&base, &mark]);
    loads(&h, layout.tar(), "box:1");
    loads(&h, layout.backwards(), "box:1");
    layout.dir(&h, "dir");
    assert_eq!(h.ok("load -i dir"), "Loaded image: box:1");
    assert_eq!(h.ok("run --rm ./dir cat /mark"), "here");
    assert_eq!(h.ok("run --rm ./dir/ cat /mark"), "here");
    h.sh("tar cf dots.tar -C dir .; gzip -k dots.tar");
    assert_eq!(h.ok("run --rm ./dots.tar cat /mark"), "here");
    assert_eq!(h.ok("run --rm ./dots.tar.gz cat /mark"), "here");
    assert_eq!(h.ok("images --format {{.Repository}}"), "box");
}

#[test]
fn own_platform() {
    let h = Host::empty();
    let (base, mark, other) = (busybox(), Layer::file("mark", "here"), Layer::file("mark", "wrong"));
    let mut layout = Layout::default();
    let (right, wrong) = (layout.image(&[&base, &mark]), layout.image(&[&base, &other]));
    let entry = |manifest: &[u8], platform: &str| {
        let (os, rest) = platform.split_once('/').unwrap();
        let (machine, variant) = rest.split_once('/').unwrap_or((rest, ""));
        let platform = format!("\"os\":\"{os}\",\"architecture\":\"{machine}\",\"variant\":\"{variant}\"");
        format!("{},\"platform\":{{{platform}}}}}", descriptor("manifest.v1+json", manifest))
    };
    let own = format!("linux/{}", if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" });
    let index = |layout: &mut Layout, entries: &[String]| {
        let index = format!("{{\"schemaVersion\":2,\"manifests\":[{}]}}", entries.join(","));
        layout.blob(index.as_bytes());
        let name = "\"annotations\":{\"io.containerd.image.name\":\"docker.io/library/box:1\"}";
        layout.index(&[format!("{},{name}}}", descriptor("index.v1+json", index.as_bytes()))]);
    };
    let foreign = [
        entry(&wrong, "unknown/unknown"),
        entry(&wrong, "windows/amd64"),
        entry(&wrong, "linux/s390x"),
        entry(&wrong, &format!("{own}/v9")),
    ];
    let both = [&foreign[..], &[entry(&right, &own), entry(&wrong, "linux/arm/v7")]].concat();
    index(&mut layout, &both);
    loads(&h, layout.tar(), "box:1");
    index(&mut layout, &foreign[..3]);
    refused(&h, layout.tar(), "unknown/unknown, windows/amd64, linux/s390x");
    layout.index(&foreign[..3]);
    refused(&h, layout.tar(), "no image for linux/");
    layout.index(&[]);
    refused(&h, layout.tar(), "no image");
    // Indexes in indexes, but not without end.
    let mut inner = entry(&right, &own);
    for depth in 0..6 {
        let text = format!("{{\"manifests\":[{inner}]}}");
        layout.blob(text.as_bytes());
        inner = descriptor("index.v1+json", text.as_bytes()) + "}";
        layout.index(core::slice::from_ref(&inner));
        if depth < 4 {
            let path = h.write("nested.tar", layout.tar());
            assert!(h.ok(&["load", "-i", &path]).starts_with("Loaded image ID: sha256:"));
            h.ok(&["rmi", &h.ok("images -q")]);
        } else {
            refused(&h, layout.tar(), "is in more than 4 others");
        }
    }
}

#[test]
fn compressed_layers() {
    let h = Host::empty();
    let base = busybox();
    for (command, kind) in cases([
        ("gzip -n", "layer.v1.tar+gzip"),
        ("(head -c 1000 | gzip; gzip -1)", "layer.v1.tar+gzip"),
        ("gzip -n", "layer.v1.tar"), // its bytes say what it is
        ("zstd -q", "layer.v1.tar+zstd"),
        ("zstd -q -19 --check", "layer.v1.tar+zstd"),
        (
            "(head -c 1000 | zstd -q; printf '\\132\\052\\115\\030\\003\\0\\0\\0abc'; zstd -q --no-check)",
            "layer.v1.tar+zstd",
        ),
    ]) {
        let mark = Layer::file("mark", "here").packed(&h, command, kind);
        let base = Layer::plain(base.blob.clone()).packed(&h, command, kind);
        loads(&h, Layout::oci("box:1", &[&base, &mark]).tar(), "box:1");
        loads(&h, Layout::docker("box:1", &[&base, &mark]).tar(), "box:1");
    }
    let far = Layer::file("mark", "here").packed(&h, "zstd -q --ultra -22 --long=27", "layer.v1.tar+zstd");
    refused(&h, Layout::oci("box:1", &[&far]).tar(), "a window of 134217728 bytes, more than the 8388608");
    let cut = Layer::file("mark", "here").packed(&h, "(zstd -q | head -c 90)", "layer.v1.tar+zstd");
    refused(&h, Layout::oci("box:1", &[&cut]).tar(), "too early");
    let xz = Layer { blob: b"\xfd7zXZ\0".to_vec(), kind: "layer.v1.tar", diff_id: sha256(b"") };
    refused(&h, Layout::oci("box:1", &[&xz]).tar(), "xz");
}

#[test]
fn whole_archives_compressed_and_in_pipes() {
    let h = Host::empty();
    let tar = Layout::docker("box:1", &[&busybox(), &Layer::file("mark", "here")]).tar();
    h.write("box.tar", &tar);
    for command in ["cat", "gzip", "zstd -q"] {
        h.sh(&format!("{command} <box.tar >packed.tar"));
        loads(&h, fs::read(h.path("packed.tar")).unwrap(), "box:1");
        assert_eq!(h.cmd("load -q").input(fs::read(h.path("packed.tar")).unwrap()).run().ok(), "Loaded image: box:1");
        assert_eq!(h.ok("run --rm ./packed.tar cat /mark"), "here");
        h.ok("rmi -f box:1");
    }
    assert_eq!(h.sh("ls store/tmp"), "");
}

#[test]
fn several_images_and_names() {
    let h = Host::empty();
    let (base, one, two) = (busybox(), Layer::file("mark", "1"), Layer::file("mark", "2"));
    let mut all = Layout::docker("box:1", &[&base, &one]);
    let other = Layout::docker("team/box:2", &[&base, &two]);
    let text = |layout: &Layout| String::from_utf8(layout.files["manifest.json"].clone()).unwrap();
    let joined = format!("{},{}", text(&all).trim_end_matches(']'), text(&other).trim_start_matches('['));
    let joined = joined.replace("[\"box:1\"]", "[\"box:1\",\"docker.io/library/box:also\"]");
    all.files.extend(other.files);
    all.put("manifest.json", joined.clone());
    h.write("both.tar", all.tar());
    h.run("run --rm ./both.tar true").fails(125, "holds 2 images");
    let told = h.ok("load -i both.tar");
    assert_eq!(told, "Loaded image: box:1\nLoaded image: box:also\nLoaded image: team/box:2");
    let marks = ["box:1", "box:also", "team/box:2"].map(|name| h.ok(&["run", "--rm", name, "cat", "/mark"]));
    assert_eq!(marks, ["1", "1", "2"]);
    // A name that stood for something else.
    let old = h.ok("images --no-trunc -q box:1");
    h.write("new.tar", Layout::oci("box:1", &[&base, &two]).tar());
    let told = h.ok("load -i new.tar");
    let renamed = format!(
        "The image box:1 already exists, renaming the old one with ID {old} to empty string\nLoaded image: box:1"
    );
    assert_eq!(told, renamed);
    // No name at all.
    let nameless = joined.replace("[\"team/box:2\"]", "null");
    all.put("manifest.json", nameless);
    h.write("both.tar", all.tar());
    assert!(h.ok("load -i both.tar").contains("\nLoaded image ID: sha256:"));
    all.put("manifest.json", joined.replace("box:also", "BOX:also"));
    h.write("both.tar", all.tar());
    h.run("load -i both.tar").fails(1, "invalid reference format");
}

#[test]
fn what_is_there_is_not_unpacked_again() {
    let h = Host::new();
    let base = busybox();
    let dir = h.store.join("layers").join(&base.diff_id);
    let before = fs::metadata(dir.join("diff")).unwrap().ino();
    h.write("box.tar", Layout::docker("box:1", &[&base, &Layer::file("mark", "here")]).tar());
    assert_eq!(h.ok("load -i box.tar"), "Loaded image: box:1");
    assert_eq!(fs::metadata(dir.join("diff")).unwrap().ino(), before);
    assert_eq!(h.ok("run --rm box:1 cat /mark"), "here");
    // But it is read: a damaged archive is one, whoever has its layers.
    let mut bad = Layout::oci("box:1", &[&base]);
    let blob = format!("blobs/sha256/{}", base.diff_id);
    bad.files.get_mut(&blob).unwrap()[1000] ^= 1;
    h.write("bad.tar", bad.tar());
    h.run("load -i bad.tar").fails(1, &base.diff_id);
}

#[test]
fn damaged_blobs_are_named() {
    let h = Host::empty();
    let packed = Layer::file("other", "x").packed(&h, "gzip -n", "layer.v1.tar+gzip");
    let good = Layout::oci("box:1", &[&Layer::file("mark", "here"), &packed]);
    for path in good.files.keys().filter(|path| path.starts_with("blobs/")) {
        let digest = path.rsplit('/').next().unwrap();
        let mut bad = good.clone();
        let blob = bad.files.get_mut(path).unwrap();
        let at = blob.len() / 2;
        blob[at] ^= 1;
        refused(&h, bad.tar(), digest);
        let mut short = good.clone();
        short.files.get_mut(path).unwrap().pop();
        refused(&h, short.tar(), "bytes instead of");
        let mut missing = good.clone();
        missing.files.remove(path);
        refused(&h, missing.tar(), &format!("{path} is missing"));
    }
    for layers in [1, 3] {
        let mut other = Layout::docker("box:1", &[&packed, &packed]);
        let text = String::from_utf8(other.files["manifest.json"].clone()).unwrap();
        let list = text.split("\"Layers\":").nth(1).unwrap();
        let first = list.trim_matches(['[', ']', '}']).split(',').next().unwrap();
        other.put("manifest.json", text.replace(list, &format!("[{}]}}]", vec![first; layers].join(","))));
        refused(&h, other.tar(), &format!("names 2 layers, but the archive has {layers}"));
    }
    let mut lying = Layout::docker("box:1", &[&packed]);
    let dir = sha256(b"0box:1");
    lying.put(&format!("{dir}/layer.tar"), Layer::file("other", "y").blob);
    refused(&h, lying.tar(), "instead of");
}

#[test]
fn what_is_unknown_is_refused() {
    let h = Host::empty();
    let layer = Layer::file("mark", "here");
    let good = Layout::oci("box:1", &[&layer]);
    let manifest = good.files.values().find(|bytes| bytes.starts_with(b"{\"schemaVersion\":2,\"config\"")).unwrap();
    let with = |from: &str, to: &str| {
        let mut bad = good.clone();
        let text = String::from_utf8(manifest.clone()).unwrap();
        assert!(text.contains(from), "{from}");
        let text = text.replace(from, to);
        bad.blob(text.as_bytes());
        bad.index(&[descriptor("manifest.v1+json", text.as_bytes()) + "}"]);
        bad.tar()
    };
    let tar = format!("{OCI}layer.v1.tar");
    for kind in ["layer.nondistributable.v1.tar", "layer.nondistributable.v1.tar+gzip"] {
        refused(&h, with(&tar, &format!("{OCI}{kind}")), "its maker's server");
    }
    refused(&h, with(&tar, "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"), "its maker's server");
    for kind in
        ["", "text/plain", "application/vnd.oci.image.layer.v1.tar+br", "application/vnd.in-toto+json", "a\\u001bb"]
    {
        refused(&h, with(&tar, kind), "unknown media type");
    }
    let config = format!("{OCI}config.v1+json");
    refused(&h, with(&config, "application/vnd.cncf.helm.config.v1+json"), "unknown media type");
    refused(&h, with("\"sha256:", "\"sha512:"), "is not a sha256 digest");
    refused(&h, with("\"sha256:", "\"sha256:../../"), "is not a sha256 digest");
    refused(&h, with("\"size\":", "\"length\":"), "has no size");
    refused(&h, with("\"size\":", "\"size\":-"), "has no size");
    refused(&h, with("\"config\"", "\"conf\""), "names no config");
    let mut other = good.clone();
    other.index(&[descriptor("something.else", manifest) + "}"]);
    refused(&h, other.tar(), "unknown media type");
    let mut other = good.clone();
    other.put("oci-layout", "{\"imageLayoutVersion\":\"2.0.0\"}");
    refused(&h, other.tar(), "2.0.0");
    let mut windows = Layout::docker("box:1", &[&layer]);
    let id = sha256(&config_of(&windows));
    let text = String::from_utf8(config_of(&windows)).unwrap().replace("linux", "windows");
    let manifest = String::from_utf8(windows.files["manifest.json"].clone()).unwrap();
    windows.put(&format!("{}.json", sha256(text.as_bytes())), text.clone());
    windows.put("manifest.json", manifest.replace(&id, &sha256(text.as_bytes())));
    refused(&h, windows.tar(), "for windows");
}

fn config_of(layout: &Layout) -> Vec<u8> {
    layout.files.values().find(|bytes| bytes.starts_with(b"{\"os\"")).unwrap().clone()
}

#[test]
fn bad_documents() {
    let h = Host::empty();
    let good = Layout::docker("box:1", &[&Layer::file("mark", "here")]);
    let id = good.files.keys().find(|path| path.len() == 69 && path[64..] == *".json").unwrap().clone();
    let entry = |config: &str| format!("[{{\"Config\":\"{config}\",\"RepoTags\":[],\"Layers\":[]}}]");
    let deep = "[".repeat(1 << 20);
    let long = format!("[\"{}\"]", "x".repeat(2 << 20));
    for (document, why) in [
        ("", "is not JSON"),
        ("{", "is not JSON"),
        (&deep, "is not JSON"),
        ("\u{0}", "is not JSON"),
        ("{}", "not a list of images"),
        ("[]", "no image in the archive"),
        ("[1, null, \"x\"]", "without a configuration"),
        ("[{\"Config\": 1}]", "without a configuration"),
        ("[{\"Config\": \"x\", \"Layers\": [{}]}]", "a layer without a path"),
        (&entry("/etc/passwd"), "etc/passwd is missing"),
        (&entry("../../../../../etc/passwd"), "etc/passwd is missing"),
        (&entry(&id), "names 1 layers, but the archive has 0"),
        (&entry("manifest.json"), "is not an image's configuration"),
        (&long, "1048576 are allowed"),
    ] {
        let mut bad = good.clone();
        bad.put("manifest.json", document);
        refused(&h, bad.tar(), why);
        bad.put("index.json", document);
        bad.files.remove("manifest.json");
        let output = h.cmd("load").input(bad.tar()).run();
        assert!(output.code == 1 && output.err.lines().count() == 1, "{output:?}");
    }
    let bytes = b"{\"config\":{\"Env\":[1]}}";
    let mut bad = Layout::default();
    bad.put("manifest.json", entry("c.json"));
    bad.put("c.json", bytes.as_slice());
    refused(&h, bad.tar(), "is not an image's configuration");
    bad.put("c.json", vec![b' '; 5 << 20]);
    refused(&h, bad.tar(), "4194304 are allowed");
    let many = format!("[{}]", format_args!("{{\"Config\":\"{id}\",\"Layers\":[{}]}}", ["\"x\""; 300].join(",")));
    let mut bad = good.clone();
    bad.put("manifest.json", many);
    refused(&h, bad.tar(), "300 layers");
}

#[test]
fn what_is_no_image_archive() {
    let h = Host::empty();
    refused(&h, fs::read(busybox_tar()).unwrap(), "mydocker import");
    refused(&h, b"", "not a tar archive");
    refused(&h, b"junk\n", "not a tar archive");
    refused(&h, Tar::default().finished(), "neither manifest.json nor index.json");
    refused(&h, Tar::default().file("../manifest.json", b"[]").finished(), "\"..\"");
    let many = (0..100_001).fold(Tar::default(), |tar, n| tar.file(&format!("f{n}"), b""));
    refused(&h, many.finished(), "more than 100000 files");
    h.run("load -i nosuch.tar").fails(1, "nosuch.tar");
    h.write("dir/x", "");
    h.run("load -i dir").fails(1, "neither manifest.json nor index.json");
    h.run("run ./dir true").fails(125, "--rootfs");
    h.cmd("load").input("junk").run().fails(1, "not a tar archive");
    h.run("load x").fails(1, "accepts no arguments");
    let output = h.terminal("load").wait();
    assert!(output.code == 1 && output.out.contains("requested load from stdin, but stdin is empty"), "{output:?}");
    for verb in ["pull", "push", "login", "search", "image pull"] {
        h.run(&format!("{verb} busybox")).fails(125, "skopeo copy");
    }
}

#[test]
fn archives_that_end_early() {
    let h = Host::empty();
    let packed = Layer::file("more", &"0123456789".repeat(300)).packed(&h, "gzip -n", "layer.v1.tar+gzip");
    let mark = Layer::file("mark", "here");
    h.ok("images");
    let before = h.snapshot();
    let mut docker = Layout::docker("box:1", &[&mark, &packed]);
    docker.files.remove("repositories"); // nobody would miss it
    for tar in [docker.tar(), Layout::oci("box:1", &[&mark, &packed]).backwards()] {
        let end = tar.len() - 1024;
        for cut in (0..end).step_by(331).chain([1, 511, 512, 513, end - 1]) {
            let output = h.cmd("load").input(&tar[..cut]).run();
            // Zeros behind the last file may be missing.
            let whole = tar[cut..].iter().all(|byte| *byte == 0) && output.code == 0;
            if whole {
                h.ok("rmi box:1");
            } else {
                assert!(output.code == 1 && output.err.lines().count() == 1, "{cut}: {output:?}");
            }
        }
        h.cmd("load").input(tar).run().ok();
        h.ok("rmi box:1");
    }
    h.unchanged(&before);
}

#[test]
fn hostile_layers_come_no_further_than_by_import() {
    let h = Host::empty();
    h.write("canary", "precious");
    let canary = h.path("canary");
    for (tar, why) in [
        (Tar::default().file("../evil", b"x"), "\"..\""),
        (Tar::default().symlink("s", &h.path("")).hard_link("h", "s/canary"), "link h"),
        (Tar::default().file(".wh.", b""), "whiteout"),
        (Tar::default().file("f", b"x").raw(b"junk"), "checksum"),
    ] {
        let layer = Layer::plain(tar.finished());
        refused(&h, Layout::docker("box:1", &[&layer]).tar(), why);
        refused(&h, Layout::oci("box:1", &[&Layer::file("a", "b"), &layer]).tar(), why);
    }
    assert_eq!(fs::read_to_string(canary).unwrap(), "precious");
}
