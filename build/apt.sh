# Sourced: packages of other Debian releases and machines than this one, without touching its package lists.
# shellcheck shell=bash

# private_apt ARCHITECTURE SUITE…: reads the lists of these suites into a folder of their own; ${apt[@]} are the options
# that make apt use them. The mirror is the one that this machine uses.
private_apt() {
    local machine=$1 lines main security suite mirror
    shift
    command -v apt-get >/dev/null || fail "Debian's packages are needed, and there is no apt-get here"
    lines=$(apt-get indextargets --format '$(REPO_URI) $(ORIGIN) $(LABEL)' 'Created-By: Packages')
    if [ -z "$lines" ]; then
        as_root apt-get update -qq
        lines=$(apt-get indextargets --format '$(REPO_URI) $(ORIGIN) $(LABEL)' 'Created-By: Packages')
    fi
    main=$(awk '$2 == "Debian" && $3 == "Debian" { print $1; exit }' <<<"$lines")
    security=$(awk '$3 == "Debian-Security" { print $1; exit }' <<<"$lines")
    [ -n "$main" ] || fail "apt knows no mirror of Debian here"
    apt_dir=$(mktemp -d)
    trap 'rm -rf "$apt_dir"' EXIT
    mkdir -p "$apt_dir"/{lists/partial,archives/partial,parts}
    touch "$apt_dir/status"
    for suite in "$@"; do
        mirror=$main
        case $suite in *-security) mirror=${security:-${main%/debian*}/debian-security} ;; esac
        echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main"
    done >"$apt_dir/list"
    apt=(-o "Dir::Etc::sourcelist=$apt_dir/list" -o "Dir::Etc::sourceparts=$apt_dir/parts" -o "Dir::State::lists=$apt_dir/lists"
        -o "Dir::State::status=$apt_dir/status" -o "Dir::Cache::archives=$apt_dir/archives" -o Dir::Cache::pkgcache=
        -o Dir::Cache::srcpkgcache= -o "APT::Architecture=$machine" -o "APT::Architectures=$machine" -o APT::Sandbox::User=root
        -o Acquire::Languages=none -o Acquire::Retries=3 -o Acquire::Check-Valid-Until=false)
    apt-get "${apt[@]}" -qq update >"$apt_dir/log" 2>&1
}
