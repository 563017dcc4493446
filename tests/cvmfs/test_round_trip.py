"""What is published is read back equal, however it is split, changed and published again; and the check finds nothing."""

from __future__ import annotations

import io

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from sampan.cvmfs import entry, publish
from sampan.cvmfs.bodies import CUT, WHOLE
from sampan.cvmfs.check import check
from sampan.cvmfs.entry import Entry, directory, regular, symlink
from sampan.cvmfs.reader import Repository
from sampan.errors import UsageError
from tests.cvmfs.trees import expected, expected_groups, groups, leaves, names, told, trees, with_bodies

pytestmark = pytest.mark.client
few = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


def opened(store, signer) -> Repository:
    return Repository.open(store, (signer.public,), fqrn=signer.fqrn)


def sound(repository, store) -> Repository:
    assert check(repository, store, workers=1).faults == ()
    return repository


@few
@given(tree=trees(), limit=st.sampled_from([1, 3, 8, 100_000]), at=st.sampled_from([b"/images/x", b"/y", b""]))
def test_a_tree_comes_back_equal(new_store, signer, tree, limit, at):
    store = new_store()
    with publish.begin(store, signer, workers=1) as publication:
        publication.graft(at, with_bodies(tree, publication.bodies), limit=limit)
        state = publication.commit()
    repository = sound(opened(store, signer), store)
    assert repository.manifest == state
    assert state.revision == 2
    assert told(repository, at) == expected(tree, at)
    assert groups(repository, at) == expected_groups(tree, at)


paths = st.lists(names, min_size=1, max_size=3).map(lambda parts: b"".join(b"/" + part for part in parts))
changes = st.lists(
    st.one_of(
        st.tuples(st.just("put"), paths, leaves()),
        st.tuples(st.just("mkdir"), paths, st.just(None)),
        st.tuples(st.just("remove"), paths, st.just(None)),
        st.tuples(st.just("nest"), paths, st.just(None)),
        st.tuples(st.just("graft"), paths, trees(most=6)),
        st.tuples(st.just("commit"), st.just(b""), st.just(None)),
    ),
    max_size=12,
)


class Model:
    """The same changes on a dict; of directories only that they are there, since publishing sets their times and links."""

    def __init__(self):
        self.found = {b"": None}

    def parents(self, path):
        parts = path.split(b"/")[1:-1]
        above = [b"".join(b"/" + part for part in parts[: n + 1]) for n in range(len(parts))]
        if any(self.found.get(one, None) is not None for one in above):
            return False
        self.found.update((one, None) for one in above)
        return True

    def remove(self, path):
        there = [one for one in self.found if one == path or one.startswith(path + b"/")]
        for one in there:
            del self.found[one]
        return bool(there)


BODILESS = Entry(b"", 0o10644, 0, 0, 0, 0)


@few
@given(done=changes)
@example(done=[("put", b"/a/a", (BODILESS, b"")), ("mkdir", b"/a", None), ("nest", b"/a", None)])
@example(done=[("put", b"/a/a", (BODILESS, b"")), ("graft", b"/a", [(b"", directory(), b"")]), ("put", b"/a/b", (BODILESS, b""))])
def test_changes_add_up(new_store, signer, done):
    store, model = new_store(), Model()
    todo = [*done, ("commit", b"", None)]
    while todo:
        with publish.begin(store, signer, workers=1) as publication:
            while todo:
                kind, path, value = todo.pop(0)
                if kind == "commit":
                    break
                apply(publication, model, kind, path, value)
            before = publication.base.manifest.revision
            changed = publication.changed
            assert publication.commit().revision == before + changed
    repository = sound(opened(store, signer), store)
    found = {
        path: None if one.is_directory else (one.mode, one.uid, one.mtime, one.target, one.device, one.xattrs, one.size)
        for path, one in repository.walk()
    }
    assert found == model.found


def apply(publication, model, kind, path, value):
    there = path in model.found
    is_directory = there and model.found[path] is None
    if kind == "remove":
        assert publication.remove(path) == model.remove(path)
    elif kind == "nest":
        if is_directory:
            publication.nest(path)
        else:
            with pytest.raises(UsageError):
                publication.nest(path)
    elif kind == "graft":
        if not model.parents(path):
            with pytest.raises(UsageError):
                publication.graft(path, with_bodies(value, publication.bodies))
            return
        publication.graft(path, with_bodies(value, publication.bodies), limit=3)
        model.remove(path)
        for where, one, content in value:
            model.found[path + b"/" + where if where else path] = told_of(one, content)
    else:
        one, content = (directory(), b"") if kind == "mkdir" else value
        if (is_directory and kind == "put") or not model.parents(path):
            with pytest.raises(UsageError):
                publication.put(path, filled(one, content, publication))
            return
        publication.put(path, filled(one, content, publication))
        if not is_directory:
            model.found[path] = told_of(one, content)


