"""What bad input gets: one sentence, one hint, 125, nothing half-written, never a stack trace."""

from __future__ import annotations

import os
import subprocess

import pytest

from tests.images.build import Layout, digest_of
from tests.peers import faulty as faults
from tests.peers.docker_registry import seed


def refused(done, *words: str, status: int = 125) -> None:
    """The command failed as a command should."""
    assert done.status == status, done.err
    assert "Traceback" not in done.err
    assert "defect of sampan" not in done.err
    assert done.out == b""
    lines = [line for line in done.err.splitlines() if line.startswith(("sampan: ", "hint: "))]
    assert lines[0].startswith("sampan: "), done.err
    for word in words:
        assert word in done.err, done.err


def store_is_clean(sampan) -> None:
    """No name, no tree, nothing under way; what was fetched may stay."""
    if (sampan.home / "format").exists():
        assert os.listdir(sampan.home / "names") == []
        assert os.listdir(sampan.home / "trees") == []
        assert [name for name in os.listdir(sampan.home / "tmp") if not name.endswith(".partial")] == []
        assert sampan("store", "fsck", "--contents").status == 0


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        ("debian/Tools", ["lower case"]),
        ("https://x/y", ["no https:// in front"]), ("a@sha256:12", ["is not a"]), ("", ["empty"]), ("a:b:c", ["is not a reference"]),
    ],
)  # fmt: skip
def test_bad_references(sampan, reference, words):
    refused(sampan("pull", reference), *words)
    refused(sampan("run", reference, "true"), *words)


def test_unknown_image_tag_and_registry(sampan, registry, busybox, faulty):
    refused(sampan("pull", registry.reference("no/such:1")), "cannot pull", "no/such", "hint: ")
    refused(sampan("run", f"{faulty.host}/x:nope", "true"), "x:nope", "hint: ")
    refused(sampan("pull", "127.0.0.1:9/x:1"), "cannot pull 127.0.0.1:9/x:1", "hint: ")
    store_is_clean(sampan)


def test_refused_login(sampan, basic_registry):
    refused(sampan("pull", basic_registry.reference("any:1")), "cannot pull", "hint: ")


def test_tampered_content_never_gets_a_name(sampan, faulty, busybox):
    """Udocker installed and ran a tampered layer (its defect D5)."""
    faulty.on("GET /v2/x/blobs/", faults.body(lambda data: data[:-20] + bytes(20)))
    refused(sampan("pull", busybox), "cannot pull", "digest")
    store_is_clean(sampan)
    faulty.rules.clear()
    assert sampan.good("run", busybox).lines == ["two"]


def test_a_layer_that_unpacks_to_something_else(sampan, faulty, tmp_path, busybox_layers):
    layout = Layout(tmp_path / "wrong")
    first, second = busybox_layers
    second.__dict__["diff_id"] = first.diff_id
    layout.tag("1", layout.image([first, second]))
    faulty.add(layout)
    refused(sampan("pull", f"{faulty.host}/x:1"), "unpacks to other bytes")
    store_is_clean(sampan)


def test_a_cut_connection_is_resumed_or_said(sampan, faulty, busybox):
    big = max(faulty.blobs, key=lambda digest: len(faulty.blobs[digest][0]))
    faulty.on(f"/blobs/{big}", faults.cut(100_000), times=2)
    sampan.good("pull", busybox)
    assert [one.range for one in faulty.asked(f"/blobs/{big}")][1].startswith("bytes=")


def test_a_registry_that_never_answers_rightly(sampan, faulty, busybox):
    faulty.on("/manifests/", faults.status(500))
    done = sampan("pull", busybox, timeout=200)
    refused(done, "cannot pull")
    store_is_clean(sampan)


def test_an_image_for_another_platform(sampan, faulty, tmp_path, busybox_layers):
    layout = Layout(tmp_path / "arm")
    layout.tag("1", layout.index([layout.image(busybox_layers, platform="linux/s390x")]))
    faulty.add(layout)
    refused(sampan("pull", f"{faulty.host}/x:1"), "no image for", "linux/s390x", "--platform")
    sampan.good("pull", "--platform", "linux/s390x", f"{faulty.host}/x:1")


def test_a_hostile_layer(sampan, faulty, tmp_path, busybox_layers):
    """Udocker let an image write outside (D6)."""
    from tests.images.build import file, layer, symlink

    outside = tmp_path / "outside"
    outside.mkdir()
    layout = Layout(tmp_path / "hostile")
    escape = [layer([symlink("link", str(outside))]), layer([file("link/pwned", b"x")])]
    layout.tag("1", layout.image([*busybox_layers, *escape], {"Cmd": ["true"]}))
    layout.tag("2", layout.image([*busybox_layers, layer([file("../../pwned", b"x")])]))
    faulty.add(layout)
    sampan("pull", f"{faulty.host}/x:1")
    refused(sampan("pull", f"{faulty.host}/x:2"), "leaves")
    assert os.listdir(outside) == []
    assert not (tmp_path / "pwned").exists()


