//! The example files of build/init under the inits that they are for: containers run after each boot, are ended in order when
//! the machine goes down, and one is a supervised service.

use crate::machine::{Disk, Machine, Running, USUAL, made, tell};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A disk with all inits on it, for one test.
struct Copy(PathBuf);

impl Copy {
    fn new(name: &str) -> Self {
        let image = made("inits", &[]).unwrap();
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("inits-{}-{name}", std::process::id()));
        let copied = Command::new("cp").arg("--sparse=always").args([&image, &path]).status();
        assert!(copied.unwrap().success());
        Self(path)
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// A disk was unmounted: else its journal would have to be replayed.
#[track_caller]
fn was_unmounted(disk: &Path, text: &str) {
    let output = Command::new("/usr/sbin/dumpe2fs").arg("-h").arg(disk).output().unwrap();
    let header = String::from_utf8_lossy(&output.stdout);
    assert!(header.contains("Filesystem state:"), "{output:?}");
    assert!(!header.contains("needs_recovery"), "the disk was not unmounted: {text}");
}

fn files() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("build/init")
}

fn boot(init: &str, step: u32, disk: &Copy) -> Running {
    let words = [format!("vm.init={init}"), format!("vm.step={step}")];
    let machine = Machine::new(USUAL).root("/payload/inits.sh").file("payload/init", &files()).disk(&disk.0).limit(150);
    machine.parameter(&words[0]).parameter(&words[1]).start("inits.sh")
}

/// Lets it come to its end, which must be a good one, and cuts its power.
fn cut(machine: Running) {
    machine.until("@@VM-EXIT");
    let text = machine.text();
    assert!(!text.contains("\nFAIL "), "{text}");
    machine.kill();
}

fn serves(init: &str) {
    let disk = Copy::new(init);
    let first = boot(init, 1, &disk).outcome().ok();
    tell(&format!("{init}: containers are made, poweroff"), first.took);
    was_unmounted(&disk.0, &first.text);

    cut(boot(init, 2, &disk));

    let third = boot(init, 3, &disk).outcome().ok();
    tell(&format!("{init}: after a power cut, reboot"), third.took);
    was_unmounted(&disk.0, &third.text);
}

/// A machine with no more than an initramfs: kernel, busybox, mydocker.
fn bare(step: u32) -> Machine {
    let machine = Machine::new(USUAL).file("payload/init", &files()).limit(150);
    machine.parameter("rdinit=/payload/inits-bare.sh").parameter(&format!("vm.step={step}"))
}

#[test]
fn busybox_in_an_initramfs_with_a_disk_for_the_store() {
    let disk = Disk::new("inits-store", 256);
    let labelled = Command::new("/usr/sbin/e2label").arg(&disk.0).arg("mydocker").status();
    assert!(labelled.unwrap().success());
    let first = bare(1).disk(&disk.0).start("").outcome().ok();
    tell("busybox in an initramfs: containers are made, poweroff", first.took);
    was_unmounted(&disk.0, &first.text);
    cut(bare(2).disk(&disk.0).start(""));
    let third = bare(3).disk(&disk.0).start("").outcome().ok();
    tell("busybox in an initramfs: after a power cut, reboot", third.took);
    was_unmounted(&disk.0, &third.text);
}

#[test]
fn busybox_in_an_initramfs_without_any_disk() {
    let only = bare(1).start("").outcome().ok();
    let ends: Vec<&str> = only.text.split("the last ends: ").nth(1).unwrap_or("").split_whitespace().take(4).collect();
    let place = |name| ends.iter().position(|end| *end == name);
    assert!(place("app").is_some() && place("app") < place("db") && place("hand").is_some(), "{ends:?}: {}", only.text);
}

#[test]
fn busybox_on_a_disk() {
    serves("busybox");
}

#[test]
fn sysvinit() {
    serves("sysvinit");
}

#[test]
fn openrc() {
    serves("openrc");
}

#[test]
fn runit() {
    serves("runit");
}

#[test]
fn s6() {
    serves("s6");
}

#[test]
fn systemd() {
    serves("systemd");
}
