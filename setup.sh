#!/usr/bin/env bash
# Sets FuncGemma up: virtual environment, packages, mosquitto, and what the router learns. Can be run again.
#
#   ./setup.sh                    what is needed to run
#   ./setup.sh --dev              and to test
#   ./setup.sh --models [--yes]   and Ollama with the models; --yes: without asking
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
        say "Setting up (two or three minutes, once) ..."
        "$python" -m venv .venv 2>/dev/null || fail "$python has no venv module; on Debian: apt install python3-venv"
    fi
    : >"$log"
}

# install_packages WHAT: this project, with the extras of WHAT.
install_packages() {
    # Most files of the larger packages are never read: compiling them all takes longer than the download.
    .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-compile --editable "$1" \
        >>"$log" 2>&1 \
        || { tail -5 "$log" >&2; fail "the packages could not be installed; the whole log: $log"; }
}

# What takes longest, so all the rest is done meanwhile.
learn() {
    .venv/bin/python -m agent.routing.embedded >>"$log" 2>&1 || { tail -3 "$log" >&2; return 1; }
}

# What runs every day is compiled by being loaded, and nothing else: without it a start takes twice as long where Python may
# not keep what it compiled.
compile() {
    env -u PYTHONDONTWRITEBYTECODE .venv/bin/python -c '
import agent.cli, agent.console, workers.chat, workers.functions, workers.journal, workers.router
import agent.routing.embedded
from functions.registry import load
load()' >>"$log" 2>&1 || { tail -3 "$log" >&2; return 1; }
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

# ---- Ollama and its models; without them FuncGemma answers all the same, with less to say

# Prints how Ollama is (good, old, away; elsewhere: away, and on another computer) and its address.
look_for_ollama() {
    .venv/bin/python - <<'EOF'
import asyncio

from agent.model_command import is_here
from agent.ollama import Ollama, OllamaError, is_too_old
from agent.settings import settings


async def look() -> str:
    async with Ollama(settings().ollama_url) as ollama:
        try:
            return "old" if is_too_old(await ollama.version()) else "good"
        except OllamaError:
            return "away" if is_here(settings()) else "elsewhere"


print(asyncio.run(look()), settings().ollama_url)
EOF
}

agreed() {
    [ -n "$yes" ] && return
    [ -t 0 ] || return 1
    local answer
    read -r -p "$1 [y/N] " answer
    case $answer in [Yy] | [Yy]es) return 0 ;; *) return 1 ;; esac
}

# Also brings an old one up to date.
install_ollama() {
    local script=https://ollama.com/install.sh file
    if command -v brew >/dev/null && { [ "$(uname -s)" = Darwin ] || brew list ollama >/dev/null 2>&1; }; then
        say "Installing Ollama with Homebrew ..."
        { brew upgrade --quiet ollama || brew install --quiet ollama; } >>"$log" 2>&1 ||
            { tail -3 "$log" >&2; fail "Homebrew could not install Ollama; see $log"; }
    elif [ "$(uname -s)" = Linux ] && agreed "Run Ollama's own install script ($script)? It may ask for your password."; then
        file=$(mktemp)
        curl -fsSL -o "$file" "$script" || fail "$script can't be reached. Is there a network (and curl)?"
        sh "$file" || { rm -f "$file"; fail "Ollama's script failed, see above. By hand: ollama.com/download"; }
        rm -f "$file"
    elif [ "$(uname -s)" = Linux ]; then
        fail "Ollama is not installed, or too old. Install it with:  curl -fsSL $script | sh
  or agree to that with:  ./setup.sh --models --yes"
    else
        fail "Ollama is not installed, or too old. Get it from ollama.com/download, then run: ./setup.sh --models"
    fi
}

stop_ollama() {
    if [ "$(uname -s)" = Darwin ] && command -v brew >/dev/null; then
        brew services stop ollama >>"$log" 2>&1 || true
    elif command -v systemctl >/dev/null && may_be_root; then
        as_root systemctl stop ollama >>"$log" 2>&1 || true
    fi
}

start_ollama() {
    say "Starting Ollama ..."
    if [ "$(uname -s)" = Darwin ] && command -v brew >/dev/null && brew list ollama >/dev/null 2>&1; then
        brew services start ollama >>"$log" 2>&1 || true
    elif command -v systemctl >/dev/null && systemctl cat ollama >/dev/null 2>&1 && may_be_root; then
        as_root systemctl start ollama >>"$log" 2>&1 || true
    else
        OLLAMA_HOST=$1 nohup ollama serve >.venv/ollama.log 2>&1 </dev/null &
    fi
    local tries
    for tries in $(seq 30); do
        [[ $(look_for_ollama) == away* ]] || return 0
        sleep 1
    done
    fail "Ollama does not answer after $tries seconds. Start it yourself with: ollama serve"
}

set_up_models() {
    local state url
    read -r state url < <(look_for_ollama)
    case $state in
        elsewhere) fail "Ollama does not answer at $url; start it on that computer, or unset FUNCGEMMA_OLLAMA_URL." ;;
        away) command -v ollama >/dev/null || install_ollama ;;
        old)
            say "This Ollama is too old for functiongemma."
            install_ollama
            stop_ollama
            ;;
    esac
    read -r state url < <(look_for_ollama)
    [ "$state" != away ] || start_ollama "$url"
    read -r state url < <(look_for_ollama)
    [ "$state" = good ] || fail "The old Ollama is still running. Stop it, then run again: ./setup.sh --models"
    .venv/bin/funcgemma models --pull ${yes:+--yes}
}

dev='' models='' yes=''
for option in "$@"; do
    case $option in
        --dev) dev=yes ;;
        --models) models=yes ;;
        --yes) yes=yes ;;
        *) fail "there is no option $option; there are --dev, --models and --yes" ;;
    esac
done

make_environment
install_packages .
learn &
learning=$!
# Whatever fails meanwhile ends it, too.
trap 'pkill -P "$learning" 2>/dev/null || true' EXIT
compile || fail "what was installed does not load; see $log"
[ -z "$dev" ] || install_packages '.[dev,train]'
install_mosquitto
wait $learning || fail "the router could not learn; see $log"
trap - EXIT
.venv/bin/python -c 'from agent.credentials import Credentials; from agent.settings import settings; Credentials(settings()).prepare()'
if [ -n "$dev" ]; then touch .venv/ready-dev; fi
touch .venv/ready
if [ -n "$models" ]; then set_up_models; fi
