"""No way out of the root is known but by jumping into the engine itself, which SECURITY.md says is no boundary."""

from __future__ import annotations

import os
import shutil

import pytest


@pytest.fixture
def secret(tmp_path_factory):
    place = tmp_path_factory.mktemp("outside")
    (place / "secret").write_text("SECRET\n")
    (place / "open/inner").mkdir(parents=True)
    place.chmod(0o755)
    return place / "secret"


@pytest.mark.parametrize("inside", [None, (0, 0)], ids=["own id", "imitated root"])
@pytest.mark.parametrize("options", [(), ("--without=openat2",), ("--landlock",)], ids=["", "without openat2", "landlock"])
def test_nothing_outside_is_reached(intercept, work, programs, secret, inside, options):
    """By openat2, io_uring, handles, procfs, descriptors, sockets, mount calls, namespaces, chroot, moved directories, other tables of calls."""
    shutil.copy(programs / "escape", work / "escape")
    side = intercept.with_(binds=((work, "/work", ""),), options=options, **({"inside": inside} if inside else {}))
    handed = os.open(secret.parent / "open", os.O_RDONLY)
    command, fd = side.command(["/work/escape", str(secret)], cwd="/work")
    import subprocess

    def at_nine():
        os.dup2(handed, 9)

    try:
        done = subprocess.run(command, pass_fds=[fd, 9], preexec_fn=at_nine, capture_output=True, text=True)
    finally:
        os.close(handed)
        os.close(fd)
    assert (done.returncode, done.stdout, done.stderr) == (0, "nothing reached it\n", "")
    assert secret.read_text() == "SECRET\n"
    assert sorted(p.name for p in secret.parent.iterdir()) == ["open", "secret"]
