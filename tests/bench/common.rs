//! What the benchmarks share: running commands in turns, and the place where they may leave things meanwhile.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The words of a line, without any quoting.
pub fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(str::to_owned).collect()
}

/// Whether there is such a program.
pub fn has(program: &str) -> bool {
    let path = std::env::var("PATH").unwrap_or_default();
    path.split(':').any(|dir| Path::new(dir).join(program).is_file())
}

/// Runs a line of shell; whether it succeeded.
pub fn sh(script: &str) -> bool {
    Command::new("sh").args(["-c", script]).stdout(Stdio::null()).status().is_ok_and(|status| status.success())
}

/// Runs a command without any streams; whether it succeeded.
pub fn quiet(command: &[String]) -> bool {
    let mut child = Command::new(&command[0]);
    child.args(&command[1..]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    child.status().is_ok_and(|status| status.success())
}

/// The value below which this share of a sorted list is.
#[allow(clippy::cast_precision_loss)] // some rounds
pub fn quantile(sorted: &[f64], q: f64) -> f64 {
    sorted[((sorted.len() - 1) as f64 * q).round() as usize]
}

/// The value in the middle of any list.
pub fn median(list: &[f64]) -> f64 {
    let mut sorted = list.to_vec();
    sorted.sort_by(f64::total_cmp);
    quantile(&sorted, 0.5)
}

/// Which case comes at which step of a round: another order each round, the same for everybody.
pub fn turn(step: usize, round: usize, cases: usize) -> usize {
    (step * 7 + round) % cases
}

/// Our binary; `build/bench` names the static one.
pub fn binary() -> String {
    std::env::var("MYDOCKER_BIN").unwrap_or_else(|_| env!("CARGO_BIN_EXE_mydocker").to_owned())
}

/// A directory with the image unpacked in `rootfs/`, and a store of ours that has it as `busybox`.
pub struct Place {
    /// The directory.
    pub dir: PathBuf,
    /// How our binary is called with that store.
    pub mydocker: String,
}

impl Place {
    /// Makes it; `build/bench` names the image.
    pub fn new(name: &str) -> Self {
        let tar = std::env::var("MYDOCKER_IMAGE_TAR")
            .expect("MYDOCKER_IMAGE_TAR names the busybox archive (build/bench sets it)");
        let tmp = std::env::var("CARGO_TARGET_TMPDIR").unwrap_or_else(|_| env!("CARGO_TARGET_TMPDIR").to_owned());
        let dir = PathBuf::from(tmp).join(name);
        let at = dir.display();
        assert!(sh(&format!(
            "rm -rf {at} && mkdir -p {at}/rootfs && cp {tar} {at}/busybox.tar && tar -C {at}/rootfs -xf {tar}"
        )));
        let mydocker = format!("env MYDOCKER_ROOT={at}/root MYDOCKER_RUN={at}/run {}", binary());
        assert!(sh(&format!("{mydocker} import {tar} busybox")), "cannot import {tar}");
        Self { dir, mydocker }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        sh(&format!("rm -rf {}", self.dir.display()));
    }
}
