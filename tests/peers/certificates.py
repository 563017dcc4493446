"""Certificates of an authority of our own, made by openssl."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest


def needs(*programs: str) -> None:
    """Skip, with a reason, where a program is not installed."""
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        pytest.skip(f"not installed: {', '.join(missing)}")


def make_authority(directory: Path, days: int = 30) -> tuple[Path, Path, Path]:
    """An authority of our own, and a certificate and key for localhost and registry.test by it, valid for so many days."""
    needs("openssl")
    ca, ca_key, key, request, certificate = (directory / n for n in ("ca.crt", "ca.key", "leaf.key", "leaf.csr", "leaf.crt"))
    new_key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    extensions = directory / "leaf.ext"
    extensions.write_text("subjectAltName=DNS:localhost,DNS:registry.test,IP:127.0.0.1\nbasicConstraints=CA:FALSE\n")
    for words in (
        ["req", "-x509", *new_key, "-keyout", ca_key, "-out", ca, "-subj", "/CN=sampan test authority", "-days", "30"],
        ["req", *new_key, "-keyout", key, "-out", request, "-subj", "/CN=localhost"],
        ["x509", "-req", "-in", request, "-CA", ca, "-CAkey", ca_key, "-CAcreateserial", "-out", certificate, "-days", str(days),
         "-extfile", extensions],
    ):  # fmt: skip
        subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True)
    return ca, certificate, key
