//! What a bundle asks for: config.json of the OCI runtime specification 1.0 to 1.3, the part that is about Linux. Fields have
//! the specification's meanings and units. What is missing there is empty or `None` here; what is unknown to us is passed over.

use super::record::{OrEmpty, record};
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
    pub process: OrEmpty<Process>,
    /// The root file system.
    pub root: Root,
    /// Its name of its own, in a UTS namespace of its own.
    pub hostname: Option<String>,
    /// Its NIS domain name, likewise.
    pub domainname: Option<String>,
    /// In the order in which they are mounted.
    pub mounts: Mounts,
    /// What runs beside it.
    pub hooks: Hooks,
    /// Anything, for whoever asks for the state.
    pub annotations: Annotations,
    /// All the rest.
    pub linux: Linux,
}

/// A program in a container.
#[derive(Default)]
pub struct Process {
    /// Whether it has a terminal.
    pub terminal: Option<bool>,
    /// The size of that.
    pub console_size: Size,
    /// Who it is.
    pub user: OrEmpty<User>,
    /// Its words.
    pub args: Vec<String>,
    /// `KEY=value`.
    pub env: Vec<String>,
    /// Its working directory, absolute.
    pub cwd: String,
    /// Its capabilities; none at all when missing.
    pub capabilities: OrEmpty<Capabilities>,
    /// Its own limits.
    pub rlimits: Rlimits,
    /// prctl(2), `PR_SET_NO_NEW_PRIVS`.
    pub no_new_privileges: Option<bool>,
    /// A profile of AppArmor.
    pub apparmor: Option<String>,
    /// proc_pid_oom_score_adj(5)
    pub oom_score_adj: Option<i32>,
    /// sched_setattr(2)
    pub scheduler: Scheduler,
    /// A label of SELinux.
    pub selinux: Option<String>,
    /// ioprio_set(2)
    pub io_priority: IoPriority,
    /// The CPUs of a process that joins.
    pub affinity: Affinity,
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
    // Absolute, or from the bundle on; and whether it is read-only inside.
    "Root path!text readonly:bool\n",
    // An absolute path inside; a file system (for a bind anything); a device, a name, or for a bind a path, from the bundle on;
    // options of mount(8), and the specification's own; ids of the disk and those that stand for them.
    "Mount destination!text type:text source:text options:[text uidMappings:[Ids gidMappings:[Ids\n",
    // A row of ids: the first one inside, the first one outside, how many. user_namespaces(7)
    "Ids containerID!u32 hostID!u32 size!u32\n",
    // prestart: after the namespaces are there, before the root is, outside; createRuntime: the same, after those;
    // createContainer: after those, inside the namespaces, by paths of the host; startContainer: when it is started, inside;
    // poststart: after that, outside; poststop: after it is deleted, outside.
    "Hooks prestart:[Hook createRuntime:[Hook createContainer:[Hook startContainer:[Hook poststart:[Hook poststop:[Hook\n",
    // An absolute path; words with the program's name, none is that alone; `KEY=value`; seconds, after which it is killed.
    "Hook path!text args:[text env:[text timeout:i64\n",
    // Rows and columns of a terminal.
    "Size height!u32 width!u32\n",
    // `RLIMIT_NOFILE`; the limit in force is the soft one. getrlimit(2)
    "Rlimit type!text hard!u64 soft!u64\n",
    // `SCHED_BATCH`, -20 to 19, 0 to 99, `SCHED_FLAG_RESET_ON_FORK`, nanoseconds. sched_setattr(2)
    "Scheduler policy!text nice:i32 priority:i32 flags:[text runtime:u64 deadline:u64 period:u64\n",
    // `IOPRIO_CLASS_BE`, 0 to 7. ioprio_set(2)
    "IoPriority class!text priority!u32\n",
    // Lists of CPUs, `0-3,7`: while it joins the container, and from then on.
    "Affinity initial:text final:text\n",
    // cgroupsPath: from the root of each hierarchy, or below ours. rootfsPropagation: `shared`, `slave`, `private` or
    // `unbindable`, and the same with an r in front. maskedPaths are covered. Labels are SELinux's. What is `any` is the system
    // call filter, which is read elsewhere, or not possible here.
    "Linux namespaces:[Namespace uidMappings:[Ids gidMappings:[Ids timeOffsets:TimeOffsets devices:[Node netDevices:any ",
    "cgroupsPath:text rootfsPropagation:text mountLabel:text personality:Personality intelRdt:any memoryPolicy:any ",
    "sysctl:{text maskedPaths:[text readonlyPaths:[text resources:Resources seccomp:any\n",
    // `pid`, `network`, `mount`, `ipc`, `uts`, `user`, `cgroup` or `time`; without the path of one that is there it is a new one.
    "Namespace type!text path:text\n",
    // What is added to the host's clocks. time_namespaces(7)
    "TimeOffsets monotonic:Offset boottime:Offset\n",
    "Offset secs:i64 nanosecs:u32\n",
    // `c`, `u`, `b` or `p`; an absolute path inside; the bits of chmod(2), without them 0666; without an owner root.
    "Node type!text path!text major:i64 minor:i64 fileMode:u32 uid:u32 gid:u32\n",
    // `LINUX` or `LINUX32`; no flags are known. personality(2)
    "Personality domain!text flags:[text\n",
    // Limits. Devices: later rules after earlier ones. What is missing stays as it is.
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
    /// The root file system.
    Root = "Root"
    /// What is mounted in it.
    Mounts = "[Mount"
    /// Programs that run at moments of a container's life; each gets its state as its standard input.
    Hooks = "Hooks"
    /// Texts with any names.
    Annotations = "{text"
    /// What only Linux has.
    Linux = "Linux"
    /// Limits of all its processes together.
    Resources = "Resources"
    /// Rows and columns of a terminal.
    Size = "Size"
    /// Limits of getrlimit(2).
    Rlimits = "[Rlimit"
    /// How it is scheduled.
    Scheduler = "Scheduler"
    /// How its disk accesses are scheduled.
    IoPriority = "IoPriority"
    /// Lists of CPUs.
    Affinity = "Affinity"
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
    User { uid, gid, umask, groups = "additionalGids" }
    Capabilities { bounding, effective, inheritable, permitted, ambient }
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
        assert!(bundle.process.cwd == "/" && bundle.process.args.is_empty());
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
        let linux = again.config.linux;
        assert_eq!(linux.at("seccomp").json(), "{\"defaultAction\" : \"x\"}");
        assert_eq!(linux.at("sysctl").map().get("a").map(String::as_str), Some("b"));
    }
}
