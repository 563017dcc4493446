"""Images of a repository that is mounted, here a plain directory with its files, are started where they are."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sampan.cvmfs.directory import DirectoryStore
from sampan.cvmfs.keys import public_keys
from sampan.cvmfs.reader import Repository
from sampan.runtime.in_place import environment_of
from tests.distribute.conftest import FQRN


def written_out(repo, to: Path) -> Path:
    """All files of a repository in a directory, as a mount shows them."""
    found = Repository.open(DirectoryStore(str(repo.path)), public_keys(repo.sampan.variables["SAMPAN_REPO_KEYS"], FQRN))
    root = to / FQRN
    for path, entry in found.walk():
        place = os.fsencode(root) + path
        if entry.is_directory:
            os.mkdir(place)
        elif entry.is_symlink:
            os.symlink(entry.target, place)
        elif entry.is_file:
            Path(os.fsdecode(place)).write_bytes(found.read(entry))
            os.chmod(place, entry.mode & 0o777)
    return root


@pytest.fixture
def mounted(repo, busybox, tmp_path):
    """The busybox image `REG/x:1` of a repository below `tmp_path/cvmfs`; its path there."""
    assert repo.publish(busybox).status == 0
    (tmp_path / "cvmfs").mkdir()
    written_out(repo, tmp_path / "cvmfs")
    return busybox


def test_it_starts_without_a_copy(repo, mounted, tmp_path):
    where = {"SAMPAN_CVMFS_MOUNTS": str(tmp_path / "cvmfs")}
    for name in (f"cvmfs://{FQRN}/{mounted}", str(tmp_path / "cvmfs" / FQRN / mounted)):
        done = repo.sampan("run", name, **where)
        assert (done.status, done.text) == (0, "two\n"), done.err
        done = repo.sampan(
            "run", "--pull", "always", name, "sh", "-c", "echo changed >/etc/motd; cat /etc/motd; echo $SAMPAN_IMAGE", **where
        )
        assert done.lines == ["changed", name], done.err
    assert repo.sampan("run", f"cvmfs://{FQRN}/{mounted}", **where).text == "two\n"
    assert not (tmp_path / "store/trees").exists()
    shown = repo.sampan.good("run", "--dry-run", f"cvmfs://{FQRN}/{mounted}", **where).text
    assert f"overlay {tmp_path}/cvmfs/{FQRN}/.flat/" in shown
    read_only = repo.sampan("run", "--read-only", f"cvmfs://{FQRN}/{mounted}", "sh", "-c", "echo x >/etc/motd", **where)
    assert read_only.status != 0


def test_what_ducc_leaves_is_enough(repo, mounted, tmp_path):
    flat = next((tmp_path / "cvmfs" / FQRN / ".flat").glob("*/*"))
    (flat / ".singularity.d/oci-config.json").unlink()
    (flat / ".singularity.d/env/10-docker2singularity.sh").write_text(
        '#!/bin/sh\nexport PATH="/bin"\nexport GREETING="${GREETING:-"he said \\"hi\\""}"\n'
    )
    done = repo.sampan("run", f"cvmfs://{FQRN}/{mounted}", SAMPAN_CVMFS_MOUNTS=str(tmp_path / "cvmfs"))
    assert (done.status, done.text) == (0, "two\n"), done.err
    done = repo.sampan(
        "run", f"cvmfs://{FQRN}/{mounted}", "sh", "-c", 'echo "$GREETING"', SAMPAN_CVMFS_MOUNTS=str(tmp_path / "cvmfs")
    )
    assert done.text == 'he said "hi"\n'


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("run", "cvmfs://x.org/a/b:1"), "there is no image cvmfs://x.org/a/b:1: {0}/x.org/a/b:1 is no directory"),
        (("run", "cvmfs://neither.org/a/b:1"), "no server of neither.org is known here"),
        (("run", "cvmfs://x.org"), "is not an image of a repository"),
        (("run", "cvmfs:///x"), "is not an image of a repository"),
        (("run", "/no/such/image"), "there is no image /no/such/image"),
        (("run", "--name", "kept", "/usr"), "is run where it lies"),
        (("create", "/usr"), "is run where it lies"),
        (("wrap", "-o", "launch", "/usr", "true"), "is run where it lies"),
    ],
)
def test_bad_input(sampan, tmp_path, words, said):
    (tmp_path / "cvmfs/x.org").mkdir(parents=True)
    done = sampan(*words, SAMPAN_CVMFS_MOUNTS=str(tmp_path / "cvmfs"))
    assert done.status == 125
    assert said.format(tmp_path / "cvmfs") in done.err
    assert not (tmp_path / "launch").exists()


def test_exports_are_read_and_nothing_is_carried_out():
    script = '#!/bin/sh\nexport PATH="/a:/b"\nexport X="${X:-"a\\"b \\$c"}"\nexport Y=\'it\'\nexport Z=plain\nrm -rf /\nexport\n'
    assert environment_of(script) == ["PATH=/a:/b", 'X=a"b $c', "Y=it", "Z=plain"]
