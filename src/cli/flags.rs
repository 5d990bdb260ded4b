//! The flags of every verb, in the order in which help shows them.

use super::args::Flag;

const fn flag(names: &'static [&'static str], value: &'static str, help: &'static str) -> Flag {
    Flag { names, seed: "", value, help }
}

const fn seeded(names: &'static [&'static str], seed: &'static str, value: &'static str, help: &'static str) -> Flag {
    Flag { names, seed, value, help }
}

const DETACH_KEYS: Flag = flag(&["detach-keys"], "KEYS", "Keys that leave it alone (default ctrl-p,ctrl-q)");
const SIG_PROXY: Flag = flag(&["sig-proxy"], "", "Pass signals on, without -t (default; --sig-proxy=false does not)");

macro_rules! making {
    ($($more:expr),*) => {
        &[
            $($more,)*
            flag(&["a", "attach"], "STREAM", "Connect only stdin, stdout or stderr"),
            flag(&["blkio-weight"], "INT", "Weight of disk use against other containers, 10 to 1000"),
            flag(&["cap-add"], "NAME", "Give it one more capability, or ALL"),
            flag(&["cap-drop"], "NAME", "Take a capability from it, or ALL"),
            flag(&["cgroup-parent"], "PATH", "Make its cgroup inside this one"),
            flag(&["cgroupns"], "MODE", "private: it sees only its own cgroup (the default); host: all"),
            flag(&["cidfile"], "FILE", "Write the container's id to a file that must not exist yet"),
            flag(&["cpu-period"], "US", "Microseconds that --cpu-quota is for"),
            flag(&["cpu-quota"], "US", "Microseconds of CPU time in each period"),
            seeded(&["c", "cpu-shares"], "cpushare", "INT", "CPU weight against other containers (default 1024)"),
            flag(&["cpus"], "DECIMAL", "Number of CPUs, for example 1.5"),
            seeded(&["cpuset-cpus"], "cpuset", "LIST", "CPUs to run on, for example 0-2,4"),
            flag(&["cpuset-mems"], "LIST", "Memory nodes to use"),
            flag(&["device"], "SRC[:DST][:rwm]", "Give it a device of the host"),
            flag(&["device-cgroup-rule"], "RULE", "Let it open more devices, for example 'c 10:200 rwm'"),
            flag(&["device-read-bps"], "DISK:N", "Most bytes it reads from a disk in a second"),
            flag(&["device-read-iops"], "DISK:N", "Most reads from a disk in a second"),
            flag(&["device-write-bps"], "DISK:N", "Most bytes it writes to a disk in a second"),
            flag(&["device-write-iops"], "DISK:N", "Most writes to a disk in a second"),
            flag(&["entrypoint"], "WORD", "Replace the image's entrypoint; \"\" clears it"),
            flag(&["e", "env"], "KEY=VALUE", "Set an environment variable; KEY alone copies ours"),
            flag(&["env-file"], "FILE", "Read environment variables from a file"),
            flag(&["group-add"], "GROUP", "Put its user into one more group"),
            flag(&["health-cmd"], "COMMAND", "Find out its health by this line for its shell"),
            flag(&["health-interval"], "DURATION", "Time between two checks, for example 10s (default 30s)"),
            flag(&["health-retries"], "INT", "So many failures in a row make it unhealthy (default 3)"),
            flag(&["health-start-interval"], "DURATION", "Time between two checks in the start period (default 5s)"),
            flag(&["health-start-period"], "DURATION", "Time after its start in which failures do not count"),
            flag(&["health-timeout"], "DURATION", "Time that a check may take (default 30s)"),
            flag(&["h", "hostname"], "NAME", "Name of the host inside"),
            flag(&["image"], "IMAGE", "The image; all words are then the command"),
            flag(&["init"], "", "Run a small init that reaps orphans and passes signals on"),
            flag(&["i", "interactive"], "", "Keep standard input open"),
            flag(&["ipc"], "MODE", "Shared memory: private (the default), shareable, none, host, container:NAME"),
            flag(&["l", "label"], "KEY=VALUE", "Attach a label"),
            flag(&["label-file"], "FILE", "Read labels from a file"),
            flag(&["log-driver"], "DRIVER", "json-file (the default) or local: keep its output for 'logs'; none: do not"),
            flag(&["log-opt"], "KEY=VALUE", "max-size=10m (of a log file; -1: no limit), max-file=3 (so many are kept)"),
            seeded(&["m", "memory"], "mem", "BYTES", "Memory limit, for example 100m"),
            flag(&["memory-reservation"], "BYTES", "Memory that is left to it when memory is short"),
            flag(&["memory-swap"], "BYTES", "Limit of memory and swap together; -1 for no limit"),
            flag(&["memory-swappiness"], "0-100", "How gladly its memory is swapped out (cgroup v1)"),
            flag(&["mount"], "KEY=VALUE,…", "Mount a bind, volume or tmpfs: type=bind,src=/a,dst=/b,ro"),
            seeded(&["n", "name"], "name", "NAME", "Name of the container"),
            seeded(&["net", "network"], "net", "NETWORK", "none: only lo (the default); host: the host's network"),
            flag(&["no-healthcheck"], "", "Do not check its health, whatever the image says"),
            flag(&["oom-kill-disable"], "", "Let it wait for memory instead of being killed (cgroup v1)"),
            flag(&["oom-score-adj"], "INT", "How gladly the kernel kills it, -1000 to 1000"),
            flag(&["pid"], "MODE", "Processes it sees: private (the default), host, container:NAME"),
            flag(&["pids-limit"], "INT", "Number of processes; -1 for no limit"),
            flag(&["platform"], "OS/ARCH", "Only this host's own can be asked for"),
            flag(&["privileged"], "", "Let it do everything that root may do here, and see all devices"),
            flag(&["pull"], "WHEN", "missing or never: there is no registry to ask"),
            flag(&["q", "quiet"], "", "Nothing is pulled, so there is nothing to be quiet about"),
            flag(&["read-only"], "", "Make its root file system read-only"),
            flag(&["restart"], "POLICY", "Start it again: no (the default), on-failure[:N], always, unless-stopped"),
            flag(&["rm"], "", "Remove the container when it ends"),
            flag(&["rootfs"], "DIR", "Use a directory as root file system; all words are then the command"),
            flag(&["security-opt"], "KEY=VALUE", "seccomp=FILE|unconfined, no-new-privileges, systempaths=unconfined"),
            flag(&["shm-size"], "BYTES", "Size of /dev/shm (default 64m)"),
            flag(&["stop-signal"], "SIGNAL", "What 'stop' sends it (default the image's, or TERM)"),
            flag(&["stop-timeout"], "SECONDS", "Time after that before SIGKILL (default 10; -1: never)"),
            flag(&["sysctl"], "KEY=VALUE", "Set a kernel parameter of its own namespaces"),
            flag(&["tmpfs"], "DST[:OPTIONS]", "Mount memory, for example /run:size=1m,mode=700"),
            flag(&["t", "tty"], "", "Give the command a terminal"),
            flag(&["ulimit"], "NAME=N[:HARD]", "Limit each process, for example nofile=1024:2048"),
            flag(&["umask"], "OCTAL", "Which permissions new files do not get (default 0022)"),
            flag(&["u", "user"], "USER[:GROUP]", "Run as this user (names and numbers as in the image)"),
            flag(&["userns"], "MODE", "Own user ids: auto, HOSTID:SIZE, or host (none; the default)"),
            flag(&["uts"], "MODE", "host: keep the host's name"),
            flag(&["v", "volume"], "[SRC:]DST[:ro]", "Mount a host path or a named volume"),
            flag(&["w", "workdir"], "DIR", "Working directory inside"),
        ]
    };
}

