"""What holds for every reference, digest, platform and document."""

from __future__ import annotations

import json
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampan.errors import BadReference, DigestMismatch
from sampan.oci.digest import Digest, chain_ids, sha256_of, verify
from sampan.oci.document import read_document
from sampan.oci.platform import Platform, Wanted, preference
from sampan.oci.reference import Reference

pytestmark = pytest.mark.client

LOWER = string.ascii_lowercase + string.digits
words = st.text(LOWER, min_size=1, max_size=6)
components = st.builds(
    lambda first, rest: first + "".join(joint + word for joint, word in rest),
    words,
    st.lists(st.tuples(st.sampled_from([".", "_", "__", "-", "---"]), words), max_size=2),
)
labels = st.from_regex(r"[a-zA-Z0-9]([a-zA-Z0-9-]{0,4}[a-zA-Z0-9])?", fullmatch=True)
hosts = st.one_of(
    st.lists(labels, min_size=2, max_size=3).map(".".join),
    st.just("localhost"),
    st.sampled_from(["[::1]", "[2001:db8::1]", "docker.io", "index.docker.io", "UPPER"]),
)
domains = st.one_of(
    hosts, st.builds("{}:{}".format, hosts, st.integers(1, 65535)), st.builds("{}:{}".format, labels, st.just(5000))
)
tags = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,12}", fullmatch=True)
digests = st.binary(max_size=4).map(sha256_of)


@st.composite
def reference_texts(draw):
    domain = draw(st.one_of(st.none(), domains))
    # Without a domain the first component must not look like one.
    first = draw(components if domain else words)
    text = "/".join([*([domain] if domain else []), first, *draw(st.lists(components, max_size=2))])
    if draw(st.booleans()):
        text += f":{draw(tags)}"
    return text + (f"@{draw(digests)}" if draw(st.booleans()) else "")


@given(reference_texts())
def test_a_reference_survives_printing(text):
    reference = Reference.parse(text)
    assert Reference.parse(str(reference)) == reference
    assert Reference.parse(reference.familiar) == reference
    assert str(Reference.parse(str(reference))) == str(reference)
    assert len(reference.familiar) <= len(str(reference))
    assert Reference(reference.domain, reference.path, reference.tag, reference.digest) == reference


@given(reference_texts(), st.integers(0, 60), st.sampled_from("/:@.-_A%\0é [~"))
def test_a_changed_reference_is_refused_or_still_safe(text, at, letter):
    try:
        reference = Reference.parse(text[:at] + letter + text[at:])
    except BadReference:
        return
    assert not set(reference.path) - set(LOWER + "._-/")
    assert not {"", ".", ".."} & set(reference.path.split("/"))
    assert "/" not in reference.domain + (reference.tag or "")


@given(st.binary(max_size=200), st.integers(0, 199))
def test_one_changed_byte_is_seen(data, at):
    digest = sha256_of(data)
    verify(data, digest, len(data), "x")
    if at < len(data):
        changed = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        with pytest.raises(DigestMismatch):
            verify(changed, digest, len(changed), "x")


@given(st.lists(digests, max_size=6), st.lists(digests, max_size=6))
def test_images_with_a_common_base_share_a_prefix_of_chains(base, rest):
    assert chain_ids(base + rest)[: len(base)] == chain_ids(base)
    assert len(chain_ids(base + rest)) == len(base + rest)


platforms = st.builds(
    Platform.named,
    st.just("linux"),
    st.sampled_from(["amd64", "x86_64", "arm64", "arm", "386", "ppc64le", "armhf"]),
    st.sampled_from(["", "v1", "v2", "v3", "v5", "v6", "v7", "v8", "v8.2", "v9", "9.0", "x"]),
)


@given(platforms)
def test_a_platform_survives_printing(platform):
    assert Platform.named(*str(platform).split("/")) == platform


@given(platforms)
def test_a_platform_prefers_itself(platform):
    wanted = Wanted(Platform.parse(str(platform), platform), strict=True)
    assert wanted.rank(platform) in (0, 1)
    assert len(set(preference(platform))) == len(preference(platform))


plain = st.one_of(st.none(), st.booleans(), st.integers(-(2**62), 2**62), st.text(max_size=5))
values = st.recursive(
    plain, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3), max_leaves=10
)


@given(st.dictionaries(st.text(max_size=5), values, max_size=4))
def test_documents_are_read_as_they_were_written(document):
    assert read_document(json.dumps(document).encode(), "x") == document
    assert read_document(json.dumps(document, ensure_ascii=False).encode(), "x") == document


def test_the_digest_of_a_digest_text():
    assert Digest.parse(str(sha256_of(b"x"))) == sha256_of(b"x")
