"""Searching by the real command: the registry is really asked."""

from __future__ import annotations

import json

import pytest

from tests.peers.docker_registry import PASSWORD, USER
from tests.peers.faulty import refused


def test_the_catalogue_of_a_real_registry(seeded_small, sampan):
    host = seeded_small.host
    done = sampan.good("search", f"{host}/small")
    assert done.lines[0].split() == ["NAME", "STARS", "OFFICIAL", "DESCRIPTION"]
    assert f"{host}/small/tools" in done.text
    names = [one["name"] for one in json.loads(sampan.good("search", "--format", "json", f"{host}/").out)]
    assert {f"{host}/small/tools", f"{host}/private/tools"} <= set(names)
    assert len(sampan.good("search", "--limit", "1", f"{host}/").lines) == 2


def test_without_a_result_the_status_is_one(seeded_small, sampan):
    done = sampan("search", f"{seeded_small.host}/nothing-of-the-kind")
    assert (done.status, done.out) == (1, b"")
    assert "nothing found" in done.err
    done = sampan("search", "--format", "json", f"{seeded_small.host}/nothing-of-the-kind")
    assert (done.status, json.loads(done.out)) == (1, [])


def test_a_registry_with_a_password(seeded_small, basic_registry, sampan):
    done = sampan("search", f"{basic_registry.host}/small")
    assert done.status == 125
    assert "can neither be searched nor lists its images to you" in done.err
    sampan.good("login", "-u", USER, "--password-stdin", basic_registry.host, stdin=PASSWORD.encode())
    assert "small/tools" in sampan.good("search", f"{basic_registry.host}/small").text


def test_a_registry_with_a_search(faulty, sampan):
    faulty.lists.results = [{"name": "lab/tool", "description": "does\x1b[2J it", "star_count": 3, "is_official": True}]
    done = sampan.good("search", f"{faulty.host}/tool")
    assert done.lines[1].split(maxsplit=3) == [f"{faulty.host}/lab/tool", "3", "yes", "does\\x1b[2J it"]
    (found,) = json.loads(sampan.good("search", "--format", "json", f"{faulty.host}/tool").out)
    assert found == {"name": f"{faulty.host}/lab/tool", "description": "does\\x1b[2J it", "stars": 3, "is_official": True}


def test_the_tags_of_an_image(seeded_small, faulty, small_layout, sampan):
    assert sorted(sampan.good("search", "--list-tags", seeded_small.reference("small/tools")).lines) == ["1", "2", "many"]
    faulty.add(small_layout, "tools")
    faulty.lists.extra_tags, faulty.lists.length = [f"t{number}" for number in range(30)], 7
    assert len(sampan.good("search", "--list-tags", f"{faulty.host}/tools").lines) == 33
    assert len(sampan.good("search", "--list-tags", "--limit", "4", f"{faulty.host}/tools").lines) == 4
    assert sampan("search", "--list-tags", f"{faulty.host}/nothing").status == 125


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["search", "--limit", "0", "x"], "--limit is a number from 1 to"),
        (["search", "--limit", "many", "x"], "--limit is a number from 1 to"),
        (["search", "docker.io/"], "Docker Hub is searched for a term"),
        (["search", "127.0.0.1:99999/x"], "is not the name of a registry"),
        (["search", "--list-tags", "127.0.0.1:1/x:1"], "is one image, not the name of several"),
    ],
)
def test_bad_input(sampan, words, sentence):
    done = sampan(*words)
    assert (done.status, sentence in done.err) == (125, True), done.err


def test_a_registry_that_forbids_it(faulty, sampan):
    faulty.on("_catalog", refused(403, "DENIED", "not for you"))
    done = sampan("search", f"{faulty.host}/x")
    assert (done.status, "(403): not for you" in done.err) == (125, True)
