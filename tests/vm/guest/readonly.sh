# "/" is read-only.
. ./lib.sh
m=mydocker
cp /payload/busybox.tar /tmp/busybox.tar
umount /run
mkdir -p /work
mount -o remount,ro /
has "no place for the store" "read-only" $m run --rm --network none busybox true
code "its code" 125 $m run --rm --network none busybox true
has "an import" "/var/lib/mydocker" $m import /tmp/busybox.tar busybox
has "ps" "--root DIRECTORY" $m ps
mount -t tmpfs tmpfs /work
export MYDOCKER_ROOT=/work/store
has "no place for what runs" "/run/mydocker" sh -c "$m import /tmp/busybox.tar busybox; $m run --rm busybox true"
export MYDOCKER_RUN=/work/run
ok "import" $m import /tmp/busybox.tar busybox
is "run" "hello" $m run --rm busybox echo hello
ok "run -d" $m run -d --name web busybox sleep 1000
ok "exec" $m exec web true
ok "stop" $m rm -f web
ok "check" $m system check
finish
