"""Through a gateway (a double of ours), with an API key for a path and no signing keys, by the command."""

from __future__ import annotations

import subprocess

import pytest

from sampan.cvmfs import publish
from sampan.cvmfs.directory import DirectoryStore
from sampan.cvmfs.entry import directory
from sampan.cvmfs.keys import Signer
from tests.distribute.conftest import FQRN, Repo
from tests.distribute.test_publish import small
from tests.peers.cvmfs_gateway import GatewayDouble


@pytest.fixture
def gateway(repo, tmp_path):
    """A gateway for the repository, with the paths /a and /b and a key for each; jobs have nothing but the public key."""
    store, signer = DirectoryStore(str(repo.path)), Signer.load(str(tmp_path / "keys"), FQRN)
    with publish.begin(store, signer) as publication:
        for name in (b"/a", b"/b"):
            publication.put(name, directory())
        publication.commit()
    public = tmp_path / "public"
    public.mkdir()
    (public / f"{FQRN}.pub").write_bytes((tmp_path / "keys" / f"{FQRN}.pub").read_bytes())
    repo.sampan.variables["SAMPAN_REPO_KEYS"] = str(public)
    with GatewayDouble(store, signer) as double:
        double.keys = {"a": ("secret-a", "/a"), "b": ("secret-b", "/b")}
        yield double


def words(repo: Repo, gateway: GatewayDouble, team: str, wish: str) -> list[str]:
    where = repo.sampan.directory
    (where / f"{team}.txt").write_text(wish + "\n")
    return [
        "repo", "publish", str(repo.path), "--gateway", gateway.url.removesuffix("/api/v1"), "--base", f"/{team}", "--list", f"{team}.txt",
        "--status", str(where / f"status-{team}"),
    ]  # fmt: skip


def test_two_jobs_with_leases_on_two_paths(repo, faulty, gateway, tmp_path):
    faulty.add(small(tmp_path, {"1": b"one", "2": b"two"}))
    jobs = []
    for team, tag in (("a", "1"), ("b", "2")):
        environment = {**repo.sampan.environment(), "SAMPAN_GATEWAY_KEY": f"plain_text {team} secret-{team}"}
        command = [*repo.sampan.command(), *words(repo, gateway, team, f"{faulty.host}/x:{tag}")]
        jobs.append(
            subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        )
    for job in jobs:
        out, err = job.communicate(timeout=60)
        assert job.returncode == 0, out + err
    assert repo.text(f"/a/{faulty.host}/x:1/etc/v") == b"one"
    assert repo.text(f"/b/{faulty.host}/x:2/etc/v") == b"two"
    again = repo.sampan(*words(repo, gateway, "a", f"{faulty.host}/x:1"), SAMPAN_GATEWAY_KEY="plain_text a secret-a")
    assert again.status == 0, again.err
    assert "no new revision" in again.err
    assert "x:1" in (tmp_path / "status-a/status.html").read_text()


def test_bad_input(repo, faulty, gateway, tmp_path):
    faulty.add(small(tmp_path, {"1": b"one"}))
    before = repo.manifest
    command = words(repo, gateway, "b", f"{faulty.host}/x:1")
    for key, said in (
        ("plain_text a secret-a", "/b"),
        ("plain_text b wrong", "refused"),
        ("nonsense", "is no key of a gateway"),
        ("", "a gateway needs a key"),
    ):
        done = repo.sampan(*command, SAMPAN_GATEWAY_KEY=key)
        assert done.status == 125, done.err
        assert said in done.err
        assert "wrong" not in done.err
        assert repo.manifest == before
