"""From a registry to a repository in a directory, by the command, as an ordinary user."""

from __future__ import annotations

import json
import os
import stat

import pytest

from sampan.cvmfs.directory import DirectoryStore
from sampan.cvmfs.keys import public_keys
from sampan.cvmfs.reader import Repository
from tests.distribute.conftest import BIG, FQRN
from tests.images.build import Layout, directory, file, layer
from tests.peers.docker_registry import PASSWORD, USER
from tests.peers.faulty import status


def reader(repo) -> Repository:
    return Repository.open(
        DirectoryStore(str(repo.path)), public_keys(repo.sampan.variables["SAMPAN_REPO_KEYS"], FQRN), fqrn=FQRN
    )


def flat_of(repo, link: str) -> bytes:
    """The image's directory, which a link leads to."""
    entry = reader(repo).lookup(f"/{link}".encode())
    assert entry is not None
    assert entry.is_symlink
    return b"/" + entry.target.replace(b"../", b"")


def test_every_attribute_of_an_image(repo, registry, images):
    done = repo.publish(f"{registry.host}/{images}:odd")
    assert done.status == 0, done.err
    assert "extended attributes are too long" in done.err
    link = f"{registry.host}/{images}:odd"
    flat, found = flat_of(repo, link), reader(repo)
    entries = {path[len(flat) + 1 :]: entry for path, entry in found.walk(flat)}

    def content(name: bytes) -> bytes:
        return found.read(entries[name])

    def mode(name: bytes) -> int:
        return stat.S_IMODE(entries[name].mode)

    assert content(b"etc/motd") == b"two\n"
    assert entries[b"etc/motd"].mtime == 1_700_000_000 * 10**9
    assert content(b"big") == BIG
    assert len(entries[b"big"].body.chunks) == 3
    assert content(b"empty") == b""
    assert content("na\xefve ".encode() + b"\xff") == b"odd name"
    # Readable by all, and nothing else changed.
    assert [mode(name) for name in (b"etc/shadow", b"closed", b"closed/in", b"bin/tool", b"bin/ping", b"tmp")] == [
        0o444, 0o755, 0o644, 0o755, 0o4755, 0o1777,
    ]  # fmt: skip
    assert (entries[b"other"].uid, entries[b"other"].gid) == (1000, 2000)
    assert entries[b"bin/alias"].group == entries[b"bin/tool"].group != 0
    assert (entries[b"bin/alias"].links, entries[b"lib/elsewhere"].links) == (2, 1)
    assert entries[b"lib/elsewhere"].body == entries[b"bin/tool"].body
    assert stat.S_ISFIFO(entries[b"pipe"].mode)
    assert stat.S_ISCHR(entries[b"null"].mode)
    assert entries[b"null"].device == 0x103
    assert dict(entries[b"cap"].xattrs) == {b"security.capability": b"cap"}
    # Whiteouts, an opaque directory, a name written through a link of the layer below.
    assert not {b"gone", b"old/a"} & set(entries)
    assert {b"old/b", b"bin/late"} <= set(entries)
    # What runtimes look for.
    assert {b"dev", b"proc", b"sys", b"home", b"root", b"var/tmp", b"srv", b"cvmfs", b"etc/resolv.conf", b"etc/hosts"} <= set(
        entries
    )
    assert entries[b".run"].target == b".singularity.d/actions/run"
    assert json.loads(content(b".singularity.d/oci-config.json"))["config"]["Cmd"] == ["/bin/tool"]
    assert b"QUOTED='b\"a $x'" in content(b".singularity.d/env/10-docker2singularity.sh")
    # The link follows the repository to wherever it is mounted; the manifest is the registry's.
    assert reader(repo).lookup(f"/{link}".encode()).target == b"../../" + flat[1:]
    assert json.loads(repo.text(f"/.metadata/{link}/manifest.json"))["config"]["digest"].endswith(
        flat.rpartition(b"/")[2].decode()
    )
    # A catalog of its own, hidden marker included.
    assert found.catalog_of(flat + b"/etc/motd").mountpoint == flat


