"""Passwords by the real command: checked before they are stored, asked for on a terminal without showing them, forgotten."""

from __future__ import annotations

import base64
import json
import os
import pty
import select
import subprocess
import time

import pytest

from tests.journeys.registries import auths, trust
from tests.peers.certificates import needs
from tests.peers.docker_registry import PASSWORD, USER


def login(sampan, host, password=PASSWORD, *options, **rest):
    return sampan("login", "-u", USER, "--password-stdin", *options, host, stdin=password.encode() + b"\n", **rest)


@pytest.fixture
def file(sampan):
    """Where the passwords go without XDG_RUNTIME_DIR."""
    return sampan.directory / ".config/containers/auth.json"


@pytest.mark.parametrize("kind", ["basic_registry", "token_registry"])
def test_a_right_and_a_wrong_password(request, sampan, file, kind):
    host = request.getfixturevalue(kind).host
    done = login(sampan, host, "wrong")
    assert (done.status, done.out) == (125, b"")
    assert done.err.splitlines()[0] == f'sampan: cannot log in to {host}: the registry refused the password of "{USER}" (401)'
    assert not file.exists()
    done = login(sampan, host)
    assert (done.status, done.out) == (0, b"")
    assert f"the password of {USER} for {host} is in {file}" in done.err
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert auths(file) == {host: {"auth": base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()}}
    assert [path.name for path in file.parent.iterdir()] == ["auth.json"]
    done = sampan("logout", host)
    assert (done.status, auths(file)) == (0, {})
    done = sampan("logout", host)
    assert (done.status, f"there is no password for {host}" in done.err) == (125, True)


def test_skopeo_reads_the_file(seeded_small, basic_registry, sampan, file):
    needs("skopeo")
    login(sampan, basic_registry.host)
    words = ["skopeo", "inspect", "--tls-verify=false", "--authfile", file, f"docker://{basic_registry.host}/small/tools:1"]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert subprocess.run([*words[:4], "/dev/null", words[-1]], capture_output=True).returncode != 0


def test_over_tls(tls_registry, sampan, file):
    assert "authority that this machine does not know" in login(sampan, tls_registry.host).err
    assert not file.exists()
    trust(sampan, tls_registry.host, tls_registry.authority)
    done = login(sampan, tls_registry.host)
    assert (done.status, f"{tls_registry.host} asks for no password; it is stored all the same" in done.err) == (0, True)


def test_a_registry_that_cannot_be_reached_stores_nothing(sampan, file):
    done = login(sampan, "127.0.0.1:1")
    assert (done.status, "refuses the connection" in done.err, file.exists()) == (125, True, False)


def test_where_it_goes(basic_registry, sampan, tmp_path, file):
    host = basic_registry.host
    runtime = tmp_path / "run"
    runtime.mkdir(mode=0o700)
    done = login(sampan, host, XDG_RUNTIME_DIR=str(runtime))
    assert host in auths(runtime / "containers/auth.json")
    assert "it is gone when you log out of this machine" in done.err
    assert (
        host in auths(tmp_path / "chosen.json")
        if login(sampan, host, PASSWORD, "--authfile", "chosen.json").status == 0
        else False
    )
    login(sampan, host, REGISTRY_AUTH_FILE=str(tmp_path / "variable.json"))
    assert host in auths(tmp_path / "variable.json")
    login(sampan, host, SAMPAN_AUTHFILE=str(tmp_path / "setting.json"))
    assert host in auths(tmp_path / "setting.json")
    assert not file.exists()


def test_what_else_is_in_the_file_stays(basic_registry, sampan, file):
    host = basic_registry.host
    file.parent.mkdir(parents=True)
    target = sampan.directory / "elsewhere.json"
    before = {"auths": {"q.io": {"auth": "eDp5"}, f"https://{host}/v1/": {"auth": "b2xkOm9sZA=="}}, "detachKeys": "ctrl-x"}
    target.write_text(json.dumps(before))
    target.chmod(0o644)
    file.symlink_to(target)
    assert login(sampan, host).status == 0
    after = json.loads(target.read_text())
    assert (after["detachKeys"], sorted(after["auths"])) == ("ctrl-x", sorted(["q.io", host]))
    assert (file.is_symlink(), target.stat().st_mode & 0o777) == (True, 0o600)
    target.write_text("{broken")
    done = login(sampan, host)
    assert (done.status, target.read_text()) == (125, "{broken")
    assert "the file of passwords" in done.err


def test_logins_at_once_lose_nothing(basic_registry, sampan, file):
    parts = [f"{basic_registry.host}/team{number}" for number in range(6)]
    running = [
        sampan.popen("login", "-u", USER, "--password-stdin", part, stdin=subprocess.PIPE, stderr=subprocess.PIPE)
        for part in parts
    ]
    for process in running:
        process.communicate(PASSWORD.encode(), timeout=60)
        assert process.returncode == 0
    assert sorted(auths(file)) == sorted(parts)


