//! Machines in which something is missing or strange: hierarchies, directories, a clock, memory, a terminal.

use crate::machine::{Disk, Machine, NEWEST, NEXT, OLDEST, USUAL, tell};

fn runs(script: &str, machine: Machine, what: &str) {
    let outcome = machine.run(script).ok();
    tell(&format!("{script} {what}"), outcome.took);
}

#[test]
fn little_else_than_a_kernel() {
    let bare = |kernels| Machine::new(kernels).parameter("vm.cgroup=none");
    runs("missing.sh", bare(OLDEST), "oldest");
    runs("missing.sh", bare(NEWEST), "newest");
}

#[test]
fn no_cgroup_is_mounted() {
    runs("cgroups.sh", Machine::new(OLDEST).parameter("vm.cgroup=none"), "oldest, initramfs");
    runs("cgroups.sh", Machine::new(NEWEST).parameter("vm.cgroup=none").root("tmpfs"), "newest, tmpfs");
}

#[test]
fn a_root_that_cannot_be_written() {
    let disk = Disk::new("readonly", 256);
    runs("readonly.sh", Machine::new(USUAL).disk(&disk.0).root("disk"), "disk");
}

#[test]
fn a_store_in_memory() {
    runs("volatile.sh", Machine::new(OLDEST), "oldest");
    runs("volatile.sh", Machine::new(USUAL), "usual");
}

#[test]
fn a_clock_without_a_battery() {
    runs("clock.sh", Machine::new(NEXT).qemu(&["-rtc", "base=1970-01-01T00:00:10"]), "");
}

#[test]
fn no_modules_and_nobody_who_loads_them() {
    runs("modules.sh", Machine::new(USUAL).parameter("vm.mods=none"), "");
}

#[test]
fn little_memory() {
    let disk = Disk::new("tiny", 256);
    // QEMU's loader needs more than the kernel does: it gets that, and the kernel leaves it alone.
    let machine = Machine::small(OLDEST).memory(160).parameter("mem=64M");
    runs("tiny.sh", machine.disk(&disk.0).root("disk"), "64 MiB");
}

#[test]
fn a_service_of_busybox_init() {
    runs("service.sh", Machine::new(USUAL), "");
}
