"""From registries of every kind by the real command: several at once, all tags, mirrors, aliases, and what goes wrong."""

from __future__ import annotations

import gzip
import json

import pytest

from tests.images.build import Layout, compress, directory, file, has_zstd, layer, layer_of, tar
from tests.journeys.registries import RANDOM, conf, trust
from tests.peers.docker_registry import PASSWORD, USER
from tests.peers.faulty import body, cut, header, refused, status


@pytest.fixture
def served(faulty, small_layout):
    faulty.add(small_layout, "tools")
    return faulty


def content(sampan, reference, path):
    (found,) = json.loads(sampan.good("inspect", reference).out)
    tree = found["tree"]
    with open(f"{tree}/{path}", "rb") as stream:
        return stream.read()


def test_several_images_of_which_one_fails(seeded_small, sampan):
    names = [seeded_small.reference(f"small/{rest}") for rest in ("tools:1", "nothing:1", "tools:2")]
    done = sampan("pull", *names)
    assert done.status == 125
    assert [line.partition("@")[0] for line in done.lines] == [names[0], names[2]]
    assert done.err.splitlines()[0].startswith(f"sampan: cannot pull {names[1]}: the registry has no tag 1 of ")
    assert (content(sampan, names[0], "etc/motd"), content(sampan, names[2], "etc/motd")) == (b"one\n", b"two\n")


def test_all_tags(seeded_small, sampan):
    name = seeded_small.reference("small/tools")
    done = sampan.good("pull", "--all-tags", name)
    assert sorted(line.partition("@")[0] for line in done.lines) == [f"{name}:1", f"{name}:2", f"{name}:many"]
    refused_ = sampan("pull", "-a", f"{name}:1")
    assert (refused_.status, refused_.err.splitlines()[0]) == (
        125,
        f"sampan: {name}:1 is one image, not the name of several",
    )
    assert sampan("pull", "-a", seeded_small.reference("small/nothing")).status == 125


def test_offline(served, sampan):
    name = f"{served.host}/tools:1"
    done = sampan("pull", "--offline", name)
    assert (done.status, served.requests) == (125, [])
    assert f"no image {name} in the store, and no registry may be asked" in done.err
    first = sampan.good("pull", name)
    asked = len(served.requests)
    assert sampan.good("pull", "--offline", name).out == first.out
    assert len(served.requests) == asked
    assert "for linux/s390x in the store" in sampan("pull", "--offline", "--platform", "linux/s390x", name).err
    assert sampan("pull", "--offline", "-a", name).status == 125


def test_a_second_pull_asks_once_and_fetches_nothing(served, sampan):
    name = f"{served.host}/tools:many"
    first = sampan.good("pull", name)
    asked = len(served.requests)
    assert sampan.good("pull", name).out == first.out
    assert [(one.method, one.path) for one in served.requests[asked:]] == [("GET", "/v2/"), ("HEAD", "/v2/tools/manifests/many")]
    by_digest = first.text.strip()
    asked = len(served.requests)
    sampan.good("pull", by_digest)
    assert [one.path for one in served.requests[asked:] if "manifests" in one.path or "blobs" in one.path] == []


def test_a_tag_that_moved_is_seen(served, sampan):
    name = f"{served.host}/tools:1"
    sampan.good("pull", name)
    served.tags["tools", "1"] = served.tags["tools", "2"]
    sampan.good("pull", name)
    assert content(sampan, name, "etc/motd") == b"two\n"


def test_tls_with_the_users_authority(seeded_small, tls_registry, sampan):
    name = tls_registry.reference("small/tools:1")
    done = sampan("pull", name)
    assert (done.status, "authority that this machine does not know" in done.err) == (125, True)
    trust(sampan, tls_registry.host, tls_registry.authority)
    sampan.good("pull", name)


def test_passwords_and_tokens(seeded_small, basic_registry, token_registry, sampan):
    for registry in (basic_registry, token_registry):
        name = registry.reference("private/tools:1")
        done = sampan("pull", name)
        assert done.status == 125
        assert f"sampan login {registry.host}" in done.err
        sampan.good("login", "-u", USER, "--password-stdin", registry.host, stdin=PASSWORD.encode())
        sampan.good("pull", name)
        sampan.good("logout", registry.host)
    # Tokens are for everybody where the image is.
    sampan.good("pull", token_registry.reference("small/tools:1"))


def test_a_credential_helper(seeded_small, basic_registry, sampan, tmp_path):
    program = tmp_path / "bin/docker-credential-test"
    program.parent.mkdir()
    answer = json.dumps({"Username": USER, "Secret": PASSWORD})
    program.write_text(f"#!/bin/sh\ncat >{tmp_path}/asked\necho '{answer}'\n")
    program.chmod(0o755)
    docker = tmp_path / "docker/config.json"
    docker.parent.mkdir()
    docker.write_text(json.dumps({"credHelpers": {basic_registry.host: "test"}}))
    path = f"{program.parent}:{sampan.environment()['PATH']}"
    sampan.good("pull", basic_registry.reference("small/tools:1"), DOCKER_CONFIG=str(docker.parent), PATH=path)
    assert (tmp_path / "asked").read_text() == basic_registry.host


