#!/payload/busybox sh
# PID 1 of a machine with the disk of build/inits, for a moment: puts the example files of build/init where they belong, leaves
# inits-watch.sh to look on, and becomes the init that vm.init= names.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/ TERM=linux
p=/payload busybox=/payload/busybox
exec </dev/console >/dev/console 2>&1
$busybox mount -t proc proc /proc
arg() { $busybox sed -n "s/.*\bvm\.$1=\([^ ]*\).*/\1/p" /proc/cmdline; }
init=$(arg init) step=$(arg step) nonce=$(arg nonce)

# What a container of the tests is, in place of the web server of the examples: it writes its begin and its end into a book.
server='-v book:/book busybox sh /book/server web'
from_example() { $busybox sed "s;busybox httpd -f -p 80;$server;" "$p/init/$1" >"$2"; }
program() { from_example "$1" "$2" && $busybox chmod 755 "$2"; }

# What update-rc.d does when a package is installed.
sysv_scripts() {
    $busybox rm -f $($busybox grep -l openrc-run /etc/init.d/*)
    (cd /etc/init.d && insserv $($busybox grep -l "BEGIN INIT INFO" *))
}

install() {
    $busybox rm -f /sbin/modprobe /etc/mtab
    $busybox ln -s $busybox /sbin/modprobe
    $busybox ln -s /proc/self/mounts /etc/mtab
    $busybox cp $p/mydocker /usr/bin/mydocker
    # The service's image: it runs from the beginning, and sysvinit is tired of what fails ten times.
    mydocker import $p/busybox.tar busybox >/dev/null || echo "FAIL no image"
    $busybox mkdir -p /etc/init.d
    echo "/dev/vda / ext4 defaults 0 1" >/etc/fstab
    case $init in
    busybox)
        $busybox rm /sbin/reboot # sysvinit's
        $busybox --install -s
        $busybox rm -rf /etc/init.d/*
        $busybox cp $p/init/busybox/inittab /etc/inittab
        echo "::once:$busybox touch /run/is-up" >>/etc/inittab
        for file in rcS rcK web; do program busybox/$file /etc/init.d/$file; done
        ;;
    sysvinit)
        program sysvinit/mydocker /etc/init.d/mydocker
        program busybox/web /etc/web
        sysv_scripts
        echo 'id:2:initdefault:
si::sysinit:/etc/init.d/rcS
l0:0:wait:/etc/init.d/rc 0
l2:2:wait:/etc/init.d/rc 2
l6:6:wait:/etc/init.d/rc 6
up:2:once:/bin/touch /run/is-up
web:2:respawn:/etc/web' >/etc/inittab
        ;;
    openrc)
        program openrc/mydocker /etc/init.d/mydocker
        program openrc/web /etc/init.d/web
        # Every distribution with OpenRC has this service; Debian has other ones.
        $busybox cp $p/inits-localmount.sh /etc/init.d/localmount
        $busybox rm -f $($busybox grep -L openrc-run /etc/init.d/*)
        $busybox ln -s /etc/init.d/localmount /etc/runlevels/boot/
        for name in mydocker web; do $busybox ln -s /etc/init.d/$name /etc/runlevels/default/; done
        ;;
    runit)
        sysv_scripts # its first stage runs those of rcS.d, its last those of rc0.d
        $busybox ln -s default /etc/runit/runsvdir/current
        for service in mydocker web; do
            $busybox mkdir -p /etc/sv/$service
            for file in run finish; do program runit/$service/$file /etc/sv/$service/$file; done
            $busybox ln -s /run/runit/$service /etc/sv/$service/supervise
            $busybox ln -s /etc/sv/$service /etc/runit/runsvdir/default/
        done
        program runit/rc.shutdown /etc/runit/rc.shutdown
        ;;
    s6)
        for service in mydocker web; do
            $busybox mkdir -p /etc/s6/$service
            for file in $($busybox ls $p/init/s6/$service); do program s6/$service/$file /etc/s6/$service/$file; done
        done
        $busybox mkdir -p /etc/s6/.s6-svscan
        $busybox cp $p/inits-s6-finish.sh /etc/s6/.s6-svscan/finish
        ;;
    systemd)
        units=/etc/systemd/system
        $busybox rm -rf /etc/init.d /etc/rc?.d
        $busybox mkdir -p $units/session-.scope.d $units/multi-user.target.wants
        from_example systemd/mydocker.service $units/mydocker.service
        from_example systemd/web.service $units/web.service
        from_example systemd/session-.scope.conf $units/session-.scope.d/mydocker.conf
        for name in mydocker web; do $busybox ln -s ../$name.service $units/multi-user.target.wants/; done
        for name in getty@ serial-getty@ systemd-logind systemd-networkd systemd-resolved; do
            $busybox ln -s /dev/null $units/$name.service
        done
        $busybox ln -sf /lib/systemd/system/multi-user.target $units/default.target
        echo 0123456789abcdef0123456789abcdef >/etc/machine-id
        ;;
    esac
    echo "$init" >/etc/installed
}

[ -e /etc/installed ] || install
$busybox setsid $busybox sh $p/inits-watch.sh "$init" "$step" "$nonce" &
case $init in
busybox) $busybox umount /proc; exec $busybox init ;;
sysvinit) $busybox umount /proc; exec /sbin/init ;;
openrc) $busybox umount /proc; exec /sbin/openrc-init ;;
runit) $busybox umount /proc; exec /sbin/runit ;;
systemd) $busybox umount /proc; exec /lib/systemd/systemd ;;
s6) # It has no first steps of its own.
    $busybox mount -t sysfs sysfs /sys
    $busybox mount -t tmpfs tmpfs /run
    $busybox mount -t cgroup2 cgroup2 /sys/fs/cgroup
    exec s6-svscan /etc/s6
    ;;
esac
