"""Credentials: which file, which key, which spelling; and files that are broken."""

from __future__ import annotations

import base64
import json

import pytest

from sampan.errors import BadSetting
from sampan.registry import credential_helper
from sampan.registry.credentials import Credentials

pytestmark = pytest.mark.client


def auth(user, password="pw"):
    return {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}


@pytest.fixture
def home(tmp_path):
    """Writes credential files below a home; gives the look-up."""

    class Home:
        path = tmp_path
        environ = {"HOME": str(tmp_path), "XDG_RUNTIME_DIR": str(tmp_path / "run")}

        def write(self, name, document):
            file = tmp_path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(document if isinstance(document, str) else json.dumps(document))

    return Home()


def test_the_first_file_with_a_key_wins(home, notice):
    places = [
        "run/containers/auth.json",
        ".config/containers/auth.json",
        ".docker/config.json",
        ".dockercfg",
        ".udocker/keystore",
    ]
    for place in reversed(places):
        entries = {"q.io": auth(place)}
        home.write(place, entries if place in (".dockercfg", ".udocker/keystore") else {"auths": entries})
        assert Credentials(home.environ, "", notice).find("q.io", "a").user == place
    home.write("special.json", {"auths": {"q.io": auth("special")}})
    variable = {**home.environ, "REGISTRY_AUTH_FILE": str(home.path / "special.json")}
    assert Credentials(variable, "", notice).find("q.io", "a").user == "special"
    home.write("setting.json", {"auths": {"other.io": auth("x")}})
    assert Credentials(variable, str(home.path / "setting.json"), notice).find("q.io", "a") is None
    assert notice.warnings == []


def test_other_directories(home, notice):
    home.write("c/containers/auth.json", {"auths": {"a.io": auth("config")}})
    home.write("d/config.json", {"auths": {"b.io": auth("docker")}})
    found = Credentials({**home.environ, "XDG_CONFIG_HOME": f"{home.path}/c", "DOCKER_CONFIG": f"{home.path}/d"}, "", notice)
    assert (found.find("a.io", "x").user, found.find("b.io", "x").user) == ("config", "docker")


def test_the_longest_key_wins(home, notice):
    home.write(".docker/config.json", {"auths": {"q.io": auth("host"), "q.io/a/b": auth("name"), "q.io/a": auth("space")}})
    found = Credentials(home.environ, "", notice)
    assert [found.find("q.io", path).user for path in ("a/b", "a/c", "a/b/c", "b", "ab")] == [
        "name",
        "space",
        "name",
        "host",
        "host",
    ]
    assert found.find("q.io:5000", "a") is None


@pytest.mark.parametrize(
    "key",
    [
        "https://index.docker.io/v1/",
        "index.docker.io",
        "docker.io",
        "https://registry-1.docker.io",
        "index.docker.io/v1/",
        "http://docker.io/v2",
    ],
)
def test_docker_hub_has_many_names(home, notice, key):
    home.write(".docker/config.json", {"auths": {key: auth("me")}})
    assert Credentials(home.environ, "", notice).find("docker.io", "library/x").user == "me"


@pytest.mark.parametrize(
    ("entry", "found"),
    [
        (auth("me", "p:w:"), ("me", "p:w:")),
        (auth("me", "pw\0\0"), ("me", "pw")),
        (auth("mé", "pé"), ("mé", "pé")),
        ({"username": "me", "password": "pw"}, ("me", "pw")),
        ({}, None),
        (None, None),
        ({"auth": ""}, None),
        (auth("me", ""), None),
    ],
)
def test_spellings_of_a_password(home, notice, entry, found):
    home.write(".docker/config.json", {"auths": {"q.io": entry}})
    credential = Credentials(home.environ, "", notice).find("q.io", "x")
    assert (credential and (credential.user, credential.password)) == found
    assert notice.warnings == []
    assert "pw" not in repr(credential)


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        ("{", "is not the JSON it should be"),
        ("[]", "is not a JSON object"),
        ({"auths": []}, "'auths' that is not an object"),
        ({"auths": {"q.io": {"auth": 1}}}, "'auth' that is not a text"),
        ({"auths": {"q.io": {"auth": "%%"}}}, "credentials for q.io"),
        ({"auths": {"q.io": {"auth": "bm9jb2xvbg=="}}}, "are damaged; they are not used"),
    ],
)
def test_a_broken_file_costs_a_warning(home, notice, document, sentence):
    home.write(".docker/config.json", document)
    assert Credentials(home.environ, "", notice).find("q.io", "x") is None
    assert sentence in notice.warnings[0]
    assert str(home.path) in notice.warnings[0]


def test_a_broken_or_missing_authfile_is_an_error(home, notice):
    home.write("broken", "{")
    for name in ("broken", "missing", "."):
        with pytest.raises(BadSetting, match="authfile"):
            Credentials(home.environ, str(home.path / name), notice).find("q.io", "x")