/// `create`
pub const CREATE: &[Flag] = making!();
/// `run`
pub const RUN: &[Flag] =
    making!(flag(&["d", "detach"], "", "Leave it running in the background and print its id"), DETACH_KEYS, SIG_PROXY);
/// `start`
pub const START: &[Flag] = &[
    flag(&["a", "attach"], "", "Show its output until it ends, and end with its exit code"),
    DETACH_KEYS,
    flag(&["i", "interactive"], "", "Connect our standard input (with -a)"),
    SIG_PROXY,
];
/// `attach`
pub const ATTACH: &[Flag] =
    &[DETACH_KEYS, flag(&["no-stdin"], "", "Only watch: nothing that is typed goes there"), SIG_PROXY];
/// `update`; a limit that is not named stays.
pub const UPDATE: &[Flag] = &[
    flag(&["blkio-weight"], "INT", "Weight of disk use against other containers, 10 to 1000"),
    flag(&["cpu-period"], "US", "Microseconds that --cpu-quota is for"),
    flag(&["cpu-quota"], "US", "Microseconds of CPU time in each period; -1 for no limit"),
    seeded(&["c", "cpu-shares"], "cpushare", "INT", "CPU weight against other containers"),
    flag(&["cpus"], "DECIMAL", "Number of CPUs, for example 1.5"),
    seeded(&["cpuset-cpus"], "cpuset", "LIST", "CPUs to run on, for example 0-2,4"),
    flag(&["cpuset-mems"], "LIST", "Memory nodes to use"),
    seeded(&["m", "memory"], "mem", "BYTES", "Memory limit, for example 100m"),
    flag(&["memory-reservation"], "BYTES", "Memory that is left to it when memory is short"),
    flag(&["memory-swap"], "BYTES", "Limit of memory and swap together; -1 for no limit"),
    flag(&["pids-limit"], "INT", "Number of processes; -1 for no limit"),
    flag(&["restart"], "POLICY", "Start it again: no, on-failure[:N], always, unless-stopped"),
];
/// `ps`
pub const PS: &[Flag] = &[
    flag(&["a", "all"], "", "Show all containers, not only running ones"),
    flag(
        &["f", "filter"],
        "KEY=VALUE",
        "Only these: name or id (a regular expression), status, exited, health, label, ancestor, before, since, volume, network",
    ),
    flag(&["format"], "FORMAT", "json, a template such as '{{.Names}}', or 'table {{.ID}}\\t{{.Names}}'"),
    flag(&["n", "last"], "N", "Only the N newest ones, running or not"),
    flag(&["l", "latest"], "", "Only the newest one, running or not"),
    flag(&["no-trunc"], "", "Do not shorten anything"),
    flag(&["q", "quiet"], "", "Only ids"),
    flag(&["s", "size"], "", "Show how much they wrote, and the size of all their files"),
];
/// `logs`
pub const LOGS: &[Flag] = &[
    flag(&["details"], "", "Begin each line with its details, of which there are none"),
    flag(&["f", "follow"], "", "Go on with what is written, until the container ends"),
    flag(&["since"], "TIME", "Only lines from then on: 2026-11-21T23:20 (UTC), 1795303213, or 1h30m ago"),
    flag(&["n", "tail"], "N", "Only the last N lines"),
    flag(&["t", "timestamps"], "", "Begin each line with its time"),
    flag(&["until"], "TIME", "Only lines until then"),
];
/// `exec`
pub const EXEC: &[Flag] = &[
    flag(&["d", "detach"], "", "Do not wait for the command"),
    DETACH_KEYS,
    flag(&["e", "env"], "KEY=VALUE", "Set an environment variable for it"),
    flag(&["env-file"], "FILE", "Read environment variables from a file"),
    flag(&["i", "interactive"], "", "Connect our standard input"),
    flag(&["privileged"], "", "Let it do everything that root may do here"),
    flag(&["t", "tty"], "", "Give it a terminal"),
    flag(&["u", "user"], "USER[:GROUP]", "Run it as this user"),
    flag(&["w", "workdir"], "DIR", "Its working directory"),
];
/// `stop`
pub const STOP: &[Flag] = &[
    flag(&["s", "signal"], "SIGNAL", "Which signal to begin with (default the container's)"),
    flag(&["time", "t", "timeout"], "SECONDS", "Time before SIGKILL (default the container's; -1: never)"),
];
/// `kill`
pub const KILL: &[Flag] = &[flag(&["s", "signal"], "SIGNAL", "Which signal (default KILL)")];
/// `rm`
pub const RM: &[Flag] = &[
    flag(&["f", "force"], "", "Kill it if it runs; one that does not exist is fine"),
    flag(&["v", "volumes"], "", "Remove its anonymous volumes too"),
];
/// `commit`
pub const COMMIT: &[Flag] = &[
    flag(&["a", "author"], "TEXT", "Who made it"),
    flag(&["c", "change"], "INSTRUCTION", "Change the image: CMD, ENTRYPOINT, ENV, WORKDIR, USER, LABEL …"),
    flag(&["m", "message"], "TEXT", "Why it was made"),
    flag(&["o", "output"], "FILE.tar", "Also write all that the container sees as a flat archive"),
    flag(&["p", "pause"], "", "Let the container stand still meanwhile (default; --pause=false does not)"),
];
/// `cp`
pub const CP: &[Flag] = &[
    flag(&["a", "archive"], "", "Keep the numbers of users and groups"),
    flag(&["L", "follow-link"], "", "Copy what a symlink SRC points to"),
    flag(&["q", "quiet"], "", "Tell nothing on a terminal either"),
];
/// `import`
pub const IMPORT: &[Flag] = &[
    flag(&["c", "change"], "INSTRUCTION", "Configure the image: CMD, ENTRYPOINT, ENV, WORKDIR, USER, LABEL …"),
    flag(&["m", "message"], "TEXT", "Why it was made"),
    flag(&["max-size"], "BYTES", "Refuse more unpacked data than this (default 64g)"),
    flag(&["max-ratio"], "N", "Refuse more than N bytes unpacked for one packed"),
];
/// `load`
pub const LOAD: &[Flag] = &[
    flag(&["i", "input"], "FILE|DIR", "Read this archive or image layout, not the standard input"),
    flag(&["q", "quiet"], "", "Tell nothing but the names or ids"),
];
/// `save`
pub const SAVE: &[Flag] = &[flag(&["o", "output"], "FILE", "Write to this file, not to the standard output")];
/// `images`
pub const IMAGES: &[Flag] = &[
    flag(&["a", "all"], "", "Show all images (as always: none is hidden)"),
    flag(&["digests"], "", "Show a column for digests"),
    flag(&["f", "filter"], "KEY=VALUE", "Only these: reference (a pattern), dangling, label, before, since"),
    flag(&["format"], "FORMAT", "json, a template such as '{{.Repository}}', or 'table …'"),
    flag(&["no-trunc"], "", "Do not shorten ids"),
    flag(&["q", "quiet"], "", "Only ids"),
];
/// `inspect`
pub const INSPECT: &[Flag] = &[
    flag(&["f", "format"], "FORMAT", "json (on one line) or a template such as '{{.State.Pid}}'"),
    flag(&["s", "size"], "", "Tell the sizes of containers, too"),
    flag(&["type"], "TYPE", "container, image or volume"),
];
/// `container inspect`
pub const INSPECT_CONTAINER: &[Flag] = &[
    flag(&["f", "format"], "FORMAT", "json (on one line) or a template such as '{{.State.Pid}}'"),
    flag(&["s", "size"], "", "Tell the sizes, too"),
];
/// `container prune`
pub const PRUNE: &[Flag] = &[
    flag(&["filter"], "KEY=VALUE", "Only these: until=TIME, label=KEY[=VALUE], label!=KEY[=VALUE]"),
    flag(&["f", "force"], "", "Do not ask"),
];
/// `image prune`
pub const PRUNE_IMAGES: &[Flag] = &[
    flag(&["a", "all"], "", "Remove all that no container uses, not only those without a name"),
    flag(&["filter"], "KEY=VALUE", "Only these: until=TIME, label=KEY[=VALUE], label!=KEY[=VALUE]"),
    flag(&["f", "force"], "", "Do not ask"),
];
/// `rmi`
pub const RMI: &[Flag] = &[flag(&["f", "force"], "", "Also one that stopped containers use; a missing one is fine")];
/// `events`
pub const EVENTS: &[Flag] = &[
    flag(&["f", "filter"], "KEY=VALUE", "Only these: type, event, container, image, volume, label"),
    flag(&["format"], "FORMAT", "json or a template such as '{{.Action}} {{.Actor.ID}}'"),
    flag(&["since"], "TIME", "Also those from then on: 2026-11-21T23:20 (UTC), 1795303213, or 1h30m ago"),
    flag(&["until"], "TIME", "Only those until then, and end"),
];
/// `version` and `info`
pub const FORMAT: &[Flag] = &[flag(&["f", "format"], "FORMAT", "json or a template")];
/// `stats`
pub const STATS: &[Flag] = &[
    flag(&["a", "all"], "", "Show all containers, not only running ones"),
    flag(&["format"], "FORMAT", "json, a template such as '{{.Name}}', or 'table {{.Name}}\\t{{.CPUPerc}}'"),
    flag(&["no-stream"], "", "Show them once, instead of every second"),
    flag(&["no-trunc"], "", "Do not shorten anything"),
];
