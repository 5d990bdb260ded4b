//! Disks that are full, read-only or damaged: an error that names the file; all other containers are listed and run.

use crate::archive::Tar;
use crate::crash::monitor;
use crate::host::Host;
use crate::process::until;
use rustix::process::{Pid, Signal, kill_process};
use std::fs;
use std::os::unix::fs::PermissionsExt;

/// A store on a disk of its own, gone with the test.
struct Disk {
    h: Host,
}

impl Disk {
    fn new(size: &str) -> Self {
        let h = Host::empty();
        h.sh(&format!("mkdir store; mount -t tmpfs -o size={size},mode=700 mydocker-test store"));
        let disk = Self { h };
        disk.h.ok(&["import", crate::host::busybox_tar(), "busybox"]);
        disk
    }

    /// Takes all the room there is.
    fn fill(&self) {
        self.h.sh("dd if=/dev/zero of=store/ballast bs=64k 2>/dev/null || true; dd if=/dev/zero of=store/ballast2 bs=1k 2>/dev/null || true");
    }

    fn empty(&self) {
        self.h.sh("rm -f store/ballast store/ballast2");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let ids = fs::read_dir(self.h.store.join("containers")).into_iter().flatten().flatten();
        let ids: Vec<String> = ids.map(|entry| entry.file_name().into_string().unwrap()).collect();
        if std::thread::panicking() {
            self.h.sh("mount -o remount,bind,rw store || true");
            self.empty();
        }
        for id in ids {
            self.h.run(&["rm", "-f", &id]);
        }
        self.h.sh("for again in 1 2; do umount -l store 2>/dev/null || true; done");
    }
}

const FULL: &str = "no space left on device";

#[test]
fn a_full_disk_fails_what_needs_room_and_nothing_else() {
    let d = Disk::new("8m");
    let h = &d.h;
    h.ok("run -d --name runs busybox sh -c 'trap \"exit 4\" TERM; echo before; sleep 1000 & wait'");
    until("it has said it", || h.ok("logs runs") == "before");
    h.ok("create --name made busybox true");
    d.fill();
    let before = h.snapshot();
    for line in ["run -d --name more busybox sleep 1000", "run --rm busybox true", "create busybox true"] {
        let output = h.run(line);
        assert!(output.err.contains(h.store.to_str().unwrap()), "which disk? {output:?}");
        output.fails(125, FULL);
    }
    h.run(&["import", crate::host::busybox_tar(), "again"]).fails(1, FULL);
    h.unchanged(&before);
    assert_eq!(h.ok("ps -aq").lines().count(), 2);
    assert_eq!(h.ok("exec runs echo alive"), "alive");
    assert_eq!(h.ok("logs runs"), "before");
    h.ok("rm made");
    h.ok("rm -f runs");
    assert_eq!(h.ok("ps -aq"), "");
    d.empty();
    h.ok("run --rm busybox true");
}

#[test]
fn how_a_container_ended_is_known_on_a_full_disk() {
    let d = Disk::new("8m");
    let h = &d.h;
    h.ok("run -d --name box busybox sh -c 'trap \"echo bye; exit 4\" TERM; echo before; sleep 1000 & wait'");
    until("it has said it", || h.ok("logs box") == "before");
    d.fill();
    h.ok("stop box");
    assert!(h.field("box", "Status").starts_with("Exited (4)"), "{}", h.ok("ps -a"));
    assert_eq!(h.ok("wait box"), "4");
    h.ok("rm box");
}

#[test]
fn a_container_goes_on_when_its_log_is_full() {
    let d = Disk::new("8m");
    let h = &d.h;
    h.ok("run -d --name box busybox sh -c 'while [ ! -e /dev/shm/go ]; do echo much; done; exit 5'");
    d.fill();
    let told = || h.run("inspect -f {{.State.Error}} box").exits(0).out;
    until("the record tells about it", || told().contains("write the log: no space left on device"));
    h.run("exec box touch /dev/shm/go"); // the end that it brings about may meet it, too
    h.ended("box");
    assert!(h.field("box", "Status").starts_with("Exited (5)"), "{}", h.ok("ps -a"));
}