@pytest.fixture
def helper(home):
    """Makes programs docker-credential-NAME that note what they are asked, and answer as told."""
    programs = home.path / "bin"
    programs.mkdir()
    home.environ = {**home.environ, "PATH": f"{programs}:/usr/bin:/bin"}

    def make(name, answer, status=0, pause=0):
        program = programs / f"docker-credential-{name}"
        program.write_text(
            f'#!/bin/sh\ncat >{programs}/{name}.stdin\necho "$1" >>{programs}/{name}.verbs\nsleep {pause}\n'
            f"cat <<'END'\n{answer}\nEND\nexit {status}\n"
        )
        program.chmod(0o755)

    make.asked = lambda name: (programs / f"{name}.stdin").read_text()
    make.times = lambda name: len((programs / f"{name}.verbs").read_text().split())
    return make


def answer(user, secret):
    return json.dumps({"ServerURL": "x", "Username": user, "Secret": secret})


def test_helpers_come_before_what_the_file_holds_itself(home, helper, notice):
    helper("one", answer("one", "pw"))
    helper("all", answer("all", "pw"))
    home.write(
        ".docker/config.json",
        {
            "auths": {host: auth("file") for host in ("a.io", "b.io", "c.io/x")},
            "credHelpers": {"a.io": "one"},
            "credsStore": "all",
        },
    )
    found = Credentials(home.environ, "", notice)
    assert [(found.find(host, "x").user, found.find(host, "x").origin) for host in ("a.io", "b.io", "c.io")] == [
        ("one", "docker-credential-one"), ("all", "docker-credential-all"), ("all", "docker-credential-all"),
    ]  # fmt: skip
    assert (helper.asked("one"), helper.asked("all")) == ("a.io", "c.io")
    found.find("a.io", "y")
    assert (helper.times("one"), helper.times("all")) == (1, 2)
    assert notice.warnings == []


def test_a_helper_is_asked_by_the_configured_key(home, helper, notice):
    helper("one", answer("me", "pw"))
    home.write(".docker/config.json", {"credHelpers": {"https://q.io/v1/": "one"}})
    assert Credentials(home.environ, "", notice).find("q.io", "x").user == "me"
    assert helper.asked("one") == "https://q.io/v1/"
    home.write(".docker/config.json", {"credsStore": "one"})
    assert Credentials(home.environ, "", notice).find("docker.io", "library/x").user == "me"
    assert helper.asked("one") == "https://index.docker.io/v1/"


def test_a_helper_that_has_nothing_is_no_failure(home, helper, notice):
    helper("one", "credentials not found in native keychain", status=1)
    home.write(".docker/config.json", {"auths": {"q.io": auth("file")}, "credHelpers": {"q.io": "one"}, "credsStore": "one"})
    home.write(".dockercfg", {"r.io": auth("old")})
    found = Credentials(home.environ, "", notice)
    assert (found.find("q.io", "x").user, found.find("r.io", "x").user, found.find("s.io", "x")) == ("file", "old", None)
    assert (notice.warnings, found.hindrance("q.io")) == ([], None)


def test_identity_tokens(home, helper, notice):
    helper("azure", answer("<token>", "idt"))
    home.write(
        ".docker/config.json",
        {"auths": {"a.io": {"identitytoken": "t", **auth("0000", "")}}, "credHelpers": {"b.io": "azure"}},
    )
    found = Credentials(home.environ, "", notice)
    assert [(one.user, one.password, one.identity) for one in (found.find(host, "x") for host in ("a.io", "b.io"))] == [
        ("0000", "", "t"),
        ("", "", "idt"),
    ]
    assert "idt" not in repr(found.find("b.io", "x"))


@pytest.mark.parametrize(
    ("name", "made", "words"),
    [
        ("missing", None, "docker-credential-missing is not installed"),
        ("../x", None, "'../x' is no name of a credential helper"),
        ("bad", ("not json", 0, 0), "the answer of docker-credential-bad is not the JSON it should be"),
        ("bad", ("locked", 1, 0), "docker-credential-bad failed: locked"),
        ("bad", ("", 3, 0), "docker-credential-bad failed: status 3"),
        ("slow", ("", 0, 5), "docker-credential-slow did not answer within 0 s"),
    ],
)
def test_a_helper_that_fails_costs_a_warning_and_is_named_later(home, helper, notice, monkeypatch, name, made, words):
    monkeypatch.setattr(credential_helper.get, "__defaults__", (0.3,))
    if made:
        helper(name, *made)
    home.write(".docker/config.json", {"auths": {"q.io/a": auth("file")}, "credHelpers": {"q.io": name}})
    found = Credentials(home.environ, "", notice)
    assert (found.find("q.io", "a").user, found.find("q.io", "b")) == ("file", None)
    assert len(notice.warnings) == 1
    assert words in notice.warnings[0]
    assert words in found.hindrance("q.io")
