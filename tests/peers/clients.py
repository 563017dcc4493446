"""Programs of others that call docker or podman, each group in an environment of its own (scripts/test.sh and test_peers.sh make them).

`clients` has cwltool and niwrap; `more-clients` what takes longer or more room: miniwdl, parsl, PSI/J and Galaxy's Pulsar.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.product import cached

BOSH = "boutiques==0.5.33"


def environment_of(group: str) -> Path:
    """The directory with the programs of a group; whoever asks is skipped where it is not there."""
    base = os.environ.get("SAMPAN_TEST_BASE", "/var/tmp/sampan-setup")
    found = Path(os.environ.get(f"SAMPAN_TEST_{group.upper().replace('-', '_')}", f"{base}/venv-{group}")) / "bin"
    if not os.access(found / "python", os.X_OK):
        pytest.skip(f"the {group} are not installed (scripts/{'test' if group == 'clients' else 'test_peers'}.sh does)")
    return found


@pytest.fixture(scope="session")
def clients():
    """Cwltool and niwrap."""
    return environment_of("clients")


@pytest.fixture(scope="session")
def more_clients():
    """miniwdl, parsl, PSI/J and Pulsar."""
    return environment_of("more-clients")


@pytest.fixture(scope="session")
def bosh():
    """The interpreter of an environment that has bosh: SAMPAN_BOSH, else one made once per machine."""
    if os.environ.get("SAMPAN_BOSH"):
        return os.environ["SAMPAN_BOSH"]

    def make(path: Path) -> None:
        subprocess.run([sys.executable, "-m", "venv", str(path)], check=True)
        done = subprocess.run([str(path / "bin/pip"), "install", "-q", BOSH], capture_output=True, text=True)
        if done.returncode:
            pytest.skip(f"{BOSH} cannot be installed: {done.stderr[-300:]}")

    return str(cached("bosh", BOSH.encode(), make) / "bin/python")
