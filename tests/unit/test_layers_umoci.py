"""Random images of several layers, unpacked by umoci and by sampan: the same tree, name by name."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from sampan.errors import LayerError
from sampan.layers.index import Index
from sampan.layers.limits import Allowance
from sampan.layers.merge import LayerMerge
from sampan.layers.read import TarReader
from tests.images import tarbytes
from tests.images.build import Layout, layer_of
from tests.images.unpacked import Unpacked

pytestmark = pytest.mark.skipif(shutil.which("umoci") is None, reason="no umoci")
NAMES = ("a", "b", "c", "d")


def random_layers(seed: int) -> list[bytes]:
    """Archives whose entries are all legal: what the merge refuses is left out."""
    chance = random.Random(seed)
    index = Index()
    archives = []
    for _ in range(3):
        merge = LayerMerge(index)
        members = []
        for number in range(40):
            member = random_member(chance, number)
            try:
                for entry in TarReader([tarbytes.archive(member)], Allowance()):
                    merge.apply(entry)
            except LayerError:
                continue
            members.append(member)
        archives.append(tarbytes.archive(*members))
    return archives


def random_member(chance: random.Random, number: int) -> bytes:
    def path():
        return "/".join(chance.choice(NAMES) for _ in range(chance.randint(1, 4)))

    form = chance.choice(tarbytes.FORMS)
    times = {"mtime": 1_500_000_000 + number, "form": form}
    kind = chance.randrange(10)
    if kind < 3:
        return tarbytes.directory(path(), chance.choice([0o755, 0o700, 0o1777]), **times)
    if kind < 6:
        return tarbytes.file(
            path(), b"%d" % number * chance.choice([0, 1, 500]), mode=chance.choice([0o644, 0o755, 0o600]), **times
        )
    if kind == 6:
        return tarbytes.symlink(path(), chance.choice([path(), "/" + path(), "../" + path(), "../../../" + path()]), **times)
    if kind == 7:
        name, target = path(), path()
        # A link to itself is nothing for us; umoci removes the name and then fails.
        return tarbytes.hardlink(name, target, **times) if name != target else tarbytes.directory(name, **times)
    return tarbytes.whiteout(path(), form=form) if kind == 8 else tarbytes.opaque(path(), form=form)


def described(root: Path, known: dict[str, bool]) -> dict[str, tuple]:
    """What each name is. A directory's mode counts only where a layer said it (`known`); umoci loses its time to whiteouts."""
    groups: dict[int, int] = {}
    found = {}
    for here, directories, files in os.walk(root):
        for name in sorted((*directories, *files)):
            path = os.path.join(here, name)
            status = os.lstat(path)
            shown = os.path.relpath(path, root)
            what = os.readlink(path) if stat.S_ISLNK(status.st_mode) else b""
            if stat.S_ISREG(status.st_mode):
                what = hashlib.sha256(Path(path).read_bytes()).hexdigest()
            said = not stat.S_ISDIR(status.st_mode) or known.get(shown, False)
            mode = status.st_mode & 0o755 if said and not stat.S_ISLNK(status.st_mode) else None
            group = (
                groups.setdefault(status.st_ino, len(groups))
                if status.st_nlink > 1 and not stat.S_ISDIR(status.st_mode)
                else None
            )
            found[shown] = (
                stat.S_IFMT(status.st_mode),
                mode,
                None if stat.S_ISDIR(status.st_mode) else int(status.st_mtime),
                what,
                group,
            )
    return found


@pytest.mark.parametrize("seed", range(12))
def test_the_same_tree(tmp_path, seed):
    archives = random_layers(seed)
    layout = Layout(tmp_path / "layout")
    layout.tag("1", layout.image([layer_of(data) for data in archives]))
    command = ["umoci", "unpack", "--rootless", "--image", f"{tmp_path}/layout:1", str(tmp_path / "bundle")]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert done.returncode == 0, done.stdout
    tree = Unpacked(tmp_path / "ours").apply(*archives)
    known = {os.fsdecode(path): (node.mode, node.mtime) != (0o755, 0) for path, node in tree.index.walk()}
    ours, theirs = described(tree.root, known), described(tmp_path / "bundle/rootfs", known)
    assert ours == theirs