#[test]
fn a_commit_on_a_full_disk() {
    let d = Disk::new("7m");
    let h = &d.h;
    h.ok("run -d --name box busybox sh -c 'yes | head -c 3000000 >/big; echo done; sleep 1000'");
    until("it is written", || h.run("logs box").out.contains("done"));
    let before = h.snapshot();
    h.run("commit box mine").fails(1, FULL);
    h.unchanged(&before);
    assert_eq!(h.ok("exec box echo alive"), "alive");
    let output = h.run("commit -o store/flat.tar box mine");
    assert!(output.code == 1 && output.err.lines().count() == 1, "{output:?}");
    h.unchanged(&before);
    assert!(!fs::exists(h.store.join("flat.tar")).unwrap());
    h.ok("rm -f box");
}

#[test]
fn a_read_only_store() {
    let d = Disk::new("16m");
    let h = &d.h;
    h.idle("--name runs");
    h.ok("create --name made busybox true");
    h.run("run --name over busybox sh -c 'exit 3'").exits(3);
    h.sh("mount --bind store store; mount -o remount,bind,ro store");
    let before = h.snapshot();
    let store = h.store.to_str().unwrap();
    let text = "read-only file system";
    for line in ["run -d busybox true", "run --rm busybox true", "create busybox true"] {
        let output = h.run(line);
        assert!(output.err.contains(store), "which one? {output:?}");
        output.fails(125, text);
    }
    for line in ["rm made", "rm -f over", "rmi -f busybox", "start made", "commit made mine"] {
        let output = h.run(line);
        assert!(output.err.contains(store), "which one? {output:?}");
        output.fails(1, text);
    }
    h.unchanged(&before);
    let listed = h.run("ps -a");
    assert!(listed.out.lines().count() == 4 && listed.code == 0, "{listed:?}");
    assert!(h.ok("images").contains("busybox"));
    assert_eq!(h.run("logs over").code, 0);
    assert_eq!(h.ok("exec runs echo alive"), "alive");
    h.ok("stop runs"); // its monitor came before
    h.sh("umount store");
    h.ok("rm made runs over");
}

#[test]
fn places_that_are_no_places() {
    let h = Host::empty();
    h.write("file", "x");
    for root in ["file", "file/below", "/proc/nosuch", "/sys/nosuch", "/dev/null"] {
        for verb in ["ps -a", "images"] {
            h.run(&format!("--root {root} {verb}")).fails(1, root);
        }
        h.run(&format!("--root {root} run --rm busybox true")).fails(125, root);
    }
    let h = Host::new();
    h.write("file", "x");
    let before = h.snapshot();
    for run in ["file", "file/below", "/proc/nosuch"] {
        let output = h.run(&format!("--run-root {run} run -d --name box busybox sleep 1000"));
        assert!(output.err.contains(run), "{output:?}");
        output.exits(125);
        h.unchanged(&before);
    }
}

/// What a power cut, a bad disk or a person makes of a record.
fn damages(good: &str) -> Vec<(&'static str, Vec<u8>)> {
    let id = good.split("\"id\":\"").nth(1).map_or("", |rest| &rest[..64]);
    vec![
        ("empty", Vec::new()),
        ("half", good.as_bytes()[..good.len() / 2].to_vec()),
        ("zeros", vec![0; good.len()]),
        ("binary", (0..=255).collect()),
        ("no record", b"[]".to_vec()),
        ("a string", b"\"x\"".to_vec()),
        ("nesting", b"[".repeat(100_000)),
        ("another version", good.replace("\"version\":4", "\"version\":999").into_bytes()),
        ("another id", good.replace(id, &"f".repeat(64)).into_bytes()),
        ("an id that leads out", good.replace(id, "../../etc").into_bytes()),
        ("a name that leads out", good.replace("\"name\":\"box\"", "\"name\":\"../../box\"").into_bytes()),
    ]
}

