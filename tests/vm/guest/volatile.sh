# The store in memory: what "/" of an initramfs is, tmpfs, ramfs.
. ./lib.sh
mkdir -p /store/tmpfs /store/ramfs /store/root
mount -t tmpfs tmpfs /store/tmpfs
mount -t ramfs ramfs /store/ramfs
for kind in root tmpfs ramfs; do
    m="mydocker --root /store/$kind/root --run-root /store/$kind/run"
    ok "$kind: import" $m import busybox.tar busybox
    is "$kind: run" "hello" $m run --rm --network none busybox echo hello
    # ramfs keeps no extended attributes: the kernel marks no directory as removed there (EIO), files it does.
    replace='rm -rf /usr && mkdir /usr && echo new >/usr/file'
    [ $kind != ramfs ] || replace=true
    ok "$kind: changes" $m run --name box --network none busybox sh -c "rm /bin/wget && $replace"
    has "$kind: diff" "D /bin/wget" $m diff box
    ok "$kind: commit" $m commit box changed
    [ $kind = ramfs ] || is "$kind: an opaque directory" "file" $m run --rm --network none changed ls /usr
    ok "$kind: again" $m start box
    $m wait box >/dev/null
    ok "$kind: volume" $m run --rm --network none -v data:/data busybox sh -c 'echo kept >/data/x'
    is "$kind: volume again" "kept" $m run --rm --network none -v data:/data busybox cat /data/x
    ok "$kind: rm" $m rm -f box
    ok "$kind: check" $m system check
done
finish
