//! The verb table: names, usage, help, flags, and what each does. Parsing, dispatch and help all read it.

use std::fmt::Write as _;

use super::args::Verb;
use super::flags;
use super::{
    attach, bundle, completion, cp, diff, events, exec, finish, images, info, inspect, load, logs, prune, ps, run,
    stats, system, top, update, volume,
};
use mydocker::kernel::order;

const MANY: usize = usize::MAX;

/// Every verb, in the order in which help shows them.
pub const VERBS: &[Verb] = &[
    Verb {
        name: "run",
        aliases: &["container run"],
        usage: "[OPTIONS] IMAGE [COMMAND] [ARG...]",
        about: "Make a container and run a command in it",
        long: "IMAGE is a name, an id, or a path to a root file system archive (./rootfs.tar). It may be left out when\n\
               the command is a program of the default image (busybox, or $MYDOCKER_IMAGE).\n\
               Flags come before IMAGE; everything after it belongs to the command.\n\n\
               Examples:\n  mydocker run -it busybox sh\n  mydocker run -d --name web -v ./site:/www:ro busybox httpd -f -h /www\n  \
               mydocker run --rm -m 100m --cpus 0.5 ./rootfs.tar make test\n\n\
               Exit code: the command's; 125 our error, 126 not executable, 127 not found, 128+n killed by signal n.",
        flags: flags::RUN,
        words: (0, MANY),
        stops: true,
        run: run::run,
    },
    Verb {
        name: "create",
        aliases: &["container create"],
        usage: "[OPTIONS] IMAGE [COMMAND] [ARG...]",
        about: "Make a container without starting it",
        long: "Prints its id. Start it with: mydocker start [-a] CONTAINER",
        flags: flags::CREATE,
        words: (0, MANY),
        stops: true,
        run: run::create,
    },
    Verb {
        name: "start",
        aliases: &["container start"],
        usage: "[OPTIONS] CONTAINER [CONTAINER...]",
        about: "Start containers that were made or have ended",
        long: "",
        flags: flags::START,
        words: (1, MANY),
        stops: false,
        run: run::start,
    },
    Verb {
        name: "ps",
        aliases: &["container ls", "container list", "container ps"],
        usage: "[OPTIONS]",
        about: "List containers",
        long: "Examples:\n  mydocker ps -a --format '{{.Names}} {{.Status}}'\n  mydocker rm $(mydocker ps -aq --filter status=exited)",
        flags: flags::PS,
        words: (0, 0),
        stops: false,
        run: ps::ps,
    },
    Verb {
        name: "logs",
        aliases: &["container logs"],
        usage: "[OPTIONS] CONTAINER",
        about: "Show what a container wrote",
        long: "",
        flags: flags::LOGS,
        words: (1, 1),
        stops: false,
        run: logs::logs,
    },
    Verb {
        name: "attach",
        aliases: &["container attach"],
        usage: "[OPTIONS] CONTAINER",
        about: "Connect with a running container, as if run without -d",
        long: "Shows what it says from now on; what is typed goes to it, if it was made with -i. Several may be attached.\n\
               At a terminal, ctrl-p ctrl-q leaves the container alone.\n\n\
               Exit code: the container's; 1 after the keys.",
        flags: flags::ATTACH,
        words: (1, 1),
        stops: false,
        run: attach::attach,
    },
    Verb {
        name: "exec",
        aliases: &["container exec"],
        usage: "[OPTIONS] CONTAINER COMMAND [ARG...]",
        about: "Run a command in a running container",
        long: "Example:\n  mydocker exec -it web sh",
        flags: flags::EXEC,
        words: (2, MANY),
        stops: true,
        run: exec::exec,
    },
    Verb {
        name: "top",
        aliases: &["container top"],
        usage: "CONTAINER [ps OPTIONS]",
        about: "Show the processes of a container",
        long: "The options are those of ps: -ef (the default), -e, aux, ax, -o COLUMN,…; pids are the host's.\n\n\
               Example:\n  mydocker top web -o pid,user,etime,args",
        flags: &[],
        words: (1, MANY),
        stops: true,
        run: top::top,
    },
    Verb {
        name: "stats",
        aliases: &["container stats"],
        usage: "[OPTIONS] [CONTAINER...]",
        about: "Show what containers use: CPU, memory, network, disks",
        long: "Every second anew, until Ctrl-C. 100% is one whole CPU.\n\n\
               Example:\n  mydocker stats --no-stream --format '{{.Name}} {{.CPUPerc}} {{.MemUsage}}'",
        flags: flags::STATS,
        words: (0, MANY),
        stops: false,
        run: stats::stats,
    },
    Verb {
        name: "events",
        aliases: &["system events"],
        usage: "[OPTIONS]",
        about: "Show what happens to containers, images and volumes",
        long: "Until Ctrl-C, or until --until. What happened lately is shown with --since; a reboot forgets it.\n\n\
               Example:\n  mydocker events --since 1h --until 0s -f event=die --format '{{.Actor.Attributes.name}}'",
        flags: flags::EVENTS,
        words: (0, 0),
        stops: false,
        run: events::events,
    },
    Verb {
        name: "inspect",
        aliases: &[],
        usage: "[OPTIONS] NAME [NAME...]",
        about: "Tell everything about containers, images and volumes, as JSON",
        long: "Examples:\n  mydocker inspect -f '{{.State.Status}} {{.State.ExitCode}}' web\n  \
               mydocker inspect -f '{{range .Mounts}}{{.Source}} {{end}}' web\n  \
               mydocker inspect -f '{{json .Config.Labels}}' --type image busybox\n\n\
               Exit code: 1 when something is not there (the others are told all the same), 64 for a bad template.",
        flags: flags::INSPECT,
        words: (1, MANY),
        stops: false,
        run: inspect::inspect,
    },
    Verb {
        name: "port",
        aliases: &["container port"],
        usage: "CONTAINER [PORT[/PROTOCOL]]",
        about: "Show which ports of the host lead to a container",
        long: "",
        flags: &[],
        words: (1, 2),
        stops: false,
        run: inspect::port,
    },
    Verb {
        name: "stop",
        aliases: &["container stop"],
        usage: "[OPTIONS] CONTAINER [CONTAINER...]",
        about: "Stop running containers: SIGTERM (or the image's signal), then SIGKILL",
        long: "",
        flags: flags::STOP,
        words: (1, MANY),
        stops: false,
        run: finish::stop,
    },
    Verb {
        name: "restart",
        aliases: &["container restart"],
        usage: "[OPTIONS] CONTAINER [CONTAINER...]",
        about: "Stop containers and start them again",
        long: "",
        flags: flags::STOP,
        words: (1, MANY),
        stops: false,
        run: run::restart,
    },
    Verb {
        name: "kill",
        aliases: &["container kill"],
        usage: "[OPTIONS] CONTAINER [CONTAINER...]",
        about: "Send a signal to running containers",
        long: "",
        flags: flags::KILL,
        words: (1, MANY),
        stops: false,
        run: finish::kill,
    },
    Verb {
        name: "pause",
        aliases: &["container pause"],
        usage: "CONTAINER [CONTAINER...]",
        about: "Let all processes of containers stand still",
        long: "'unpause' lets them go on; so do 'stop' and 'kill', so that the container can end.",
        flags: &[],
        words: (1, MANY),
        stops: false,
        run: finish::pause,
    },
    Verb {
        name: "unpause",
        aliases: &["container unpause"],
        usage: "CONTAINER [CONTAINER...]",
        about: "Let paused containers go on",
        long: "",
        flags: &[],
        words: (1, MANY),
        stops: false,
        run: finish::unpause,
    },
    Verb {
        name: "update",
        aliases: &["container update"],
        usage: "[OPTIONS] CONTAINER [CONTAINER...]",
        about: "Change limits and restart policies of containers, running or not",
        long: "What is not named stays as it is.\n\nExample:\n  mydocker update -m 200m --memory-swap 400m --cpus 1.5 web",
        flags: flags::UPDATE,
        words: (1, MANY),
        stops: false,
        run: update::update,
    },
    Verb {
        name: "rm",
        aliases: &["container rm", "container remove"],
        usage: "[OPTIONS] CONTAINER [CONTAINER...]",
        about: "Remove containers",
        long: "What is behind a volume or a host path is never touched.",
        flags: flags::RM,
        words: (1, MANY),
        stops: false,
        run: finish::rm,
    },
    Verb {
        name: "rename",
        aliases: &["container rename"],
        usage: "CONTAINER NEW_NAME",
        about: "Give a container another name",
        long: "",
        flags: &[],
        words: (2, 2),
        stops: false,
        run: finish::rename,
    },
    Verb {
        name: "wait",
        aliases: &["container wait"],
        usage: "CONTAINER [CONTAINER...]",
        about: "Wait until containers have ended, and print their exit codes",
        long: "",
        flags: &[],
        words: (1, MANY),
        stops: false,
        run: finish::wait,
    },
    Verb {
        name: "cp",
        aliases: &["container cp"],
        usage: "[OPTIONS] CONTAINER:SRC DEST|-  or  SRC|- CONTAINER:DEST",
        about: "Copy files between a container, running or not, and the host",
        long: "A DEST that is a directory gets SRC in it, SRC/. just what is in SRC; any other DEST is what SRC will be\n\
               called. With - a tar archive comes from standard input, or goes to standard output. What is new belongs\n\
               to root in a container, and to you here.\n\n\
               Example:\n  mydocker cp web:/etc/httpd.conf .\n  mydocker cp ./site/. web:/www\n  \
               mydocker cp web:/var/log - | tar t",
        flags: flags::CP,
        words: (2, 2),
        stops: false,
        run: cp::cp,
    },
    Verb {
        name: "diff",
        aliases: &["container diff"],
        usage: "CONTAINER",
        about: "Show what a container added (A), changed (C) and deleted (D) in its files",
        long: "",
        flags: &[],
        words: (1, 1),
        stops: false,
        run: diff::diff,
    },
    Verb {
        name: "commit",
        aliases: &["container commit"],
        usage: "[OPTIONS] CONTAINER [NAME[:TAG]]",
        about: "Make an image of what a container changed",
        long: "Example:\n  mydocker commit -m 'tools added' -c 'CMD [\"sh\"]' box mybox:1\n  \
               mydocker commit -o box.tar box && mydocker run ./box.tar ls /",
        flags: flags::COMMIT,
        words: (1, 2),
        stops: false,
        run: images::commit,
    },
    Verb {
        name: "export",
        aliases: &["container export"],
        usage: "[OPTIONS] CONTAINER",
        about: "Write all files of a container as a tar archive",
        long: "What is mounted in it (volumes, /proc, /dev) stays out. 'import' makes an image of the archive.\n\n\
               Example:\n  mydocker export -o box.tar box && mydocker import -c 'CMD [\"sh\"]' box.tar box:flat",
        flags: flags::EXPORT,
        words: (1, 1),
        stops: false,
        run: images::export,
    },
    Verb {
        name: "import",
        aliases: &["image import"],
        usage: "[OPTIONS] FILE|- [NAME[:TAG]]",
        about: "Make an image of a root file system archive (tar, plain or gzip)",
        long: "Example:\n  debootstrap stable root && tar -C root -c . | mydocker import - debian:stable",
        flags: flags::IMPORT,
        words: (1, 2),
        stops: false,
        run: images::import,
    },
    Verb {
        name: "bundle",
        aliases: &[],
        usage: "IMAGE [IMAGE...] -o FILE [--entry RUN-ARG...]  or  --inspect FILE",
        about: "Write one file that is mydocker with images in it, or a program",
        long: "With --entry, './FILE WORD...' is 'mydocker run RUN-ARG... WORD...': the words follow the command, or replace the\n\
               image's own. MYDOCKER_BUNDLE=off makes such a file mydocker again.\n\
               An image is unpacked into the store when it is used for the first time.\n\n\
               Example:\n  mydocker bundle app -o app.run --entry --rm -it -v /data:/data app /bin/server\n  \
               ./app.run --port 80\n  mydocker bundle --inspect app.run",
        flags: flags::BUNDLE,
        words: (1, MANY),
        stops: false,
        run: bundle::bundle,
    },
    Verb {
        name: "load",
        aliases: &["image load"],
        usage: "[OPTIONS]",
        about: "Load images from an archive: docker's or the OCI's, a tar or a directory, plain, gzip or zstd",
        long: "Example:\n  skopeo copy docker://busybox oci-archive:busybox.tar:busybox && mydocker load -i busybox.tar",
        flags: flags::LOAD,
        words: (0, 0),
        stops: false,
        run: load::load,
    },
    Verb {
        name: "save",
        aliases: &["image save"],
        usage: "[OPTIONS] IMAGE [IMAGE...]",
        about: "Write images to an archive that docker, podman, skopeo and mydocker load",
        long: "Example:\n  mydocker save busybox | ssh host mydocker load\n  mydocker save -o box.tar box:1 box:2",
        flags: flags::SAVE,
        words: (1, MANY),
        stops: false,
        run: load::save,
    },
    Verb {
        name: "images",
        aliases: &["image ls", "image list"],
        usage: "[OPTIONS] [NAME[:TAG]]",
        about: "List images",
        long: "",
        flags: flags::IMAGES,
        words: (0, 1),
        stops: false,
        run: images::images,
    },
    Verb {
        name: "history",
        aliases: &["image history"],
        usage: "[OPTIONS] IMAGE",
        about: "Show how an image came to be, newest step first",
        long: "",
        flags: flags::HISTORY,
        words: (1, 1),
        stops: false,
        run: images::history,
    },
    Verb {
        name: "tag",
        aliases: &["image tag"],
        usage: "IMAGE NAME[:TAG]",
        about: "Give an image one more name",
        long: "A name that stood for another image stands for this one from now on.",
        flags: &[],
        words: (2, 2),
        stops: false,
        run: images::tag,
    },
    Verb {
        name: "rmi",
        aliases: &["image rm", "image remove"],
        usage: "[OPTIONS] IMAGE [IMAGE...]",
        about: "Remove images",
        long: "",
        flags: flags::RMI,
        words: (1, MANY),
        stops: false,
        run: images::rmi,
    },
    Verb {
        name: "container inspect",
        aliases: &[],
        usage: "[OPTIONS] CONTAINER [CONTAINER...]",
        about: "Tell everything about containers, as JSON",
        long: "",
        flags: flags::INSPECT_CONTAINER,
        words: (1, MANY),
        stops: false,
        run: inspect::inspect,
    },
    Verb {
        name: "container prune",
        aliases: &[],
        usage: "[OPTIONS]",
        about: "Remove all containers that do not run",
        long: "Example:\n  mydocker container prune -f --filter until=24h --filter label!=keep",
        flags: flags::PRUNE,
        words: (0, 0),
        stops: false,
        run: prune::containers,
    },
    Verb {
        name: "image inspect",
        aliases: &[],
        usage: "[OPTIONS] IMAGE [IMAGE...]",
        about: "Tell everything about images, as JSON",
        long: "",
        flags: flags::FORMAT,
        words: (1, MANY),
        stops: false,
        run: inspect::inspect,
    },
    Verb {
        name: "image prune",
        aliases: &[],
        usage: "[OPTIONS]",
        about: "Remove all images that have no name",
        long: "",
        flags: flags::PRUNE_IMAGES,
        words: (0, 0),
        stops: false,
        run: prune::images,
    },
    Verb {
        name: "volume create",
        aliases: &[],
        usage: "[OPTIONS] [NAME]",
        about: "Make a volume",
        long: "Without a name it gets one, and 'volume prune' takes it away when nobody uses it. A container that mounts\n\
               an empty volume fills it with what its image has at that place.",
        flags: flags::VOLUME_CREATE,
        words: (0, 1),
        stops: false,
        run: volume::create,
    },
    Verb {
        name: "volume ls",
        aliases: &["volume list"],
        usage: "[OPTIONS]",
        about: "List volumes",
        long: "",
        flags: flags::VOLUMES,
        words: (0, 0),
        stops: false,
        run: volume::ls,
    },
    Verb {
        name: "volume inspect",
        aliases: &[],
        usage: "[OPTIONS] VOLUME [VOLUME...]",
        about: "Tell everything about volumes, as JSON",
        long: "",
        flags: flags::FORMAT,
        words: (1, MANY),
        stops: false,
        run: inspect::inspect,
    },
    Verb {
        name: "volume rm",
        aliases: &["volume remove"],
        usage: "[OPTIONS] VOLUME [VOLUME...]",
        about: "Remove volumes and what is in them",
        long: "A volume that a container uses, running or not, is not removed.",
        flags: flags::VOLUME_RM,
        words: (1, MANY),
        stops: false,
        run: volume::rm,
    },
    Verb {
        name: "volume prune",
        aliases: &[],
        usage: "[OPTIONS]",
        about: "Remove volumes without a name that no container uses",
        long: "",
        flags: flags::PRUNE_VOLUMES,
        words: (0, 0),
        stops: false,
        run: volume::prune,
    },
    Verb {
        name: "system df",
        aliases: &[],
        usage: "[OPTIONS]",
        about: "Show how much room images, containers and volumes take",
        long: "A layer that several images share counts once.",
        flags: flags::SYSTEM_DF,
        words: (0, 0),
        stops: false,
        run: system::df,
    },
    Verb {
        name: "system prune",
        aliases: &[],
        usage: "[OPTIONS]",
        about: "Remove what is not used: stopped containers and images",
        long: "Example:\n  mydocker system prune -af --volumes --filter label!=keep",
        flags: flags::SYSTEM_PRUNE,
        words: (0, 0),
        stops: false,
        run: system::prune,
    },
    Verb {
        name: "system check",
        aliases: &[],
        usage: "[OPTIONS]",
        about: "Look whether everything on disk is as it should be",
        long: "One line for each finding: damaged or missing things, what killed commands left over, unknown files.\n\
               With --repair it puts right what can be put right without losing anything, and says what it did; what is\n\
               damaged is never deleted. Other commands may run meanwhile.\n\n\
               Exit code, as fsck's: 0 clean, 1 all findings put right, 4 findings left, 8 it could not look.",
        flags: flags::SYSTEM_CHECK,
        words: (0, 0),
        stops: false,
        run: system::check,
    },
    Verb {
        name: "completion",
        aliases: &[],
        usage: "bash|zsh|fish|man",
        about: "Print what a shell needs to complete our words after Tab, or the manual page",
        long: "Examples:\n  source <(mydocker completion bash)\n  mydocker completion zsh >~/.zfunc/_mydocker\n  \
               mydocker completion fish >~/.config/fish/completions/mydocker.fish\n  \
               mydocker completion man >/usr/local/share/man/man1/mydocker.1",
        flags: &[],
        words: (1, 1),
        stops: false,
        run: completion::completion,
    },
    Verb {
        name: "info",
        aliases: &["system info"],
        usage: "[OPTIONS]",
        about: "Show what is here: containers, images, kernel, directories",
        long: "",
        flags: flags::FORMAT,
        words: (0, 0),
        stops: false,
        run: info::info,
    },
    Verb {
        name: "version",
        aliases: &[],
        usage: "[OPTIONS]",
        about: "Show the version",
        long: "",
        flags: flags::FORMAT,
        words: (0, 0),
        stops: false,
        run: info::version,
    },
];

