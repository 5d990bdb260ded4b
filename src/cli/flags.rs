//! The flags of every verb, in the order in which help shows them.

use super::args::Flag;

const fn flag(names: &'static [&'static str], value: &'static str, help: &'static str) -> Flag {
    Flag { names, seed: "", value, help }
}

const fn seeded(names: &'static [&'static str], seed: &'static str, value: &'static str, help: &'static str) -> Flag {
    Flag { names, seed, value, help }
}

macro_rules! making {
    ($($more:expr),*) => {
        &[
            $($more,)*
            flag(&["cidfile"], "FILE", "Write the container's id to a file that must not exist yet"),
            seeded(&["c", "cpu-shares"], "cpushare", "INT", "CPU weight against other containers (default 1024)"),
            flag(&["cpus"], "DECIMAL", "Number of CPUs, for example 1.5"),
            seeded(&["cpuset-cpus"], "cpuset", "LIST", "CPUs to run on, for example 0-2,4"),
            flag(&["cpuset-mems"], "LIST", "Memory nodes to use"),
            flag(&["entrypoint"], "WORD", "Replace the image's entrypoint; \"\" clears it"),
            flag(&["e", "env"], "KEY=VALUE", "Set an environment variable; KEY alone copies ours"),
            flag(&["env-file"], "FILE", "Read environment variables from a file"),
            flag(&["h", "hostname"], "NAME", "Name of the host inside"),
            flag(&["image"], "IMAGE", "The image; all words are then the command"),
            flag(&["i", "interactive"], "", "Keep standard input open"),
            flag(&["l", "label"], "KEY=VALUE", "Attach a label"),
            flag(&["label-file"], "FILE", "Read labels from a file"),
            seeded(&["m", "memory"], "mem", "BYTES", "Memory limit, for example 100m"),
            seeded(&["n", "name"], "name", "NAME", "Name of the container"),
            seeded(&["net", "network"], "net", "NETWORK", "none: only lo (the default); host: the host's network"),
            flag(&["pids-limit"], "INT", "Number of processes; -1 for no limit"),
            flag(&["rm"], "", "Remove the container when it ends"),
            flag(&["rootfs"], "DIR", "Use a directory as root file system; all words are then the command"),
            flag(&["t", "tty"], "", "Give the command a terminal"),
            flag(&["u", "user"], "USER[:GROUP]", "Run as this user (names and numbers as in the image)"),
            flag(&["v", "volume"], "[SRC:]DST[:ro]", "Mount a host path or a named volume"),
            flag(&["w", "workdir"], "DIR", "Working directory inside"),
        ]
    };
}

/// `create`
pub const CREATE: &[Flag] = making!();
/// `run`
pub const RUN: &[Flag] = making!(flag(&["d", "detach"], "", "Leave it running in the background and print its id"));
/// `start`
pub const START: &[Flag] = &[
    flag(&["a", "attach"], "", "Show its output until it ends, and end with its exit code"),
    flag(&["i", "interactive"], "", "Connect our standard input (with -a)"),
];
/// `ps`
pub const PS: &[Flag] = &[
    flag(&["a", "all"], "", "Show all containers, not only running ones"),
    flag(&["f", "filter"], "KEY=VALUE", "Only these: name, id, status, exited, label, ancestor"),
    flag(&["format"], "FORMAT", "json, a template such as '{{.Names}}', or 'table {{.ID}}\\t{{.Names}}'"),
    flag(&["no-trunc"], "", "Do not shorten anything"),
    flag(&["q", "quiet"], "", "Only ids"),
];
/// `logs`
pub const LOGS: &[Flag] = &[
    flag(&["f", "follow"], "", "Go on with what is written, until the container ends"),
    flag(&["n", "tail"], "N", "Only the last N lines"),
];
/// `exec`
pub const EXEC: &[Flag] = &[
    flag(&["d", "detach"], "", "Do not wait for the command"),
    flag(&["e", "env"], "KEY=VALUE", "Set an environment variable for it"),
    flag(&["i", "interactive"], "", "Connect our standard input"),
    flag(&["t", "tty"], "", "Give it a terminal"),
    flag(&["u", "user"], "USER[:GROUP]", "Run it as this user"),
    flag(&["w", "workdir"], "DIR", "Its working directory"),
];
/// `stop`
pub const STOP: &[Flag] = &[flag(&["time", "t", "timeout"], "SECONDS", "Time before SIGKILL (default 10; -1: never)")];
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
/// `import`
pub const IMPORT: &[Flag] = &[
    flag(&["c", "change"], "INSTRUCTION", "Configure the image: CMD, ENTRYPOINT, ENV, WORKDIR, USER, LABEL …"),
    flag(&["m", "message"], "TEXT", "Why it was made"),
    flag(&["max-size"], "BYTES", "Refuse more unpacked data than this (default 64g)"),
    flag(&["max-ratio"], "N", "Refuse more than N bytes unpacked for one packed"),
];
/// `images`
pub const IMAGES: &[Flag] = &[
    flag(&["format"], "FORMAT", "json, a template such as '{{.Repository}}', or 'table …'"),
    flag(&["no-trunc"], "", "Do not shorten ids"),
    flag(&["q", "quiet"], "", "Only ids"),
];
/// `rmi`
pub const RMI: &[Flag] = &[flag(&["f", "force"], "", "Also one that stopped containers use; a missing one is fine")];
/// `version` and `info`
pub const FORMAT: &[Flag] = &[flag(&["f", "format"], "FORMAT", "json or a template")];
/// `stats`
pub const STATS: &[Flag] = &[
    flag(&["a", "all"], "", "Show all containers, not only running ones"),
    flag(&["format"], "FORMAT", "json, a template such as '{{.Name}}', or 'table {{.Name}}\\t{{.CPUPerc}}'"),
    flag(&["no-stream"], "", "Show them once, instead of every second"),
    flag(&["no-trunc"], "", "Do not shorten anything"),
];
/// `update`
pub const UPDATE: &[Flag] = &[
    seeded(&["c", "cpu-shares"], "cpushare", "INT", "CPU weight against other containers"),
    flag(&["cpus"], "DECIMAL", "Number of CPUs, for example 1.5"),
    seeded(&["cpuset-cpus"], "cpuset", "LIST", "CPUs to run on, for example 0-2,4"),
    flag(&["cpuset-mems"], "LIST", "Memory nodes to use"),
    seeded(&["m", "memory"], "mem", "BYTES", "Memory limit, for example 100m"),
    flag(&["pids-limit"], "INT", "Number of processes; -1 for no limit"),
];
