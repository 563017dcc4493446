#!/bin/sh
# Long fuzz runs. usage: fuzz.sh; FUZZ_SECONDS (default 600) for each target.
# The reader of launch files under libFuzzer (clang), and every target of tests/fuzz under hypothesis with many examples.
. "$(dirname "$0")/setup.sh"
make_base
packages fuzz python3 python3-venv clang libclang-rt-14-dev libc6-dev
SECONDS_EACH=${FUZZ_SECONDS:-600}
OUT="$BASE/fuzz"
mkdir -p "$OUT/corpus"
run="$ROOT/native/sampan-run"
clang -g -O1 -std=gnu11 -D_GNU_SOURCE -fsanitize=fuzzer,address,undefined -o "$OUT/launch_file" \
    "$ROOT/native/fuzz/launch_file.c" "$run/launch.c" "$run/records.c"
"$OUT/launch_file" -max_total_time="$SECONDS_EACH" -close_fd_mask=0 "$OUT/corpus"
[ -x "$BASE/venv-checks/bin/python" ] || { $PY -m venv "$BASE/venv-checks" && "$BASE/venv-checks/bin/pip" install -qq pytest pytest-xdist hypothesis rich; }
cd "$ROOT"
PYTHONPATH=src FUZZ_RUNS=$((SECONDS_EACH * 200)) PYTHONDONTWRITEBYTECODE=1 "$BASE/venv-checks/bin/python" -m pytest -q -n 2 tests/fuzz
