"""What a person does on the first day: pull, look, run, keep, wrap, tidy up; every command, as the ordinary user."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import time

import pytest

from tests.product import Sampan


@pytest.fixture(params=["namespace", "intercept"])
def sampan(request, tmp_path):
    """The command with an empty store, by each engine that starts containers on its own."""
    return Sampan(tmp_path / "store", tmp_path, variables={"SAMPAN_ENGINE": request.param})


@pytest.fixture
def pulled(sampan, machine_reference):
    """A store of the test's own with the machine image in it, and the reference."""
    sampan.good("pull", machine_reference)
    return machine_reference


def containers(sampan, image, *words):
    """What `ps` lists of this image: anonymous runs of other tests of the same user are there too."""
    return [entry for entry in json.loads(sampan.good("ps", *words, "--format", "json").out) if entry["image"] == image]


def test_pull_prints_the_digest_and_nothing_else(sampan, machine_reference):
    done = sampan.good("pull", machine_reference)
    name, _, digest = done.text.strip().partition("@")
    assert (name, digest[:7], len(done.lines)) == (machine_reference, "sha256:", 1)
    assert done.err == ""
    by_digest = sampan.good("pull", f"{machine_reference}@{digest}")
    assert by_digest.text.strip().endswith(digest)


def test_run_fetches_what_is_missing(sampan, machine_reference):
    assert sampan("run", "--pull", "never", machine_reference, "true").status == 125
    assert sampan.good("run", machine_reference, "hello").lines[0].startswith("hello from")
    assert sampan.good("run", "--pull", "never", machine_reference, "true").out == b""
    assert sampan.good("run", "--pull", "always", machine_reference, "true").out == b""


def test_images_in_a_table_and_as_json(sampan, pulled):
    table = sampan.good("images").lines
    assert table[0].split() == ["NAME", "TAG", "ID", "PULLED", "SIZE"]
    assert table[1].split()[0] == pulled.rpartition(":")[0]
    assert len(table) == 2
    (entry,) = json.loads(sampan.good("images", "--format", "json").out)
    assert entry["reference"] == pulled
    assert entry["unpacked"] > entry["size"] > 1_000_000
    assert entry["pulled"].endswith("Z")
    assert sampan.good("images", "-q").lines == [entry["config"].partition(":")[2][:12]]
    assert len(sampan.good("images", "debian").lines) == 1
    assert len(sampan.good("images", pulled.rpartition(":")[0]).lines) == 2


def test_inspect_an_image_and_a_container(sampan, pulled):
    sampan.good("create", "--name", "box", "-e", "A=1", pulled, "bash")
    image, container = json.loads(sampan.good("inspect", pulled, "box").out)
    assert image["configuration"]["config"]["Cmd"] == ["bash"]
    assert os.path.isdir(image["tree"])
    assert (container["name"], container["state"], container["request"]["environment"]) == ("box", "created", ["A=1"])
    assert sampan("inspect", "nothing:here").status == 125
    assert "no container" in sampan("inspect", "--type", "container", pulled).err


def test_a_kept_container_goes_on_where_it_was_left(sampan, pulled):
    sampan.good(
        "run",
        "--name",
        "work",
        pulled,
        "sh",
        "-c",
        "echo first > /state; rm -r /usr/lib/python3.11; echo x >> /etc/nsswitch.conf",
    )
    again = sampan.good(
        "start", "work", "sh", "-c", "cat /state; ls -d /usr/lib/python3.11; tail -n 1 /etc/nsswitch.conf; echo second >> /state"
    )
    assert again.lines == ["first", "x"]
    assert sampan.good("start", "work", "cat", "/state").lines == ["first", "second"]
    assert sampan("run", pulled, "cat", "/state").status == 1
    (entry,) = containers(sampan, pulled, "-a")
    assert (entry["name"], entry["status"], entry["pid"]) == ("work", "exited", None)
    assert entry["id"][:12] not in sampan.good("ps", "-q").lines
    assert sampan.good("rm", "work").lines == ["work"]
    assert containers(sampan, pulled, "-a") == []
    assert os.listdir(sampan.home / "containers/names") == []


