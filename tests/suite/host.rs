//! A store of its own for each test, and the proof that nothing of it is left afterwards.

use crate::netns::Netns;
use crate::planted::Tree;
use crate::process::{Cmd, Line, Output, PATIENCE, Running, soon, until};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock};

const CGROUPS: &str = "/sys/fs/cgroup";

/// The binary under test.
pub fn binary() -> String {
    std::env::var("MYDOCKER_BIN").unwrap_or_else(|_| env!("CARGO_BIN_EXE_mydocker").to_owned())
}

/// The same with `--features crash-points`, if there is one.
pub fn crash_binary() -> Option<String> {
    wanted(std::env::var("MYDOCKER_CRASH_BIN").ok(), "MYDOCKER_CRASH_BIN: run the tests by ./build/test")
}

/// What a test needs. Without it the test is skipped; but CI has everything, there it is an error.
pub fn wanted<T>(thing: Option<T>, what: &str) -> Option<T> {
    if thing.is_none() {
        assert!(std::env::var_os("CI").is_none(), "this test needs {what}");
        eprintln!("skipped: needs {what}");
    }
    thing
}

/// A file that a script in build/ makes below the target directory.
pub fn artifact(name: &str, script: &str) -> PathBuf {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let path = target.join(name);
    if !path.exists() {
        let script = format!("{}/build/{script}", env!("CARGO_MANIFEST_DIR"));
        let made = std::process::Command::new(script).env("CARGO_TARGET_DIR", target).output().unwrap();
        assert!(path.exists(), "{made:?}");
    }
    path
}

/// Copies a program that is to run. Not by ourselves: a child that another test forks meanwhile would have it open for
/// writing for a moment, and who is written to cannot be executed.
pub fn copy_program(from: impl AsRef<std::ffi::OsStr>, to: &Path) {
    assert!(std::process::Command::new("cp").arg(from).arg(to).status().unwrap().success());
}

/// target/busybox.tar
pub fn busybox_tar() -> &'static str {
    static PATH: OnceLock<String> = OnceLock::new();
    PATH.get_or_init(|| artifact("busybox.tar", "image").to_str().unwrap().to_owned())
}

/// The cgroup v1 file of a container, or its v2 one.
pub fn cgroup_file(controller: &str, id: &str, file: &str) -> PathBuf {
    let v1 = Path::new(CGROUPS).join(controller);
    let parent = if v1.exists() { v1 } else { Path::new(CGROUPS).to_owned() };
    parent.join(format!("mydocker-{id}")).join(file)
}

/// Whether controllers are on cgroup v1 here, as opposed to all on v2.
pub fn is_v1() -> bool {
    !Path::new(CGROUPS).join("cgroup.controllers").exists()
}

/// One test's host: a directory with a store, the busybox image in it, and all that must be gone at the end.
pub struct Host {
    pub dir: PathBuf,
    pub store: PathBuf,
    pub run_dir: PathBuf,
    /// The network that its commands run in, of its own.
    pub net: Netns,
    binary: String,
    ids: Mutex<BTreeSet<String>>,
}

impl Host {
    /// A host with the image `busybox`.
    #[track_caller]
    pub fn new() -> Self {
        // Made once, by an import; the others get what that left.
        static IMPORTED: OnceLock<Tree> = OnceLock::new();
        let host = Self::empty();
        if let Some(tree) = IMPORTED.get() {
            tree.plant(&host.dir);
        } else {
            host.run(&["import", busybox_tar(), "busybox"]).ok();
            IMPORTED.get_or_init(|| Tree::of(&host.dir));
        }
        host
    }

    /// A host without any image.
    #[track_caller]
    pub fn empty() -> Self {
        Self::with(&binary())
    }

    /// A host for another binary.
    #[track_caller]
    pub fn with(binary: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        assert!(rustix::process::geteuid().is_root(), "the tests need root: ./build/test takes care of it");
        // All of one length: no name is the beginning of another one.
        let name = format!("{}-{:04}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&dir).unwrap();
        let (store, run_dir) = (dir.join("store"), dir.join("run"));
        let net = Netns::new();
        // As on a host that has had a container: the first one switches it on, and says so.
        net.set("ipv4/ip_forward", "1");
        net.set("ipv6/conf/all/forwarding", "1");
        Self { store, run_dir, dir, net, binary: binary.to_owned(), ids: Mutex::default() }
    }

    /// A command, to be given an input, an environment or a terminal before it runs.
    pub fn cmd(&self, line: &(impl Line + ?Sized)) -> Cmd<'_> {
        Cmd::new(self, &self.binary, line)
    }

