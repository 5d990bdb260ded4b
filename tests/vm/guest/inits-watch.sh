# inits-watch.sh INIT STEP NONCE: looks on while a machine with that init goes up, does what a person would do, and has it go down.
#   step 1: makes containers, tries the supervised one, poweroff
#   step 2: they run again; waits for the power cut
#   step 3: they run again; reboot
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
cd /payload || exit
/payload/busybox mkdir -p bin
for applet in usleep ps; do /payload/busybox ln -sf /payload/busybox bin/$applet; done
PATH=$PATH:/payload/bin
. ./lib.sh
init=$1 step=$2 nonce=$3
say() { echo "[$init $step $(cut -d' ' -f1 /proc/uptime)] $*"; }

is_up() {
    case $init in
    systemd) systemctl is-active -q mydocker && systemctl is-active -q web ;;
    openrc) grep -q started /run/openrc/softlevel || [ -e /run/openrc/started/web ] ;;
    runit) sv status mydocker | grep -q '^run' && pidof sleep ;;
    s6) [ "$(s6-svstat -o up /etc/s6/mydocker)" = true ] && pidof sleep ;;
    *) [ -e /run/is-up ] ;;
    esac
}
service() { # up | down
    case $init-$1 in
    systemd-up) systemctl start web ;;
    systemd-down) systemctl stop web ;;
    openrc-up) rc-service -q web start ;;
    openrc-down) rc-service -q web stop ;;
    runit-up) sv up web ;;
    runit-down) sv -w 30 down web ;;
    s6-up) s6-svc -u /etc/s6/web ;;
    s6-down) s6-svc -wD -T 30000 -d /etc/s6/web ;;
    *) return 1 ;;
    esac
}
# What the supervisor knows of the service's last end. The others forget it, or tell only its finish script.
exit_code() {
    case $init in
    systemd) systemctl show -P ExecMainStatus web ;;
    s6) s6-svstat -o exitcode /etc/s6/web ;;
    *) echo 7 ;;
    esac
}
go_down() { # poweroff | reboot
    say "$1"
    case $init-$1 in
    systemd-*) systemctl "$1" ;;
    openrc-poweroff) openrc-shutdown -p now ;;
    openrc-reboot) openrc-shutdown -r now ;;
    runit-poweroff) /lib/runit/runit-init 0 ;;
    runit-reboot) /lib/runit/runit-init 6 ;;
    s6-*) echo "$1" >/run/how && s6-svc -wD -T 80000 -d /etc/s6/web && s6-svc -wD -T 80000 -d /etc/s6/mydocker && s6-svscanctl -t /etc/s6 ;;
    sysvinit-poweroff) shutdown -h -P now ;;
    sysvinit-reboot) shutdown -r now ;;
    busybox-reboot) kill -INT 1 ;; # as the kernel does for control-alt-delete
    *) /payload/busybox "$1" ;;
    esac
}
running() { mydocker ps --format '{{.Names}}' | sort | tr '\n' ' '; }
runs() { [ "$(running)" = "$1 " ]; }
begins() { wc -l <"$book/$1" 2>/dev/null || echo 0; }
has_begun() { [ "$(begins "$1")" -ge "$2" ]; }
pid_of() { mydocker inspect -f '{{.State.Pid}}' "$1"; }
# The `run` that a supervisor started, not the container's monitor, which looks the same but for its name.
client() {
    for process in /proc/[0-9]*; do
        [ "$(cat "$process/comm")" = mydocker-mon ] && continue
        tr '\0' ' ' <"$process/cmdline" | grep -q '^/usr/bin/mydocker run.* --name web' && echo "${process#/proc/}"
    done 2>/dev/null
}

make() {
    cp inits-server.sh "$book/server"
    ok "import" mydocker import busybox.tar busybox
    [ "$init" = systemd ] && cpus='--cpus 0.5'
    options="--network none -v book:/book"
    is "with nothing in the environment, nothing open" "/root" \
        sh -c 'exec setsid env -i /usr/bin/mydocker run --rm --network none busybox sh -c "echo \$HOME" <&-'
    ok "db" mydocker run -d $options --name db --restart always $cpus --health-cmd 'test -e /book/db' --health-interval 1s busybox sh /book/server db 1
    ok "app" mydocker run -d $options --name app --restart unless-stopped --after db busybox sh /book/server app 1
    ok "rest" mydocker run -d $options --name rest --restart unless-stopped busybox sh /book/server rest
    ok "a person stops one" mydocker stop rest
    hand="mydocker run -d $options --name hand busybox sh /book/server hand 2"
    if [ "$init" = systemd ]; then
        ok "in a session" systemd-run -q --scope --slice=user.slice -u session-7.scope $hand
        has "it is to end later" mydocker.service systemctl show -P Before session-7.scope
    else
        ok "by hand" $hand
    fi
}

supervised() {
    rm -f $book/ends
    ok "the service runs" until_ok 30 has_begun web 1
    kill -9 "$(pid_of web)"
    ok "it is respawned" until_ok 30 has_begun web 2
    kill -9 "$(client)"
    ok "also without its client" until_ok 30 has_begun web 3
    if service down; then
        has "its command was told" web cat $book/ends
        is "it is down" "" mydocker ps -q --filter name=web
        is "its exit code was handed on" 7 exit_code
        service up
        ok "and up again" until_ok 30 has_begun web 4
    fi
}

gone() { [ "$(systemctl show -P ActiveState "$1")" = inactive ]; }
limits() {
    [ "$init" = systemd ] || return 0
    limit() { cat "/sys/fs/cgroup/mydocker-$(mydocker inspect -f '{{.Id}}' db)/cpu.max"; }
    is "limit" "50000 100000" limit
    # Units that want these controllers come and go.
    systemctl daemon-reload
    for unit in one two; do
        systemd-run -q -u $unit -p CPUWeight=50 -p IOWeight=50 true
        ok "unit $unit" until_ok 30 gone $unit
    done
    systemctl daemon-reload
    is "limit afterwards" "50000 100000" limit
}

# The book of the last end: who went when, to hundredths of a second.
ends() { cut -d' ' -f1 $book/ends | tr '\n' ' '; }
before() { [ -n "$(sed -n "/^$1 /,\$ s/^$2 //p" $book/ends)" ]; }

exec </dev/null >/dev/console 2>&1
ok "it is up" until_ok 200 is_up
mydocker volume create book >/dev/null
book=$(mydocker volume inspect -f '{{.Mountpoint}}' book)
say "$(uname -r), pid 1 is $(cat /proc/1/comm)"
case $step in
1)
    make
    supervised
    limits
    ok "all run" runs "app db hand web"
    rm -f $book/ends
    ;;
*)
    if [ "$step" = 2 ]; then
        say "ends: $(ends)"
        for name in app db hand web; do ok "$name was told" grep -q "^$name " $book/ends; done
        ok "in order" before app db
    fi
    ok "they run again" until_ok 60 runs "app db web"
    ok "healthy" until_ok 60 has "" healthy mydocker ps
    ok "store" mydocker system check
    is "nothing mounted" "" sh -c 'grep mydocker /proc/mounts | grep -v ^/dev/vda'
    rm -f $book/ends
    ;;
esac
[ $failures = 0 ] || { mydocker ps -a; cat $book/ends; ps -o pid,ppid,args | grep -v '\[' | tail -20; }
sync
echo
echo "@@VM-EXIT $nonce $failures@@"
[ "$step" = 2 ] && while :; do /payload/busybox sleep 100; done
case $step in 1) go_down poweroff ;; *) go_down reboot ;; esac
