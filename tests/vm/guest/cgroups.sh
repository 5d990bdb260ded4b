# No cgroup hierarchy is mounted anywhere: all commands meet in the one tree of cgroup v2 that the kernel has.
. ./lib.sh
m=mydocker
seen() { # the file of a container's cgroup, by a mount of our own that is gone again at once
    mkdir -p /tmp/cg && mount -t cgroup2 cgroup2 /tmp/cg && (cd /tmp/cg && "$@")
    c=$?
    umount /tmp/cg
    return $c
}

before=$(cat /proc/mounts)
is "nothing is mounted" "" ls /sys/fs/cgroup
ok "import" $m import busybox.tar busybox
ok "run" $m run -d --name web -m 32m --pids-limit 20 --cpus 0.5 busybox sleep 1000
id=$($m inspect -f '{{.Id}}' web)
is "its limit" "33554432" seen cat "mydocker-$id/memory.max"
is "what it sees" "33554432" $m exec web cat /sys/fs/cgroup/memory.max
is "its cgroup" "0::/" $m exec web cat /proc/self/cgroup
is "exec is in it" "2" $m exec web grep -c '' /sys/fs/cgroup/cgroup.procs
ok "no descriptor leaks" $m exec web sh -c 'test $(ls /proc/1/fd | wc -l) = 3'
has "stats" "32MiB" $m stats --no-stream web
has "top" "sleep 1000" $m top web
ok "update" $m update -m 64m --memory-swap 128m web
is "the new limit" "67108864" $m exec web cat /sys/fs/cgroup/memory.max
ok "pause" $m pause web
has "ps" "(Paused)" $m ps
ok "unpause" $m unpause web
has "info" "Cgroup Version: 2" $m info
has "the host's tree" "mydocker-$id" $m run --rm --cgroupns host busybox ls /sys/fs/cgroup
ok "a parent" $m run -d --name child --cgroup-parent /shop/front busybox sleep 1000
child=$($m inspect -f '{{.Id}}' child)
ok "is made" seen test -d "shop/front/mydocker-$child"
ok "end" $m rm -f child
ok "and removed" seen test ! -e shop
code "memory runs out" 137 $m run --name big -m 8m --memory-swap 8m busybox sh -c 'tail /dev/zero'
is "is told" "true" $m inspect -f '{{.State.OOMKilled}}' big
ok "a device is checked" sh -c "! $m run --rm busybox sh -c 'mknod /x b 7 0 && cat /x'"
is "still nothing is mounted" "$before" cat /proc/mounts

mount -t cgroup2 cgroup2 /sys/fs/cgroup
is "mounted by somebody" "67108864" cat "/sys/fs/cgroup/mydocker-$id/memory.max"
ok "update there" $m update -m 48m web
umount /sys/fs/cgroup
is "and not any more" "50331648" $m exec web cat /sys/fs/cgroup/memory.max
ok "stop" $m stop -t 0 web
ok "nothing is left" seen sh -c '! ls -d mydocker-*'
ok "rm" $m rm web big

# A controller that v1 has, mounted nowhere.
mkdir -p /tmp/v1
if mount -t cgroup -o memory memory /tmp/v1 2>/dev/null; then
    mkdir /tmp/v1/keep
    umount /tmp/v1
    has "v1 has it" "cgroup v1 has it" $m run --rm -m 32m busybox true
    is "without the limit it works" "yes" $m run --rm busybox echo yes
    mount -t cgroup -o memory memory /tmp/v1
    ok "where v1 is mounted" $m run --rm -m 32m busybox true
    rmdir /tmp/v1/keep
    umount /tmp/v1
fi
finish
