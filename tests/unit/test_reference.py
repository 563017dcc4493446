"""References: every row of the grammar's table, and what must not pass."""

from __future__ import annotations

import pytest

from sampan.errors import BadReference
from sampan.oci.digest import Digest
from sampan.oci.reference import Reference

pytestmark = pytest.mark.client

HEX = "0123456789abcdef" * 4
DIGEST = f"sha256:{HEX}"


@pytest.mark.parametrize(
    ("text", "domain", "path", "tag"),
    [
        ("ubuntu", "docker.io", "library/ubuntu", "latest"),
        ("docker.io/ubuntu", "docker.io", "library/ubuntu", "latest"),
        ("index.docker.io/ubuntu", "docker.io", "library/ubuntu", "latest"),
        ("library/ubuntu", "docker.io", "library/ubuntu", "latest"),
        ("docker.io/library/ubuntu:22.04", "docker.io", "library/ubuntu", "22.04"),
        ("docker://docker.io/ubuntu", "docker.io", "library/ubuntu", "latest"),
        ("docker://ubuntu:1", "docker.io", "library/ubuntu", "1"),
        ("test.com:5000", "docker.io", "library/test.com", "5000"),
        ("192.168.1.1:5000", "docker.io", "library/192.168.1.1", "5000"),
        ("test:5000/repo", "test:5000", "repo", "latest"),
        ("localhost/x", "localhost", "x", "latest"),
        ("localhost:5000/x:y", "localhost:5000", "x", "y"),
        ("192.168.1.1:5000/repo:5050", "192.168.1.1:5000", "repo", "5050"),
        ("[2001:db8::1]:5000/repo:t", "[2001:db8::1]:5000", "repo", "t"),
        ("[2001:db8::1]/repo:t", "[2001:db8::1]", "repo", "t"),
        ("[::1]/repo", "[::1]", "repo", "latest"),
        ("[::1]:5000/repo", "[::1]:5000", "repo", "latest"),
        ("Foo/bar", "Foo", "bar", "latest"),
        ("LOCALDOMAIN/x", "LOCALDOMAIN", "x", "latest"),
        ("FOO.COM/a/b", "FOO.COM", "a/b", "latest"),
        ("lower:Upper", "docker.io", "library/lower", "Upper"),
        ("foo/foo_bar.com:8080", "docker.io", "foo/foo_bar.com", "8080"),
        (f"docker.io/{HEX}", "docker.io", f"library/{HEX}", "latest"),
        (f"{HEX}:tag", "docker.io", f"library/{HEX}", "tag"),
        (HEX[:-1], "docker.io", f"library/{HEX[:-1]}", "latest"),
        ("a__b/c---d/e.f/g_h", "docker.io", "a__b/c---d/e.f/g_h", "latest"),
        ("quay.io/biocontainers/samtools:1.9--h91753b0_8", "quay.io", "biocontainers/samtools", "1.9--h91753b0_8"),
        ("x/" + "a" * 253, "docker.io", "x/" + "a" * 253, "latest"),
        ("a:" + "t" * 128, "docker.io", "library/a", "t" * 128),
    ],
)
def test_parts(text, domain, path, tag):
    reference = Reference.parse(text)
    assert (reference.domain, reference.path, reference.tag, reference.digest) == (domain, path, tag, None)
    assert str(reference) == f"{domain}/{path}:{tag}"


