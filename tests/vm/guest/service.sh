# `mydocker run` as a service of an init: a line of its table, a child of PID 1 without a terminal, HOME and PATH. Here PID 1
# is that of a pid namespace. What it would hear from the kernel of a machine it hears from this script, which it runs, too.
. ./lib.sh
m=/bin/mydocker
log=/svc/log
runs() { test "$(wc -l <$log/runs)" -ge "$1"; }
processes() { ps -o pid,args | awk "/[m]ydocker run --rm --name web/ {print \$1}"; }

if [ "$1" = inside ]; then
    exec >/svc/said 2>&1
    PATH=/bin:/sbin
    ok "it comes up" until_ok 60 runs 1
    ok "a service that ends" until_ok 60 test -s $log/env
    is "no terminal" "not a tty" cat $log/tty
    ok "an environment" grep -q '^HOME=/root$' $log/env
    ok "its command is killed" kill -9 "$($m inspect -f '{{.State.Pid}}' web)"
    ok "and comes again" until_ok 60 runs 2
    ok "stopped by a person" $m stop web
    ok "comes again, too" until_ok 60 runs 3
    is "its command was told" "term" head -1 $log/term
    # The monitor has the same arguments; it was made by the service, and has the higher number.
    ok "the service is told to end" kill -TERM "$(processes | head -1)"
    ok "and comes again with its name" until_ok 60 runs 4
    is "its command was told again" "2" sh -c "grep -c term $log/term"
    ok "all is killed" kill -9 $(processes)
    ok "that comes again, too" until_ok 60 runs 5
    ok "ctrl-alt-del" kill -INT 1
    ok "is heard" until_ok 20 test -s $log/cad
    echo "$failures" >/svc/failures
    kill -USR2 1 # poweroff
    exit
fi

ok "import" $m import busybox.tar busybox
mkdir -p $log
cat >/etc/inittab <<'T'
::sysinit:/bin/mount -t proc proc /proc
::respawn:/bin/mydocker run --rm --name web -v /svc/log:/log busybox sh -c 'trap "echo term >>/log/term; exit 3" TERM; echo run >>/log/runs; while :; do sleep 1; done'
::once:/bin/mydocker run --rm --name once --network none -v /svc/log:/log busybox sh -c 'tty >/log/tty; env >/log/env; exit 7'
::once:/bin/sh -c 'cd /payload && exec /bin/sh ./service.sh inside'
::ctrlaltdel:/bin/sh -c 'echo pressed >/svc/log/cad'
::shutdown:/bin/sh -c '/bin/mydocker stop web; echo stopped >/svc/log/down'
T
touch $log/runs
# If it hangs, what it said is worth more than the machine's limit.
(sleep 200; cat /svc/said; ps -o pid,ppid,args; kill -9 $(ps -o pid,args | awk '$2 == "init" || $3 == "init" {print $1}')) &
env -i setsid /bin/unshare -p -f -m /bin/busybox init </dev/null >/dev/null 2>&1
cat /svc/said
failures=$(cat /svc/failures)
is "the machine went down" "stopped" cat $log/down
is "what ran was told" "3" sh -c "grep -c term $log/term"
is "nothing runs" "" $m ps -aq
ok "check" $m system check
finish
