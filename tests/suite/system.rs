//! `system df`, `system prune`, `system check`: what is there, what goes, what is wrong and how it is put right.

use crate::crash::monitor;
use crate::host::Host;
use crate::process::{Cmd, Output, until};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::os::unix::fs::symlink;

fn only_layer(h: &Host) -> String {
    let mut layers = fs::read_dir(h.store.join("layers")).unwrap();
    layers.next().unwrap().unwrap().file_name().into_string().unwrap()
}

#[test]
fn df_is_dockers_table() {
    let h = Host::new();
    h.ok("run --name box -v /data busybox sh -c 'echo 12345 >/f; echo 123 >/data/f'");
    h.idle("--name live");
    h.ok("commit box mine");
    let table = h.ok("system df");
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines[0], "TYPE            TOTAL     ACTIVE    SIZE      RECLAIMABLE");
    assert!(lines[1].starts_with("Images          2         1         1.9") && lines[1].ends_with("MB   6B (0%)"));
    assert_eq!(lines[2], "Containers      2         1         6B        6B (100%)");
    assert_eq!(lines[3], "Local Volumes   1         1         4B        0B (0%)");
    assert_eq!(lines[4], "Build Cache     0         0         0B        0B");
    assert_eq!(h.ok("system df --format '{{.Type}}: {{.TotalCount}}'").lines().next(), Some("Images: 2"));
    assert!(h.ok("system df --format json").starts_with("{\"Active\":\"1\",\"Reclaimable\":\"6B (0%)\",\"Size\":"));
    h.run("system df -v --format json").fails(1, "conflict");
    let all = h.ok("system df -v");
    for line in [
        "REPOSITORY   TAG       IMAGE ID       CREATED",
        "SHARED SIZE   UNIQUE SIZE   CONTAINERS",
        "CONTAINER ID   IMAGE     COMMAND",
        "VOLUME NAME",
        "Build cache usage: 0B",
    ] {
        assert!(all.contains(line), "{line}: {all}");
    }
    let mine = all.lines().find(|line| line.starts_with("mine ")).unwrap();
    assert!(mine.contains("MB       6B            0"), "{mine}");
}

