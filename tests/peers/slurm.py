"""The Slurm that the set-up has started as root (slurm.sh): where it is, and how its controller is stopped and started by a test."""

from __future__ import annotations

import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Cluster:
    """Four nodes n1 to n4 of two processors each, on this machine."""

    directory: Path

    @classmethod
    def found(cls) -> Cluster | None:
        """The one that SAMPAN_TEST_SLURM names, if it answers."""
        place = os.environ.get("SAMPAN_TEST_SLURM", "/nonexistent")
        here = cls(Path(place))
        if not here.configuration.exists():
            return None
        try:
            done = subprocess.run(["sinfo", "-h"], env=here.environment(), capture_output=True, timeout=20)
        except (OSError, subprocess.TimeoutExpired):
            return None
        return here if done.returncode == 0 else None

    @property
    def configuration(self) -> Path:
        return self.directory / "slurm.conf"

    @property
    def has_memory_limits(self) -> bool:
        """Whether the nodes bound memory by control groups."""
        return (self.directory / "kind").read_text().strip() == "cgroup"

    def environment(self) -> dict[str, str]:
        return {**os.environ, "SLURM_CONF": str(self.configuration)}

    def ask(self, word: str) -> None:
        """`restart`, `down` or `up` for the controller; returns when that is done."""
        answer = self.directory / "ask/answer"
        answer.unlink(missing_ok=True)
        (self.directory / "ask/word.new").write_text(word)
        (self.directory / "ask/word.new").rename(self.directory / "ask/word")
        end = time.monotonic() + 30
        while not answer.exists():
            assert time.monotonic() < end, f"the controller of Slurm was not told: {word}"
            time.sleep(0.05)
