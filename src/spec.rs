//! Plain data: what a container was asked to be (written once), and what happened to it.

use crate::spec::map::Map;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
pub use network::{Attached, Bound, Endpoint, Network, Protocol, Publish};
use record::{record, words};

pub mod ip;
pub mod json;
pub mod map;
pub mod network;
pub mod oci;
pub mod order;
pub mod port;
pub mod record;
pub mod schema;
pub mod subnet;
pub mod text;
pub mod words;

/// The version that records written by this program carry.
pub const RECORD_VERSION: u32 = 4;
/// The oldest version that can still be read: what came later is missing in it, which means "not asked for".
pub const RECORD_VERSION_MIN: u32 = 3;

/// What was asked: everything needed to start the container again, decided once. Stored as `containers/<id>/config.json`.
#[derive(Default)]
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
    /// The id of the container whose network it sees, for [`Network::Container`].
    pub network_of: Option<String>,
    /// The networks that it is on, for [`Network::Bridge`]. Its links are `eth0`, `eth1` … in this order.
    pub endpoints: Vec<Endpoint>,
    /// Ports of the host that lead to it.
    pub ports: Vec<Publish>,
    /// Whether every exposed port is published, too (`-P`).
    pub publish_all: Option<bool>,
    /// The ports that it serves, as image and flags say: `80/tcp`.
    pub exposed: Vec<String>,
    /// `name:address` lines for its hosts file; the address may be `host-gateway`.
    pub extra_hosts: Vec<String>,
    /// `container:alias`: other containers under names of its own.
    pub links: Vec<String>,
    /// Addresses of its name servers; none: the host's.
    pub dns: Vec<String>,
    /// Domains that it searches names in; none: the host's.
    pub dns_search: Vec<String>,
    /// Options of resolv.conf(5); none: the host's.
    pub dns_options: Vec<String>,
    /// Its NIS domain name.
    pub domainname: Option<String>,
    /// Volumes and binds, in the order in which they are mounted.
    pub mounts: Vec<Mount>,
    /// Resource limits.
    pub limits: Limits,
    /// Labels: the image's and the asked ones.
    pub labels: Map<String, String>,
    /// Signal number that `stop` sends first.
    pub stop_signal: i32,
    /// Seconds between that signal and SIGKILL, -1 for never; without one 10.
    pub stop_timeout: Option<i64>,
    /// When its monitor starts it again.
    pub restart: Restart,
    /// How its health is found out; without one nobody asks.
    pub health: Option<Health>,
    /// Where its output goes.
    pub log: Log,
    /// Groups besides those of `user`, by name or number.
    pub groups: Vec<String>,
    /// File mode creation mask that its programs start with.
    pub umask: u32,
    /// What its processes may do.
    pub security: Security,
    /// The ids of its user namespace; without one it has the host's.
    pub ids: Option<IdRange>,
    /// Which namespaces it has for itself.
    pub namespaces: Namespaces,
    /// Whether its root file system is read-only.
    pub read_only: bool,
    /// Size of /dev/shm; without one there is no /dev/shm (`--ipc none`).
    pub shm_bytes: Option<u64>,
    /// Device nodes of the host that it gets.
    pub devices: Vec<Device>,
    /// More devices that may be opened, in the kernel's words: `c 10:200 rwm`.
    pub device_rules: Vec<String>,
    /// Kernel parameters of its namespaces: `net.ipv4.ip_forward` → `1`.
    pub sysctls: Map<String, String>,
    /// Resource limits of each of its processes.
    pub ulimits: Vec<Ulimit>,
    /// How gladly the kernel kills it for want of memory, -1000 to 1000; without one as the starting command.
    pub oom_score_adj: Option<i32>,
    /// Whether a process of ours reaps orphans and forwards signals as its pid 1.
    pub init: bool,
    /// The names of containers that it is started after when the host starts, and stopped before when that goes down.
    pub after: Vec<String>,
}

/// When a container is started again after its end, and how often.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Restart {
    /// When.
    pub policy: Policy,
    /// How often at most without a success, for [`Policy::OnFailure`]; 0 is no limit.
    pub retries_max: u32,
}

/// When a container is started again after its end.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub enum Policy {
    /// Never.
    #[default]
    No,
    /// After an exit code that is not 0.
    OnFailure,
    /// Always; at boot also when somebody had stopped it.
    Always,
    /// Always, unless somebody has stopped it.
    UnlessStopped,
}

