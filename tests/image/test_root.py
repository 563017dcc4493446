"""`import` and `export`: a root file system in and out, with owners, modes, devices, attributes and links."""

from __future__ import annotations

import gzip
import io
import json
import lzma
import os
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampan.errors import HostError, ImageNotFound, LayerError, StoreError, UsageError
from sampan.image import change
from sampan.layers import mtree
from sampan.layers.archive import ArchiveSink, add_tree
from sampan.layers.entry import BLOCK, CHAR, DIRECTORY, FIFO, FILE, HARD_LINK, SYMLINK, Entry
from sampan.layers.limits import Allowance
from sampan.layers.read import TarReader
from sampan.runtime.export import export
from sampan.runtime.images import config_document
from sampan.runtime.import_ import import_root
from sampan.runtime.load import load
from sampan.store import names, trees
from tests.image.conftest import BASE, files, loaded, write
from tests.images import docker_archives as forms
from tests.images.docker_archives import packed
from tests.images.tarbytes import archive, device, directory, fifo, file, hardlink, pax, symlink, whiteout

pytestmark = pytest.mark.client

LONG = "/".join(["directory-with-a-long-name"] * 12)
RICH = archive(
    directory("./", mode=0o750, uid=7, gid=8), directory("bin"), file("bin/ping", b"ping", mode=0o4755, uid=0),
    pax(("SCHILY.xattr.security.capability", b"\1\0\0\2\0\x20\0\0"), ("mtime", "1700000000.123456789"), ("uid", "3000000"))
    + file("bin/cap", b"cap", mode=0o755), symlink("sbin", "bin"), hardlink("bin/ping2", "bin/ping"), device("dev/sda", 8, 1),
    device("dev/tty", 5, 0, type=b"3"), fifo("run/pipe"), file(b"caf\xc3\xa9".decode()), file(b"latin-\xe9"),
    *(directory(LONG[: at * 27 - 1], form="gnu") for at in range(1, 13)), file(LONG + "/file", b"deep", form="gnu"), file("empty"),
    symlink("to-long", LONG, form="gnu"), symlink("etc-link", "/etc"), hardlink("etc-link2", "etc-link"), file("locked", b"x", mode=0),
)  # fmt: skip


def index_of(session, image) -> bytes:
    return b"".join(mtree.write(_index(session, image)))


def _index(session, image):
    with open(trees.find(session.store, image.chain).index, "rb") as stream:
        return mtree.read(stream)


def test_a_root_file_system_comes_out_as_it_went_in(tmp_path, session, new_session):
    first = import_root(write(tmp_path / "rich.tar", RICH), "rich:1", session=session)
    export("rich:1", str(tmp_path / "out.tar"), session)
    again = new_session("again")
    second = import_root(str(tmp_path / "out.tar"), "rich:1", session=again)
    assert index_of(session, first) == index_of(again, second)
    export("rich:1", str(tmp_path / "out2.tar"), again)
    assert (tmp_path / "out.tar").read_bytes() == (tmp_path / "out2.tar").read_bytes()


def test_other_readers_see_the_same(tmp_path, session):
    import_root(write(tmp_path / "rich.tar", RICH), "rich:1", session=session)
    export("rich:1", str(tmp_path / "out.tar"), session)
    with tarfile.open(tmp_path / "out.tar", errors="surrogateescape") as found:
        members = {member.name: member for member in found}
        assert (members["."].mode, members["."].uid, members["."].gid) == (0o750, 7, 8)
        assert members["bin/ping"].mode == 0o4755
        assert (members["bin/ping2"].type, members["bin/ping2"].linkname) == (tarfile.LNKTYPE, "bin/ping")
        assert members["bin/cap"].uid == 3000000
        assert members["bin/cap"].pax_headers["mtime"] == "1700000000.123456789"
        assert members["bin/cap"].pax_headers["SCHILY.xattr.security.capability"].encode("utf-8", "surrogateescape")[:1] == b"\1"
        assert (members["dev/sda"].type, members["dev/sda"].devmajor, members["dev/sda"].devminor) == (tarfile.BLKTYPE, 8, 1)
        assert members["run/pipe"].isfifo()
        assert found.extractfile(f"{LONG}/file").read() == b"deep"
        assert members["to-long"].linkname == LONG
        assert "latin-\udce9" in members
        assert members["locked"].mode == 0


