"""Each option that docker and podman serve is used in a test; the others have a written reason (docs/reference/docker.md, podman.md)."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import time
from pathlib import Path

import pytest

from sampan.cli import PROGRAMS
from sampan.compat.program import table_of
from sampan.options.table import Option
from sampan.options.unserved import Unserved
from tests.peers.docker_registry import PASSWORD, USER

IMAGE = "machine:1"
HERE = Path(__file__).parent


@pytest.mark.parametrize("name", ["docker", "podman"])
def test_each_verb_and_served_option_is_used_here(name):
    """By one of its spellings, in one of these files."""
    text = "".join(path.read_text() for path in HERE.glob("test_*.py"))
    program = __import__(PROGRAMS[name][0], fromlist=["PROGRAM"]).PROGRAM

    def is_used(option: Option) -> bool:
        return any(re.search(rf"""["' ]{re.escape(one)}["'= ]""", text) for one in option.spellings)

    assert [verb for verb in program.verbs if f'"{verb.split()[-1]}"' not in text] == []
    served = [
        (verb, option) for verb in program.verbs for option in table_of(program, verb).options if not isinstance(option, Unserved)
    ]
    assert [(verb, option.spellings[-1]) for verb, option in served if not is_used(option)] == []


@pytest.fixture
def clean(docker):
    yield docker
    for id in docker("ps", "-aq", "--no-trunc").lines:
        docker("rm", "-f", id)


# run


def test_limits(docker):
    words = ["--ulimit", "nofile=100", "--shm-size", "32m", "--cpuset-cpus", "0", "--memory", "100m", "--cpus", "1"]
    script = "import os; print(os.sched_getaffinity(0), os.statvfs('/dev/shm').f_blocks * os.statvfs('/dev/shm').f_frsize)"
    done = docker.good("run", "--rm", *words, IMAGE, "sh", "-c", f'ulimit -n; python3 -c "{script}"')
    assert done.lines == ["100", "{0} 33554432"]
    assert docker.bad(125, "run", "--rm", "--ulimit", "nofiles=1", IMAGE, "true")


def test_names_of_hosts(docker):
    words = ["--add-host", "db:10.1.2.3", "--dns", "9.9.9.9", "--dns-search", "example.org"]
    done = docker.good("run", "--rm", *words, IMAGE, "cat", "/etc/hosts", "/etc/resolv.conf")
    assert re.search(r"^10\.1\.2\.3\s+db$", done.text, re.MULTILINE)
    assert "nameserver 9.9.9.9\n" in done.text
    assert "search example.org\n" in done.text


def test_variables_and_labels_from_files(clean, tmp_path):
    docker = clean
    (tmp_path / "env").write_text("# c\nA=one two\nB=\n")
    (tmp_path / "labels").write_text("k=v\nonly\n")
    docker.good(
        "run", "-d", "--name", "here", "--env-file", tmp_path / "env", "--label-file", tmp_path / "labels", IMAGE, "sleep", "50"
    )
    assert json.loads(docker.good("inspect", "-f", "{{json .Config.Labels}}", "here").text) == {"k": "v", "only": ""}
    assert docker.good("exec", "here", "sh", "-c", "echo $A").text == "one two\n"
    (tmp_path / "more").write_text("A=three\n")
    assert docker.good("exec", "--env-file", tmp_path / "more", "here", "sh", "-c", "echo $A").text == "three\n"


def test_init_and_the_hosts_view(docker):
    assert docker.good("run", "--rm", "--init", IMAGE, "sh", "-c", "tr '\\0' ' ' < /proc/1/cmdline").text.startswith("init")
    seen = docker.good(
        "run",
        "--rm",
        "--pid",
        "host",
        "--ipc",
        "host",
        "--uts",
        "host",
        IMAGE,
        "sh",
        "-c",
        "hostname; readlink /proc/self/ns/ipc",
    )
    assert seen.lines == [socket.gethostname(), os.readlink("/proc/self/ns/ipc")]


def test_how_it_stops(clean):
    docker = clean
    script = "trap 'exit 7' USR1; echo up; while :; do sleep 0.05; done"
    docker.good("run", "-d", "--name", "signal", "--stop-signal", "USR1", "--stop-timeout", "5", IMAGE, "sh", "-c", script)
    while docker.good("logs", "signal").text != "up\n":
        time.sleep(0.05)
    docker.good("stop", "signal")
    assert docker.good("wait", "signal").text == "7\n"
    assert docker.good("restart", "-t", "0", "signal").text == "signal\n"
    assert docker.good("ps", "-q").text


def test_health(clean):
    docker = clean
    times = ["--health-interval", "100ms", "--health-timeout", "5s", "--health-retries", "1", "--health-start-period", "0s"]
    docker.good("run", "-d", "--name", "well", "--health-cmd", "test -e /tmp", *times, IMAGE, "sleep", "50")
    end = time.monotonic() + 20
    while "(healthy)" not in docker.good("ps").text and time.monotonic() < end:
        time.sleep(0.1)
    assert docker.good("inspect", "-f", "{{.State.Health.Status}}", "well").text == "healthy\n"
    assert docker.good("ps", "-q", "--filter", "health=healthy").text


def test_platforms(docker, machine_reference, tmp_path):
    here = docker.good("version", "--format", "{{.Server.Os}}/{{.Server.Arch}}").text.strip()
    docker.good("run", "--rm", "--platform", here, IMAGE, "true")
    assert docker.bad(125, "run", "--rm", "--platform", "plan9/mips", "--pull", "never", IMAGE, "true")
    assert docker.good("pull", "--quiet", "--platform", here, machine_reference).text == f"{machine_reference}\n"
    docker.good("save", "-o", tmp_path / "a.tar", machine_reference)
    docker.good("rmi", machine_reference)
    assert docker.good("load", "-i", tmp_path / "a.tar", "--platform", here).text == f"Loaded image: {machine_reference}\n"
    docker.good("rmi", machine_reference)


def test_what_only_podman_has(podman, tmp_path):
    assert podman.good("run", "--rm", "--env-host", IMAGE, "sh", "-c", "echo $OF_THE_HOST", OF_THE_HOST="1").text == "1\n"
    assert podman("run", "--rm", "--timeout", "1", IMAGE, "sleep", "50").status != 0
    (tmp_path / "auth.json").write_text("{}")
    podman.good("run", "--rm", "--authfile", tmp_path / "auth.json", IMAGE, "true")


# Lists


def test_the_newest_containers(clean):
    docker = clean
    for name in ("one", "two"):
        docker.good("create", "--name", name, IMAGE, "true")
    assert docker.good("ps", "--latest", "--format", "{{.Names}}").lines == ["two"]
    assert docker.good("ps", "--last", "2", "--format", "{{.Names}}").lines == ["two", "one"]


def test_images_with_digests_and_without_a_header(docker, podman):
    assert "sha256:" in docker.good("images", "--digests").text
    assert podman.good("images", "--noheading").lines[0].split()[0].endswith("machine")
    header, *steps = docker.good("history", IMAGE).lines
    assert header.split()[:2] == ["IMAGE", "CREATED"]
    assert len(steps) >= 1


# What containers write and use


def test_logs_stats_ports_and_attach(clean):
    docker = clean
    docker.good("run", "-d", "--name", "talks", "-p", "80:80", IMAGE, "sh", "-c", "echo one; echo two; sleep 1.5; echo three")
    assert docker.good("logs", "--tail", "1", "talks").text in ("two\n", "one\n")
    assert docker.good("stats", "--no-stream", "--format", "{{.Name}} {{.PIDs}}").lines[0].split()[0] == "talks"
    assert docker.good("port", "talks").text == ""
    assert "three" in docker.good("attach", "--no-stdin", "talks").text
    assert docker.good("events", "--since", "1m", "--stream=false", "--format", "{{.Action}}").lines == ["create", "start", "die"]


# Files and archives


def test_copies_commits_and_imports(clean, podman, tmp_path):
    docker = clean
    docker.good("run", "--name", "made", IMAGE, "sh", "-c", "echo x > /real; ln -s real /link")
    docker.good("cp", "--follow-link", "made:/link", tmp_path / "copied")
    assert (tmp_path / "copied").read_text() == "x\n"
    podman.good("commit", "--message", "why", "--iidfile", tmp_path / "iid", "made", "made:1")
    id = (tmp_path / "iid").read_text()
    assert docker.good("images", "-q", "--no-trunc", "made:1").lines == [id]
    assert "why" in docker.good("history", "made:1").text
    docker.good("export", "-o", tmp_path / "root.tar", "made")
    here = docker.good("version", "-f", "{{.Server.Os}}/{{.Server.Arch}}").text.strip()
    imported = docker.good(
        "import", "--message", "of a root", "--platform", here, "-c", "CMD cat /real", tmp_path / "root.tar", "flat:1"
    ).text
    assert docker.good("run", "--rm", "flat:1").text == "x\n"
    assert docker.good("images", "-q", "--no-trunc", "flat:1").text == imported
    docker.good("rmi", "flat:1", "made:1")


# Registries


def test_login_push_search_and_logout(podman, docker, basic_registry, machine_layout, tmp_path):
    registry = basic_registry
    host, name = registry.host, f"{registry.host}/own/image:1"
    keys = ["--authfile", tmp_path / "auth.json"]
    assert podman.bad(125, "login", *keys, "-u", USER, "--password-stdin", host, stdin=b"wrong")
    assert podman.good("login", *keys, "-u", USER, "--password-stdin", host, stdin=PASSWORD.encode()).text == "Login Succeeded!\n"
    assert podman.good("login", *keys, "--get-login", host).text == f"{USER}\n"
    podman.good("tag", IMAGE, name)
    podman.good("push", *keys, "--digestfile", tmp_path / "digest", name)
    assert (tmp_path / "digest").read_text().startswith("sha256:")
    assert "own/image" in podman.good("search", *keys, "--limit", "5", f"{host}/own").text
    podman.good("rmi", name)
    assert podman.bad(125, "pull", name)
    assert podman.good("pull", *keys, name).text
    podman.good("rmi", name)
    podman.good("logout", *keys, host)
    assert podman.bad(125, "pull", *keys, name)


# The whole store


def test_prunes_and_what_the_disk_holds(clean):
    docker = clean
    docker.good("run", "--name", "old", "-v", "kept:/k", IMAGE, "true")
    docker.good("volume", "create", "unused")
    rows = {line.split("  ")[0]: line.split() for line in docker.good("system", "df").lines}
    assert rows["Containers"][1] == "1"
    assert rows["Local Volumes"][2] == "2"
    assert "Total reclaimed space" in docker.good("volume", "prune", "--force").text
    assert docker.good("volume", "ls", "-q").lines == ["kept", "unused"]
    assert "unused" in docker.good("volume", "prune", "--all", "-f").text
    assert "Deleted Containers:" in docker.good("container", "prune", "-f").text
    assert docker.good("image", "prune", "-f").text == "Total reclaimed space: 0B\n"
    docker.good("create", "--name", "old", IMAGE, "true")
    gone = docker.good("system", "prune", "-f", "--volumes").lines
    assert "kept" in gone
    assert docker.good("ps", "-aq").text == ""
    assert docker.good("context", "show").text == "default\n"
    assert json.loads(docker.good("context", "ls", "--format", "json").text)["Name"] == "default"
    assert subprocess.run(["docker", "info"], env=docker.environment(), capture_output=True, text=True).stdout.startswith(
        "Containers: 0\n"
    )
