"""Images to and from other programs by archives, each program real: podman, buildah, skopeo, umoci, GNU tar, bsdtar."""

from __future__ import annotations

import json
import os
import random
import subprocess
import tarfile
import time

import pytest

from tests.images.build import Layout, directory, file, layer
from tests.journeys.test_bad_input import refused, store_is_clean
from tests.peers.certificates import needs
from tests.product import Sampan

NAME = "localhost/box:1"


@pytest.fixture
def layout(tmp_path, busybox_layers):
    """The busybox image as a layout, tag `1`."""
    found = Layout(tmp_path / "box")
    found.tag("1", found.image(busybox_layers, {"Cmd": ["cat", "/etc/motd"], "Env": ["PATH=/bin"]}))
    return found


@pytest.fixture
def stocked(sampan, layout):
    """A store with the busybox image under `NAME`."""
    sampan.good("load", "-i", layout.path, "--name", NAME)
    return sampan


@pytest.fixture
def another(tmp_path):
    """Makes the command with further empty stores."""

    def make(name: str) -> Sampan:
        (tmp_path / name).mkdir()
        return Sampan(tmp_path / name / "store", tmp_path / name)

    return make


def runs(sampan, name: str) -> bool:
    """The image says what its second layer has, and the whiteout counts."""
    assert sampan.good("run", "--pull", "never", name).out == b"two\n"
    assert sampan("run", "--pull", "never", name, "ls", "/top.txt").status != 0
    assert sampan.good("verify", name).out == b""
    assert sampan.good("store", "fsck", "--contents").out == b""
    return True


def tool(*words, cwd=None, stdin=None) -> bytes:
    done = subprocess.run([*map(os.fspath, words)], capture_output=True, cwd=cwd, input=stdin, timeout=120)
    assert done.returncode == 0, f"{words}: {done.stderr.decode(errors='replace')}"
    return done.stdout


def config_of(sampan, name: str) -> str:
    return sampan.good("inspect", "--format", ".Id", name).text.strip()


# What save writes


@pytest.mark.parametrize("form", ["docker-archive", "oci-archive"])
def test_podman_loads_and_runs_what_save_writes(form, stocked, podman, tmp_path):
    stocked.good("save", "--format", form, "-o", tmp_path / "a.tar", NAME)
    assert NAME in podman("load", "-i", tmp_path / "a.tar").decode()
    found = json.loads(podman("image", "inspect", NAME))[0]
    assert f"sha256:{found['Id']}" == config_of(stocked, NAME)
    assert found["Config"]["Cmd"] == ["cat", "/etc/motd"]
    assert podman("load", stdin=stocked.good("save", "--format", form, NAME).out)
    podman("rmi", "-f", NAME)


def test_podman_loads_several_images_from_one_archive(stocked, podman, tmp_path):
    base = Layout(tmp_path / "base")
    base.tag("base:2", base.image([layer([directory("etc"), file("etc/x", b"x")])]))
    stocked.good("load", "-i", base.path)
    stocked.good("save", "-o", tmp_path / "a.tar", NAME, "base:2")
    said = podman("load", "-i", tmp_path / "a.tar").decode()
    assert NAME in said
    assert "docker.io/library/base:2" in said
    podman("rmi", "-f", NAME, "base:2")


def test_skopeo_reads_every_form(stocked, layout, tmp_path):
    needs("skopeo")
    digest = layout.tags["1"]["digest"]
    for form, source in (("docker-archive", "docker-archive:{}"), ("oci-archive", "oci-archive:{}:1"), ("oci-dir", "oci:{}:1")):
        stocked.good("save", "--format", form, "-o", tmp_path / form, NAME)
        found = json.loads(tool("skopeo", "inspect", source.format(tmp_path / form)))
        assert found["Architecture"] == "amd64"
        copied = tmp_path / f"copy-{form}"
        tool("skopeo", "--insecure-policy", "copy", source.format(tmp_path / form), f"oci:{copied}:1")
        entry = json.loads((copied / "index.json").read_text())["manifests"][0]
        # From docker-archives skopeo makes a manifest of its own; the others it copies.
        assert form == "docker-archive" or entry["digest"] == digest
    tool("skopeo", "inspect", f"docker-archive:{tmp_path}/docker-archive:{NAME}")


def test_umoci_unpacks_what_save_writes(stocked, tmp_path):
    needs("umoci")
    stocked.good("save", "--format", "oci-dir", "-o", tmp_path / "oci", NAME)
    assert tool("umoci", "ls", "--layout", tmp_path / "oci").split() == [b"1"]
    tool("umoci", "unpack", "--rootless", "--image", f"{tmp_path}/oci:1", tmp_path / "bundle")
    root = tmp_path / "bundle/rootfs"
    assert (root / "etc/motd").read_text() == "two\n"
    assert not (root / "top.txt").exists()
    ours = json.loads(stocked.good("inspect", NAME).out)[0]["tree"]
    assert sorted(os.listdir(root / "bin")) == sorted(os.listdir(f"{ours}/bin"))


