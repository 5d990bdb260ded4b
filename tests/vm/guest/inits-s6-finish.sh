#!/payload/busybox sh
# s6-svscan's end: nothing is supervised any more.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
kill -TERM -1
/payload/busybox sleep 1
kill -KILL -1
umount -a -r
/payload/busybox "$(cat /run/how 2>/dev/null || echo poweroff)" -f
