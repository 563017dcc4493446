"""`docker` and `podman` as scripts use them: what they print, how they fail, and what the containers see."""

from __future__ import annotations

import json
import os
import re
import signal
import stat
import subprocess
import time

import pytest

IMAGE = "machine:1"
ID = re.compile(r"^[0-9a-f]{64}$")


def document(docker, *words):
    (found,) = json.loads(docker.good("inspect", *words).out)
    return found


@pytest.fixture
def clean(docker):
    """No container from before, and none left."""
    yield docker
    for id in docker("ps", "-aq", "--no-trunc").lines:
        docker("rm", "-f", id)


# What a container sees


def test_run_has_dockers_view_and_defaults(docker):
    said = docker.good(
        "run", "--rm", IMAGE, "sh", "-c", "id -u; pwd; echo $HOME; hostname; ls /proc | grep -c '^[0-9]'; ls /dev; cat"
    )
    uid, directory, home, hostname, processes, *devices = said.lines
    assert (uid, directory, home) == ("0", "/", "/root")
    assert re.fullmatch(r"[0-9a-f]{12}", hostname)
    assert int(processes) < 10
    assert {"sda", "null"} & set(devices) == {"null"}


def test_standard_input_is_there_only_if_it_was_asked_for(docker):
    assert docker.good("run", "--rm", IMAGE, "cat", stdin=b"words").out == b""
    assert docker.good("run", "-i", "--rm", IMAGE, "cat", stdin=b"words").out == b"words"
    assert docker.good("run", "-a", "stdin", "-a", "stdout", "--rm", IMAGE, "cat", stdin=b"words").out == b"words"


def test_users_environment_and_entry_points(docker):
    ids = docker.good("run", "--rm", "-u", "12:34", "-e", "A=1", "-e", "B", IMAGE, "sh", "-c", "id -u; id -g; echo $A$B", B="2")
    assert ids.lines == ["12", "34", "12"]
    assert docker.good("run", "--rm", "--entrypoint=echo", IMAGE, "a b").text == "a b\n"
    assert docker.good("run", "--rm", "--entrypoint", "", IMAGE, "echo", "x").text == "x\n"
    assert docker.good(
        "run", "--rm", "--hostname", "here.example", "-w", "/new/place", IMAGE, "sh", "-c", "hostname; pwd"
    ).lines == ["here.example", "/new/place"]


def test_binds_volumes_and_read_only(docker, tmp_path):
    (tmp_path / "in file").write_text("content")
    mount = f"type=bind,source={tmp_path},target=/data,readonly"
    assert docker.good("run", "--rm", "--mount", mount, IMAGE, "cat", "/data/in file").text == "content"
    assert docker("run", "--rm", "--mount", mount, IMAGE, "touch", "/data/x").status != 0
    made = tmp_path / "made/by/docker"
    docker.good("run", "--rm", "-v", f"{made}:/out", IMAGE, "touch", "/out/x")
    assert (made / "x").exists()
    done = docker("run", "--rm", "--read-only=true", IMAGE, "touch", "/x")
    assert "Read-only" in done.err
    assert docker("run", "--rm", "--read-only", "--tmpfs", "/tmp", IMAGE, "touch", "/tmp/x").status == 0
    assert docker("run", "--rm", "-v", "/anonymous", IMAGE, "touch", "/anonymous/x").status == 0


def test_binds_within_binds_get_their_mount_points_as_docker_makes_them(docker, tmp_path):
    work, given, outside = tmp_path / "work", tmp_path / "given", tmp_path / "outside"
    for directory in (work, given, outside):
        directory.mkdir()
    (given / "a").write_text("a")
    (work / "link").symlink_to(outside)
    words = ["--mount", f"type=bind,source={work},target=/w", "--mount", f"type=bind,source={given}/a,target=/w/new/a,readonly"]
    assert (
        docker.good("run", "--rm", *words, "-v", f"{given}:/w/deep/dir", IMAGE, "cat", "/w/new/a", "/w/deep/dir/a").text == "aa"
    )
    assert (work / "new/a").read_text() == ""
    assert list((work / "deep/dir").iterdir()) == []
    docker("run", "--rm", "-v", f"{work}:/w", "-v", f"{given}/a:/w/link/a", IMAGE, "true")
    assert list(outside.iterdir()) == []