def test_a_list_with_both_kinds_patterns_and_a_private_registry(repo, registry, basic_registry, images, tmp_path):
    (tmp_path / "cern.yaml").write_text(
        f"version: 1\nuser: x\ncvmfs_repo: {FQRN}\noutput_format: ''\ninput:\n"
        f"  - 'http://{registry.host}/{images}:1.*'\n  - 'http://{basic_registry.host}/{images}:2.0'\n"
    )
    (tmp_path / "osg.txt").write_text(f"# osg\n{registry.host}/{images}:1.0\n{registry.host}/{images}:no\n")
    lists = ("--list", tmp_path / "cern.yaml", "--list", tmp_path / "osg.txt")
    done = repo("publish", *lists)
    assert done.status == 1  # no password, and a tag that there is not
    assert f"{basic_registry.host}/{images}:2.0" in done.text
    assert sum("failed" in line for line in done.lines) == 2
    assert repo.revision == 2
    assert repo.names(f"/{registry.host}/dist") == ["tool:1.0", "tool:1.0b", "tool:1.1"]
    assert repo.text(f"/{registry.host}/{images}:1.1/version") == b"1.1"
    assert flat_of(repo, f"{registry.host}/{images}:1.0") == flat_of(repo, f"{registry.host}/{images}:1.0b")
    done = repo("publish", *lists, "--format", "json", SAMPAN_REGISTRY_AUTH=f"{basic_registry.host}={USER}:{PASSWORD}")
    assert done.status == 1
    rows = {row["link"].partition("/")[2]: row["outcome"] for row in json.loads(done.text)["images"]}
    assert rows == {
        "dist/tool:1.0": "unchanged", "dist/tool:1.0b": "unchanged", "dist/tool:1.1": "unchanged", "dist/tool:2.0": "published",
        "dist/tool:no": "failed",
    }  # fmt: skip
    assert repo.text(f"/{basic_registry.host}/{images}:2.0/arch") == b"amd64"
    shown = json.loads(repo.good("status", "--format", "json").text)
    assert (shown["failing"], shown["revision"]) == (1, 3)
    assert {line["condition"] for line in shown["images"]} == {"published", "missing"}
    page = repo.good("status", "--format", "html").text
    assert (repo.path / "status.html").read_text() == page


def test_several_platforms_and_osg_names(repo, registry, images):
    platforms = ("--platform", "linux/amd64", "--platform", "linux/arm64", "--osg-names")
    done = repo.publish(f"{registry.host}/{images}:2.0", options=platforms)
    assert done.status == 0, done.err
    assert repo.text(f"/{images}:2.0/arch") == b"amd64"
    assert repo.text(f"/{registry.host}/{images}:2.0/arch") == b"amd64"
    assert repo.text(f"/.multiarch/arm64/{registry.host}/{images}:2.0/arch") == b"arm64"
    assert repo.text(f"/.multiarch/amd64/{registry.host}/{images}:2.0/arch") == b"amd64"


def test_a_platform_that_there_is_not_fails_alone(repo, registry, images):
    done = repo.publish(f"{registry.host}/{images}:2.0", f"{registry.host}/{images}:1.0", options=("--platform", "linux/arm64"))
    assert done.status == 1
    assert "no image for linux/arm64" in done.text or "not for linux/arm64" in done.text
    assert repo.text(f"/{registry.host}/{images}:2.0/arch") == b"arm64"


def small(tmp_path, contents: dict[str, bytes]) -> Layout:
    layout = Layout(tmp_path / "layout")
    for tag, content in contents.items():
        layout.tag(tag, layout.image([layer([directory("etc"), file("etc/v", content)])]))
    return layout


def test_nothing_changed_is_one_head_an_image_and_no_revision(repo, faulty, tmp_path):
    faulty.add(small(tmp_path, {"1": b"1", "2": b"2", "3": b"3"}))
    wishes = [f"{faulty.host}/x:{tag}" for tag in "123"]
    assert repo.publish(*wishes).status == 0
    before = repo.manifest
    faulty.requests.clear()
    done = repo.publish(*wishes)
    assert done.status == 0
    assert "no new revision" in done.err
    assert repo.manifest == before
    asked = [(one.method, one.path) for one in faulty.requests if "/manifests/" in one.path]
    assert sorted(asked) == [("HEAD", f"/v2/x/manifests/{tag}") for tag in "123"]
    assert len(faulty.requests) <= 4  # and the question how to authenticate, once