@pytest.mark.parametrize(
    "text",
    [
        "", ":tag", f"@{DIGEST}", "https://x/y", "http://localhost:5000/x", "-a/x", "a-/x", "a..b/x", "a_.b/x", "_a/x", "a///x",
        "a/", "/a", "a//b", "docker/Docker", "Docker", "test:5000/Up/x", "[fc00::1]", "[fc00::1]:5000", "fc00::1:5000/x",
        "[fe80::1%eth0]/x", "[fe80::1%25eth0]:5000/x", "[::ffff:1.2.3.4]/x", "[::1/x", "[]/x", "[::1]x/y", HEX,
        f"a@sha256:{HEX[:34]}", f"a@sha256:{HEX[:-1]}G", f"a@sha256:{HEX.upper()}", f"a@md5:{HEX[:32]}", f"a@sha384:{HEX}{HEX[:32]}",
        f"a@{HEX}", "a@", "a:", "a:@", "a:.b", "a:-b", "a:b c", "a:b/c:d:e", "a b", "a:" + "t" * 129, "x/" + "a" * 254, "a_b_/x",
        "a___b", "a._b", "ä/b", "a\n", "a\0b", "test:/x", "test:port/x", "test:99999/x", "test:0/x", "x.-y/z", "x./z",
        "docker://", "oci:/some/dir",
    ],
)  # fmt: skip
def test_what_is_no_reference(text):
    with pytest.raises(BadReference) as caught:
        Reference.parse(text)
    assert "is not a reference to an image: " in caught.value.sentence
    assert caught.value.sentence.isprintable()


@pytest.mark.parametrize(
    ("text", "sentence", "hint"),
    [
        ("https://ghcr.io/x/y", "a reference has no https:// in front", "try ghcr.io/x/y"),
        ("docker/Docker", "names of images are lower case, unlike 'Docker'", None),
        (HEX, "name an image in the store", "NAME@sha256:"),
        ("", "it is empty", "debian:12"),
        ("localhost:5000/", "the name of the image is missing behind the registry", None),
        ("test:port/x", "'test:port' has no port number", None),
    ],
)
def test_the_sentence_names_the_reason(text, sentence, hint):
    with pytest.raises(BadReference) as caught:
        Reference.parse(text)
    assert sentence in caught.value.sentence
    assert (hint or "") in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("text", "canonical", "familiar", "selector"),
    [
        ("debian:12", "docker.io/library/debian:12", "debian:12", "12"),
        ("foo/bar", "docker.io/foo/bar:latest", "foo/bar:latest", "latest"),
        (f"debian@{DIGEST}", f"docker.io/library/debian@{DIGEST}", f"debian@{DIGEST}", DIGEST),
        (f"debian:12@{DIGEST}", f"docker.io/library/debian:12@{DIGEST}", f"debian:12@{DIGEST}", DIGEST),
        ("quay.io/a/b:1", "quay.io/a/b:1", "quay.io/a/b:1", "1"),
        ("docker.io/foo.com/x:1", "docker.io/foo.com/x:1", "docker.io/foo.com/x:1", "1"),
        ("docker.io/localhost/x:1", "docker.io/localhost/x:1", "docker.io/localhost/x:1", "1"),
        ("docker.io/library/a/b:1", "docker.io/library/a/b:1", "library/a/b:1", "1"),
        ("docker.io/library/test.com:1", "docker.io/library/test.com:1", "test.com:1", "1"),
    ],
)
def test_texts(text, canonical, familiar, selector):
    reference = Reference.parse(text)
    assert (str(reference), reference.familiar, reference.selector) == (canonical, familiar, selector)
    assert Reference.parse(reference.familiar) == reference


def test_the_host_of_the_registry_api():
    assert Reference.parse("debian").host == "registry-1.docker.io"
    assert Reference.parse("quay.io/a/b").host == "quay.io"
    assert Reference.parse("[::1]:5000/b").host == "[::1]:5000"


def test_it_is_a_value():
    reference = Reference.parse("debian:12")
    assert reference == Reference.parse("docker.io/library/debian:12")
    assert len({reference, Reference.parse("docker.io/debian:12")}) == 1
    assert reference != "debian:12"
    assert reference.with_tag("13") == Reference.parse("debian:13")
    assert reference.with_digest(Digest.parse(DIGEST)) == Reference.parse(f"debian:12@{DIGEST}")
    assert Reference.parse(f"debian:12@{DIGEST}").with_tag("13") == Reference.parse("debian:13")
    with pytest.raises(AttributeError):
        reference.tag = "13"


@pytest.mark.parametrize("parts", [("docker.io", "debian"), ("x", "../y"), ("x/y", "z"), ("", "x"), ("x", ""), ("x", "y", "a/b")])
def test_no_bad_reference_can_be_made_of_parts(parts):
    with pytest.raises(BadReference):
        Reference(*parts)
