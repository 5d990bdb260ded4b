//! Power cuts. A machine works while its disk's writes are recorded, and says after each answer what is promised now; from the
//! record come disks as a power cut at any moment may leave them, and other machines look whether all promises are kept.

use crate::machine::{Disk, Machine, Outcome, USUAL, made, tell};
use crate::writelog::{self, Dice, Log};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

/// The same cuts of the same record, always. `MYDOCKER_POWER_SEED` makes others, `MYDOCKER_POWER_CUTS` more or fewer.
const SEED: u64 = 6;
const CUTS: u64 = 100;
/// For this many of them there is one more in the recovery from a first one.
const CUTS_A_SECOND: u64 = 8;
/// A machine has room for so many disks.
const DISKS_MAX: usize = 25;
const FILE_SYSTEM_MIB: u64 = 96;
/// Past the file system.
const MARK_AT: u64 = FILE_SYSTEM_MIB << 20;

fn number(name: &str, usual: u64) -> u64 {
    std::env::var(name).map_or(usual, |text| text.parse().unwrap())
}

/// A file below target/tmp that goes with this value.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        Self(Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("power-{}-{name}", std::process::id())))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Runs a script while everything that it writes to this disk is recorded.
fn record(machine: Machine, disk: &Path, script: &str) -> Log {
    let log = Scratch::new("log");
    fs::write(&log.0, "").unwrap();
    // Not `cache=unsafe`: that keeps the flushes from the log.
    let drive = format!(
        "driver=blklogwrites,file.driver=raw,file.file.driver=file,file.file.filename={},log.driver=file,\
         log.filename={},log-sector-size=512,cache=writeback",
        disk.display(),
        log.0.display()
    );
    let outcome = machine.drive(&drive).run(script);
    assert_eq!(outcome.code, Some(0), "{}", outcome.text);
    Log::read(fs::read(&log.0).unwrap(), MARK_AT)
}

/// What a cut left, and what was promised before it.
struct Cut {
    disk: Scratch,
    name: String,
    said: String,
}

/// Disks after cuts of what was recorded on `base`.
fn cuts(name: &str, base: &[u8], log: &Log, count: usize, said_before: &str) -> Vec<Cut> {
    let seed = number("MYDOCKER_POWER_SEED", SEED);
    let places = log.cuts(count, &mut Dice(seed));
    let cut = |(at, place): (usize, &usize)| {
        let name = format!("{name}{at:03}");
        let disk = Scratch::new(&name);
        writelog::make(&disk.0, base, &log.survivors(*place, &mut Dice(seed + at as u64)));
        Cut { disk, name, said: said_before.to_owned() + &log.said(*place) }
    };
    places.iter().enumerate().map(cut).collect()
}

/// Looks at what the cuts left, many in a machine. What is wrong with which.
fn look(cuts: &[Cut]) -> Vec<String> {
    let check = |cuts: &[Cut]| -> Outcome {
        let mut list = String::new();
        let mut machine = Machine::new(USUAL);
        for (at, cut) in cuts.iter().enumerate() {
            let order = if at % 2 == 0 { "first" } else { "last" };
            list.extend(["vd", &char::from(b'a' + at as u8).to_string(), " ", &cut.name, " ", order, "\n"]);
            machine = machine.disk(&cut.disk.0).text(&format!("payload/said/{}", cut.name), &cut.said);
        }
        machine.text("payload/cuts", &list).limit(400).run("power-check.sh")
    };
    let mut wrong = Vec::new();
    std::thread::scope(|scope| {
        let started: Vec<_> =
            cuts.chunks(cuts.len().div_ceil(2).min(DISKS_MAX)).map(|cuts| scope.spawn(move || check(cuts))).collect();
        for machine in started {
            let outcome = machine.join().unwrap();
            let lines = outcome.text.lines();
            wrong.extend(lines.filter(|line| line.starts_with("FAIL")).map(str::to_owned));
            if outcome.code != Some(0) && wrong.is_empty() {
                wrong.push(outcome.text);
            } else {
                let told =
                    outcome.text.lines().filter(|line| line.starts_with("repaired: ") || line.starts_with("looked "));
                told.for_each(|line| eprintln!("{line}"));
            }
        }
    });
    for cut in cuts {
        let mut fsck = Command::new("e2fsck");
        fsck.args(["-fn"]).arg(&cut.disk.0).env("PATH", "/usr/sbin:/sbin:/usr/bin:/bin");
        if !fsck.output().unwrap().status.success() {
            wrong.push(format!("FAIL {}: the file system is damaged", cut.name));
        }
    }
    wrong
}

/// A disk with room for marks behind its file system.
fn disk(name: &str) -> Disk {
    let disk = Disk::new(name, FILE_SYSTEM_MIB);
    fs::File::options().write(true).open(&disk.0).unwrap().set_len(MARK_AT + (1 << 20)).unwrap();
    disk
}

fn machine() -> Machine {
    Machine::new(USUAL).text("payload/mark-at", &MARK_AT.to_string()).file("bin/mark", &made("mark", &[]).unwrap())
}

#[test]
fn what_was_answered_is_there_after_a_power_cut() {
    let started = Instant::now();
    let disk = disk("power");
    let base = fs::read(&disk.0).unwrap();
    let log = record(machine(), &disk.0, "power-work.sh");
    tell(&format!("power cuts: recorded {:?} entries, bytes, flushes, promises", log.counts()), started.elapsed());
    let count = number("MYDOCKER_POWER_CUTS", CUTS);
    let mut all = cuts("cut-", &base, &log, count as usize, "");
    // The last thing that is said is that containers run. While they come back the power goes again.
    let said = log.said(log.counts()[0]);
    let first = Scratch::new("first");
    writelog::make(&first.0, &base, &log.survivors(log.counts()[0], &mut Dice(SEED)));
    let base = fs::read(&first.0).unwrap();
    let log = record(machine(), &first.0, "power-recover.sh");
    all.extend(cuts("again-", &base, &log, count.div_ceil(CUTS_A_SECOND) as usize, &said));
    tell(&format!("power cuts: recorded a recovery {:?}", log.counts()), started.elapsed());
    let wrong = look(&all);
    tell(&format!("power cuts: {} disks looked at", all.len()), started.elapsed());
    assert!(wrong.is_empty(), "{} lines:\n{}", wrong.len(), wrong.join("\n"));
}
