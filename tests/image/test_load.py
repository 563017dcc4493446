"""`load` takes every kind of archive of images, by content, with the names that Docker would give."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import os
import sys
import time

import pytest

from sampan.errors import DigestMismatch, LayerError, NotAtRegistry, ProtocolError, UsageError
from sampan.oci.digest import Digest
from sampan.runtime.images import config_document
from sampan.runtime.load import load
from sampan.store import fsck, gc, names
from sampan.store.blobs import size_of
from tests.image.conftest import BASE, OTHER_FILES, RUN, TOOLS_FILES, TOP, files, loaded, write
from tests.images import docker_archives as forms
from tests.images.build import Layout, compress, digest_of, directory, file, has_zstd, layer, layer_of
from tests.images.docker_archives import Image, Link, packed

pytestmark = pytest.mark.client

TOOLS, OTHER, ALIAS = "docker.io/library/tools:1", "quay.io/org/other:2", "docker.io/library/other:latest"
DOCKER = {
    "1.9": forms.docker_1_9,
    "1.10": forms.docker_1_10,
    "1.10 without links": lambda images: forms.docker_1_10(images, links=False),
    "25": forms.docker_25,
    "skopeo": forms.skopeo,
}


def is_sound(session) -> bool:
    """Nothing is damaged, nothing is under way, and gc would take nothing that a name needs."""
    if not os.path.exists(session.store.join("format")):
        return True  # refused before anything was written
    before = [image.reference for image in names.listing(session.store)]
    gc.collect(session.store, grace=0, blob_grace=0)
    found = list(fsck.check(session.store, True, session.progress.begin("")))
    assert found == []
    assert [name for name in os.listdir(session.store.join("tmp")) if not name.endswith("-lease")] == []
    assert [image.reference for image in names.listing(session.store)] == before
    return True


@pytest.mark.parametrize("form", DOCKER)
def test_docker_archives_of_all_ages(form, tmp_path, session, tools, other):
    found = loaded(tmp_path, session, packed(DOCKER[form]([tools, other])))
    assert set(found) == {TOOLS, OTHER, ALIAS}
    assert files(found[TOOLS]) == TOOLS_FILES
    assert files(found[OTHER]) == files(found[ALIAS]) == OTHER_FILES
    assert config_document(found[TOOLS], session)["config"] == RUN
    if form != "1.9":  # which has no configuration of its own
        assert found[TOOLS].config == tools.id
    assert is_sound(session)


@pytest.mark.parametrize("form", DOCKER)
def test_members_in_any_order_and_spelling(form, tmp_path, new_session, tools, other):
    members = DOCKER[form]([tools, other])
    expected = loaded(tmp_path, new_session("a"), packed(members))
    for number, options in enumerate(({"reverse": True}, {"front": "./"}, {"front": "/", "reverse": True})):
        found = loaded(tmp_path, new_session(f"b{number}"), packed(members, **options))
        assert {name: image.manifest for name, image in found.items()} == {n: i.manifest for n, i in expected.items()}


@pytest.mark.parametrize("form", DOCKER)
def test_images_without_names_are_reached_by_their_id(form, tmp_path, session):
    named, unnamed = Image([BASE, TOP], ("tools:1",), RUN), Image([BASE], (), {"Cmd": ["x"]})
    if form == "1.9":
        unnamed = Image([TOP], (), {"Cmd": ["x"]})  # a layer of another image is none by itself
    found = loaded(tmp_path, session, packed(DOCKER[form]([named, unnamed])))
    assert len(found) == 2
    (other,) = set(found) - {TOOLS}
    assert other == found[other].config
    assert other.startswith("sha256:")
    assert config_document(found[other], session)["config"] == {"Cmd": ["x"]}
    assert is_sound(session)


def test_an_image_that_gets_a_name_needs_no_record_under_its_id(tmp_path, session):
    unnamed = Image([BASE], (), RUN)
    (id,) = loaded(tmp_path, session, packed(forms.docker_25([unnamed])))
    assert id == unnamed.id
    named = Image([BASE], ("x:1",), RUN)
    assert list(loaded(tmp_path, session, packed(forms.docker_25([named])))) == ["docker.io/library/x:1"]
    assert [image.reference for image in names.listing(session.store)] == ["docker.io/library/x:1"]
    # And the other way round a name is enough.
    assert list(loaded(tmp_path, session, packed(forms.docker_25([unnamed])))) == ["docker.io/library/x:1"]
    assert [image.reference for image in names.listing(session.store)] == ["docker.io/library/x:1"]


def test_the_containerd_store_has_one_platform_of_many(tmp_path, session, tools):
    arm = Image([OTHER_ARM], (), RUN, "linux/arm64")
    risc = Image([TOP], (), RUN, "linux/riscv64")
    found = loaded(tmp_path, session, packed(forms.containerd(tools, [arm, risc])), platform="linux/amd64")
    assert files(found[TOOLS]) == TOOLS_FILES
    (record,) = names.listing(session.store)
    assert record.index
    assert size_of(session.store, Digest.parse(record.index)) is not None
    assert record.manifest != record.index
    assert is_sound(session)


OTHER_ARM = forms.tarbytes.archive(forms.tarbytes.file("etc/arm", b"arm"), forms.tarbytes.directory("etc"))


def test_a_platform_is_chosen(tmp_path, new_session, tools):
    arm = Image([OTHER_ARM], (), RUN, "linux/arm64")
    data = packed(forms.containerd(tools, [arm], present=("linux/arm64",)))
    assert loaded(tmp_path, new_session("a"), data, platform="linux/amd64")[TOOLS].platform == "linux/amd64"
    chosen = loaded(tmp_path, new_session("b"), data, platform="linux/arm64")
    assert (chosen[TOOLS].platform, len(chosen)) == ("linux/arm64", 1)
    with pytest.raises(NotAtRegistry, match="no image for linux/s390x; it has linux/a"):
        loaded(tmp_path, new_session("c"), data, platform="linux/s390x")
    only = packed(forms.containerd(tools, [arm]))
    with pytest.raises(NotAtRegistry, match="linux/amd64"):
        loaded(tmp_path, new_session("d"), only, platform="linux/arm64")


def test_the_only_image_is_taken_though_it_is_for_another_machine(tmp_path, session):
    image = Image([BASE], ("x:1",), RUN, "linux/s390x")
    found = loaded(tmp_path, session, packed(forms.containerd(image, [Image([TOP], (), RUN, "linux/ppc64le")])))
    assert found["docker.io/library/x:1"].platform == "linux/s390x"
    assert "linux/s390x" in session.notice.said[0]


def test_missing_layers_are_named(tmp_path, session, tools):
    data = packed(forms.containerd(tools, [], without=(1,)))
    with pytest.raises(LayerError, match=r"lacks layer sha256:\w+ of tools:1") as error:
        loaded(tmp_path, session, data)
    assert "pull the image there" in error.value.hint
    assert names.listing(session.store) == []
    # Where the store has the tree of the missing layer it is no obstacle.
    loaded(tmp_path, session, packed(forms.docker_25([Image([BASE], ("base:1",))])))
    found = loaded(tmp_path, session, packed(forms.containerd(tools, [], without=(0,))))
    assert files(found[TOOLS]) == TOOLS_FILES
    assert "cannot" not in session.notice.said[-1]
    assert "but not saved or pushed" in session.notice.said[-1]


def test_a_base_that_is_there_is_not_unpacked_again(tmp_path, session, tools, other):
    loaded(tmp_path, session, packed(forms.docker_1_10([other])))
    found = loaded(tmp_path, session, packed(forms.docker_1_10([tools])))
    base = loaded(tmp_path, session, packed(forms.docker_1_10([Image([BASE], ("base:1",))])))["docker.io/library/base:1"]
    again = loaded(tmp_path, session, packed(forms.docker_1_10([Image([BASE, OTHER_ARM], ("again:1",))])))
    assert os.stat(f"{base.tree}/bin/sh").st_ino == os.stat(f"{again['docker.io/library/again:1'].tree}/bin/sh").st_ino
    assert files(found[TOOLS]) == TOOLS_FILES
    assert is_sound(session)


@pytest.mark.parametrize("compression", ["gzip", "xz", "bzip2", "zstd"])
def test_whole_archives_compressed_by_anything(compression, tmp_path, session, tools):
    if compression == "zstd" and not has_zstd():
        pytest.skip("no zstd here")
    make = {
        "gzip": lambda data: gzip.compress(data[:2000]) + gzip.compress(data[2000:]) + bytes(100),
        "xz": lambda data: lzma.compress(data[:2000]) + lzma.compress(data[2000:]),
        "bzip2": lambda data: bz2.compress(data[:2000]) + bz2.compress(data[2000:]),
        "zstd": lambda data: compress(data, "zstd"),
    }[compression]
    found = loaded(tmp_path, session, make(packed(forms.docker_25([tools]))))
    assert files(found[TOOLS]) == TOOLS_FILES
    assert is_sound(session)


@pytest.mark.parametrize("compression", ["gzip", "xz", "bzip2"])
def test_layers_compressed_by_anything_docker_took(compression, tmp_path, session, tools):
    make = {"gzip": gzip.compress, "xz": lzma.compress, "bzip2": bz2.compress}[compression]
    found = loaded(tmp_path, session, packed(forms.compressed_layers([tools], make)))
    assert files(found[TOOLS]) == TOOLS_FILES
    assert found[TOOLS].config == tools.id
    assert is_sound(session)


def test_from_standard_input(tmp_path, new_session, tools, monkeypatch):
    data = packed(forms.skopeo([tools]))
    reading, writing = os.pipe()
    with open(writing, "wb") as pipe:
        pipe.write(data[:60000])
    assert len(data) < 60000
    with io.TextIOWrapper(open(reading, "rb")) as stream:
        monkeypatch.setattr(sys, "stdin", stream)
        (image,) = load("-", session=new_session("pipe"))
    assert files(image) == TOOLS_FILES
    path = write(tmp_path / "redirected", data)
    with open(path) as stream:
        monkeypatch.setattr(sys, "stdin", stream)
        (image,) = load("-", session=new_session("file"))
    assert files(image) == TOOLS_FILES


# OCI


def oci(tmp_path) -> Layout:
    return Layout(tmp_path / "layout")


def test_oci_layouts_as_directory_and_archive(tmp_path, new_session):
    layout = oci(tmp_path)
    image = layout.image([layer([directory("etc"), file("etc/motd", b"oci")], "gzip")], RUN)
    layout.tag("docker.io/org/x:1", image)
    for number, path in enumerate((str(layout.path), write(tmp_path / "a.tar", packed(forms.of_directory(layout.path))))):
        session = new_session(str(number))
        (found,) = load(path, session=session)
        assert (found.reference, found.manifest) == ("docker.io/org/x:1", image["digest"])
        assert files(found) == {"etc": "dir", "etc/motd": "oci"}
        assert is_sound(session)


def test_a_tag_alone_is_no_name(tmp_path, new_session):
    """Never invented: udocker gave such an image two tags, or a random name (its defect D12, issue 449)."""
    layout = oci(tmp_path)
    layout.tag("1", layout.image([layer([file("a")])]))
    (found,) = load(str(layout.path), session=new_session("a"))
    assert found.reference == found.config
    (found,) = load(str(layout.path), name="mine:2", session=new_session("b"))
    assert found.reference == "docker.io/library/mine:2"


def test_names_of_the_index(tmp_path, session):
    layout = oci(tmp_path)
    image = layout.image([layer([file("a")])])

    names_of = [
        {"io.containerd.image.name": "docker.io/library/a:1", "org.opencontainers.image.ref.name": "1"},
        {"org.opencontainers.image.ref.name": "b:2"},
        {"org.opencontainers.image.ref.name": "localhost:5000/c"},
        {"io.containerd.image.name": "not a name", "org.opencontainers.image.ref.name": "latest"},
        {"io.containerd.image.name": f"moby-dangling@{digest_of(b'')}"},
    ]  # fmt: skip
    entries = [{**image, "annotations": annotations} for annotations in names_of]
    (layout.path / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": entries}))
    found = {image.reference for image in load(str(layout.path), session=session)}
    assert found == {"docker.io/library/a:1", "docker.io/library/b:2", "localhost:5000/c:latest"}


def test_docker_adds_what_the_oci_side_does_not_say(tmp_path, session, tools):
    """A name only in manifest.json, and an image only there."""
    members = dict(forms.docker_25([tools]))
    index = json.loads(members["index.json"])
    for descriptor in index["manifests"]:
        descriptor.pop("annotations", None)
    members["index.json"] = json.dumps(index).encode()
    extra = forms.docker_1_10([Image([TOP], ("extra:1",))])
    items = json.loads(members["manifest.json"]) + json.loads(dict(extra)["manifest.json"])
    members = {**dict(extra), **members, "manifest.json": json.dumps(items).encode()}
    found = loaded(tmp_path, session, packed(list(members.items())))
    assert set(found) == {TOOLS, "docker.io/library/extra:1"}
    assert found[TOOLS].manifest == index["manifests"][0]["digest"]


def test_what_is_no_image_is_passed_over(tmp_path, session):
    layout = oci(tmp_path)
    layout.tag("x:1", layout.image([layer([file("a")])]))
    chart = layout.document({}, "application/vnd.cncf.helm.config.v1+json")
    manifest = {"schemaVersion": 2, "mediaType": forms.TYPES["oci"]["manifest"], "config": chart, "layers": []}
    layout.tag("chart:1", layout.document(manifest, manifest["mediaType"]))
    (found,) = load(str(layout.path), session=session)
    assert found.reference == "docker.io/library/x:1"
    assert "Helm chart" in session.notice.said[0]


def test_indexes_in_indexes(tmp_path, session):
    """As deep and as often as it makes sense, beside artifacts, and no further."""
    layout = oci(tmp_path)
    image = layout.image([layer([file("a")])], platform="linux/s390x")
    chart = layout.document({}, "application/vnd.cncf.helm.config.v1+json")
    manifest = {"schemaVersion": 2, "mediaType": forms.TYPES["oci"]["manifest"], "config": chart, "layers": []}
    artifact = layout.document(manifest, manifest["mediaType"])
    unknown = layout.document({"schemaVersion": 2}, "application/vnd.example.thing+json")
    nested = layout.index([artifact, unknown, image, image])
    layout.tag("x:1", layout.index([nested] * 500))
    (found,) = load(str(layout.path), session=session)
    assert (found.reference, found.platform) == ("docker.io/library/x:1", "linux/s390x")
    for _ in range(30):
        nested = layout.index([nested] * 200)
    layout.tag("x:1", nested)
    with pytest.raises(ProtocolError, match="nests more than 4"):
        load(str(layout.path), session=session)


def test_a_root_file_system_is_one_layer(tmp_path, new_session):
    data = gzip.compress(BASE)
    (found,) = loaded(tmp_path, new_session("a"), data).values()
    assert found.reference == found.config
    assert files(found)["etc/motd"] == "one"
    again = loaded(tmp_path, new_session("b"), BASE)
    assert list(again) == [found.reference]  # whatever compressed it, whenever it is loaded
    with pytest.raises(UsageError, match="neither images nor a root file system"):
        loaded(tmp_path, new_session("c"), forms.tarbytes.archive(forms.tarbytes.file("README")))


def test_one_image_of_many(tmp_path, session, tools, other):
    data = packed(forms.docker_25([tools, other]))
    assert list(loaded(tmp_path, session, data, "other")) == [ALIAS]
    with pytest.raises(UsageError, match="no image nothing:1") as error:
        loaded(tmp_path, session, data, "nothing:1")
    assert "tools:1" in error.value.hint
    with pytest.raises(UsageError, match="2 images, of which one name"):
        loaded(tmp_path, session, data, name="x:1")
    assert list(loaded(tmp_path, session, data, "tools:1", name="x:1")) == ["docker.io/library/x:1"]


def test_without_blobs(tmp_path, new_session, tools):
    session = new_session("lean", SAMPAN_KEEP_BLOBS="false")
    found = loaded(tmp_path, session, packed(forms.docker_1_10([tools])))
    assert files(found[TOOLS]) == TOOLS_FILES
    assert size_of(session.store, Digest.parse(digest_of(BASE))) is None
    assert size_of(session.store, Digest.parse(found[TOOLS].config)) is not None
    assert is_sound(session)


def test_the_same_layer_twice(tmp_path, session):
    found = loaded(tmp_path, session, packed(forms.docker_25([Image([BASE, TOP, BASE], ("x:1",))])))
    assert files(found["docker.io/library/x:1"])["etc/motd"] == "one"
    assert is_sound(session)


# Links between members


def test_links_lead_to_members_only(tmp_path, new_session, tools):
    members = dict(forms.skopeo([tools]))
    top = f"{digest_of(TOP).partition(':')[2]}.tar"
    content = members[top]
    for number, link in enumerate((
        Link("real"), Link("a/../real"), Link("/real"), Link("real", hard=True), Link("./hop"), Link("dir/real2"),
    )):  # fmt: skip
        changed = {
            **members, top: link, "real": content, "hop": Link("real"), "dir": Link("sub/dir"), "sub/dir/real2": Link("../../real"),
        }  # fmt: skip
        found = loaded(tmp_path, new_session(str(number)), packed(list(changed.items())))
        assert files(found[TOOLS]) == TOOLS_FILES
    for number, (link, words) in enumerate((
        (Link("../../etc/passwd"), "neither a file nor"), (Link("/etc/passwd"), "lacks layer"), (Link(top), "circle"),
        (Link("loop"), "circle"),
    )):  # fmt: skip
        changed = {**members, top: link, "loop": Link(top)}
        with pytest.raises(LayerError, match=words):
            loaded(tmp_path, new_session(f"bad{number}"), packed(list(changed.items())))


# What is wrong with an archive


def spoil(members, name: str, change) -> bytes:
    found = dict(members)
    found[name] = change(found[name])
    return packed(list(found.items()))


def manifest_with(members, **values) -> bytes:
    return spoil(members, "manifest.json", lambda data: json.dumps([{**json.loads(data)[0], **values}]).encode())


@pytest.mark.parametrize("case", [
    "path of the configuration", "path of a layer", "absolute", "cut", "cut between members", "cut root", "cut in the head", "wrong bytes", "wrong bytes oci", "too few layers",
    "two of one name", "two of one name oci", "no configuration", "bad name", "not json", "parents in a circle", "no parent",
    "sparse", "layer with a way out",
])  # fmt: skip
def test_bad_archives_leave_nothing(case, tmp_path, session, tools, other):
    old, new = forms.docker_1_10([tools]), forms.docker_25([tools])
    layer_path = json.loads(dict(old)["manifest.json"])[0]["Layers"][0]
    blob = json.loads(dict(new)["manifest.json"])[0]["Layers"][0]
    evil = Image([forms.tarbytes.archive(forms.tarbytes.file("../../evil", b"x"))], ("evil:1",))
    twice = Image([BASE], ("tools:1",), {})
    v1 = forms.docker_1_9([tools])
    jsons = [name for name, _ in v1 if name.endswith("/json")]
    top_json = json.loads(dict(v1)[jsons[-1]])
    data, expected, words = {
        "path of the configuration": (manifest_with(old, Config="../../../etc/passwd"), LayerError, "leaves"),
        "path of a layer": (manifest_with(old, Layers=["../x", "y"]), LayerError, "leaves"),
        "absolute": (manifest_with(old, Layers=["/etc/passwd", "/etc/group"]), LayerError, "lacks"),
        "cut": (packed(old)[:3000], LayerError, "cut"),
        "cut between members": (packed(old)[: 512 * 12], LayerError, "cut"),
        "cut root": (forms.tarbytes.archive(forms.tarbytes.directory("bin"))[:512], LayerError, "cut"),
        "cut in the head": (packed(old)[:700], LayerError, "cut"),
        "wrong bytes": (spoil(old, layer_path, lambda data: data.replace(b"one", b"eno")), DigestMismatch, "digest"),
        "wrong bytes oci": (spoil(new, blob, lambda data: data.replace(b"one", b"eno")), DigestMismatch, "digest"),
        "too few layers": (manifest_with(old, Layers=[layer_path]), ProtocolError, "1 layers, but its configuration names 2"),
        "two of one name": (packed(forms.docker_1_10([tools, twice])), ProtocolError, "two images of the name tools:1"),
        "two of one name oci": (packed(forms.docker_25([tools, twice])), ProtocolError, "two images of the name tools:1"),
        "no configuration": (manifest_with(old, Config="nowhere.json"), LayerError, "not in the archive"),
        "bad name": (manifest_with(old, RepoTags=["A B"]), ProtocolError, "no reference"),
        "not json": (spoil(old, "manifest.json", lambda data: data[:-1]), ProtocolError, "JSON"),
        "parents in a circle": (
            spoil(v1, jsons[0], lambda data: json.dumps({**json.loads(data), "parent": top_json["id"]}).encode()), ProtocolError, "circle",
        ),
        "no parent": (
            spoil(v1, jsons[0], lambda data: json.dumps({**json.loads(data), "parent": "f" * 64}).encode()), LayerError, "not in",
        ),
        "sparse": (
            packed([(name, data) for name, data in old if name != layer_path])[:-1024]
            + forms.tarbytes.archive(
                forms.tarbytes.pax(("GNU.sparse.map", "0,1"), ("GNU.sparse.size", "5"), ("GNU.sparse.name", layer_path)),
                forms.tarbytes.file("x", b"a"),
            ),
            LayerError,
            "neither a file nor",
        ),
        "layer with a way out": (packed(forms.docker_25([evil])), LayerError, "leaves the root"),
    }[case]  # fmt: skip
    with pytest.raises(expected, match=words) as error:
        loaded(tmp_path, session, data)
    assert str(tmp_path / "archive") in error.value.sentence or isinstance(error.value, UsageError)
    assert names.listing(session.store) == []
    assert not (tmp_path / "evil").exists()
    assert is_sound(session)


@pytest.mark.parametrize(("head", "words"), [
    (bytes(32) + b"SIF_MAGIC\0" + bytes(500), "SIF image"), (b"hsqs" + bytes(600), "squashfs"), (b"PK\x03\x04" + bytes(600), "zip archive"),
    (b"<!DOCTYPE html><html>" + bytes(600), "web page"), (b"\n <html>sorry</html>", "web page"), (b"\x7fELF" + bytes(600), "a program"),
    (b"", "empty"), (b"hello", "not an archive"), (b'{"errors": []}', "JSON document"), (b"\x04\x22\x4d\x18" + bytes(600), "lz4"),
    (b"#!/usr/bin/env run-singularity\nhsqs" + bytes(600), "Singularity 2"), (bytes(1080) + b"\x53\xef" + bytes(3000), "ext4"),
])  # fmt: skip
def test_other_files_are_called_by_their_kind(head, words, tmp_path, session):
    for data in (head, gzip.compress(head)):
        with pytest.raises(UsageError, match=words) as error:
            loaded(tmp_path, session, data)
        assert error.value.hint
    assert names.listing(session.store) == []


def test_directories_and_missing_files(tmp_path, session):
    with pytest.raises(UsageError, match="No such file"):
        load(str(tmp_path / "nowhere"), session=session)
    with pytest.raises(UsageError, match="has no images in it"):
        load(str(tmp_path), session=session)
    layout = oci(tmp_path)
    image = layout.tag("x:1", layout.image([layer([file("a")])]))
    os.unlink(layout.path / "blobs" / image["digest"].replace(":", "/"))
    os.symlink("/etc/passwd", layout.path / "blobs" / image["digest"].replace(":", "/"))
    with pytest.raises(LayerError, match="none of the 1 images"):
        load(str(layout.path), session=session)


def test_bombs_are_bounded(tmp_path, session, monkeypatch):
    """An archive that unpacks to more than a thousand times its size, beyond what any image may have."""
    from sampan.layers import limits

    monkeypatch.setattr(limits, "FREE_BYTES", 1 << 20)
    with pytest.raises(LayerError, match="1000 times"):
        loaded(tmp_path, session, gzip.compress(bytes(48 << 20), 9))
    layered = layer_of(forms.tarbytes.archive(forms.tarbytes.file("zeros", bytes(48 << 20))), "gzip")
    layout = oci(tmp_path)
    layout.tag("x:1", layout.image([layered]))
    with pytest.raises(LayerError, match="1000 times"):
        load(str(layout.path), session=session)
    assert names.listing(session.store) == []


def test_small_archives_that_would_cost_much(tmp_path, session, tools):
    """Bounded in time and memory: deep names, many images that share a large document, many names."""
    begin = time.monotonic()
    old = forms.docker_1_10([tools])
    item = json.loads(dict(old)["manifest.json"])[0]
    big = json.dumps({**json.loads(tools.config), "x": "y" * (3 << 20)}).encode()
    for items, expected, words in (
        ([{**item, "Config": "a/" * 1_000_000}], LayerError, "not in the archive"),
        ([{**item, "Layers": ["b/" * 900_000, "c"]}], LayerError, "lacks"),
        ([item] * 1001, ProtocolError, "at most 1000"),
        ([{**item, "RepoTags": [f"x:{n}" for n in range(10_001)]}], ProtocolError, "at most 10000"),
        (
            [{**item, "Config": "big", "RepoTags": [f"x:{n}"]} for n in range(900)] + [{"Config": "no"}],
            LayerError,
            "not in the archive",
        ),
    ):
        members = {**dict(old), "manifest.json": json.dumps(items).encode(), "big": big}
        with pytest.raises(expected, match=words):
            loaded(tmp_path, session, packed(list(members.items())))
    documents = {f"{n}.json": b" " * (4 << 20) for n in range(17)}
    members = {**documents, "manifest.json": json.dumps([{"Config": name} for name in documents]).encode()}
    with pytest.raises((LayerError, ProtocolError)):
        loaded(tmp_path, session, packed(list(members.items())))
    assert time.monotonic() - begin < 20
    assert names.listing(session.store) == []


def test_an_archive_without_images(tmp_path, session):
    with pytest.raises(UsageError, match="lists no images"):
        loaded(tmp_path, session, packed([("manifest.json", b"[]")]))
    layout = Layout(tmp_path / "layout")
    with pytest.raises(UsageError, match="lists no images"):
        load(str(layout.path), session=session)
