//! The verb table: names, usage, help, flags, and what each does. Parsing, dispatch and help all read it.

mod lookup;
mod of_network;

pub use lookup::{find, group_help, groups, in_order, of_group, overview};

use super::args::{MANY, Verb};
use super::flags;
use super::{
    attach, bundle, completion, cp, diff, events, exec, finish, images, info, inspect, load, logs, network, ports,
    prune, ps, run, stats, system, top, update, volume,
};

/// Every verb, in the order in which help shows them.
pub const VERBS: &[Verb] = &[
    Verb {
        text: "run,container run\n\
               [OPTIONS] IMAGE [COMMAND] [ARG...]\n\
               Make a container and run a command in it\n\
               IMAGE is a name, an id, or a path to a root file system archive (./rootfs.tar). It may be left out when\n\
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
        text: "create,container create\n\
               [OPTIONS] IMAGE [COMMAND] [ARG...]\n\
               Make a container without starting it\n\
               Prints its id. Start it with: mydocker start [-a] CONTAINER",
        flags: flags::CREATE,
        words: (0, MANY),
        stops: true,
        run: run::create,
    },
    Verb {
        text: "start,container start\n\
               [OPTIONS] CONTAINER [CONTAINER...]\n\
               Start containers that were made or have ended",
        flags: flags::START,
        words: (1, MANY),
        stops: false,
        run: run::start,
    },
    Verb {
        text: "ps,container ls,container list,container ps\n\
               [OPTIONS]\n\
               List containers\n\
               Examples:\n  mydocker ps -a --format '{{.Names}} {{.Status}}'\n  mydocker rm $(mydocker ps -aq --filter status=exited)",
        flags: flags::PS,
        words: (0, 0),
        stops: false,
        run: ps::ps,
    },
    Verb {
        text: "logs,container logs\n\
               [OPTIONS] CONTAINER\n\
               Show what a container wrote",
        flags: flags::LOGS,
        words: (1, 1),
        stops: false,
        run: logs::logs,
    },
    Verb {
        text: "attach,container attach\n\
               [OPTIONS] CONTAINER\n\
               Connect with a running container, as if run without -d\n\
               Shows what it says from now on; what is typed goes to it, if it was made with -i. Several may be attached.\n\
               At a terminal, ctrl-p ctrl-q leaves the container alone.\n\n\
               Exit code: the container's; 1 after the keys.",
        flags: flags::ATTACH,
        words: (1, 1),
        stops: false,
        run: attach::attach,
    },
    Verb {
        text: "exec,container exec\n\
               [OPTIONS] CONTAINER COMMAND [ARG...]\n\
               Run a command in a running container\n\
               Example:\n  mydocker exec -it web sh",
        flags: flags::EXEC,
        words: (2, MANY),
        stops: true,
        run: exec::exec,
    },
    Verb {
        text: "top,container top\n\
               CONTAINER [ps OPTIONS]\n\
               Show the processes of a container\n\
               The options are those of ps: -ef (the default), -e, aux, ax, -o COLUMN,…; pids are the host's.\n\n\
               Example:\n  mydocker top web -o pid,user,etime,args",
        flags: &[],
        words: (1, MANY),
        stops: true,
        run: top::top,
    },
    Verb {
        text: "stats,container stats\n\
               [OPTIONS] [CONTAINER...]\n\
               Show what containers use: CPU, memory, network, disks\n\
               Every second anew, until Ctrl-C. 100% is one whole CPU.\n\n\
               Example:\n  mydocker stats --no-stream --format '{{.Name}} {{.CPUPerc}} {{.MemUsage}}'",
        flags: flags::STATS,
        words: (0, MANY),
        stops: false,
        run: stats::stats,
    },
    Verb {
        text: "events,system events\n\
               [OPTIONS]\n\
               Show what happens to containers, images, networks and volumes\n\
               Until Ctrl-C, or until --until. What happened lately is shown with --since; a reboot forgets it.\n\n\
               Example:\n  mydocker events --since 1h --until 0s -f event=die --format '{{.Actor.Attributes.name}}'",
        flags: flags::EVENTS,
        words: (0, 0),
        stops: false,
        run: events::events,
    },
    Verb {
        text: "inspect\n\
               [OPTIONS] NAME [NAME...]\n\
               Tell everything about containers, images, networks and volumes, as JSON\n\
               Examples:\n  mydocker inspect -f '{{.State.Status}} {{.State.ExitCode}}' web\n  \
               mydocker inspect -f '{{range .Mounts}}{{.Source}} {{end}}' web\n  \
               mydocker inspect -f '{{json .Config.Labels}}' --type image busybox\n\n\
               Exit code: 1 when something is not there (the others are told all the same), 64 for a bad template.",
        flags: flags::INSPECT,
        words: (1, MANY),
        stops: false,
        run: inspect::inspect,
    },
    Verb {
        text: "port,container port\n\
               CONTAINER [PORT[/PROTOCOL]]\n\
               Show which ports of the host lead to a container",
        flags: &[],
        words: (1, 2),
        stops: false,
        run: ports::port,
    },
    Verb {
        text: "stop,container stop\n\
               [OPTIONS] CONTAINER [CONTAINER...]\n\
               Stop running containers: SIGTERM (or the image's signal), then SIGKILL",
        flags: flags::STOP,
        words: (1, MANY),
        stops: false,
        run: finish::stop,
    },
    Verb {
        text: "restart,container restart\n\
               [OPTIONS] CONTAINER [CONTAINER...]\n\
               Stop containers and start them again",
        flags: flags::STOP,
        words: (1, MANY),
        stops: false,
        run: run::restart,
    },
    Verb {
        text: "kill,container kill\n\
               [OPTIONS] CONTAINER [CONTAINER...]\n\
               Send a signal to running containers",
        flags: flags::KILL,
        words: (1, MANY),
        stops: false,
        run: finish::kill,
    },
    Verb {
        text: "pause,container pause\n\
               CONTAINER [CONTAINER...]\n\
               Let all processes of containers stand still\n\
               'unpause' lets them go on; so do 'stop' and 'kill', so that the container can end.",
        flags: &[],
        words: (1, MANY),
        stops: false,
        run: finish::pause,
    },
    Verb {
        text: "unpause,container unpause\n\
               CONTAINER [CONTAINER...]\n\
               Let paused containers go on",
        flags: &[],
        words: (1, MANY),
        stops: false,
        run: finish::unpause,
    },
    Verb {
        text: "update,container update\n\
               [OPTIONS] CONTAINER [CONTAINER...]\n\
               Change limits and restart policies of containers, running or not\n\
               What is not named stays as it is.\n\nExample:\n  mydocker update -m 200m --memory-swap 400m --cpus 1.5 web",
        flags: flags::UPDATE,
        words: (1, MANY),
        stops: false,
        run: update::update,
    },
    Verb {
        text: "rm,container rm,container remove\n\
               [OPTIONS] CONTAINER [CONTAINER...]\n\
               Remove containers\n\
               What is behind a volume or a host path is never touched.",
        flags: flags::RM,
        words: (1, MANY),
        stops: false,
        run: finish::rm,
    },
    Verb {
        text: "rename,container rename\n\
               CONTAINER NEW_NAME\n\
               Give a container another name",
        flags: &[],
        words: (2, 2),
        stops: false,
        run: finish::rename,
    },
    Verb {
        text: "wait,container wait\n\
               CONTAINER [CONTAINER...]\n\
               Wait until containers have ended, and print their exit codes",
        flags: &[],
        words: (1, MANY),
        stops: false,
        run: finish::wait,
    },
    Verb {
        text: "cp,container cp\n\
               [OPTIONS] CONTAINER:SRC DEST|-  or  SRC|- CONTAINER:DEST\n\
               Copy files between a container, running or not, and the host\n\
               A DEST that is a directory gets SRC in it, SRC/. just what is in SRC; any other DEST is what SRC will be\n\
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
        text: "diff,container diff\n\
               CONTAINER\n\
               Show what a container added (A), changed (C) and deleted (D) in its files",
        flags: &[],
        words: (1, 1),
        stops: false,
        run: diff::diff,
    },
    Verb {
        text: "commit,container commit\n\
               [OPTIONS] CONTAINER [NAME[:TAG]]\n\
               Make an image of what a container changed\n\
               Example:\n  mydocker commit -m 'tools added' -c 'CMD [\"sh\"]' box mybox:1\n  \
               mydocker commit -o box.tar box && mydocker run ./box.tar ls /",
        flags: flags::COMMIT,
        words: (1, 2),
        stops: false,
        run: images::commit,
    },
    Verb {
        text: "export,container export\n\
               [OPTIONS] CONTAINER\n\
               Write all files of a container as a tar archive\n\
               What is mounted in it (volumes, /proc, /dev) stays out. 'import' makes an image of the archive.\n\n\
               Example:\n  mydocker export -o box.tar box && mydocker import -c 'CMD [\"sh\"]' box.tar box:flat",
        flags: flags::EXPORT,
        words: (1, 1),
        stops: false,
        run: images::export,
    },
    Verb {
        text: "import,image import\n\
               [OPTIONS] FILE|- [NAME[:TAG]]\n\
               Make an image of a root file system archive (tar, plain or gzip)\n\
               Example:\n  debootstrap stable root && tar -C root -c . | mydocker import - debian:stable",
        flags: flags::IMPORT,
        words: (1, 2),
        stops: false,
        run: images::import,
    },
    Verb {
        text: "bundle\n\
               IMAGE [IMAGE...] -o FILE [--entry RUN-ARG...]  or  --inspect FILE\n\
               Write one file that is mydocker with images in it, or a program\n\
               With --entry, './FILE WORD...' is 'mydocker run RUN-ARG... WORD...': the words follow the command, or replace the\n\
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
        text: "load,image load\n\
               [OPTIONS]\n\
               Load images from an archive: docker's or the OCI's, a tar or a directory, plain, gzip or zstd\n\
               Example:\n  skopeo copy docker://busybox oci-archive:busybox.tar:busybox && mydocker load -i busybox.tar",
        flags: flags::LOAD,
        words: (0, 0),
        stops: false,
        run: load::load,
    },
    Verb {
        text: "save,image save\n\
               [OPTIONS] IMAGE [IMAGE...]\n\
               Write images to an archive that docker, podman, skopeo and mydocker load\n\
               Example:\n  mydocker save busybox | ssh host mydocker load\n  mydocker save -o box.tar box:1 box:2",
        flags: flags::SAVE,
        words: (1, MANY),
        stops: false,
        run: load::save,
    },
    Verb {
        text: "images,image ls,image list\n\
               [OPTIONS] [NAME[:TAG]]\n\
               List images",
        flags: flags::IMAGES,
        words: (0, 1),
        stops: false,
        run: images::images,
    },
    Verb {
        text: "history,image history\n\
               [OPTIONS] IMAGE\n\
               Show how an image came to be, newest step first",
        flags: flags::HISTORY,
        words: (1, 1),
        stops: false,
        run: images::history,
    },
    Verb {
        text: "tag,image tag\n\
               IMAGE NAME[:TAG]\n\
               Give an image one more name\n\
               A name that stood for another image stands for this one from now on.",
        flags: &[],
        words: (2, 2),
        stops: false,
        run: images::tag,
    },
    Verb {
        text: "rmi,image rm,image remove\n\
               [OPTIONS] IMAGE [IMAGE...]\n\
               Remove images",
        flags: flags::RMI,
        words: (1, MANY),
        stops: false,
        run: images::rmi,
    },
    Verb {
        text: "container inspect\n\
               [OPTIONS] CONTAINER [CONTAINER...]\n\
               Tell everything about containers, as JSON",
        flags: flags::INSPECT_CONTAINER,
        words: (1, MANY),
        stops: false,
        run: inspect::inspect,
    },
    Verb {
        text: "container prune\n\
               [OPTIONS]\n\
               Remove all containers that do not run\n\
               Example:\n  mydocker container prune -f --filter until=24h --filter label!=keep",
        flags: flags::PRUNE,
        words: (0, 0),
        stops: false,
        run: prune::containers,
    },
    Verb {
        text: "image inspect\n\
               [OPTIONS] IMAGE [IMAGE...]\n\
               Tell everything about images, as JSON",
        flags: flags::FORMAT,
        words: (1, MANY),
        stops: false,
        run: inspect::inspect,
    },
    Verb {
        text: "image prune\n\
               [OPTIONS]\n\
               Remove all images that have no name",
        flags: flags::PRUNE_IMAGES,
        words: (0, 0),
        stops: false,
        run: prune::images,
    },
    of_network::CREATE,
    of_network::LS,
    of_network::INSPECT,
    of_network::RM,
    of_network::PRUNE,
    of_network::CONNECT,
    of_network::DISCONNECT,
    Verb {
        text: "volume create\n\
               [OPTIONS] [NAME]\n\
               Make a volume\n\
               Without a name it gets one, and 'volume prune' takes it away when nobody uses it. A container that mounts\n\
               an empty volume fills it with what its image has at that place.",
        flags: flags::VOLUME_CREATE,
        words: (0, 1),
        stops: false,
        run: volume::create,
    },
    Verb {
        text: "volume ls,volume list\n\
               [OPTIONS]\n\
               List volumes",
        flags: flags::VOLUMES,
        words: (0, 0),
        stops: false,
        run: volume::ls,
    },
    Verb {
        text: "volume inspect\n\
               [OPTIONS] VOLUME [VOLUME...]\n\
               Tell everything about volumes, as JSON",
        flags: flags::FORMAT,
        words: (1, MANY),
        stops: false,
        run: inspect::inspect,
    },
    Verb {
        text: "volume rm,volume remove\n\
               [OPTIONS] VOLUME [VOLUME...]\n\
               Remove volumes and what is in them\n\
               A volume that a container uses, running or not, is not removed.",
        flags: flags::VOLUME_RM,
        words: (1, MANY),
        stops: false,
        run: volume::rm,
    },
    Verb {
        text: "volume prune\n\
               [OPTIONS]\n\
               Remove volumes without a name that no container uses",
        flags: flags::PRUNE_VOLUMES,
        words: (0, 0),
        stops: false,
        run: volume::prune,
    },
    Verb {
        text: "system df\n\
               [OPTIONS]\n\
               Show how much room images, containers and volumes take\n\
               A layer that several images share counts once.",
        flags: flags::SYSTEM_DF,
        words: (0, 0),
        stops: false,
        run: system::df,
    },
    Verb {
        text: "system prune\n\
               [OPTIONS]\n\
               Remove what is not used: stopped containers, networks and images\n\
               Example:\n  mydocker system prune -af --volumes --filter label!=keep",
        flags: flags::SYSTEM_PRUNE,
        words: (0, 0),
        stops: false,
        run: system::prune,
    },
    Verb {
        text: "system check\n\
               [OPTIONS]\n\
               Look whether everything on disk is as it should be\n\
               One line for each finding: damaged or missing things, what killed commands left over, unknown files.\n\
               With --repair it puts right what can be put right without losing anything, and says what it did; what is\n\
               damaged is never deleted. Other commands may run meanwhile.\n\n\
               Exit code, as fsck's: 0 clean, 1 all findings put right, 4 findings left, 8 it could not look.",
        flags: flags::SYSTEM_CHECK,
        words: (0, 0),
        stops: false,
        run: system::check,
    },
    Verb {
        text: "completion\n\
               bash|zsh|fish|man\n\
               Print what a shell needs to complete our words after Tab, or the manual page\n\
               Examples:\n  source <(mydocker completion bash)\n  mydocker completion zsh >~/.zfunc/_mydocker\n  \
               mydocker completion fish >~/.config/fish/completions/mydocker.fish\n  \
               mydocker completion man >/usr/local/share/man/man1/mydocker.1",
        flags: &[],
        words: (1, 1),
        stops: false,
        run: completion::completion,
    },
    Verb {
        text: "info,system info\n\
               [OPTIONS]\n\
               Show what is here: containers, images, kernel, directories",
        flags: flags::FORMAT,
        words: (0, 0),
        stops: false,
        run: info::info,
    },
    Verb {
        text: "version\n\
               [OPTIONS]\n\
               Show the version",
        flags: flags::FORMAT,
        words: (0, 0),
        stops: false,
        run: info::version,
    },
];
