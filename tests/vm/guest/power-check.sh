# Looks at disks that had a power cut. A line of `cuts` for each: the device, the cut's name, and whether `system check` comes
# `first`, as a careful person would have it, or `last`. /payload/said/<name> is what power-work.sh had said before the cut.
mkdir -p /data
bad() { echo "FAIL $name: $*"; failed=1; }
# what COMMAND…: it succeeds; what it printed is in $out.
what() { out=$("$@" 2>&1) || bad "$(echo "$*" | cut -c1-80): code $?: $out"; }
sum() { sha256sum "$1" 2>&1 | cut -c1-16; }
has() { echo "$2" | grep -qx "$1"; }
sound() {
    said=$(mydocker system check --repair 2>&1)
    code=$?
    [ $code -le 1 ] || bad "system check --repair: code $code: $said"
    repaired="$repaired
$(echo "$said" | grep -v ^clean: | sed "s/[0-9a-f]\{12,\}/ID/g; s/^/$name $cut: /")"
    what mydocker system check --deep
}

facts() {
    containers=$(mydocker ps -aq --no-trunc) || bad "ps: code $?"
    states=
    [ -z "$containers" ] || states=$(mydocker inspect -f \
        '{{.Name}} {{.State.Status}} {{.State.ExitCode}} {{.State.StartedAt}} {{.HostConfig.RestartPolicy.Name}}' $containers 2>&1) ||
        bad "inspect: code $?: $states"
    images=$(mydocker images --format '{{.Repository}}' 2>&1) || bad "images: code $?: $images"
    volumes=$(mydocker volume ls -q 2>&1) || bad "volume ls: code $?: $volumes"
    networks=$(mydocker network ls --format '{{.Name}}' 2>&1) || bad "network ls: code $?: $networks"
}

# promised KIND NAME WORDS…
promised() {
    case $1 in
    container) found=$(echo "$states" | grep -q "^/$2 " && echo there || echo gone) ;;
    image) found=$(has "$2" "$images" && echo there || echo gone) ;;
    volume) found=$(has "$2" "$volumes" && echo there || echo gone) ;;
    network) found=$(has "$2" "$networks" && echo there || echo gone) ;;
    data) found=$(sum "/data/store/volumes/${2%%/*}/_data/${2#*/}") ;;
    file)
        [ "$order" = last ] || return 0 # its layers were compared with their ids
        found=$(mydocker run --rm --network none "${2%%/*}" sha256sum "/${2#*/}" 2>&1 | cut -c1-16)
        ;;
    policy) found=$(echo "$states" | sed -n "s|^/$2 .* ||p") ;;
    # What ran when the power went was killed, and is known to have run.
    state)
        found=$(echo "$states" | sed -n "s|^/$2 exited ||p")
        case "$3 $found" in
        "running 137 0001-"*) found="never ran" ;;
        "running 137 "*) found=running ;;
        "stopped "*) found="stopped ${found%% *}" ;;
        esac
        ;;
    esac
    wanted="${3}${4:+ $4}"
    [ "$found" = "$wanted" ] || bad "$1 $2: $found instead of $wanted"
}

# Everything starts, stops, and can be removed.
use() {
    if [ -n "$containers" ]; then
        what mydocker start $containers
        running=$(mydocker ps --format '{{.Names}}' 2>&1)
        for one in $(echo "$states" | cut -d' ' -f1); do
            case $one in
            /once* | /job*) ;; # they end by themselves
            *) has "${one#/}" "$running" || bad "$one does not run: $running" ;;
            esac
        done
        what mydocker stop -t 0 $containers
        what mydocker rm -v $containers
    fi
    for n in 1 2; do
        if has base$n "$images" && has warm$n "$volumes"; then
            out=$(mydocker run --rm --network none -v warm$n:/srv base$n sha256sum /srv/deep/file 2>&1 | cut -c1-16)
            [ "$out" = "$(cat content)" ] || bad "warm$n has half of its content: $out"
        fi
    done
    images=$(echo "$images" | grep -v '^<none>$')
    [ -z "$images" ] || what mydocker rmi $images
    what mydocker image prune -af # what was cut off between an image and its name
    what mydocker import tiny.tar tiny
    what mydocker volume prune -af
    what mydocker rmi tiny
    # What a monitor throws away it sweeps after its answer.
    left=100
    while [ -n "$(ls /data/store/trash /data/store/tmp | grep -v :)" ] && [ $left -gt 0 ]; do
        usleep 20000
        left=$((left - 1))
    done
    for dir in containers names images refs layers volumes tmp trash; do
        [ -z "$(ls -A /data/store/$dir)" ] || bad "left in $dir: $(ls -A /data/store/$dir | head -3 | tr '\n' ' ')"
    done
}

echo tiny >/tmp/tiny && tar -C /tmp -cf tiny.tar tiny
bad_ones=0 repaired=
while read -r device name order; do
    failed=
    grep "^file base1/" "said/$name" | tail -1 | cut -d' ' -f3 >content
    cut=$(tail -1 "said/$name")
    if ! mount -t ext4 "/dev/$device" /data; then
        bad mount
    else
        export MYDOCKER_ROOT=/data/store MYDOCKER_RUN=/run/$name
        [ "$order" = last ] || sound
        facts
        awk '{ key = $1 " " $2; $1 = $2 = ""; last[key] = $0 } END { for (key in last) print key, last[key] }' "said/$name" >/tmp/last
        while read -r kind thing value; do
            case $value in '?' | '') ;; *) promised "$kind" "$thing" $value ;; esac
        done </tmp/last
        use
        sound
        umount /data || bad umount
        echo "looked at $name: $(cut -d' ' -f1 /proc/uptime)"
    fi
    [ -z "$failed" ] || { bad_ones=$((bad_ones + 1)); echo "FAIL $name: cut after: $cut, check $order"; }
done <cuts
echo "$repaired" | grep . | sed 's/^/repaired: /'
exit $bad_ones
