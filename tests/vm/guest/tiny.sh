# 64 MB, of which the kernel leaves 35. The store is on a disk.
. ./lib.sh
m=mydocker
left() { sed -n 's/^Mem\(Total\|Available\): *\([0-9]*\) kB/\1 \2 KiB/p' /proc/meminfo; }
peak() { # COMMAND…: its largest resident set, the children's counted one by one
    busybox time -v "$@" 2>&1 >/dev/null | sed -n 's/.*Maximum resident set size (kbytes): /peak KiB: /p'
}
left
ok "import" $m import busybox.tar busybox
ok "run -d" $m run -d --name web --network none busybox sleep 1000
ok "exec" $m exec web true
is "run" "hello" $m run --rm --network none busybox echo hello
ok "8 MB more" $m run --name fat --network none busybox dd if=/dev/urandom of=/fat bs=64k count=128
ok "commit" $m commit fat fat
ok "save" $m save -o /fat.tar fat
ok "rm fat" $m rm fat
ok "rmi" $m rmi fat
echo "load: $(peak $m load -i /fat.tar)"
is "what was loaded" "8388608" $m run --rm --network none fat stat -c %s /fat
echo "import: $(peak $m import busybox.tar other)"
is "what was imported" "hello" $m run --rm --network none other echo hello
echo "run: $(peak $m run --rm --network none busybox true)"
has "logs" "one" sh -c "$m run --name log --network none busybox echo one >/dev/null && $m logs log"
monitor=$(sed -n 's/^PPid:\t//p' "/proc/$($m inspect -f '{{.State.Pid}}' web)/status")
echo "monitor: $(grep -e VmHWM -e RssAnon "/proc/$monitor/status" | tr -d '\n')"
ok "stop" $m stop -t 1 web
ok "rm" $m rm web log
ok "nobody was killed" sh -c '! dmesg | grep -i -e "out of memory" -e oom-kill'
left
finish
