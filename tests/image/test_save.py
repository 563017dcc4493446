"""`save` writes archives that say the same as the store, always in the same bytes, or nothing."""

from __future__ import annotations

import io
import json
import os
import tarfile

import pytest

from sampan.errors import CorruptRecord, DigestMismatch, HostError, ImageNotFound, UsageError
from sampan.image.save import FORMATS
from sampan.oci.digest import Digest
from sampan.runtime.load import load
from sampan.runtime.save import save
from sampan.store import blobs, names
from tests.image.conftest import BASE, OTHER_FILES, TOOLS_FILES, TOP, files, loaded
from tests.images import docker_archives as forms
from tests.images.build import Layout, compress, directory, file, has_zstd, layer
from tests.images.docker_archives import Image, packed

pytestmark = pytest.mark.client

TOOLS, OTHER, ALIAS = "docker.io/library/tools:1", "quay.io/org/other:2", "docker.io/library/other:latest"


@pytest.fixture
def stocked(tmp_path, session, tools, other):
    """A session whose store has three names of two images."""
    loaded(tmp_path, session, packed(forms.docker_25([tools, other])))
    return session


def contents(path) -> dict[str, bytes]:
    """The files of an archive or a directory."""
    if os.path.isdir(path):
        return {name: data for name, data in forms.of_directory(path) if data is not None}
    with tarfile.open(path) as archive:
        return {member.name: archive.extractfile(member).read() for member in archive if member.isfile()}


@pytest.mark.parametrize("form", FORMATS)
def test_what_is_saved_is_loaded_again(form, tmp_path, stocked, new_session):
    saved = str(tmp_path / "saved")
    save(["tools:1", "quay.io/org/other:2", "other"], saved, form, stocked)
    again = new_session("again")
    found = {image.reference: image for image in load(saved, session=again)}
    assert set(found) == {TOOLS, OTHER, ALIAS}
    assert files(found[TOOLS]) == TOOLS_FILES
    assert files(found[OTHER]) == OTHER_FILES
    expected = {image.reference: (image.manifest, image.config) for image in names.listing(stocked.store)}
    assert {name: (image.manifest, image.config) for name, image in found.items()} == expected


@pytest.mark.parametrize("form", FORMATS)
def test_the_same_images_give_the_same_bytes(form, tmp_path, stocked):
    for name in ("a", "b"):
        save(["tools:1", "other"], str(tmp_path / name), form, stocked)
    if form == "oci-dir":
        assert contents(tmp_path / "a") == contents(tmp_path / "b")
    else:
        assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_the_docker_archive_has_both_sides(tmp_path, stocked, tools):
    save(["tools:1", "other"], str(tmp_path / "saved"), "docker-archive", stocked)
    found = contents(tmp_path / "saved")
    assert list(found)[:4] == ["oci-layout", "index.json", "manifest.json", "repositories"]
    items = json.loads(found["manifest.json"])
    assert [item["RepoTags"] for item in items] == [[TOOLS], [ALIAS]]
    assert found[items[0]["Config"]] == tools.config
    assert [found[path] for path in items[0]["Layers"]] == [BASE, TOP]
    assert json.loads(found["repositories"])["tools"] == {"1": tools.diff_ids[-1].partition(":")[2]}
    entries = json.loads(found["index.json"])["manifests"]
    assert entries[0]["annotations"] == {"io.containerd.image.name": TOOLS, "org.opencontainers.image.ref.name": "1"}
    with tarfile.open(tmp_path / "saved") as archive:
        assert {(member.uid, member.gid, member.uname, member.mtime) for member in archive} == {(0, 0, "", 0)}


def test_tags_that_several_images_have_are_written_in_full(tmp_path, session):
    loaded(tmp_path, session, packed(forms.docker_25([Image([BASE], ("a:1", "a:2")), Image([TOP], ("b:1",))])))
    save(["a", "b:1"], str(tmp_path / "saved"), "oci-archive", session)
    entries = json.loads(contents(tmp_path / "saved")["index.json"])["manifests"]
    labels = [entry["annotations"]["org.opencontainers.image.ref.name"] for entry in entries]
    assert sorted(labels) == ["2", "docker.io/library/a:1", "docker.io/library/b:1"]


def test_by_id_an_image_has_no_name_in_the_archive(tmp_path, stocked, new_session, tools):
    save([tools.id], str(tmp_path / "saved"), "docker-archive", stocked)
    assert json.loads(contents(tmp_path / "saved")["manifest.json"])[0]["RepoTags"] is None
    (found,) = load(str(tmp_path / "saved"), session=new_session("again"))
    assert found.reference == tools.id


