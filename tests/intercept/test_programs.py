"""The torture programs of native/tests/intercept: what they print with the engine is what they print with the namespace engine."""

from __future__ import annotations

import os
import shutil

import pytest

OLD_KERNELS = {
    "5.5": "--without=openat2,faccessat2,fchmodat2,xattrat",
    "3.18": "--without=openat2,faccessat2,fchmodat2,xattrat,execveat",
    "no cache": "--without=cache",
    "5.5, no cache": "--without=openat2,faccessat2,fchmodat2,xattrat,cache",
}
FACTOR = int(os.environ.get("SAMPAN_RIG_FACTOR", "1"))
KINDS = ("", ".static", ".musl")
CALLS = [
    (program, kind)
    for program in ("paths", "pointers", "magic", "sockets")
    for kind in KINDS
    if (program, kind) != ("paths", ".musl")
]


def run_both(both, programs, name, *argv, cwd="/work", env=(), **changes):
    """Both sides' (status, stdout, stderr) of a program, each in an empty directory that is /work."""
    results = []
    for side in both:
        place = side.binds[0][0] / side.name
        place.mkdir()
        place.chmod(0o755)
        shutil.copy(programs / name, place / ".program")
        own = side.with_(binds=((place, "/work", ""),), **(changes if side.name == "intercept" else {}))
        done = own.run("/work/.program", *map(str, argv), check=False, cwd=cwd, env=env)
        results.append((done.returncode, done.stdout.splitlines(), done.stderr))
    return results


def exists(programs, name):
    if not (programs / name).exists():
        pytest.skip(f"{name} was not compiled: no musl-gcc")
    return name


@pytest.mark.parametrize(("program", "kind"), CALLS)
def test_calls_end_as_they_do_natively(both, programs, program, kind):
    one, other = run_both(both, programs, exists(programs, program + kind))
    assert one[0] == 0
    assert one[1]
    assert other == one


@pytest.mark.parametrize("program", ["paths", "places"])
@pytest.mark.parametrize("options", OLD_KERNELS.values(), ids=OLD_KERNELS)
def test_older_kernels(both, programs, program, options):
    """openat2 itself is not there then, neither for the engine nor for the guest."""
    one, other = run_both(both, programs, program, options=(options,))
    assert other[0] == one[0] == 0
    if "openat2" in options:
        drop = lambda lines: [line for line in lines if "openat2" not in line and "longer" not in line]  # noqa: E731
        assert drop(other[1]) == drop(one[1])
    else:
        assert other == one


@pytest.mark.parametrize("kind", KINDS)
def test_signals(both, programs, kind):
    one, other = run_both(both, programs, exists(programs, "signals" + kind))
    assert one[0] == 0
    assert one[1]
    assert other == one


@pytest.mark.parametrize(("kind", "rounds"), [("", 150), (".static", 60), (".musl", 60)])
def test_starting_programs(both, programs, kind, rounds):
    """1,000 and more starts of each kind, most of them beside threads that end: the long run of `make rig` does 10,000."""
    one, other = run_both(both, programs, exists(programs, "spawn" + kind), rounds * FACTOR)
    assert one[0] == 0
    assert one[1]
    assert other == one
