# The door for engines, with cgroup v2 alone: a container's life from create to delete, its limits and its devices.
. ./lib.sh
m="mydocker oci"
PATH=$PATH:/bin
mkdir -p /tmp/b/rootfs && tar -xf busybox.tar -C /tmp/b/rootfs && cd /tmp/b || exit 1
bundle() { # COMMAND: what the bundle runs
    cat >config.json <<EOF
{"ociVersion":"1.2.0","process":{"args":["sh","-c","$1"],"cwd":"/","env":["PATH=/bin"],
    "capabilities":{"bounding":["CAP_MKNOD"],"effective":["CAP_MKNOD"],"permitted":["CAP_MKNOD"]}},
 "root":{"path":"rootfs"},
 "mounts":[{"destination":"/proc","type":"proc","source":"proc"},
    {"destination":"/sys/fs/cgroup","type":"cgroup","source":"cgroup","options":["ro"]}],
 "linux":{"cgroupsPath":"/shop/box","namespaces":[{"type":"pid"},{"type":"mount"},{"type":"uts"},{"type":"ipc"},
    {"type":"network"},{"type":"cgroup"}],"resources":{"memory":{"limit":33554432,"swap":33554432},"pids":{"limit":20},
    "cpu":{"quota":50000,"period":100000,"shares":512},"unified":{"memory.high":"30000000"},
    "devices":[{"allow":false,"access":"rwm"},{"allow":true,"type":"c","major":1,"minor":3,"access":"rwm"}]}}}
EOF
}
status() { $m state box | sed -n 's/.*"status": *"\([a-z]*\)".*/\1/p'; }
is_now() { [ "$(status)" = "$1" ]; }
inside() { $m exec box cat "/sys/fs/cgroup/$1"; }

bundle "trap 'exit 7' TERM; sleep 1000 & wait"
ok "create" sh -c "$m create box </dev/null >/dev/null 2>&1"
is "waits" created status
is "its cgroup" 1 grep -c '' /sys/fs/cgroup/shop/box/cgroup.procs
ok "start" $m start box
is "runs" running status
code "once" 1 $m start box
is "memory" 33554432 inside memory.max
is "no swap" 0 inside memory.swap.max
is "unified" 29999104 inside memory.high
is "pids" 20 inside pids.max
is "cpu" "50000 100000" inside cpu.max
is "what it sees" "0::/" $m exec box cat /proc/self/cgroup
ok "exec is in it" $m exec box sh -c 'test $(grep -c "" /sys/fs/cgroup/cgroup.procs) -ge 3'
ok "an open device" $m exec box sh -c 'mknod /n c 1 3 && echo >/n'
# It may be made, as under runc, and nobody may open it.
has "a closed device" "not permitted" $m exec box sh -c 'mknod /s c 4 64 && head -c 0 /s'
ok "update" $m update --memory 50331648 --memory-swap 50331648 --pids-limit 30 box
is "the new limit" "50331648 30" sh -c "echo \$($m exec box cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/pids.max)"
ok "pause" $m pause box
is "stands still" paused status
code "no exec meanwhile" 1 $m exec box true
ok "resume" $m resume box
has "ps" "sleep 1000" $m ps box
has "events" '"limit":50331648' $m events --stats box
has "list" box $m list -q
code "not while it runs" 1 $m delete box
ok "kill" $m kill box TERM
ok "ends" until_ok 20 is_now stopped
ok "delete" $m delete box
is "no cgroup" "" find /sys/fs/cgroup -name box
bundle "exit 7"
code "run" 7 $m run box
bundle "tail /dev/zero"
code "memory runs out" 137 $m run box
is "nothing is left" "" $m list -q
is "nothing mounted" "" grep /tmp/b /proc/mounts
is "no cgroup" "" find /sys/fs/cgroup -name box
finish