    /// Runs a command to its end.
    #[track_caller]
    pub fn run(&self, line: &(impl Line + ?Sized)) -> Output {
        self.cmd(line).run()
    }

    /// Runs a command that must work, and returns its answer.
    #[track_caller]
    pub fn ok(&self, line: &(impl Line + ?Sized)) -> String {
        self.run(line).ok()
    }

    /// Starts a command.
    #[track_caller]
    pub fn spawn(&self, line: &(impl Line + ?Sized)) -> Running<'_> {
        self.cmd(line).spawn()
    }

    /// Starts a command on a terminal of 24 lines and 80 columns.
    #[track_caller]
    pub fn terminal(&self, line: &(impl Line + ?Sized)) -> Running<'_> {
        self.cmd(line).on_terminal(24, 80)
    }

    /// A detached container with this name that does nothing for a long time, and ends at once when asked.
    #[track_caller]
    pub fn idle(&self, flags: &str) -> String {
        self.ok(&format!("run -d {flags} busybox sh -c 'trap \"exit 0\" TERM; echo ready; sleep 1000 & wait'"))
    }

    /// One field of `ps -a` about a container; empty when there is none.
    #[track_caller]
    pub fn field(&self, name: &str, field: &str) -> String {
        self.ok(&["ps", "-a", "--filter", &format!("name=^{name}$"), "--format", &format!("{{{{.{field}}}}}")])
    }

    /// Waits until a container has ended.
    #[track_caller]
    pub fn ended(&self, name: &str) {
        until(&format!("{name} ends"), || self.field(name, "State") == "exited");
    }

    /// The host's pid of a running container's first process.
    #[track_caller]
    pub fn pid(&self, name: &str) -> i32 {
        self.field(name, "PID").parse().unwrap()
    }

    /// A file for a test, in the host's directory.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.dir.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// A path in the host's directory.
    pub fn path(&self, name: &str) -> String {
        self.dir.join(name).to_str().unwrap().to_owned()
    }

    /// Runs a host command, for building what we have no own code for.
    #[track_caller]
    pub fn sh(&self, script: &str) -> String {
        let mut command = std::process::Command::new("sh");
        self.net.hold(command.args(["-euc", script]).current_dir(&self.dir));
        let done = command.output().unwrap();
        assert!(done.status.success(), "{script}: {done:?}");
        String::from_utf8_lossy(&done.stdout).trim_end().to_owned()
    }

    /// Ids that appear in an output are looked for at the end.
    pub fn remember(&self, output: &str) {
        let is_id = |word: &&str| word.len() == 64 && word.bytes().all(|b| b.is_ascii_hexdigit());
        self.ids.lock().unwrap().extend(output.split_whitespace().filter(is_id).map(str::to_owned));
    }

    /// Everything that a failed command must leave as it was.
    pub fn snapshot(&self) -> Snapshot {
        // A removal before may still be at it.
        soon(PATIENCE, || below(&self.store.join("trash"), 1).is_empty());
        let mut things = BTreeSet::new();
        for dir in ["containers", "names", "refs", "images", "layers", "volumes", "tmp", "trash"] {
            things.extend(below(&self.store.join(dir), 2));
        }
        things.extend(self.running());
        things.extend(self.mounts());
        Snapshot { things, cgroups: cgroups() }
    }

    /// Nothing changed since the snapshot, at the latest when the last process of ours has tidied up.
    #[track_caller]
    pub fn unchanged(&self, before: &Snapshot) {
        let limit = PATIENCE;
        let same = soon(limit, || self.snapshot().things == before.things);
        let now = self.snapshot().things;
        let (gone, new) = (before.things.difference(&now), now.difference(&before.things));
        assert!(same, "gone: {:?}\nnew: {:?}", gone.collect::<Vec<_>>(), new.collect::<Vec<_>>());
        // Other tests make cgroups, too; but those have a process in them, sooner or later or no more, or an owner.
        let abandoned = || cgroups().into_iter().filter(|g| !before.cgroups.contains(g) && is_abandoned(g)).collect();
        let mut left: BTreeSet<String> = abandoned();
        soon(limit, || {
            left = abandoned().intersection(&left).cloned().collect();
            left.is_empty()
        });
        assert!(left.is_empty(), "left: {left:?}");
    }

    /// What the run directory has of containers, besides the list of events.
    fn running(&self) -> Vec<String> {
        let events = self.run_dir.join("events").to_str().unwrap().to_owned();
        below(&self.run_dir, 2).into_iter().filter(|path| !path.starts_with(&events)).collect()
    }

    fn mounts(&self) -> Vec<String> {
        let dir = self.dir.to_str().unwrap();
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
        mounts.lines().filter(|line| line.contains(dir)).map(str::to_owned).collect()
    }

    /// Living processes that work on this host, or that still sit in a container of it.
    fn processes(&self) -> Vec<String> {
        let dir = self.dir.to_str().unwrap();
        let mut found = Vec::new();
        let namespace = |pid: &str| fs::read_link(format!("/proc/{pid}/ns/mnt")).ok();
        let ours = namespace("self");
        for pid in fs::read_dir("/proc").unwrap().flatten().map(|e| e.file_name().into_string().unwrap()) {
            if !pid.bytes().all(|b| b.is_ascii_digit()) || pid == std::process::id().to_string() {
                continue;
            }
            let read = |name: &str| fs::read(format!("/proc/{pid}/{name}")).unwrap_or_default();
            let names_it = |name: &str| String::from_utf8_lossy(&read(name)).contains(dir);
            // The mounts that most processes see are looked at once.
            if names_it("environ") || namespace(&pid) != ours && names_it("mountinfo") {
                found.push(format!("{pid}: {}", String::from_utf8_lossy(&read("cmdline")).replace('\0', " ")));
            }
        }
        found
    }

    /// All that is left of this host besides images, volumes and files.
    fn left(&self) -> Vec<String> {
        let mut left: Vec<String> = Vec::new();
        for dir in ["containers", "names", "tmp", "trash"] {
            left.extend(below(&self.store.join(dir), 1));
        }
        left.extend(self.running());
        left.extend(self.mounts());
        left.extend(self.processes());
        left.extend(self.net.our_links());
        left.extend(self.net.our_tables());
        let ids = self.ids.lock().unwrap();
        left.extend(cgroups().into_iter().filter(|group| ids.iter().any(|id| group.ends_with(id.as_str()))));
        left
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let containers = below(&self.store.join("containers"), 1);
        let ids = containers.iter().filter_map(|path| path.rsplit('/').next().map(str::to_owned));
        let ids: Vec<String> = ids.collect();
        self.ids.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner).extend(ids.clone());
        // Not by Cmd: it panics, and a panic in here would hide the one that we may be in.
        let mut rm = std::process::Command::new(binary());
        self.net.hold(&mut rm);
        rm.env("MYDOCKER_ROOT", &self.store).env("MYDOCKER_RUN", &self.run_dir).args(["rm", "-f"]).args(&ids);
        let removed = if ids.is_empty() { None } else { rm.output().ok() };
        let mut left = Vec::new();
        let is_clean = soon(PATIENCE, || {
            left = self.left();
            left.is_empty()
        });
        let deleted = fs::remove_dir_all(&self.dir);
        if !std::thread::panicking() {
            assert!(is_clean, "left behind: {left:#?}\nrm: {removed:?}");
            deleted.unwrap();
        }
    }
}

/// What there was at some moment.
pub struct Snapshot {
    things: BTreeSet<String>,
    cgroups: BTreeSet<String>,
}

fn cgroups() -> BTreeSet<String> {
    let ours = |path: &String| path.rsplit('/').next().is_some_and(|name| name.starts_with("mydocker-"));
    below(Path::new(CGROUPS), 2).into_iter().filter(ours).collect()
}

/// Nothing runs in it, and no test's store knows its container.
fn is_abandoned(group: &str) -> bool {
    let is_empty = fs::read_to_string(format!("{group}/cgroup.procs")).is_ok_and(|pids| pids.is_empty());
    let id = group.rsplit("mydocker-").next().unwrap_or("");
    let hosts = below(Path::new(env!("CARGO_TARGET_TMPDIR")), 1);
    is_empty && !hosts.iter().any(|host| Path::new(host).join("store/containers").join(id).exists())
}

/// The paths of everything down to this depth.
fn below(dir: &Path, depth: u32) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if depth > 1 && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            found.extend(below(&entry.path(), depth - 1));
        }
        found.push(entry.path().to_str().unwrap().to_owned());
    }
    found
}
