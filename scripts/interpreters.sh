#!/bin/sh
# A virtual environment for every other Python from 3.9 to 3.13 on this machine, for the client's tests. usage: interpreters.sh BASE PYTHON
# Interpreters in root's own directories (pyenv) are copied to where the ordinary user can run them. Absent ones are printed.
set -eu
BASE=$1 SYSTEM=$2
own=$("$SYSTEM" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
wheel=$(echo "$BASE"/wheel/sampan-*.whl)
absent=""
for version in 3.9 3.10 3.11 3.12 3.13; do
    [ "$version" != "$own" ] || continue
    venv="$BASE/venv-client-$version"
    if [ ! -x "$venv/bin/python" ]; then
        found=$(command -v "python$version" || true)
        case "$found" in */shims/*) found="" ;; esac
        if [ -z "$found" ]; then
            for candidate in "${PYENV_ROOT:-$HOME/.pyenv}"/versions/"$version".*; do
                [ ! -x "$candidate/bin/python$version" ] || found="$candidate/bin/python$version"
            done
        fi
        if [ -z "$found" ]; then
            absent="$absent $version"
            continue
        fi
        prefix=$(dirname "$(dirname "$found")")
        case "$prefix" in
            /usr | /usr/local) ;;
            *)
                [ -d "$BASE/python-$version" ] || cp -a "$prefix" "$BASE/python-$version"
                found="$BASE/python-$version/bin/python$version"
                export LD_LIBRARY_PATH="$BASE/python-$version/lib"
                ;;
        esac
        "$found" -m venv "$venv" || { absent="$absent $version(venv)"; rm -rf "$venv"; continue; }
        if [ -n "${LD_LIBRARY_PATH:-}" ]; then
            # The copy finds its library only by this variable; a venv's python is a link, so put a script in its place.
            rm -f "$venv/bin/python"
            printf '#!/bin/sh\nLD_LIBRARY_PATH=%s exec -a "$0" %s "$@"\n' "$LD_LIBRARY_PATH" "$venv/bin/python$version" >"$venv/bin/python"
            sed -i 's/ exec -a "$0"/ exec/' "$venv/bin/python"
            chmod 755 "$venv/bin/python"
        fi
    fi
    # Without the extras: what a node has that has nothing.
    tools="pytest pytest-xdist hypothesis"
    # shellcheck disable=SC2086
    [ "$(cat "$venv/tools" 2>/dev/null)" = "$tools" ] || { "$venv/bin/python" -m pip install -qq $tools && echo "$tools" >"$venv/tools"; }
    [ "$(cat "$venv/product" 2>/dev/null)" = "$(cat "$BASE/product")" ] || {
        "$venv/bin/python" -m pip install -qq "$wheel"
        "$venv/bin/python" -m pip install -qq --force-reinstall --no-deps "$wheel"
        cp "$BASE/product" "$venv/product"
    }
    unset LD_LIBRARY_PATH
done
[ -z "$absent" ] || echo "not on this machine, so the client's tests do not run on it: Python$absent" >&2
