"""`store adopt`: what udocker has is taken over, verified, and nothing of udocker's is changed."""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.images.build import digest_of
from tests.images.udockerdir import UdockerDirectory
from tests.journeys.conftest import BUSYBOX

UDOCKER = os.environ.get("UDOCKER") or shutil.which("udocker")
RUN = {"Cmd": ["/bin/busybox", "cat", "/etc/motd"], "Env": ["A=b"]}


@pytest.fixture
def old(tmp_path, busybox_layers):
    directory = UdockerDirectory(tmp_path / ".udocker")
    directory.pulled("tool:1", busybox_layers, RUN)
    return directory


def listed(path: Path) -> list[tuple]:
    found = []
    for here, directories, files in os.walk(path):
        for name in (*directories, *files):
            status = os.lstat(os.path.join(here, name))
            found.append((here, name, status.st_mode, status.st_size, status.st_mtime_ns))
    return sorted(found)


def is_whole(sampan):
    done = sampan("store", "fsck", "--contents")
    assert done.status == 0, done.text + done.err


def test_all_forms(sampan, old, busybox_layers):
    old.pulled("quay.io/org/other:2.0", busybox_layers[:1], RUN)
    old.pulled_schema_1("org/old:1", busybox_layers, RUN)
    old.loaded("loaded:1", busybox_layers, RUN)
    old.loaded("imported:1", busybox_layers[:1], {"Cmd": ["/bin/busybox", "true"]}, container_json=False)
    before = listed(old.path)
    done = sampan.good("store", "adopt")
    assert done.lines == [
        "docker.io/library/imported:1", "docker.io/library/loaded:1", "docker.io/org/old:1", "quay.io/org/other:2.0", "docker.io/library/tool:1",
    ]  # fmt: skip
    assert listed(old.path) == before
    is_whole(sampan)
    assert sampan.good("run", "--isolate", "tool:1").text == sampan.good("run", "--isolate", "loaded:1").text == "two\n"
    assert sampan.good("run", "--isolate", "org/old:1").text == "two\n"
    assert sampan.good("run", "--isolate", "quay.io/org/other:2.0").text == "one\n"
    # One tree for the three that have the same layers, and one for the other two.
    assert len(os.listdir(sampan.home / "trees")) == 2
    assert sampan.good("store", "adopt", old.path).lines == done.lines


def test_what_udocker_does_not_see(sampan, old, busybox_layers):
    """It checks no digest and misses layers silently; here each is one sentence, and the other images come."""
    place = old.pulled("tampered:1", [*busybox_layers[:1], *busybox_layers[:0]], RUN)
    other = old.pulled("wrong:1", busybox_layers, RUN)
    lost = old.loaded("lost:1", busybox_layers, RUN)
    spoilt = gzip.compress(b"x" * 100)
    blob = old.path / "layers" / digest_of(busybox_layers[1].data)
    blob.write_bytes(spoilt)
    next(path for path in lost.iterdir() if path.name.endswith(".layer")).unlink()
    (place / "manifest").write_text("{")
    (old.path / "repos/Not A Name/1").mkdir(parents=True)
    (old.path / "repos/Not A Name/1/TAG").write_text("x")
    old.pulled("good:1", busybox_layers[:1], RUN)
    done = sampan("store", "adopt")
    assert done.status == 125
    assert done.lines == ["docker.io/library/good:1"]
    assert {line for line in done.err.splitlines() if not line.startswith(("hint: ", "sampan: cannot adopt "))} == set()
    for words in ("lost:1: layer", "tampered:1", "wrong:1: layer", "tool:1: layer", "Not A Name"):
        assert words in done.err
    is_whole(sampan)
    assert other.exists()


@pytest.mark.parametrize("target", ["/etc/passwd", "../../../../outside", "/proc/self/environ"])
def test_links_lead_nowhere_else(sampan, old, tmp_path, target):
    """The repository is another program's: what a link in it leads to is looked for inside it."""
    (tmp_path / "outside").write_text("the host's secret")
    for link in (old.path / "repos/tool/1").iterdir():
        if link.is_symlink():
            link.unlink()
            link.symlink_to(target)
    done = sampan("store", "adopt")
    assert done.status == 125
    assert "missing" in done.err
    assert not (sampan.home / "names").exists() or os.listdir(sampan.home / "names") == []


def test_containers(sampan, old, busybox_layers):
    files = {"bin/busybox": BUSYBOX.read_bytes(), "etc/motd": b"changed in udocker\n", "etc/passwd": b"root:x:0:0::/:/bin/sh\n"}
    place = old.container("work", "tool:1", files)
    (place / "ROOT/bin/busybox").chmod(0o755)
    old.container("patched", "tool:1", files, mode="F3")
    old.container("orphan", "gone:1", files)
    assert len(sampan.good("store", "adopt").lines) == 1
    done = sampan("store", "adopt", "--containers")
    assert done.status == 125
    assert "container work" in done.lines
    assert "changed for udocker's mode F3" in done.err
    assert "its image gone:1 is not in the store" in done.err
    assert sampan.good("start", "work").text == "changed in udocker\n"
    again = sampan("store", "adopt", "--containers")
    assert "there is a container work already" in again.err
    is_whole(sampan)


@pytest.mark.parametrize("where", ["nothing", "file", "empty"])
def test_what_is_none(sampan, tmp_path, where):
    (tmp_path / "file").write_text("")
    (tmp_path / "empty").mkdir()
    done = sampan("store", "adopt", tmp_path / where)
    assert done.status == 125
    assert "udocker" in done.err


@pytest.mark.skipif(UDOCKER is None, reason="udocker is not installed (`make test-peers` installs it)")
def test_the_real_one(sampan, tmp_path, faulty, busybox_layers):
    from tests.images.build import Layout

    layout = Layout(tmp_path / "layout")
    layout.tag("1", layout.image(busybox_layers, RUN))
    faulty.add(layout, "library/tool")
    variables = {
        "UDOCKER_DIR": str(tmp_path / ".udocker"),
        "UDOCKER_REGISTRY": faulty.url,
        "UDOCKER_INDEX": faulty.url,
        "UDOCKER_TARBALL": "",
    }
    for words in (["pull", "tool:1"], ["create", "--name=work", "tool:1"]):
        done = subprocess.run(
            [UDOCKER, *words], env={**os.environ, "HOME": str(tmp_path), **variables}, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr
    assert sampan.good("store", "adopt", "--containers").lines == ["docker.io/library/tool:1", "container work"]
    assert sampan.good("run", "--isolate", "tool:1").text == "two\n"
    assert sampan.good("start", "work").text == "two\n"
    is_whole(sampan)
