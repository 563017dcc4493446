"""Images by name, digest, id and beginnings of ids: find, list, filter, share, history, verify, remove."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from sampan.errors import ImageNotFound, UsageError
from sampan.oci.digest import Digest
from sampan.runtime import images, lookup
from sampan.runtime.history import MISSING, history
from sampan.runtime.inspect import docker_form, field, inspect, raw
from sampan.runtime.listing import listed, shared_layers
from sampan.runtime.load import load
from sampan.runtime.rmi import remove
from sampan.runtime.verify import verify
from sampan.store import blobs, names
from tests.image.conftest import BASE, OTHER, RUN, TOP, loaded
from tests.images import docker_archives as forms
from tests.images.build import Layout, directory, file, layer
from tests.images.docker_archives import Image, packed

pytestmark = pytest.mark.client

TOOLS, QUAY, ALIAS = "docker.io/library/tools:1", "quay.io/org/other:2", "docker.io/library/other:latest"


@pytest.fixture
def stocked(tmp_path, session, tools, other):
    """Three names of two images that share a base, and one without a name."""
    loaded(tmp_path, session, packed(forms.docker_25([tools, other, Image([BASE], (), {"Labels": {"a": "1"}})])))
    return session


def reached(text, session) -> list[str]:
    return [image.reference for _, image in lookup.matching(text, session)]


def test_every_way_to_an_image(stocked, tools, other):
    record = names.find(stocked.store, TOOLS)
    digits = tools.id.partition(":")[2]
    for text in (
        "tools:1",
        TOOLS,
        tools.id,
        digits,
        digits[:12],
        f"sha256:{digits[:7]}",
        record.manifest,
        f"tools@{record.manifest}",
    ):
        assert reached(text, stocked) == [TOOLS], text
        assert images.find(text, stocked).reference == TOOLS
        assert lookup.one(text, stocked)[1].reference == TOOLS
    assert sorted(reached(other.id, stocked)) == [ALIAS, QUAY]
    assert reached(f"quay.io/org/other@{names.find(stocked.store, QUAY).manifest}", stocked) == [QUAY]
    assert reached(f"quay.io/org/other:2@{names.find(stocked.store, QUAY).manifest}", stocked) == [QUAY]
    assert reached(f"quay.io/org/other:3@{names.find(stocked.store, QUAY).manifest}", stocked) == []
    assert reached(f"tools@{names.find(stocked.store, QUAY).manifest}", stocked) == []
    for text in (digits[:3], "nothing:1", "f" * 12):
        assert reached(text, stocked) == []


def test_a_name_comes_before_an_id(tmp_path, session, tools):
    start = tools.id.partition(":")[2][:8]
    named = Image([OTHER], (f"{start}:latest",))
    loaded(tmp_path, session, packed(forms.docker_25([tools, named])))
    assert images.find(start, session).config == named.id
    assert images.find(f"sha256:{start}", session).config == tools.id


def test_ambiguous_beginnings(session, monkeypatch, stocked):
    many = [names.Image(reference=f"sha256:abcd{n}", config=f"sha256:abcd{n}", manifest="sha256:1", index="") for n in range(2)]
    monkeypatch.setattr(names, "listing", lambda _store: many)
    with pytest.raises(UsageError, match="2 images have ids that begin with abcd"):
        lookup.matching("abcd", stocked)


def test_an_id_that_nobody_has_is_not_asked_of_a_registry(stocked):
    for text in ("f" * 64, "sha256:" + "f" * 64):
        with pytest.raises(ImageNotFound, match="no image in the store has the id"):
            images.find(text, stocked)
    assert images.find("ffffff", stocked) is None  # may be a name at Docker Hub
    assert images.find("nothing:1", stocked) is None


def test_an_image_pulled_by_digest_and_by_tag(tmp_path, session):
    layout = Layout(tmp_path / "layout")
    image = layout.tag("x:1", layout.image([layer([file("a")])]))
    load(str(layout.path), session=session)
    found = inspect(f"x@{image['digest']}", session=session)
    assert (found["reference"], found["manifest"]) == ("docker.io/library/x:1", image["digest"])


def test_the_list_and_its_filters(stocked, tools):
    everything = listed(stocked)
    assert {entry.reference for entry in everything} == {TOOLS, QUAY, ALIAS, None}
    (unnamed,) = [entry for entry in everything if entry.reference is None]
    assert (unnamed.name, unnamed.tag, unnamed.document()["reference"]) == (None, None, None)

    def kept(*filters, name=None):
        return sorted(str(entry.reference) for entry in listed(stocked, name, filters))

    assert kept("dangling=true") == ["None"]
    assert kept("dangling=false") == [ALIAS, TOOLS, QUAY]
    assert kept("reference=tools") == kept("reference=tools:1") == kept("reference=docker.io/library/tools") == [TOOLS]
    assert kept("reference=*:1") == kept("reference=t*") == [TOOLS]
    assert kept("reference=quay.io/*/*") == [QUAY]
    assert kept("reference=*") == [ALIAS, TOOLS]
    assert kept("reference=tools", "reference=quay.io/*/*:2") == [TOOLS, QUAY]
    assert kept("label=a") == kept("label=a=1") == ["None"]
    assert kept("label=a=2") == kept("label=b") == kept("label=a", "dangling=false") == []
    assert kept(name="other") == [ALIAS]
    for bad in ("until=24h", "reference", "dangling=maybe"):
        with pytest.raises(UsageError):
            listed(stocked, None, [bad])
    with pytest.raises(ImageNotFound):
        listed(stocked, None, ["before=nothing:1"])


def test_before_and_since(tmp_path, session):
    layout = Layout(tmp_path / "layout")
    for name, created in (("a:1", "2020-01-01T00:00:00Z"), ("b:1", "2020-01-01T00:00:00.5Z"), ("c:1", "2021-01-01T00:00:00Z")):
        image = layout.image([layer([file(name[0])])])
        manifest = json.loads(layout.read(image))
        config = json.loads(layout.read(manifest["config"]))
        manifest["config"] = layout.document({**config, "created": created}, manifest["config"]["mediaType"])
        layout.tag(name, layout.document(manifest, manifest["mediaType"]))
    load(str(layout.path), session=session)
    assert [entry.name for entry in listed(session, None, ["before=b:1"])] == ["a"]
    assert [entry.name for entry in listed(session, None, ["since=b:1"])] == ["c"]
    assert [entry.name for entry in listed(session, None, ["since=a:1", "before=c:1"])] == ["b"]


def test_shared_layers(tmp_path, stocked):
    (root,) = shared_layers(stocked, listed(stocked))
    assert (root.count, root.size, [entry.reference for entry in root.images]) == (1, len(BASE), [None])
    assert sorted(tuple(sorted(entry.reference for entry in child.images)) for child in root.children) == [
        (ALIAS, QUAY),
        (TOOLS,),
    ]
    assert {child.size for child in root.children} == {len(TOP), len(OTHER)}
    # Layers of one image alone are put together.
    loaded(tmp_path, stocked, packed(forms.docker_25([Image([TOP, BASE, OTHER], ("x:1",))])))
    other = next(node for node in shared_layers(stocked, listed(stocked)) if node.count == 3)
    assert other.size == len(TOP) + len(BASE) + len(OTHER)
    assert other.document()["images"] == ["docker.io/library/x:1"]


def test_history(tmp_path, session, tools):
    loaded(tmp_path, session, packed(forms.docker_25([tools])))
    steps = history("tools:1", session)
    assert [(step.image, step.created_by, step.size) for step in steps] == [
        (tools.id, "step 1", len(TOP)), (MISSING, "step 0", len(BASE)),
    ]  # fmt: skip
    layout = Layout(tmp_path / "layout")
    image = layout.image([layer([file("a")]), layer([file("b")]), layer([directory("c")])])
    manifest = json.loads(layout.read(image))
    config = json.loads(layout.read(manifest["config"]))
    config["history"] = [{"created_by": "one"}, {"created_by": "empty", "empty_layer": True}, {"created_by": "two"}]
    manifest["config"] = layout.document(config, manifest["config"]["mediaType"])
    layout.tag("x:1", layout.document(manifest, manifest["mediaType"]))
    load(str(layout.path), session=session)
    steps = history("x:1", session)
    assert [step.created_by for step in steps] == ["", "two", "empty", "one"]
    assert [bool(step.layer) for step in steps] == [True, True, False, True]
    assert steps[2].size == 0


def test_inspect_in_docker_words(stocked, tools, other):
    found = inspect("tools:1", session=stocked)
    docker = docker_form(found, stocked)
    assert docker["Id"] == tools.id
    assert docker["RepoTags"] == ["tools:1"]
    assert docker["RepoDigests"] == [f"tools@{found['manifest']}"]
    assert docker["RootFS"]["Layers"] == tools.diff_ids
    assert docker_form(inspect(other.id, session=stocked), stocked)["RepoTags"] == ["other:latest", "quay.io/org/other:2"]
    everything = {**docker, **found}
    assert field(everything, ".Config.Env") == RUN["Env"]
    assert field(everything, ".digest") == found["manifest"]
    assert field(everything, ".") == everything
    for path in (".Config.Nothing", ".digest.x", ".Nothing"):
        with pytest.raises(UsageError, match="no field"):
            field(everything, path)


def test_raw_documents(stocked, tools):
    assert raw("tools:1", stocked, "config") == tools.config
    record = names.find(stocked.store, TOOLS)
    assert json.loads(raw(record.manifest, stocked, "manifest"))["config"]["digest"] == tools.id
    os.unlink(blobs.path_of(stocked.store, Digest.parse(record.manifest)))
    with pytest.raises(ImageNotFound, match="the manifest"):
        raw("tools:1", stocked, "manifest")


def test_verify_finds_every_damage(tmp_path, session, tools):
    loaded(tmp_path, session, packed(forms.docker_25([tools])))
    image = images.find("tools:1", session)
    good = verify("tools:1", session)
    assert (good.damage, good.blobs, good.absent) == ([], 4, 0)
    os.chmod(f"{image.tree}/bin/sh", 0o600)
    with open(f"{image.tree}/bin/sh", "r+b") as stream:
        stream.write(b"?")
    path = blobs.path_of(session.store, Digest.parse(tools.diff_ids[0]))
    with open(path, "r+b") as stream:
        stream.write(b"?")
    found = verify("tools:1", session)
    assert len(found.damage) == 2
    assert any(tools.diff_ids[0].partition(":")[2] in sentence for sentence in found.damage)
    assert any("bin/sh" in sentence for sentence in found.damage)
    os.unlink(path)
    os.unlink(blobs.path_of(session.store, Digest.parse(tools.id)))
    found = verify("tools:1", session)
    assert found.absent == 1
    assert any("the configuration" in sentence for sentence in found.damage)
    with pytest.raises(ImageNotFound):
        verify("nothing:1", session)


# Removal


def left(session) -> set[str]:
    return {image.reference for image in names.listing(session.store)}


def test_a_name_of_several_goes_alone(stocked, other):
    assert remove("other", stocked) == [ALIAS]
    assert QUAY in left(stocked)
    assert images.find(QUAY, stocked) is not None
    assert remove(other.id[7:19], stocked) == [QUAY]
    assert left(stocked) - {TOOLS} == {next(r for r in left(stocked) if r.startswith("sha256:"))}


def test_an_id_with_several_names_needs_force(stocked, other):
    with pytest.raises(UsageError, match="several names: other:latest, quay.io/org/other:2"):
        remove(other.id, stocked)
    assert QUAY in left(stocked)
    assert sorted(remove(other.id, stocked, force=True)) == [ALIAS, QUAY]
    assert blobs.size_of(stocked.store, Digest.parse(other.diff_ids[1])) is None
    assert blobs.size_of(stocked.store, Digest.parse(other.diff_ids[0])) is not None  # the base is needed


def test_by_digest_and_without_a_name(stocked):
    manifest = names.find(stocked.store, QUAY).manifest
    assert remove(f"quay.io/org/other@{manifest}", stocked) == [QUAY]
    (unnamed,) = [reference for reference in left(stocked) if reference.startswith("sha256:")]
    assert remove(unnamed[7:17], stocked) == [unnamed]
    assert left(stocked) == {TOOLS, ALIAS}
    for text in (unnamed, "nothing:1", f"tools@{manifest}"):
        with pytest.raises(ImageNotFound):
            remove(text, stocked)


def test_a_store_of_the_site_is_not_changed(stocked, new_session, tools):
    own = new_session("own", SAMPAN_STORES=stocked.store.path)
    for text in ("tools:1", tools.id):
        with pytest.raises(ImageNotFound, match="site's store .*, which is only read"):
            remove(text, own)


def test_the_layout_of_the_store_has_the_image_without_a_name(stocked, new_session):
    index = json.loads(Path(stocked.store.join("blobs/index.json")).read_text())
    assert len([entry for entry in index["manifests"] if "annotations" not in entry]) == 1
    found = load(stocked.store.join("blobs"), session=new_session("copy"))
    assert {image.reference for image in found} == left(stocked)
