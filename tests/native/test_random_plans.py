"""Random plans.

Invariant: a plan is refused with 125 or its payload runs, and then the payload sees the same names, types and modes whatever the kind of
root and whichever way the kernel goes; and the tree (unless it is a private copy), the kept changes and the sources of binds are as they
were.
"""

from __future__ import annotations

import os
import random
import shutil

import pytest

KINDS = ["ro", "rw", "memory", "overlay"]
OLD_KERNEL = "mount_setattr,openat2,pivot_root,close_range"
TARGETS = [
    "/a", "/a/b", "/a/b/c", "/etc/../d", "/etc", "/etc/hosts", "/etc/passwd", "/etc/new", "/etc/new/x", "/mnt", "/mnt/inner", "/mnt/y", "/link", "/link/z",
    "/dangling", "/dangling/v", "/usr/lib", "/usr/lib/libimage", "/usr/new", "/loop/x", "/../up", "/etc/hosts/x", "/opt/.//w/", "/tmp/t", "/leaf/in", "/leaf/in/side",
]  # fmt: skip
SHOW = [
    "find",
    "/",
    "-path",
    "/bin",
    "-prune",
    "-o",
    "-path",
    "/dev",
    "-prune",
    "-o",
    "-exec",
    "stat",
    "-c",
    "%n %F %a",
    "{}",
    "+",
]


def make_world(template, folder):
    """A tree with some links, two sources, and the layers."""
    tree = folder / "tree"
    shutil.copytree(template, tree, symlinks=True, copy_function=os.link)
    (tree / "link").symlink_to("etc/../mnt")
    (tree / "dangling").symlink_to("/srv/data")
    (tree / "loop").symlink_to("loop")
    (folder / "dir/inner").mkdir(parents=True)
    (folder / "dir/f").write_text("x")
    (folder / "file").write_text("y")
    (folder / "upper").mkdir()
    (folder / "work").mkdir()
    return tree


def random_record(choose, folder):
    target = choose.choice(TARGETS)
    flags = ",".join(choose.sample(["ro", "nosuid", "nodev", "noexec"], choose.randrange(3)))
    made = {
        "bind": ("bind", str(folder / choose.choice(["dir", "file", "dir/inner"])), target, flags),
        "optional": ("bind", str(folder / "none"), target, f"optional,{flags}" if flags else "optional"),
        "tmpfs": ("tmpfs", target, choose.choice(["0755", "1777"]), "0", flags),
        "file": ("file", target, "644", choose.choice(["", "ro"]), "content\n"),
        "mkdir": ("mkdir", target, "0750"),
        "symlink": (
            "symlink",
            choose.choice(["/etc/hosts", "mnt", "/far/away"]),
            choose.choice(["/etc/alias", "/a/alias", "/leaf"]),
        ),
        # Of something that exists: a name that a later record makes is there already in the layers, and not yet in a read-only root.
        "mask": ("mask", choose.choice(["/etc/passwd", "/usr/lib", "/mnt", "/none"])),
        "read-only": ("read-only", choose.choice([*TARGETS, "/"])),
        "dev": ("dev", "/dev"),
        "cwd": ("cwd", target, "create"),
    }
    return made[choose.choice(["bind"] * 6 + ["tmpfs"] * 2 + ["file"] * 2 + list(made))]


def random_plan(choose, folder):
    records = [random_record(choose, folder) for _ in range(choose.randint(1, 7))]
    seen = set()
    return [r for r in records if r[0] != "cwd" or not (seen & {"cwd"} or seen.add("cwd"))]


def names_in(folder):
    return sorted((str(p.relative_to(folder)), os.lstat(p).st_mode, os.lstat(p).st_mtime_ns) for p in folder.rglob("*"))


@pytest.mark.parametrize("seed", range(6))
def test_every_kind_of_root_shows_the_same(seed, launch, tree, tmp_path):
    choose, ran = random.Random(seed), 0
    for number in range(12):
        folder = tmp_path / f"world-{number}"
        folder.mkdir()
        world = make_world(tree, folder)
        records = random_plan(choose, folder)
        sources = names_in(folder / "dir")
        seen = {}
        for kind in KINDS:
            for way in ("", OLD_KERNEL):
                copy = world
                if kind == "rw":
                    copy = folder / f"copy-{len(way)}"
                    shutil.copytree(world, copy, symlinks=True, copy_function=os.link)
                before = names_in(copy)
                root = {
                    "ro": ("root-tree", str(copy), "ro"), "rw": ("root-tree", str(copy), "rw"), "memory": ("root-memory", str(copy), "0", "refuse"),
                    "overlay": ("root-overlay", str(copy), str(folder / "upper"), str(folder / "work"), "refuse"),
                }[kind]  # fmt: skip
                done = launch.run(root, *records, argv=SHOW, without=way)
                assert "there is no program" not in done.stderr, (records, done.stderr)
                seen[kind, way] = (
                    sorted(done.stdout.splitlines()) if done.returncode != 125 else "refused",
                    done.stderr.startswith("sampan:"),
                )
                assert kind == "rw" or names_in(copy) == before, records
                assert os.listdir(folder / "upper") == [], records
                assert names_in(folder / "dir") == sources, records
        first = seen["ro", ""]
        assert all(found == first for found in seen.values()), (records, {k: set(v[0]) ^ set(first[0]) for k, v in seen.items()})
        assert (first[0] == "refused") == first[1]
        ran += first[0] != "refused"
    assert ran > 0
