# Every command that changes the store, on a disk whose writes are recorded. Before each one `may` says of what nothing is
# known from now on, after its answer `is` says what is promised. power-check.sh reads that.
export MYDOCKER_ROOT=/data/store MYDOCKER_RUN=/run/mydocker
at=$(cat mark-at)
may() { for thing in "$@"; do mark /dev/vda "$at" "$thing ?"; done; }
is() { mark /dev/vda "$at" "$*"; }
die() { echo "FAIL $*"; exit 1; }
md() { mydocker "$@" >/tmp/said 2>&1 || die "$*: $(cat /tmp/said)"; }
sum() { sha256sum "$1" | cut -c1-16; }
# Commits the file system's journal all the time, and no file's content but its own: what needs its content on disk before
# its name must say so itself.
noise() { while [ -e /tmp/noisy ]; do echo >>/data/noise; sync /data/noise; usleep 20000; done; }

mkdir -p /tmp/tree/bin /tmp/tree/srv/deep /tmp/tree/etc
cp /bin/busybox /tmp/tree/bin/
for name in sh sleep cat sha256sum true cp sync; do ln -s busybox /tmp/tree/bin/$name; done
dd if=/dev/urandom of=/tmp/tree/srv/deep/file bs=1k count=40 2>/dev/null
content=$(sum /tmp/tree/srv/deep/file)
long='trap "exit 3" TERM; while :; do sleep 1000 & wait; done'

mount -t ext4 -o noinit_itable /dev/vda /data || die mount
mydocker info >/dev/null
sync
is begin

round() {
    n=$1
    echo "$n" >/tmp/tree/etc/round
    tar -C /tmp/tree -cf /tmp/tree.tar .
    may "image base$n"
    md import /tmp/tree.tar "base$n"
    is "image base$n" there
    is "file base$n/srv/deep/file" "$content"

    may "container made$n" "volume anchor$n"
    md create --network none --name "made$n" -v "anchor$n:/srv" "base$n" sh -c "$long"
    is "container made$n" there
    is "volume anchor$n" there
    is "data anchor$n/deep/file" "$content"

    may "container web$n" "volume data$n" "state web$n" "data data$n/own" "data data$n/deep/file"
    md run -d --network none --name "web$n" --restart unless-stopped -v "data$n:/srv" "base$n" sh -c "$long"
    is "container web$n" there
    is "volume data$n" there
    is "state web$n" running
    is "data data$n/deep/file" "$content"
    md exec "web$n" sh -c 'sha256sum /bin/busybox >/written; cp /written /srv/own; sync /srv/own; sync /srv'
    md cp "web$n:/written" /tmp/written
    is "data data$n/own" "$(sum /tmp/written)"

    may "image snap$n"
    md commit "web$n" "snap$n"
    is "image snap$n" there
    is "file snap$n/written" "$(sum /tmp/written)"
    md save -o /tmp/snap.tar "snap$n"

    may "state web$n"
    md stop "web$n"
    is "state web$n" stopped 3
    may "image snap$n" "file snap$n/written"
    md rmi "snap$n"
    is "image snap$n" gone
    may "image snap$n"
    md load -i /tmp/snap.tar
    is "image snap$n" there
    is "file snap$n/written" "$(sum /tmp/written)"

    may "state web$n"
    md start "web$n"
    is "state web$n" running
    may "container made$n" "container other$n"
    md rename "made$n" "other$n"
    is "container made$n" gone
    is "container other$n" there

    # In the foreground nothing is promised, but that nothing is half.
    mydocker run --network none --name "once$n" "base$n" sh -c 'exit 5'
    may "container job$n"
    md run -d --network none --name "job$n" "base$n" sh -c 'exit 6'
    is "container job$n" there
    [ "$(mydocker wait "job$n")" = 6 ] || die wait
    is "state job$n" stopped 6

    # Of these nothing is promised, but they must not be in anybody's way. What a volume has, it has whole.
    md run -d --rm --network none --name "passing$n" -v /anonymous "base$n" sh -c "$long"
    md run --rm --network none -v "warm$n:/srv" "base$n" true
    may "data warm$n/deep/file"
    md run --rm --network none -v "warm$n:/srv" "base$n" sha256sum /srv/deep/file

    may "policy web$n"
    md update --restart always "web$n"
    is "policy web$n" always
    may "image tag$n"
    md tag "base$n" "tag$n"
    is "image tag$n" there
    may "volume empty$n"
    md volume create "empty$n"
    is "volume empty$n" there
    may "network net$n"
    md network create "net$n"
    is "network net$n" there

    # What is removed stays removed.
    may "image tag$n"
    md rmi "tag$n"
    is "image tag$n" gone
    may "volume empty$n"
    md volume rm "empty$n"
    is "volume empty$n" gone
    may "network net$n"
    md network rm "net$n"
    is "network net$n" gone
    may "container other$n" "state other$n"
    md rm "other$n"
    is "container other$n" gone
    may "container web$n" "state web$n" "policy web$n"
    md rm -f "web$n"
    is "container web$n" gone
    may "volume data$n" "data data$n/own" "data data$n/deep/file"
    md volume rm "data$n"
    is "volume data$n" gone
    md kill "passing$n"
    may "container again$n" "state again$n"
    md run -d --network none --name "again$n" --restart always "base$n" sh -c "$long"
    is "container again$n" there
    is "state again$n" running
}

touch /tmp/noisy
noise &
noise=$!
round 1
rm /tmp/noisy
wait $noise
round 2
exit 0