def test_what_never_started_leaves_nothing_with_rm(clean):
    docker = clean
    docker("run", "--rm", "--mount", "type=bind,source=/nonexistent,target=/x", IMAGE, "true")
    docker("run", "-d", "--rm", "--device", "/dev/nonexistent", IMAGE, "true")
    assert docker.good("ps", "-aq").text == ""


def test_a_volume_keeps_what_is_written_and_begins_with_what_the_image_has(docker):
    assert docker.good("volume", "create", "--label", "a=b", "kept").text == "kept\n"
    assert "os-release" in docker.good("run", "--rm", "-v", "kept:/etc", IMAGE, "ls", "/etc").text
    docker.good("run", "--rm", "--mount", "type=volume,src=kept,dst=/v", IMAGE, "sh", "-c", "echo one > /v/own")
    assert docker.good("run", "--rm", "-v", "kept:/v:ro", IMAGE, "cat", "/v/own").text == "one\n"
    assert docker.good("volume", "ls", "-q", "--filter", "label=a").lines == ["kept"]
    (found,) = json.loads(docker.good("volume", "inspect", "kept").out)
    assert found["Labels"] == {"a": "b"}
    assert os.path.exists(f"{found['Mountpoint']}/own")
    docker.good("create", "--name", "holds", "-v", "kept:/v", IMAGE, "true")
    assert "in use by" in docker.bad(1, "volume", "rm", "kept")
    assert docker.good("ps", "-aq", "--filter", "volume=kept").text
    docker.good("rm", "holds")
    assert docker.good("volume", "rm", "kept").text == "kept\n"
    assert "no such volume: kept" in docker.bad(1, "volume", "rm", "kept")
    assert "No such volume: kept" in docker.bad(1, "volume", "inspect", "kept")
    assert "cannot be the name of a volume" in docker.bad(125, "run", "--rm", "-v", "x:/y", IMAGE, "true")


def test_a_volume_is_filled_from_beneath_the_image_only(docker, compatible_store, tmp_path):
    """A link of the image that leads to the host is not followed there."""
    docker.good("run", "--name", "linker", IMAGE, "sh", "-c", f"ln -s {tmp_path} /escape")
    docker.good("commit", "linker", "linker:1")
    docker.good("rm", "linker")
    (tmp_path / "secret").write_text("of the host")
    assert "secret" not in docker("run", "--rm", "-v", "filled:/escape", "linker:1", "ls", "/escape").text
    docker.good("volume", "rm", "filled")
    docker.good("rmi", "linker:1")


# Life


def test_exit_statuses_are_dockers(docker):
    assert docker("run", "--rm", IMAGE, "sh", "-c", "exit 7").status == 7
    assert docker("run", "--rm", IMAGE, "no-such-program").status == 127
    assert docker("run", "--rm", IMAGE, "/etc").status == 126
    assert docker("run", "--rm", IMAGE, "sh", "-c", "kill -9 $$").status == 137
    assert docker("run", "--rm", "--pid=host", IMAGE, "sh", "-c", "kill -TERM $$").status == 143
    assert docker("run", "--rm", "--no-such-flag", IMAGE).status == 125
    assert docker("run", "--rm", "--pull=never", "no/such:image", "true").status == 125
    assert docker("inspect", "nothing").status == 1
    assert docker("inspect", "nothing").text == "[]\n"
    assert docker("no-such-verb").status == 1