#[test]
fn damaged_records_of_containers() {
    let h = Host::new();
    h.idle("--name fine");
    for is_running in [false, true] {
        let count = damages("").len();
        for at in 0..count {
            let before = h.snapshot();
            let id = if is_running { h.idle("--name box") } else { h.ok("create --name box busybox true") };
            let record = h.store.join("containers").join(&id).join("config.json");
            let good = fs::read_to_string(&record).unwrap();
            let (what, bad) = damages(&good).swap_remove(at);
            assert_ne!(good.as_bytes(), bad, "{what}");
            fs::write(&record, &bad).unwrap();
            let listed = h.run("ps -a");
            let told = listed.err.contains(record.to_str().unwrap()) && listed.err.lines().count() == 1;
            assert!(listed.code == 1 && told && listed.out.contains(" fine\n"), "{what}: {listed:?}");
            assert!(record.exists(), "{what}: ps has deleted a container");
            assert_eq!(h.ok("run --rm busybox echo others"), "others", "{what}");
            let refused = h.run("start box").exits(1);
            assert!(
                refused.err.contains(record.to_str().unwrap()) && refused.err.lines().count() == 1,
                "{what}: {refused:?}"
            );
            h.run("rm box").exits(1);
            assert!(record.exists(), "{what}");
            h.ok("rm -f box");
            h.unchanged(&before);
        }
    }
    h.ok("rm -f fine");
}

#[test]
fn damaged_states_of_containers() {
    let h = Host::new();
    h.ok("create --name fine busybox true");
    for (what, bad) in damages("{\"status\":\"exited\",\"pid\":0,\"exit_code\":0}").into_iter().take(7) {
        if ["empty", "zeros"].contains(&what) {
            continue; // [`states_that_did_not_reach_the_disk`]
        }
        for is_running in [false, true] {
            let before = h.snapshot();
            let line = if is_running { "run -d --name box busybox sleep 1000" } else { "run --name box busybox true" };
            h.ok(line);
            let id = h.ok("ps -aq --no-trunc --filter name=^box$");
            let state = h.store.join("containers").join(&id).join("state.json");
            fs::write(&state, &bad).unwrap();
            let listed = h.run("ps -a");
            let told = listed.err.contains(state.to_str().unwrap()) && listed.err.lines().count() == 1;
            assert!(listed.code == 1 && told && listed.out.contains(" fine\n"), "{what}: {listed:?}");
            h.ok("rm -f box");
            h.unchanged(&before);
        }
    }
}

/// A power cut may come when the name of a file is on disk, and its content is not.
#[test]
fn states_that_did_not_reach_the_disk() {
    let h = Host::new();
    for blank in [vec![], vec![0; 100]] {
        h.ok("run --name box busybox true");
        let state = h.store.join("containers").join(h.ok("ps -aq --no-trunc")).join("state.json");
        fs::write(&state, &blank).unwrap();
        assert!(h.field("box", "Status").starts_with("Exited (137)"));
        fs::write(&state, &blank).unwrap();
        let repaired = h.run("system check --repair").exits(1);
        assert!(repaired.out.contains("whose monitor was killed: finished"), "{repaired:?}");
        fs::write(&state, &blank).unwrap();
        h.ok("start -a box");
        h.ok("rm box");
    }
}

#[test]
fn new_containers_that_did_not_reach_the_disk() {
    let h = Host::new();
    let before = h.snapshot();
    // What was answered is on disk: then an empty record is damage.
    let id = h.ok("create --name box busybox true");
    let record = |id: &str| h.store.join("containers").join(id).join("config.json");
    assert_eq!(fs::metadata(record(&id)).unwrap().permissions().mode() & 0o777, 0o600);
    h.ok("rm box");
    let passing = h.ok("run -d --rm --name box busybox sleep 1000");
    assert_eq!(fs::metadata(record(&passing)).unwrap().permissions().mode() & 0o777, 0o400);
    h.ok("rm -f box");
    for word in ["ps -a", "system check --repair", "run --name box busybox true"] {
        for blank in [vec![], vec![0; 100]] {
            // As `run --rm` makes it, and never confirms it.
            let id = h.ok("create --rm --name box busybox true");
            fs::write(h.store.join("containers").join(&id).join("upper/file"), "mine").unwrap();
            fs::write(record(&id), &blank).unwrap();
            fs::set_permissions(record(&id), fs::Permissions::from_mode(0o400)).unwrap();
            let said = h.run(word);
            assert!(!said.err.contains("damaged") && !record(&id).exists(), "{word}: {said:?}");
            assert!(h.ok("system check").starts_with("clean: "));
            h.run("rm -f box");
        }
    }
    h.unchanged(&before);
}

