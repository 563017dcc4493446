"""`import sampan`, as a program does."""

from __future__ import annotations

import os
import subprocess

import pytest

import sampan
from sampan import settings
from sampan.errors import ImageNotFound, UsageError
from sampan.runtime.session import Session


@pytest.fixture
def session(shared_sampan, monkeypatch, tmp_path):
    """A session on the shared store, in a directory of the test's own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    return Session(settings.load({**os.environ, **shared_sampan.environment()}))


def test_run_follows_subprocess(session, shared_sampan):
    done = sampan.run(shared_sampan.image, ["sort", "-n"], input="2\n1\n", capture_output=True, text=True, session=session)
    assert (done.returncode, done.stdout, done.args) == (0, "1\n2\n", [shared_sampan.image, "sort", "-n"])
    with pytest.raises(subprocess.CalledProcessError) as caught:
        sampan.run(shared_sampan.image, ["sh", "-c", "exit 7"], check=True, session=session)
    assert caught.value.returncode == 7
    with pytest.raises(subprocess.TimeoutExpired):
        sampan.run(shared_sampan.image, ["sleep", "60"], timeout=0.5, session=session)


def test_options_are_those_of_the_command(session, shared_sampan, tmp_path):
    (tmp_path / "data").mkdir()
    done = sampan.run(
        shared_sampan.image, ["sh", "-c", "echo $A; ls -d /in; touch /in/x"], volumes=[f"{tmp_path}/data:/in:ro"],
        environment={"A": "1"}, capture_output=True, text=True, session=session,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (1, "1\n/in\n")
    assert sampan.run(shared_sampan.image, ["id", "-u"], root=True, capture_output=True, session=session).stdout == b"0\n"


def test_popen_is_the_process_itself(session, shared_sampan, tmp_path):
    with sampan.Popen(
        shared_sampan.image,
        ["sh", "-c", "pwd; echo $$; read x; echo $x"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        session=session,
    ) as process:
        assert process.stdout.readline().strip() == str(tmp_path)
        assert int(process.stdout.readline()) == process.pid
        out, _ = process.communicate("through\n", timeout=20)
    assert out == "through\n"


def test_mistakes_raise_before_anything_starts(session, shared_sampan):
    with pytest.raises(UsageError, match="list of words"):
        sampan.run(shared_sampan.image, "ls -l", session=session)
    with pytest.raises(ImageNotFound):
        sampan.run("nothing:1", ["true"], pull="never", session=session)
    with pytest.raises(TypeError):
        sampan.run(shared_sampan.image, ["true"], volume=["x"], session=session)


def test_images_and_inspect_give_values(session, shared_sampan):
    assert [image.reference for image in sampan.images(session)] == [shared_sampan.image]
    assert sampan.inspect(shared_sampan.image, session=session)["platform"].startswith("linux/")
    assert sampan.pull(shared_sampan.image, session=session).tree.endswith("/rootfs")


def test_push_and_tag_give_values(session, shared_sampan):
    other = shared_sampan.image.replace("test/machine", "test/pushed")
    try:
        assert sampan.tag(shared_sampan.image, other, session=session) == other
        pushed = sampan.push(other, session=session)
    finally:
        shared_sampan("rmi", other)
    assert (pushed.reference, pushed.digest) == (other, sampan.pull(shared_sampan.image, session=session).manifest)
    assert [tag for tag in sampan.search(other.partition("/")[0] + "/pushed", session=session) if "test/pushed" in tag.name]


def test_nothing_else_is_exported():
    values = ["images", "inspect", "login", "logout", "pull", "push", "run", "search", "tag"]
    assert sorted(sampan.__all__) == ["Popen", "SampanError", *values]
    for name in sampan.__all__:
        assert getattr(sampan, name)
    with pytest.raises(AttributeError):
        sampan.nonsense  # noqa: B018
