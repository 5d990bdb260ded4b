# A kernel, busybox and little else: no cgroup is mounted, no /run, nothing in /etc and the environment, no /sys, no /dev.
. ./lib.sh
m=mydocker

rmmod overlay # it comes when it is asked for
umount /run
rmdir /run
mv /etc/passwd /etc/hosts /etc/group /tmp/
rm -f /etc/resolv.conf
before=$(cat /proc/mounts)
ok "import" env -i /bin/mydocker import busybox.tar busybox
is "run without an environment" "hello" env -i /bin/mydocker run --rm --network none busybox echo hello
ok "run -d" env -i /bin/mydocker run -d --name web busybox sleep 1000
has "exec without an environment" "HOME=/root" env -i /bin/mydocker exec web env
has "hosts of its own" "localhost" $m exec web cat /etc/hosts
has "resolv.conf of its own" "nameserver" $m exec web cat /etc/resolv.conf
has "a terminal" "/dev/pts/0" env -i /bin/mydocker exec -t web tty
# With its working directory outside of its root a process climbs as far as it can: to the container's root, not to ours.
ok "a jail in it" $m exec web sh -c 'mkdir /jail && cp /bin/busybox /jail/ && touch /inside'
is "a second chroot leads nowhere" "inside" $m exec web nsenter -r/jail -w/ /busybox sh -c "cd -P ../../../..; /busybox ls | /busybox grep -x -e inside -e payload -e init"
ok "stop" env -i /bin/mydocker stop -t 0 web
ok "rm" env -i /bin/mydocker rm web
mv /tmp/passwd /tmp/hosts /tmp/group /etc/

is "no input" "in" sh -c "$m run --rm --network none busybox echo in <&-"
is "no streams" "" sh -c "$m run --name quiet --network none busybox echo said <&- >&- 2>&-"
is "and its log" "said" $m logs quiet
ok "no streams, detached" sh -c "$m run -d --name free --network none busybox echo said <&- >&- 2>&-"
ok "its end" $m wait free
ok "rm both" $m rm quiet free

umount /sys
is "without /sys" "none" $m run --rm --network none busybox sh -c 'ls /sys/fs/cgroup >/dev/null && echo none'
ok "a port without /sys" $m run --rm -m 32m -p 81:80 busybox true
mount -t sysfs sysfs /sys

umount /dev/pts /dev/shm
umount -l /dev
rm -f /dev/null
has "without /dev" "/dev/pts/0" $m run --rm -t --network none busybox sh -c 'tty; ls /dev/null'
ok "detached without /dev" $m run -d --name bare --network none busybox sleep 1000
ok "exec without /dev" $m exec bare sh -c 'echo x >/dev/null'
ok "its end without /dev" $m rm -f bare
has "closed streams without /dev/null" "125" sh -c "{ $m run --rm --network none busybox true <&-; } 3>&1; echo 125"
is "nobody made one" "console" ls /dev
mount -t devtmpfs dev /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm

# The kernel's modules: by its own modprobe they came when they were asked for. Now there is none.
rm -f /sbin/modprobe
$m network rm -f lan >/dev/null 2>&1
has "modules came by themselves" "overlay" lsmod
for module in veth bridge overlay; do rmmod $module; done
has "no overlay, no modprobe" "overlay" $m run --rm --network none busybox true
code "and its code" 125 $m run --rm --network none busybox true
ln -s ../bin/busybox /sbin/modprobe
ok "with modprobe" $m run --rm busybox true

umount /proc
has "without /proc" "mount -t proc proc /proc" $m run --rm --network none busybox true
mount -t proc proc /proc
is "nothing mounted" "" grep mydocker /proc/mounts
is "as many mounts" "$(echo "$before" | wc -l)" grep -c "" /proc/mounts
finish
