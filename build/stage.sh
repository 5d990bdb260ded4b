# Sourced: where engines run and from where nothing of them stays, whatever ends them: namespaces of processes, mounts, networks
# and cgroups, a cgroup of their own, a /run, /var/lib and /dev/shm of their own, and a directory on the disk.
# shellcheck shell=bash

# stage_is NAME: the stage's name, of which there is one for each process: that of its cgroup, and of its directory, $place.
stage_is() {
    stage=mydocker-$1-$$
    place=$target/tmp/$1-$$
}

# Whatever was made outside of the namespaces.
stage_clean() {
    [ ! -s "$place/pid" ] || as_root kill -KILL "$(cat "$place/pid")" 2>/dev/null || :
    for _ in 1 2 3 4 5 6 7 8 9; do
        as_root find /sys/fs/cgroup -depth -type d -path "*/$stage*" -exec rmdir {} + 2>/dev/null || sleep 0.1
    done
    as_root rm -rf "$place"
    give_back
}

# stage_peer PROGRAM PACKAGE: adds a package to PATH. Not installed: some start a daemon, which makes networks and rules of its own.
stage_peer() {
    local at
    command -v "$1" >/dev/null || ! command -v apt-get >/dev/null ||
        ! at=$(./build/package "$(dpkg --print-architecture)" "$2" "$1") || PATH=${at%/*}:$PATH
}

# stage_make RUNTIME: its directory, its cgroup, and the configuration of podman, which uses this runtime.
stage_make() {
    local at file
    as_root rm -rf "$place"
    mkdir -p "$place/home" "$place/tmp"
    # What podman needs to run where root may not raise limits, and everything of it in its place.
    cat >"$place/containers.conf" <<END
[containers]
log_driver = "k8s-file"
default_ulimits = ["nofile=1024:4096", "nproc=4096:4096"]
[network]
network_config_dir = "$place/podman-networks"
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
runtime = "$1"
END
    cat >"$place/storage.conf" <<END
[storage]
driver = "overlay"
runroot = "/run/containers/storage"
graphroot = "$place/podman"
END
    export CONTAINERS_CONF=$place/containers.conf CONTAINERS_STORAGE_CONF=$place/storage.conf
    export HOME=$place/home TMPDIR=$place/tmp DOCKER_HOST=unix:///run/docker.sock MYDOCKER_ROOT=$place/root
    for at in /sys/fs/cgroup /sys/fs/cgroup/*; do
        [ -e "$at/cgroup.procs" ] && [ ! -L "$at" ] && [ "$at" != /sys/fs/cgroup/unified ] || continue
        # A folder of the second version, not a hierarchy.
        [ "$at" = /sys/fs/cgroup ] || [ ! -e /sys/fs/cgroup/cgroup.controllers ] || continue
        as_root mkdir "$at/$stage"
        for file in cpuset.cpus cpuset.mems; do
            [ ! -e "$at/$file" ] || as_root cp "$at/$file" "$at/$stage/$file"
        done
    done
}

# stage_weight SHARES WEIGHT: how much of the processors it gets, beside 1024 or 100 for every process outside of all cgroups.
stage_weight() {
    local at
    for at in /sys/fs/cgroup/*/"$stage"/cpu.shares /sys/fs/cgroup/"$stage"/cpu.weight; do
        case $at in
        *shares) set -- "$1" "$2" "$1" ;;
        *) set -- "$1" "$2" "$2" ;;
        esac
        [ ! -e "$at" ] || as_root sh -c "echo $3 >$at"
    done
}

# stage_run "NAME…" SCRIPT PROGRAM ARGUMENT…: runs `SCRIPT --inside PROGRAM ARGUMENT…` there with these variables, and waits.
stage_run() {
    local one passed=() script=$2
    for one in HOME TMPDIR DOCKER_HOST CONTAINERS_CONF CONTAINERS_STORAGE_CONF MYDOCKER_ROOT CARGO_TARGET_DIR $1; do
        passed+=("$one=${!one-}")
    done
    shift 2
    # In the background, because a shell hears signals only while it waits.
    as_root env "PATH=$PATH:/usr/sbin:/sbin" "${passed[@]}" bash -c 'for at in /sys/fs/cgroup/*/"$0" /sys/fs/cgroup/"$0"; do
            [ ! -e "$at/cgroup.procs" ] || echo $$ >"$at/cgroup.procs"
        done
        echo $$ >"$1/pid"
        shift
        exec unshare -C -m -n -p -f --kill-child --mount-proc "$@"' "$stage" "$place" "$script" --inside "$@" &
    wait $!
}

# stage_inside PROGRAM ARGUMENT…: in the namespaces. Controllers are mounted as seen from the stage's own cgroup, and only of one
# version: crun and podman refuse a host that has both.
stage_inside() {
    local at options one part controllers
    ip link set lo up
    # Where peers keep state, and where it would stay: podman's networks and locks, containerd's sockets.
    mount -t tmpfs -o mode=755 run /run
    mount -t tmpfs -o mode=755 lib /var/lib
    mount -t tmpfs -o mode=1777 shm /dev/shm
    # A node of its own: crun gives what it has as standard streams to the container's user, and it would be the host's.
    mknod -m 666 /run/null c 1 3
    mount --bind /run/null /dev/null
    if [ ! -e /sys/fs/cgroup/cgroup.controllers ]; then
        mapfile -t controllers < <(awk '$3 == "cgroup" { print $2, $4 }' /proc/self/mounts)
        umount -R /sys/fs/cgroup
        mount -t tmpfs -o mode=755 cgroup /sys/fs/cgroup
        for one in "${controllers[@]}"; do
            at=${one%% *}
            options=$(tr , '\n' <<<"${one#* }" | grep -vxE 'rw|relatime|nosuid|nodev|noexec|xattr|clone_children|release_agent=.*' |
                paste -sd,)
            case $options in name=*) options=none,$options ;; esac
            mkdir -p "$at"
            mount -t cgroup -o "$options" cgroup "$at"
            for part in ${options//,/ }; do [ -e "/sys/fs/cgroup/$part" ] || ln -s "${at##*/}" "/sys/fs/cgroup/$part"; done
        done
    else
        umount /sys/fs/cgroup
        mount -t cgroup2 cgroup /sys/fs/cgroup
        mkdir /sys/fs/cgroup/stage
        echo 0 >/sys/fs/cgroup/stage/cgroup.procs
        for one in $(cat /sys/fs/cgroup/cgroup.controllers); do echo "+$one" >/sys/fs/cgroup/cgroup.subtree_control || :; done
    fi
    # As process 1 it must ask for the signals that end it; all others end with it.
    trap 'exit 130' INT TERM HUP
    "$1" "${@:2}" </dev/null &
    wait $!
}