def test_a_signal_to_docker_run_reaches_the_program(docker, compatible_store):
    process = subprocess.Popen(
        ["docker", "run", "--rm", IMAGE, "sh", "-c", "trap 'echo got; exit 5' TERM; echo ready; while :; do sleep 0.05; done"],
        env=docker.environment(), stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)
    assert process.communicate()[0] == "got\n"
    assert process.returncode == 5


def test_the_life_of_a_container(clean):
    docker = clean
    id = docker.good(
        "run", "-d", "--name", "web", "--label", "job=1", IMAGE, "sh", "-c", "echo out; echo err >&2; sleep 100"
    ).text.strip()
    assert ID.match(id)
    assert docker.good("ps", "-q").lines == [id[:12]]
    header, row = docker.good("ps").lines
    assert header.split("  ")[0] == "CONTAINER ID"
    assert re.fullmatch(rf'{id[:12]}   machine:1   "sh -c echo out; ech…"   .* ago +Up .*   +web', row)
    assert docker.good("ps", "--format", '{{.Names}}|{{.Image}}|{{.State}}|{{.Label "job"}}').text == "web|machine:1|running|1\n"
    assert json.loads(docker.good("ps", "--format", "json").text)["Names"] == "web"
    assert docker.good("exec", "web", "id", "-u").text == "0\n"
    assert (
        docker.good("exec", "-i", "-e", "A=b", "-w", "/tmp", "web", "sh", "-c", "pwd; echo $A; cat", stdin=b"in").text
        == "/tmp\nb\nin"
    )
    assert docker("exec", "web", "sh", "-c", "exit 9").status == 9
    assert docker("exec", "web", "no-such-program").status == 127
    logs = docker.good("logs", "web")
    assert (logs.text, logs.err) == ("out\n", "err\n")
    assert "sleep 100" in docker.good("top", "web").text
    found = document(docker, "web")
    assert (found["Id"], found["Name"], found["State"]["Running"], found["Config"]["Labels"]) == (id, "/web", True, {"job": "1"})
    assert found["State"]["Pid"] > 0
    assert (
        docker.good("inspect", "-f", "{{.State.Status}} {{range .Args}}<{{.}}>{{end}}", "web").text
        == "running <-c><echo out; echo err >&2; sleep 100>\n"
    )
    assert docker.good("pause", "web").text == "web\n"
    assert "(Paused)" in docker.good("ps").text
    docker.good("unpause", "web")
    assert docker.good("rename", "web", "site").text == ""
    assert "is running and is not removed" in docker.bad(1, "rm", "site")
    assert docker.good("stop", "-t", "1", "site").text == "site\n"
    assert docker.good("ps", "-q").text == ""
    assert "Exited (143)" in docker.good("ps", "-a").text
    assert docker.good("wait", "site").text == "143\n"
    assert "is not running" in docker.bad(1, "exec", "site", "true")
    assert docker.good("start", "site").text == "site\n"
    assert docker.good("kill", "-s", "KILL", "site").text == "site\n"
    assert document(docker, "site")["State"]["ExitCode"] == 137
    assert docker.good("rm", "site").text == "site\n"
    assert "No such container: site" in docker.bad(1, "rm", "site")


def test_what_a_foreground_run_leaves(clean, tmp_path):
    docker = clean
    assert docker.good("run", "--name", "work", "--cidfile", tmp_path / "id", IMAGE, "sh", "-c", "echo made > /result").text == ""
    id = (tmp_path / "id").read_text()
    assert docker.good("ps", "-aq", "--no-trunc").lines == [id]
    assert "--cidfile is there" in docker.bad(125, "run", "--cidfile", tmp_path / "id", IMAGE, "true")
    assert "name work is in use" in docker.bad(125, "run", "--name", "work", IMAGE, "true")
    assert docker.good("diff", "work").lines[-1] == "A /result"
    docker.good("cp", "work:/result", tmp_path)
    assert (tmp_path / "result").read_text() == "made\n"
    image = docker.good("commit", "work", "work:2").text.strip()
    assert docker.good("run", "--rm", "work:2", "cat", "/result").text == "made\n"
    assert docker.good("images", "-q", "--no-trunc", "work").lines == [image]
    assert docker.good("rmi", "work:2").lines == ["Untagged: work:2", f"Deleted: {image}"]
    assert docker.good("start", "-a", "work").text == ""
    docker.good("rm", "work")
    docker.good("run", "--rm", "--name", "gone", IMAGE, "true")
    assert docker.good("ps", "-aq").text == ""


