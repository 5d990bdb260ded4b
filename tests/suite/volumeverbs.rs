//! `volume create`, `ls`, `inspect`, `rm`, `prune`, and how volumes are filled.

use crate::host::Host;
use std::fs;

#[test]
fn create_prints_the_name() {
    let h = Host::empty();
    assert_eq!(h.ok("volume create vol1"), "vol1");
    assert_eq!(h.ok("volume create vol1"), "vol1");
    assert_eq!(h.ok("volume create -d local --label k=v --label w vol2"), "vol2");
    let own = h.ok("volume create");
    assert!(own.len() == 64 && own.bytes().all(|b| b.is_ascii_hexdigit()), "{own}");
    assert_eq!(h.ok("volume ls -q").lines().count(), 3);
    assert_eq!(h.ok("volume inspect -f '{{json .Labels}}' vol2"), "{\"k\":\"v\",\"w\":\"\"}");
    assert_eq!(h.ok(&["volume", "inspect", "-f", "{{json .Labels}}", &own]), "{\"com.docker.volume.anonymous\":\"\"}");
    for (line, code, why) in [
        ("volume create a/b", 1, "includes invalid characters for a local volume name"),
        ("volume create x", 1, "volume name is too short"),
        ("volume create ../x1", 1, "includes invalid characters"),
        ("volume create -d nfs vol3", 1, "plugin \"nfs\" not found"),
        ("volume create --label =x vol3", 125, "invalid label"),
        ("volume create --bogus", 125, "unknown flag: --bogus"),
        ("volume create a1 b1", 1, "requires at most 1 argument"),
    ] {
        h.run(line).fails(code, why);
    }
    assert_eq!(h.ok("volume ls -q").lines().count(), 3);
}

#[test]
fn ls_and_its_filters() {
    let h = Host::new();
    assert_eq!(h.ok("volume ls"), "DRIVER    VOLUME NAME");
    h.ok("volume create --label tier=db --label a=b data");
    h.ok("volume create other");
    h.ok("create --name box -v data:/d busybox true");
    assert_eq!(h.ok("volume ls"), "DRIVER    VOLUME NAME\nlocal     data\nlocal     other");
    for (filter, want) in [
        ("name=at", "data"),
        ("name=^o", "other"),
        ("dangling=true", "other"),
        ("dangling=0", "data"),
        ("label=tier", "data"),
        ("label=tier=x", ""),
        ("driver=local", "data\nother"),
        ("driver=nfs", ""),
    ] {
        assert_eq!(h.ok(&["volume", "ls", "-q", "--filter", filter]), want, "{filter}");
    }
    assert_eq!(
        h.ok("volume list -f name=data --format '{{.Name}} {{.Driver}} {{.Scope}} {{.Labels}}'"),
        "data local local a=b,tier=db"
    );
    let place = format!("{}/volumes/data/_data", h.store.display());
    assert_eq!(h.ok("volume ls -f name=data --format {{.Mountpoint}}"), place);
    assert!(h.ok("volume ls --format json").starts_with("{\"Availability\":\"N/A\",\"Driver\":\"local\","));
    h.run("volume ls -f bogus=1").fails(1, "Invalid filter 'bogus'");
    h.run("volume ls -f bogus").fails(1, "expected name=value");
}

#[test]
fn inspect_has_dockers_shape() {
    let h = Host::empty();
    h.ok("volume create data");
    let text = h.ok("volume inspect data");
    let place = format!("{}/volumes/data/_data", h.store.display());
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    assert!(
        lines[2].starts_with("\"CreatedAt\": \"20") && lines[2].ends_with("Z\",") && !lines[2].contains('.'),
        "{text}"
    );
    assert_eq!(
        lines[3..9],
        [
            "\"Driver\": \"local\",",
            "\"Labels\": null,",
            &format!("\"Mountpoint\": \"{place}\","),
            "\"Name\": \"data\",",
            "\"Options\": null,",
            "\"Scope\": \"local\""
        ]
    );
    let output = h.run("volume inspect nosuch data -f {{.Name}}").exits(1);
    assert!(output.out == "data\n" && output.err.contains("get nosuch: no such volume"), "{output:?}");
}

#[test]
fn rm_refuses_what_is_in_use() {
    let h = Host::new();
    h.ok("volume create free1");
    let (one, two) = (h.ok("create --name one -v data:/d busybox true"), h.idle("--name two -v data:/e"));
    let output = h.run("volume rm data").exits(1);
    assert!(output.err.starts_with("mydocker: remove data: volume is in use - ["), "{output:?}");
    assert!(output.err.contains(&one) && output.err.contains(&two) && output.err.contains(", "), "{output:?}");
    h.run("volume rm -f data").fails(1, "volume is in use");
    let output = h.run("volume rm nosuch free1").exits(1);
    assert!(output.out == "free1\n" && output.err == "mydocker: get nosuch: no such volume\n", "{output:?}");
    assert_eq!(h.ok("volume remove -f nosuch"), "nosuch");
    h.run("volume rm ../refs").fails(1, "no such volume");
    h.ok("rm -f one two");
    assert_eq!(h.ok("volume rm data"), "data");
    assert!(!h.store.join("volumes/data").exists() && h.store.join("refs").exists());
}

