//! What a bundle asks for: config.json of the OCI runtime specification 1.0 to 1.3, the part that is about Linux. Fields have
//! the specification's meanings and units. What is missing there is empty or `None` here; what is unknown to us is passed over.

use super::map::Map;
use super::record::{Raw, record};
use super::schema::kept;
use alloc::string::String;
use alloc::vec::Vec;

/// The version that we tell of ourselves.
pub const VERSION: &str = "1.2.1";

/// A bundle's config.json.
#[derive(Default)]
pub struct Bundle {
    /// `ociVersion`, `1.x.y`.
    pub version: String,
    /// What is to run; without it a container cannot be started.
    pub process: Option<Process>,
    /// The root file system.
    pub root: Option<Root>,
    /// Its name of its own, in a UTS namespace of its own.
    pub hostname: Option<String>,
    /// Its NIS domain name, likewise.
    pub domainname: Option<String>,
    /// In the order in which they are mounted.
    pub mounts: Vec<Mount>,
    /// What runs beside it.
    pub hooks: Option<Hooks>,
    /// Anything, for whoever asks for the state.
    pub annotations: Option<Map<String, String>>,
    /// All the rest.
    pub linux: Option<Linux>,
}

/// A program in a container.
#[derive(Default)]
pub struct Process {
    /// Whether it has a terminal.
    pub terminal: Option<bool>,
    /// The size of that.
    pub console_size: Option<Size>,
    /// Who it is.
    pub user: Option<User>,
    /// Its words.
    pub args: Vec<String>,
    /// `KEY=value`.
    pub env: Vec<String>,
    /// Its working directory, absolute.
    pub cwd: String,
    /// Its capabilities; none at all when missing.
    pub capabilities: Option<Capabilities>,
    /// Its own limits.
    pub rlimits: Vec<Rlimit>,
    /// prctl(2), `PR_SET_NO_NEW_PRIVS`.
    pub no_new_privileges: Option<bool>,
    /// A profile of AppArmor.
    pub apparmor: Option<String>,
    /// proc_pid_oom_score_adj(5)
    pub oom_score_adj: Option<i32>,
    /// sched_setattr(2)
    pub scheduler: Option<Scheduler>,
    /// A label of SELinux.
    pub selinux: Option<String>,
    /// ioprio_set(2)
    pub io_priority: Option<IoPriority>,
    /// The CPUs of a process that joins.
    pub affinity: Option<Affinity>,
}

/// Rows and columns of a terminal.
#[derive(Default)]
pub struct Size {
    /// Rows.
    pub height: u32,
    /// Columns.
    pub width: u32,
}

/// User and groups, by numbers of the container.
#[derive(Default)]
pub struct User {
    /// User id; without one root's.
    pub uid: Option<u32>,
    /// Group id; without one root's.
    pub gid: Option<u32>,
    /// File mode creation mask; without one ours.
    pub umask: Option<u32>,
    /// More groups.
    pub groups: Vec<u32>,
}

/// The five sets of capabilities(7), by names.
#[derive(Default)]
pub struct Capabilities {
    /// What can ever be had.
    pub bounding: Vec<String>,
    /// What is in force.
    pub effective: Vec<String>,
    /// What execve(2) may pass on, by files that have it.
    pub inheritable: Vec<String>,
    /// What may be brought into force.
    pub permitted: Vec<String>,
    /// What execve(2) passes on.
    pub ambient: Vec<String>,
}

/// A limit of getrlimit(2).
#[derive(Default)]
pub struct Rlimit {
    /// `RLIMIT_NOFILE`.
    pub kind: String,
    /// How far it may be raised.
    pub hard: u64,
    /// The limit in force.
    pub soft: u64,
}

/// How it is scheduled: sched_setattr(2).
#[derive(Default)]
pub struct Scheduler {
    /// `SCHED_BATCH`.
    pub policy: String,
    /// -20 to 19.
    pub nice: Option<i32>,
    /// 0 to 99.
    pub priority: Option<i32>,
    /// `SCHED_FLAG_RESET_ON_FORK`.
    pub flags: Vec<String>,
    /// Nanoseconds.
    pub runtime: Option<u64>,
    /// Nanoseconds.
    pub deadline: Option<u64>,
    /// Nanoseconds.
    pub period: Option<u64>,
}

