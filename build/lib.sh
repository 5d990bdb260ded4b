# Sourced by the scripts beside it: where the repository is, how to get what is missing, how to say why not.
# shellcheck shell=sh
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
cd "$root"
target=${CARGO_TARGET_DIR:-$root/target}
case $target in /*) ;; *) target=$root/$target ;; esac
# MYDOCKER_ARCH=aarch64 builds for that machine instead of this one. What is made for another machine than this one has its
# name as a suffix.
arch=${MYDOCKER_ARCH:-$(uname -m)}
musl=$arch-unknown-linux-musl
suffix=
[ "$arch" = "$(uname -m)" ] || suffix=-$arch
export CARGO_TARGET_DIR="$target" CARGO_TERM_COLOR="${CARGO_TERM_COLOR:-auto}"

fail() {
    echo "$(basename -- "$0"): $*" >&2
    exit 1
}

last() { printf '%s\n' "$1" | sed -n '/./h; ${x;s/^ *//;p;}'; }

step() { printf '== %s\n' "$*" >&2; }

# Containers need root; building does not.
as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        fail "this needs root: run it as root, or install sudo"
    fi
}

# What root wrote below target/ on behalf of a user belongs to that user, who will build there again.
give_back() {
    owner=$(stat -c %u:%g "$root")
    if [ "$owner" != 0:0 ] && [ -d "$target" ]; then as_root chown -R "$owner" "$target"; fi
}

# need COMMAND PACKAGE…: installs Debian packages when a command is missing.
need() {
    wanted=$1
    shift
    if PATH=$PATH:/usr/sbin:/sbin command -v "$wanted" >/dev/null; then return; fi
    command -v apt-get >/dev/null || fail "no $wanted: install it with your distribution's package manager ($*)"
    step "installing $*"
    # A fresh machine has no package lists, one that is not fresh has old ones.
    apt_install "$@" || { as_root apt-get update -qq && apt_install "$@"; } ||
        fail "no $wanted: apt-get cannot install $* (no network?)"
}

apt_install() { as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$@" >/dev/null 2>&1; }

# Finds cargo, also the one of the user who called sudo; then everything that cargo needs to build this.
need_cargo() {
    for home in "${HOME:-/root}" "$(user_home)"; do
        if ! command -v cargo >/dev/null && [ -x "$home/.cargo/bin/cargo" ]; then
            PATH=$home/.cargo/bin:$PATH
            export PATH RUSTUP_HOME="${RUSTUP_HOME:-$home/.rustup}"
        fi
    done
    command -v cargo >/dev/null || fail "no cargo: install Rust from your distribution or from https://rustup.rs"
    need cc gcc libc6-dev
    if [ ! -d "$(rustc --print target-libdir --target "$musl")" ]; then
        command -v rustup >/dev/null || fail "no Rust standard library for $musl, and no rustup to get it"
        step "adding the Rust target $musl"
        why=$(rustup target add "$musl" 2>&1) || fail "no Rust target $musl: rustup cannot download it ($(last "$why"))"
    fi
    why=$(cargo fetch --quiet --locked 2>&1) || fail "no crates (no network?): $(last "$why")"
}

# What runs programs of $arch here: env(1) on a machine of that kind, else QEMU. Not installed: the package would make the
# kernel start such programs by itself.
emulator() {
    if [ -z "$suffix" ]; then
        echo env
    else
        "$root/build/package" "$(dpkg --print-architecture)" qemu-user "qemu-$arch"
    fi
}

user_home() { getent passwd "${SUDO_USER:-$(id -un)}" | cut -d: -f6; }
