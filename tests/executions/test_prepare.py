"""From values to a job: where files lie, what is asked of the container, which limits hold."""

from __future__ import annotations

import json
import posixpath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampan.apps.bind import bind
from sampan.apps.load import read
from sampan.errors import UsageError
from sampan.executions.model import Settings
from sampan.executions.prepare import Common, limits_of, places, prepare, roles, uri_of
from sampan.jobs import uris

pytestmark = pytest.mark.client
DESCRIPTOR = {
    "name": "join",
    "tool-version": "1",
    "description": "d",
    "schema-version": "0.5",
    "command-line": "cat [FILES] [ONE] > [OUT]",
    "container-image": {"type": "docker", "image": "debian:12", "container-opts": ["--pid", "host", "-e", "A=1"]},
    "inputs": [
        {"id": "files", "name": "f", "type": "File", "list": True, "value-key": "[FILES]"},
        {"id": "one", "name": "o", "type": "File", "value-key": "[ONE]", "optional": True, "uses-absolute-path": True},
    ],
    "output-files": [{"id": "out", "name": "o", "path-template": "out.txt", "value-key": "[OUT]"}],
    "suggested-resources": {"cpu-cores": 2, "ram": 1.5, "walltime-estimate": 60},
}
DIGEST = "sha256:" + "a" * 64
COMMON = Common("n", "/data", Settings(), f"docker.io/library/debian@{DIGEST}", DIGEST, {})
PART = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=6) | st.sampled_from(
    ["a", "b.txt", "-v", "input-1", ".hidden", "x\udcff", "a b", "'"]
)
PATHS = (
    st.lists(PART, min_size=1, max_size=3)
    .map("/".join)
    .filter(lambda path: posixpath.basename(path) not in ("..", ".") and not uris.scheme_of(path))
    .filter(lambda path: posixpath.basename(posixpath.normpath(path)) not in ("..", "."))
)


def application(**changes):
    return read(json.dumps({**DESCRIPTOR, **changes}).encode(), "here")


@given(st.lists(PATHS, min_size=1, max_size=5))
def test_files_lie_apart_by_their_own_names_and_are_never_options(paths):
    invocation = bind(application(), {"files": paths})
    laid = {place.given: place for place in places(invocation)}
    paths = [path for _, path in roles(invocation)]
    assert set(laid) == set(paths)
    targets = [place.target for place in laid.values()]
    for place in laid.values():
        assert not place.target.startswith(("-", "/", "../"))
        assert posixpath.basename(place.target) == posixpath.basename(place.given.rstrip("/"))
        others = [target for target in targets if target is not place.target]
        assert not any(other == place.target or other.startswith(f"{place.target}/") for other in others)
    job = prepare(invocation, COMMON).job
    assert [uris.file_path(one.uri) for one in job.inputs] == [
        posixpath.normpath(posixpath.join("/data", path)) for path in dict.fromkeys(paths)
    ]


def test_a_job_runs_the_image_by_its_digest_with_processes_of_its_own():
    prepared = prepare(bind(application(), {"files": ["t.txt"], "one": "t.txt"}), COMMON)
    request = prepared.job.request
    assert request.image == f"docker.io/library/debian@{DIGEST}"
    assert (request.pid, request.workdir, request.environment) == (None, None, ("A=1",))
    assert request.command[-1] == "cat t.txt /work/t.txt > out.txt"
    assert [(one.name, one.path) for one in prepared.job.outputs] == [("out", "out.txt")]
    assert prepared.job.digest == DIGEST


def test_a_file_whose_neighbours_are_needed_comes_with_its_directory():
    """Niwrap's `resolve-parent`."""
    inputs = [{**DESCRIPTOR["inputs"][0], "list": False, "resolve-parent": True}, DESCRIPTOR["inputs"][1]]
    invocation = bind(application(inputs=inputs), {"files": "sub-1/t.hdr", "one": "/x/t.hdr"})
    first, second = places(invocation)
    assert (first.source, first.target, first.value) == ("sub-1", "input-1", "input-1/t.hdr")
    assert (second.source, second.target, second.value) == ("/x/t.hdr", "t.hdr", "t.hdr")


def test_a_file_has_every_role_that_it_is_given():
    invocation = bind(application(), {"files": ["a", "b"], "one": "a"})
    assert roles(invocation) == (("files", "a"), ("files", "b"), ("one", "a"))


def test_limits_are_those_of_the_launch_else_of_the_descriptor():
    found = limits_of(application(), Settings())
    assert (found.cpus, found.memory, found.time) == (2, 1_500_000_000, 60.0)
    found = limits_of(application(), Settings(time=5.0, memory=7, cpus=1, gpus=1))
    assert (found.cpus, found.memory, found.time, found.gpus) == (1, 7, 5.0, 1)


@pytest.mark.parametrize("path, uri", [("a b", "file:///data/a%20b"), ("/x/../y", "file:///y"), ("s3://b/k", "s3://b/k")])
def test_what_is_given_becomes_a_uri(path, uri):
    assert uri_of(path, "/data") == uri


@pytest.mark.parametrize("path", ["..", "/", "a/.."])
def test_a_path_without_a_name_is_refused(path):
    with pytest.raises(UsageError, match="has no name of its own"):
        prepare(bind(application(), {"files": [path]}), COMMON)
