#!/usr/bin/env bash
# Sets FuncGemma up: virtual environment, packages, mosquitto, and what the router learns. Can be run again.
#
#   ./setup.sh          what is needed to run
#   ./setup.sh --dev    and to test
#
# PYTHON names the interpreter (3.11 or newer) where `python3` is an older one.
set -o errexit -o nounset -o pipefail
cd "$(dirname "$0")"

log=.venv/setup.log
say() { printf '%s\n' "$*" >&2; }
fail() { say "setup: $*"; exit 1; }

find_python() {
    local name
    for name in ${PYTHON:-} python3.11 python3.12 python3.13 python3.14 python3; do
        if command -v "$name" >/dev/null && "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            printf '%s' "$name"
            return
        fi
    done
    fail "Python 3.11 or newer is needed. Install it (python.org, or your system's packages) and run: make setup"
}

make_environment() {
    local python
    python=$(find_python)
    if ! .venv/bin/python -c '' 2>/dev/null; then
        say "Setting up (a minute or two) ..."
        "$python" -m venv .venv 2>/dev/null || fail "$python has no venv module; on Debian: apt install python3-venv"
    fi
    local what=.
    [ "${1:-}" = --dev ] && what='.[dev]'
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --editable "$what" >"$log" 2>&1 \
        || { tail -5 "$log" >&2; fail "the packages could not be installed; the whole log: $log"; }
}

have_mosquitto() {
    PATH="$PATH:/usr/sbin:/usr/local/sbin:/opt/homebrew/sbin" command -v mosquitto >/dev/null \
        || [ -x .local/mosquitto/usr/sbin/mosquitto ]
}

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

may_be_root() { [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null; }

# Debian starts a broker of its own on port 1883 when the package is installed; ours has another port and other files,
# so that one is kept from starting.
install_with_apt() {
    local policy=/usr/sbin/policy-rc.d made=
    if [ ! -e "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null && as_root chmod +x "$policy" && made=yes
    fi
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends mosquitto ||
        { as_root apt-get update -q &&
            as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends mosquitto; }
    local code=$?
    [ -n "$made" ] && as_root rm -f "$policy"
    return $code
}

# Without root the packages are fetched and unpacked into .local/, with package lists of our own.
unpack_with_apt() {
    local here=$PWD/.local lists=$PWD/.local/apt
    mkdir -p "$lists/state/lists/partial" "$lists/cache/archives/partial" "$here/mosquitto"
    local options=(-o "Dir::State=$lists/state" -o "Dir::Cache=$lists/cache" -o Dir::State::status=/var/lib/dpkg/status)
    apt-get "${options[@]}" update -q || return 1
    (
        cd "$lists/cache/archives"
        local name
        for name in mosquitto libmosquitto1 libwrap0 libdlt2 libcjson1 libwebsockets17 libwebsockets19 libwebsockets19t64; do
            apt-get "${options[@]}" download -q "$name" 2>/dev/null || true
        done
        ls mosquitto_*.deb >/dev/null
        for name in ./*.deb; do dpkg -x "$name" "$here/mosquitto"; done
    ) || return 1
    rm -rf "$lists"
    have_mosquitto
}

install_mosquitto() {
    have_mosquitto && return
    say "Installing mosquitto ..."
    {
        if command -v brew >/dev/null; then
            brew install --quiet mosquitto
        elif command -v apt-get >/dev/null && may_be_root; then
            install_with_apt
        elif command -v apt-get >/dev/null; then
            unpack_with_apt
        elif command -v dnf >/dev/null && may_be_root; then
            as_root dnf install -y -q mosquitto
        fi
    } >>"$log" 2>&1 || tail -3 "$log" >&2
    have_mosquitto || fail "mosquitto could not be installed. Install it yourself and run this again:
  Debian, Ubuntu: sudo apt install mosquitto    Fedora: sudo dnf install mosquitto    macOS: brew install mosquitto"
}

make_environment "$@"
install_mosquitto
.venv/bin/python -m agent.routing.embedded >>"$log" 2>&1 || { tail -3 "$log" >&2; fail "the router could not learn; see $log"; }
.venv/bin/python -c 'from agent.credentials import Credentials; from agent.settings import settings; Credentials(settings()).prepare()'
if [ "${1:-}" = --dev ]; then touch .venv/ready-dev; fi
touch .venv/ready
