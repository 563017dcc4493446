"""Credentials: which file, which key, which spelling; and files that are broken."""

from __future__ import annotations

import base64
import json

import pytest

from sampan.errors import BadSetting
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


def test_what_is_kept_elsewhere_is_told(home, notice):
    home.write(
        ".docker/config.json",
        {
            "auths": {"a.io": {"identitytoken": "t", **auth("x")}, "s.io": {}},
            "credHelpers": {"b.io": "pass"},
            "credsStore": "desktop",
        },
    )
    found = Credentials(home.environ, "", notice)
    assert [found.find(domain, "x") for domain in ("a.io", "b.io", "s.io")] == [None, None, None]
    assert "identity token" in found.kept_elsewhere("a.io", "x")
    assert "docker-credential-pass" in found.kept_elsewhere("b.io", "x")
    assert "docker-credential-desktop" in found.kept_elsewhere("s.io", "x")
    home.write(".docker/config.json", {"auths": {}})
    assert Credentials(home.environ, "", notice).kept_elsewhere("a.io", "x") is None