def test_create_and_start_in_the_foreground(clean):
    docker = clean
    id = docker.good("create", "-i", IMAGE, "sh", "-c", "cat; exit 4").text.strip()
    assert "Created" in docker.good("ps", "-a").text
    done = docker("start", "-ai", id[:8], stdin=b"fed")
    assert (done.status, done.text) == (4, "fed")


def test_events_tell_of_beginnings_and_ends(clean):
    docker = clean
    watcher = subprocess.Popen(
        ["docker", "events", "--until", "2099-01-01", "--format", "{{.Action}}"], env=docker.environment(), stdout=subprocess.PIPE, text=True
    )  # fmt: skip
    time.sleep(0.8)
    docker.good("run", "-d", "--name", "short", IMAGE, "sleep", "1.2")
    seen = [watcher.stdout.readline().strip() for _ in range(3)]
    watcher.kill()
    watcher.communicate()
    assert seen == ["create", "start", "die"]


def test_events_that_are_past_are_told_of_containers_that_are_there(clean):
    docker = clean
    docker.good("run", "--name", "past", "--label", "k=v", IMAGE, "true")
    words = ("events", "--since", "10m", "--until", "0s", "--format", "{{.Action}}")
    assert docker.good(*words).lines == ["create", "start", "die"]
    assert docker.good(*words, "--filter", "event=die", "--filter", "container=past", "--filter", "label=k").lines == ["die"]
    assert docker.good(*words, "--filter", "image=other").lines == []
    assert "there is no filter" in docker.bad(1, *words, "--filter", "odd=1")
    (line,) = docker.good("events", "--since", "10m", "--until", "0s", "--filter", "event=start").lines
    assert re.fullmatch(r"20\d\d-.*Z container start [0-9a-f]{64} \(image=machine:1, name=past\)", line)


def test_anonymous_volumes_go_with_rm_v(clean):
    docker = clean
    docker.good("run", "--name", "one", "-v", "/data", IMAGE, "touch", "/data/x")
    docker.good("run", "--name", "two", "--volumes-from", "one", IMAGE, "ls", "/data/x")
    (volume,) = docker.good("volume", "ls", "-q", "--filter", "dangling=false").lines
    docker.good("rm", "-v", "one")
    assert docker.good("volume", "ls", "-q").lines == [volume]  # the other one uses it
    docker.good("rm", "-v", "two")
    assert docker.good("volume", "ls", "-q").lines == []


def test_another_signal_to_stop_by(clean):
    docker = clean
    docker.good("run", "-d", "--name", "ends", IMAGE, "sh", "-c", "trap 'exit 9' USR1; while :; do sleep 0.05; done")
    time.sleep(0.3)
    docker.good("stop", "-s", "USR1", "ends")
    assert docker.good("wait", "ends").text == "9\n"


def test_filters_of_ps(clean):
    docker = clean
    docker.good("create", "--name", "open", IMAGE, "true")
    docker.good("create", "--name", "shut", "--network", "none", IMAGE, "true")
    shown = lambda text: docker.good("ps", "-a", "--format", "{{.Names}}", "--filter", text).lines  # noqa: E731
    assert shown("network=none") == ["shut"]
    assert shown("network=host") == ["open"]
    assert shown("publish=80") == []
    assert shown("is-task=false") == ["shut", "open"]
    assert shown("status=created") == ["shut", "open"]
    assert "SizeRw" not in document(docker, "open")
    assert document(docker, "-s", "open")["SizeRootFs"] > document(docker, "-s", "open")["SizeRw"] > 0