@pytest.mark.parametrize("compression", ["gzip", "zstd"])
def test_blobs_stay_as_they_are(compression, tmp_path, session, new_session):
    if compression == "zstd" and not has_zstd():
        pytest.skip("no zstd here")
    layout = Layout(tmp_path / "layout")
    blob = layer([directory("etc"), file("etc/motd", b"x")], compression)
    image = layout.tag("x:1", layout.image([blob], kind="docker" if compression == "gzip" else "oci"))
    load(str(layout.path), session=session)
    save(["x:1"], str(tmp_path / "saved"), "docker-archive", session)
    assert blob.data in contents(tmp_path / "saved").values()
    assert compress(b"", compression) is not None
    (found,) = load(str(tmp_path / "saved"), session=new_session("again"))
    assert found.manifest == image["digest"]


def test_what_was_not_kept_is_said_before_anything_is_written(tmp_path, new_session, tools):
    lean = new_session("lean", SAMPAN_KEEP_BLOBS="false")
    loaded(tmp_path, lean, packed(forms.docker_25([tools])))
    with pytest.raises(ImageNotFound, match="has not kept 2 of its blobs") as error:
        save(["tools:1"], str(tmp_path / "saved"), "docker-archive", lean)
    assert "keep_blobs" in error.value.hint
    assert not (tmp_path / "saved").exists()


@pytest.mark.parametrize("form", FORMATS)
def test_a_damaged_blob_is_not_passed_on(form, tmp_path, stocked, tools):
    path = blobs.path_of(stocked.store, Digest.parse(tools.diff_ids[0]))
    with open(path, "r+b") as stream:
        stream.seek(600)
        stream.write(b"?")
    saved = tmp_path / "out/saved"
    saved.parent.mkdir()
    with pytest.raises(DigestMismatch, match="cannot save tools:1"):
        save(["tools:1"], str(saved), form, stocked)
    assert os.listdir(saved.parent) == []
    saved.write_text("what was there before") if form != "oci-dir" else None
    with pytest.raises(DigestMismatch):
        save(["tools:1"], str(saved), form, stocked)
    assert os.listdir(saved.parent) == (["saved"] if form != "oci-dir" else [])


def test_a_damaged_document_is_not_passed_on(tmp_path, stocked, tools):
    with open(blobs.path_of(stocked.store, Digest.parse(tools.id)), "ab") as stream:
        stream.write(b" ")
    with pytest.raises(CorruptRecord, match="does not match its digest"):
        save(["tools:1"], str(tmp_path / "saved"), "docker-archive", stocked)


def test_refused_destinations(tmp_path, stocked, monkeypatch):
    with pytest.raises(UsageError, match="is a directory"):
        save(["tools:1"], str(tmp_path), "docker-archive", stocked)
    (tmp_path / "full").mkdir()
    (tmp_path / "full/x").touch()
    with pytest.raises(UsageError, match="is there already"):
        save(["tools:1"], str(tmp_path / "full"), "oci-dir", stocked)
    with pytest.raises(UsageError, match="standard output"):
        save(["tools:1"], "-", "oci-dir", stocked)
    with pytest.raises(HostError, match="No such file"):
        save(["tools:1"], str(tmp_path / "no/such"), "docker-archive", stocked)
    controller, terminal = os.openpty()
    try:
        with open(terminal, "w", closefd=False) as stream:
            monkeypatch.setattr("sys.stdout", stream)
            with pytest.raises(UsageError, match="terminal"):
                save(["tools:1"], "-", "docker-archive", stocked)
        with pytest.raises(UsageError, match="terminal"):
            save(["tools:1"], os.ttyname(terminal), "docker-archive", stocked)
    finally:
        os.close(controller)
        os.close(terminal)
    with pytest.raises(ImageNotFound, match="no image nothing"):
        save(["nothing"], str(tmp_path / "saved"), "docker-archive", stocked)


def test_a_full_disk(stocked):
    with pytest.raises(HostError, match="no space left"):
        save(["tools:1"], "/dev/full", "docker-archive", stocked)


def test_a_pipe_and_a_link(tmp_path, stocked):
    save(["tools:1"], "/dev/null", "docker-archive", stocked)
    (tmp_path / "link").symlink_to(tmp_path / "goal")
    save(["tools:1"], str(tmp_path / "link"), "docker-archive", stocked)
    assert (tmp_path / "link").is_symlink()
    assert "manifest.json" in contents(tmp_path / "goal")
    reading, writing = os.pipe()
    small = f"/proc/self/fd/{writing}"
    save(["tools:1"], small, "docker-archive", stocked)
    os.close(writing)
    with open(reading, "rb") as pipe, tarfile.open(fileobj=io.BytesIO(pipe.read())) as archive:
        assert "oci-layout" in archive.getnames()


def test_from_a_store_of_the_site(tmp_path, stocked, new_session):
    own = new_session("own", SAMPAN_STORES=stocked.store.path)
    save(["tools:1"], str(tmp_path / "saved"), "docker-archive", own)
    assert "manifest.json" in contents(tmp_path / "saved")
