"""Layout, scripts, state, retention, changes, status: functions of values."""

from __future__ import annotations

import base64
import json
import subprocess
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampan.distribute import layout, pages, retention, singularity, status
from sampan.distribute.changes import FETCH, NOTE, SAME, changes
from sampan.distribute.credentials import with_credentials
from sampan.distribute.expand import Naming, expand
from sampan.distribute.report import FAILED, PUBLISHED, Report, Row
from sampan.distribute.state import Record, State, load
from sampan.distribute.wishlist import parse
from sampan.errors import BadSetting, NotAtRegistry, ProtocolError, UsageError
from sampan.oci.config import ImageConfig
from sampan.oci.platform import Platform

AMD, ARM = Platform("linux", "amd64"), Platform("linux", "arm64")
ONE = Naming((AMD,))
RECORD = Record(
    "r.org/a:1", "linux/amd64", "r.org/a:1", "sha256:t", "sha256:m", "sha256:c", ".flat/aa/aabb", "2026-01-01T00:00:00Z", 10, 2, 5,
    ("one",), ("r.org/a:1",),
)  # fmt: skip


def wishes(*lines: str):
    return parse("\n".join(lines).encode(), "list").wishes


# Layout


def test_links_are_relative():
    assert layout.target("r.org/a/b:1", ".flat/aa/aabb") == b"../../.flat/aa/aabb"
    assert layout.target("b:1", ".flat/aa/aabb") == b".flat/aa/aabb"
    assert layout.multiarch_link_of("r.org/a:1", Platform("linux", "arm", "v7")) == ".multiarch/arm-v7/r.org/a:1"


@pytest.mark.parametrize(("text", "path"), [("", b""), ("/", b""), ("containers", b"/containers"), ("/a//b/", b"/a/b")])
def test_base_path(text, path):
    assert layout.base_path(text) == path


@pytest.mark.parametrize("text", ["/a/../b", "/.cvmfs/x", "a\nb", "."])
def test_bad_base_path(text):
    with pytest.raises(UsageError):
        layout.base_path(text)


# Wishes to images


def test_patterns_and_duplicates():
    tags = {"a/b": ["1", "1.1", "2", "latest"], "a/c": ["x"]}
    items, failures = expand(
        wishes("r.org/a/b:1*", "r.org/a/b:1.1", "r.org/a/c:9*", "r.org/a/c"), ONE, lambda name: tags[name.path], 2
    )
    assert [item.link for item in items] == ["r.org/a/b:1", "r.org/a/b:1.1", "r.org/a/c:latest"]
    assert [(failure.link, type(failure.error)) for failure in failures] == [("r.org/a/c:9*", NotAtRegistry)]
    assert "none of the 1 tags of r.org/a/c matches '9*'" in failures[0].error.sentence


def test_several_platforms():
    items, _ = expand(wishes("r.org/a:1"), Naming((AMD, ARM)), lambda _: [], 1)
    assert [item.links for item in items] == [
        ("r.org/a:1", ".multiarch/amd64/r.org/a:1"),
        (".multiarch/arm64/r.org/a:1",),
    ]


def test_two_registries_with_one_osg_name():
    items, failures = expand(wishes("r.org/a/b:1", "q.org/a/b:1"), Naming((AMD,), osg=True), lambda _: [], 1)
    assert [item.links for item in items] == [("r.org/a/b:1", "a/b:1")]
    assert "a/b:1 would be the name of q.org/a/b:1, and is that of r.org/a/b:1" in failures[0].error.sentence


def test_changes():
    (item,), _ = expand(wishes("r.org/a:1"), ONE, lambda _: [], 1)

    def what(state: State, label: str = "one") -> str:
        return changes({item: "sha256:t"}, state, label)[0].what

    assert what(State()) == FETCH
    assert what(State({RECORD.key: RECORD})) == SAME
    assert what(State({RECORD.key: RECORD}), "two") == NOTE
    assert what(State({RECORD.key: replace(RECORD, told="sha256:other")})) == FETCH
    assert what(State({RECORD.key: replace(RECORD, links=())})) == NOTE


# State and retention


texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
records = st.builds(
    Record,
    *[texts] * 8,
    st.integers(0, 1 << 50),
    st.integers(0, 1 << 30),
    st.integers(0, 1 << 50),
    st.tuples(texts),
    st.tuples(texts, texts),
)