/// How its disk accesses are scheduled.
#[derive(Default)]
pub struct IoPriority {
    /// `IOPRIO_CLASS_BE`.
    pub class: String,
    /// 0 to 7.
    pub priority: u32,
}

/// Lists of CPUs: `0-3,7`.
#[derive(Default)]
pub struct Affinity {
    /// While it joins the container.
    pub initial: Option<String>,
    /// From then on.
    pub last: Option<String>,
}

/// The root file system.
#[derive(Default)]
pub struct Root {
    /// Absolute, or from the bundle on.
    pub path: String,
    /// Whether it is read-only inside.
    pub read_only: Option<bool>,
}

/// A mount.
#[derive(Default)]
pub struct Mount {
    /// Absolute path inside.
    pub destination: String,
    /// A file system; for a bind anything.
    pub kind: Option<String>,
    /// A device, a name, or for a bind a path, from the bundle on.
    pub source: Option<String>,
    /// Those of mount(8), and the specification's own.
    pub options: Vec<String>,
    /// Ids of the disk and those that stand for them.
    pub uids: Vec<IdMap>,
    /// The same for groups.
    pub gids: Vec<IdMap>,
}

/// A row of ids. user_namespaces(7)
#[derive(Default, Clone)]
pub struct IdMap {
    /// The first one inside.
    pub inside: u32,
    /// The first one outside.
    pub outside: u32,
    /// How many.
    pub size: u32,
}

/// Programs that run at moments of a container's life.
#[derive(Default)]
pub struct Hooks {
    /// After the namespaces are there, before the root is; outside.
    pub prestart: Vec<Hook>,
    /// The same, after those.
    pub create_runtime: Vec<Hook>,
    /// After those, inside the namespaces, by paths of the host.
    pub create_container: Vec<Hook>,
    /// When it is started, inside.
    pub start_container: Vec<Hook>,
    /// After that, outside.
    pub poststart: Vec<Hook>,
    /// After it is deleted, outside.
    pub poststop: Vec<Hook>,
}

/// One of them. It gets the container's state as its standard input.
#[derive(Default)]
pub struct Hook {
    /// Absolute.
    pub path: String,
    /// With the program's name; none is that alone.
    pub args: Vec<String>,
    /// `KEY=value`.
    pub env: Vec<String>,
    /// Seconds, after which it is killed.
    pub timeout: Option<i64>,
}

/// What only Linux has.
#[derive(Default)]
pub struct Linux {
    /// New ones, and others' by path.
    pub namespaces: Vec<Namespace>,
    /// The ids of a new user namespace.
    pub uids: Vec<IdMap>,
    /// The same for groups.
    pub gids: Vec<IdMap>,
    /// Clocks of a new time namespace.
    pub time_offsets: Option<TimeOffsets>,
    /// Device nodes besides the usual ones.
    pub devices: Vec<Node>,
    /// Links of the host that move into it: not possible here.
    pub net_devices: Option<Raw>,
    /// Where its cgroup is: from the root of each hierarchy, or below ours.
    pub cgroups_path: Option<String>,
    /// Limits of all its processes together.
    pub resources: Resources,
    /// `shared`, `slave`, `private` or `unbindable`, and the same with an r in front.
    pub propagation: Option<String>,
    /// The system call filter, as it is written.
    pub seccomp: Option<Raw>,
    /// Kernel parameters of its namespaces.
    pub sysctl: Option<Map<String, String>>,
    /// Covered.
    pub masked: Vec<String>,
    /// Read-only.
    pub read_only: Vec<String>,
    /// A label of SELinux for files.
    pub mount_label: Option<String>,
    /// personality(2)
    pub personality: Option<Personality>,
    /// The processor's own limits: not possible here.
    pub intel_rdt: Option<Raw>,
    /// set_mempolicy(2): not possible here.
    pub memory_policy: Option<Raw>,
}

/// A namespace.
#[derive(Default)]
pub struct Namespace {
    /// `pid`, `network`, `mount`, `ipc`, `uts`, `user`, `cgroup` or `time`.
    pub kind: String,
    /// One that is there; without a path it is a new one.
    pub path: Option<String>,
}

