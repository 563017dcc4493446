"""The merge: what each entry does to what the layers before left. Pure, so no directory is needed."""

from __future__ import annotations

import pytest

from sampan.errors import LayerError
from sampan.layers import merge as merging
from sampan.layers.entry import DIRECTORY, FIFO, FILE, HARD_LINK, SYMLINK, Entry, clean
from sampan.layers.index import Index
from sampan.layers.merge import LayerMerge

pytestmark = pytest.mark.client


def d(path, mode=0o755, **more):
    return Entry(path.encode(), DIRECTORY, mode=mode, **more)


def f(path, size=0, **more):
    return Entry(path.encode(), FILE, size=size, **more)


def s(path, target):
    return Entry(path.encode(), SYMLINK, target=target.encode())


def h(path, target, **more):
    return Entry(path.encode(), HARD_LINK, target=target.encode(), **more)


def wh(path):
    above, slash, name = path.rpartition("/")
    return f(f"{above}{slash}.wh.{name}")


def opq(path):
    return f(f"{path}/.wh..wh..opq" if path else ".wh..wh..opq")


def merged(*layers):
    """The index after the layers, and the operations of the last one."""
    index = Index()
    steps = []
    for layer in layers:
        merge = LayerMerge(index)
        steps = [step for entry in layer for step in merge.apply(entry)]
    return index, steps


def paths(*layers):
    index, _ = merged(*layers)
    return [path.decode() for path, _ in index.walk()]


def refusal(*layers):
    with pytest.raises(LayerError) as caught:
        merged(*layers)
    return caught.value.sentence


class TestNames:
    @pytest.mark.parametrize(
        ("given", "expected"),
        [
            (b"a", b"a"), (b"./a", b"a"), (b"/a", b"a"), (b"//a//b///", b"a/b"), (b"./", b""), (b".", b""), (b"/", b""), (b"", b""), (b"././.", b""),
            (b"a/./b", b"a/b"), (b"a/../in", b"in"), (b"a/b/../../c", b"c"), (b"a/..", b""), (b".a/.b", b".a/.b"), (b"..a", b"..a"), (b"a..", b"a.."),
            (b"...", b"..."), (b"a/...", b"a/..."), (b"a\\b", b"a\\b"), (b"a/.", b"a"), (b"./.a", b".a"), (b".//a", b"a"),
        ],
    )  # fmt: skip
    def test_one_spelling(self, given, expected):
        assert clean(given) == expected

    @pytest.mark.parametrize(
        "given", [b"..", b"../a", b"/..", b"a/../..", b"./../a", b"a/../../b", b"//../a", b"a/b/../../../c", b"a//../../b"]
    )
    def test_leaving_the_root_is_refused(self, given):
        with pytest.raises(LayerError, match="leaves the root"):
            clean(given)

    def test_limits(self):
        assert "longer than the limit of 255" in refusal([f("a" * 256)])
        assert "longer than the limit of 255" in refusal([f("a" * 256 + "/b")])
        assert "longer than the limit of 4095" in refusal([f("/".join(["a" * 200] * 21))])
        assert "more than the limit of 256 components" in refusal([f("/".join(["a"] * 257))])
        assert len(paths([f("/".join(["a"] * 256)), f("b" * 255)])) == 257

    def test_limits_of_what_links_make_of_a_path(self):
        long = "/".join(["a" * 200] * 20)
        assert "longer than the limit of 4095" in refusal([d(long), s("l", long), d("l/" + "b" * 200)])
        deep = "/".join(["a"] * 250)
        assert "more than the limit of 256 components" in refusal([d(deep), s("l", deep), f("l/b/b/b/b/b/b/b")])


class TestRoot:
    @pytest.mark.parametrize("name", ["", ".", "./", "/", "a/.."])
    def test_its_attributes(self, name):
        index, steps = merged([d(name, 0o700, uid=3, mtime=9)])
        assert (index.root.mode, index.root.uid, index.root.mtime, steps) == (0o700, 3, 9, [])

    @pytest.mark.parametrize("entry", [f(""), s(".", "/etc"), h("./", "x"), Entry(b"/", FIFO)])
    def test_nothing_else_takes_its_place(self, entry):
        assert "would make the root of the image a" in refusal([f("x"), entry])


