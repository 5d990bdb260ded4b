//! Plain data: what a container was asked to be (written once), and what happened to it.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use miniserde::{Deserialize, Serialize};

/// The version that records written by this program carry.
pub const RECORD_VERSION: u32 = 1;

/// What was asked: everything needed to start the container again, decided once. Stored as `containers/<id>/config.json`.
#[derive(Serialize, Deserialize, Clone)]
pub struct Spec {
    /// Format of this record, [`RECORD_VERSION`].
    pub version: u32,
    /// 64 hexadecimal digits.
    pub id: String,
    /// The unique name.
    pub name: String,
    /// Nanoseconds since 1970 UTC.
    pub created: i64,
    /// The image as it was typed; with `--rootfs`, that directory.
    pub image: String,
    /// Hexadecimal id of the image, empty with `--rootfs`.
    pub image_id: String,
    /// Diff-ids of the image's layers, lowest first.
    pub layers: Vec<String>,
    /// A directory to be used as root file system instead of layers.
    pub rootfs: Option<String>,
    /// First words of the command, from the image or `--entrypoint`.
    pub entrypoint: Vec<String>,
    /// The words that follow the entrypoint.
    pub cmd: Vec<String>,
    /// `KEY=value`: the image's, then what was asked. The fixed ones (PATH, HOSTNAME, TERM, HOME) join at the start.
    pub env: Vec<String>,
    /// Working directory, absolute; made when missing.
    pub cwd: String,
    /// `user[:group]` by name or number, empty for root.
    pub user: String,
    /// Name of the host inside; with the host's network the host's own.
    pub hostname: String,
    /// Whether a pseudo-terminal is made.
    pub tty: bool,
    /// Whether standard input is kept open.
    pub stdin: bool,
    /// Whether the container goes away when it ends (`--rm`).
    pub auto_remove: bool,
    /// Which network it sees.
    pub network: Network,
    /// Volumes and binds, in the order in which they are mounted.
    pub mounts: Vec<Mount>,
    /// Resource limits.
    pub limits: Limits,
    /// Labels: the image's and the asked ones.
    pub labels: BTreeMap<String, String>,
    /// Signal number that `stop` sends first.
    pub stop_signal: i32,
}

/// Which network a container sees.
#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    /// Its own, with nothing but `lo`.
    #[serde(rename = "none")]
    None,
    /// The host's.
    #[serde(rename = "host")]
    Host,
}

/// Where the content of a mount comes from.
#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Eq)]
pub enum MountKind {
    /// A path of the host.
    #[serde(rename = "bind")]
    Bind,
    /// A volume with a name of its own.
    #[serde(rename = "volume")]
    Volume,
    /// A volume made for this container, removed with it on request.
    #[serde(rename = "anonymous")]
    Anonymous,
}

/// One `-v`.
#[derive(Serialize, Deserialize, Clone)]
pub struct Mount {
    /// Where the content comes from.
    pub kind: MountKind,
    /// Host path of a bind, name of a volume.
    pub source: String,
    /// Absolute path inside.
    pub target: String,
    /// Whether it is read-only inside, with everything mounted below it.
    pub read_only: bool,
    /// The options as typed (`z`, `rshared` …), for showing them.
    pub mode: String,
}

/// Resource limits; `None` means not asked for.
#[derive(Serialize, Deserialize, Clone, Default)]
pub struct Limits {
    /// Bytes of memory.
    pub memory: Option<u64>,
    /// Billionths of a CPU: 500,000,000 is half of one.
    pub nano_cpus: Option<u64>,
    /// Relative weight, 2 to 262144 (cgroup v1 terms).
    pub cpu_shares: Option<u64>,
    /// CPUs to run on, `0-2,4`.
    pub cpuset_cpus: Option<String>,
    /// Memory nodes to use.
    pub cpuset_mems: Option<String>,
    /// Number of tasks.
    pub pids: Option<u64>,
}

/// How far a container is in its life. A container is running while its monitor holds the lock, whatever is written here.
#[derive(Serialize, Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
pub enum Status {
    /// Made, never started.
    #[serde(rename = "created")]
    Created,
    /// Its command was started.
    #[serde(rename = "running")]
    Running,
    /// Its command has ended.
    #[serde(rename = "exited")]
    Exited,
}

/// What happened last. Stored as `containers/<id>/state.json`, replaced by rename.
#[derive(Serialize, Deserialize, Clone)]
pub struct State {
    /// Format of this record, [`RECORD_VERSION`].
    pub version: u32,
    /// How far it is.
    pub status: Status,
    /// Pid of its first process in the host's terms; 0 when there is none.
    pub pid: i32,
    /// Nanoseconds since 1970 UTC; 0 for never.
    pub started: i64,
    /// Nanoseconds since 1970 UTC; 0 for never.
    pub finished: i64,
    /// Exit code of the last run; 128+n when signal n ended it.
    pub exit_code: i32,
    /// Whether the kernel killed something in it for want of memory.
    pub oom_killed: bool,
    /// What went wrong, in one line; empty when nothing did.
    pub error: String,
}

impl State {
    /// The state of a container that was just made.
    pub fn created() -> Self {
        Self {
            version: RECORD_VERSION,
            status: Status::Created,
            pid: 0,
            started: 0,
            finished: 0,
            exit_code: 0,
            oom_killed: false,
            error: String::new(),
        }
    }
}

impl Spec {
    /// The whole command: entrypoint and what follows it.
    pub fn args(&self) -> impl Iterator<Item = &String> {
        self.entrypoint.iter().chain(&self.cmd)
    }
}
