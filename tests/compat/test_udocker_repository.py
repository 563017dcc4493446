"""`udocker` with registries, its configuration, and a repository that udocker itself has left."""

from __future__ import annotations

import json

from tests.images.udockerdir import UdockerDirectory
from tests.journeys.conftest import BUSYBOX
from tests.peers.docker_registry import PASSWORD, USER

# Registries


def test_manifests(tidy, registry, machine_reference):
    found = json.loads(tidy.good("manifest", "inspect", machine_reference).text)
    assert found["config"]["digest"]
    words = ["--platform=linux/amd64", f"--registry=http://{registry.host}", f"--index=http://{registry.host}", "test/machine:1"]
    assert json.loads(tidy.good("manifest", "inspect", *words).text) == found
    assert "is not the address" in tidy.bad(1, "pull", "--registry=http://", "x:1")


def test_logins(tidy, tmp_path, basic_registry, machine_layout):
    keystore = {"UDOCKER_KEYSTORE": str(tmp_path / "keystore")}
    server = f"--registry=http://{basic_registry.host}"
    tidy.good("login", f"--username={USER}", "--password=made-up", "--registry=https://no-such.example", **keystore)
    tidy.good("login", "--username", USER, "--password-stdin", server, stdin=f"{PASSWORD}\n".encode(), **keystore)
    assert set(json.loads((tmp_path / "keystore").read_text())) == {"no-such.example", basic_registry.host}
    assert oct((tmp_path / "keystore").stat().st_mode & 0o777) == "0o600"
    assert "Caps Lock" in tidy.good("login", f"--username={USER}", "--password=UPPER", server, **keystore).err
    assert "no terminal" in tidy.bad(1, "login", server)
    tidy.good("logout", server, **keystore)
    assert set(json.loads((tmp_path / "keystore").read_text())) == {"no-such.example"}
    tidy.good("logout", "-a", **keystore)
    assert json.loads((tmp_path / "keystore").read_text()) == {}


def test_search(tidy, registry, machine_reference):
    found = tidy.good("search", "--no-trunc", f"--index=http://{registry.host}", "machine").lines
    assert found[0].split() == ["NAME", "OFFICIAL", "DESCRIPTION", "STARS"]
    assert any("test/machine" in line for line in found[1:])
    done = tidy("search", "--httpproxy=http://127.0.0.1:9", "--registry=http://registry.example", "x")
    assert (done.status, "the proxy on the way" in done.err) == (1, True), done.err


# Configuration


def test_configuration(empty, tmp_path):
    """As udocker's manual writes it, with and without a section, and as the file that is shipped has it."""
    (tmp_path / ".udocker").mkdir()
    own = tmp_path / ".udocker/udocker.conf"
    own.write_text(
        '[DEFAULT]\ntopdir = %(topdir)s/\ndefault_execution_mode = P2\ndockerio_registry_url = "https://mirror.example"\n'
    )
    text = empty.good("showconf").text
    assert "override_default_execution_mode = P2    (" in text
    assert "dockerio_registry_url = https://mirror.example    (" in text
    (tmp_path / "conf").write_text("override_default_execution_mode = 'R1'\nsysdirs_list = [\n  '/dev',\n  '/proc']\n")
    assert "override_default_execution_mode = R1" in empty.good(f"--config={tmp_path / 'conf'}", "showconf").text
    text = empty.good(f"--config={tmp_path / 'conf'}", "showconf", UDOCKER_DEFAULT_EXECUTION_MODE="F1").text
    assert "override_default_execution_mode = F1    (environment UDOCKER_DEFAULT_EXECUTION_MODE)" in text
    own.write_text("topdirs = x\n")
    assert "did you mean topdir?" in empty.bad(1, "images")
    own.write_text("what is this\n")
    assert "line 1 of" in empty.bad(1, "images")
    own.unlink()
    assert "there is no configuration file" in empty.bad(1, "--config=/no/such", "images")
    assert "is not a repository" in empty.bad(1, "--repo", tmp_path / "none", "images")
    empty.good("mkrepo", tmp_path / "there")
    assert "is there already" in empty.bad(1, "mkrepo", tmp_path / "there")
    for words in (["-D", "images"], ["--debug", "--insecure", "images"], ["-q", "ps"], ["--quiet", "ps"]):
        empty.good(*words)
    assert f"store = {tmp_path}/there/sampan" in empty.good("showconf", UDOCKER_DIR=str(tmp_path / "there")).text


# What udocker itself has left


def test_its_own_repository(empty, tmp_path, busybox_layers):
    old = UdockerDirectory(tmp_path / ".udocker")
    old.pulled("tool:1", busybox_layers, {"Cmd": ["/bin/busybox", "cat", "/etc/motd"]})
    files = {"bin/busybox": BUSYBOX.read_bytes(), "etc/motd": b"changed in udocker\n", "etc/passwd": b"root:x:0:0::/:/bin/sh\n"}
    (old.container("work", "tool:1", files) / "ROOT/bin/busybox").chmod(0o755)
    (tmp_path / ".udocker/repos/tool/1/PROTECT").touch()
    assert empty.good("images").lines[1:] == ["tool:1    P"]
    (line,) = empty.good("ps").lines[1:]
    assert line.split()[1:] == [".", "W", "['work']", "tool:1"]
    assert "leaves its files as they are" in empty.bad(1, "rm", "work")
    assert "in udocker's own repository" in empty.bad(1, "rmi", "tool:1")
    done = empty.good("run", "work")
    assert done.text == "changed in udocker\n"
    assert "is copied to the store" in done.err
    assert len(empty.good("ps").lines) == 2
    assert empty.good("run", "work").err == ""
    assert empty.good("run", "--rm", "tool:1").text == "two\n"
    empty.good("rm", "work")
    old.container("a+b", "tool:1", files)  # which is no name here
    (tmp_path / ".udocker/containers/a+b/ROOT/bin/busybox").chmod(0o755)
    for _ in range(2):
        assert empty.good("run", "a+b").text == "changed in udocker\n"
    assert len(empty.good("ps").lines) == 3  # the removed one is udocker's again