def test_udockers_keystore(seeded_small, basic_registry, sampan):
    import base64

    keystore = sampan.directory / ".udocker/keystore"
    keystore.parent.mkdir()
    encoded = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    keystore.write_text(json.dumps({f"https://{basic_registry.host}": {"auth": encoded, "email": ""}}))
    sampan.good("pull", basic_registry.reference("small/tools:1"))


def test_a_mirror_and_a_blocked_registry(served, elsewhere, small_layout, sampan):
    elsewhere.add(small_layout, "copy/tools")
    conf(sampan, f'[[registry]]\nprefix = "{served.host}"\n[[registry.mirror]]\nlocation = "{elsewhere.host}/copy"\n')
    name = f"{served.host}/tools:1"
    sampan.good("pull", name)
    assert (served.requests, len(elsewhere.asked("/blobs/")) > 0) == ([], True)
    assert sampan.good("images").text.splitlines()[1].startswith(f"{served.host}/tools")
    conf(sampan, f'[[registry]]\nprefix = "{served.host}"\nblocked = true\n')
    done = sampan("pull", f"{served.host}/tools:2")
    assert (done.status, served.requests) == (125, [])
    assert f"{served.host}/tools is blocked on this machine" in done.err


def test_wrong_bytes_of_a_mirror_that_were_unpacked_already(served, elsewhere, small_layout, sampan):
    elsewhere.add(small_layout, "tools")
    elsewhere.on("/blobs/", body(lambda data: data[:-1] + bytes([data[-1] ^ 1]) if len(data) > 100_000 else data))
    conf(sampan, f'[[registry]]\nprefix = "{served.host}"\n[[registry.mirror]]\nlocation = "{elsewhere.host}"\n')
    name = f"{served.host}/tools:1"
    done = sampan.good("pull", name)
    assert f"{elsewhere.host} does not help: " in done.err
    assert "unpacking again what is verified" in done.err
    assert content(sampan, name, "data") == RANDOM
    assert sampan.good("store", "fsck", "--contents").lines == []


def test_a_broken_configuration_is_named(sampan):
    file = conf(sampan, "[[registry]")
    done = sampan("pull", "127.0.0.1:1/x")
    assert (done.status, f"{file} is not valid TOML" in done.err) == (125, True)


def test_short_names(seeded_small, sampan):
    conf(sampan, f'[aliases]\n"tools" = "{seeded_small.host}/small/tools"\n')
    done = sampan.good("pull", "tools:1")
    assert f"sampan: tools:1 stands for {seeded_small.host}/small/tools:1 (" in done.err
    assert done.text.startswith(f"{seeded_small.host}/small/tools:1@")
    assert sampan.good("pull", "--offline", "tools:1").out == done.out
    assert sampan.good("tag", "tools:1", "mine:1").lines == ["docker.io/library/mine:1"]


def test_a_run_finds_the_image_of_an_alias(busybox, faulty, sampan):
    conf(sampan, f'[aliases]\n"box" = "{faulty.host}/x"\n')
    assert sampan.good("run", "box:1").text == "two\n"
    asked = len(faulty.requests)
    assert sampan.good("run", "box:1").text == "two\n"
    assert len(faulty.requests) == asked


def test_warnings_limits_and_debug(served, sampan):
    served.on("/manifests/", header("Warning", '299 - "moves to another host"'))
    done = sampan.good("pull", f"{served.host}/tools:1")
    assert done.err.count(f"sampan: warning: {served.host} says: moves to another host") == 1
    served.rules.clear()
    served.on("/manifests/", lambda asked, reply: reply.headers.update({"RateLimit-Limit": "100;w=21600"}))
    assert "allows 100 requests in 6 h" in sampan.good("--debug", "pull", f"{served.host}/tools:2").err
    served.rules.clear()
    served.on("/manifests/", status(429, {"Retry-After": "20000", "RateLimit-Limit": "100;w=21600"}))
    done = sampan("pull", f"{served.host}/tools:many")
    assert (done.status, "limits the number of requests to 100 in 6 h (429)" in done.err) == (125, True)
    assert "hint: it asks to wait 6 h" in done.err


def test_cuts_and_a_token_that_expires_in_the_middle(served, sampan):
    served.login = "bearer"

    def spoil(_, reply):
        if reply.status == 200:
            reply.cut_at = 200_000
            if len(served.tokens) == 1:
                served.valid.clear()

    served.on("/blobs/", spoil, times=4)
    sampan.good("pull", f"{served.host}/tools:1")
    assert content(sampan, f"{served.host}/tools:1", "data") == RANDOM
    assert len(served.tokens) > 1


@pytest.mark.parametrize(
    ("action", "words"),
    [
        (refused(401, "UNAUTHORIZED"), "wants a login"),
        (status(200, {"Content-Type": "application/vnd.docker.distribution.manifest.v1+json"}, b'{"schemaVersion": 1}'), "schema 1"),
        (body(lambda _: b"<html>"), "web page"),
        (cut(10), "tried 5 times"),
    ],
)  # fmt: skip
def test_one_sentence_for_what_goes_wrong(served, sampan, action, words):
    served.on("/manifests/", action)
    done = sampan("pull", f"{served.host}/tools:1")
    assert (done.status, done.out) == (125, b"")
    assert words in done.err
    assert "Traceback" not in done.err