# What load takes


@pytest.mark.parametrize("form", ["docker-archive", "oci-archive", "oci-dir"])
def test_load_takes_what_podman_saves(form, stocked, podman, another, tmp_path):
    podman("load", "-i", _saved(stocked, tmp_path))
    podman("save", "--format", form, "-o", tmp_path / "theirs", NAME)
    fresh = another("fresh")
    said = fresh.good("load", "-i", tmp_path / "theirs").text
    assert said.startswith(f"{NAME}@sha256:")
    assert config_of(fresh, NAME) == config_of(stocked, NAME)
    assert runs(fresh, NAME)
    podman("rmi", "-f", NAME)


def _saved(sampan, tmp_path):
    sampan.good("save", "-o", tmp_path / "ours.tar", NAME)
    return tmp_path / "ours.tar"


def test_load_reads_a_pipe_from_podman_with_several_images(stocked, podman, another, tmp_path):
    podman("load", "-i", _saved(stocked, tmp_path))
    podman("tag", NAME, "quay.io/org/box:2")
    data = podman("save", "-m", "--format", "docker-archive", NAME, "quay.io/org/box:2")
    fresh = another("fresh")
    names = {line.partition("@")[0] for line in fresh.good("load", stdin=data).lines}
    assert names == {NAME, "quay.io/org/box:2"}
    assert runs(fresh, "quay.io/org/box:2")
    podman("rmi", "-f", NAME, "quay.io/org/box:2")


@pytest.mark.parametrize("transport", ["oci-archive", "docker-archive", "oci"])
def test_load_takes_what_buildah_builds(transport, stocked, podman, another, tmp_path):
    """A real build on top: new layers with whiteouts of buildah's making."""
    needs("buildah")
    podman("load", "-i", _saved(stocked, tmp_path))
    container = podman.buildah("from", "--pull-never", NAME).decode().strip()
    (tmp_path / "new").write_text("two\n")
    podman.buildah("copy", container, tmp_path / "new", "/etc/motd")
    podman.buildah("config", "--label", "made=buildah", container)
    podman.buildah("commit", "--rm", container, f"{transport}:{tmp_path}/built:localhost/built:1")
    fresh = another("fresh")
    fresh.good("load", "-i", tmp_path / "built")
    assert fresh.good("images", "-q", "--filter", "reference=localhost/built:1").lines
    assert fresh.good("inspect", "--format", ".Config.Labels.made", "localhost/built:1").text == "buildah\n"
    assert runs(fresh, "localhost/built:1")
    podman("rmi", "-f", NAME)


@pytest.mark.parametrize("goal", ["docker-archive:{}/x:localhost/box:1", "oci-archive:{}/x:localhost/box:1", "oci:{}/x:1"])
def test_load_takes_what_skopeo_copies(goal, layout, sampan, tmp_path):
    needs("skopeo")
    tool("skopeo", "--insecure-policy", "copy", f"oci:{layout.path}:1", goal.format(tmp_path))
    named = ["--name", NAME] if goal.startswith("oci:") else []
    sampan.good("load", "-i", tmp_path / "x", *named)
    assert runs(sampan, NAME)


def test_load_takes_what_umoci_changes(layout, sampan, tmp_path):
    needs("umoci")
    (tmp_path / "motd").write_text("two\n")
    tool("umoci", "insert", "--rootless", "--image", f"{layout.path}:1", tmp_path / "motd", "/etc/motd")
    tool("umoci", "config", "--image", f"{layout.path}:1", "--config.label", "made=umoci")
    sampan.good("load", "-i", layout.path, "--name", NAME)
    assert runs(sampan, NAME)


@pytest.mark.parametrize(
    "compress", [["gzip", "-c"], ["zstd", "-q", "-c"], ["xz", "-c"], ["bzip2", "-c"]], ids=lambda words: words[0]
)
def test_load_takes_compressed_archives_from_a_pipe(compress, stocked, another, tmp_path):
    needs(compress[0])
    data = tool(*compress, stdin=stocked.good("save", NAME).out)
    fresh = another("fresh")
    fresh.good("load", stdin=data)
    assert config_of(fresh, NAME) == config_of(stocked, NAME)


# Root file systems


