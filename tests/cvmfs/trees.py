"""Random trees of entries, and what a repository must say of them afterwards."""

from __future__ import annotations

import io
import stat
from collections import Counter

from hypothesis import strategies as st

from sampan.cvmfs.entry import Entry, directory
from sampan.cvmfs.reader import Repository

names = st.one_of(
    st.sampled_from([b"a", b"b", b"bin", b"lib", b".hidden", b"$(X)", b"\xff\xfe", "ü".encode(), b"-", b"~", b"a b", b"..."]),
    st.binary(min_size=1, max_size=12).filter(lambda n: b"/" not in n and b"\0" not in n and n not in (b".", b"..")),
)
times = st.integers(-(10**18), 4 * 10**18)
owners = st.sampled_from([0, 1, 1000, 65534, 2**32 - 1])
modes = st.integers(0, 0o7777)
xattrs = st.dictionaries(
    st.sampled_from([b"user.a", b"user.\xff", b"security.capability", b"trusted.x" * 28]), st.binary(max_size=255), max_size=3
).map(lambda found: tuple(sorted(found.items())))
contents = st.one_of(st.just(b""), st.binary(max_size=64), st.sampled_from([b"same" * 100, b"\0" * 5000]))


@st.composite
def leaves(draw) -> tuple[Entry, bytes]:
    """Something that is no directory, with its content."""
    kind = draw(
        st.sampled_from(
            [stat.S_IFREG] * 4 + [stat.S_IFLNK, stat.S_IFLNK, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFIFO, stat.S_IFSOCK]
        )
    )
    content = draw(contents) if kind == stat.S_IFREG else b""
    target = draw(st.binary(min_size=1, max_size=40).filter(lambda t: b"\0" not in t)) if kind == stat.S_IFLNK else b""
    device = draw(st.integers(1, 2**31)) if kind in (stat.S_IFCHR, stat.S_IFBLK) else 0
    found = Entry(
        b"", kind | draw(modes), draw(owners), draw(owners), len(target or content), draw(times), target, device, draw(xattrs)
    )
    return found, content


@st.composite
def trees(draw, most: int = 25) -> list[tuple[bytes, Entry, bytes]]:
    """Relative paths with entries and contents, directories before what is in them; the top comes first."""
    folders = [b""]
    found = {
        b"": (directory(draw(modes), uid=draw(owners), gid=draw(owners), mtime=draw(times))._replace(xattrs=draw(xattrs)), b"")
    }
    for _ in range(draw(st.integers(0, most))):
        parent = draw(st.sampled_from(folders))
        name = draw(names)
        path = parent + b"/" + name if parent else name
        if path in found:
            continue
        if draw(st.integers(0, 3)) == 0:
            found[path] = (directory(draw(modes), uid=draw(owners), gid=draw(owners), mtime=draw(times)), b"")
            folders.append(path)
        else:
            found[path] = draw(leaves())
            if draw(st.integers(0, 4)) == 0:
                _link_again(draw, found, folders, path)
    return [(path, one._replace(name=path.rpartition(b"/")[2]), content) for path, (one, content) in found.items()]


def _link_again(draw, found, folders, path) -> None:
    """A second name of the same inode, here or in another directory."""
    one, content = found[path]
    group = one.group or len(found)
    found[path] = (one._replace(group=group), content)
    parent, name = draw(st.sampled_from(folders)), draw(names)
    other = parent + b"/" + name if parent else name
    if other not in found:
        found[other] = (one._replace(group=group), content)


def with_bodies(tree, bodies) -> list[tuple[bytes, Entry]]:
    """The entries, with the contents put into the repository."""
    made = []
    for path, one, content in tree:
        made.append((path, one._replace(body=bodies.submit(io.BytesIO(content)).result()) if one.is_file else one))
    return made


def expected(tree, at: bytes) -> dict[bytes, tuple]:
    """What `told` must give for the tree at an absolute path."""
    members = Counter((path.rpartition(b"/")[0], one.group) for path, one, _ in tree if one.group)
    children = Counter(path.rpartition(b"/")[0] for path, one, _ in tree if path and one.is_directory)
    wanted = {}
    for path, one, content in tree:
        where = at + b"/" + path if path else at
        links = 2 + children[path] if one.is_directory else members.get((path.rpartition(b"/")[0], one.group), 1)
        wanted[where] = (one.mode, one.uid, one.gid, one.mtime, one.target, one.device, one.xattrs, links, content)
    return wanted


def told(repository: Repository, at: bytes) -> dict[bytes, tuple]:
    """Everything that a repository says of a subtree, contents included; nested catalogs' markers are hidden."""
    found = {}
    for path, one in repository.walk(at):
        content = repository.read(one) if one.is_file else b""
        found[path] = (one.mode, one.uid, one.gid, one.mtime, one.target, one.device, one.xattrs, one.links, content)
        assert repository.lookup(path)._replace(flags=0) == one._replace(flags=0)
    return found


def groups(repository: Repository, at: bytes) -> set[frozenset[bytes]]:
    """The sets of names that are one inode."""
    found: dict[tuple[bytes, int], set[bytes]] = {}
    for path, one in repository.walk(at):
        if one.group:
            found.setdefault((repository.catalog_of(path).mountpoint, one.group), set()).add(path)
    return {frozenset(paths) for paths in found.values()}


def expected_groups(tree, at: bytes) -> set[frozenset[bytes]]:
    found: dict[tuple[bytes, int], set[bytes]] = {}
    for path, one, _ in tree:
        if one.group:
            found.setdefault((path.rpartition(b"/")[0], one.group), set()).add(at + b"/" + path)
    return {frozenset(paths) for paths in found.values() if len(paths) > 1}
