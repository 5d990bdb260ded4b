//! `boot` in machines that have lost their power.

use crate::machine::{Disk, Machine, USUAL, tell};

#[test]
fn twenty_containers_after_a_power_cut() {
    let disk = Disk::new("twenty", 512);
    let machine = |step| Machine::new(USUAL).disk(&disk.0).parameter("vm.data=/dev/vda").parameter(step);
    let running = machine("vm.step=1").start("twenty.sh");
    running.until("all twenty run");
    running.kill();
    let outcome = machine("vm.step=2").run("twenty.sh").ok();
    let line = outcome.text.lines().find(|line| line.starts_with("boot of 20")).unwrap();
    tell(line, outcome.took);
}
