//! The two tutorials' scenarios, with the flags before the image as README says.

use crate::host::Host;
use crate::process::until;
use miniserde::json::{self, Value};
use std::fs;

#[test]
fn environment_in_the_foreground() {
    let h = Host::new();
    let mut t = h.terminal("run -t -n xwj111 -e bird=123 -e luck=bird busybox sh");
    t.expect("# ");
    t.send("env | grep bird | sort\n");
    t.expect("\nbird=123\r\nluck=bird\r\n");
    t.send("exit\n");
    t.wait().exits(0);
    assert!(h.field("xwj111", "Status").starts_with("Exited (0) "));
}

#[test]
fn environment_in_the_background() {
    let h = Host::new();
    h.run("run -d -e bird=123 -name bird busybox top").exits(0);
    assert!(h.ok("exec bird env").lines().any(|line| line == "bird=123"));
}

#[test]
fn the_image_may_be_left_out() {
    let h = Host::new();
    let output = h.run("run -d -n viper top").exits(0);
    assert!(
        output.err.starts_with("mydocker: ") && output.err.lines().count() == 1 && output.err.contains("busybox"),
        "{output:?}"
    );
    assert_eq!(h.field("viper", "Command"), "\"top\"");
    assert_eq!(h.run("run --rm echo hello").exits(0).out, "hello\n");
    let other = h.cmd("run --rm echo hello").env("MYDOCKER_IMAGE", "nosuch").run();
    assert!(other.code == 125, "{other:?}");
    h.run("run -d nosuchprogram").fails(125, "nosuchprogram");
}

#[test]
fn ps_and_exec() {
    let h = Host::new();
    let id = h.ok("run -d busybox top");
    assert!(h.ok("ps").contains("\"top\""));
    assert_eq!(h.ok(&["exec", &id[..20], "cat", "/proc/1/comm"]), "top");
    let mut t = h.terminal(&["exec", "-it", &id, "sh"]);
    t.expect("# ");
    t.send("ps\n");
    t.expect("1 root");
    t.send("exit\n");
    t.wait().exits(0);
}

#[test]
fn logs_of_top() {
    let h = Host::new();
    let id = h.ok("run -d -n showmaker busybox top -b");
    until("top has drawn", || h.ok(&["logs", &id]).contains("Mem:"));
}

#[test]
fn a_whole_life_with_a_volume() {
    let h = Host::new();
    fs::create_dir(h.dir.join("volume")).unwrap();
    let id = h.ok("run -d -v ./volume/:/cVolume busybox top");
    h.ok(&["exec", &id, "ls", "/cVolume"]);
    h.ok(&["exec", &id, "touch", "/cVolume/made"]);
    h.run(&["rm", &id]).fails(1, "running");
    h.ok(&["stop", "-t", "1", &id]);
    h.ok(&["rm", &id]);
    assert_eq!(h.ok("ps -aq"), "");
    assert!(h.dir.join("volume/made").exists() && !h.run_dir.join(&id).exists());
}

#[test]
fn commit_to_a_file_and_run_it() {
    let h = Host::new();
    fs::create_dir(h.dir.join("from1")).unwrap();
    let id = h.ok("run -d -n test1 -v ./from1:/c1 busybox top");
    h.ok(&["commit", "-o", "busybox_test1.tar", &id, "busybox_test1"]);
    let mut t = h.terminal("run -t -i ./busybox_test1.tar sh");
    t.expect("# ");
    t.send("ls -d /c1; exit\n");
    t.expect("/c1\r\n");
    t.wait().exits(0);
    assert_eq!(h.ok("run --rm busybox_test1 ls -d /c1"), "/c1");
}

#[test]
fn limits_and_network_as_they_spell_them() {
    let h = Host::new();
    h.ok("run -d -ti -name bird -mem 100m -net none -cpuset 0 -cpushare 512 -e a=b busybox sh");
    let json = h.ok(&["ps", "--format", "{{.Networks}} {{.State}}"]);
    assert_eq!(json, "none running");
    let file = if crate::host::is_v1() { "memory/memory.limit_in_bytes" } else { "memory.max" };
    assert_eq!(h.ok(&format!("exec bird cat /sys/fs/cgroup/{file}")), "104857600");
    h.ok("stop -t 0 bird");
}

#[test]
fn their_record_is_kept() {
    let h = Host::new();
    let id = h.ok("run -d -name bird -v ./data:/data busybox top -b");
    let path = h.run_dir.join(&id).join("containerInfo.json");
    let read = || {
        let Value::Object(fields) = json::from_str(&fs::read_to_string(&path).unwrap()).unwrap() else { panic!() };
        let text = |key: &str| match &fields[key] {
            Value::String(text) => text.clone(),
            _ => panic!("{key} is no text"),
        };
        ["pid", "id", "name", "command", "volume", "created_time", "status"].map(text)
    };
    let [pid, its_id, name, command, volume, created, status] = read();
    assert_eq!((pid, its_id, name), (h.pid("bird").to_string(), id.clone(), "bird".to_owned()));
    assert_eq!((command.as_str(), volume), ("top -b", format!("{}:/data", h.path("data"))));
    assert!(status == "running" && created.len() == 19, "{status} {created}");
    h.ok("stop -t 1 bird");
    let [pid, .., status] = read();
    assert_eq!((pid.as_str(), status.as_str()), ("", "exited"));
}

#[test]
fn one_that_ended_by_itself_is_shown_as_such() {
    let h = Host::new();
    h.ok("run -d -n short busybox sh -c 'exit 7'");
    h.ended("short");
    let status = h.field("short", "Status");
    assert!(status.starts_with("Exited (7) ") && status.ends_with(" ago"), "{status}");
}

#[test]
fn words_in_quotes_get_a_hint() {
    let h = Host::new();
    let output = h.run(&["run", "-d", "busybox", "top -b"]).exits(127);
    assert!(output.err.contains("sh -c") && output.err.lines().count() == 1, "{output:?}");
}
