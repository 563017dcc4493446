#!/bin/sh
# The measurements of docs/benchmarks.md, as the ordinary user, against peers from Debian and PyPI. usage: bench.sh [NAME...]
# NAMEs are those of tests/bench (start pull load push store inside second executions slurm ...); default: all of the ground floor. ROUNDS=N for each.
. "$(dirname "$0")/setup.sh"
make_base
stage "packages" packages bench python3 python3-venv gcc libc6-dev musl-tools procps util-linux uidmap docker-registry skopeo umoci openssl curl isal git \
    runc bubblewrap charliecloud proot podman buildah mmdebstrap busybox-static valgrind strace
stage "user" make_user
stage "sampan" product
peers() {
    [ -x "$BASE/venv-udocker/bin/udocker" ] || { $PY -m venv "$BASE/venv-udocker" && "$BASE/venv-udocker/bin/pip" install -qq udocker; }
    [ -x "$BASE/venv-bosh/bin/bosh" ] || { $PY -m venv "$BASE/venv-bosh" && "$BASE/venv-bosh/bin/pip" install -qq boutiques==0.5.33; }
    [ -x "$BASE/venv-plain/bin/sampan" ] || $PY -m venv "$BASE/venv-plain"
    "$BASE/venv-plain/bin/pip" install -qq --force-reinstall --no-deps "$BASE"/wheel/sampan-*.whl
    "$BASE/venv-plain/bin/pip" install -qq "$BASE"/wheel/sampan-*.whl
    [ -x "$BASE/venv-checks/bin/python" ] || { $PY -m venv "$BASE/venv-checks" && "$BASE/venv-checks/bin/pip" install -qq pytest hypothesis; }
}
stage "peers from PyPI" peers
case " ${*:-programs} " in
    *" programs "*) stage "cwltool" environment clients cwltool niwrap styxdocker styxpodman ;;
esac
pyz() { PYTHONDONTWRITEBYTECODE=1 "$BASE/venv-build/bin/python" "$ROOT/scripts/build_pyz.py" "$BASE/sampan.pyz" >&2; }
stage "sampan.pyz" pyz
LAYOUT=${BENCH_LAYOUT:-/var/tmp/sampan-images/medium}
[ -e "$LAYOUT/index.json" ] || stage "medium image" sh "$ROOT/scripts/medium_image.sh" "$LAYOUT"
LARGE=${BENCH_LARGE:-/var/tmp/sampan-images/large/oci}
case " ${*:-store} " in
    *" store "*)
        packages large python3-pip
        [ -e "$LARGE/index.json" ] || stage "large image" sh "$ROOT/scripts/large_image.sh" "$LARGE" ;;
esac
SLURM=""
case " ${*:-slurm} " in
    *" slurm "*)
        packages slurm slurmctld slurmd slurm-client munge
        if [ "$(id -u)" = 0 ] && sh "$ROOT/tests/peers/slurm.sh" start "$BASE/slurm" "$SETUP_USER" 9>&-; then
            SLURM="SAMPAN_TEST_SLURM=$BASE/slurm"
            trap 'sh "$ROOT/tests/peers/slurm.sh" stop "$BASE/slurm"' EXIT
        fi ;;
esac
COPY="$BASE/bench-tree"
rm -rf "$COPY"; mkdir -p "$COPY"
(cd "$ROOT" && tar cf - src tests native hatch_build.py) | tar xf - -C "$COPY"
mkdir -p "$BASE/images"; [ "$(id -u)" != 0 ] || chown "$SETUP_USER:" "$BASE/images"
WORK="$BASE/bench-work"
rm -rf "$WORK"; mkdir -p "$WORK"
[ "$(id -u)" != 0 ] || chown -R "$SETUP_USER:" "$WORK" "$COPY"
export SAMPAN_SETUP_ENV="BENCH_SAMPAN=$VENV/bin/sampan BENCH_PYZ=$BASE/sampan.pyz BENCH_SAMPAN_PLAIN=$BASE/venv-plain/bin/sampan BENCH_UDOCKER=$BASE/venv-udocker/bin/udocker BENCH_CWLTOOL=$BASE/venv-clients/bin/cwltool BENCH_BOSH=$BASE/venv-bosh/bin/python BENCH_LAYOUT=$LAYOUT BENCH_LARGE=$LARGE BENCH_WORK=$WORK SAMPAN_TEST_IMAGES=$BASE/images $SLURM"
[ $# -gt 0 ] || set -- start pull load push store inside second life intercept apps executions slurm publish lazy programs
for name; do
    stage "$name" as_user "$BASE/venv-checks/bin/python" "$COPY/tests/bench/$name.py" ${ROUNDS:-}
done
pkill -9 -u "$SETUP_USER" -f 'podman' 2>/dev/null || true
chmod -R u+rwx "$WORK" 2>/dev/null || true
rm -rf "$WORK" "$COPY"
print_stages
