#!/sbin/openrc-run
# The file systems of a machine with OpenRC, for one that has a single disk.
start() {
    mount -t sysfs sysfs /sys
    mount -t cgroup2 cgroup2 /sys/fs/cgroup
    mkdir -p /dev/pts
    mount -t devpts devpts /dev/pts
}
stop() {
    umount -a -r -t nodevtmpfs,noproc,nosysfs,notmpfs
    return 0
}