# Where there are no namespaces


def test_without_namespaces_a_container_starts_in_the_hosts_view(clean):
    """What docker does unasked is not asked for there; what the user named is said."""
    docker = clean
    engine = {"SAMPAN_ENGINE": "intercept"}
    done = docker("run", "--rm", IMAGE, "sh", "-c", "id -u; exit 3", **engine)
    assert (done.status, done.lines) == (3, ["0"])
    cut = docker.good("run", "--rm", "--net=none", "--hostname", "x", "--read-only", IMAGE, "true", **engine)
    assert [line.split(":")[2].split()[0] for line in cut.err.splitlines()] == ["--network", "--hostname"]
    docker.good("run", "-d", "--name", "back", IMAGE, "sh", "-c", "echo out; sleep 50", **engine)
    assert docker.good("exec", "back", "id", "-u", **engine).text == "0\n"
    assert docker.good("logs", "back").text == "out\n"
    docker.good("stop", "-t", "1", "back")
    docker.good("start", "back", **engine)
    assert docker.good("ps", "--format", "{{.Names}}").lines == ["back"]


# Images


def test_images_and_their_documents(docker, machine_layout):
    header, *rows = docker.good("images").lines
    assert header.split() == ["REPOSITORY", "TAG", "IMAGE", "ID", "CREATED", "SIZE"]
    assert rows[0].split()[:2] == ["machine", "1"]
    assert docker.good("images", "--format", "{{.Repository}}:{{.Tag}} {{.ID}}", "machine").text.startswith("machine:1 ")
    (found,) = json.loads(docker.good("image", "inspect", IMAGE).out)
    assert (found["Id"][:7], found["RepoTags"], found["Config"]["Entrypoint"]) == ("sha256:", [IMAGE], None)
    assert docker.good(
        "inspect", "--type", "image", "-f", "{{.Os}}/{{.Architecture}} {{len .RootFS.Layers}}", IMAGE
    ).text.startswith("linux/")
    assert json.loads(docker.good("inspect", "--format", "json", IMAGE).text)[0]["Id"] == found["Id"]
    assert "No such image: none" in docker.bad(1, "image", "inspect", "none")
    docker.good("tag", IMAGE, "other/name:2")
    assert docker.good("image", "ls", "-q").lines == [found["Id"][7:19]]
    assert docker.good("rmi", "other/name:2").lines == ["Untagged: other/name:2"]


def test_archives_go_round(docker, podman):
    archive = docker.good("save", IMAGE).out
    assert docker.good("load", stdin=archive).text == f"Loaded image: {IMAGE}\n"
    assert podman.good("load", stdin=archive).text == f"Loaded image: docker.io/library/{IMAGE}\n"