def test_layers_that_images_share_are_fetched_once(repo, faulty, tmp_path):
    layout = Layout(tmp_path / "layout")
    base = layer([file("base", b"x" * 5000)])
    for tag in "abc":
        layout.tag(tag, layout.image([base, layer([file("own", tag.encode())])]))
    faulty.add(layout)
    assert repo.publish(f"{faulty.host}/x:*", options=("--parallel", "3")).status == 0
    blobs = [one.path for one in faulty.requests if "/blobs/" in one.path]
    assert len(blobs) == len(set(blobs)) == 1 + 3 + 3


def test_a_broken_image_does_not_hold_up_the_others(repo, faulty, tmp_path):
    layout = small(tmp_path, {"good": b"1", "also": b"2"})
    broken = layer([file("a", b"1")])
    made = json.loads(layout.read(layout.image([broken])))
    made["layers"][0]["digest"] = "sha256:" + "0" * 64
    layout.tag("nolayer", layout.document(made, made["mediaType"], platform={"os": "linux", "architecture": "amd64"}))
    layout.tag("escape", layout.image([layer([file("../../x", b"1")])]))
    faulty.add(layout)
    done = repo.publish(*(f"{faulty.host}/x:{tag}" for tag in ("good", "nolayer", "escape", "also", "missing")))
    assert done.status == 1
    assert sum(" failed " in line for line in done.lines) == 3
    assert "leaves the root" in done.text
    assert repo.revision == 2
    assert repo.names(f"/{faulty.host}") == ["x:also", "x:good"]
    assert len(repo.names("/.flat")) == 2
    assert repo.good("check").status == 0


def test_a_registry_that_is_down_publishes_nothing_and_prunes_nothing(repo, faulty, tmp_path):
    faulty.add(small(tmp_path, {"1": b"1"}))
    assert repo.publish(f"{faulty.host}/x:*").status == 0
    before = repo.manifest
    faulty.on("/v2/", status(404))
    done = repo.publish(f"{faulty.host}/x:*", options=("--prune", "--grace", "0"))
    assert done.status == 1
    assert repo.manifest == before


def test_a_tag_moves_and_leaves_its_directory_for_the_grace(repo, faulty, tmp_path):
    layout = small(tmp_path, {"1": b"old"})
    faulty.add(layout)
    wish = f"{faulty.host}/x:1"
    assert repo.publish(wish).status == 0
    old = flat_of(repo, wish)
    layout.tag("1", layout.image([layer([file("v", b"new")])]))
    faulty.add(layout)
    assert repo.publish(wish, options=("--prune",)).status == 0
    assert repo.text(f"/{wish}/v") == b"new"
    assert reader(repo).lookup(old) is not None
    done = repo.publish(wish, options=("--prune", "--grace", "0"))
    assert done.status == 0
    assert "removed" in done.text
    assert reader(repo).lookup(old) is None
    assert repo.text(f"/{wish}/v") == b"new"


def test_prune_takes_out_what_this_list_wants_no_more(repo, faulty, tmp_path):
    faulty.add(small(tmp_path, {"1": b"1", "2": b"2", "3": b"3"}))
    wishes = [f"{faulty.host}/x:{tag}" for tag in "123"]
    assert repo.publish(*wishes[:2], options=("--label", "a")).status == 0
    assert repo.publish(*wishes[1:], options=("--label", "b")).status == 0
    dry = repo.publish(wishes[2], options=("--label", "b", "--prune", "--grace", "0", "--dry-run"))
    assert dry.status == 0
    assert "would remove" not in dry.text  # 2 is wanted by a
    revision = repo.revision
    assert repo.publish(options=("--label", "a", "--prune", "--grace", "0", "--dry-run")).text.count("would remove") == 2
    assert repo.revision == revision
    done = repo.publish(options=("--label", "a", "--prune", "--grace", "0"))
    assert done.status == 0, done.err
    assert repo.names(f"/{faulty.host}") == ["x:2", "x:3"]
    assert len(json.loads(repo.text("/.metadata/sampan.json"))["images"]) == 2
    assert repo.publish(wishes[2], options=("--label", "b", "--prune", "--grace", "0")).status == 0
    assert repo.names(f"/{faulty.host}") == ["x:3"]
    assert repo.good("check").status == 0