class TestReplacing:
    def test_a_directory_over_a_directory_merges(self):
        index, steps = merged([d("a", 0o700), f("a/x")], [d("a", 0o555, uid=1)])
        assert (index.lookup(b"a").mode, index.lookup(b"a").uid, steps) == (0o555, 1, [])
        assert index.lookup(b"a/x") is not None

    @pytest.mark.parametrize("old", [[d("a"), f("a/b/c")], [f("a")], [s("a", "b")], [Entry(b"a", FIFO)]])
    @pytest.mark.parametrize("new", [f("a"), s("a", "c"), Entry(b"a", FIFO), d("a")])
    @pytest.mark.parametrize("layers", [1, 2])
    def test_everything_else_is_made_anew(self, old, new, layers):
        both = [*old, new] if layers == 1 else [new]
        index, steps = merged(*([both] if layers == 1 else [old, both]))
        if old[0].kind == new.kind == DIRECTORY:
            return
        removed = [step for step in steps if step.action is merging.REMOVE]
        assert [step.path for step in removed] == [b"a"]
        assert index.lookup(b"a").kind == new.kind
        assert [path for path, _ in index.walk()] == [b"a"]

    def test_directory_file_directory(self):
        assert paths([d("a"), f("a/x"), f("a"), d("a"), f("a/y")]) == ["a", "a/y"]

    def test_the_last_duplicate_wins(self):
        index, _ = merged([f("a", 1), f("a", 2)])
        assert index.lookup(b"a").size == 2


class TestParents:
    def test_missing_ones_are_made(self):
        index, steps = merged([f("a/b/c", uid=5)])
        assert [(step.action, step.path) for step in steps] == [
            (merging.MAKE_DIRECTORY, b"a"), (merging.MAKE_DIRECTORY, b"a/b"), (merging.WRITE, b"a/b/c"),
        ]  # fmt: skip
        assert [(node.mode, node.uid, node.mtime) for node in (index.lookup(b"a"), index.lookup(b"a/b"))] == [(0o755, 0, 0)] * 2

    def test_links_are_followed(self):
        assert paths([d("usr/lib"), s("lib", "usr/lib")], [f("lib/x")]) == ["lib", "usr", "usr/lib", "usr/lib/x"]

    def test_an_entry_for_the_link_itself_replaces_it(self):
        assert paths([d("usr/lib"), s("lib", "usr/lib")], [d("lib"), f("lib/x")]) == ["lib", "lib/x", "usr", "usr/lib"]

    def test_links_are_followed_as_they_are_now(self):
        layers = [[d("a"), d("b"), s("l", "a")], [f("l/1"), s("l", "b"), f("l/2"), wh("l"), f("l/3")]]
        assert paths(*layers) == ["a", "a/1", "b", "b/2", "b/3", "l"]  # the whiteout is of the first l
        assert "a part of its path is not a directory" in refusal([f("a"), f("a/b")])

    @pytest.mark.parametrize("target", ["/a", "../../a", "/../a", "./a/.", "b/../a", "/b/../../a//"])
    def test_links_end_at_the_root(self, target):
        assert paths([d("a"), d("b"), s("l", target), f("l/x")]) == ["a", "a/x", "b", "l"]

    def test_links_to_what_is_not_there_make_it(self):
        assert paths([s("l", "/var/run"), f("l/x")]) == ["l", "var", "var/run", "var/run/x"]

    def test_chains_and_loops(self):
        chain = [d("a"), *(s(f"l{number}", f"l{number + 1}") for number in range(39)), s("l39", "a")]
        assert "a/x" in paths([*chain, f("l0/x")])
        assert "more than 40 symbolic links" in refusal([*chain, s("m", "l0"), f("m/x")])
        assert "more than 40 symbolic links" in refusal([s("a", "b"), s("b", "a"), f("a/x")])
        assert "more than 1024 names" in refusal([d("a"), s("l", "a/../" * 600), f("l/x")])

    def test_the_last_component_is_never_followed(self):
        index, _ = merged([d("a"), s("l", "a")], [f("l")])
        assert index.lookup(b"l").kind == FILE
        assert index.lookup(b"a").kind == DIRECTORY


