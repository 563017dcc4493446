"""The validator of RO-Crates that their makers keep (roc-validator of PyPI), in an environment of its own."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

CHECK = Path(__file__).with_name("rocrate_check.py")


@pytest.fixture(scope="session")
def rocrate_findings(tmp_path_factory):
    """`findings(crate, severity)`: what the validator objects to in a crate, by the profile Workflow Run Crate."""
    base = os.environ.get("SAMPAN_TEST_BASE", "/var/tmp/sampan-setup")
    python = Path(os.environ.get("SAMPAN_TEST_ROCRATE", f"{base}/venv-rocrate")) / "bin/python"
    if not os.access(python, os.X_OK):
        pytest.skip("roc-validator is not installed (scripts/test.sh does)")
    home = tmp_path_factory.mktemp("rocrate")

    def findings(crate: Path, severity: str = "REQUIRED") -> list[str]:
        done = subprocess.run(
            [python, CHECK, crate, severity], capture_output=True, text=True, env={"HOME": str(home), "PATH": "/usr/bin:/bin"}
        )
        assert done.stdout, done.stderr
        return json.loads(done.stdout)

    return findings
