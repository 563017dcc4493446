"""Both kinds of lists: what they mean, and the line and reason of what is wrong."""

from __future__ import annotations

import pytest

from sampan.distribute.wish import parse_cern, parse_osg
from sampan.distribute.wishlist import parse, read
from sampan.errors import UsageError

CERN = b"""\
version: 1
user: cvmfsunpacker
cvmfs_repo: 'unpacked.cern.ch'
output_format: >
    $(scheme)://registry.gitlab.cern.ch/unpacked/sync/$(image)
input:
    - 'https://registry.hub.docker.com/library/fedora:latest'
    - 'https://registry.hub.docker.com/atlas/analysisbase:21.2.1*'
    # a comment
    - "http://127.0.0.1:5000/private/tool@sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"
    - 'https://registry.hub.docker.com/library/fedora:latest'
"""
OSG = b"""\
# OSG images
opensciencegrid/osgvo-el7
fedora:39   # with a tag
hub.opensciencegrid.org/iris-hep/analysis:*

quay.io:443/a/b:1
fedora:39
"""


def test_cern():
    found = parse(CERN, "recipe.yaml")
    assert found.repository == "unpacked.cern.ch"
    assert [wish.text.rpartition("/")[2][:12] for wish in found.wishes] == ["fedora:lates", "analysisbase", "tool@sha256:"]
    fedora, pattern, pinned = found.wishes
    assert (fedora.shown, str(fedora.reference())) == ("registry.hub.docker.com", "docker.io/library/fedora:latest")
    assert fedora.place == "recipe.yaml:7"
    assert pattern.is_pattern
    assert pattern.tag == "21.2.1*"
    assert pinned.plain
    assert pinned.tag is None
    assert str(pinned.digest).startswith("sha256:2c26")


def test_osg():
    found = parse(OSG, "docker_images.txt")
    assert [(wish.shown, wish.name.path, wish.tag) for wish in found.wishes] == [
        ("registry.hub.docker.com", "opensciencegrid/osgvo-el7", "latest"),
        ("registry.hub.docker.com", "library/fedora", "39"),
        ("hub.opensciencegrid.org", "iris-hep/analysis", "*"),
        ("quay.io:443", "a/b", "1"),
    ]
    assert str(found.wishes[0].reference()) == "docker.io/opensciencegrid/osgvo-el7:latest"


def test_several_lists_are_one(tmp_path):
    (tmp_path / "a.yaml").write_bytes(CERN)
    (tmp_path / "b.txt").write_bytes(OSG + b"library/fedora:latest\n")
    found = read([str(tmp_path / "a.yaml"), str(tmp_path / "b.txt")])
    assert len(found.wishes) == 3 + 4
    assert found.repository == "unpacked.cern.ch"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"version: 2\ninput: []\n", "w.yaml:1: version '2' of wishlists is not known"),
        (b"input: []\n", "does not say its version"),
        (b"version: 1\n", "no list of images under `input`"),
        (b"version: 1\ninput: x\n", "w.yaml:2: `input` is not a list"),
        (b"version: 1\ninput:\n  - a: b\n", "w.yaml:3: an image is not a text"),
        (b"version: 1\nversion: 1\n", "w.yaml:2: the key 'version' stands there a second time"),
        (b"version: 1\ninput:\n  - ftp://x.org/y\n", "w.yaml:3: 'ftp://x.org/y' is not an image to publish: its scheme is 'ftp'"),
        (
            b"version: 1\ninput:\n  - https://x.org\n",
            "w.yaml:3: 'https://x.org' is not an image to publish: the registry or the name",
        ),
        (b"version: 1\ninput:\n  - https://x.org/Y:1\n", "names of images are lower case"),
        (b"version: 1\ninput:\n  - https://x.org/../y:1\n", "cannot be part of a name"),
        (b"version: 1\ninput:\n  - 'https://x.org/y:1*@sha256:" + b"0" * 64 + b"'\n", "its tag cannot be a pattern"),
        (b"version: 1\ninput:\n  - 'https://x.org/y:*$'\n", "letters that no tag has"),
        (b"version: 1\ninput: [\n", "w.yaml:3: the list is not valid YAML"),
        (b"version: 1\ninput:\n- \xff\n", "w.yaml:3: the list is not UTF-8 text"),
        (b"- x\n", "is not a mapping"),
    ],
)
def test_what_is_wrong_in_yaml(data, words):
    with pytest.raises(UsageError) as caught:
        parse(data, "w.yaml")
    assert words in caught.value.sentence


@pytest.mark.parametrize(
    ("line", "words"), [("https://x.org/y:1", "it has a scheme"), ("a/b:", "no tag behind the colon"), ("A/b", "lower case")]
)
def test_what_is_wrong_in_text(line, words):
    with pytest.raises(UsageError) as caught:
        parse(f"# list\n\n{line}\n".encode(), "list")
    assert caught.value.sentence.startswith(f"list:3: {line!r}")
    assert words in caught.value.sentence


def test_aliases_cost_nothing():
    bombs = b"version: 1\na: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]\ninput:\n" + b"- https://x.org/y:1\n" * 3
    found = parse(bombs, "bomb.yaml")
    assert len(found.wishes) == 1
    assert any("'a'" in remark for remark in found.remarks)


def test_an_unknown_key_is_remarked():
    found = parse(b"version: 1\nmaintainer: x\ninput: []\n", "w.yaml")
    assert found.remarks == ("w.yaml has the key 'maintainer', which no list of version 1 has",)


def test_hub_has_several_names():
    names = {
        str(parse_cern(f"https://{host}/library/x:1", "l:1").reference())
        for host in ("docker.io", "index.docker.io", "registry-1.docker.io")
    }
    assert names == {"docker.io/library/x:1"}
    assert str(parse_osg("docker.io/x:1", "l:1").reference()) == "docker.io/library/x:1"
