//! The functional suite with cgroup v2 alone: the test program of tests/suite, in a machine with Debian on an ext4 disk.

use crate::machine::{Disk, Machine, NEXT, USUAL, binary, made, target, tell};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Tests (or parts of their names) that do not run here, and why.
const NOT_HERE: &[(&str, &str)] = &[
    ("tidy::", "looks at sources, no kernel takes part"),
    ("counts::", "numbers of a machine like CI's, whose cgroups are v1; and there is no valgrind"),
    ("scaling::many_variables_and_labels_cost_the_same_each", "there is no valgrind"),
    ("help::", "looks at texts of the program, no kernel takes part"),
    ("attacks::nodes_are_closed_where_nobody_checks_them", "cgroup v1: v2 always has its program that checks"),
    ("crash::a_killed_monitors_container_that_stands_still", "cgroup v1: on v2 what is frozen can be killed"),
    ("escape::the_release_agent_is_out_of_reach", "cgroup v1: v2 has none"),
];

/// How many times longer a test may wait than outside; where it does many alike things, it does fewer.
const SLOW: &str = "6";
/// Most of them wait for the kernel much of the time, but here the processor is what lacks.
const THREADS: &str = "4";

/// The kernel zeroes and checks what it hands out, and has page tables of five levels: a third of all work when each
/// instruction is translated, and nothing that the tests are about.
const LEAN: &[&str] =
    &["init_on_alloc=0", "hardened_usercopy=off", "transparent_hugepage=never", "nowatchdog", "audit=0"];

/// What the kernel decides most about. These run on the usual kernel, too, with all that they unpack on the disk.
const DECIDED_BY_THE_KERNEL: &[&str] =
    &["limits::", "watch::", "walls::", "flags::a_user_namespace", "contract::", "escape::", "exec::"];

/// The names of the tests that the program would run.
fn listed(program: &Path, arguments: &[&str]) -> Vec<String> {
    let output = Command::new(program).arg("--list").args(arguments).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().filter_map(|line| line.strip_suffix(": test")).map(str::to_owned).collect()
}

/// A file of the host in the directory that becomes a disk.
fn give(folder: &Path, name: &str, from: &Path) {
    let to = folder.join(name);
    fs::create_dir_all(to.parent().unwrap()).unwrap();
    // Another name of the same file where that is possible.
    let given = fs::hard_link(from, &to).or_else(|_| fs::copy(from, &to).map(drop));
    given.unwrap_or_else(|error| panic!("{}: {error}", from.display()));
}

/// The disk with the program, the libraries that it was linked with, and the files that the tests read.
fn given(program: &Path, name: &str) -> Disk {
    let folder = target().join("tmp").join(format!("given-{}-{name}", std::process::id()));
    fs::create_dir_all(folder.join("target/tmp")).unwrap();
    // Without what only debuggers read: that is nine tenths.
    let stripped = Command::new("strip").arg("-g").arg("-o").arg(folder.join("program")).arg(program).status().unwrap();
    assert!(stripped.success());
    let ldd = Command::new("ldd").arg(program).output().unwrap();
    for path in String::from_utf8(ldd.stdout).unwrap().split_whitespace().filter(|word| word.starts_with('/')) {
        let name = path.rsplit('/').next().unwrap();
        let name = if name.starts_with("ld-") { "loader" } else { name };
        give(&folder, &format!("lib/{name}"), &fs::canonicalize(path).unwrap());
    }
    for (name, script) in
        [("busybox.tar", "image"), ("debian.tar", "debian"), ("attempts", "attempts"), ("traffic", "traffic")]
    {
        give(&folder, &format!("target/{name}"), &made(script, &[]).unwrap());
    }
    give(&folder, "target/release/mydocker-with-busybox", &made("release", &[]).unwrap());
    give(&folder, "target/mydocker", &binary());
    if let Some(crash) = std::env::var_os("MYDOCKER_CRASH_BIN") {
        give(&folder, "target/mydocker-crash", &PathBuf::from(crash));
    }
    let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/suite/rules");
    for entry in fs::read_dir(rules).unwrap().map(Result::unwrap) {
        let name = entry.file_name();
        give(&folder, &format!("manifest/tests/suite/rules/{}", name.to_str().unwrap()), &entry.path());
    }
    let disk = Disk::of(&format!("given-{name}"), 512, &folder);
    fs::remove_dir_all(folder).unwrap();
    disk
}