def test_podman_prints_as_podman_does(podman):
    assert podman.good("--version").text.startswith("podman version ")
    id = podman.good("run", "-d", "--name", "pod1", IMAGE, "sleep", "50").text.strip()
    (entry,) = json.loads(podman.good("ps", "--format", "json").out)
    assert (entry["Id"], entry["Names"], entry["State"], entry["Command"]) == (id, ["pod1"], "running", ["sleep", "50"])
    (found,) = json.loads(podman.good("inspect", "pod1").out)
    assert (found["Name"], found["ImageName"]) == ("pod1", f"docker.io/library/{IMAGE}")
    images = json.loads(podman.good("images", "--format", "json").out)
    assert [image["Names"] for image in images] == [[f"docker.io/library/{IMAGE}"]]
    assert podman.good("rm", "-f", "-t", "0", "pod1").text == "pod1\n"
    assert podman("container", "exists", "pod1").status == 1
    assert podman("image", "exists", IMAGE).status == 0
    assert podman.good("run", "--rm", "--userns=keep-id", IMAGE, "id", "-u").text == f"{os.getuid()}\n"
    assert (
        podman.good("run", "--rm", "--replace", "--name", "pod1", "--tz", "Asia/Tokyo", IMAGE, "sh", "-c", "echo $TZ").text
        == "Asia/Tokyo\n"
    )
    assert "No such container" in podman.bad(1, "rm", "pod1")
    assert "No such object" in podman.bad(125, "inspect", "pod1")
    assert "-t is ignored" in podman.good("run", "-it", "--rm", IMAGE, "true").err
    assert (
        podman.good("info", "--format", "{{.Host.OS}} {{.Store.GraphDriverName}} {{.Host.OCIRuntime.Name}}").text
        == "linux sampan sampan\n"
    )
    assert json.loads(podman.good("info", "--format", "json").text)["host"]["security"]["rootless"] is True
    assert podman.good("info").lines[:2] == [
        "host:",
        f"  arch: {json.loads(podman.good('info', '-f', 'json').text)['host']['arch']}",
    ]


def test_podman_names_containers_by_files_and_keeps_places_writable(podman, tmp_path):
    podman.good("run", "-d", "--cidfile", tmp_path / "id", IMAGE, "sleep", "50")
    podman.good("stop", "-t", "0", "--cidfile", tmp_path / "id")
    podman.good("rm", "--cidfile", tmp_path / "id")
    assert "cannot read" in podman.bad(125, "stop", "--cidfile", tmp_path / "none")
    places = ["touch", "/tmp/x", "/run/x", "/var/tmp/x"]
    podman.good("run", "--rm", "--read-only", IMAGE, *places)
    assert podman("run", "--rm", "--read-only", "--read-only-tmpfs=false", IMAGE, *places).status == 1
    podman.good("run", "--rm", "--read-only", "--tmpfs", "/tmp", "-v", f"{tmp_path}:/var/tmp", IMAGE, *places)
    assert (tmp_path / "x").exists()


# What is not possible


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["run", "--rmm", IMAGE], 125, "did you mean --rm?"),
        (["run"], 125, "needs IMAGE"),
        (["run", "-it", IMAGE, "true"], 125, "the input device is not a TTY"),
        (["run", "--network", "mine", IMAGE, "true"], 125, "--network mine is not possible"),
        (["run", "-p", "8080:80", IMAGE, "true"], 125, "--publish 8080:80 is not possible"),
        (["run", "-p", "x", IMAGE, "true"], 125, "is not [ADDRESS:]PORT:PORT"),
        (["run", "--restart", "always", IMAGE, "true"], 125, "--restart is not possible"),
        (["run", "--link", "db", IMAGE, "true"], 125, "--link is not possible"),
        (["run", "--pid", "container:x", IMAGE, "true"], 125, "--pid container:x is not possible"),
        (["run", "--mount", "type=odd,source=/,target=/x", IMAGE, "true"], 125, "type 'odd' is not possible"),
        (["run", "-v", "name:rel", IMAGE, "true"], 125, "has to be absolute"),
        (["run", "--health-cmd", "x", "--no-healthcheck", IMAGE, "true"], 125, "contradict"),
        (["run", "--name", "-x", IMAGE, "true"], 125, "cannot be the name of a container"),
        (["build", "."], 1, "`docker build` is not possible"),
        (["compose", "up"], 1, "is not possible"),
        (["network", "create", "x"], 1, "is not possible"),
        (["swarm", "init"], 1, "without one"),
        (["pss"], 1, "did you mean `docker ps`?"),
        (["container", "lst"], 1, "did you mean `docker container "),
        (["ps", "--format", "{{.ID"], 1, "column 1: an action has no end"),
        (["ps", "--format", "{{.Nope}}"], 1, "there is no field .Nope"),
        (["images", "--filter", "odd=1"], 1, "there is no filter"),
        (["-H", "tcp://elsewhere", "ps"], 1, "names a daemon"),
        (["--context", "other", "ps"], 1, "names a daemon"),
        (["pull", "a/UPPER"], 1, "UPPER"),
        (["cp", "a", "b"], 1, "at least one container"),
        (["volume"], 1, "needs a verb"),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(docker, words, status, said):
    before = docker.good("ps", "-aq").text + docker.good("volume", "ls", "-q").text
    assert said in docker.bad(status, *words)
    assert docker.good("ps", "-aq").text + docker.good("volume", "ls", "-q").text == before, "something half-made is left"


