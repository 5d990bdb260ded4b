//! The flags of every verb, in the order in which help shows them. One is a line: as it is typed (`-cpushare`, with one
//! dash, is docker's old spelling of a long one), what help calls its value (nothing for a switch), two spaces, and what
//! help says (nothing keeps it out of the help). A verb's flags are one such text, or several after each other.

const DETACH_KEYS: &str = "--detach-keys KEYS  Keys that leave it alone (default ctrl-p,ctrl-q)";
const SIG_PROXY: &str = "--sig-proxy  Pass signals on, without -t (default; --sig-proxy=false does not)";
const MAKING: &str = "\
--add-host NAME:IP  Add a line to its hosts file; IP may be host-gateway
-a --attach STREAM  Connect only stdin, stdout or stderr
--blkio-weight INT  Weight of disk use against other containers, 10 to 1000
--cap-add NAME  Give it one more capability, or ALL
--cap-drop NAME  Take a capability from it, or ALL
--cgroup-parent PATH  Make its cgroup inside this one
--cgroupns MODE  private: it sees only its own cgroup (the default); host: all
--cidfile FILE  Write the container's id to a file that must not exist yet
--cpu-period US  Microseconds that --cpu-quota is for
--cpu-quota US  Microseconds of CPU time in each period
-c -cpushare --cpu-shares INT  CPU weight against other containers (default 1024)
--cpus DECIMAL  Number of CPUs, for example 1.5
-cpuset --cpuset-cpus LIST  CPUs to run on, for example 0-2,4
--cpuset-mems LIST  Memory nodes to use
--device SRC[:DST][:rwm]  Give it a device of the host
--device-cgroup-rule RULE  Let it open more devices, for example 'c 10:200 rwm'
--device-read-bps DISK:N  Most bytes it reads from a disk in a second
--device-read-iops DISK:N  Most reads from a disk in a second
--device-write-bps DISK:N  Most bytes it writes to a disk in a second
--device-write-iops DISK:N  Most writes to a disk in a second
--disable-content-trust
--dns IP  Ask this name server, not those of the host
--dns-opt --dns-option OPTION  An option of its resolv.conf, for example ndots:2
--dns-search DOMAIN  Search names in this domain; '.' in none
--domainname NAME  NIS domain name
--entrypoint WORD  Replace the image's entrypoint; \"\" clears it
-e --env KEY=VALUE  Set an environment variable; KEY alone copies ours
--env-file FILE  Read environment variables from a file
--expose PORT[-PORT][/PROTOCOL]  It serves this port; -P publishes it
--group-add GROUP  Put its user into one more group
--health-cmd COMMAND  Find out its health by this line for its shell
--health-interval DURATION  Time between two checks, for example 10s (default 30s)
--health-retries INT  So many failures in a row make it unhealthy (default 3)
--health-start-interval DURATION  Time between two checks in the start period (default 5s)
--health-start-period DURATION  Time after its start in which failures do not count
--health-timeout DURATION  Time that a check may take (default 30s)
-h --hostname NAME  Name of the host inside
--image IMAGE  The image; all words are then the command
--init  Run a small init that reaps orphans and passes signals on
-i --interactive  Keep standard input open
--ip IP  Its IPv4 address on the network
--ip6 IP  Its IPv6 address on the network
--isolation MODE
--ipc MODE  Shared memory: private (the default), shareable, none, host, container:NAME
-l --label KEY=VALUE  Attach a label
--label-file FILE  Read labels from a file
--link CONTAINER[:ALIAS]  Know another container of its network by this name
--log-driver DRIVER  json-file (the default) or local: keep its output for 'logs'; none: do not
--log-opt KEY=VALUE  max-size=10m (of a log file; -1: no limit), max-file=3 (so many are kept)
--mac-address MAC  Its hardware address, for example 02:42:ac:11:00:02
-m -mem --memory BYTES  Memory limit, for example 100m
--memory-reservation BYTES  Memory that is left to it when memory is short
--memory-swap BYTES  Limit of memory and swap together; -1 for no limit
--memory-swappiness 0-100  How gladly its memory is swapped out (cgroup v1)
--mount KEY=VALUE,…  Mount a bind, volume or tmpfs: type=bind,src=/a,dst=/b,ro
-n -name --name NAME  Name of the container
--net -net --network NETWORK  bridge (the default), none, host, container:NAME, or one of 'network create' (may be repeated)
--net-alias --network-alias NAME  Be known by this name on the network, too
--no-healthcheck  Do not check its health, whatever the image says
--oom-kill-disable  Let it wait for memory instead of being killed (cgroup v1)
--oom-score-adj INT  How gladly the kernel kills it, -1000 to 1000
--pid MODE  Processes it sees: private (the default), host, container:NAME
--pids-limit INT  Number of processes; -1 for no limit
--platform OS/ARCH  Only this host's own can be asked for
--privileged  Let it do everything that root may do here, and see all devices
-p --publish [IP:][PORT:]PORT[/PROTOCOL]  Lead a port of the host to one of it: 8080:80, 127.0.0.1:53:53/udp, 8000-8010:80
-P --publish-all  Publish all ports that it serves, on any free ports of the host
--pull WHEN  missing or never: there is no registry to ask
-q --quiet  Show no progress when IMAGE is an archive
--read-only  Make its root file system read-only
--restart POLICY  Start it again: no (the default), on-failure[:N], always, unless-stopped
--rm  Remove the container when it ends
--rootfs DIR  Use a directory as root file system; all words are then the command
--runtime NAME
--security-opt KEY=VALUE  seccomp=FILE|unconfined, no-new-privileges, systempaths=unconfined
--shm-size BYTES  Size of /dev/shm (default 64m)
--stop-signal SIGNAL  What 'stop' sends it (default the image's, or TERM)
--stop-timeout SECONDS  Time after that before SIGKILL (default 10; -1: never)
--sysctl KEY=VALUE  Set a kernel parameter of its own namespaces
--tmpfs DST[:OPTIONS]  Mount memory, for example /run:size=1m,mode=700
-t --tty  Give the command a terminal
--ulimit NAME=N[:HARD]  Limit each process, for example nofile=1024:2048
--umask OCTAL  Which permissions new files do not get (default 0022)
-u --user USER[:GROUP]  Run as this user (names and numbers as in the image)
--userns MODE  Own user ids: auto, HOSTID:SIZE, or host (none; the default)
--uts MODE  host: keep the host's name
-v --volume [SRC:]DST[:ro]  Mount a host path or a named volume
--volume-driver NAME
-w --workdir DIR  Working directory inside
";

/// `create`
pub const CREATE: &[&str] = &[MAKING];
/// `run`
pub const RUN: &[&str] =
    &["-d --detach  Leave it running in the background and print its id", DETACH_KEYS, SIG_PROXY, MAKING];
/// `start`
pub const START: &[&str] = &[
    "-a --attach  Show its output until it ends, and end with its exit code",
    DETACH_KEYS,
    "-i --interactive  Connect our standard input (with -a)",
    SIG_PROXY,
];
/// `attach`
pub const ATTACH: &[&str] = &[DETACH_KEYS, "--no-stdin  Only watch: nothing that is typed goes there", SIG_PROXY];
/// `update`; a limit that is not named stays.
pub const UPDATE: &[&str] = &["\
--blkio-weight INT  Weight of disk use against other containers, 10 to 1000
--cpu-period US  Microseconds that --cpu-quota is for
--cpu-quota US  Microseconds of CPU time in each period; -1 for no limit
-c -cpushare --cpu-shares INT  CPU weight against other containers
--cpus DECIMAL  Number of CPUs, for example 1.5
-cpuset --cpuset-cpus LIST  CPUs to run on, for example 0-2,4
--cpuset-mems LIST  Memory nodes to use
-m -mem --memory BYTES  Memory limit, for example 100m
--memory-reservation BYTES  Memory that is left to it when memory is short
--memory-swap BYTES  Limit of memory and swap together; -1 for no limit
--pids-limit INT  Number of processes; -1 for no limit
--restart POLICY  Start it again: no, on-failure[:N], always, unless-stopped
"];
/// `ps`
pub const PS: &[&str] = &["\
-a --all  Show all containers, not only running ones
-f --filter KEY=VALUE  Only these: name or id (a regular expression), status, exited, health, label, ancestor, before, since, volume, network, publish, expose
--format FORMAT  json, a template such as '{{.Names}}', or 'table {{.ID}}\\t{{.Names}}'
-n --last N  Only the N newest ones, running or not
-l --latest  Only the newest one, running or not
--no-trunc  Do not shorten anything
-q --quiet  Only ids
-s --size  Show how much they wrote, and the size of all their files
"];
/// `logs`
pub const LOGS: &[&str] = &["\
--details  Begin each line with its details, of which there are none
-f --follow  Go on with what is written, until the container ends
--since TIME  Only lines from then on: 2026-11-21T23:20 (UTC), 1795303213, or 1h30m ago
-n --tail N  Only the last N lines
-t --timestamps  Begin each line with its time
--until TIME  Only lines until then
"];
/// `exec`
pub const EXEC: &[&str] = &[
    "-d --detach  Do not wait for the command",
    DETACH_KEYS,
    "\
-e --env KEY=VALUE  Set an environment variable for it
--env-file FILE  Read environment variables from a file
-i --interactive  Connect our standard input
--privileged  Let it do everything that root may do here
-t --tty  Give it a terminal
-u --user USER[:GROUP]  Run it as this user
-w --workdir DIR  Its working directory
",
];
/// `stop`
pub const STOP: &[&str] = &["\
-s --signal SIGNAL  Which signal to begin with (default the container's)
--time -t --timeout SECONDS  Time before SIGKILL (default the container's; -1: never)
"];
/// `kill`
pub const KILL: &[&str] = &["-s --signal SIGNAL  Which signal (default KILL)"];
/// `rm`
pub const RM: &[&str] = &["\
-f --force  Kill it if it runs; one that does not exist is fine
-v --volumes  Remove its anonymous volumes too
"];
/// `commit`
pub const COMMIT: &[&str] = &["\
-a --author TEXT  Who made it
-c --change INSTRUCTION  Change the image: CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, USER, VOLUME, WORKDIR …
-m --message TEXT  Why it was made
-o --output FILE.tar  Also write all that the container sees as a flat archive
--no-pause  Let the container go on meanwhile
-p --pause  Let the container stand still meanwhile (default; --pause=false does not)
-q --quiet  Show no progress
"];
/// `cp`
pub const CP: &[&str] = &["\
-a --archive  Keep the numbers of users and groups
-L --follow-link  Copy what a symlink SRC points to
-q --quiet  Tell nothing on a terminal either
"];
/// `export`
pub const EXPORT: &[&str] = &["-o --output FILE  Write to this file, not to standard output"];
/// `history`
pub const HISTORY: &[&str] = &["\
--format FORMAT  json, a template such as '{{.CreatedBy}}', or 'table …'
-H --human  Sizes and times for people (default; --human=false: exact ones)
--no-trunc  Do not shorten anything
-q --quiet  Only ids
"];
/// `network create`
pub const NETWORK_CREATE: &[&str] = &["\
--attachable
--config-only
-d --driver NAME  bridge is the only one
--gateway IP  The host's address on it (default the first one of the subnet)
--ingress
--internal  Let nothing lead out of it
--ip-range SUBNET  Give containers only these addresses of the subnet
--ipam-driver NAME
--ipv4
--ipv6  Give it IPv6 addresses, too
--label KEY=VALUE  Attach a label
-o --opt KEY=VALUE  mtu=1400, or one of docker's: com.docker.network.bridge.name, …enable_icc, …enable_ip_masquerade, …host_binding_ipv4
--scope NAME
--subnet SUBNET  Its addresses: 192.168.10.0/24, and perhaps fd00:10::/64 besides
"];
/// `network ls`
pub const NETWORKS: &[&str] = &["\
-f --filter KEY=VALUE  Only these: name or id (a regular expression), driver, type (builtin or custom), label, dangling, scope
--format FORMAT  json, a template such as '{{.Name}}', or 'table …'
--no-trunc  Do not shorten ids
-q --quiet  Only ids
"];
/// `network inspect`
pub const NETWORK_INSPECT: &[&str] = &["-f --format FORMAT  json or a template", "-v --verbose"];
/// `network rm`
pub const NETWORK_RM: &[&str] = &["-f --force  One that does not exist is fine"];
/// `network connect`
pub const NETWORK_CONNECT: &[&str] = &["\
--alias NAME  Let the others there find it by this name, too
--ip IP  Its IPv4 address there
--ip6 IP  Its IPv6 address there
--mac-address MAC  Its hardware address there
"];
/// `network disconnect`
pub const NETWORK_DISCONNECT: &[&str] = &["-f --force  Even if its monitor cannot do it now"];
/// `volume create`
pub const VOLUME_CREATE: &[&str] = &["\
-d --driver KIND  local is the only one
--label KEY=VALUE  Attach a label
"];
/// `volume ls`
pub const VOLUMES: &[&str] = &["\
-f --filter KEY=VALUE  Only these: name (a regular expression), dangling, label, driver
--format FORMAT  json, a template such as '{{.Name}}', or 'table …'
-q --quiet  Only names
"];
/// `volume rm`
pub const VOLUME_RM: &[&str] = &["-f --force  One that does not exist is fine"];
/// `volume prune`
pub const PRUNE_VOLUMES: &[&str] = &["\
-a --all  Remove those with a name, too
--filter KEY=VALUE  Only these: label=KEY[=VALUE], label!=KEY[=VALUE]
-f --force  Do not ask
"];
/// `import`
pub const IMPORT: &[&str] = &["\
-c --change INSTRUCTION  Configure the image: CMD, ENTRYPOINT, ENV, WORKDIR, USER, LABEL …
-m --message TEXT  Why it was made
--max-size BYTES  Refuse more unpacked data than this (default 64g)
--max-ratio N  Refuse more than N bytes unpacked for one packed
-q --quiet  Show no progress
"];
/// `load`
pub const LOAD: &[&str] = &["\
-i --input FILE|DIR  Read this archive or image layout, not the standard input
-q --quiet  Tell nothing but the names or ids
"];
/// `save`
pub const SAVE: &[&str] = &["-o --output FILE  Write to this file, not to the standard output"];
/// `bundle`
pub const BUNDLE: &[&str] = &["\
--add  Also what this program's own file has in it
--entry RUN-ARG...  Let the file be a program: what 'run' does with all that follows
--inspect  Check files and tell what is in them, as JSON
-o --output FILE  Where to write it
"];
/// `images`
pub const IMAGES: &[&str] = &["\
-a --all  Show also nameless images that others were made from
--digests  Show a column for digests
-f --filter KEY=VALUE  Only these: reference (a pattern), dangling, label, before, since, until
--format FORMAT  json, a template such as '{{.Repository}}', or 'table …'
--no-trunc  Do not shorten ids
-q --quiet  Only ids
"];
/// `inspect`
pub const INSPECT: &[&str] = &["\
-f --format FORMAT  json (on one line) or a template such as '{{.State.Pid}}'
-s --size  Tell the sizes of containers, too
--type TYPE  container, image, network or volume
"];
/// `container inspect`
pub const INSPECT_CONTAINER: &[&str] = &["\
-f --format FORMAT  json (on one line) or a template such as '{{.State.Pid}}'
-s --size  Tell the sizes, too
"];
/// `container prune`
pub const PRUNE: &[&str] = &["\
--filter KEY=VALUE  Only these: until=TIME, label=KEY[=VALUE], label!=KEY[=VALUE]
-f --force  Do not ask
"];
/// `image prune`
pub const PRUNE_IMAGES: &[&str] = &["\
-a --all  Remove all that no container uses, not only those without a name
--filter KEY=VALUE  Only these: until=TIME, label=KEY[=VALUE], label!=KEY[=VALUE]
-f --force  Do not ask
"];
/// `rmi`
pub const RMI: &[&str] = &["\
-f --force  Also one that stopped containers use; a missing one is fine
--no-prune  Keep the nameless images that it was made from
"];
/// `events`
pub const EVENTS: &[&str] = &["\
-f --filter KEY=VALUE  Only these: type, event, container, image, network, volume, label
--format FORMAT  json or a template such as '{{.Action}} {{.Actor.ID}}'
--since TIME  Also those from then on: 2026-11-21T23:20 (UTC), 1795303213, or 1h30m ago
--until TIME  Only those until then, and end
"];
/// `version` and `info`
pub const FORMAT: &[&str] = &["-f --format FORMAT  json or a template"];
/// `stats`
pub const STATS: &[&str] = &["\
-a --all  Show all containers, not only running ones
--format FORMAT  json, a template such as '{{.Name}}', or 'table {{.Name}}\\t{{.CPUPerc}}'
--no-stream  Show them once, instead of every second
--no-trunc  Do not shorten anything
"];
/// `system df`
pub const SYSTEM_DF: &[&str] = &["\
--format FORMAT  json, a template such as '{{.Type}} {{.Size}}', or 'table …'
-v --verbose  Show every image, container and volume
"];
/// `system prune`
pub const SYSTEM_PRUNE: &[&str] = &["\
-a --all  Remove all images that no container uses, not only those without a name
--filter KEY=VALUE  Only these: until=TIME, label=KEY[=VALUE], label!=KEY[=VALUE]
-f --force  Do not ask
--volumes  Remove anonymous volumes that no container has, too
"];
/// `system check`
pub const SYSTEM_CHECK: &[&str] = &["\
--deep  Read the content of all layers, too, and compare it with their digests
--repair  Put right what can be put right without losing anything
"];
