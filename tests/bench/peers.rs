//! Who takes part: our binary with a store of its own, runtimes with a bundle, and engines that are there and run here.

use crate::calls;
use crate::common::{ask, has, sh};
use crate::report::Report;
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The benchmark: where it is, who takes part, what it found.
pub struct Bench {
    /// A directory on the disk, which is gone afterwards. `rootfs/` there is the image, unpacked.
    pub dir: PathBuf,
    /// Our binary. Its store has the image as `busybox`.
    pub ours: String,
    /// Another binary of ours, to compare with.
    pub base: Option<String>,
    /// What was found.
    pub report: Report,
    engines: Vec<Engine>,
    daemon: Option<Daemon>,
}

/// A system that runs containers.
#[derive(Clone)]
pub struct Engine {
    /// What the tables call it.
    pub name: &'static str,
    /// The words before its verb.
    pub call: String,
}

impl Engine {
    /// A line that runs the image.
    pub fn run(&self, flags: &str, command: &str) -> String {
        format!("{} run {flags} busybox {command}", self.call)
    }
}

impl Bench {
    /// Takes what `build/bench` has made.
    pub fn new() -> Self {
        let var = |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("no {name}: run this by build/bench"));
        let (dir, ours, image) = (PathBuf::from(var("BENCH_PLACE")), var("MYDOCKER_BIN"), var("MYDOCKER_IMAGE_TAR"));
        let base = std::env::var("MYDOCKER_BASE").ok().filter(|path| !path.is_empty());
        let at = dir.display();
        let made = format!("mkdir {at}/rootfs && tar -C {at}/rootfs -xf {image} && cp {image} {at}/busybox.tar");
        assert!(sh(&made), "cannot unpack {image}");
        assert!(sh(&format!("{ours} import {image} busybox")), "cannot import {image}");
        let report = Report::new(PathBuf::from(var("BENCH_RESULTS")), head(&ours));
        Self { dir, ours, base, report, engines: Vec::new(), daemon: None }
    }

    /// Our binary, and the other one of ours.
    pub fn own(&self) -> Vec<Engine> {
        let mut own = vec![Engine { name: "mydocker", call: self.ours.clone() }];
        own.extend(self.base.iter().map(|base| Engine { name: "mydocker before", call: base.clone() }));
        own
    }

    /// The engines that run here, ours first; docker's daemon is started for it.
    pub fn engines(&mut self) -> Vec<Engine> {
        if self.engines.is_empty() {
            let mut found = self.own();
            for (name, call) in [("podman", "podman"), ("docker", "docker")] {
                match self.prepare(name, call) {
                    Ok(()) => found.push(Engine { name, call: call.to_owned() }),
                    Err(why) => self.report.left_out(name, &why),
                }
            }
            self.engines = found;
        }
        self.engines.clone()
    }

    fn prepare(&mut self, name: &str, call: &str) -> Result<(), String> {
        if !has(call) {
            return Err("not installed".to_owned());
        }
        if name == "docker" {
            self.daemon = Some(Daemon::start(&self.dir.display().to_string())?);
        }
        for line in [format!("import {}/busybox.tar busybox", self.dir.display()), run_once("none"), run_once("bridge")]
        {
            let said = ask(&format!("{call} {line} 2>&1 >/dev/null || echo failed"));
            if said.ends_with("failed") {
                let first = said.lines().next().unwrap_or_default();
                return Err(format!("does not run here (`{call} {line}`: {first})"));
            }
        }
        Ok(())
    }

    /// A bundle for an OCI runtime that runs this in the unpacked image; `None`: the runtime's own default configuration,
    /// else with docker's capabilities, masks and our default filter. Any number of containers may use it.
    pub fn bundle(&mut self, name: &str, runtime: Option<&str>, command: &str) -> String {
        let dir = self.dir.join(format!("bundle-{name}"));
        let rootfs = self.dir.join("rootfs").display().to_string();
        assert!(sh(&format!("mkdir -p {0} && rm -f {0}/config.json", dir.display())));
        let args: Vec<String> = command.split(' ').map(|word| format!("\"{word}\"")).collect();
        let config = match runtime {
            // runc knows no flags of filters.
            None => include_str!("bundle.json")
                .replace("SECCOMP", &calls::profile().replace("\"flags\":[\"SECCOMP_FILTER_FLAG_SPEC_ALLOW\"],", "")),
            Some(runtime) => ask(&format!("cd {} && {runtime} spec && cat config.json", dir.display()))
                .replacen(r#""terminal": true"#, r#""terminal": false"#, 1)
                .replacen(r#""path": "rootfs""#, r#""path": "ROOTFS""#, 1)
                .replacen(r#""sh""#, "ARGS", 1),
        };
        fs::write(dir.join("config.json"), config.replace("ROOTFS", &rootfs).replace("ARGS", &args.join(","))).unwrap();
        dir.display().to_string()
    }
}

fn run_once(network: &str) -> String {
    format!("run --rm --network {network} busybox true")
}

/// The machine and all versions.
fn head(ours: &str) -> String {
    let version = |line: &str| ask(&format!("{line} 2>/dev/null | head -1"));
    let memory = ask("awk '/MemTotal/ { printf \"%.0f GB\", $2 / 1e6 }' /proc/meminfo");
    let cgroups = if fs::exists("/sys/fs/cgroup/cgroup.controllers").unwrap_or(false) { "v2" } else { "v1" };
    let disk = ask("findmnt -n -o FSTYPE -T \"$BENCH_PLACE\"");
    let mut text = format!(
        "{} CPUs ({}), {memory}, Linux {}, {disk}, cgroup {cgroups}, load {} before; {}",
        ask("nproc"),
        ask("sed -n 's/^model name.*: //p' /proc/cpuinfo | head -1"),
        ask("uname -r"),
        ask("cut -d' ' -f1-3 /proc/loadavg"),
        version(&format!("{ours} --version")),
    );
    for peer in ["crun", "runc", "bwrap", "podman", "docker", "dockerd"] {
        if has(peer) {
            text = format!("{text}, {}", version(&format!("{peer} --version")));
        }
    }
    format!("{text}, {}, {}; the binary: {} bytes", version("nsenter --version"), version("tar --version"), size(ours))
}

fn size(path: &str) -> u64 {
    fs::metadata(path).map_or(0, |meta| meta.len())
}

/// docker's daemon, with everything in the benchmark's own namespaces and directories: it ends with them.
struct Daemon(Child);

impl Daemon {
    fn start(dir: &str) -> Result<Self, String> {
        fs::write(format!("{dir}/daemon.json"), "{}").map_err(|error| error.to_string())?;
        let log = fs::File::create(format!("{dir}/dockerd.log")).map_err(|error| error.to_string())?;
        let mut daemon = Command::new("dockerd");
        daemon.args(["--data-root", &format!("{dir}/docker"), "--config-file", &format!("{dir}/daemon.json")]);
        daemon.args(["-H", "unix:///run/docker.sock"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let child = daemon.spawn().map_err(|error| format!("dockerd does not start ({error})"))?;
        let daemon = Self(child);
        let end = Instant::now() + Duration::from_secs(30);
        while Instant::now() < end {
            if sh("docker info >/dev/null 2>&1") {
                return Ok(daemon);
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Err(format!("dockerd does not run here ({})", ask(&format!("grep -v level=info {dir}/dockerd.log | tail -1"))))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        sh(&format!("kill {}", self.0.id())); // it ends containerd
        let _ = self.0.wait();
    }
}
