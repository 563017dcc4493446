"""Into registries of every kind by the real command; read back by skopeo and podman."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
from pathlib import Path

import pytest

from tests.images.build import Layout, file, layer, tar
from tests.journeys.registries import RANDOM, conf, trust
from tests.peers.certificates import needs
from tests.peers.docker_registry import PASSWORD, USER
from tests.peers.faulty import refused, status


@pytest.fixture
def stored(seeded_small, sampan):
    """The name of an image that is in the store, and the digest of its manifest."""
    name = seeded_small.reference("small/tools:1")
    return name, sampan.good("pull", name).text.strip().partition("@")[2]


def skopeo(*words, **variables):
    needs("skopeo")
    done = subprocess.run(["skopeo", *map(str, words)], capture_output=True, text=True, env={**os.environ, **variables})
    assert done.returncode == 0, done.stderr
    return done.stdout


def digest_at(reference, *options):
    return skopeo("inspect", "--no-tags", "--format", "{{.Digest}}", *options, f"docker://{reference}").strip()


def test_what_was_pulled_keeps_its_digest(stored, seeded_small, sampan, tmp_path):
    name, digest = stored
    goal = seeded_small.reference("pushed/copy:1")
    assert sampan.good("push", name, goal).lines == [f"{goal}@{digest}"]
    assert digest_at(goal, "--tls-verify=false") == digest
    skopeo("copy", "--src-tls-verify=false", "--insecure-policy", f"docker://{goal}", f"dir:{tmp_path}/read")
    manifest = json.loads((tmp_path / "read/manifest.json").read_bytes())
    assert (tmp_path / "read" / manifest["layers"][1]["digest"].removeprefix("sha256:")).stat().st_size > len(RANDOM)
    # As Docker does it: tag, then push.
    other = seeded_small.reference("pushed/tagged:2")
    assert sampan.good("tag", name, other).lines == [other]
    assert sampan.good("push", other).lines == [f"{other}@{digest}"]
    assert {line.split()[0] for line in sampan.good("images").lines[1:]} == {name.rpartition(":")[0], other.rpartition(":")[0]}


def test_every_kind_of_registry(stored, basic_registry, token_registry, tls_registry, sampan):
    name, digest = stored
    trust(sampan, tls_registry.host, tls_registry.authority)
    for number, registry in enumerate((basic_registry, token_registry, tls_registry)):
        goal = registry.reference(f"private/kind{number}:1")
        if registry is not tls_registry:
            done = sampan("push", name, goal)
            assert done.status == 125
            assert f"sampan login {registry.host}" in done.err
            sampan.good("login", "-u", USER, "--password-stdin", registry.host, stdin=PASSWORD.encode())
        assert sampan.good("push", name, goal).lines == [f"{goal}@{digest}"]
        sampan.good("rmi", name)
        sampan.good("pull", goal)
        sampan.good("tag", goal, name)


def test_podman_reads_it(stored, seeded_small, sampan, tmp_path):
    needs("podman")
    if os.geteuid() == 0:
        pytest.skip("podman is tried as an ordinary user")
    name, _ = stored
    goal = seeded_small.reference("pushed/podman:1")
    sampan.good("push", name, goal)
    # It takes no runroot that is longer than 50 letters.
    with tempfile.TemporaryDirectory(prefix="sp-", dir="/tmp") as short:
        places = ["--storage-driver", "vfs", "--root", f"{tmp_path}/root", "--runroot", f"{short}/r", "--cgroup-manager", "cgroupfs",
                  "--events-backend", "file"]  # fmt: skip
        # Its home decides where it looks for configuration; the user's own has nothing to do here.
        variables = {**os.environ, "XDG_RUNTIME_DIR": short, "HOME": str(tmp_path), "XDG_DATA_HOME": f"{tmp_path}/data"}

        def podman(*words):
            return subprocess.run(["podman", *places, *words], capture_output=True, text=True, env=variables)

        try:
            done = podman("pull", "--tls-verify=false", goal)
            assert done.returncode == 0, done.stderr
            done = podman("image", "inspect", "--format", "{{.Config.Cmd}}", goal)
            assert (done.returncode, done.stdout.strip()) == (0, "[cat /etc/motd]"), done.stderr
        finally:
            podman("unshare", "rm", "-rf", f"{tmp_path}/root")
            end_pause(Path(short))


def end_pause(runtime: Path) -> None:
    """Podman leaves a process behind that holds its namespaces."""
    for file_ in runtime.rglob("pause.pid"):
        try:
            os.kill(int(file_.read_text()), signal.SIGKILL)
        except (ProcessLookupError, ValueError, FileNotFoundError):
            continue


def test_an_index_with_all_its_platforms(seeded_small, small_layout, sampan):
    name = seeded_small.reference("small/tools:many")
    sampan.good("pull", name)
    goal = seeded_small.reference("pushed/many:1")
    done = sampan("push", "--all-platforms", name, goal)
    assert done.status == 125
    assert f"of the platforms of {name} the store does not have linux/arm64, unknown/unknown" in done.err
    assert sampan("push", name, goal).status == 0
    sampan.good("pull", "--all-platforms", name)
    digest = small_layout.tags["many"]["digest"]
    assert sampan.good("push", "--all-platforms", name, goal).lines == [f"{goal}@{digest}"]
    raw = skopeo("inspect", "--raw", "--tls-verify=false", f"docker://{goal}").encode()
    assert raw == small_layout.read(small_layout.tags["many"])
    skopeo("copy", "--all", "--src-tls-verify=false", "--insecure-policy", f"docker://{goal}", f"oci:{sampan.directory}/read:1")
    assert sampan.good("store", "fsck", "--contents").lines == []


def test_blobs_of_another_image_of_the_registry_are_mounted(faulty, small_layout, sampan):
    faulty.add(small_layout, "tools")
    name, goal = f"{faulty.host}/tools:1", f"{faulty.host}/other/copy:1"
    sampan.good("pull", name)
    faulty.uploads.owners = {digest: {"tools"} for digest in faulty.blobs}
    asked = len(faulty.requests)
    sampan.good("push", name, goal)
    later = faulty.requests[asked:]
    assert [one.method for one in later if "mount=" in one.path] == ["POST"] * 3
    assert all(not one.body for one in later if "manifests" not in one.path)
    # Children before what leads to them, the tag last.
    assert later[-1].path == "/v2/other/copy/manifests/1"
    # Another registry cannot mount.
    faulty.uploads.mounts = False
    sampan.good("push", name, f"{faulty.host}/third:1")


def test_without_its_layers_an_image_can_only_go_where_they_are(faulty, small_layout, sampan):
    faulty.add(small_layout, "tools")
    name = f"{faulty.host}/tools:1"
    sampan.good("pull", name)
    for path in (sampan.home / "blobs/blobs/sha256").iterdir():
        if path.stat().st_size > 100_000:
            path.unlink()  # as keep_blobs = false does
    sampan.good("push", name, f"{faulty.host}/tools:2")
    faulty.uploads.owners = {digest: {"tools"} for digest in faulty.blobs}
    sampan.good("push", name, f"{faulty.host}/mounted:1")
    faulty.uploads.begin_strict()
    asked = len(faulty.requests)
    done = sampan("push", name, f"{faulty.host}/elsewhere:1")
    assert done.status == 125
    assert "are not in the store" in done.err or "is not in the store" in done.err
    assert f"SAMPAN_KEEP_BLOBS=1 sampan pull {name} brings them back" in done.err
    assert [one.method for one in faulty.requests[asked:] if one.method in ("PUT", "PATCH")] == []


@pytest.mark.parametrize(
    ("part", "action", "words"),
    [
        ("POST ", refused(403, "DENIED", "quota exceeded"), "you may not push to {}/copy (403): quota exceeded"),
        ("POST ", refused(401, "UNAUTHORIZED"), "wants a login"),
        ("POST ", refused(404, "NAME_UNKNOWN"), "has no place for {}/copy (404)"),
        ("POST ", status(405), "takes no uploads (405): it is read-only, or a mirror"),
        ("PUT /v2/copy/manifests", refused(413, "SIZE_INVALID"), "it is too large for it (413)"),
        ("PUT /v2/copy/manifests", refused(415, "MANIFEST_INVALID"), "it does not know the media type (415)"),
        ("PUT /v2/copy/manifests", refused(400, "MANIFEST_INVALID", "schema"), "400 MANIFEST_INVALID: schema"),
    ],
)  # fmt: skip
def test_a_refused_push_is_one_sentence(faulty, small_layout, sampan, part, action, words):
    faulty.add(small_layout, "tools")
    sampan.good("pull", f"{faulty.host}/tools:2")
    faulty.uploads.begin_strict()
    faulty.on(part, action)
    done = sampan("push", f"{faulty.host}/tools:2", f"{faulty.host}/copy:1")
    assert (done.status, done.out) == (125, b"")
    assert done.err.startswith(f"sampan: cannot push {faulty.host}/copy:1: ")
    assert words.format(faulty.host) in done.err
    assert ("copy", "1") not in faulty.tags
    assert faulty.uploads.sessions == {}


def test_by_id_and_without_a_name(stored, seeded_small, sampan, tmp_path):
    name, digest = stored
    (found,) = json.loads(sampan.good("inspect", name).out)
    goal = seeded_small.reference("pushed/by-id:1")
    assert sampan.good("push", found["config"].removeprefix("sha256:")[:12], goal).lines == [f"{goal}@{digest}"]
    assert sampan.good("tag", found["config"], goal).lines == [goal]
    (tmp_path / "root.tar").write_bytes(tar([file("f", b"imported")]))
    sampan.good("import", tmp_path / "root.tar")
    (unnamed,) = (
        one for one in json.loads(sampan.good("images", "--format", "json").out) if not one["name"] or "<" in one["name"]
    )
    done = sampan("push", unnamed["config"])
    assert (done.status, "has no name" in done.err) == (125, True)
    imported = seeded_small.reference("pushed/imported:1")
    assert sampan.good("push", unnamed["config"], imported).lines[0].startswith(f"{imported}@")
    assert digest_at(imported, "--tls-verify=false") == unnamed["digest"]
    assert sampan.good("tag", unnamed["config"], "named:1").lines == ["docker.io/library/named:1"]


def test_bad_input(stored, sampan):
    name, digest = stored
    for words, sentence in (
        (["push", "nothing/here:1"], "no image nothing/here:1 in the store"),
        (["push", name, "Bad Name"], "is not a reference to an image"),
        (["push", name, f"{name}@{digest}"], "an image is pushed to a tag, not to a digest"),
        (["tag", "nothing:1", "x:1"], "no image nothing:1 in the store"),
        (["tag", name, f"x@{digest}"], "without a digest"),
        (["tag", name, "UPPER"], "names of images are lower case"),
    ):
        done = sampan(*words)
        assert (done.status, done.out) == (125, b""), words
        assert sentence in done.err


def test_a_damaged_blob_is_not_the_registrys_fault(faulty, small_layout, sampan):
    faulty.add(small_layout, "tools")
    sampan.good("pull", f"{faulty.host}/tools:1")
    (big,) = (path for path in (sampan.home / "blobs/blobs/sha256").iterdir() if path.stat().st_size > 100_000)
    data = bytearray(big.read_bytes())
    data[1000] ^= 1
    big.chmod(0o644)
    big.write_bytes(data)
    faulty.uploads.begin_strict()
    faulty.blobs.clear()
    faulty.uploads.mounts = False
    done = sampan("push", f"{faulty.host}/tools:1", f"{faulty.host}/copy:1")
    assert (done.status, f"the blob {big} is damaged: it does not match its digest" in done.err) == (125, True)
    big.write_bytes(bytes(data[:-1]))
    done = sampan("push", f"{faulty.host}/tools:1", f"{faulty.host}/copy:1")
    assert (done.status, "is damaged: it has" in done.err) == (125, True)


def test_breaks_are_survived(faulty, small_layout, sampan):
    faulty.add(small_layout, "tools")
    sampan.good("pull", f"{faulty.host}/tools:1")
    faulty.blobs.clear()
    faulty.uploads.begin_strict()
    faulty.uploads.cuts = [300_000, 100_000]
    done = sampan.good("push", f"{faulty.host}/tools:1", f"{faulty.host}/copy:1")
    assert "trying again" in done.err
    assert done.lines[0].startswith(f"{faulty.host}/copy:1@")


def test_a_moved_or_blocked_destination(faulty, elsewhere, small_layout, sampan):
    faulty.add(small_layout, "tools")
    sampan.good("pull", f"{faulty.host}/tools:2")
    conf(sampan, f'[[registry]]\nprefix = "lab.test"\nlocation = "{elsewhere.host}/inner"\n')
    sampan.good("push", f"{faulty.host}/tools:2", "lab.test/x:1")
    assert ("inner/x", "1") in elsewhere.tags
    conf(sampan, '[[registry]]\nprefix = "lab.test"\nblocked = true\n')
    assert "is blocked" in sampan("push", f"{faulty.host}/tools:2", "lab.test/x:1").err


def test_tags_from_a_store_of_the_site(faulty, small_layout, sampan, tmp_path):
    faulty.add(small_layout, "tools")
    sampan.good("pull", f"{faulty.host}/tools:1")
    stores = {"SAMPAN_HOME": str(tmp_path / "own"), "SAMPAN_STORES": str(sampan.home)}
    done = sampan("tag", f"{faulty.host}/tools:1", "x:1", **stores)
    assert (done.status, "is in a store of the site" in done.err) == (125, True)
    goal = f"{faulty.host}/from/site:1"
    assert sampan.good("push", f"{faulty.host}/tools:1", goal, **stores).lines[0].startswith(goal)


def test_foreign_layers_are_never_sent(faulty, elsewhere, sampan, tmp_path):
    layout = Layout(tmp_path / "layout")
    made = [layer([file("f", b"foreign")]), layer([file("g", b"own")])]
    manifest = json.loads(layout.read(layout.image(made)))
    digest = manifest["layers"][0]["digest"]
    manifest["layers"][0] |= {
        "mediaType": "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", "urls": [f"{elsewhere.url}/v2/x/blobs/{digest}"],
    }  # fmt: skip
    layout.tag("1", layout.document(manifest, manifest["mediaType"]))
    faulty.add(layout, "win")
    elsewhere.blobs[digest] = faulty.blobs.pop(digest)
    sampan.good("pull", f"{faulty.host}/win:1", SAMPAN_FOREIGN_LAYERS="1")
    faulty.uploads.begin_strict()
    asked = len(faulty.requests)
    sampan("push", f"{faulty.host}/win:1", f"{faulty.host}/copy:1")
    assert not any(digest.replace(":", "%3A") in one.path or digest in one.path for one in faulty.requests[asked:])