/// How the health of a container is found out: docker's HEALTHCHECK.
#[derive(Clone, Default)]
pub struct Health {
    /// `CMD` and the words of a command, or `CMD-SHELL` and a line for the image's shell.
    pub test: Vec<String>,
    /// Nanoseconds between two checks.
    pub interval_ns: i64,
    /// Nanoseconds that a check may take.
    pub timeout_ns: i64,
    /// Nanoseconds after the start in which failures do not count.
    pub start_period_ns: i64,
    /// Nanoseconds between two checks in that time.
    pub start_interval_ns: i64,
    /// So many failures in a row make it unhealthy.
    pub retries: u32,
}

/// Where the output of a container goes.
#[derive(Clone, Default)]
pub struct Log {
    /// Whether it is kept at all (`--log-driver none` keeps nothing).
    pub is_kept: bool,
    /// The driver as it was named, for showing it.
    pub driver: String,
    /// Bytes of one file, after which a new one begins; 0 is no limit.
    pub max_bytes: u64,
    /// Files that are kept, the current one among them.
    pub max_files: u32,
}

/// What processes may do: capabilities(7), seccomp(2), and what of /proc and /sys they see.
#[derive(Clone, Default)]
pub struct Security {
    /// Everything that we may do ourselves, all devices, nothing masked, no filter.
    pub privileged: bool,
    /// Capabilities besides docker's default ones: `CAP_NET_ADMIN`, or `ALL`.
    pub cap_add: Vec<String>,
    /// Capabilities of docker's default ones that it does not get, or `ALL`.
    pub cap_drop: Vec<String>,
    /// The system call filter: `None` is the default profile, `unconfined` none, else a profile in docker's or OCI's JSON.
    pub seccomp: Option<String>,
    /// Whether execve can never give more rights, prctl(2) `PR_SET_NO_NEW_PRIVS`.
    pub no_new_privileges: bool,
    /// Whether no path of /proc and /sys is masked or read-only (`systempaths=unconfined`).
    pub unmasked: bool,
}

/// A range of user and group ids of the host that stand for 0 and up inside. user_namespaces(7)
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct IdRange {
    /// The host's id of the root inside.
    pub first: u32,
    /// How many ids there are inside.
    pub size: u32,
}

/// Which namespaces a container has for itself.
#[derive(Clone, Default)]
pub struct Namespaces {
    /// Shared memory, semaphores, message queues.
    pub ipc: Namespace,
    /// Process ids.
    pub pid: Namespace,
    /// Host name.
    pub uts: Namespace,
    /// What it sees of cgroups.
    pub cgroup: Namespace,
}

/// Whose namespace a container is in.
#[derive(Clone, Default)]
pub struct Namespace {
    /// Whose it is.
    pub of: Owner,
    /// The id of the container that owns it, for [`Owner::Container`].
    pub container: String,
}

/// The owner of a namespace.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub enum Owner {
    /// The container itself.
    #[default]
    Private,
    /// The container itself, and others may join (only ipc tells the two apart).
    Shareable,
    /// The host.
    Host,
    /// Another container.
    Container,
}

/// One `--device`.
#[derive(Clone, Default)]
pub struct Device {
    /// A device node of the host, or a directory of them.
    pub source: String,
    /// Absolute path inside.
    pub target: String,
    /// Some of `r`, `w` and `m`: what may be done with it.
    pub access: String,
}

/// One `--ulimit`; -1 is no limit. getrlimit(2)
#[derive(Clone, Default)]
pub struct Ulimit {
    /// As in ulimit(1): `nofile`, `core`, `memlock` …
    pub name: String,
    /// The limit in force.
    pub soft: i64,
    /// How far a process may raise it.
    pub hard: i64,
}

/// Where the content of a mount comes from.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub enum MountKind {
    /// A path of the host.
    #[default]
    Bind,
    /// A volume with a name of its own.
    Volume,
    /// A volume made for this container, removed with it on request.
    Anonymous,
    /// Memory, for as long as the container runs.
    Tmpfs,
}

/// How much of what is mounted below the source of a bind comes along.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub enum Recursion {
    /// All of it; with `read_only` read-only too.
    #[default]
    Enabled,
    /// Nothing.
    Disabled,
    /// All of it, and it stays writable.
    Writable,
    /// All of it read-only, and where the kernel cannot do that the start fails.
    ReadOnly,
}