def in_small_store(sampan, size: str, script: str) -> subprocess.CompletedProcess:
    """Run a script in namespaces of its own where the store lies on a tmpfs of this size."""
    sampan.home.mkdir(exist_ok=True)
    return subprocess.run(
        ["unshare", "-rm", "sh", "-c", f'mount -t tmpfs -o size={size} none "$0" && {script}', str(sampan.home), *sampan.command()],
        capture_output=True, text=True, env=sampan.environment(), cwd=sampan.directory, timeout=100,
    )  # fmt: skip


def test_a_full_disk(sampan, busybox):
    done = in_small_store(
        sampan, "1m", f'"$@" pull {busybox}; echo "status $?"; ls "$0/names" "$0/trees" "$0/tmp"; "$@" store fsck; echo "fsck $?"'
    )
    assert "status 125" in done.stdout, done.stderr
    assert "no space" in done.stderr.lower()
    assert "fsck 0" in done.stdout
    assert "hint: " in done.stderr
    assert "Traceback" not in done.stderr


def test_a_store_that_cannot_be_read(sampan, busybox):
    sampan.home.mkdir()
    sampan.home.chmod(0)
    try:
        refused(sampan("images"), str(sampan.home), "Permission denied")
        refused(sampan("pull", busybox), str(sampan.home), "Permission denied")
    finally:
        sampan.home.chmod(0o700)


def test_a_newer_store_and_a_directory_that_is_none(sampan, busybox):
    sampan.home.mkdir()
    (sampan.home / "format").write_text("sampan-store 99\n")
    for command in (["images"], ["pull", busybox], ["run", busybox], ["ps"], ["store", "du"]):
        refused(sampan(*command), "newer sampan")
    (sampan.home / "format").unlink()
    (sampan.home / "thesis.tex").write_text("years of work")
    refused(sampan("pull", busybox), "holds other things")
    assert os.listdir(sampan.home) == ["thesis.tex"]


def test_corrupt_records(sampan, busybox):
    sampan.good("pull", busybox)
    sampan.good("create", "--name", "box", busybox)
    record = next((sampan.home / "containers").glob("*/container.json"))
    kept = record.read_bytes()
    for damage in (b"", b"{", b'{"format": 1}', b'{"format": 99}', b"\xff" * 10, kept.replace(b'"keep"', b'"kepp"')):
        record.write_bytes(damage)
        done = sampan("start", "box")
        refused(done, "hint: ")
        assert "damaged" in done.err or "newer" in done.err
        assert "damaged" in sampan("ps", "-a").text or damage == b'{"format": 99}'
    record.write_bytes(kept)
    name = next((sampan.home / "names").iterdir())
    good = name.read_bytes()
    name.write_bytes(b"[]")
    refused(sampan("run", busybox), "damaged", "fsck")
    assert sampan("store", "fsck").status == 125
    name.write_bytes(good)
    sampan.good("start", "box")
    record.write_bytes(b"{")
    refused(sampan("rm", "box"), "damaged")
    assert sampan.good("rm", "-f", "box").lines == ["box"]


def test_a_corrupt_running_mark(sampan, busybox):
    sampan.good("run", "--name", "box", busybox)
    mark = next((sampan.home / "containers").glob("*/running"))
    mark.write_text("{}")
    refused(sampan("start", "box"), "damaged")


def test_names_and_containers_that_are_not_there(sampan, busybox):
    sampan.good("pull", busybox)
    for words in (
        ["start", "nobody"],
        ["rm", "nobody"],
        ["inspect", "no-body"],
        ["rmi", "nothing:1"],
        ["store", "pins", "rm", "ff"],
    ):
        refused(sampan(*words), "hint: ")
    assert sampan("rm", "-f", "nobody").status == 0
    refused(sampan("create", "--name", "bad/name", busybox), "cannot be the name")
    sampan.good("create", "--name", "taken", busybox)
    refused(sampan("run", "--name", "taken", busybox, "true"), "taken", "in use", "sampan rm taken")


def test_wrong_use_of_options(sampan, busybox):
    for words, word in (
        (["run"], "needs IMAGE"), (["run", "--naem", "x", busybox], "--name"), (["run", "-v", "data:/x", busybox], "no named volumes"),
        (["run", "--network", "bridge", busybox], "host, none"), (["run", "--engine", "docker", busybox], "no engine 'docker'"),
        (["run", "--root", "-u", "1", busybox], "contradict"), (["run", "-w", "rel", busybox], "absolute"), (["rnu"], "did you mean `sampan run`"),
        (["store"], "needs a verb"), (["store", "dux"], "did you mean `sampan store du`"), (["config", "hom"], "did you mean home"),
        (["run", "--env-file", "/no/file", busybox], "/no/file"), (["wrap", busybox], "-o FILE"), (["images", "--format", "yaml"], "table, json"),
    ):  # fmt: skip
        refused(sampan(*words), word)


