# No clock with a battery: it is 1970. Then somebody sets it, and 56 years pass in between.
. ./lib.sh
m=mydocker
has "it is 1970" "1970" date
ok "import" $m import busybox.tar busybox
ok "run" $m run -d --name web busybox sh -c 'echo early; sleep 1000'
ok "ended" $m run --name done busybox echo done
ok "with a check" $m run -d --name well --health-cmd 'test -e /well' --health-interval 1s --health-start-period 1h \
    --health-start-interval 1s --health-retries 1 busybox sleep 1000
ok "restarts" $m run -d --name again --restart always busybox sh -c 'sleep 2; exit 1'
has "its age" "Up " $m ps
ok "no year" sh -c "! $m ps -a | grep -e - -e year | grep -v 'sh -c'"
has "log" "1970-01-01T" $m logs -t web
date -s "2026-11-22 12:00:00" >/dev/null
has "the age of what runs" "Up " $m ps
ok "is not 56 years" sh -c "! $m ps -f name=web --format '{{.Status}}' | grep year"
has "when it was made" "56 years ago" $m ps -f name=web
has "what ended" "Exited (0) 56 years ago" $m ps -a
ok "starts are over when their time is" sh -c "sleep 3; $m ps | grep 'health: starting'"
ok "a health that comes" $m exec well touch /well
ok "is seen" until_ok 20 sh -c "$m ps | grep '(healthy)'"
is "since yesterday" "" $m logs --since 24h web
is "since long ago" "early" $m logs --since 1970-01-01 web
ok "a wait that does not grow" until_ok 40 sh -c "test \$($m inspect -f '{{.RestartCount}}' again) -ge 3"
date -s "2001-09-09 01:46:40" >/dev/null
ok "back" sh -c "! $m ps --format '{{.Status}}' | grep -e - -e year"
has "never negative" "Created" $m ps -a --format '{{.Names}} Created {{.RunningFor}}'
start=$(cut -d. -f1 /proc/uptime)
$m exec -d web sh -c 'sleep 2' >/dev/null
(usleep 500000; date -s "2030-01-01 00:00:00" >/dev/null) &
ok "a stop with a clock that jumps" $m stop -t 3 web
took=$(($(cut -d. -f1 /proc/uptime) - start))
ok "takes its time ($took s)" test $took -ge 3
ok "prune until" $m container prune -f --filter until=24h
ok "end" $m rm -f well again
ok "check" $m system check
finish