/// The verb that the words begin with, and how many words name it (`container ls` are two).
pub fn find(words: &[&str]) -> Option<(&'static Verb, usize)> {
    let first = words.first()?;
    let two = words.get(1).map(|second| format!("{first} {second}"));
    let named = |name: &str| VERBS.iter().find(|verb| verb.name == name || verb.aliases.contains(&name));
    two.and_then(|two| Some((named(&two)?, 2))).or_else(|| Some((named(first)?, 1)))
}

/// The first words of verbs that have two: `container`, `image` …
pub fn groups() -> Vec<&'static str> {
    in_order(names().filter_map(|(name, _)| Some(name.split_once(' ')?.0)).collect())
}

/// The second words of a group's verbs, in alphabetical order.
pub fn of_group(group: &str) -> Vec<&'static str> {
    in_order(names().filter_map(|(name, _)| name.strip_prefix(group)?.strip_prefix(' ')).collect())
}

/// Words in alphabetical order, each once.
pub fn in_order(words: Vec<&'static str>) -> Vec<&'static str> {
    let mut words = order::sorted(words, &|a, b| a < b);
    words.dedup();
    words
}

/// Every spelling of every verb.
fn names() -> impl Iterator<Item = (&'static str, &'static Verb)> {
    VERBS
        .iter()
        .flat_map(|verb| core::iter::once(verb.name).chain(verb.aliases.iter().copied()).map(move |name| (name, verb)))
}

/// What the name of a group alone says: its verbs.
pub fn group_help(group: &str) -> String {
    let mut text = format!("Usage:  mydocker {group} VERB [OPTIONS] …\n\nVerbs:\n");
    for name in of_group(group) {
        let about = find(&[group, name]).map_or("", |(verb, _)| verb.about);
        let _ = writeln!(text, "  {name:<9} {about}"); // a String takes everything
    }
    text
}

/// What `mydocker help` says.
pub fn overview() -> String {
    let mut text = String::from(
        "Usage:  mydocker [--root DIR] [--run-root DIR] VERB [OPTIONS] …\n\n\
         Containers in one file, without a daemon.\n\nVerbs:\n",
    );
    for verb in VERBS {
        let _ = writeln!(text, "  {:<18} {}", verb.name, verb.about); // a String takes everything
    }
    text.push_str(
        "\nOptions:\n      --root DIR       Where everything is kept (default /var/lib/mydocker, or $MYDOCKER_ROOT)\n      \
         --run-root DIR   Where sockets are kept (default /run/mydocker, or $MYDOCKER_RUN)\n      \
         --debug          Tell the long story on stderr\n\n\
         First steps:\n  mydocker import rootfs.tar busybox\n  mydocker run -it busybox sh\n\n\
         'mydocker help VERB' says more about a verb.\n",
    );
    text
}