def test_only_and_dry_run(repo, faulty, tmp_path):
    faulty.add(small(tmp_path, {"1": b"1", "2": b"2"}))
    wishes = [f"{faulty.host}/x:{tag}" for tag in "12"]
    dry = repo.publish(*wishes, options=("--dry-run",))
    assert dry.text.count("would publish") == 2
    assert repo.revision == 1
    assert repo.publish(*wishes, options=("--only", "*x:2")).status == 0
    assert repo.names(f"/{faulty.host}") == ["x:2"]
    missed = repo.publish(*wishes, options=("--only", "*x:9"))
    assert missed.status == 125
    assert "no image of the list matches" in missed.err


def test_quota(repo, faulty, tmp_path):
    faulty.add(small(tmp_path, {"1": b"1", "2": os.urandom(2000)}))
    wishes = [f"{faulty.host}/x:{tag}" for tag in "12"]
    done = repo.publish(*wishes, options=("--quota", "2kB", "--parallel", "1"))
    assert done.status == 1
    assert "its quota is 2000" in done.text
    assert repo.names(f"/{faulty.host}") == ["x:1"]


def test_below_a_base_path(repo, registry, images):
    assert repo.publish(f"{registry.host}/{images}:1.0", options=("--base", "/teams/a")).status == 0
    assert repo.names("/") == ["teams"]
    assert repo.text(f"/teams/a/{registry.host}/{images}:1.0/version") == b"1.0"
    shown = json.loads(repo.good("status", "--base", "/teams/a", "--format", "json").text)
    assert len(shown["images"]) == 1


def test_notifications(repo, faulty, tmp_path):
    faulty.add(small(tmp_path, {"1": b"1"}))
    events = tmp_path / "events.jsonl"
    done = repo.publish(
        f"{faulty.host}/x:1",
        f"{faulty.host}/x:9",
        options=("--notify", events, "--webhook", f"http://{faulty.host}/hook", "--status", tmp_path / "st"),
    )
    assert done.status == 1
    found = [json.loads(line) for line in events.read_text().splitlines()]
    assert [event["event"] for event in found] == ["image published", "image failed", "run ended"]
    assert found[0]["repository"] == FQRN
    (sent,) = [one for one in faulty.requests if one.path == "/hook"]
    assert sent.method == "POST"
    assert {path.name for path in (tmp_path / "st").iterdir()} == {"status.html", "status.json", "metrics.txt"}
    assert "the webhook" in done.err  # which this registry does not know


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--list", "none.txt"), "cannot read the list none.txt"),
        ((), "needs --list"),
        (("--list", "bad.yaml"), "bad.yaml:2: 'ftp://x/y'"),
        (("--list", "other.yaml"), "the list is for the repository other.org"),
        (("--list", "empty.txt", "--base", "a/../b"), "cannot be the base path"),
        (("--list", "empty.txt", "--only", "x", "--prune"), "--prune takes them out"),
        (("--list", "empty.txt", "--quota", "much"), "is not a size"),
        (("--list", "empty.txt", "--parallel", "0"), "--parallel is a number"),
        (("--list", "empty.txt", "--platform", "/"), "is not a platform"),
        (("--list", "empty.txt", "--keys", "nokeys"), "there is no nokeys"),
    ],
)
def test_bad_input(repo, words, said):
    where = repo.sampan.directory
    (where / "bad.yaml").write_text("version: 1\ninput: ['ftp://x/y']\n")
    (where / "other.yaml").write_text("version: 1\ncvmfs_repo: other.org\ninput: []\n")
    (where / "empty.txt").write_text("# nothing\n")
    before = repo.manifest
    done = repo("publish", *words)
    assert done.status == 125, done.err
    assert said in done.err
    assert repo.manifest == before


def test_two_publishers(repo, faulty, tmp_path):
    """The second is refused by name, or waits with --wait."""
    faulty.add(small(tmp_path, {"1": b"1", "2": b"2"}))
    with DirectoryStore(str(repo.path)).lock("publishes", repo_notice()):
        done = repo.publish(f"{faulty.host}/x:1")
        assert done.status == 125
        assert "another process publishes into" in done.err
        path = tmp_path / "wishes.txt"
        waiting = repo.sampan.popen("repo", "publish", str(repo.path), "--list", str(path), "--wait")
    assert waiting.wait(30) == 0
    assert repo.names(f"/{faulty.host}") == ["x:1"]


def repo_notice():
    from sampan.events import SILENT_NOTICE

    return SILENT_NOTICE