class TestHardLinks:
    def test_one_node_many_names(self):
        index, steps = merged([f("a", 3), h("b", "a"), h("d/c", "./b")])
        assert index.lookup(b"a") is index.lookup(b"b") is index.lookup(b"d/c")
        assert index.lookup(b"a").links == 3
        assert [(step.path, step.source) for step in steps if step.action is merging.MAKE_LINK] == [
            (b"b", (b"", b"a")),
            (b"d/c", (b"", b"b")),
        ]

    def test_its_own_mode_is_ignored(self):
        index, _ = merged([f("a", mode=0o600)], [h("b", "a", mode=0o777, uid=4, mtime=8)])
        assert (index.lookup(b"b").mode, index.lookup(b"b").uid) == (0o600, 0)

    def test_one_name_replaced_leaves_the_other(self):
        index, _ = merged([f("a", 3)], [h("b", "a")], [f("a", 4)])
        assert (index.lookup(b"a").size, index.lookup(b"b").size, index.lookup(b"b").links) == (4, 3, 1)

    @pytest.mark.parametrize("target", ["/d/a", "d/a", "l/a", "d/../d/a", "/l/./a"])
    def test_targets_are_resolved_like_parents(self, target):
        index, _ = merged([f("d/a"), s("l", "d"), h("x", target)])
        assert index.lookup(b"x") is index.lookup(b"d/a")

    def test_to_a_symbolic_link_links_the_link(self):
        index, steps = merged([s("l", "/etc/shadow"), h("x", "l")])
        assert index.lookup(b"x") is index.lookup(b"l")
        assert steps[-1].action is merging.MAKE_LINK

    def test_to_itself_is_nothing(self):
        _, steps = merged([f("a"), h("a", "a")])
        assert [step.action for step in steps] == [merging.WRITE]

    @pytest.mark.parametrize(
        ("layer", "words"),
        [
            ([h("a", "nothing")], "does not exist"), ([h("a", "b"), f("b")], "does not exist"), ([d("d"), h("a", "d")], "is a directory"),
            ([h("a", "../x")], "its target leaves the root"), ([h("a", "/../../etc/passwd")], "its target leaves the root"),
            ([h("a", "")], "does not exist"), ([h("a", "/")], "does not exist"), ([f("a"), h("x", "a/b")], "does not exist"),
            ([f("d/x"), h("d", "d/x")], "lies in the directory that it replaces"),
        ],
    )  # fmt: skip
    def test_wrong_targets(self, layer, words):
        assert words in refusal(layer)

    def test_links_are_counted_when_a_directory_goes(self):
        index, _ = merged([f("d/a"), h("d/b", "d/a"), h("c", "d/a")], [wh("d")])
        assert index.lookup(b"c").links == 1


