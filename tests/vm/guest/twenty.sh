# Twenty containers before a power cut (vm.step=1) and after it (2). The store is on the disk at /data.
. ./lib.sh
export MYDOCKER_ROOT=/data/store
m=mydocker
now_ms() { awk '{ print $1 * 1000 }' /proc/uptime; }
if grep -q vm.step=1 /proc/cmdline; then
    ok "import" $m import busybox.tar busybox
    for number in $(seq 20); do
        network=none
        [ $((number % 2)) = 0 ] || network=bridge
        $m run -d --name "box$number" --restart always --network $network busybox sleep 1000 || no "run $number" "failed"
    done
    echo "all twenty run"
    sleep 1000 # until the power goes
fi
begun=$(now_ms)
ok "boot" $m boot
took=$(($(now_ms) - begun))
is "all run" 20 sh -c "$m ps -q | wc -l"
echo "boot of 20 after a power cut: $took ms"
has "again, nothing is started" "was running" $m boot
is "not one is new" "" sh -c "$m boot | grep -v -e NAME -e 'was running'"
ok "shutdown" $m shutdown -t 5
is "nothing runs" "" $m ps -q
ok "system check" $m system check
finish