entries = st.builds(
    Entry,
    st.lists(st.binary(min_size=1, max_size=40).filter(lambda part: not set(part) & set(b"/\0") and part not in (b".", b"..")),
             min_size=1, max_size=8).map(b"/".join),
    st.sampled_from([FILE, DIRECTORY, SYMLINK, HARD_LINK, CHAR, BLOCK, FIFO]),
    mode=st.integers(0, 0o7777), uid=st.integers(0, 2**32 - 1), gid=st.integers(0, 2**32 - 1),
    mtime=st.integers(-(2**62), 2**62), size=st.integers(0, 3000),
    target=st.binary(min_size=1, max_size=300).filter(lambda text: b"\0" not in text),
    device=st.tuples(st.integers(0, 0o7777777), st.integers(0, 0o7777777)),
    xattrs=st.lists(st.tuples(st.sampled_from([b"user.a", b"security.b"]), st.binary(max_size=50)), max_size=2, unique_by=lambda x: x[0])
    .map(lambda pairs: tuple(sorted(pairs))),
)  # fmt: skip


@given(st.lists(entries, max_size=5))
def test_our_reader_reads_what_the_sink_writes(given_entries):
    out = io.BytesIO()
    sink = ArchiveSink(out.write)
    for entry in given_entries:
        sink.add(entry, (bytes(entry.size),) if entry.kind is FILE else ())
    sink.finish()
    assert sink.size == len(out.getvalue())
    assert sink.size % 10240 == 0
    reader = TarReader([out.getvalue()], Allowance())
    for entry, found in zip(given_entries, list(reader)):
        assert found.path.rstrip(b"/") == entry.path
        assert (found.kind, found.mode, found.uid, found.gid, found.mtime, found.xattrs) == (
            entry.kind, entry.mode, entry.uid, entry.gid, entry.mtime, entry.xattrs,
        )  # fmt: skip
        assert found.size == (entry.size if entry.kind is FILE else 0)
        assert found.target == (entry.target if entry.kind in (SYMLINK, HARD_LINK) else b"")
        assert found.device == (entry.device if entry.kind in (CHAR, BLOCK) else (0, 0))


def test_a_file_of_another_size_is_noticed(tmp_path, session):
    image = import_root(write(tmp_path / "base.tar", BASE), "base:1", session=session)
    os.chmod(f"{image.tree}/etc/motd", 0o600)
    with open(f"{image.tree}/etc/motd", "ab") as stream:
        stream.write(b"more")
    with pytest.raises(StoreError, match="etc/motd"):
        export("base:1", str(tmp_path / "out.tar"), session)
    assert not (tmp_path / "out.tar").exists()
    os.unlink(f"{image.tree}/etc/motd")
    with pytest.raises(StoreError, match="etc/motd cannot be opened"):
        export("base:1", str(tmp_path / "out.tar"), session)
    assert sorted(os.listdir(tmp_path)) == ["base.tar", "store"]


def test_a_link_in_place_of_a_file_is_not_followed(tmp_path, session):
    image = import_root(write(tmp_path / "base.tar", BASE), "base:1", session=session)
    os.unlink(f"{image.tree}/etc/motd")
    os.symlink("/etc/passwd", f"{image.tree}/etc/motd")
    with pytest.raises(StoreError, match="cannot be opened"):
        export("base:1", str(tmp_path / "out.tar"), session)


def test_sockets_are_counted(tmp_path, session):
    image = import_root(write(tmp_path / "base.tar", BASE), "base:1", session=session)
    index = _index(session, image)
    index.root.children[b"etc"].children[b"old"].kind = "socket"
    out = io.BytesIO()
    root = os.open(image.tree, os.O_RDONLY)
    assert add_tree(ArchiveSink(out.write), index, root) == 1
    os.close(root)


def test_import_with_changes(tmp_path, session):
    changes = ["ENV A=1 B='two words'", "ENV PATH=/opt:$A", 'CMD ["sh", "-c", "true"]', "ENTRYPOINT echo hi", "WORKDIR /srv",
               "WORKDIR data", "USER 5:6", 'LABEL a=b c="d e"', "EXPOSE 80 53/udp", "VOLUME /data", 'VOLUME ["/a b"]', "STOPSIGNAL TERM"]  # fmt: skip
    image = import_root(write(tmp_path / "base", gzip.compress(BASE)), "base:1", changes=changes, message="why", session=session)
    document = config_document(image, session)
    assert document["config"] == {
        "Env": ["A=1", "B=two words", "PATH=/opt:1"], "Cmd": ["sh", "-c", "true"], "Entrypoint": ["/bin/sh", "-c", "echo hi"],
        "WorkingDir": "/srv/data", "User": "5:6", "Labels": {"a": "b", "c": "d e"}, "ExposedPorts": {"80/tcp": {}, "53/udp": {}},
        "Volumes": {"/data": {}, "/a b": {}}, "StopSignal": "TERM",
    }  # fmt: skip
    assert document["history"][0]["comment"] == "why"
    assert document["os"] == "linux"
    assert image.reference == "docker.io/library/base:1"
    assert files(image)["etc/motd"] == "one"


