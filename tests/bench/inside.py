"""Work inside, against the kernel alone on the same tree: find, tar, fork, git status, imports. usage: inside.py [ROUNDS]

`unshare + chroot` is what nothing can beat; `unshare + overlay` the cheapest overlay by hand. Each is measured with the start.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.bench.measure import Work, fresh, rounds, table
from tests.bench.medium import WORK, prepared, sampan

TASKS = {
    "find": "i=0; while [ $i -lt 10 ]; do find / -xdev >/dev/null; i=$((i+1)); done",
    "tar": "tar cf - /usr | cat >/dev/null",
    "fork": "i=0; while [ $i -lt 500 ]; do /bin/true; i=$((i+1)); done",
    "git status": "cd {repo}; i=0; while [ $i -lt 10 ]; do git status >/dev/null; i=$((i+1)); done",
    "imports": "i=0; while [ $i -lt 10 ]; do python3 -c 'import json,http.client,asyncio'; i=$((i+1)); done",
}
CHROOT = (
    'mount --rbind /proc "$0/proc" && mount --rbind /dev "$0/dev" && mount --rbind /tmp "$0/tmp" && exec chroot "$0" sh -c "$1"'
)
OVERLAY = (
    'mount -t tmpfs none "$2" && mkdir "$2/u" "$2/w" "$2/m" && mount -t overlay -o userxattr,lowerdir="$0",upperdir="$2/u",workdir="$2/w" none "$2/m" '
    '&& mount --rbind /proc "$2/m/proc" && mount --rbind /dev "$2/m/dev" && mount --rbind /tmp "$2/m/tmp" && exec chroot "$2/m" sh -c "$1"'
)


def works(store: Path, reference: str, tree: Path, task: str) -> list[Work]:
    aside = fresh(WORK / "aside")
    found = [
        Work("unshare + chroot", ["unshare", "-rm", "sh", "-c", CHROOT, str(tree), task]),
        Work("unshare + overlay", ["unshare", "-rm", "sh", "-c", OVERLAY, str(tree), task, str(aside)]),
    ]
    for name, options in (("--read-only", ["--read-only"]), ("default", [])):
        file = str(WORK / f"inside{name}")
        subprocess.run(sampan(store, "wrap", "--force", "-o", file, *options, reference, "sh", "-c", task), check=True)
        found.append(Work(f"sampan {name}", [file], directory="/tmp"))
    return found


def repository() -> Path:
    """A git work tree of 5,000 files below /tmp, which every way has bound."""
    place = fresh(Path(f"/tmp/sampan-bench-repo-{WORK.name}"))
    for folder in range(50):
        (place / f"d{folder}").mkdir()
        for file in range(100):
            (place / f"d{folder}/f{file}").write_text(f"{folder} {file}\n")
    for words in (["init", "-q"], ["add", "."], ["-c", "user.name=x", "-c", "user.email=x@localhost", "commit", "-qm", "x"]):
        subprocess.run(["git", *words], cwd=place, check=True)
    subprocess.run(["git", "config", "--global", "--add", "safe.directory", "*"], check=False)
    return place


def main(count: int = 7) -> None:
    fresh(WORK / "runtime").chmod(0o700)
    repo = repository()
    with prepared() as (store, reference, tree):
        for name, task in TASKS.items():
            print(
                table(
                    f"Inside: {name}", rounds(works(store, reference, tree, task.format(repo=repo)), count), "unshare + chroot"
                ),
                flush=True,
            )
    fresh(repo).rmdir()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