/// One `-v`, `--mount` or `--tmpfs`.
#[derive(Clone, Default)]
pub struct Mount {
    /// Where the content comes from.
    pub kind: MountKind,
    /// Host path of a bind, name of a volume, empty for a tmpfs.
    pub source: String,
    /// Absolute path inside.
    pub target: String,
    /// Whether it is read-only inside, with everything mounted below it.
    pub read_only: bool,
    /// The options of `-v` as typed (`z`, `rshared` …), for showing them. For a tmpfs the options of mount(8), complete.
    pub mode: String,
    /// `rprivate` (also when empty), `private`, `rshared`, `shared`, `rslave`, `slave`. mount_namespaces(7)
    pub propagation: String,
    /// What of the mounts below the source comes along.
    pub recursion: Recursion,
    /// A path inside the volume that is mounted instead of all of it; empty for all.
    pub subpath: String,
    /// Whether a host path that is missing is made (`-v`), or is an error (`--mount`).
    pub make_source: bool,
}

impl Mount {
    /// Whether its source is the name of a volume.
    pub const fn is_volume(&self) -> bool {
        matches!(self.kind, MountKind::Volume | MountKind::Anonymous)
    }
}

/// Resource limits of all processes together; `None` means not asked for.
#[derive(Clone, Default)]
pub struct Limits {
    /// Bytes of memory.
    pub memory: Option<u64>,
    /// Bytes of memory and swap together, -1 for no limit. Without one it is twice the memory.
    pub memory_swap: Option<i64>,
    /// Bytes of memory that are left to it when memory is short.
    pub memory_reservation: Option<u64>,
    /// 0 to 100: how gladly its memory is swapped out (cgroup v1 only).
    pub memory_swappiness: Option<u64>,
    /// Whether processes wait instead of being killed for want of memory (cgroup v1 only).
    pub oom_kill_disable: bool,
    /// Billionths of a CPU: 500,000,000 is half of one.
    pub nano_cpus: Option<u64>,
    /// Microseconds of a CPU quota's period.
    pub cpu_period: Option<u64>,
    /// Microseconds of CPU time in each period; -1 for no limit.
    pub cpu_quota: Option<i64>,
    /// Relative weight, 2 to 262144 (cgroup v1 terms).
    pub cpu_shares: Option<u64>,
    /// CPUs to run on, `0-2,4`.
    pub cpuset_cpus: Option<String>,
    /// Memory nodes to use.
    pub cpuset_mems: Option<String>,
    /// Number of tasks; -1 for no limit.
    pub pids: Option<i64>,
    /// Relative weight of disk use, 10 to 1000.
    pub blkio_weight: Option<u64>,
    /// Limits of single disks.
    pub throttles: Vec<Throttle>,
    /// The cgroup that its cgroup is made in, from the root of each hierarchy; empty for the root.
    pub cgroup_parent: String,
}

/// A limit on the use of one disk.
#[derive(Clone, Default)]
pub struct Throttle {
    /// Path of its block device on the host.
    pub device: String,
    /// What is limited.
    pub what: Rate,
    /// Bytes or operations in a second.
    pub rate: u64,
}

/// What a [`Throttle`] limits.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub enum Rate {
    /// Bytes read.
    #[default]
    ReadBytes,
    /// Bytes written.
    WriteBytes,
    /// Reads.
    Reads,
    /// Writes.
    Writes,
}

/// How far a container is in its life. A container is running while its monitor holds the lock, whatever is written here.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Status {
    /// Made, never started.
    #[default]
    Created,
    /// Its command was started.
    Running,
    /// Its command has ended.
    Exited,
    /// Its command has ended, and its monitor waits before it starts it again.
    Restarting,
}

/// What happened last. Stored as `containers/<id>/state.json`, replaced by rename.
#[derive(Clone)]
pub struct State {
    /// Format of this record, [`RECORD_VERSION`].
    pub version: u32,
    /// How far it is.
    pub status: Status,
    /// Pid of its first process in the host's terms; 0 when there is none.
    pub pid: i32,
    /// Nanoseconds since 1970 UTC; 0 for never.
    pub started: i64,
    /// The same moment by the clock that nobody sets: nanoseconds since the machine was started, its sleep counted.
    pub started_up: Option<i64>,
    /// Nanoseconds since 1970 UTC; 0 for never.
    pub finished: i64,
    /// Exit code of the last run; 128+n when signal n ended it.
    pub exit_code: i32,
    /// Whether the kernel killed something in it for want of memory.
    pub oom_killed: bool,
    /// What went wrong, in one line; empty when nothing did.
    pub error: String,
    /// How often its monitor has started it again since a person started it.
    pub restarts: u32,
    /// Whether a person (not its own end) stopped it last.
    pub was_stopped: bool,
    /// Whether it ended only because the host did: `shutdown` ended it, or its monitor was lost.
    pub ended_with_host: Option<bool>,
    /// What is known of its health; `None` when nobody asks.
    pub health: Option<Checked>,
    /// The networks that it is on while it runs.
    pub networks: Vec<Attached>,
    /// The ports of the host that lead to it while it runs.
    pub ports: Vec<Bound>,
}