def test_create_then_start_by_the_beginning_of_the_id(sampan, pulled):
    id = sampan.good("create", pulled, "sh", "-c", "echo made for this").text.strip()
    assert len(id) == 64
    assert sampan.good("start", id[:9]).lines == ["made for this"]
    assert sampan.good("start", "--dry-run", id[:9]).text.count("made for this") == 1


def test_a_running_container_is_not_started_twice_nor_removed(sampan, pulled):
    sampan.good("create", "--name", "busy", pulled, "sh", "-c", "echo up; exec sleep 60")
    with sampan.popen("start", "busy", stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"up\n"
        second = sampan("start", "busy")
        assert (second.status, f"runs already (pid {process.pid})" in second.err) == (125, True)
        assert sampan("rm", "busy").status == 125
        (entry,) = containers(sampan, pulled)
        assert (entry["status"], entry["pid"]) == ("running", process.pid)
        process.kill()
    assert sampan.good("start", "busy", "echo", "again").lines == ["again"]


def test_one_of_many_starters_wins(sampan, pulled):
    sampan.good("create", "--name", "raced", pulled, "sh", "-c", "echo up; exec sleep 2")
    processes = [sampan.popen("start", "raced", stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(8)]
    outs = [process.communicate(timeout=60) for process in processes]
    assert sorted(process.returncode for process in processes) == [0] + [125] * 7
    assert sum(out == b"up\n" for out, _ in outs) == 1


def test_a_throw_away_container_with_a_name(sampan, pulled):
    with sampan.popen(
        "run", "--rm", "--name", "brief", pulled, "sh", "-c", "touch /x; echo up; exec sleep 60", stdout=subprocess.PIPE
    ) as process:
        assert process.stdout.readline() == b"up\n"
        assert [entry["name"] for entry in containers(sampan, pulled)] == ["brief"]
        assert "in use" in sampan("run", "--name", "brief", pulled, "true").err
        process.kill()
    assert sampan.good("run", "--rm", "--name", "brief", pulled, "ls", "/").text.count("x\n") == 0
    assert containers(sampan, pulled, "-a") == []


def test_anonymous_runs_are_listed_while_they_run(sampan, pulled):
    with sampan.popen("run", pulled, "sh", "-c", "echo up; sleep 60; true", stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"up\n"
        assert process.pid in [entry["pid"] for entry in containers(sampan, pulled)]
        subprocess.run(["pkill", "-P", str(process.pid)], check=True)
        process.kill()


def test_a_launch_file_runs_without_python(sampan, pulled):
    file = sampan.directory / "tool"
    sampan.good("wrap", "-o", file, "-e", "A=1", pulled, "sh", "-c", 'echo "$A $*"; pwd; cat', "sh")
    done = subprocess.run(
        [file, "x", "y z"], input=b"through", capture_output=True, cwd=sampan.directory, env={"PATH": "/nowhere"}
    )
    assert (done.returncode, done.stdout) == (0, f"1 x y z\n{sampan.directory}\nthrough".encode())
    head = file.read_bytes().partition(b"\0")[0].decode()
    assert head.startswith(f"#!{sampan.home}/programs/" if len(f"{sampan.home}") < 60 else "#!/bin/sh\nexec '")
    assert f"{sampan.home}/programs/" in head
    pins = json.loads(sampan.good("store", "pins", "--format", "json").out)
    assert [(pin["file"], pin["image"]) for pin in pins] == [(str(file), pulled)]
    assert "is there already" in sampan("wrap", "-o", file, pulled, "true").err
    sampan.good("wrap", "--force", "-o", file, pulled)
    assert subprocess.run([file, "sh", "-c", "exit 4"]).returncode == 4  # CMD gives way to the caller's words


def test_a_pin_holds_the_tree_until_it_is_ended(sampan, busybox):
    sampan.good("pull", busybox)
    file = sampan.directory / "tool"
    sampan.good("wrap", "-o", file, busybox, "true")
    removed = sampan.good("rmi", busybox)
    assert "stays: it is needed by pin" in removed.err
    assert subprocess.run([file]).returncode == 0
    (pin,) = json.loads(sampan.good("store", "pins", "--format", "json").out)
    sampan.good("store", "pins", "rm", pin["id"])
    sampan.good("pull", busybox)
    sampan.good("rmi", busybox)
    gone = subprocess.run([file], capture_output=True, text=True)
    assert (gone.returncode, "sampan wrap" in gone.stderr) == (125, True)


def test_a_container_holds_its_tree(sampan, pulled):
    sampan.good("create", "--name", "holder", pulled, "true")
    assert "needed by container holder" in sampan.good("rmi", pulled).err
    sampan.good("start", "holder")
    sampan.good("store", "fsck")


def test_rmi_frees_the_disk(sampan, busybox):
    sampan.good("pull", busybox)
    assert sampan.good("rmi", busybox).lines == [f"{busybox}"]
    used = {part["part"]: part for part in json.loads(sampan.good("store", "du", "--format", "json").out)}
    assert (used["trees"]["count"], used["blobs"]["count"]) == (0, 0)
    assert sampan("rmi", busybox).status == 125


def test_other_tools_read_the_store_as_an_oci_layout(sampan, pulled):
    layout = f"oci:{sampan.home}/blobs:{pulled}"
    done = subprocess.run(["skopeo", "inspect", layout], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "sha256:" in json.loads(done.stdout)["Digest"]
    copied = subprocess.run(
        ["skopeo", "copy", "-q", "--insecure-policy", layout, f"oci:{sampan.directory}/copy:1"], capture_output=True, text=True
    )
    assert copied.returncode == 0, copied.stderr
    for blob in (sampan.home / "blobs/blobs/sha256").iterdir():
        assert hashlib.sha256(blob.read_bytes()).hexdigest() == blob.name


def test_nothing_on_disk_is_setuid_or_open_to_others(sampan, pulled):
    assert sampan.home.stat().st_mode & 0o777 == 0o700
    found = subprocess.run(["find", sampan.home / "trees", "-perm", "/7000"], capture_output=True, text=True)
    assert found.stdout == ""


def test_fsck_names_damage(sampan, pulled):
    assert "in order" in sampan.good("store", "fsck", "--contents").err
    victim = next((sampan.home / "trees").glob("*/rootfs/usr/bin/hello"))
    stamp = victim.stat()
    victim.write_text("#!/bin/sh\necho bad\n".ljust(stamp.st_size, "\n")[: stamp.st_size])
    os.utime(victim, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert sampan.good("store", "fsck").out == b""
    found = sampan("store", "fsck", "--contents")
    assert (found.status, "usr/bin/hello" in found.text) == (125, True)


@pytest.mark.parametrize("sampan", ["namespace"], indirect=True)
def test_second_container_of_an_image_costs_nothing(sampan, pulled):
    before = time.monotonic()
    sampan.good("create", "--name", "first", pulled)
    sampan.good("create", "--name", "second", pulled)
    assert time.monotonic() - before < 30
    size = int(subprocess.run(["du", "-sk", sampan.home / "containers"], capture_output=True, text=True).stdout.split()[0])
    assert size < 1000


def test_two_stores_of_the_site_are_used_in_place(sampan, shared_sampan):
    done = sampan("run", "--pull", "never", shared_sampan.image, "hello", SAMPAN_STORES=str(shared_sampan.home))
    assert (done.status, done.text.startswith("hello")) == (0, True), done.err
    assert not (sampan.home / "trees").exists() or os.listdir(sampan.home / "trees") == []


def test_config_and_doctor(sampan):
    assert sampan.good("config", "home").text.strip() == str(sampan.home)
    table = {line.split()[0]: line for line in sampan.good("config").lines}
    assert "environment SAMPAN_HOME" in table["home"]
    assert json.loads(sampan.good("config", "--format", "json").out)["parallel"]["origin"] == "default"
    findings = json.loads(sampan.good("doctor", "--format", "json").out)
    assert {finding["what"]: finding["state"] for finding in findings}["engine namespace"] == "ok"


def test_help_of_everything(sampan):
    overview = sampan.good("--help").text
    for command in ("pull", "images", "inspect", "rmi", "run", "create", "start", "ps", "rm", "wrap", "doctor", "config"):
        assert f"  {command} " in overview
        assert sampan.good(command, "--help").text.startswith(f"usage: sampan {command}")
    assert "usage: sampan store du" in sampan.good("store", "du", "--help").text
    assert sampan.good("--version").text.startswith("sampan ")
