"""`sampan repo`: CVMFS repositories of images."""

from __future__ import annotations

from sampan.cli import repo_care, repo_mount, repo_publish, repo_read

VERBS = {
    "init": repo_care.VERBS["init"],
    "publish": (repo_publish.PUBLISH, repo_publish.main),
    **repo_read.VERBS,
    **repo_mount.VERBS,
    **{name: verb for name, verb in repo_care.VERBS.items() if name != "init"},
}
