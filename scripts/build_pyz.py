#!/usr/bin/env python3
"""Build `sampan.pyz`: one file that pulls and runs on a node with nothing but Python 3.9 or later.

usage: build_pyz.py FILE [PYTHON...]

sampan, its native programs and the pure-Python dependencies go into one zip file behind a shell header (docs/adr/0007), as
sources, and compiled for this interpreter, for every PYTHON named, and for those on PATH. On others they are compiled at the
first start. pip is needed to build, nothing to run.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import venv
import zipfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PARTS = os.path.join(ROOT, "scripts/pyz")
sys.path.insert(0, ROOT)

import hatch_build  # noqa: E402

# The last versions that Python 3.9 takes. rich's own dependencies are for Markdown and source code, which sampan never shows.
DEPENDENCIES = ("rich>=13,<16", "tomli>=2")
FRONT = 6144
"""Bytes in front of the zip file: the shell header and the first steps in Python, filled up with line ends."""
ZIPPED = ["sampan.store.programs"]
"""What a start from the file needs besides the modules of tests/structure/startup.txt."""
OLDEST, NEWEST = 9, 14
MAIN = f"""# `python3 sampan.pyz`: the same first steps as those of the shell header.
import sys

with open(sys.argv[0], "rb") as stream:
    front = stream.read({FRONT})
sys.argv.insert(1, sys.argv[0])
exec(front.partition(b"\\n#python\\n")[2])
"""
TIME = (1980, 1, 1, 0, 0, 0)  # the same sources make the same file, but for what compilers write


def build(target: str, pythons: list[str]) -> list[str]:
    """Make the file; the interpreters it has compiled modules for. Raises CalledProcessError, OSError."""
    with tempfile.TemporaryDirectory() as place:
        tree = os.path.join(place, "tree")
        _gather(tree, place)
        digest = _digest(tree)
        key = int(digest[:12], 16)
        with open(os.path.join(tree, "sampan_pyz/front"), "w", encoding="ascii") as stream:
            stream.write(f"{key} {FRONT}\n")
        bundles = _bundles(tree, place, key, [sys.executable, *pythons, *_on_path()])
        os.makedirs(os.path.dirname(os.path.abspath(target)), exist_ok=True)
        new = f"{target}.new"
        with open(new, "wb") as stream:
            stream.write(bytes(FRONT))
            offsets = _write(stream, tree, bundles)
            size = stream.seek(0, os.SEEK_END)
            stream.seek(0)
            stream.write(_front(size, digest, key, offsets))
        os.chmod(new, 0o755)
        os.rename(new, target)
    return [tag for tag, _ in bundles]


def _gather(tree: str, place: str) -> None:
    """Everything that goes into the file, below `tree`."""
    shutil.copytree(
        os.path.join(ROOT, "src/sampan"), os.path.join(tree, "sampan"), ignore=shutil.ignore_patterns("__pycache__", "_native")
    )
    shutil.copytree(
        os.path.join(PARTS, "sampan_pyz"), os.path.join(tree, "sampan_pyz"), ignore=shutil.ignore_patterns("__pycache__")
    )
    with open(os.path.join(ROOT, "tests/structure/startup.txt"), encoding="ascii") as stream:
        names = [line for line in stream.read().split() if line == "sampan" or line.startswith("sampan.")] + ZIPPED
    with open(os.path.join(tree, "sampan_pyz/startup.txt"), "w", encoding="ascii") as stream:
        stream.write("\n".join(names) + "\n")
    with open(os.path.join(tree, "__main__.py"), "w", encoding="ascii") as stream:
        stream.write(MAIN)
    for program in hatch_build.build(os.path.join(tree, "sampan/_native")):
        with open(program, "rb") as stream:
            digest = hashlib.sha256(stream.read()).hexdigest()
        with open(program + ".sha256", "w", encoding="ascii") as stream:
            stream.write(digest + "\n")
    pip = [
        _python_with_pip(place),
        "-m",
        "pip",
        "install",
        "-qq",
        "--no-deps",
        "--only-binary=:all:",
        "--python-version=3.9",
        "--no-compile",
    ]
    subprocess.run([*pip, "--implementation=py", "--abi=none", "--platform=any", "--target", tree, *DEPENDENCIES], check=True)
    for name in os.listdir(tree):
        if name.endswith(".dist-info"):
            _keep_licences(os.path.join(tree, name))
    shutil.rmtree(os.path.join(tree, "bin"), ignore_errors=True)


def _python_with_pip(place: str) -> str:
    """This interpreter, or one of a new virtual environment: Debian's python3 comes without pip."""
    if importlib.util.find_spec("pip"):
        return sys.executable
    environment = os.path.join(place, "venv")
    venv.create(environment, with_pip=True)
    return os.path.join(environment, "bin/python")