@given(st.lists(records, max_size=4), st.dictionaries(texts, texts, max_size=3))
def test_a_state_survives_its_document(found, leaving):
    state = State({record.key: record for record in found}, leaving)
    assert load(state.dump(), "the state") == state


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"{}", b'{"format": 2}', b'{"format": 1, "images": [{"size": -1}]}', b'{"format":1,"images":{}}']
)
def test_a_bad_state_is_refused(data):
    with pytest.raises(ProtocolError):
        load(data, "the state")


def test_a_moved_tag_leaves_its_directory_for_the_days_of_grace():
    before = State({RECORD.key: RECORD})
    moved = replace(RECORD, directory=".flat/bb/bbcc")
    after = retention.unlinked(before, before.with_records([moved]), "2026-02-01T00:00:00Z")
    assert after.leaving == {".flat/aa/aabb": "2026-02-01T00:00:00Z"}
    early = retention.retire(after, "one", {RECORD.key}, "2026-02-02T00:00:00Z", 7 * retention.DAY)
    assert early == retention.Retired(after)
    late = retention.retire(after, "one", {RECORD.key}, "2026-02-08T00:00:00Z", 7 * retention.DAY)
    assert late.directories == (".flat/aa/aabb",)
    assert late.state == State({RECORD.key: moved})
    back = retention.unlinked(after, after.with_records([RECORD]), "2026-02-03T00:00:00Z")
    assert set(back.leaving) == {".flat/bb/bbcc"}


def test_what_no_list_wants_any_more():
    other = replace(RECORD, link="r.org/b:1", links=("r.org/b:1",), lists=("one", "two"))
    foreign = replace(RECORD, link="r.org/c:1", links=("r.org/c:1",), lists=("two",), directory=".flat/cc/ccdd")
    state = State({record.key: record for record in (RECORD, other, foreign)})
    found = retention.retire(state, "one", set(), "2026-02-01T00:00:00Z", 60)
    assert found.links == ("r.org/a:1",)
    assert found.directories == ()
    assert set(found.state.records) == {other.key, foreign.key}
    assert found.state.records[other.key].lists == ("two",)
    assert found.state.leaving == {}  # b:1 still leads there
    again = retention.retire(found.state, "two", {foreign.key}, "2026-02-01T00:00:00Z", 0)
    assert again.links == ("r.org/b:1",)
    assert again.directories == (".flat/aa/aabb",)


# What Apptainer reads


VALUES = ['b"a $x', "it's", "two\nlines", "`id`", "$(id)", "\\", "", "plain", "ä\u2028", '${FOO:-"b"}', "!!", "-n"]


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_a_shell_reads_back_what_the_image_says(tmp_path, shell):
    pairs = tuple(f"V{number}={value}" for number, value in enumerate(VALUES))
    script = tmp_path / "env.sh"
    script.write_text(singularity.environment((*pairs, "PATH=/opt/x:/bin:/usr/bin", "a.b=1", "9x=1")))
    printing = "; ".join(f'printf "%s\\0" "$V{number}"' for number in range(len(VALUES)))
    done = subprocess.run(
        [shell, "-euc", f". {script}; {printing}"], capture_output=True, check=True, env={"PATH": "/usr/bin:/bin"}
    )
    assert done.stdout.decode().split("\0")[:-1] == VALUES
    kept = subprocess.run(
        [shell, "-uc", f'. {script}; echo "$V7 $PATH"'], capture_output=True, check=True, env={"PATH": "/bin", "V7": "mine"}
    )
    assert kept.stdout == b"mine /opt/x:/bin:/usr/bin\n"


@pytest.mark.parametrize(
    ("entrypoint", "cmd", "given", "run"),
    [
        ((), ("echo", "a b"), (), "a b"),
        (("printf", "<%s>"), ("x",), (), "<x>"),
        (("printf", "%s."), ("x",), ("1", "2 3"), "1.2 3."),
        (("printf", "%s."), (), ("'", '"'), "'.\"."),
        ((), ("false",), ("echo", "other"), "other"),
    ],
)
def test_the_runscript_follows_docker(tmp_path, entrypoint, cmd, given, run):
    script = tmp_path / "runscript"
    script.write_text(singularity.runscript(entrypoint, cmd))
    done = subprocess.run(["sh", script, *given], capture_output=True, check=True, text=True)
    assert done.stdout.strip("\n") == run