def test_a_broken_configuration(sampan):
    place = sampan.directory / ".config/sampan"
    place.mkdir(parents=True)
    (place / "config.toml").write_text("paralell = 3\n")
    refused(sampan("images"), "unknown key 'paralell'", "did you mean parallel")
    assert sampan("run", "--help").status == 0


NO_NAMESPACES = (
    'echo 0 > /proc/sys/user/max_user_namespaces && exec setpriv --inh-caps=-all --ambient-caps=-all --bounding-set=-all "$@"'
)


def test_without_user_namespaces_the_reason_is_named(shared_sampan):
    """A shell in which they are refused, as on hardened sites."""
    words = ["unshare", "-U", "--map-current-user", "--keep-caps", "sh", "-c", NO_NAMESPACES, "sh", *shared_sampan.command()]
    environment = {**shared_sampan.environment(), "SAMPAN_RUNTIME_DIR": f"{shared_sampan.directory}/refused"}
    for command in (["run", "--engine", "namespace", shared_sampan.image, "true"], ["doctor"]):
        done = subprocess.run([*words, *command], capture_output=True, text=True, env=environment, cwd=shared_sampan.directory)
        assert done.returncode == 125 or command == ["doctor"]
        said = done.stdout + done.stderr
        assert "max_user_namespaces" in said, said
        assert "sysctl user.max_user_namespaces=" in said
        assert "Traceback" not in said


def test_a_passwd_of_the_image_that_is_a_trap(sampan, faulty, tmp_path, busybox_layers):
    """A link to the host, or a pipe that never ends: never followed, never waited for (CVE-2024-9676)."""
    from tests.images.build import fifo, layer, symlink

    layout = Layout(tmp_path / "trap")
    layout.tag("fifo", layout.image([*busybox_layers, layer([fifo("etc/passwd")])], {"Cmd": ["true"]}))
    layout.tag(
        "link",
        layout.image([*busybox_layers, layer([symlink("etc/passwd", "/proc/self/environ")])], {"Cmd": ["cat", "/etc/passwd"]}),
    )
    faulty.add(layout)
    refused(sampan("run", f"{faulty.host}/x:fifo", timeout=20), "etc/passwd", "not a regular file")
    seen = sampan("run", f"{faulty.host}/x:link", timeout=20)
    assert "SAMPAN_HOME" not in seen.text


def test_interrupted_by_ctrl_c(sampan, faulty, busybox):
    import signal

    faulty.on("/blobs/", faults.stall(1000, 30))
    with sampan.popen("pull", busybox, stderr=subprocess.PIPE) as process:
        while not faulty.asked("/blobs/"):
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
    assert process.returncode == 130, err
    assert b"Traceback" not in err
    assert b"interrupted" in err
    store_is_clean(sampan)


def test_digests_that_differ_are_not_mixed_up(sampan, busybox):
    wrong = digest_of(b"something else")
    refused(sampan("pull", f"{busybox}@{wrong}"), "cannot pull")


def test_every_platform_of_an_index_can_be_pulled_beside_each_other(sampan, registry, tmp_path, busybox_layers):
    layout = Layout(tmp_path / "multi")
    layout.tag("1", layout.index([layout.image(busybox_layers, platform=f"linux/{arch}") for arch in ("amd64", "arm64")]))
    seed(registry, layout, "1", "test/multi:1")
    sampan.good("pull", registry.reference("test/multi:1"))
    sampan.good("pull", "--platform", "linux/arm64", registry.reference("test/multi:1"))
    assert '"platform": "linux/arm64"' in sampan.good("images", "--format", "json").text


def test_ctrl_c_while_a_server_does_not_answer_at_all(sampan):
    """No thread that waits for headers may hold up the end."""
    import signal
    import socket
    import time

    with socket.create_server(("127.0.0.1", 0)) as silent:
        reference = f"127.0.0.1:{silent.getsockname()[1]}/x:1"
        with sampan.popen("pull", reference, stderr=subprocess.PIPE) as process:
            connection, _ = silent.accept()
            with connection:
                time.sleep(0.2)
                begin = time.monotonic()
                process.send_signal(signal.SIGINT)
                _, err = process.communicate(timeout=20)
    assert process.returncode == 130, err
    assert time.monotonic() - begin < 30
    assert b"Traceback" not in err
