"""Programs that call docker and podman, unmodified, on our shims: a real piece of work each, its result compared with plain execution."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.compat.conftest import Compatible, program
from tests.journeys.test_services import image
from tests.peers.dicom import series

COUNT = """cwlVersion: v1.2
class: CommandLineTool
requirements:
  InitialWorkDirRequirement:
    listing:
      - entryname: script.sh
        entry: 'grep -c "$1" "$2"; mkdir -p made; tr a-z A-Z < "$2" > "made/`basename "$2"`"; echo noise >&2'
      - entry: $(inputs.extra)
        entryname: below/extra
hints:
  DockerRequirement: {dockerPull: IMAGE}
baseCommand: [sh, script.sh]
inputs:
  word: {type: string, inputBinding: {position: 1}}
  text: {type: File, inputBinding: {position: 2}}
  extra: {type: File}
outputs:
  count: {type: stdout}
  upper: {type: File, outputBinding: {glob: made/*}}
stdout: count.txt
successCodes: [0, 1]
"""
SUM = """cwlVersion: v1.2
class: CommandLineTool
hints:
  DockerRequirement: {dockerPull: IMAGE}
requirements:
  NetworkAccess: {networkAccess: true}
baseCommand: [sh, -c, 's=0; for f; do read n < "$f"; s=$((s + n)); done; echo $s', sum]
inputs:
  parts: {type: 'File[]', inputBinding: {position: 1}}
outputs:
  sum: {type: stdout}
stdout: sum.txt
"""
WORKFLOW = """cwlVersion: v1.2
class: Workflow
requirements: {ScatterFeatureRequirement: {}}
inputs: {word: string, texts: 'File[]', extra: File}
outputs:
  sum: {type: File, outputSource: add/sum}
  upper: {type: 'File[]', outputSource: count/upper}
steps:
  count: {run: count.cwl, scatter: text, in: {word: word, text: texts, extra: extra}, out: [count, upper]}
  add: {run: sum.cwl, in: {parts: count/count}, out: [sum]}
"""
SECONDS = 300
PEERS = Path(__file__).parents[1] / "peers"


def run(docker: Compatible, *words, **rest) -> subprocess.CompletedProcess:
    done = subprocess.run(
        list(map(str, words)), env=docker.environment(), cwd=docker.store.directory, capture_output=True, text=True, timeout=SECONDS, **rest
    )  # fmt: skip
    assert done.returncode == 0, f"{words}: {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    return done


@pytest.fixture(scope="module")
def docker(docker_of_clients):
    return docker_of_clients


# cwltool


@pytest.fixture(scope="module")
def workflow(clients, docker, tmp_path_factory):
    """`workflow(options) -> outputs`: two texts counted side by side and the counts added, by cwltool."""
    place = tmp_path_factory.mktemp("cwl work")
    for name, text in (("count", COUNT), ("sum", SUM), ("workflow", WORKFLOW)):
        (place / f"{name}.cwl").write_text(text.replace("IMAGE", "machine:1"))
    (place / "one.txt").write_text("a word\nno\nword word\n")
    (place / "two").write_text("word\n")
    (place / "extra").write_text("more")
    made = iter(range(100))

    def outputs(*options: str) -> tuple[dict, str]:
        out = place / f"out {next(made)}"
        values = ["--word", "word", "--texts", place / "one.txt", "--texts", place / "two", "--extra", place / "extra"]
        done = run(docker, clients / "cwltool", *options, "--outdir", out, place / "workflow.cwl", *values)
        document = json.loads(done.stdout)
        uppers = [entry["basename"] for entry in document["upper"]]
        found = {name: (out / name).read_text() for name in (*uppers, document["sum"]["basename"])}
        return found, done.stderr

    return outputs


def test_cwltool(workflow, docker):
    plain, _ = workflow("--no-container")
    assert plain == {"one.txt": "A WORD\nNO\nWORD WORD\n", "two": "WORD\n", "sum.txt": "3\n"}
    spoken = (
        ([], "docker"),
        (["--podman"], "podman"),
        (["--user-space-docker-cmd=docker"], "docker"),
        (["--udocker"], "udocker"),
    )
    for options, program_name in spoken:
        found, said = workflow(*options)
        assert found == plain, options
        assert program_name in said
    assert docker.good("ps", "-aq").text == ""


# niwrap


@pytest.fixture(scope="module")
def imaging(registry, docker):
    """An image with dcm2niix in the store, under the name that niwrap has for it."""
    if shutil.which("dcm2niix") is None:
        pytest.skip("dcm2niix is not installed (scripts/test.sh does)")
    name = image(registry, "imaging", "dcm2niix/")
    docker.good("pull", "-q", name)
    docker.good("tag", name, "vnmd/dcm2niix_v1.0.20240202:20241125")  # the image that niwrap names


@pytest.mark.usefixtures("imaging")
def test_niwrap(clients, docker, tmp_path):
    """dcm2niix on a series of DICOM slices, by niwrap's own runner and by those for docker and podman."""
    slices = series(tmp_path / "series of slices")
    found = {}
    for kind in ("local", "docker", "podman"):
        root = run(docker, clients / "python", PEERS / "niwrap_job.py", kind, slices, tmp_path / kind).stdout.splitlines()[-1]
        found[kind] = {path.name: path.read_bytes() for path in (tmp_path / kind).rglob("plain_4.*")}
        assert root.startswith(str(tmp_path / kind))
    assert sorted(found["local"]) == ["plain_4.json", "plain_4.nii"]
    assert found["docker"] == found["podman"] == found["local"]


# bosh


def test_bosh(docker, bosh, tmp_path):
    """`bosh exec launch` of a descriptor with a docker image."""
    descriptor = {
        "name": "count", "tool-version": "1", "schema-version": "0.5", "description": "Counts lines with a word.",
        "command-line": "grep -c [WORD] [TEXT] > [LINES]; id -u >> [LINES]", "container-image": {"type": "docker", "image": "machine:1"},
        "inputs": [
            {"id": "word", "name": "word", "type": "String", "value-key": "[WORD]"},
            {"id": "text", "name": "text", "type": "File", "value-key": "[TEXT]"},
        ],
        "output-files": [{"id": "lines", "name": "lines", "path-template": "lines.txt", "value-key": "[LINES]"}],
    }  # fmt: skip
    (tmp_path / "count.json").write_text(json.dumps(descriptor))
    (tmp_path / "text").write_text("a word\nno\n")
    (tmp_path / "values.json").write_text(json.dumps({"word": "word", "text": str(tmp_path / "text")}))
    command = [
        bosh,
        "-c",
        "import sys; from boutiques.bosh import bosh; bosh(sys.argv[1:])",
        "exec",
        "launch",
        "-s",
        tmp_path / "count.json",
        tmp_path / "values.json",
    ]
    done = subprocess.run(list(map(str, command)), env=docker.environment(), cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "lines.txt").read_text().splitlines()[0] == "1"


# Calls of programs that cannot be installed here, word for word


def test_the_calls_of_pycompss(docker, tmp_path):
    """`@container(engine="DOCKER")`: the working and the application's directory at their own paths."""
    work, application = tmp_path / "work", tmp_path / "app"
    work.mkdir()
    application.mkdir()
    (application / "task.py").write_text("import os, sys; print(os.environ['PYTHONPATH'], os.getcwd(), sys.argv[1])")
    words = [
        "run",
        "-i",
        "--rm",
        "-v",
        f"{work}:{work}",
        "-v",
        f"{application}:{application}",
        "--env",
        f"PYTHONPATH={application}",
        "-w",
        work,
    ]
    done = docker.good(*words, "machine:1", "python3", application / "task.py", "two words")
    assert done.text == f"{application} {work} two words\n"


def test_the_calls_of_pycompss_and_vip_for_udocker(docker, tmp_path):
    """`engine="UDOCKER"`, and the `docker` that VIP puts before a job, which hands its words on to udocker."""
    (tmp_path / "data").mkdir()
    udocker = program(docker.store, "udocker")
    words = ["-v", f"{tmp_path}:{tmp_path}", "-e", "PYTHONPATH=/x y", "-w", tmp_path / "data"]
    done = udocker.good("run", "--rm", *words, "machine:1", "sh", "-c", "echo $PYTHONPATH; pwd; echo made > result")
    assert done.lines == ["/x y", f"{tmp_path}/data"]
    assert (tmp_path / "data/result").read_text() == "made\n"
    (tmp_path / "docker").write_text(f"#!/bin/bash\nMYARGS=$*\necho udocker $MYARGS >&2\n{udocker.name} $MYARGS\n")
    (tmp_path / "docker").chmod(0o755)
    path = f"{tmp_path}:{udocker.environment()['PATH']}"
    words = ["run", "--entrypoint=/bin/sh", "--rm", "-v", f"{tmp_path}/data:/d", "-w", "/d", "machine:1", "-c", "ls"]
    done = subprocess.run(["docker", *words], env={**udocker.environment(), "PATH": path}, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "result\n"), done.stderr


def test_the_calls_of_nextflow(docker, tmp_path):
    """A task's `.command.run`: its directory, the caller's id, a name, memory and a share; the container is removed afterwards."""
    task = tmp_path / "work/1a/2b3c"
    task.mkdir(parents=True)
    (task / ".command.sh").write_text("#!/bin/bash -ue\nprintf hello > out.txt; id -u > who\n")
    common = ["--memory", "256m", "-e", "NXF_TASK_WORKDIR", "-e", "NXF_DEBUG=0", "-v", f"{tmp_path}:{tmp_path}", "-w", task]
    script = f"/bin/bash -ue {task}/.command.sh"
    user = f"{os.getuid()}:{os.getgid()}"
    podman = program(docker.store, "podman")
    calls = (
        (docker, ["--cpu-shares", "1024", *common, "-u", user, "--name", "nxf-AbCd1234"], ["/bin/bash", "-c", script]),
        (podman, ["--cpus", "1", *common, "--entrypoint", "/bin/bash", "--name", "nxf-EfGh5678"], ["-c", script]),
    )
    for engine, options, command in calls:
        engine.good("run", "-i", *options, "machine:1", *command, NXF_TASK_WORKDIR=str(task))
        assert (task / "out.txt").read_text() == "hello"
        assert (task / "who").read_text() == ("0\n" if engine is podman else f"{os.getuid()}\n")
        (task / "who").unlink()
        assert engine.good("rm", options[-1]).text == f"{options[-1]}\n"
