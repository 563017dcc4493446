"""A layer of changes makes of the one index the other, whatever both are."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sampan.layers.diff import changes, layer
from sampan.layers.entry import DIRECTORY, FIFO, FILE, SYMLINK
from sampan.layers.index import Index, Node
from sampan.layers.merge import LayerMerge

pytestmark = pytest.mark.client

names = st.sampled_from([b"a", b"b", b"c"])
things = st.tuples(
    st.lists(names, min_size=1, max_size=3),
    st.sampled_from([FILE, FILE, DIRECTORY, SYMLINK, FIFO]),
    st.integers(0, 3),
    st.booleans(),
)


def built(drawn):
    """An index; with the last mark a file is one more name of the first file."""
    index, first = Index(), None
    for path, kind, number, joins in drawn:
        parent = index.root
        for name in path[:-1]:
            parent = parent.children.get(name)
            if parent is None or parent.kind != DIRECTORY:
                break
        if parent is None or parent.kind != DIRECTORY or path[-1] in parent.children:
            continue
        if kind == FILE and joins and first is not None:
            first.links += 1
            index.add(parent, path[-1], first)
            continue
        node = Node(kind, 0o777 if kind == SYMLINK else 0o700 + number, number, 0, number)
        if kind == FILE:
            node.size = number
            first = first or node
        node.target = b"t%d" % number if kind == SYMLINK else b""
        index.add(parent, path[-1], node)
    return index


def described(index):
    return [(path, n.kind, n.mode, n.uid, n.mtime, n.size, n.target) for path, n in index.walk()]


@settings(max_examples=300, deadline=None)
@given(st.lists(things, max_size=12), st.lists(things, max_size=12))
def test_the_layer_makes_one_of_the_other(before, after):
    base, now = built(before), built(after)
    entries = list(layer(base, now))
    merge = LayerMerge(base)
    for entry, _ in entries:
        merge.apply(entry)
    assert described(base) == described(now)


@settings(max_examples=100, deadline=None)
@given(st.lists(things, max_size=12), st.lists(things, max_size=12))
def test_the_list_names_what_differs(before, after):
    base, now = built(before), built(after)
    old, new = ({line[0]: line[1:] for line in described(index)} for index in (base, now))
    found = {change.path: change.kind for change in changes(base, now)}
    assert {path for path, kind in found.items() if kind == "A"} >= new.keys() - old.keys()
    gone = {path for path, kind in found.items() if kind == "D"}
    assert gone <= old.keys() - new.keys()
    assert {path for path in old.keys() & new.keys() if old[path] != new[path]} <= found.keys()


@given(st.lists(things, max_size=12))
def test_nothing_differs_from_itself(drawn):
    index = built(drawn)
    assert changes(index, index) == []
    assert list(layer(index, built(drawn))) == []