def test_artifacts_are_named(faulty, sampan, tmp_path):
    layout = Layout(tmp_path / "layout")
    chart = {
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "layers": [],
        "config": layout.blob(b"{}", "application/vnd.cncf.helm.config.v1+json"),
    }  # fmt: skip
    layout.tag("1", layout.document(chart, chart["mediaType"]))
    faulty.add(layout, "chart")
    done = sampan("pull", f"{faulty.host}/chart:1")
    assert (done.status, "is a Helm chart, not an image that could run" in done.err) == (125, True)


def skippable(data):
    return b"\x50\x2a\x4d\x18" + len(data).to_bytes(4, "little") + data


def test_estargz_and_zstd_chunked_are_plain_layers(faulty, sampan, tmp_path):
    """Only the archive counts, however it is cut into members and frames; the tables beside it are not looked at."""
    layout = Layout(tmp_path / "layout")
    archive = tar([directory("d"), file("d/a", RANDOM), file("d/b", b"b"), file("stargz.index.json", b'{"version": 9}')])
    parts = [archive[at : at + 50_000] for at in range(0, len(archive), 50_000)]
    star = b"".join(gzip.compress(part, mtime=0) for part in parts) + gzip.compress(b"", mtime=0)
    made = [layer_of(archive), layer([file("top", b"1")])]
    blobs = [type(made[0])(star, "gzip", made[0].diff_id)]
    if has_zstd():
        other = tar([file("z", RANDOM)])
        frames = b"".join(compress(other[at : at + 70_000], "zstd") for at in range(0, len(other), 70_000))
        chunked = layer_of(other)
        blobs.append(type(made[0])(frames + skippable(b"a table that lies") + skippable(b""), "zstd", chunked.diff_id))
    notes = {"containerd.io/snapshot/stargz/toc.digest": "sha256:" + "0" * 64}
    layout.tag("1", layout.image(blobs, annotations=notes))
    faulty.add(layout, "lazy")
    sampan.good("pull", f"{faulty.host}/lazy:1")
    assert content(sampan, f"{faulty.host}/lazy:1", "d/a") == RANDOM
    if has_zstd():
        assert content(sampan, f"{faulty.host}/lazy:1", "z") == RANDOM


def test_of_two_compressions_the_one_that_can_be_read_is_taken(faulty, sampan, tmp_path):
    if not has_zstd():
        pytest.skip("no zstd here")
    layout = Layout(tmp_path / "layout")
    entries = [file("f", b"x")]
    by_gzip = layout.image([layer(entries)])
    by_zstd = {**layout.image([layer(entries, "zstd")]), "annotations": {"io.github.containers.compression.zstd": "true"}}
    layout.tag("1", layout.index([by_gzip, by_zstd]))
    faulty.add(layout, "dual")
    done = sampan.good("pull", f"{faulty.host}/dual:1")
    assert done.text.strip().endswith(by_zstd["digest"])


def test_sha512_and_nested_indexes(faulty, sampan, tmp_path):
    import hashlib

    layout = Layout(tmp_path / "layout")
    made = layer([file("f", b"deep")])
    manifest = json.loads(layout.read(layout.image([made])))
    long = f"sha512:{hashlib.sha512(made.data).hexdigest()}"
    manifest["layers"][0]["digest"] = long
    entry = {**layout.document(manifest, manifest["mediaType"]), "platform": {"os": "linux", "architecture": "amd64"}}
    layout.tag("1", layout.index([layout.index([entry])]))
    faulty.add(layout, "deep")
    faulty.blobs[long] = (made.data, "x")
    sampan.good("pull", f"{faulty.host}/deep:1")
    assert content(sampan, f"{faulty.host}/deep:1", "f") == b"deep"
    assert sampan.good("store", "fsck", "--contents").lines == []


def test_foreign_layers(faulty, elsewhere, sampan, tmp_path):
    layout = Layout(tmp_path / "layout")
    made = layer([file("f", b"foreign")])
    manifest = json.loads(layout.read(layout.image([made])))
    digest = manifest["layers"][0]["digest"]
    manifest["layers"][0] |= {
        "mediaType": "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", "urls": [f"{elsewhere.url}/v2/x/blobs/{digest}"],
    }  # fmt: skip
    layout.tag("1", layout.document(manifest, manifest["mediaType"]))
    faulty.add(layout, "win")
    elsewhere.blobs[digest] = faulty.blobs.pop(digest)
    done = sampan("pull", f"{faulty.host}/win:1")
    assert (done.status, "the setting foreign_layers lets it be fetched from there" in done.err) == (125, True)
    sampan.good("pull", f"{faulty.host}/win:1", SAMPAN_FOREIGN_LAYERS="1")
    assert content(sampan, f"{faulty.host}/win:1", "f") == b"foreign"