#[test]
fn prune_removes_what_is_not_used() {
    let h = Host::new();
    let old = h.ok("create --name old -v /data busybox true");
    h.idle("--name live -v /data -v named:/n");
    h.ok("run --rm -v other:/o busybox true");
    let nameless = h.ok("commit old");
    h.ok("commit old unused");
    let asked = h.ok("system prune --volumes");
    let lines = "WARNING! This will remove:\n  - all stopped containers\n  \
                 - all networks not used by at least one container\n  \
                 - all anonymous volumes not used by at least one container\n  - all dangling images\n\n\
                 Are you sure you want to continue? [y/N] ";
    assert_eq!(asked, lines);
    assert!(h.ok("system prune -a --filter label=x").contains("will be filtered with:\n  - label=x\n\nAre you sure"));
    h.run("system prune --volumes --filter until=1h").fails(125, "until");
    let anonymous = h.ok("inspect -f '{{(index .Mounts 0).Name}}' old");
    let pruned = h.ok("system prune -f --volumes");
    let parts: Vec<&str> = pruned.split("\n\n").collect();
    assert_eq!(parts[0], format!("Deleted Containers:\n{old}"));
    assert_eq!(parts[1], format!("Deleted Volumes:\n{anonymous}"));
    assert!(parts[2].starts_with(&format!("Deleted Images:\ndeleted: {nameless}")), "{pruned}");
    assert!(parts[3].starts_with("Total reclaimed space: ") && parts.len() == 4, "{pruned}");
    let mut volumes: Vec<String> = fs::read_dir(h.store.join("volumes"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    volumes.sort();
    assert!(volumes.len() == 3 && volumes[1..] == ["named", "other"], "{volumes:?}");
    assert!(h.ok("system prune -af").contains("untagged: unused:latest\n"));
    assert_eq!(h.ok("images --format {{.Repository}}"), "busybox");
    assert_eq!(h.ok("system prune -f"), "Total reclaimed space: 0B");
}

/// One line for each finding, and nothing else.
#[track_caller]
fn finds(h: &Host, wanted: &[&str]) -> Output {
    let output = h.run("system check");
    let lines: Vec<&str> = output.out.lines().collect();
    let fit = wanted.iter().all(|text| lines.iter().any(|line| line.contains(text)));
    assert!(fit && lines.len() == wanted.len() && output.err.is_empty(), "{output:?}");
    output.exits(4)
}

#[track_caller]
fn is_clean(h: &Host) {
    assert!(h.ok("system check").starts_with("clean: "));
}

#[test]
fn a_clean_store_is_called_clean() {
    let h = Host::new();
    h.ok("create --name box -v named:/n busybox true");
    h.idle("--name live");
    h.ok("commit box mine");
    assert_eq!(h.ok("system check"), "clean: 2 images, 2 layers, 2 containers, 1 volumes");
}

#[test]
fn what_killed_commands_left_is_put_right() {
    let h = Host::new();
    h.ok("create --name box busybox true");
    h.ok("run -d --name dead busybox sleep 1000");
    let dead = monitor(&h, "dead");
    kill_process(Pid::from_raw(dead).unwrap(), Signal::KILL).unwrap();
    until("the monitor is gone", || h.run("system check").out.contains("whose monitor was killed"));
    let gone = "ab".repeat(32);
    let store = &h.store;
    fs::create_dir(store.join("tmp/draft")).unwrap();
    fs::create_dir(store.join("trash/old.12345678")).unwrap();
    fs::create_dir(store.join("layers").join(&gone)).unwrap();
    fs::create_dir(h.run_dir.join(&gone)).unwrap();
    symlink(&gone, store.join("names/stale")).unwrap();
    symlink(&gone, store.join("files/1-2-3")).unwrap();
    fs::write(store.join("images/.half.12345678"), "{").unwrap();
    let box_dir = store.join("containers").join(h.ok("inspect -f {{.Id}} box"));
    fs::write(box_dir.join(".state.json.12345678"), "{").unwrap();
    let wanted = [
        "left over: tmp/draft",
        "left over: trash/old.12345678",
        &format!("left over: layer {gone}"),
        &format!("/{gone}, of a container that is gone"),
        "left over: the name stale",
        "left over: files/1-2-3",
        "left over: images/.half.12345678",
        "/.state.json.12345678, half a record",
        "left over: container dead, whose monitor was killed",
    ];
    finds(&h, &wanted);
    let repaired = h.run("system check --repair").exits(1);
    let done = |line: &str| line.ends_with(": removed") || line.ends_with(": finished");
    assert!(repaired.out.lines().count() == wanted.len() && repaired.out.lines().all(done), "{repaired:?}");
    is_clean(&h);
    assert!(h.field("dead", "Status").starts_with("Exited (137)"));
    h.ok("start -a box");
}

#[test]
fn what_is_missing() {
    let h = Host::new();
    h.ok("run --name box -v data:/d busybox sh -c 'echo mine >/f'");
    let id = h.ok("inspect -f {{.Id}} box");
    let image = h.ok("images -q --no-trunc").replace("sha256:", "");
    let gone = "cd".repeat(32);
    symlink(&gone, h.store.join("refs/gone:latest")).unwrap();
    fs::remove_file(h.store.join("names/box")).unwrap();
    fs::remove_dir_all(h.store.join("volumes/data")).unwrap();
    fs::remove_dir_all(h.store.join("containers").join(&id).join("work")).unwrap();
    let nameless = format!("missing: container box ({id}), to which no name leads");
    finds(
        &h,
        &[
            &format!("missing: image {gone}, which gone:latest stands for"),
            &nameless,
            "missing: no volume data of container box",
            &format!("missing: containers/{id}/work of container box"),
        ],
    );
    // Somebody else has the name by now.
    h.ok("create --name box busybox true");
    let repaired = h.run("system check --repair").exits(1).out;
    assert!(repaired.contains(&format!("{nameless}: its name: it has a name again")), "{repaired}");
    assert!(repaired.contains("no volume data of container box: made anew, with nothing in it"), "{repaired}");
    is_clean(&h);
    assert_eq!(h.ok(&format!("start -a box_{}", &id[..12])), "");
    // What cannot be made anew is told, and left alone.
    let layer = only_layer(&h);
    fs::rename(h.store.join("layers").join(&layer), h.path("layer")).unwrap();
    let missing = h.run("system check --repair").exits(4).out;
    assert!(missing.starts_with(&format!("missing: layer {layer} of ")) && missing.lines().count() == 1, "{missing}");
    assert!(fs::exists(h.store.join("images").join(&image)).unwrap());
    fs::rename(h.path("layer"), h.store.join("layers").join(&layer)).unwrap();
    is_clean(&h);
}

#[test]
fn what_is_damaged_is_told_and_kept() {
    let h = Host::new();
    h.ok("run --name box busybox true");
    let id = h.ok("inspect -f {{.Id}} box");
    let layer = only_layer(&h);
    let (dir, record) = (h.store.join("layers").join(&layer), h.store.join("containers").join(&id));
    let sound = fs::read_to_string(dir.join("size")).unwrap();
    // A note and a state can be made anew.
    fs::write(dir.join("size"), "many").unwrap();
    fs::write(record.join("state.json"), "{\"version\":").unwrap();
    finds(&h, &["/size is damaged", "/state.json is damaged"]);
    let repaired = h.run("system check --repair").exits(1).out;
    assert!(repaired.contains(": counted again\n") && repaired.contains("is in state.damaged\n"), "{repaired}");
    is_clean(&h);
    assert_eq!(fs::read_to_string(dir.join("size")).unwrap(), sound);
    assert_eq!(fs::read_to_string(record.join("state.damaged")).unwrap(), "{\"version\":");
    assert!(h.field("box", "Status").starts_with("Exited (137)"));
    h.ok("start -a box");
    // A file more, one less, a link that is a copy now, another size: all are noticed.
    for (spoil, repair) in [
        ("touch etc/more", "rm etc/more"),
        ("mv bin/busybox ../busybox", "mv ../busybox bin/busybox"),
        ("cp etc/passwd ../passwd; echo >>etc/passwd", "mv ../passwd etc/passwd"),
        ("ln etc/passwd etc/other; mv etc/group ..", "rm etc/other; mv ../group etc"),
    ] {
        let in_layer = |script: &str| h.sh(&format!("cd store/layers/{layer}/diff; {script}"));
        in_layer(spoil);
        finds(&h, &[&format!("damaged: layer {layer} of ")]);
        let kept = h.run("system check --repair").exits(4).out;
        assert!(kept.contains(" when it was made\n"), "{kept}");
        in_layer(repair);
        is_clean(&h);
    }
    // Records of images and containers cannot be made anew; with one of them unread no layer counts as left over.
    let image = h.ok("images -q --no-trunc").replace("sha256:", "");
    let path = h.store.join("images").join(&image);
    let text = fs::read(&path).unwrap();
    fs::write(&path, "{}").unwrap();
    fs::write(record.join("config.json"), "{}").unwrap();
    let other = "ef".repeat(32);
    fs::create_dir(h.store.join("layers").join(&other)).unwrap();
    let kept = h.run("system check --repair").exits(4).out;
    assert!(kept.lines().count() == 2 && kept.contains("rmi ") && kept.contains("rm -f "), "{kept}");
    fs::write(&path, text).unwrap();
    h.ok(&["rm", "-f", &id]);
    h.run("system check --repair").exits(1);
    is_clean(&h);
    // What we never made is shown, and left alone.
    fs::write(h.store.join("layers/notes.txt"), "").unwrap();
    finds(&h, &["unknown: layers/notes.txt is nothing of ours"]);
    h.run("system check --repair").exits(4);
    assert!(fs::exists(h.store.join("layers/notes.txt")).unwrap());
}

#[test]
fn deep_looks_into_files() {
    let h = Host::new();
    let base = only_layer(&h);
    h.ok("run --name box busybox sh -c 'echo one >/f; mkdir /d; ln /f /d/g; rm -r /bin; ln -s f /l'");
    let mine = h.ok("commit box mine").replace("sha256:", "");
    let layers = h.ok(&format!("inspect -f '{{{{json .RootFS.Layers}}}}' {mine}"));
    let own = layers.trim_end_matches(['"', ']']).rsplit(':').next().unwrap().to_owned();
    let spoil = |layer: &str, file: &str| {
        h.sh(&format!("cd store/layers/{layer}/diff; printf '\\377' | dd of={file} conv=notrunc 2>/dev/null"))
    };
    // What we pack ourselves is what we unpack; what others packed is noted first.
    let said = h.run("system check --deep").exits(0);
    assert!(said.err.contains("the content of 1 layers is proven; 1 came from archives of other programs"), "{said:?}");
    h.run("system check --deep --repair").exits(0);
    h.run("system check --deep").exits(0).ok();
    spoil(&own, "f");
    spoil(&base, "bin/busybox");
    is_clean(&h);
    let found = h.run("system check --deep --repair").exits(4).out;
    for layer in [&own, &base] {
        // For our own one, its name is the digest; what it is now must not be noted for good.
        assert!(found.contains(&format!("damaged: layer {layer} of ")), "{found}");
    }
}

#[test]
fn what_others_are_at_is_no_finding() {
    let Some(crash) = crate::host::crash_binary() else { return };
    let h = Host::new();
    // A draft whose maker lives, a run, and a removal.
    let mut run = h.cmd("run -i --name box busybox cat").input("").spawn();
    until("it runs", || h.field("box", "State") == "running");
    is_clean(&h);
    run.hang_up();
    h.ok("rm -f box");
    run.wait();
    let fifo = h.path("fifo");
    h.sh("mkfifo fifo");
    let import = h.spawn(&["import", &fifo, "slow"]);
    let mut pipe = fs::File::options().write(true).open(&fifo).unwrap();
    std::io::Write::write_all(&mut pipe, &[0; 100]).unwrap();
    until("there is a draft", || fs::read_dir(h.store.join("tmp")).unwrap().count() == 1);
    is_clean(&h);
    drop(pipe);
    import.wait().exits(1);
    Cmd::new(&h, &crash, "create --name box busybox true").env("MYDOCKER_DIE_AT", "create:filled").run().exits(137);
    finds(&h, &["left over: tmp/"]);
    h.run("system check --repair").exits(1);
    is_clean(&h);
}
