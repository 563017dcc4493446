#!/bin/sh
# Large programs with the interception engine and with namespaces, compared: writes the table of docs/reference/intercept-differences.md.
# Then its torture programs ten times as long as in the tests. usage: rig.sh [JOB...]; about 40 minutes.
. "$(dirname "$0")/setup.sh"
make_base
stage "packages" packages rig python3 python3-venv gcc libc6-dev musl-tools procps util-linux uidmap mmdebstrap
stage "user" make_user
[ -x "$BASE/venv-checks/bin/python" ] || { $PY -m venv "$BASE/venv-checks" && "$BASE/venv-checks/bin/pip" install -qq pytest pytest-xdist hypothesis; }
COPY="$BASE/rig-tree"
WORK="$BASE/rig-work"
rm -rf "$COPY" "$WORK"; mkdir -p "$COPY" "$WORK" "$BASE/images"
(cd "$ROOT" && tar cf - src tests native docs hatch_build.py pyproject.toml) | tar xf - -C "$COPY"
[ "$(id -u)" != 0 ] || chown -R "$SETUP_USER:" "$WORK" "$COPY" "$BASE/images"
export SAMPAN_SETUP_ENV="TMPDIR=$WORK SAMPAN_TEST_IMAGES=$BASE/images PYTHONPATH=src PYTHONDONTWRITEBYTECODE=1 SAMPAN_RIG_FACTOR=10"
PAGE=docs/reference/intercept-differences.md
KEEP_GOING=1
in_copy() { (cd "$COPY" && as_user "$@"); }
stage "programs" in_copy $PY hatch_build.py "$WORK/native"
# shellcheck disable=SC2046 # a word or none
stage "rig" in_copy $PY -m tests.intercept.rig --programs "$WORK/native" --cache "$BASE/images/rig-cache" $([ $# -gt 0 ] || echo --write $PAGE) "$@"
[ $# -gt 0 ] || cp "$COPY/$PAGE" "$ROOT/$PAGE"
[ $# -gt 0 ] || stage "torture" in_copy "$BASE/venv-checks/bin/python" -m pytest -q -n 2 --basetemp="$WORK/torture" tests/intercept/test_programs.py tests/intercept/test_fuzz.py
chmod -R u+rwx "$WORK" 2>/dev/null || true
rm -rf "$WORK" "$COPY"
print_stages
exit "$STATUS"