def test_dockers_file_and_names(basic_registry, sampan, tmp_path):
    assert login(sampan, f"https://{basic_registry.host}/v1/", PASSWORD, "--authfile", "config.json").status == 0
    assert list(auths(tmp_path / "config.json")) == [basic_registry.host]
    assert login(sampan, f"{basic_registry.host}/team", PASSWORD, "--authfile", "config.json").status == 0
    assert f"{basic_registry.host}/team" in auths(tmp_path / "config.json")


def test_a_helper_keeps_it(basic_registry, sampan, tmp_path):
    host = basic_registry.host
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin/docker-credential-test"
    program.write_text(
        f'#!/bin/sh\necho "$1" >>{tmp_path}/verbs\ncat >>{tmp_path}/"$1"\ntest "$1" != erase || rm {tmp_path}/store\n'
        f"cat {tmp_path}/store 2>/dev/null\nexit 0\n"
    )
    program.chmod(0o755)
    (tmp_path / "a.json").write_text(json.dumps({"credHelpers": {host: "test"}}))
    path = f"{tmp_path}/bin:{sampan.environment()['PATH']}"
    done = login(sampan, host, PASSWORD, "--authfile", "a.json", PATH=path)
    assert (done.status, "is in docker-credential-test" in done.err) == (0, True)
    assert json.loads((tmp_path / "store").read_text()) == {"ServerURL": host, "Username": USER, "Secret": PASSWORD}
    assert sampan("logout", "--authfile", "a.json", host, PATH=path).status == 0
    assert (tmp_path / "verbs").read_text().split() == ["store", "get", "erase", "get"]
    assert json.loads((tmp_path / "a.json").read_text()) == {"credHelpers": {host: "test"}}


def test_a_password_of_another_program_is_named(basic_registry, sampan):
    host = basic_registry.host
    docker = sampan.directory / ".docker/config.json"
    docker.parent.mkdir()
    docker.write_text(json.dumps({"auths": {host: {"auth": base64.b64encode(b"bob:x").decode()}}}))
    done = sampan("logout", host)
    assert (done.status, f"sampan logout --authfile {docker} {host}" in done.err) == (125, True)
    login(sampan, host)
    done = sampan("logout", host)
    assert done.status == 0
    assert f"there is another password for {host}, of bob, in {docker}" in done.err
    assert sampan("logout", "--authfile", docker, host).status == 0
    assert auths(docker) == {}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["login", "q.io"], "there is no terminal to ask for the password"),
        (["login", "--password-stdin", "q.io"], "--password-stdin needs the user too"),
        (["login", "-u", "a", "--password-stdin", "q.io"], "needs a user name and a password"),
        (["login", "-u", "a", "-p", "secret", "q.io"], "has no option -p"),
        (["login", "-u", "a", "--password-stdin", "ana"], "is not the name of a registry, which has a dot or a port"),
        (["login", "-u", "a", "--password-stdin", "q.io:x"], "is not the name of a registry"),
        (["logout", "b@d"], "is not the name of a registry"),
    ],
)
def test_bad_input(sampan, words, sentence):
    done = sampan(*words)
    assert (done.status, done.out) == (125, b"")
    assert sentence in done.err
    assert "Traceback" not in done.err


def test_a_file_that_cannot_be_written(basic_registry, sampan, tmp_path):
    if os.geteuid() == 0:
        pytest.skip("root writes everywhere")
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o500)
    done = login(sampan, basic_registry.host, PASSWORD, "--authfile", f"{closed}/auth.json")
    assert (done.status, f"cannot write the passwords to {closed}/auth.json: Permission denied" in done.err) == (125, True)


def test_on_a_terminal_it_is_asked_for_and_not_shown(basic_registry, sampan, file):
    """User and password are typed; the password does not come back."""
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [*sampan.command(), "login", basic_registry.host], stdin=follower, stdout=follower, stderr=follower, env=sampan.environment(),
        cwd=sampan.directory, start_new_session=True, preexec_fn=lambda: os.close(os.open(os.ttyname(0), os.O_RDWR)),
    )  # fmt: skip
    os.close(follower)
    shown = _until(leader, b"user: ")
    os.write(leader, USER.encode() + b"\n")
    shown += _until(leader, b"password: ")
    os.write(leader, PASSWORD.encode() + b"\n")
    shown += _until(leader, b"auth.json")
    assert process.wait(30) == 0
    os.close(leader)
    assert PASSWORD.encode() not in shown
    assert basic_registry.host in auths(file)


def _until(leader: int, words: bytes) -> bytes:
    found, deadline = b"", time.monotonic() + 20
    while words not in found and time.monotonic() < deadline:
        if select.select([leader], [], [], 1)[0]:
            try:
                found += os.read(leader, 4096)
            except OSError:
                break
    assert words in found, found
    return found