def test_labels_and_configuration_are_there():
    files = singularity.files(ImageConfig(labels={"a": 'b"c'}), b"{}")
    assert json.loads(files[".singularity.d/labels.json"][1]) == {"a": 'b"c'}
    assert files[singularity.CONFIG][1] == b"{}"
    assert all(target in files for target in singularity.LINKS.values())


# Passwords


def test_passwords_of_the_environment():
    environ = {
        "DOCKER_AUTH_CONFIG": json.dumps({"auths": {"r.org": {"auth": base64.b64encode(b"u:p").decode()}}, "credHelpers": {"x": "y"}}),
        "DUCC_AUTH_REGISTRIES": "cern,hub,proxy",
        "DUCC_cern_IDENT": "https://gitlab-registry.cern.ch", "DUCC_cern_USER": "ana", "DUCC_cern_PASS": "a:b",
        "DUCC_hub_IDENT": "https://registry.hub.docker.com", "DUCC_hub_USER": "h", "DUCC_hub_PASS": "i",
        "DUCC_proxy_IDENT": "https://p.org", "DUCC_proxy_PROXY": "x",
        "SAMPAN_REGISTRY_AUTH": "127.0.0.1:5000=me:se=cret\nq.io=a:b",
    }  # fmt: skip
    found = json.loads(with_credentials(environ)["DOCKER_AUTH_CONFIG"])
    plain = {host: base64.b64decode(entry["auth"]).decode() for host, entry in found["auths"].items()}
    assert plain == {
        "r.org": "u:p", "gitlab-registry.cern.ch": "ana:a:b", "https://index.docker.io/v1/": "h:i", "127.0.0.1:5000": "me:se=cret",
        "q.io": "a:b",
    }  # fmt: skip
    assert found["credHelpers"] == {"x": "y"}
    assert with_credentials({"A": "b"}) == {"A": "b"}


@pytest.mark.parametrize(
    "environ",
    [
        {"SAMPAN_REGISTRY_AUTH": "secret"},
        {"DUCC_AUTH_REGISTRIES": "a"},
        {"SAMPAN_REGISTRY_AUTH": "a=b:c", "DOCKER_AUTH_CONFIG": "{secret"},
    ],
)
def test_bad_passwords_are_not_shown(environ):
    with pytest.raises(BadSetting) as caught:
        with_credentials(environ)
    assert "secret" not in caught.value.sentence


# Status


def report(*rows: Row, label: str = "one", ended: str = "2026-03-01T00:00:00Z", **rest) -> Report:
    return Report("x.org", label, ended, ended, 5, rows, **rest)


def test_an_error_keeps_the_time_of_its_beginning():
    line = status.Line(
        RECORD.link, RECORD.platform, status.OK, digest="sha256:m", published=RECORD.published, size=10, files=2, lists="one"
    )
    now = status.Status("x.org", 5, "2026-01-01T00:00:00Z", "2026-12-01T00:00:00Z", "", (line,))
    failed = Row(RECORD.link, RECORD.platform, FAILED, error="the registry <b>said</b> no")
    first = status.after_run(now, report(failed, Row("r.org/z:1", "linux/amd64", FAILED, error="gone")), None)
    assert [(one.link, one.condition, one.failing_since) for one in first.lines] == [
        (RECORD.link, status.FAILING, "2026-03-01T00:00:00Z"),
        ("r.org/z:1", status.MISSING, "2026-03-01T00:00:00Z"),
    ]
    assert status.load(first.dump(), "it") == first
    second = status.after_run(now, report(failed, ended="2026-03-02T00:00:00Z"), first)
    assert [(one.link, one.failing_since) for one in second.lines] == [(RECORD.link, "2026-03-01T00:00:00Z")]
    other = status.after_run(now, report(label="two", ended="2026-03-03T00:00:00Z"), second)
    assert other.failing == 1
    well = status.after_run(now, report(Row(RECORD.link, RECORD.platform, PUBLISHED), ended="2026-03-04T00:00:00Z"), other)
    assert well.failing == 0
    page = pages.html(first).decode()
    assert "&lt;b&gt;said" in page
    assert "<b>said" not in page
    assert page.index("r.org/z:1") < len(page)
    text = pages.prometheus(first).decode()
    assert 'sampan_image_failing{repository="x.org",image="r.org/z:1",platform="linux/amd64"} 1\n' in text
    assert "sampan_repository_revision{" in text
