#!/bin/busybox sh
# PID 1 of a machine that has a kernel, busybox and mydocker in an initramfs, for a moment: puts the example files where they
# belong and becomes busybox init.
/bin/busybox --install -s
mount -t devtmpfs dev /dev
exec </dev/console >/dev/console 2>&1
mount -t proc proc /proc
arg() { sed -n "s/.*\bvm\.$1=\([^ ]*\).*/\1/p" /proc/cmdline; }
step=$(arg step) nonce=$(arg nonce)
# Those of the examples do not know what kernel and what disk there is.
modprobe -a $(cat /etc/modules)
umount /proc
mkdir -p /etc/init.d /var/lib
ln -s /bin/busybox /bin/mydocker /payload/
ln -s /bin/mydocker /usr/bin/mydocker
for file in rcS rcK web; do
    sed 's;busybox httpd -f -p 80;-v book:/book busybox sh /book/server 2>/dev/null;' /payload/init/busybox/$file >/etc/init.d/$file
    chmod 755 /etc/init.d/$file
done
cp /payload/init/busybox/inittab /etc/inittab
echo "::once:/bin/touch /run/is-up
::shutdown:/bin/sh -c 'echo the last ends: \$(cut -d\" \" -f1 /var/lib/mydocker/volumes/book/_data/ends)'" >>/etc/inittab
setsid sh /payload/inits-watch.sh busybox "$step" "$nonce" &
exec /bin/busybox init