def filled(one, content, publication):
    return one._replace(body=publication.bodies.add(io.BytesIO(content))) if one.is_file else one


def told_of(one, content):
    if one.is_directory:
        return None
    size = len(content) if one.is_file else len(one.target)
    return (one.mode, one.uid, one.mtime, one.target, one.device, one.xattrs, size)


@pytest.mark.parametrize("size", [WHOLE, WHOLE + 1, 2 * WHOLE, 2 * WHOLE + CUT // 2])
def test_large_files_are_cut_and_read_by_ranges(store, signer, size):
    data = (b"0123456789abcdef" * 4099)[:-3] * (size // 65581 + 1)
    data = data[:size]
    with publish.begin(store, signer) as publication:
        body = publication.bodies.submit(Trickle(data)).result()
        assert body == publication.bodies.add(io.BytesIO(data))
        assert bool(body.chunks) == (size > WHOLE)
        publication.put(b"/big", regular(body))
        publication.commit()
    repository = sound(opened(store, signer), store)
    found = repository.lookup(b"/big")
    assert repository.read(found) == data
    for offset, length in ((0, 1), (CUT - 1, 2), (size - 1, 5), (size, 5), (CUT, CUT), (3, 2 * CUT)):
        assert repository.read(found, offset, length) == data[offset : offset + length]
    counts = repository.root_catalog().statistics.own
    assert (counts["chunked"], counts["chunks"]) == ((1, len(body.chunks)) if size > WHOLE else (0, 0))


class Trickle(io.BytesIO):
    """Gives fewer bytes than it is asked for, as sockets do."""

    def read(self, size=-1):
        return super().read(min(size, 1_000_003))


@pytest.mark.parametrize("algorithm", ["sha1", "rmd160", "shake128"])
@pytest.mark.parametrize("compressor", ["zlib-6", "zlib-1", "none"])
def test_every_kind_of_hash_and_compression(tmp_path, signer, algorithm, compressor):
    from sampan.cvmfs.directory import DirectoryStore

    store = DirectoryStore(str(tmp_path / "r"))
    store.prepare()
    publish.create(store, signer, publish.Options(algorithm=algorithm, compressor=compressor))
    with publish.begin(store, signer) as publication:
        body = publication.bodies.add(io.BytesIO(b"x" * 1000))
        assert (body.hash.algorithm, body.compression) == (algorithm, "none" if compressor == "none" else "zlib")
        publication.graft(b"/d", [(b"f", regular(body)), (b"l", symlink(b"f"))])
        publication.commit()
    repository = sound(opened(store, signer), store)
    assert repository.read(repository.lookup(b"/d/f")) == b"x" * 1000
    assert repository.metainfo.compressor == compressor
    if compressor == "none":
        assert store.get(body.hash) == b"x" * 1000


def test_a_tree_that_is_too_large_for_one_catalog_is_split_where_it_is_largest(store, signer):
    with publish.begin(store, signer) as publication:
        empty = regular(publication.bodies.add(io.BytesIO(b"")))
        tree = [(b"usr", directory()), (b"etc", directory())]
        tree += [(f"etc/{n}".encode(), empty) for n in range(10)]
        tree += [(b"usr/lib", directory())] + [(f"usr/lib/{n}".encode(), empty) for n in range(70)]
        tree += [(b"usr/bin", directory())] + [(f"usr/bin/{n}".encode(), empty) for n in range(50)]
        done = publication.graft(b"/i", tree, limit=80)
        publication.commit()
    assert (done.catalogs, done.entries) == (2, 5 + 130 + 2)
    repository = sound(opened(store, signer), store)
    assert set(repository.catalog_of(b"/i").nested) == {b"/i/usr/lib"}
    assert repository.catalog_of(b"/i/usr/lib/1").statistics.own["regular"] == 71
    assert repository.catalog_of(b"/i/usr/bin").mountpoint == b"/i"
    assert [one.name for one in repository.listdir(b"/i")] == [b"etc", b"usr"]
    assert entry.MARKER in [one.name for one in repository.listdir(b"/i", hidden=True)]


def test_an_older_state_stays_readable(store, signer):
    keep = []
    for number in range(3):
        with publish.begin(store, signer) as publication:
            publication.graft(b"/d", [(str(number).encode(), directory())])
            publication.commit({f"v{number}": "a description"})
        keep.append(opened(store, signer))
    for number, repository in enumerate(keep):
        assert [one.name for one in repository.listdir(b"/d")] == [str(number).encode()]
        assert repository.at(f"v{number}").manifest.root == keep[-1].at(f"v{number}").manifest.root
    newer = keep[0].refresh()
    assert newer.manifest == keep[-1].manifest
    assert newer.refresh() is None