def test_tar_programs_read_what_export_writes(stocked, podman, tmp_path):
    done = stocked.good("export", "-o", tmp_path / "root.tar", NAME)
    assert (done.out, done.err) == (b"", "")
    with tarfile.open(tmp_path / "root.tar") as archive:
        names = sorted(member.name for member in archive)
        assert archive.getmember("tmp").mode == 0o1777
    assert sorted(tool("tar", "tf", tmp_path / "root.tar").decode().split()) == sorted(
        f"{name}/" if name in (".", "bin", "etc", "tmp") else name for name in names
    )
    if subprocess.run(["bsdtar", "--version"], capture_output=True).returncode == 0:
        assert len(tool("bsdtar", "-tvf", tmp_path / "root.tar").splitlines()) == len(names)
    id = podman("import", "-c", "CMD cat /etc/motd", tmp_path / "root.tar", "localhost/imported:1").decode().split()[-1]
    assert id
    podman("rmi", "-f", "localhost/imported:1")


def test_import_takes_what_podman_exports(stocked, podman, another, tmp_path):
    podman("load", "-i", _saved(stocked, tmp_path))
    podman("create", "--name", "boxed", NAME)
    podman("export", "-o", tmp_path / "exported.tar", "boxed")
    podman("rm", "boxed")
    podman("rmi", "-f", NAME)
    fresh = another("fresh")
    id = fresh.good(
        "import", "-c", 'CMD ["cat", "/etc/motd"]', "-c", "ENV PATH=/bin", tmp_path / "exported.tar", NAME
    ).text.strip()
    assert id == config_of(fresh, NAME)
    assert runs(fresh, NAME)
    assert fresh.good("history", NAME).lines[1].startswith(id[7:19])
    # `load` takes it too, as an image without a name.
    other = another("other")
    loaded = other.good("load", "-i", tmp_path / "exported.tar").text.strip()
    assert other.good("run", loaded, "/bin/cat", "/etc/motd").out == b"two\n"


def test_import_of_an_export_is_the_same_root(stocked, another, tmp_path):
    exported = stocked.good("export", NAME).out
    fresh = another("fresh")
    fresh.good("import", "-", NAME, stdin=exported)
    assert fresh.good("export", NAME).out == exported


# Living with them


def test_an_image_without_a_name(stocked, another):
    id = config_of(stocked, NAME)
    data = stocked.good("save", id).out
    fresh = another("fresh")
    assert fresh.good("load", stdin=data).lines == [id]
    assert fresh.good("images").lines[1].split()[:3] == ["-", "-", id[7:19]]
    assert json.loads(fresh.good("images", "--format", "json").out)[0]["reference"] is None
    assert fresh.good("run", id[7:19]).out == fresh.good("run", id).out == b"two\n"
    assert fresh.good("images", "-q", "--filter", "dangling=true").lines == [id[7:19]]
    fresh.good("create", "--name", "box", id[7:15])
    assert fresh.good("start", "box").out == b"two\n"
    assert "needed by container box" in fresh.good("rmi", id[7:19]).err
    assert fresh.good("start", "box").out == b"two\n"
    fresh.good("rm", "box")
    assert fresh.good("images", "-q").lines == []


def test_images_in_all_views(stocked, tmp_path):
    more = Layout(tmp_path / "more")
    more.tag("more:1", more.image([layer([file("x")])]))
    stocked.good("load", "-i", more.path)
    header, *rows = stocked.good("images", "--digests").lines
    assert header.split() == ["NAME", "TAG", "DIGEST", "ID", "PULLED", "SIZE"]
    assert rows[1].split()[2].startswith("sha256:")
    tree = stocked.good("images", "--tree").lines
    assert tree[0].split() == ["LAYERS", "COUNT", "SIZE", "IMAGES"]
    assert {line.split()[-1] for line in tree[1:]} == {"localhost/box:1", "more:1"}
    assert len(json.loads(stocked.good("images", "--tree", "--format", "json").out)) == 2
    assert stocked.good("history", "--format", "json", NAME).out.startswith(b"[")
    assert "in order: 4 blobs and the tree" in stocked.good("verify", NAME).err


def test_inspect_in_all_forms(stocked, layout):
    manifest = stocked.good("inspect", "--raw", NAME).out
    assert manifest == layout.read(layout.tags["1"])
    config = stocked.good("inspect", "--config", NAME).out
    assert json.loads(config)["config"]["Cmd"] == ["cat", "/etc/motd"]
    assert stocked.good("inspect", "--format", "{{json .Config.Cmd}}", NAME).text == '["cat","/etc/motd"]\n'
    assert stocked.good("inspect", "-f", ".Config.Cmd", NAME).text == '["cat", "/etc/motd"]\n'
    assert json.loads(stocked.good("inspect", "--format", "json", NAME).text)["reference"] == NAME
    refused(stocked("inspect", "--raw", "--config", NAME), "contradict")
    refused(stocked("inspect", "--format", "{{range .x}}", NAME), "column 1", "hint: ")
    refused(stocked("inspect", "--format", ".nothing", NAME), "no field", "hint: ")


