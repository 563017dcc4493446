"""What holds for all layers: the merge equals a model that applies whiteouts first; the index prints and parses back."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sampan.layers import mtree
from sampan.layers.entry import DIRECTORY, FIFO, FILE, SYMLINK, Entry, check_path
from sampan.layers.index import Index, Node
from sampan.layers.merge import MAKE_DIRECTORY, MAKE_LINK, REMOVE, LayerMerge, join
from tests.images.unpacked import Unpacked

pytestmark = pytest.mark.client

names = st.sampled_from("abc")
paths = st.lists(names, min_size=1, max_size=4).map("/".join)
kinds = st.sampled_from([FILE, DIRECTORY, DIRECTORY, SYMLINK, FIFO])
layers_drawn = st.tuples(
    st.dictionaries(paths, st.tuples(kinds, st.integers(0, 9)), max_size=8),
    st.lists(paths, max_size=3),
    st.lists(st.one_of(paths, st.just("")), max_size=2),
    st.randoms(use_true_random=False),
)


def above(path):
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path


class Model:
    """A tree as a plain dict: whiteouts of a layer act before its entries, as the image-spec means them."""

    def __init__(self) -> None:
        self.names: dict[str, tuple] = {}

    def remove(self, path):
        self.names = {name: what for name, what in self.names.items() if name != path and not name.startswith(path + "/")}

    def apply(self, entries, whiteouts, opaques):
        for path in whiteouts:
            self.remove(path)
        for path in opaques:
            self.names = {name: what for name, what in self.names.items() if path and not name.startswith(path + "/")}
        for path, kind, number in entries:
            for parent in above(path):
                self.names.setdefault(parent, (DIRECTORY, None))
            if kind is not DIRECTORY or self.names.get(path, (None,))[0] is not DIRECTORY:
                self.remove(path)
            self.names[path] = (kind, number)


def consistent(drawn, lower):
    """Entries, whiteouts and opaque directories as a tool would write them: no name below a file, parents said where needed."""
    given_entries, whiteouts, opaques, _ = drawn
    entries = {}
    for path in sorted(given_entries):
        if all(entries.get(parent, (DIRECTORY,))[0] is DIRECTORY for parent in above(path)):
            entries[path] = given_entries[path]
    for path in list(entries):
        for parent in above(path):
            if parent not in entries and lower.names.get(parent, (DIRECTORY,))[0] is not DIRECTORY:
                entries[parent] = (DIRECTORY, 0)
    return [(path, *entries[path]) for path in sorted(entries)], whiteouts, opaques


def as_entry(path, kind, number):
    return Entry(
        path.encode(),
        kind,
        mode=number,
        size=number if kind is FILE else 0,
        target=b"t" if kind is SYMLINK else b"",
        mtime=number,
    )


def markers(whiteouts, opaques):
    found = []
    for path in whiteouts:
        parent, slash, name = path.rpartition("/")
        found.append(Entry(f"{parent}{slash}.wh.{name}".encode(), FILE))
    return found + [Entry(join(path.encode(), b".wh..wh..opq"), FILE) for path in opaques]


def summary(index):
    return {
        path.decode(): (node.kind, None if node.kind == DIRECTORY and (node.mode, node.mtime) == (0o755, 0) else node.mtime)
        for path, node in index.walk()
    }


@settings(max_examples=250, deadline=None)
@given(st.lists(layers_drawn, min_size=1, max_size=4))
def test_whiteouts_act_first_wherever_they_stand(drawn_layers):
    model, index = Model(), Index()
    for drawn in drawn_layers:
        entries, whiteouts, opaques = consistent(drawn, model)
        archive = [as_entry(*entry) for entry in entries]
        for marker in markers(whiteouts, opaques):
            archive.insert(drawn[3].randrange(len(archive) + 1), marker)
        model.apply(entries, whiteouts, opaques)
        merge = LayerMerge(index)
        for entry in archive:
            merge.apply(entry)
        assert summary(index) == model.names


@settings(max_examples=150, deadline=None)
@given(st.lists(layers_drawn, min_size=1, max_size=3))
def test_the_operations_build_what_the_index_says(drawn_layers):
    """Carried out on a plain set of names, they never remove what is not there nor make what is, and end at the index."""
    model, index = Model(), Index()
    made: dict[bytes, str] = {}
    for drawn in drawn_layers:
        entries, whiteouts, opaques = consistent(drawn, model)
        model.apply(entries, whiteouts, opaques)
        merge = LayerMerge(index)
        for entry in markers(whiteouts, opaques) + [as_entry(*entry) for entry in entries]:
            for step in merge.apply(entry):
                assert not step.parent or made[step.parent] == DIRECTORY
                if step.action is REMOVE:
                    assert made.pop(step.path)
                    made = {path: kind for path, kind in made.items() if not path.startswith(step.path + b"/")}
                else:
                    assert step.path not in made
                    made[step.path] = DIRECTORY if step.action is MAKE_DIRECTORY else step.node.kind
                    assert step.action is not MAKE_LINK
    assert made == {path: node.kind for path, node in index.walk()}


nodes = st.builds(
    lambda kind, mode, ids, mtime, size, text, device, xattrs: (kind, mode, ids, mtime, size, text, device, xattrs),
    st.sampled_from([FILE, DIRECTORY, SYMLINK, FIFO, "char", "block", "socket"]),
    st.integers(0, 0o7777),
    st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1)),
    st.integers(-(2**70), 2**70),
    st.integers(0, 2**63),
    st.binary(min_size=1, max_size=40).filter(lambda text: b"\0" not in text),
    st.tuples(st.integers(0, 2**20), st.integers(0, 2**20)),
    st.dictionaries(
        st.binary(min_size=1, max_size=20).filter(lambda name: b"\0" not in name), st.binary(max_size=30), max_size=2
    ),
)
file_names = st.binary(min_size=1, max_size=12).filter(lambda name: not set(name) & {0, ord("/")} and name not in (b".", b".."))


def make(kind, mode, ids, mtime, size, text, device, xattrs):
    node = Node(kind, mode, *ids, mtime)
    node.xattrs = tuple(sorted(xattrs.items()))
    if kind == FILE:
        node.size, node.digest = size, text.ljust(32, b"x")[:32]
    elif kind == SYMLINK:
        node.target = text
    elif kind in ("char", "block"):
        node.device = device
    return node


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(file_names, nodes), max_size=15), st.randoms(use_true_random=False))
def test_an_index_prints_and_parses_back(drawn, chance):
    index = Index()
    directories, files = [index.root], []
    for name, values in drawn:
        parent = chance.choice(directories)
        if name in parent.children:
            continue
        if files and chance.random() < 0.3:
            node = chance.choice(files)
            node.links += 1
        else:
            node = make(*values)
            (directories if node.kind == DIRECTORY else files).append(node)
        index.add(parent, name, node)
    text = b"".join(mtree.write(index))
    again = mtree.read(text.splitlines(keepends=True))
    assert b"".join(mtree.write(again)) == text
    described = [
        [
            (path, n.kind, n.mode, n.uid, n.gid, n.mtime, n.size, n.digest, n.target, n.device, n.xattrs, n.links)
            for path, n in one.walk()
        ]
        for one in (index, again)
    ]
    assert described[0] == described[1]


@given(st.binary(max_size=60))
def test_every_text_is_an_index_or_refused(data):
    lines = [*list(mtree.write(Index())), *data.splitlines(keepends=True)]
    try:
        index = mtree.read(lines)
    except ValueError:
        return
    for path, _ in index.walk():
        check_path(path)


@pytest.mark.skipif(shutil.which("tar") is None, reason="no GNU tar")
@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("form", ["gnu", "posix", "ustar", "v7"])
def test_what_gnu_tar_packs_is_unpacked_as_it_was(tmp_path, seed, form):
    random_tree(tmp_path / "source", random.Random(seed), form)
    command = ["tar", "-C", str(tmp_path / "source"), f"--format={form}", "-cf", "-", "."]
    data = subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout
    tree = Unpacked(tmp_path / "unpacked").apply(data)
    assert disk(str(tree.root)) == disk(str(tmp_path / "source"))


def random_tree(root, chance: random.Random, form: str) -> None:
    directories = [root]
    files = []
    root.mkdir(parents=True)
    for number in range(40):
        parent = chance.choice(directories)
        name = (
            chance.choice(["", "ü ", "\n", "-"])
            + str(number)
            + ("x" * chance.choice([90, 150]) if form in ("gnu", "posix") and number % 5 == 0 else "")
        )
        path = parent / name
        kind = chance.randrange(6)
        if kind == 0:
            path.mkdir()
            directories.append(path)
        elif kind == 1:
            path.symlink_to(chance.choice(["/etc/passwd", "..", "x" * 90, "no where"]))
        elif kind == 2 and files:
            os.link(chance.choice(files), path)
        elif kind == 3 and form != "v7":
            os.mkfifo(path)
        else:
            path.write_bytes(chance.randbytes(chance.choice([0, 1, 511, 512, 513, 70_000])))
            path.chmod(chance.choice([0o644, 0o755, 0o400]))
            files.append(path)
        if kind != 1:
            os.utime(path, (number * 1000, number * 1000))


def disk(root):
    found = {}
    for here, directories, files in os.walk(root):
        for name in (*directories, *files):
            path = os.path.join(here, name)
            status = os.lstat(path)
            what = os.readlink(path) if os.path.islink(path) else Path(path).read_bytes() if os.path.isfile(path) else b""
            shown = os.path.relpath(path, root)
            time = None if os.path.isdir(path) or os.path.islink(path) else int(status.st_mtime)
            found[shown] = (status.st_mode & 0o170755, what, time, status.st_nlink if os.path.isfile(path) else None)
    return found