/// Runs these tests (all, when none are named) in a machine with one of these kernels, and wants all of them to pass.
/// `store` is what the tests unpack images onto: `tmpfs` or `disk`.
fn run(kernels: &[&str], store: &str, tests: &[&str]) {
    let program = std::env::var_os("MYDOCKER_SUITE").map_or_else(|| made("suite", &[]).unwrap(), PathBuf::from);
    let all = listed(&program, &[]);
    // For who works on one of them: their names, or parts of these.
    let chosen = std::env::var("MYDOCKER_TESTS_INSIDE").ok();
    let mut arguments = chosen.as_ref().map_or_else(|| tests.to_vec(), |names| names.split(' ').collect());
    for (name, why) in NOT_HERE {
        assert!(all.iter().any(|test| test.contains(name)), "there is no test {name} ({why})");
        arguments.extend(["--skip", name]);
    }
    let expected = listed(&program, &arguments).len();
    let disk = made("disk", &["suite"]).unwrap();
    let given = given(&program, store);
    let mut machine = Machine::new(kernels)
        .root("/payload/suite")
        // What it changes is in a file of QEMU's, and forgotten.
        .drive(&format!("file={},format=raw,cache=unsafe,snapshot=on", disk.display()))
        .disk(&given.0)
        .text("payload/suite.words", &words(store, &arguments))
        .qemu(&["-cpu", "max,-la57"])
        .memory(3072)
        .limit(1000);
    for word in LEAN {
        machine = machine.parameter(word);
    }
    let outcome = machine.run("suite");
    if outcome.code.is_none() {
        outcome.ok(); // tells the machine's last words
        return;
    }
    let begin = format!("test result: ok. {expected} passed; 0 failed; 0 ignored;");
    let result = outcome.text.lines().find(|line| line.starts_with("test result: ")).unwrap_or("no result");
    tell(&format!("suite on cgroup v2, {}, store on {store}: {result}", kernels[0]), outcome.took);
    // Which tests failed, and why, comes after all others.
    let failures = outcome.text.find("\nfailures:\n").map_or("", |at| &outcome.text[at..]);
    assert!(result.starts_with(&begin), "{result}, expected: {begin}{failures}");
    outcome.ok();
}

/// What `guest/suite` is told.
fn words(store: &str, arguments: &[&str]) -> String {
    let target = target();
    let mut surroundings = format!("MYDOCKER_TEST_SLOW={SLOW} MYDOCKER_BIN={}/mydocker", target.display());
    if std::env::var_os("MYDOCKER_CRASH_BIN").is_some() {
        write!(surroundings, " MYDOCKER_CRASH_BIN={}/mydocker-crash", target.display()).unwrap();
    }
    if std::env::var_os("CI").is_some() {
        surroundings += " CI=1"; // nothing may be missing
    }
    format!(
        "MANIFEST='{}' TARGET='{}' STORE={store} SURROUNDINGS='{surroundings}' \\\nARGUMENTS='--test-threads={THREADS} --color=never {}'\n",
        env!("CARGO_MANIFEST_DIR"),
        target.display(),
        arguments.join(" "),
    )
}

/// Before 6.3 mounts of a tmpfs cannot have their ids mapped, which `--userns` needs.
#[test]
fn the_suite_on_cgroup_v2() {
    run(NEXT, "tmpfs", &[]);
}

#[test]
fn the_usual_kernel_and_a_store_on_ext4() {
    run(USUAL, "disk", DECIDED_BY_THE_KERNEL);
}