/// What is added to the host's clocks. time_namespaces(7)
#[derive(Default)]
pub struct TimeOffsets {
    /// `CLOCK_MONOTONIC`
    pub monotonic: Option<Offset>,
    /// `CLOCK_BOOTTIME`
    pub boottime: Option<Offset>,
}

/// A difference.
#[derive(Default)]
pub struct Offset {
    /// Seconds.
    pub secs: Option<i64>,
    /// Nanoseconds.
    pub nanosecs: Option<u32>,
}

/// A device node.
#[derive(Default)]
pub struct Node {
    /// `c`, `u`, `b` or `p`.
    pub kind: String,
    /// Absolute path inside.
    pub path: String,
    /// Its number.
    pub major: Option<i64>,
    /// Its number.
    pub minor: Option<i64>,
    /// The bits of chmod(2); without them 0666.
    pub mode: Option<u32>,
    /// Its owner; without one root.
    pub uid: Option<u32>,
    /// Its group; without one root's.
    pub gid: Option<u32>,
}

/// personality(2)
#[derive(Default)]
pub struct Personality {
    /// `LINUX` or `LINUX32`.
    pub domain: String,
    /// None are known.
    pub flags: Vec<String>,
}

/// What we know of a container that an engine made: `<root>/<id>/state.json`.
#[derive(Default)]
pub struct State {
    /// The path of the bundle.
    pub bundle: String,
    /// Pid of its first process in the host's terms.
    pub pid: i32,
    /// When that was made, in the kernel's ticks: with the pid it is that process and no other. proc_pid_stat(5)
    pub born: u64,
    /// Nanoseconds since 1970 UTC.
    pub created: i64,
    /// Its cgroup, from the root of each hierarchy.
    pub cgroup: String,
    /// Whether we made that one.
    pub made_cgroup: bool,
    /// What was asked for.
    pub config: Bundle,
}

/// What is kept as it is written. `Value::at` takes the specification's names.
const SCHEMA: &str = concat!(
    // Devices: later rules after earlier ones. hugepageLimits, rdma and network.priorities: see there.
    "Resources devices:[Rule memory:Memory cpu:Cpu pids:Pids blockIO:Disks hugepageLimits:[HugePages network:Network ",
    "rdma:any unified:{text\n",
    // Kinds are `a`, `b` or `c`; without one `a`. Without a number, or with -1, every one; without an access all of `rwm`.
    "Rule allow!bool type:text major:i64 minor:i64 access:text\n",
    // Bytes; -1 is no limit. `swap` is memory and swap together; swappiness and disableOOMKiller are for cgroup v1 only. With
    // checkBeforeUpdate a limit below what is in use is refused.
    "Memory limit:i64 reservation:i64 swap:i64 kernel:i64 kernelTCP:i64 swappiness:u64 disableOOMKiller:bool ",
    "checkBeforeUpdate:bool\n",
    // Shares are relative, 2 to 262144. Microseconds; a quota of -1 is no limit, a burst is what may be saved up. Realtime is for
    // cgroup v1 only. Lists of CPUs and memory nodes. `idle` is 1 for what runs only when nobody else does.
    "Cpu shares:u64 quota:i64 burst:u64 period:u64 realtimeRuntime:i64 realtimePeriod:u64 cpus:text mems:text idle:i64\n",
    // 0 and less are no limit.
    "Pids limit:i64\n",
    // Weights are 10 to 1000; leaf weights, against sub-groups of its own, are for cgroup v1 only.
    "Disks weight:u32 leafWeight:u32 weightDevice:[DiskWeight throttleReadBpsDevice:[Throttle ",
    "throttleWriteBpsDevice:[Throttle throttleReadIOPSDevice:[Throttle throttleWriteIOPSDevice:[Throttle\n",
    "DiskWeight major!i64 minor!i64 weight:u32 leafWeight:u32\n",
    // In a second.
    "Throttle major!i64 minor!i64 rate!u64\n",
    // `2MB`, and bytes.
    "HugePages pageSize!text limit!u64\n",
    // What packets are marked with, and their priority on single links (cgroup v1 only).
    "Network classID:u32 priorities:[Priority\n",
    "Priority name!text priority!u32\n",
);

kept! { SCHEMA:
    /// Limits. What is missing stays as it is.
    Resources
}

