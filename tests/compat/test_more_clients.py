"""Clients that take longer to install, in `make test-peers`: miniwdl, parsl, PSI/J, and Galaxy's Pulsar, unmodified on our shims."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from tests.compat.test_clients import PEERS, run

COUNT = """version 1.0
task count {
  input { File text String word }
  command <<< grep -c ~{word} ~{text} > n; mkdir -p made; tr a-z A-Z < ~{text} > made/upper >>>
  output { Int n = read_int("n") File upper = "made/upper" }
  runtime { docker: "IMAGE" }
}
workflow w {
  input { Array[File] texts String word }
  scatter (text in texts) { call count { input: text = text, word = word } }
  output { Array[Int] n = count.n Array[File] upper = count.upper }
}
"""


@pytest.fixture(scope="module")
def docker(docker_of_clients):
    return docker_of_clients


@pytest.mark.parametrize("back_end", ["podman", "udocker"])
def test_miniwdl(back_end, more_clients, docker, machine_reference, tmp_path):
    """Its back-ends for podman, told not to ask sudo and not to change owners, which nobody here can, and for udocker."""
    texts = {"one": "a word\nno\nword\n", "two": "word\n"}
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "w.wdl").write_text(COUNT.replace("IMAGE", machine_reference))
    settings = {
        "MINIWDL__SCHEDULER__CONTAINER_BACKEND": back_end, "MINIWDL__PODMAN__EXE": '["podman"]', "MINIWDL__FILE_IO__CHOWN": "false",
    }  # fmt: skip
    words = [*(f"texts={tmp_path / name}" for name in texts), "word=word", "--dir", tmp_path / "runs", "--error-json"]
    done = run(
        docker,
        "env",
        *(f"{name}={value}" for name, value in settings.items()),
        more_clients / "miniwdl",
        "run",
        tmp_path / "w.wdl",
        *words,
    )
    outputs = json.loads(done.stdout)["outputs"]
    assert outputs["w.n"] == [2, 1]
    assert [Path(path).read_text() for path in outputs["w.upper"]] == [text.upper() for text in texts.values()]


@pytest.mark.parametrize("how", ["parsl", "psij"])
def test_steps_of(how, more_clients, docker, tmp_path):
    run(docker, more_clients / "python", PEERS / "flows_job.py", how, "machine:1", tmp_path)
    assert (tmp_path / "sum").read_text() == "29\n"
    assert docker.good("ps", "-aq").text == ""


def test_pulsar(more_clients, docker, tmp_path):
    """A job of Galaxy: the command line that Galaxy makes for a container, run by a real Pulsar server; the status is the program's."""
    command = """sh -c 'id -u; pwd; echo "$WORDS" "$GALAXY_SLOTS"; echo made > ../outputs/x; exit 4'"""
    done = run(docker, more_clients / "python", PEERS / "pulsar_job.py", "machine:1", command, tmp_path)
    status = json.loads(done.stdout.splitlines()[-1])
    assert (status["complete"], status["returncode"]) == ("true", 4), status
    user, directory, words = status["job_stdout"].splitlines()
    assert (user, words) == (str(os.getuid()), "two words 1")
    assert directory == f"{tmp_path}/staging/7/working"
    assert docker.good("ps", "-aq").text == ""


def test_pulsar_loads_an_image_that_was_saved(more_clients, docker, tmp_path):
    """Galaxy keeps images as archives and looks with `docker images --no-trunc --format json` whether one is there."""
    docker.good("tag", "machine:1", "kept:1")
    docker.good("save", "-o", tmp_path / "docker_kept:1.tar", "kept:1")
    for _ in range(2):  # it is there, and it is loaded
        words = [more_clients / "python", PEERS / "pulsar_job.py", "kept:1", "true", tmp_path]
        done = run(docker, "env", f"PATH={docker.shims}:{more_clients}:{os.environ['PATH']}", *words)
        assert json.loads(done.stdout.splitlines()[-1])["returncode"] == 0, done.stdout
        assert docker.good("images", "-q", "kept:1").text
        docker.good("rmi", "kept:1")
        shutil.rmtree(tmp_path / "staging")
    docker("rmi", "kept:1")
