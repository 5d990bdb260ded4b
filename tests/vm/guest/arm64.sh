# What works on aarch64: all that works elsewhere, and what depends on the machine.
. ./lib.sh

sh ./smoke.sh || no "smoke.sh" "see above"

# The tests of the code itself, on this kernel: QEMU alone has not every system call.
for part in lib main; do
    ok "unit tests of src/$part.rs" ./units-$part -q
done

has "version" "linux/arm64" mydocker version
is "images say arm64" "linux/arm64" mydocker image inspect -f '{{.Os}}/{{.Architecture}}' busybox
for name in linux/arm64 linux/arm64/v8 linux/aarch64 arm64; do
    is "--platform $name" "aarch64" mydocker run --rm --platform $name busybox uname -m
done
has "--platform linux/amd64" "this host is linux/arm64" mydocker run --rm --platform linux/amd64 busybox true

# The filter of system calls knows the numbers of this machine, and those of its 32-bit programs.
b32="-v $PWD/busybox32:/busybox32:ro"
is "seccomp is on" "Seccomp:	2" mydocker run --rm busybox grep Seccomp: /proc/self/status
is "a closed call" "unshare: unshare(0x10000000): Operation not permitted" mydocker run --rm busybox unshare -U true
is "a 32-bit program runs" "32" mydocker run --rm $b32 busybox /busybox32 echo 32
is "its closed call" "unshare: unshare(0x10000000): Operation not permitted" mydocker run --rm $b32 busybox /busybox32 unshare -U true
echo '{"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["mkdirat","mkdir"],"action":"SCMP_ACT_ERRNO","errnoRet":28}]}' >/tmp/p.json
has "a profile's call" "No space left" mydocker run --rm --security-opt seccomp=/tmp/p.json busybox mkdir /x
sed 's/{/{"architectures":["SCMP_ARCH_AARCH64"],/' /tmp/p.json >/tmp/q.json
code "a profile without 32 bits" 159 mydocker run --rm --security-opt seccomp=/tmp/q.json $b32 busybox /busybox32 true
echo '{"defaultAction":"SCMP_ACT_ALLOW","architectures":["SCMP_ARCH_AARCH64","SCMP_ARCH_ARM"],"syscalls":[{"names":["mkdir"],"action":"SCMP_ACT_ERRNO","errnoRet":28}]}' >/tmp/r.json
has "a 32-bit program's call" "No space left" mydocker run --rm --security-opt seccomp=/tmp/r.json $b32 busybox /busybox32 mkdir /x
is "and not this machine's" "" mydocker run --rm --security-opt seccomp=/tmp/r.json busybox mkdir /x

# What is packed by hand for the kernel: signals, terminals, limits, programs for cgroups, file flags.
ok "run -d" mydocker run -d --name one --ulimit nofile=100:200 busybox sh -c 'trap "exit 9" USR1; while :; do sleep 1; done'
is "limits" "100" mydocker exec one sh -c 'ulimit -n'
has "a terminal" "/dev/" mydocker run --rm -t busybox tty
ok "pause" mydocker pause one
is "paused" "paused" mydocker inspect -f '{{.State.Status}}' one
ok "unpause" mydocker unpause one
has "top" "sleep" sh -c 'sleep 1; mydocker top one'
ok "stats" mydocker stats --no-stream one
ok "update" mydocker update -m 64m one
ok "kill" mydocker kill -s USR1 one
is "wait" "9" mydocker wait one
ok "start" mydocker start one
ok "restart" mydocker restart -t 1 one
ok "cp in" mydocker cp ./smoke.sh one:/tmp/
is "diff" "C /tmp A /tmp/smoke.sh" sh -c 'mydocker diff one | xargs'
ok "cp out" mydocker cp one:/tmp/smoke.sh /tmp/copied
ok "the same" cmp smoke.sh /tmp/copied
has "devices are closed" "Operation not permitted" mydocker run --rm busybox sh -c 'mknod /fuse c 10 229 && exec 3</fuse'
is "and open" "1" mydocker run --rm --device-cgroup-rule 'c 10:229 r' busybox sh -c 'mknod /fuse c 10 229 && exec 3</fuse && echo 1'
ok "userns" sh -c 'mydocker run --rm --userns auto busybox cat /proc/self/uid_map | { read inside outside count; [ $outside -gt 0 ]; }'
is "read-only" "1" sh -c 'mydocker run --rm --read-only busybox touch /x 2>/dev/null; echo $?'
ok "volume" mydocker run --rm -v data:/data busybox sh -c 'echo 1 >/data/x'
is "volume again" "1" mydocker run --rm -v data:/data busybox cat /data/x
ok "save" sh -c 'mydocker save busybox site | gzip >/tmp/images.tar.gz'
ok "rmi" mydocker rmi site
ok "load" mydocker load -i /tmp/images.tar.gz
ok "bundle" mydocker bundle site -o /tmp/app --entry site cat /www/index.html
is "its own program" "page" env MYDOCKER_ROOT=/tmp/other MYDOCKER_RUN=/run/other /tmp/app
is "foreign program" "126" sh -c 'printf "\177ELF\2\1\1\0\0\0\0\0\0\0\0\0\2\0\76\0" >/tmp/amd64; chmod 755 /tmp/amd64
    mydocker run --rm -v /tmp/amd64:/amd64 busybox /amd64 2>/dev/null; echo $?'
ok "events" sh -c 'mydocker events --since 1h --until 0s | grep -q start'
ok "rm -f" mydocker rm -f one
ok "volume rm" mydocker volume rm data
ok "system check" mydocker system check --deep
is "nothing mounted" "" grep mydocker /proc/mounts
is "nothing runs" "" mydocker ps -aq
is "no cgroup" "" find /sys/fs/cgroup -name 'mydocker-*'
finish