def test_daemons_elsewhere_are_refused_by_name(docker, podman):
    assert "DOCKER_HOST tcp://elsewhere names a daemon" in docker.bad(1, "ps", DOCKER_HOST="tcp://elsewhere")
    assert "DOCKER_CONTEXT other names a daemon" in docker.bad(1, "ps", DOCKER_CONTEXT="other")
    docker.good("ps", DOCKER_CONTEXT="default")
    assert "without one" in podman.bad(125, "ps", CONTAINER_HOST="ssh://elsewhere")


def test_what_is_harmless_is_ignored_with_one_line(docker):
    done = docker.good(
        "run",
        "--rm",
        "--privileged",
        "--log-driver=none",
        "--security-opt",
        "seccomp=unconfined",
        "-P",
        "-p",
        "80:80",
        IMAGE,
        "true",
    )
    assert done.err == "docker: warning: --privileged is ignored: the program has your rights and no more\n"


# Shims


def test_shims_are_files_that_say_what_they_are(compatible_store, tmp_path):
    written = compatible_store.good("shims", tmp_path / "bin", "docker").lines
    assert written == [str(tmp_path / "bin/docker")]
    path = tmp_path / "bin/docker"
    assert stat.S_IMODE(path.stat().st_mode) == 0o755
    assert path.read_text().splitlines()[1].startswith("# sampan shim for docker")
    line = compatible_store.good("shims", "--env").text
    seen = subprocess.run(
        ["sh", "-c", f"{line}command -v docker && docker --version"],
        env=compatible_store.environment(),
        capture_output=True,
        text=True,
    )
    assert seen.stdout.splitlines()[0] == str(compatible_store.home / "shims/docker")
    own = tmp_path / "own"
    own.mkdir()
    (own / "docker").write_text("#!/bin/sh\n")
    done = compatible_store("shims", own, "docker")
    assert "left as it is" in done.err
    assert (own / "docker").read_text() == "#!/bin/sh\n"
    assert "did you mean docker?" in compatible_store("shims", tmp_path, "dokcer").err


def test_shims_remember_where_the_store_is(docker):
    """Pulsar starts the commands of a job with an environment of its own."""
    bare = {name: value for name, value in docker.environment().items() if not name.startswith("SAMPAN_")}
    words = ["docker", "images", "--format", "{{.Repository}}:{{.Tag}}", "machine"]
    assert subprocess.run(words, env=bare, capture_output=True, text=True).stdout == f"{IMAGE}\n"
    empty = {**bare, "SAMPAN_HOME": f"{docker.store.directory}/another"}
    assert subprocess.run(words, env=empty, capture_output=True, text=True).stdout == ""


def test_our_own_look_ups_skip_shims(docker, tmp_path, monkeypatch):
    from sampan.host.search_path import which

    real = tmp_path / "docker"
    real.write_text("#!/bin/sh\n")
    real.chmod(0o755)
    linked = tmp_path / "links"
    linked.mkdir()
    (linked / "docker").symlink_to(tmp_path / "sampan")
    (tmp_path / "sampan").write_text("#!/bin/sh\n")
    (tmp_path / "sampan").chmod(0o755)
    assert which("docker", f"{docker.shims}:{linked}:{tmp_path}") == str(real)
    assert which("docker", str(docker.shims)) is None
