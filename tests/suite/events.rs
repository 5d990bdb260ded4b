//! `events`: what happened, in docker's words, from whoever did it.

use crate::host::Host;
use crate::process::until;
use std::fs;

/// The past as `type action` lines.
#[track_caller]
fn past(h: &Host, filter: &str) -> Vec<String> {
    let format = "{{.Type}} {{.Action}}";
    let mut line = vec!["events", "--since", "0", "--until", "0s", "--format", format];
    line.extend(filter.split(' ').filter(|word| !word.is_empty()));
    h.ok(&line[..]).lines().map(str::to_owned).collect()
}

fn actions(h: &Host, filter: &str) -> String {
    past(h, filter).iter().map(|line| line.split_once(' ').unwrap().1).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_life_in_lines() {
    let h = Host::new();
    let id = h.ok("create --name box -l who=me busybox sh -c 'exit 3'");
    h.run("start -a box").exits(3);
    h.ok("rm box");
    let out = h.ok("events --since 1h --until 0s -f type=container");
    let mut lines = out.lines();
    for (action, code) in [("create", ""), ("start", ""), ("die", "exitCode=3, "), ("destroy", "")] {
        let line = lines.next().unwrap();
        assert_eq!(&line[30..], format!(" container {action} {id} ({code}image=busybox, name=box, who=me)"), "{out}");
        let time = &line[..30];
        assert!(&time[10..11] == "T" && &time[19..20] == "." && time.ends_with('Z'), "{time}");
    }
    assert_eq!(lines.next(), None);
}

#[test]
fn a_run_that_goes_away() {
    let h = Host::new();
    h.run("run --rm --name box busybox true").exits(0);
    assert_eq!(actions(&h, "-f container=box"), "create start die destroy");
    h.run("run --rm --name bad busybox nosuch").exits(127);
    assert_eq!(actions(&h, "-f container=bad"), "create destroy");
}

#[test]
fn what_people_do_to_a_container() {
    let h = Host::new();
    let id = h.idle("--name box");
    until("it is ready", || h.ok("logs box") == "ready");
    h.ok("pause box");
    h.ok("unpause box");
    h.ok("exec box true");
    h.ok("update --cpus 1 box");
    h.ok("kill box");
    h.ended("box");
    h.ok("start box");
    h.ok("rename box other");
    h.ok("commit other saved:1");
    h.ok("stop other");
    h.ok("restart -t 0 other");
    h.ok("rm -f other");
    assert_eq!(
        actions(&h, &format!("-f container={id}")),
        "create start pause unpause exec_create: true exec_start: true exec_die update kill die start rename commit \
         kill die stop start restart kill die destroy"
    );
    let of = |filter: &str, format: &str| {
        h.ok(&["events", "--since", "1h", "--until", "0s", "--filter", filter, "--format", format])
    };
    assert_eq!(of("event=rename", "{{.Actor.Attributes.oldName}} {{.Actor.Attributes.name}}"), "/box other");
    assert_eq!(of("event=kill", "{{.Actor.Attributes.signal}}"), "9\n15\n9");
    assert_eq!(of("event=kill", "{{.Actor.Attributes.name}}"), "box\nother\nother");
    assert_eq!(of("event=exec_start", "{{.Action}}"), "exec_start: true");
    assert_eq!(of("event=die", "{{.Actor.Attributes.exitCode}}"), "137\n0\n137");
}

#[test]
fn images_and_volumes() {
    let h = Host::new();
    h.run("run --rm --name box -v kept:/v -v /anonymous busybox true").exits(0);
    h.ok("run --name other busybox touch /new");
    h.ok("commit other saved:1");
    h.ok("rmi saved:1");
    assert_eq!(actions(&h, "-f type=image"), "import tag tag untag delete");
    assert_eq!(actions(&h, "-f image=saved:1"), "tag untag");
    assert_eq!(actions(&h, "-f image=saved -f event=tag"), "tag");
    assert_eq!(actions(&h, "-f volume=kept"), "create");
    let volumes = past(&h, "-f type=volume");
    assert_eq!(volumes, ["volume create", "volume create", "volume destroy"]);
    let line = h.ok("events --since 1h --until 0s -f volume=kept");
    assert!(line.ends_with(" volume create kept (driver=local)"), "{line}");
}

#[test]
fn filters_and_forms() {
    let h = Host::new();
    h.run("run --rm --name one -l a=1 busybox true").exits(0);
    h.run("run --rm --name two -l a=2 busybox true").exits(0);
    assert_eq!(actions(&h, "-f label=a=1"), "create start die destroy");
    assert_eq!(actions(&h, "-f label=a -f event=die -f event=start"), "start die start die");
    assert_eq!(actions(&h, "-f image=busybox -f type=container -f event=create"), "create create");
    assert_eq!(actions(&h, "-f container=nosuch"), "");
    let json = h.ok("events --since 1h --until 0s -f container=one -f event=die --format json");
    for part in [
        "{\"status\":\"die\",\"id\":\"",
        "\"Type\":\"container\",\"Action\":\"die\",\"Actor\":{\"ID\":\"",
        "\"Attributes\":{\"a\":\"1\",\"exitCode\":\"0\",\"image\":\"busybox\",\"name\":\"one\"}},\"scope\":\"local\",\"time\":",
    ] {
        assert!(json.contains(part), "{json}");
    }
    assert_eq!(h.ok("events --until -1h --since -1h --until 0s"), "");
    assert_eq!(h.ok("events --until 1970-01-02"), "");
    h.run("events --filter what=x").fails(1, "invalid filter 'what': known are container, event");
    h.run("events --filter x").fails(1, "bad format of filter 'x' (expected name=value)");
    h.run("events --since noon").fails(125, "invalid argument \"noon\" for \"--since\" flag: failed to parse");
    h.run(&["events", "--format", "{{"]).exits(64);
}

#[test]
fn who_follows_hears_of_it_at_once() {
    let h = Host::new();
    let mut events = h.spawn("events -f container=box");
    let fds = format!("/proc/{}/fd", events.pid());
    let links = || fs::read_dir(&fds).unwrap().flatten().filter_map(|fd| fs::read_link(fd.path()).ok());
    until("it follows", || links().any(|to| to.to_string_lossy().contains("inotify")));
    h.run("run --rm --name box busybox true").exits(0);
    for action in ["create", "start", "die", "destroy"] {
        events.expect(&format!(" container {action} "));
    }
    assert!(!events.output().contains("import"), "only what is new: {}", events.output());
    events.signal(rustix::process::Signal::INT);
    events.wait().exits(130);
    // Until some time: its end comes by itself.
    let out = h.ok("events --since 1h --until -0.3s -f event=destroy");
    assert_eq!(out.lines().count(), 1, "{out}");
}

#[test]
fn the_list_has_bounds_and_a_torn_line_is_passed_over() {
    let h = Host::new();
    let label = "x".repeat(30_000);
    for _ in 0..12 {
        h.run(&["run", "--rm", "-l", &format!("a={label}"), "busybox", "true"]).exits(0);
    }
    let file = h.run_dir.join("events");
    let sizes = ["events", "events.1"].map(|name| fs::metadata(h.run_dir.join(name)).unwrap().len());
    assert!(sizes[0] < 1 << 20 && sizes[1] < (1 << 20) + 40_000 && !h.run_dir.join("events.2").exists(), "{sizes:?}");
    assert_eq!(actions(&h, "-f type=container").split(' ').count(), 48);
    let torn = [fs::read(&file).unwrap(), b"{\"status\":\"sta\n\0\0\n".to_vec()].concat();
    fs::write(&file, torn).unwrap();
    h.run("run --rm --name after busybox true").exits(0);
    assert_eq!(actions(&h, "-f container=after"), "create start die destroy");
}

#[test]
fn nothing_fails_when_nobody_can_be_told() {
    let h = Host::new();
    let path = h.run_dir.join("events");
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    h.run("run --rm --name box busybox true").exits(0);
    fs::remove_dir(&path).unwrap();
}
