#!/bin/sh
# Every test, with all that they need installed first. usage: test.sh [PYTEST ARGUMENT...]
. "$(dirname "$0")/setup.sh"
[ -x /usr/bin/python3 ] || [ "$(id -u)" = 0 ] || { say "python3 is missing"; exit 1; }
make_base
say "== set-up"
stage "packages: base" packages base python3 python3-venv gcc libc6-dev musl-tools procps util-linux uidmap
stage "packages: registries" packages registry docker-registry skopeo umoci apache2-utils openssl
stage "packages: peers and tools" packages peers podman buildah bzip2 busybox-static mmdebstrap libarchive-tools mtree-netbsd zstd xz-utils valgrind strace zsh fish groff man-db samtools bwa dcm2niix proot runc
services() {
    # Without a cluster of its own: the tests only want the programs.
    if [ "$(id -u)" = 0 ] && [ ! -e /etc/postgresql-common/createcluster.conf ]; then
        mkdir -p /etc/postgresql-common
        echo "create_main_cluster = false" >/etc/postgresql-common/createcluster.conf
    fi
    packages services postgresql-15 make qemu-user-static fuse3 libfuse3-dev pkg-config nginx-light squid
}
stage "packages: services" services
fuse() {
    # A container or a minimal system may keep it from ordinary users, or lack it.
    [ "$(id -u)" = 0 ] || return 0
    [ -e /dev/fuse ] || mknod /dev/fuse c 10 229 || say "no /dev/fuse can be made: tests that count calls of a file system are left out"
    [ ! -e /dev/fuse ] || chmod 666 /dev/fuse
    [ -e /etc/mtab ] || ln -s ../proc/self/mounts /etc/mtab  # fusermount3 reads it, and a minimal system may lack it
}
stage "fuse" fuse
stage "packages: slurm" packages slurm slurmctld slurmd slurm-client munge busybox-static
stage "user" make_user
stage "sampan" product
moto() { # an object store that checks signatures, for the tests of jobs
    wanted="moto[s3] flask flask-cors"
    [ "$(cat "$BASE/moto" 2>/dev/null)" != "$wanted" ] || return 0
    [ -x "$BASE/venv-moto/bin/pip" ] || $PY -m venv "$BASE/venv-moto"
    "$BASE/venv-moto/bin/pip" install -qq $wanted && echo "$wanted" >"$BASE/moto"
}
stage "object store" moto
clients() { # programs that call docker and podman, for the tests of the compatible programs
    environment clients cwltool niwrap styxdocker styxpodman
}
stage "clients of docker" clients

CHECKS="$BASE/venv-checks"
checks() {
    [ -x "$CHECKS/bin/pip" ] || $PY -m venv "$CHECKS"
    wanted="ruff mypy import-linter pytest pytest-xdist hypothesis hatchling isal backports.zstd cryptography deflate PyYAML boto3 moto[s3,server] sphinx myst-parser furo"
    [ "$(cat "$BASE/checks" 2>/dev/null)" = "$wanted" ] || { "$CHECKS/bin/pip" install -qq $wanted && echo "$wanted" >"$BASE/checks"; }
    [ "$(cat "$BASE/checks-product" 2>/dev/null)" = "$(cat "$BASE/product")" ] || {
        "$CHECKS/bin/pip" install -qq --force-reinstall --no-deps "$BASE"/wheel/sampan-*.whl
        "$CHECKS/bin/pip" install -qq "$(echo "$BASE"/wheel/sampan-*.whl)[fast]"
        cp "$BASE/product" "$BASE/checks-product"
    }
}
stage "checks environment" checks
pyz() {
    [ "$(cat "$BASE/pyz" 2>/dev/null)" != "$(cat "$BASE/product")" ] || [ ! -e "$BASE/sampan.pyz" ] || return 0
    PYTHONDONTWRITEBYTECODE=1 "$BASE/venv-build/bin/python" "$ROOT/scripts/build_pyz.py" "$BASE/sampan.pyz" "$BASE"/venv-client-*/bin/python >&2
    cp "$BASE/product" "$BASE/pyz"
}
rocrate() { # the validator that the makers of RO-Crate keep
    [ -x "$BASE/venv-rocrate/bin/pip" ] || $PY -m venv "$BASE/venv-rocrate"
    [ "$(cat "$BASE/rocrate" 2>/dev/null)" = "roc-validator 0.13" ] || {
        "$BASE/venv-rocrate/bin/pip" install -qq 'roc-validator>=0.13,<0.14' && echo "roc-validator 0.13" >"$BASE/rocrate"
    }
}
stage "validator of crates" rocrate
stage "other interpreters" sh "$ROOT/scripts/interpreters.sh" "$BASE" "$PY"
stage "sampan.pyz" pyz

