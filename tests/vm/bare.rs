//! What works out of the box in machines of all kinds.

use crate::machine::{Disk, Machine, NEWEST, NEXT, OLDEST, USUAL, tell};

fn smoke(kernels: &[&str], root: &str, words: &[&str]) {
    let disk = Disk::new(&format!("{}-{root}", kernels[0]), 512);
    let mut machine = Machine::new(kernels).root(root);
    if root == "disk" {
        machine = machine.disk(&disk.0);
    }
    for word in words {
        machine = machine.parameter(word);
    }
    let outcome = machine.run("smoke.sh").ok();
    // "[init] 3.76 5.10.0-46-cloud-amd64 x86_64: smoke.sh": what really ran.
    let version = outcome.text.split("[init] ").nth(1).and_then(|line| line.split(' ').nth(1)).unwrap_or("?");
    tell(&format!("smoke {version} on {root} {words:?}"), outcome.took);
}

#[test]
fn the_oldest_kernel_on_initramfs() {
    smoke(OLDEST, "initramfs", &[]);
}

#[test]
fn the_usual_kernel_on_a_disk_with_cgroup_v1() {
    smoke(USUAL, "disk", &["vm.cgroup=v1"]);
}

#[test]
fn the_next_kernel_on_tmpfs() {
    smoke(NEXT, "tmpfs", &[]);
}

#[test]
fn the_newest_kernel_on_initramfs() {
    smoke(NEWEST, "initramfs", &[]);
}

#[test]
fn a_bundle_with_cgroup_v2_alone() {
    for kernels in [OLDEST, NEWEST] {
        let outcome = Machine::new(kernels).run("oci.sh").ok();
        tell(&format!("oci.sh {}", kernels[0]), outcome.took);
    }
}