record! {
    Bundle {
        version = "ociVersion", process, root, hostname, domainname, mounts, hooks, annotations, linux
    }
    Process {
        terminal, console_size = "consoleSize", user, args, env, cwd, capabilities, rlimits,
        no_new_privileges = "noNewPrivileges", apparmor = "apparmorProfile", oom_score_adj = "oomScoreAdj", scheduler,
        selinux = "selinuxLabel", io_priority = "ioPriority", affinity = "execCPUAffinity"
    }
    Size { height, width }
    User { uid, gid, umask, groups = "additionalGids" }
    Capabilities { bounding, effective, inheritable, permitted, ambient }
    Rlimit { kind = "type", hard, soft }
    Scheduler { policy, nice, priority, flags, runtime, deadline, period }
    IoPriority { class, priority }
    Affinity { initial, last = "final" }
    Root { path, read_only = "readonly" }
    Mount { destination, kind = "type", source, options, uids = "uidMappings", gids = "gidMappings" }
    IdMap { inside = "containerID", outside = "hostID", size }
    Hooks {
        prestart, create_runtime = "createRuntime", create_container = "createContainer",
        start_container = "startContainer", poststart, poststop
    }
    Hook { path, args, env, timeout }
    Linux {
        namespaces, uids = "uidMappings", gids = "gidMappings", time_offsets = "timeOffsets", devices,
        net_devices = "netDevices", cgroups_path = "cgroupsPath", resources, propagation = "rootfsPropagation", seccomp,
        sysctl, masked = "maskedPaths", read_only = "readonlyPaths", mount_label = "mountLabel", personality,
        intel_rdt = "intelRdt", memory_policy = "memoryPolicy"
    }
    Namespace { kind = "type", path }
    TimeOffsets { monotonic, boottime }
    Offset { secs, nanosecs }
    Node { kind = "type", path, major, minor, mode = "fileMode", uid, gid }
    Personality { domain, flags }
    State { bundle, pid, born, created, cgroup, made_cgroup, config }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::record::{from_document, from_json, to_json};
    use alloc::format;

    fn wrong(text: &str) -> String {
        from_document(&mut Bundle::default(), text).map_err(|error| format!("{error}")).unwrap_err()
    }

    #[test]
    fn what_is_not_a_bundle_is_told() {
        let whole = "{\"ociVersion\":\"1.0.2\",\"process\":{\"cwd\":\"/\",\"args\":null},\n\"root\":{\"path\":\"r\"},\"more\":[{}]}";
        let mut bundle = Bundle::default();
        from_document(&mut bundle, whole).unwrap();
        assert!(bundle.process.is_some_and(|process| process.cwd == "/" && process.args.is_empty()));
        for (from, to, error) in [
            ("\"ociVersion\"", "\"x\"", "line 1, column 2: ociVersion is missing"),
            ("{\"path\"", "{\"x\"", "line 2, column 9: root.path is missing"),
            ("\"cwd\":\"/\",", "", "line 1, column 45: process.cwd is missing"),
            ("\"r\"", "5", "line 2, column 16: root.path is not what it has to be"),
            ("null", "[1]", "line 1, column 52: process.args is not what it has to be"),
            ("null", "\"sh\"", "line 1, column 51: process.args is not what it has to be"),
            ("}]}", "", "line 2, column 30: this is not JSON"),
        ] {
            assert_eq!(wrong(&whole.replace(from, to)), error, "{from}");
        }
        assert_eq!(wrong(""), "line 1, column 1: this is not JSON");
        assert_eq!(
            wrong("{\"linux\":{\"resources\":{\"devices\":[{}]}},\"ociVersion\":\"1\"}").split(": ").last(),
            Some("linux.resources.devices.allow is missing")
        );
    }

    #[test]
    fn what_is_kept_is_read_again() {
        let text =
            "{\"ociVersion\":\"1\",\"linux\":{\"seccomp\":{\"defaultAction\" : \"x\"},\"sysctl\":{\"a\":\"b\"}}}";
        let mut state = State::default();
        from_document(&mut state.config, text).unwrap();
        let mut again = State::default();
        assert!(from_json(&mut again, &to_json(&state)));
        let linux = again.config.linux.unwrap();
        assert_eq!(linux.seccomp.unwrap().0, "{\"defaultAction\" : \"x\"}");
        assert_eq!(linux.sysctl.unwrap().get("a").map(String::as_str), Some("b"));
    }
}
