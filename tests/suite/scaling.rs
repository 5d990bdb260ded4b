//! What a command costs must not depend on what else is in the store, and a list costs the same for each thing in it. In
//! system calls, which no busy machine changes.

use crate::counts::by_valgrind;
use crate::host::{Host, wanted};
use crate::layout::sha256;
use crate::trace::{self, What};
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

/// How many calls more are none: somebody was late, or a list of names fills another buffer.
const SLACK: u64 = 8;
/// System calls for each container that does not run, and for each image.
const PER_CONTAINER_MAX: u64 = 9;
const PER_IMAGE_MAX: u64 = 7;
/// Instructions for each variable, and for each label: most of them read the command line.
const PER_WORD_MAX: u64 = 25_000;

/// The least system calls that a command takes.
fn calls(host: &Host, line: &str) -> u64 {
    let once = || {
        let (counted, status) = trace::count(host.cmd(line).into_command(), None, What::Calls);
        assert!(status.success(), "{line}: {status}");
        counted.calls.values().sum()
    };
    (0..4).map(|_| once()).min().unwrap()
}

/// Makes some more containers like the one that is called so and does not run, with names and records of their own.
fn more_containers(host: &Host, like: &str, from: usize, to: usize) {
    let id = host.field(like, "ID");
    let all =
        fs::read_dir(host.store.join("containers")).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    let id = all.into_iter().find(|full| full.starts_with(&id)).unwrap();
    let dir = host.store.join("containers").join(&id);
    let record = fs::read_to_string(dir.join("config.json")).unwrap();
    for at in from..to {
        let (new, name) = (format!("{at:064x}"), format!("more{at}"));
        let copy = host.store.join("containers").join(&new);
        fs::create_dir(&copy).unwrap();
        let text = record.replace(&id, &new).replace(&format!("\"name\":\"{like}\""), &format!("\"name\":\"{name}\""));
        fs::write(copy.join("config.json"), text).unwrap();
        fs::copy(dir.join("state.json"), copy.join("state.json")).unwrap();
        fs::write(copy.join("lock"), "").unwrap();
        symlink(&new, host.store.join("names").join(name)).unwrap();
    }
}

/// Makes some more images with names, of the same layers.
fn more_images(host: &Host, from: usize, to: usize) {
    let images = host.store.join("images");
    let name = fs::read_dir(host.store.join("refs")).unwrap().next().unwrap().unwrap().path();
    let document = fs::read_to_string(images.join(fs::read_link(name).unwrap())).unwrap();
    for at in from..to {
        let text = document.replacen('{', &format!("{{\"author\":\"{at:04}\","), 1);
        let new = sha256(text.as_bytes());
        fs::write(images.join(&new), text).unwrap();
        symlink(&new, host.store.join("refs").join(format!("more{at}:latest"))).unwrap();
    }
}

/// Ends what [`more_containers`] made, without the command whose end the disk is waited for with each.
fn no_more(host: &Host, to: usize) {
    for at in 0..to {
        fs::remove_file(host.store.join("names").join(format!("more{at}"))).unwrap();
        fs::remove_dir_all(host.store.join("containers").join(format!("{at:064x}"))).unwrap();
    }
    host.ok("rm like");
}

#[test]
fn a_start_looks_at_nothing_else_in_the_store() {
    if wanted(trace::is_possible().then_some(()), "ptrace(2)").is_none() {
        return;
    }
    let host = Host::new();
    host.ok("run --name like --network none busybox true");
    host.ok("run -d --name one --network none busybox sleep 1000");
    let lines = ["run --rm --network none busybox true", "exec one true", "inspect like", "logs like", "start like"];
    let few = lines.map(|line| calls(&host, line));
    more_containers(&host, "like", 0, 300);
    more_images(&host, 0, 300);
    for at in 0..30 {
        host.ok(&format!("volume create more{at}"));
        host.ok(&format!("network create more{at}"));
    }
    for (line, few) in lines.iter().zip(few) {
        let many = calls(&host, line);
        assert!(many <= few + SLACK, "{line}: {many} system calls in a full store, {few} in an empty one");
    }
    host.ok("rm -f one");
    no_more(&host, 300);
}

#[test]
fn a_list_costs_the_same_for_each() {
    if wanted(trace::is_possible().then_some(()), "ptrace(2)").is_none() {
        return;
    }
    let host = Host::new();
    host.ok("run --name like --network none busybox true");
    let count = || ["ps -a", "images"].map(|line| calls(&host, line));
    let mut counts = Vec::new();
    for to in [50, 150, 250] {
        let from = to - if counts.is_empty() { 50 } else { 100 };
        more_containers(&host, "like", from, to);
        more_images(&host, from, to);
        counts.push(count());
    }
    for (at, (what, each_max)) in [("ps -a", PER_CONTAINER_MAX), ("images", PER_IMAGE_MAX)].into_iter().enumerate() {
        let (first, second) = (counts[1][at] - counts[0][at], counts[2][at] - counts[1][at]);
        assert!(first.abs_diff(second) <= SLACK, "{what}: {first} calls for a hundred more, then {second}");
        assert!(second <= 100 * each_max + SLACK, "{what}: {second} calls for a hundred more");
    }
    // However many there are, they are not all open at a time.
    let command = host.cmd("ps").into_command();
    let mut limited = std::process::Command::new("sh");
    limited.args(["-c", "ulimit -n 40 && exec \"$0\" ps -aq"]).arg(command.get_program());
    limited.envs(command.get_envs().filter_map(|(key, value)| Some((key, value?))));
    host.net.hold(&mut limited);
    let output = limited.output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), 251, "{output:?}");
    no_more(&host, 250);
}

#[test]
fn many_variables_and_labels_cost_the_same_each() {
    if wanted(Path::new("/usr/bin/valgrind").exists().then_some(()), "valgrind").is_none() {
        return;
    }
    let host = Host::new();
    for flag in ["-e VARIABLE", "-l label"] {
        let count = |many: usize| {
            let mut line = String::from("create --network none");
            (0..many).for_each(|at| write!(line, " {flag}{at:04}=value").unwrap());
            by_valgrind(&host, &host.cmd(&(line + " busybox true")).into_command())
        };
        let counts = [0, 500, 1000].map(count);
        let (first, second) = (counts[1] - counts[0], counts[2] - counts[1]);
        assert!(second < first * 5 / 4, "{flag}: {first} instructions for 500, {second} for 500 more");
        assert!(second < 500 * PER_WORD_MAX, "{flag}: {second} instructions for 500");
    }
    host.ok("container prune -f");
}
