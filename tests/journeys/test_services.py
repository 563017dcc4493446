"""Services as people run them: PostgreSQL and Jupyter in containers, by an ordinary user, reachable from the host."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from dataclasses import replace
from types import SimpleNamespace

import pytest

from tests.peers.docker_registry import free_port, seed
from tests.product import MACHINE_IMAGE, Sampan, cached

# Not `postgresql-15/`: perl, the locales and LLVM would come too.
POSTGRES = (
    "postgresql-15 postgresql-client-15 libpq5/ libxslt1.1/ libsystemd0/ libpam0g libaudit1 libcap-ng0 libuuid1 liblz4-1 libreadline8 libedit2/"
    " libcrypt1 libstdc++6 tzdata"
)
VENV = "python3.11-venv python3-pip-whl python3-setuptools-whl python3-distutils python3-lib2to3 ca-certificates libstdc++6"


def image(registry, name: str, packages: str) -> str:
    """An image of the base, Python and these packages of the machine, at the registry."""
    layers = [
        *subprocess.run(
            ["/usr/bin/python3", "-c", "import machine_image as m; print(*m.DEFAULT_LAYERS)"],
            cwd=MACHINE_IMAGE.parent,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split(),
        packages.replace(" ", ","),
    ]

    def make(path) -> None:
        subprocess.run(["/usr/bin/python3", str(MACHINE_IMAGE), str(path), *layers], check=True)

    place = cached(name, MACHINE_IMAGE.read_bytes() + packages.encode(), make)
    seed(registry, SimpleNamespace(path=place), "1", f"test/{name}:1")
    return registry.reference(f"test/{name}:1")


def until(condition, seconds: float, sampan: Sampan, name: str):
    """What the condition finds at last, while the container of this name works on it."""
    end = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        state = sampan("ps", "-a").text
        assert "running" in state, sampan("logs", name)
        assert time.monotonic() < end, sampan("logs", name)
        time.sleep(0.1)


@pytest.fixture
def machine(sampan, engine):
    """Whatever runs at the end of a test is ended."""
    yield replace(sampan, variables={"SAMPAN_ENGINE": engine})
    for id in sampan("ps", "-aq", "--no-trunc").lines:
        if len(id) == 64:
            sampan("rm", "-f", id)


def test_a_database_with_its_data_outside(machine: Sampan, registry, tmp_path):
    if not os.path.exists("/usr/lib/postgresql/15/bin/postgres"):
        pytest.skip("postgresql is not installed on this machine, from whose packages the image is made")
    reference = image(registry, "postgres", POSTGRES)
    port, data = free_port(), tmp_path / "data"
    data.mkdir(mode=0o700)
    script = (
        f"export PATH=$PATH:/usr/lib/postgresql/15/bin; [ -e /data/PG_VERSION ] || initdb -D /data -A trust --locale=C.UTF-8 --no-sync >/dev/null; "
        f"exec postgres -D /data -k /tmp -h 127.0.0.1 -p {port} -c jit=off"
    )
    machine.good("run", "-d", "--name", "db", "-v", f"{data}:/data", reference, "sh", "-c", script)

    def query(text: str) -> str:
        psql = shutil.which("psql") or "/usr/lib/postgresql/15/bin/psql"
        return subprocess.run(
            [psql, "-h", "127.0.0.1", "-p", str(port), "-At", "postgres", "-c", text], capture_output=True, text=True
        ).stdout

    until(lambda: query("select 1") == "1\n", 60, machine, "db")
    query("create table t(n int); insert into t select generate_series(1, 1000)")
    assert query("select sum(n) from t") == "500500\n"
    assert (data / "PG_VERSION").stat().st_uid == os.getuid()
    inside = machine.good(
        "exec",
        "db",
        "sh",
        "-c",
        f"/usr/lib/postgresql/15/bin/psql -h 127.0.0.1 -p {port} -At postgres -c 'select count(*) from t'",
    )
    assert inside.lines == ["1000"]
    machine.good("stop", "db")
    assert "shut down" in machine.good("logs", "db").err
    machine.good("start", "-d", "db")
    until(lambda: query("select count(*) from t") == "1000\n", 60, machine, "db")


def test_a_notebook_from_pypi(machine: Sampan, registry, tmp_path):
    reference = image(registry, "venv", VENV)
    port = free_port()
    options = ["-v", "/etc/ssl/certs:/etc/ssl/certs:ro", "-v", f"{tmp_path}:/work"]
    passed = {name: value for name, value in os.environ.items() if name.startswith("PIP_") and name != "PIP_FIND_LINKS"}
    install = "python3 -m venv /nb && /nb/bin/pip install -q --no-compile jupyter-server"
    done = machine(
        "run",
        "--name",
        "notebook",
        *options,
        *(word for name in passed for word in ("-e", name)),
        reference,
        "sh",
        "-c",
        install,
        timeout=300,
        **passed,
    )
    if done.status and "ensurepip" in done.err + done.text:
        pytest.skip("python3-venv is not installed on this machine, from whose packages the image is made")
    assert done.status == 0, done.err
    words = [
        "/nb/bin/jupyter",
        "server",
        "--no-browser",
        "--ip=127.0.0.1",
        f"--port={port}",
        "--ServerApp.token=secret",
        "--notebook-dir=/work",
    ]
    (tmp_path / "mine.txt").write_text("hello")
    machine.good("start", "-d", "notebook", *words)

    def listing():
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/contents?token=secret", timeout=5) as answer:
                return json.load(answer)["content"]
        except (urllib.error.URLError, ConnectionError):
            return None

    names = [entry["name"] for entry in until(listing, 60, machine, "notebook")]
    assert "mine.txt" in names
    machine.good("stop", "notebook")
