# Sourced by demo.sh, test.sh and bench.sh: what they all need, installed once.
# As root on Debian it installs packages and makes an ordinary user, as whom everything of sampan runs.
# As an ordinary user it uses what is there and names the rest.
set -eu
ROOT=$(cd "$(dirname "$0")/.." && pwd)
SETUP_USER=${SAMPAN_SETUP_USER:-sampan-test}
if [ "$(id -u)" = 0 ]; then
    BASE=${SAMPAN_SETUP_DIR:-/var/tmp/sampan-setup}
else
    BASE=${SAMPAN_SETUP_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/sampan-setup}
fi
PY=/usr/bin/python3
VENV="$BASE/venv"
STAGES=""

now() { date +%s; }
say() { printf '%s\n' "$*" >&2; }

# stage NAME COMMAND...: run it, note its seconds for the closing table; a failure of any step in it ends the script, or, with
# KEEP_GOING=1, only sets STATUS. In a subshell, and never in a condition: there `set -e` would not hold.
STATUS=0
KEEP_GOING=""
stage() {
    name=$1; shift
    from=$(now)
    set +e
    (set -e; "$@")
    result=$?
    set -e
    STAGES="$STAGES$(printf '%-28s %4d s' "$name" $(($(now) - from)))
"
    [ "$result" = 0 ] || STATUS=1
    if [ "$result" != 0 ] && [ -z "$KEEP_GOING" ]; then
        say "$name failed"
        exit "$result"
    fi
}

print_stages() { say ""; say "where the time went:"; printf '%s' "$STAGES" >&2; }

# packages GROUP PACKAGE...: install what is missing; an ordinary user is told.
packages() {
    group=$1; shift
    missing=""
    for package in "$@"; do
        dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || missing="$missing $package"
    done
    [ -n "$missing" ] || return 0
    if [ "$(id -u)" != 0 ]; then
        say "not installed ($group):$missing; what needs them is left out. As root: apt-get install$missing"
        return 0
    fi
    say "installing ($group):$missing"
    if [ ! -e "$BASE/apt-updated" ] || [ -n "$(find "$BASE/apt-updated" -mmin +720)" ]; then
        apt-get update -q >"$BASE/apt.log" 2>&1 || { cat "$BASE/apt.log" >&2; exit 1; }
        touch "$BASE/apt-updated"
    fi
    # Packages may start services; on a machine without an init system that only fails.
    policy=""
    [ -e /usr/sbin/policy-rc.d ] || { policy=1; printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d; chmod 755 /usr/sbin/policy-rc.d; }
    status=0
    # shellcheck disable=SC2086 # a list of words
    DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -y -q --no-install-recommends $missing >"$BASE/apt.log" 2>&1 || status=$?
    [ -z "$policy" ] || rm -f /usr/sbin/policy-rc.d
    [ "$status" = 0 ] || { tail -n 30 "$BASE/apt.log" >&2; say "apt-get failed"; exit 1; }
}

make_base() {
    umask 022
    mkdir -p "$BASE"
    [ "$(id -u)" = 0 ] && chmod 755 "$BASE"
    exec 9>"$BASE/lock"
    if ! flock -w 600 9; then say "another run of this set-up is under way in $BASE"; exit 1; fi
    return 0
}

make_user() {
    [ "$(id -u)" = 0 ] || return 0
    if ! id "$SETUP_USER" >/dev/null 2>&1; then
        useradd -m -s /bin/bash "$SETUP_USER"
    fi
    for kind in uid gid; do
        if ! grep -q "^$SETUP_USER:" "/etc/sub$kind" 2>/dev/null; then
            # Behind every range that is given out already.
            start=$(awk -F: 'BEGIN { m = 100000 } { e = $2 + $3; if (e > m) m = e } END { print m }' "/etc/sub$kind" 2>/dev/null || echo 100000)
            usermod "--add-sub${kind}s" "$start-$((start + 65535))" "$SETUP_USER"
        fi
    done
}

# as_user COMMAND...: as the ordinary user, with a clean environment and a work folder of its own.
as_user() {
    if [ "$(id -u)" != 0 ]; then
        "$@" 9>&-
        return
    fi
    home=$(getent passwd "$SETUP_USER" | cut -d: -f6)
    setpriv --reuid "$SETUP_USER" --regid "$(id -g "$SETUP_USER")" --init-groups env -i HOME="$home" USER="$SETUP_USER" LOGNAME="$SETUP_USER" \
        PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8 TERM="${TERM:-dumb}" ${SAMPAN_SETUP_ENV:-} "$@" 9>&-
}

# environment NAME PACKAGE...: a virtual environment of its own with these, made once for this list.
environment() {
    name=$1; shift
    [ "$(cat "$BASE/$name" 2>/dev/null)" != "$*" ] || return 0
    [ -x "$BASE/venv-$name/bin/pip" ] || $PY -m venv "$BASE/venv-$name"
    "$BASE/venv-$name/bin/pip" install -qq "$@" && echo "$*" >"$BASE/$name"
}

# product: the wheel and a virtual environment with it, in a place that the ordinary user can read.
product() {
    stamp=$(cd "$ROOT" && find src native scripts/sampan scripts/pyz scripts/build_pyz.py hatch_build.py pyproject.toml -type f ! -name '*.pyc' -exec sha256sum {} + | sort | sha256sum | cut -c1-16)
    [ "$(cat "$BASE/product" 2>/dev/null)" != "$stamp" ] || [ ! -x "$VENV/bin/sampan" ] || return 0
    rm -rf "$BASE/wheel" "$BASE/build-src"
    [ -x "$BASE/venv-build/bin/pip" ] || { $PY -m venv "$BASE/venv-build" && "$BASE/venv-build/bin/pip" install -qq hatchling; }
    [ -x "$VENV/bin/pip" ] || $PY -m venv "$VENV"
    # A copy, so that nothing is written into the checkout.
    mkdir -p "$BASE/build-src"
    (cd "$ROOT" && tar cf - src native scripts hatch_build.py pyproject.toml README.md LICENSE) | tar xf - -C "$BASE/build-src"
    "$BASE/venv-build/bin/pip" wheel -qq --no-deps --no-build-isolation -w "$BASE/wheel" "$BASE/build-src"
    "$VENV/bin/pip" install -qq --force-reinstall --no-deps "$BASE"/wheel/sampan-*.whl
    "$VENV/bin/pip" install -qq "$(echo "$BASE"/wheel/sampan-*.whl)[fast,publish]"
    rm -rf "$BASE/build-src"
    echo "$stamp" >"$BASE/product"
}