@pytest.mark.parametrize(("text", "words"), [
    ("RUN true", "not a known"), ("ENV", "says nothing"), ("ENV A", "no value"), ("ENV =x", "not NAME=VALUE"), ("ENV A=1 B", "not NAME=VALUE"),
    ("EXPOSE http", "not a port"), ("EXPOSE 80/icmp", "not a port"), ("EXPOSE 70000", "not a port"), ("LABEL 'a=b", "not closed"),
    ("WORKDIR ${X", "not closed"), ("USER ${X:?}", "neither"), ("USER a\0b", "NUL"),
])  # fmt: skip
def test_changes_that_cannot_be(text, words):
    with pytest.raises(UsageError, match=words):
        change.apply({}, text)


@pytest.mark.parametrize(("text", "value"), [
    (r"a\ b", "a b"), ("'a $X'", "a $X"), ('"a $X"', "a 1"), ('"\\$X"', "$X"), (r'"\q"', r"\q"), ("${X}y", "1y"), ("${N:-d}", "d"), ("${X:+s}", "s"),
    ("${N:+s}", ""), ("$", "$"), ("a$N", "a"), ("\\", "\\"),
])  # fmt: skip
def test_quotes_and_variables(text, value):
    assert change.apply({"Env": ["X=1"]}, f"USER {text}")["User"] == value


@given(st.text())
def test_any_change_is_applied_or_refused(text):
    try:
        found = change.apply({"Env": ["A=b"]}, f"ENV {text}")
    except UsageError:
        return
    assert all("=" in pair for pair in found["Env"])


def test_import_of_what_is_no_archive(tmp_path, session, tools):
    for data, words in ((b"", "empty"), (b"PK\x03\x04" + bytes(600), "zip"), (b"\xfd7zXZ\0" + bytes(30), "xz data is damaged")):
        with pytest.raises((UsageError, LayerError), match=words):
            import_root(write(tmp_path / "x", data), "x:1", session=session)
    with pytest.raises(UsageError, match="only files are imported") as error:
        import_root("https://example.org/base.tar", "x:1", session=session)
    assert "curl" in error.value.hint
    with pytest.raises(UsageError, match="is a directory"):
        import_root(str(tmp_path), "x:1", session=session)
    with pytest.raises(UsageError, match="by its digest"):
        import_root(str(tmp_path / "x"), f"x@sha256:{'0' * 64}", session=session)
    with pytest.raises(LayerError, match="cut: it has no end"):
        import_root(write(tmp_path / "x", BASE[:-1024]), "x:1", session=session)
    with pytest.raises(UsageError, match="holds images"):
        import_root(write(tmp_path / "x", packed(forms.docker_25([tools]))), "x:1", session=session)
    with pytest.raises(LayerError, match="leaves the root"):
        import_root(write(tmp_path / "x", archive(file("../x"))), "x:1", session=session)
    assert names.listing(session.store) == []


def test_import_reads_xz_and_has_no_need_of_a_name(tmp_path, session):
    image = import_root(write(tmp_path / "x", lzma.compress(BASE)), session=session)
    assert image.reference == image.config
    assert files(image)["bin/sh"] == "#!"


def test_export_of_what_is_not_there(tmp_path, session, tools):
    with pytest.raises(ImageNotFound):
        export("nothing:1", str(tmp_path / "x"), session)
    loaded(tmp_path, session, packed(forms.docker_25([tools])))
    with pytest.raises(HostError, match="no space left"):
        export("tools:1", "/dev/full", session)
    export("tools:1", str(tmp_path / "x"), session)
    with tarfile.open(tmp_path / "x") as found:
        assert found.getnames() == [".", "bin", "bin/sh", "etc", "etc/link", "etc/motd"]


def test_a_whiteout_in_a_root_is_one(tmp_path, session):
    """What `import` gets is a layer: `.wh.` names mean what they mean there."""
    image = import_root(write(tmp_path / "x", archive(file("a"), whiteout("b"))), session=session)
    assert files(image) == {"a": ""}


def test_docker_export_loads_as_an_image(tmp_path, session):
    (found,) = load(
        write(tmp_path / "x", archive(file(".dockerenv"), directory("etc"), file("etc/x"))), name="x:1", session=session
    )
    assert (found.reference, json.dumps(files(found))) == (
        "docker.io/library/x:1",
        '{"etc": "dir", ".dockerenv": "", "etc/x": ""}',
    )


def test_a_second_import_takes_the_name(tmp_path, session):
    for data in (BASE, RICH):
        image = import_root(write(tmp_path / "x", data), "a:1", session=session)
    (record,) = names.listing(session.store)
    assert record.config == image.config