class TestWhiteouts:
    LOWER = [d("a", 0o700), f("a/x"), f("a/y"), d("a/sub"), f("a/sub/z"), f("c")]

    def test_any_type_goes(self):
        assert paths(self.LOWER, [wh("a"), wh("c")]) == []
        assert paths([s("l", "/"), Entry(b"p", FIFO), d("d")], [wh("l"), wh("p"), wh("d")]) == []

    def test_of_nothing_is_fine_and_makes_nothing(self):
        assert paths(self.LOWER, [wh("nothing"), wh("no/where"), wh("c/x"), opq("none")]) == paths(self.LOWER)

    @pytest.mark.parametrize("order", [1, -1])
    def test_acts_on_layers_below_only_wherever_it_stands(self, order):
        assert paths(self.LOWER, [wh("c"), f("c")][::order]) == paths(self.LOWER)
        assert paths(self.LOWER, [wh("a"), f("a/new")][::order]) == ["a", "a/new", "c"]
        assert paths(self.LOWER, [opq("a"), f("a/new")][::order]) == ["a", "a/new", "c"]
        assert paths(self.LOWER, [opq("a"), f("a/sub/new")][::order]) == ["a", "a/sub", "a/sub/new", "c"]
        assert paths(self.LOWER, [opq(""), f("a/sub/new")][::order]) == ["a", "a/sub", "a/sub/new"]

    @pytest.mark.parametrize("order", [1, -1])
    def test_a_directory_that_stays_by_what_is_in_it_is_as_new(self, order):
        index, _ = merged(self.LOWER, [wh("a"), f("a/new")][::order])
        assert index.lookup(b"a").mode == 0o755
        index, _ = merged(self.LOWER, [wh("a"), d("a", 0o711), f("a/new")][::order])
        assert index.lookup(b"a").mode == 0o711
        index, _ = merged(self.LOWER, [opq("a"), f("a/new")][::order])
        assert index.lookup(b"a").mode == 0o700  # an opaque directory itself is not hidden

    def test_a_hard_link_to_a_lower_file_survives_its_whiteout(self):
        index, _ = merged([f("a", 3)], [h("b", "a"), wh("a")])
        assert [path for path, _ in index.walk()] == [b"b"]
        assert index.lookup(b"b").links == 1

    def test_their_parents_follow_links_inside_the_root(self):
        assert paths(self.LOWER, [s("l", "/../a"), wh("l/x"), opq("l/sub")]) == ["a", "a/sub", "a/y", "c", "l"]
        assert "leaves the root" in refusal(self.LOWER, [wh("../a")])
        assert "leaves the root" in refusal(self.LOWER, [opq("a/../..")])

    def test_the_link_itself_goes_not_what_it_leads_to(self):
        assert paths([d("a"), f("a/x"), s("l", "a")], [wh("l")]) == ["a", "a/x"]

    @pytest.mark.parametrize("name", [".wh.", ".wh..", ".wh...", "a/.wh.", "a/.wh..."])
    def test_of_what_cannot_be_named(self, name):
        assert "names nothing" in refusal(self.LOWER, [f(name)])

    def test_any_kind_of_entry_is_one(self):
        assert paths(self.LOWER, [d(".wh.a"), s(".wh.c", "/x")]) == []
        assert "below a whiteout" in refusal(self.LOWER, [f(".wh.a/x")])

    def test_leftovers_of_aufs_are_skipped(self):
        layer = [d(".wh..wh.plnk"), f(".wh..wh.plnk/1.2"), f(".wh..wh.aufs"), f("a/.wh..wh.orph"), h(".wh..wh.plnk/3", "nothing")]
        assert paths(self.LOWER, layer) == paths(self.LOWER)

    def test_a_character_device_0_0_is_none(self):
        index, steps = merged(self.LOWER, [Entry(b"c", "char", device=(0, 0))])
        assert (index.lookup(b"c").kind, steps[-1].action) == ("char", merging.RECORD)

    def test_in_the_first_layer_nothing_is_below(self):
        assert paths([f("a/x"), opq("a"), wh("a"), opq("")]) == ["a", "a/x"]

    def test_many_of_them_cost_little(self):
        """Each directory is gone through once, however often it is hidden."""
        import time

        lower = [f(f"a/{number}") for number in range(2000)]
        begin = time.process_time()
        merged(lower, [*(f(f"a/{number}") for number in range(2000)), *[opq("a"), wh("a")] * 2000])
        assert time.process_time() - begin < 2


def test_too_many_names(monkeypatch):
    from sampan.layers import index

    monkeypatch.setattr(index, "MAX_ENTRIES", 10)
    assert "more than 10 names" in refusal([f("/".join("abcdefghijkl"))])


def test_what_a_symbolic_link_can_say():
    assert "1 to 4095 bytes, this one 0" in refusal([s("l", "")])
    assert "1 to 4095 bytes, this one 4096" in refusal([s("l", "x" * 4096)])
