"""What an overlay's options cost: find, a second find and tar over a tree, in CPU milliseconds, minimum of interleaved rounds.

    unshare -rm python3 tests/bench/overlay_options.py TREE [ROUNDS]

Each round mounts anew, so that the first walk meets a cold overlay over a warm lower file system, as a start does.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys

# None: a bind, for comparison. {n} is replaced by a layer with one name, {l} by the tree.
VARIANTS: dict[str, str | None] = {
    "bind": None,
    "userxattr": "userxattr,lowerdir={l}",
    "+ index,xino,metacopy=off": "userxattr,index=off,xino=off,metacopy=off,lowerdir={l}",
    "+ volatile": "userxattr,index=off,xino=off,metacopy=off,volatile,lowerdir={l}",
    "+ uuid=null": "userxattr,index=off,xino=off,metacopy=off,uuid=null,lowerdir={l}",
    "xino=on": "userxattr,xino=on,lowerdir={l}",
    "index=on": "userxattr,index=on,lowerdir={l}",
    "with a layer of names": "userxattr,index=off,xino=off,metacopy=off,lowerdir={n}:{l}",
}
WORK = {
    "mount": [],
    "find": ["find", ".", "-newer", "/", "-print"],
    "find again": ["find", ".", "-newer", "/", "-print"],
    "tar": ["tar", "cf", "-", "."],
    "tar again": ["tar", "cf", "-", "."],
}


def cpu(words: list[str], directory: str) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with open("/dev/zero", "wb") as sink:  # GNU tar does not read files when it writes to /dev/null
        subprocess.run(words, cwd=directory, stdout=sink, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1000


def measure(options: str | None, tree: str, space: str) -> dict[str, float]:
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", space], check=True)
    for name in ("upper", "work", "root", "names", "names/new-name"):
        os.mkdir(f"{space}/{name}")
    if options is None:
        mount = ["mount", "--bind", tree, f"{space}/root"]
    else:
        layers = options.format(n=f"{space}/names", l=tree) + f",upperdir={space}/upper,workdir={space}/work"
        mount = ["mount", "-t", "overlay", "overlay", "-o", layers, f"{space}/root"]
    result = {"mount": cpu(mount, space)}
    for work, words in WORK.items():
        if words:
            result[work] = cpu(words, f"{space}/root")
    subprocess.run(["umount", f"{space}/root"], check=True)
    subprocess.run(["umount", space], check=True)
    return result


def main(tree: str, rounds: int = 7) -> None:
    best: dict[str, dict[str, float]] = {}
    for _ in range(rounds):
        for name, options in VARIANTS.items():
            try:
                found = measure(options, tree, "/mnt")
            except subprocess.CalledProcessError:
                subprocess.run(["umount", "/mnt"])
                continue
            held = best.setdefault(name, found)
            best[name] = {work: min(held[work], found[work]) for work in WORK}
    print(f"{'CPU ms':28}" + "".join(f"{work:>12}" for work in WORK))
    for name, found in best.items():
        print(f"{name:28}" + "".join(f"{found[work]:12.2f}" for work in WORK))


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:]))