#[test]
fn what_run_rm_made_and_did_not_start_goes() {
    let h = Host::new();
    let before = h.snapshot();
    let id = h.ok("create --rm --name box -v /anonymous busybox true");
    let record = h.store.join("containers").join(&id).join("config.json");
    assert!(h.ok("ps -a").contains(" box"));
    fs::set_permissions(&record, fs::Permissions::from_mode(0o400)).unwrap();
    assert!(!h.ok("ps -a").contains(" box"));
    h.unchanged(&before);
}

/// As an inittab has it: nobody lists containers between the power cut and the next start.
#[test]
fn a_name_that_a_power_cut_left_is_free() {
    let h = Host::new();
    for _ in 0..2 {
        h.ok("run -d --rm --name box busybox sleep 1000");
        kill_process(Pid::from_raw(monitor(&h, "box")).unwrap(), Signal::KILL).unwrap();
        until("it can be started", || h.run("run --rm --name box busybox true").code == 0);
    }
}

#[test]
fn a_volume_whose_record_did_not_reach_the_disk() {
    let h = Host::new();
    h.ok("volume create data");
    fs::write(h.store.join("volumes/data/volume.json"), "").unwrap();
    assert_eq!(h.ok("volume ls -q"), "data");
    h.ok("volume rm data");
}

#[test]
fn missing_parts_of_containers() {
    let h = Host::new();
    h.ok("create --name fine busybox true");
    for part in ["config.json", "lock", "log", "upper", "work", "hosts", "hostname", "resolv.conf"] {
        let before = h.snapshot();
        let id = h.ok("create --name box busybox true");
        h.sh(&format!("rm -rf store/containers/{id}/{part}"));
        let listed = h.run("ps -a");
        assert!(listed.code <= 1 && listed.err.lines().count() <= 1 && listed.out.contains(" fine\n"), "{listed:?}");
        let started = h.run("start box");
        assert!(
            started.code == 0 || started.err.lines().count() == 1 && started.err.contains(part),
            "{part}: {started:?}"
        );
        h.run("wait box");
        h.ok("rm -f box");
        h.unchanged(&before);
    }
}

#[test]
fn a_record_that_leads_out_removes_nothing_outside() {
    let h = Host::new();
    let canary = h.write("canary/file", "precious\n");
    h.ok("create --name box -v /anonymous busybox true");
    let id = h.ok("ps -aq --no-trunc");
    let volume = h.sh("ls store/volumes");
    let record = h.store.join("containers").join(&id).join("config.json");
    let good = fs::read_to_string(&record).unwrap();
    fs::write(&record, good.replace(&volume, "../../canary")).unwrap();
    h.run("ps -a");
    h.run("rm -f -v box");
    assert!(fs::exists(&canary).unwrap(), "the canary is dead");
    assert_eq!(h.ok("ps -aq"), "");
}

#[test]
fn a_record_that_leads_out_starts_nothing() {
    let h = Host::new();
    let id = h.ok("create --name box --sysctl net.ipv4.ip_forward=1 --device /dev/null:/dev/mine -v vol:/there -w /work busybox true");
    let record = h.store.join("containers").join(&id).join("config.json");
    let good = fs::read_to_string(&record).unwrap();
    let forward = || fs::read_to_string("/proc/sys/kernel/panic").unwrap();
    let before = forward();
    for (part, wrong) in [
        ("net.ipv4.ip_forward", "net/../kernel/panic"),
        ("\"/dev/mine\"", "\"dev/mine\""),
        ("\"/dev/null\"", "\"null\""),
        ("\"/there\"", "\"there\""),
        ("\"/work\"", "\"work\""),
        ("\"pid\":{\"of\":\"private\",\"container\":\"\"}", "\"pid\":{\"of\":\"container\",\"container\":\"../x\"}"),
    ] {
        assert!(good.contains(part), "{part} in {good}");
        fs::write(&record, good.replace(part, wrong)).unwrap();
        h.run("start box").fails(1, "config.json is damaged");
    }
    assert_eq!(forward(), before);
    fs::write(&record, &good).unwrap();
    h.ok("start box");
}

