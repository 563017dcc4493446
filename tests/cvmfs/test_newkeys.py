"""New keys by the library `cryptography`: they are those of the format, private, never replaced."""

from __future__ import annotations

import os
import stat
import subprocess
import sys

import pytest

from sampan.cvmfs import newkeys, publish, resign
from sampan.cvmfs.directory import DirectoryStore
from sampan.cvmfs.keys import Signer
from sampan.cvmfs.reader import Repository
from sampan.errors import HostError, UsageError

pytest.importorskip("cryptography", reason="cryptography is not installed")


def test_new_keys(tmp_path):
    directory = tmp_path / "keys"
    newkeys.new_keys(str(directory), "new.example.org")
    modes = {name: stat.S_IMODE(os.stat(directory / name).st_mode) & 0o077 for name in os.listdir(directory)}
    assert {name.rpartition(".")[2] for name, mode in modes.items() if not mode} == {"key", "masterkey"}
    assert stat.S_IMODE(os.stat(directory).st_mode) == 0o700
    shown = subprocess.run(
        ["openssl", "x509", "-in", directory / "new.example.org.crt", "-noout", "-subject"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert "new.example.org CernVM-FS Release Managers" in shown
    with pytest.raises(UsageError, match="masterkey exists"):
        newkeys.new_keys(str(directory), "new.example.org")
    signer = Signer.load(str(directory), "new.example.org")
    store = DirectoryStore(str(tmp_path / "repo"))
    store.prepare()
    publish.create(store, signer)
    newkeys.new_certificate(str(directory), "new.example.org")
    renewed = Signer.load(str(directory), "new.example.org")
    assert renewed.certificate.der != signer.certificate.der
    assert renewed.key == signer.key
    resign.resign(store, renewed)
    assert Repository.open(store, (signer.public,)).whitelist.fingerprints == (renewed.certificate.fingerprint("sha1"),)


def test_another_library_agrees_about_signatures(signer):
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding
    from cryptography.x509 import load_pem_x509_certificate

    key = load_pem_x509_certificate(signer.certificate.pem).public_key()
    key.verify(signer.key.sign(b"text"), b"text", padding.PKCS1v15(), hashes.SHA1())
    assert (key.public_numbers().n, key.public_numbers().e) == signer.certificate.key


def test_without_the_library(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives", None)
    with pytest.raises(HostError, match="needs the Python package cryptography") as caught:
        newkeys.new_keys(str(tmp_path), "new.example.org")
    assert "sampan[publish]" in caught.value.hint
