# What the scripts have in common: checks that are counted.
failures=0

# ok NAME COMMAND…: the command succeeds.
ok() {
    local name=$1 said
    shift
    if said=$("$@" 2>&1); then echo "ok    $name"; else no "$name" "code $?: $said"; fi
}

# is NAME WANTED COMMAND…: the command prints this (and nothing else on either stream), whatever its code.
is() {
    local name=$1 wanted=$2 said
    shift 2
    said=$("$@" 2>&1)
    if [ "$said" = "$wanted" ]; then echo "ok    $name"; else no "$name" "said: $said; wanted: $wanted"; fi
}

# has NAME PART COMMAND…: what the command prints has this in it.
has() {
    local name=$1 part=$2 said
    shift 2
    said=$("$@" 2>&1)
    case $said in *"$part"*) echo "ok    $name" ;; *) no "$name" "said: $said; wanted in it: $part" ;; esac
}

# code NAME WANTED COMMAND…: the command's exit code.
code() {
    local name=$1 wanted=$2 said c
    shift 2
    said=$("$@" 2>&1)
    c=$?
    if [ $c = "$wanted" ]; then echo "ok    $name"; else no "$name" "code $c, wanted $wanted: $said"; fi
}

no() {
    echo "FAIL  $1: $2"
    failures=$((failures + 1))
}

# until SECONDS COMMAND…: tries until it succeeds.
until_ok() {
    local left=$(($1 * 10))
    shift
    while ! "$@" >/dev/null 2>&1; do
        left=$((left - 1))
        [ $left -gt 0 ] || return 1
        usleep 100000
    done
}

finish() {
    [ $failures = 0 ] || echo "$failures failed"
    exit $((failures > 99 ? 99 : failures))
}
