# No module is loaded, and nothing loads one: what is missing is named, and what works without it works.
. ./lib.sh
m=mydocker
m_check() { $m check 2>&1; }
line() { m_check | grep "^$1 *$2 "; }
modules=/lib/modules/$(uname -r)
load() { insmod "$(find "$modules" -name "$1.ko")"; }
code "check: no" 1 m_check
ok "check: overlay" line no overlay
for need in bridge veth nf_tables modules; do ok "check: $need" line "[nw][oa]r*n*" $need; done
ok "import" $m import busybox.tar busybox
code "run: no" 125 $m run --rm --network none busybox true
has "run names the module" "overlay" $m run --rm --network none busybox true
ok "overlay is loaded" load overlay
is "run" "hello" $m run --rm --network none busybox echo hello
is "run on the host's network" "hello" $m run --rm --network host busybox echo hello
has "a bridge names its module" "bridge" $m run --rm --network bridge busybox true
has "check still knows" "bridge" m_check
ok "check: overlay is there" line ok overlay
is "nothing runs" "" $m ps -aq
ok "system check" $m system check
finish