def _keep_licences(place: str) -> None:
    """Of a dependency's metadata only who made it and under which licence."""
    for base, _, files in os.walk(place):
        for file in files:
            if not file.startswith(("LICEN", "METADATA", "COPYING", "NOTICE")):
                os.unlink(os.path.join(base, file))


def _files(tree: str) -> list[str]:
    return sorted(os.path.relpath(os.path.join(base, name), tree) for base, _, names in os.walk(tree) for name in names)


def _digest(tree: str) -> str:
    found = hashlib.sha256()
    for path in _files(tree):
        with open(os.path.join(tree, path), "rb") as stream:
            found.update(f"{path}\0{hashlib.sha256(stream.read()).hexdigest()}\n".encode())
    return found.hexdigest()[:32]


def _on_path() -> list[str]:
    return [found for minor in range(OLDEST, NEWEST + 1) if (found := shutil.which(f"python3.{minor}"))]


def _bundles(tree: str, place: str, key: int, pythons: list[str]) -> list[tuple[str, str]]:
    """(name of the interpreter's version, file) for each version once; an interpreter that does not start is left out."""
    found: dict[str, str] = {}
    for number, python in enumerate(pythons):
        file = os.path.join(place, f"bundle-{number}")
        words = [python, "-I", "-S", "-B", os.path.join(tree, "sampan_pyz/bundle.py"), tree, file, str(key), str(FRONT)]
        if not shutil.which(python):
            continue
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            found.setdefault("-".join(done.stdout.split()), file)
        elif python == sys.executable:
            sys.exit(done.stderr)
    return sorted(found.items())


def _write(stream: object, tree: str, bundles: list[tuple[str, str]]) -> dict[str, int]:
    """The zip file; where each bundle lies in it, uncompressed."""
    offsets = {}
    with zipfile.ZipFile(stream, "w") as archive:  # type: ignore[call-overload]
        for path in _files(tree):
            with open(os.path.join(tree, path), "rb") as file:
                _add(archive, path, file.read(), zipfile.ZIP_DEFLATED)
        for tag, path in bundles:
            name = f"sampan_pyz/{tag}.bundle"
            with open(path, "rb") as file:
                data = file.read()
            _add(archive, name, data, zipfile.ZIP_STORED)
            offsets[tag] = archive.fp.tell() - len(data)  # type: ignore[union-attr]
    return offsets


def _add(archive: zipfile.ZipFile, path: str, data: bytes, method: int) -> None:
    entry = zipfile.ZipInfo(path, TIME)
    entry.compress_type = method
    entry.external_attr = 0o644 << 16
    archive.writestr(entry, data)


def _front(size: int, digest: str, key: int, offsets: dict[str, int]) -> bytes:
    with open(os.path.join(PARTS, "header.sh"), encoding="ascii") as stream:
        header = stream.read().replace("@FRONT@", str(FRONT))
    table = {(tag.rpartition("-")[0], bytes.fromhex(tag.rpartition("-")[2])): offset for tag, offset in offsets.items()}
    values = f"SIZE, DIGEST, KEY, BUNDLES = {size}, {digest!r}, {key}, {table!r}\n"
    with open(os.path.join(PARTS, "front.py"), encoding="ascii") as stream:
        lines = [line for line in stream if line.strip() and not line.strip().startswith("#")]
    text = (header + values + "".join(lines)).encode("ascii")
    if len(text) > FRONT:
        raise ValueError(f"the first steps take {len(text)} bytes, more than {FRONT}")
    return text + b"\n" * (FRONT - len(text))


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    made = build(sys.argv[1], sys.argv[2:])
    print(f"{sys.argv[1]}: {os.path.getsize(sys.argv[1]) // 1000} kB, compiled for {', '.join(made)}")
