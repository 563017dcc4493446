"""What a job may be: the document and back, and what is refused, with its place."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampan.container.request import Request
from sampan.errors import SampanError, UsageError
from sampan.jobs import credentials, phases, spec, status, uris
from sampan.jobs.credentials import Credentials, S3Key
from sampan.jobs.spec import Input, Job, Limits, Output
from sampan.jobs.status import Staged, State, Status

pytestmark = pytest.mark.client

names = st.text(st.characters(codec="utf-8", categories=("L", "N", "P")), min_size=1, max_size=20).filter(
    lambda text: "/" not in text and text.isprintable()
)
parts = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=12).filter(
    lambda text: text not in (".", "..")
)
paths = st.lists(parts, min_size=1, max_size=3).map("/".join)
texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30)


@st.composite
def jobs(draw):
    inputs = {draw(paths): draw(names) for _ in range(draw(st.integers(0, 3)))}
    try:
        return Job(
            Request("image:1", command=tuple(draw(st.lists(texts, min_size=1, max_size=3))), environment=tuple(f"A={value}" for value in draw(st.lists(texts, max_size=2)))),
            name=draw(texts),
            inputs=tuple(Input(name, f"inputs/{name}", path) for path, name in inputs.items()),
            outputs=tuple(Output(draw(names), draw(paths), many=draw(st.booleans()), optional=draw(st.booleans())) for _ in range(draw(st.integers(0, 3)))),
            limits=Limits(draw(st.floats(0, 1e9)), draw(st.integers(0, 1 << 50)), draw(st.integers(1, 1000)), draw(st.integers(0, 16)), draw(st.integers(0, 1 << 50))),
            tries=draw(st.integers(1, 9)), heartbeat=draw(st.floats(0.1, 1e6)), checksums=draw(st.booleans()),
        )  # fmt: skip
    except UsageError as error:
        if "would lie at one place" in error.sentence or "must be a path" in error.sentence:
            return Job(Request("image:1"))
        raise


def same(one: Job, other: Job) -> bool:
    return one.document() == other.document()


@given(jobs())
def test_a_job_survives_its_document(job):
    again = spec.from_document(json.loads(json.dumps(job.document())), "job.json")
    assert same(job, again)
    assert again.request.document() == job.request.document()


# Invariant: whatever a document holds, it becomes a job or a UsageError that begins with the place.
json_values = st.recursive(st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["name", "uri", "path", "time", "cpus", "image", "command", "format", "digest", "x"]), inner, max_size=4), max_leaves=12)  # fmt: skip
KEYS = (
    "format",
    "name",
    "request",
    "image",
    "directory",
    "scratch",
    "stdin",
    "inputs",
    "outputs",
    "limits",
    "tries",
    "heartbeat",
    "checksums",
)


@given(st.dictionaries(st.sampled_from(KEYS), json_values), st.booleans())
def test_no_document_surprises(document, good):
    if good:
        document = {**document, "format": 1}
    try:
        assert isinstance(spec.from_document(document, "/j/job.json"), Job)
    except UsageError as error:
        assert error.sentence.startswith("/j/job.json")


WRONG = [
    (lambda: Input("", "inputs/x"), "has a name that is empty"),
    (lambda: Input("a/b", "inputs/x"), "has a name that is empty"),
    (lambda: Input("a", ""), "is empty or holds a NUL byte"),
    (lambda: Input("a", "gopher://x/y"), "has the scheme gopher:"),
    (lambda: Input("a", "../x"), "stays below the directory"),
    (lambda: Input("a", "file:x"), "is not an absolute path"),
    (lambda: Input("a", "s3://bucket"), "is not complete"),
    (lambda: Input("a", "http:///x"), "is not complete"),
    (lambda: Input("a", "http://h:99999999/x"), "is no URI"),
    (lambda: Input("a", "cvmfs://r/../../etc/passwd"), "leads out of its repository"),
    (lambda: Input("a", "http://h/x", "/abs"), "stays below the directory"),
    (lambda: Input("a", "http://h/"), "stays below the directory"),
    (lambda: Input("a", "http://h/x", digest="md5:0"), "the digest of the input 'a' is wrong"),
    (lambda: Input("a", "http://h/x", how="bind"), "cannot be bound"),
    (lambda: Input("a", "http://h/x", how="magic"), "cannot be brought by 'magic'"),
    (lambda: Output("a", "../x"), "stays below the directory"),
    (lambda: Output("a", "*", many=True, destination="s3://b/one"), "its destination is one"),
    (lambda: Output("a", "x", destination="cvmfs://r/x"), "has the scheme cvmfs:"),
    (lambda: Limits(cpus=0), "one processor at least"),
    (lambda: Limits(memory=-1), "the limit memory is below 0"),
    (lambda: Job(Request("i"), directory="work"), "absolute path inside"),
    (lambda: Job(Request("i"), directory="/"), "absolute path inside"),
    (lambda: Job(Request("i"), scratch="here"), "scratch must be"),
    (lambda: Job(Request("i"), tries=0), "one try at least"),
    (lambda: Job(Request("i", tty=True)), "cannot have tty"),
    (lambda: Job(Request("i", volumes_from=("c",))), "mounts of another container"),
    (lambda: Job(Request("i"), inputs=(Input("a", "inputs/x"), Input("b", "inputs/y", "x"))), "would lie at one place, x"),
    (lambda: Job(Request("i"), inputs=(Input("a", "inputs/x", "d/e"), Input("b", "inputs/y", "d"))), "would lie at one place"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "words"), WRONG, ids=[words for _, words in WRONG])
def test_what_no_node_could_do_is_refused(make, words):
    with pytest.raises(UsageError) as raised:
        make()
    assert words in raised.value.sentence


def test_the_place_of_a_mistake_is_told():
    good = Job(Request("i"), inputs=(Input("a", "inputs/x"),)).document()
    for change, words in (
        ({"inputs": [{"name": "a"}]}, "inputs[0]: "),
        ({"inputs": [{"name": "a", "uri": 7}]}, "inputs[0].uri is not a text"),
        ({"inputs": [{"name": "a", "uri": "x", "colour": 1}]}, "inputs[0] has an unknown part 'colour'"),
        ({"limits": {"cpus": "two"}}, "limits.cpus is not a whole number"),
        ({"limits": {"cpus": True}}, "limits.cpus is not a whole number"),
        ({"request": {"image": "i", "fly": True}}, "request: "),
        ({"request": {}}, "request: "),
        ({"format": 2}, "is a job of format 2"),
        ({"outputs": {}}, None),
        ({"outputs": 5}, "outputs is not a list of objects"),
        ({"tries": 1.5}, "tries is not a whole number"),
    ):
        document = {**good, **change}
        if words is None:
            spec.from_document(document, "job.json")
            continue
        with pytest.raises(UsageError) as raised:
            spec.from_document(document, "job.json")
        assert words in raised.value.sentence


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("https://ana:pw@h/p?X-Amz-Signature=s", "https://h/p?..."),
        ("http://h/p#part", "http://h/p"),
        ("s3://b/k?x", "s3://b/k?x"),
        ("file:///a%20b", "file:///a%20b"),
        ("inputs/new\nline", "inputs/new\\nline"),
    ],
)
def test_what_is_secret_in_a_uri_is_not_shown(uri, shown):
    assert uris.shown(uri) == shown


@pytest.mark.parametrize(
    ("uri", "path"), [("file:/a%20b", "/a b"), ("file:///a", "/a"), ("file://localhost/a", "/a"), ("file:///%FF", "/\udcff")]
)
def test_paths_of_file_uris(uri, path):
    assert uris.file_path(uri) == path
    assert uris.file_path(uris.of_path(path)) == path


def test_every_code_has_a_phase_and_words():
    for code, (phase, words) in phases.CODES.items():
        assert 0 <= code < 126
        assert words
        assert phase in ("", "prepare", "stage-in", "image", "run", "stage-out")
    assert not phases.may_pass(phases.ENDED)
    assert phases.may_pass(phases.INPUT_NOT_FETCHED)
    assert phases.may_pass(None)


def test_a_status_survives_its_document():
    found = Status("failed", 50, "run", 137, 9, "it was killed", "a hint", "n1", "c", "s", "e", "f", 1.25, 1 << 20, {"reference": "i"}, (Staged("a", "p", "u", "d", 1),), (Staged("o", "\udcff"),), "/k")  # fmt: skip
    assert status.from_document(json.loads(json.dumps(found.document()))) == found
    assert found.as_state == State("failed", "it was killed", 50, "run")


def test_credentials_survive_their_file_once(tmp_path):
    made = Credentials({"b": S3Key("a", "s", "t", "http://e", "r")}, {"https://h": "Bearer x"}, "2030-01-01T00:00:00Z")
    credentials.save(str(tmp_path), made)
    assert (tmp_path / "credentials.json").stat().st_mode & 0o777 == 0o600
    assert credentials.take(str(tmp_path)) == made
    assert credentials.take(str(tmp_path)) == Credentials()
    (tmp_path / "credentials.json").write_text('{"s3": {"b": {"access": "sesame"')
    with pytest.raises(phases.Failed) as raised:
        credentials.take(str(tmp_path))
    assert "sesame" not in raised.value.cause
    with pytest.raises(SampanError, match="not a time in UTC"):
        credentials.save(str(tmp_path), Credentials(expires="soon"))


def test_keys_of_a_shell():
    environment = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "s", "AWS_ENDPOINT_URL": "http://e", "AWS_REGION": "r"}
    assert credentials.of_environment(environment).for_bucket("any") == S3Key("a", "s", "", "http://e", "r")
    assert credentials.of_environment({}) == Credentials()
    week = credentials.seconds_of(credentials.of_environment(environment).expires) - time.time()
    assert 6 * 86400 < week <= 7 * 86400
    short = credentials.of_environment({**environment, "AWS_CREDENTIAL_EXPIRATION": "2026-11-25T12:00:00+00:00"})
    assert short.expires == "2026-11-25T12:00:00Z"
    assert Credentials(http={"http://h:1": "x"}).for_url("http://u:p@h:1/p") == "x"
    assert Credentials(http={"http://h:1": "x"}).for_url("https://h:1/p") == ""