#[test]
fn prune_takes_the_nameless_ones() {
    let h = Host::new();
    h.ok("volume create --label keep named");
    h.ok("volume create used1");
    h.ok("run --name box -v used1:/u -v /anon busybox sh -c 'echo 12345 >/anon/f'");
    let anonymous = h.ok("volume ls -q -f label=com.docker.volume.anonymous");
    assert_eq!(h.ok("volume prune -f"), "Total reclaimed space: 0B");
    h.ok("rm box");
    let output = h.cmd("volume prune").input("n\n").run().exits(0);
    assert!(
        output.out.contains("This will remove anonymous local volumes not used by at least one container.\n"),
        "{output:?}"
    );
    assert_eq!(h.ok("volume prune --force"), format!("Deleted Volumes:\n{anonymous}\n\nTotal reclaimed space: 6B"));
    assert_eq!(h.ok("volume prune -a -f --filter label!=keep"), "Deleted Volumes:\nused1\n\nTotal reclaimed space: 0B");
    assert_eq!(h.ok("volume ls -q"), "named");
    h.run("volume prune -f --filter bogus=1").fails(1, "Invalid filter");
}

#[test]
fn an_empty_volume_is_filled_and_a_full_one_left_alone() {
    let h = Host::new();
    let look = |place: &str| h.run(&format!("run --rm -v conf:{place} busybox ls {place}")).out.replace('\n', " ");
    h.ok("volume create conf");
    assert_eq!(h.ok("run --rm -v conf:/nothing/there busybox ls /nothing/there"), "");
    assert!(look("/etc").contains(" passwd ") && look("/m").contains(" passwd "));
    h.sh(&format!("cd {}/volumes/conf/_data && rm -rf ./* && touch mine", h.store.display()));
    assert!(!look("/etc").contains(" passwd ") && look("/etc").contains(" mine "));
    h.sh(&format!("cd {}/volumes/conf/_data && rm -rf ./* .[!.]* || true", h.store.display()));
    h.ok("run --rm -v conf:/etc:nocopy busybox true");
    assert!(!look("/m").contains("passwd"));
    h.sh(&format!("cd {}/volumes/conf/_data && touch mine", h.store.display()));
    // What a killed command left half-full is filled once more.
    fs::write(h.store.join("volumes/conf/filling"), "").unwrap();
    assert_eq!(h.ok("run --rm -v conf:/etc busybox ls /etc/mine /etc/passwd"), "/etc/mine\n/etc/passwd");
    assert!(!h.store.join("volumes/conf/filling").exists());
}

#[test]
fn many_that_want_a_new_volume_at_once_all_see_it_full() {
    let h = Host::new();
    let run = || h.spawn("run --rm -v fresh:/bin busybox sh -c 'ls /bin | wc -l'");
    let wanted = h.ok("run --rm busybox sh -c 'ls /bin | wc -l'");
    for running in [run(), run(), run(), run(), run()] {
        assert_eq!(running.wait().out.trim(), wanted);
    }
}

#[test]
fn rm_v_leaves_an_anonymous_volume_that_another_one_uses() {
    let h = Host::new();
    h.ok("run --name one -v /data busybox sh -c 'echo precious >/data/f'");
    let name = h.ok("volume ls -q");
    h.ok(&format!("create --name two -v {name}:/d busybox cat /d/f"));
    h.ok("rm -v one");
    assert_eq!(h.ok("start -a two"), "precious");
    h.ok("rm -v two"); // it is a named one there
    assert_eq!(h.ok("volume ls -q"), name);
}

#[test]
fn removal_against_use() {
    let h = Host::new();
    for _ in 0..8 {
        let runs = [
            h.spawn("run --rm -v race1:/v busybox sh -c 'echo x >/v/f && cat /v/f'"),
            h.spawn("run --rm -v race1:/v busybox sh -c 'echo x >/v/g && cat /v/g'"),
        ];
        let removals = [h.spawn("volume rm -f race1"), h.spawn("volume prune -af")];
        for run in runs {
            let output = run.wait();
            assert!(output.code == 0 && output.out == "x\n", "{output:?}");
        }
        for removal in removals {
            removal.wait();
        }
    }
}

#[test]
fn a_volume_of_before_has_no_record() {
    let h = Host::empty();
    h.ok("volume create fresh1");
    fs::create_dir_all(h.store.join("volumes/old1/_data")).unwrap();
    fs::write(h.store.join("volumes/fresh1/volume.json"), "{").unwrap();
    let output = h.run("volume ls -q").exits(1);
    assert!(output.out == "old1\n" && output.err.contains("fresh1/volume.json is damaged"), "{output:?}");
    assert!(h.ok("volume inspect -f {{.CreatedAt}} old1").starts_with("20"));
    h.ok("volume rm fresh1 old1");
}
