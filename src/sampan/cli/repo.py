"""`sampan repo`: CVMFS repositories."""

from __future__ import annotations

from sampan.cli import repo_mount

VERBS = {**repo_mount.VERBS}