def test_rmi_of_several_at_once(stocked, tmp_path):
    id = config_of(stocked, NAME)
    stocked.good("save", "-o", tmp_path / "a.tar", NAME)
    stocked.good("load", "-i", tmp_path / "a.tar", "--name", "second:1")
    refused(stocked("rmi", id[7:19]), "several names", "--force")
    done = stocked("rmi", "nothing:1", "second:1")
    assert (done.status, done.lines) == (125, ["docker.io/library/second:1"])
    assert stocked.good("rmi", "-f", id[7:19], "nothing:1").lines == [NAME]
    assert stocked.good("images", "-q").lines == []
    assert os.listdir(stocked.home / "trees") == []


# Bad input


def test_bad_archives(sampan, tmp_path):
    (tmp_path / "page.tar.gz").write_bytes(b"<!DOCTYPE html><html>404</html>")
    refused(sampan("load", "-i", tmp_path / "page.tar.gz"), "page.tar.gz is a web page", "hint: ")
    (tmp_path / "x.sif").write_bytes(bytes(32) + b"SIF_MAGIC\0" + bytes(5000))
    refused(sampan("load", "-i", tmp_path / "x.sif"), "SIF image", "hint: ")
    refused(sampan("load", "-i", tmp_path / "nothing"), "No such file")
    refused(sampan("load", "-i", tmp_path), "has no images in it", "hint: ")
    refused(sampan("load", stdin=b""), "standard input is empty", "hint: ")
    refused(sampan("load", stdin=b"\x1f\x8b\x08\0garbage"), "cannot load standard input", "gzip data")
    refused(sampan("import", "https://example.org/x.tar", "x:1"), "curl", "hint: ")
    refused(sampan("import", "-c", "RUN true", "-", "x:1"), "not a known instruction")
    for command in ("save", "export", "history", "verify", "rmi"):
        refused(sampan(command, "nothing:1"), "nothing:1", "hint: ")
    store_is_clean(sampan)


@pytest.mark.parametrize("keep", [600, 3000, 100_000, -20_000])
def test_a_truncated_archive(keep, stocked, another):
    data = stocked.good("save", NAME).out
    fresh = another("fresh")
    refused(fresh("load", stdin=data[:keep]), "standard input", "cut")
    store_is_clean(fresh)


def test_a_full_disk_leaves_no_file(stocked, tmp_path):
    done = stocked("save", "-o", "/dev/full", NAME)
    refused(done, "cannot save localhost/box:1", "no space left", "hint: ")
    refused(stocked("save", NAME, "-o", tmp_path / "no/such/place"), "No such file")
    assert [name for name in os.listdir(tmp_path) if "partial" in name] == []


def test_a_reader_that_goes_away(stocked):
    process = stocked.popen("save", NAME, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.read(1000)
    process.stdout.close()
    words = process.stderr.read()
    process.stderr.close()
    assert (process.wait(), words) == (141, b"")


# Several at once, and killed ones


@pytest.fixture(scope="session")
def machine_archive(shared_sampan, tmp_path_factory):
    """The machine image as a docker-archive: large enough to be caught in the middle."""
    path = tmp_path_factory.mktemp("machine") / "machine.tar"
    shared_sampan.good("save", "-o", path, shared_sampan.image)
    return path


def test_many_load_the_same_archive_at_once(machine_archive, shared_sampan, sampan):
    running = [sampan.popen("load", "-i", str(machine_archive), stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(6)]
    for process in running:
        out, err = process.communicate(timeout=120)
        assert (process.returncode, out.decode().partition("@")[0]) == (0, shared_sampan.image), err
    assert sampan.good("store", "fsck", "--contents").out == b""
    assert len(os.listdir(sampan.home / "trees")) == 1


def test_a_killed_load_leaves_a_store_that_works(machine_archive, shared_sampan, sampan):
    begin = time.monotonic()
    sampan.good("load", "-i", machine_archive)
    whole = time.monotonic() - begin
    chance = random.Random(1)
    for _ in range(5):
        sampan.good("rmi", shared_sampan.image)
        process = sampan.popen("load", "-i", str(machine_archive), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(chance.uniform(0.05, whole))
        process.kill()
        process.wait()
        assert sampan.good("store", "fsck", "--contents").out == b""
        sampan.good("load", "-i", machine_archive)
    assert sampan.good("verify", shared_sampan.image).out == b""
    assert [name for name in os.listdir(sampan.home / "tmp") if "tree" in name or "blob" in name] == []