# The tests read and write a copy: the checkout may lie where the ordinary user cannot enter, and stays clean.
COPY="$BASE/tree"
copy() {
    rm -rf "$COPY"
    mkdir -p "$COPY"
    (cd "$ROOT" && tar cf - --exclude=./.git --exclude=./build --exclude=./dist --exclude=__pycache__ .) | tar xf - -C "$COPY"
    [ "$(id -u)" != 0 ] || chown -R "$SETUP_USER:" "$COPY"
}
stage "copy of the tree" copy

# A Slurm of four nodes needs root; without it, or without its packages, what needs it is left out.
SLURM=""
slurm() {
    [ "$(id -u)" = 0 ] && command -v slurmctld >/dev/null || { say "no Slurm: it is started by root, and needs Debian's slurmctld, slurmd and munge"; return 0; }
    sh "$ROOT/tests/peers/slurm.sh" start "$BASE/slurm" "$SETUP_USER" 9>&- || say "Slurm does not start here: what needs it is left out"
}
stage "slurm" slurm
if [ -e "$BASE/slurm/slurm.conf" ]; then
    SLURM="SAMPAN_TEST_SLURM=$BASE/slurm"
    trap 'sh "$ROOT/tests/peers/slurm.sh" stop "$BASE/slurm"' EXIT
    trap 'exit 130' INT TERM HUP
fi

WORK="$BASE/work"
rm -rf "$WORK"
mkdir -p "$WORK" "$BASE/images"
[ "$(id -u)" != 0 ] || chown "$SETUP_USER:" "$WORK" "$BASE/images"
export SAMPAN_SETUP_ENV="TMPDIR=$WORK SAMPAN_TEST_IMAGES=$BASE/images SAMPAN_TEST_BASE=$BASE $SLURM PYTHONDONTWRITEBYTECODE=1 ${SAMPAN_TEST_ENV:-}"
KEEP_GOING=1

# run NAME COMMAND...: one part of the tests; a failure is remembered, the rest still runs.
run() {
    name=$1; shift
    say "== $name"
    stage "$name" in_copy "$@"
}
in_copy() { (cd "$COPY" && as_user "$@"); }

if [ $# -gt 0 ]; then
    run "chosen tests" "$CHECKS/bin/python" -m pytest "$@"
else
    run "structure" "$CHECKS/bin/python" -m pytest -q -n 2 --basetemp="$WORK/structure" tests/structure
    run "tests" "$CHECKS/bin/python" -m pytest -q -n 2 --basetemp="$WORK/tests" --durations=10 tests --ignore=tests/structure --ignore=tests/bench
    for interpreter in "$BASE"/venv-client-*; do
        [ -x "$interpreter/bin/python" ] || continue
        run "client on $(basename "$interpreter" | sed 's/venv-client-//')" "$interpreter/bin/python" -m pytest -q -n 2 --basetemp="$WORK/c${interpreter##*-}" -m client tests/unit tests/property tests/image tests/cvmfs tests/executions
    done
fi
# podman keeps a process for its next call. What a killed test left behind may be about to end by itself.
[ "$(id -u)" != 0 ] || pkill -9 -u "$SETUP_USER" -f "podman" 2>/dev/null || true
leftovers=$(pgrep -u "$SETUP_USER" -l 2>/dev/null || true)
patience=70
while [ "$(id -u)" = 0 ] && [ -n "$leftovers" ] && [ "$patience" -gt 0 ]; do
    sleep 2
    patience=$((patience - 2))
    leftovers=$(pgrep -u "$SETUP_USER" -l 2>/dev/null || true)
done
if [ "$(id -u)" = 0 ] && [ -n "$leftovers" ]; then
    say "processes of $SETUP_USER are left running:"; say "$leftovers"
    STATUS=1
fi
[ "$(id -u)" != 0 ] || awk -v work="$WORK/" 'index($2, work) == 1 { print $2 }' /proc/mounts | xargs -r umount -l  # of a test that was killed
chmod -R u+rwx "$WORK" 2>/dev/null || true  # work directories of overlays
rm -rf "$WORK" || STATUS=1
print_stages
[ "$STATUS" = 0 ] && say "all tests passed" || say "TESTS FAILED"
exit "$STATUS"