#[test]
fn names_that_lead_nowhere() {
    let h = Host::new();
    let link = |name: &str, to: &str| std::os::unix::fs::symlink(to, h.store.join("names").join(name)).unwrap();
    let canary = h.write("canary/config.json", "{}");
    link("ghost", &"a".repeat(64));
    link("out", "../../canary");
    link("short", "abc");
    link("empty", " ");
    fs::write(h.store.join("names/file"), "x").unwrap();
    fs::create_dir(h.store.join("names/dir")).unwrap();
    assert_eq!(h.ok("ps -aq"), "");
    for name in ["ghost", "out", "short", "empty", "file", "dir"] {
        h.run(&format!("start {name}")).fails(1, name);
        let removed = h.run(&format!("rm -f {name}"));
        assert!(removed.code <= 1 && removed.err.lines().count() <= 1, "{removed:?}");
        assert!(fs::exists(&canary).unwrap());
    }
    h.ok("run --rm --name ghost busybox true");
    h.ok("run --rm --name out busybox true");
    h.sh("rm -rf store/names/*");
}

#[test]
fn damaged_images() {
    let h = Host::new();
    let other = h.write("other.tar", Tar::busybox().file("other", b"x").finished());
    h.ok(&["import", &other, "other"]);
    let id = h.ok("images --no-trunc -q other").replace("sha256:", "");
    let path = h.store.join("images").join(&id);
    let good = fs::read_to_string(&path).unwrap();
    h.ok("create --name user other true");
    for (what, bad) in damages(&good).into_iter().take(7) {
        fs::write(&path, bad).unwrap();
        let listed = h.run("images");
        let told = listed.err.contains(path.to_str().unwrap()) && listed.err.lines().count() == 1;
        assert!(listed.code == 1 && told && listed.out.contains("busybox"), "{what}: {listed:?}");
        let output = h.run("run --rm other true");
        assert!(output.err.contains(path.to_str().unwrap()), "{what}: {output:?}");
        output.exits(125);
        assert_eq!(h.ok("run --rm busybox echo others"), "others", "{what}");
        assert_eq!(h.ok("start user"), "user", "{what}: a container needs its layers only");
        h.ended("user");
    }
    h.ok("rm user");
    h.ok("rmi -f other");
    h.ok("images");
    h.ok(&["import", &other, "other"]);
    h.ok("run --rm other true");
}

#[test]
fn damaged_layers() {
    let h = Host::new();
    let other = h.write("other.tar", Tar::busybox().file("other", b"x").finished());
    let layers = h.sh("ls store/layers");
    h.ok(&["import", &other, "other"]);
    let layer = h.sh(&format!("ls store/layers | grep -v {layers}"));
    h.ok("create --name user other true");
    for bad in ["", "x", "-1", "99999999999999999999999999", "\0"] {
        fs::write(h.store.join("layers").join(&layer).join("size"), bad).unwrap();
        let listed = h.run("images");
        let told = listed.err.contains(&format!("{layer}/size")) && listed.err.lines().count() == 1;
        assert!(listed.code == 1 && told && listed.out.contains("busybox"), "{bad:?}: {listed:?}");
        assert_eq!(h.ok("run --rm other echo works"), "works");
    }
    h.sh(&format!("rm -rf store/layers/{layer}/diff"));
    let output = h.run("run --rm other true").exits(125);
    assert!(output.err.contains(&layer) && output.err.lines().count() == 1, "{output:?}");
    h.sh(&format!("rm -rf store/layers/{layer}"));
    let output = h.run("run --rm other true").exits(125);
    assert!(output.err.contains(&layer) && output.err.lines().count() == 1, "{output:?}");
    let output = h.run("start user").exits(1);
    assert!(output.err.contains(&layer) && output.err.lines().count() == 1, "{output:?}");
    assert_eq!(h.ok("run --rm busybox echo others"), "others");
    assert_eq!(h.ok("ps -aq").lines().count(), 1);
    h.ok("rm user");
    h.ok("rmi other");
    h.ok(&["import", &other, "other"]);
    assert_eq!(h.ok("run --rm other echo works"), "works");
}