/// What the checks of a container's health have found.
#[derive(Clone, Default)]
pub struct Checked {
    /// The verdict.
    pub status: Verdict,
    /// Failures in a row.
    pub failing_streak: u32,
    /// The last checks, oldest first.
    pub log: Vec<Check>,
}

/// What is thought of a container's health.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub enum Verdict {
    /// Not known yet.
    #[default]
    Starting,
    /// The last check succeeded.
    Healthy,
    /// Too many checks in a row have failed.
    Unhealthy,
}

/// One check of a container's health.
#[derive(Clone, Default)]
pub struct Check {
    /// Nanoseconds since 1970 UTC.
    pub start: i64,
    /// Nanoseconds since 1970 UTC.
    pub end: i64,
    /// 0 is healthy; -1 is a check that took too long.
    pub exit_code: i32,
    /// The beginning of what it said.
    pub output: String,
}

record! {
    Spec {
        version, id, name, created, image, image_id, layers, rootfs, entrypoint, cmd, env, cwd, user, hostname, tty,
        stdin, auto_remove, network, network_of, endpoints, ports, publish_all, exposed, extra_hosts, links, dns,
        dns_search, dns_options, domainname, mounts, limits, labels, stop_signal, stop_timeout, restart, health, log, groups,
        umask, security, ids, namespaces, read_only, shm_bytes, devices, device_rules, sysctls, ulimits,
        oom_score_adj, init, after
    }
    Restart { policy, retries_max }
    Health { test, interval_ns, timeout_ns, start_period_ns, start_interval_ns, retries }
    Log { is_kept, driver, max_bytes, max_files }
    Security { privileged, cap_add, cap_drop, seccomp, no_new_privileges, unmasked }
    IdRange { first, size }
    Namespaces { ipc, pid, uts, cgroup }
    Namespace { of, container }
    Device { source, target, access }
    Ulimit { name, soft, hard }
    Mount { kind, source, target, read_only, mode, propagation, recursion, subpath, make_source }
    Limits {
        memory, memory_swap, memory_reservation, memory_swappiness, oom_kill_disable, nano_cpus, cpu_period,
        cpu_quota, cpu_shares, cpuset_cpus, cpuset_mems, pids, blkio_weight, throttles, cgroup_parent
    }
    Throttle { device, what, rate }
    State {
        version, status, pid, started, started_up, finished, exit_code, oom_killed, error, restarts, was_stopped, ended_with_host, health,
        networks, ports
    }
    Checked { status, failing_streak, log }
    Check { start, end, exit_code, output }
}

words! {
    Policy { No = "no", OnFailure = "on-failure", Always = "always", UnlessStopped = "unless-stopped" }
    Owner { Private = "private", Shareable = "shareable", Host = "host", Container = "container" }
    MountKind { Bind = "bind", Volume = "volume", Anonymous = "anonymous", Tmpfs = "tmpfs" }
    Recursion { Enabled = "enabled", Disabled = "disabled", Writable = "writable", ReadOnly = "readonly" }
    Rate { ReadBytes = "rbps", WriteBytes = "wbps", Reads = "riops", Writes = "wiops" }
    Status { Created = "created", Running = "running", Exited = "exited", Restarting = "restarting" }
    Verdict { Starting = "starting", Healthy = "healthy", Unhealthy = "unhealthy" }
}

impl State {
    /// The state of a container that was just made.
    pub fn created() -> Box<Self> {
        Box::new(Self {
            version: RECORD_VERSION,
            status: Status::Created,
            pid: 0,
            started: 0,
            started_up: None,
            finished: 0,
            exit_code: 0,
            oom_killed: false,
            error: String::new(),
            restarts: 0,
            was_stopped: false,
            ended_with_host: None,
            health: None,
            networks: Vec::new(),
            ports: Vec::new(),
        })
    }
}

impl Spec {
    /// One that asks for nothing.
    #[inline(never)]
    pub fn empty() -> Box<Self> {
        Box::default()
    }

    /// The whole command: entrypoint and what follows it.
    pub fn args(&self) -> impl Iterator<Item = &String> {
        self.entrypoint.iter().chain(&self.cmd)
    }

    /// A copy of it.
    pub fn command(&self) -> Vec<String> {
        let mut command = self.entrypoint.clone();
        command.extend_from_slice(&self.cmd);
        command
    }
}
