#!/usr/bin/env python3
"""Build `sampan.pyz`: one file that pulls and runs on a node with nothing but Python 3.9 or later.

usage: build_pyz.py FILE

sampan, its native programs and the pure-Python dependencies go into one zip file. pip is needed to build, nothing to run.
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
import zipapp

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, ROOT)

import hatch_build  # noqa: E402

# The last versions that Python 3.9 takes. rich's own dependencies are for Markdown and source code, which sampan never shows.
DEPENDENCIES = ("rich>=13,<16", "tomli>=2")


def build(target: str) -> None:
    """Make the file; raises CalledProcessError if pip fails, OSError if it cannot be written."""
    with tempfile.TemporaryDirectory() as place:
        tree = os.path.join(place, "tree")
        shutil.copytree(
            os.path.join(ROOT, "src/sampan"),
            os.path.join(tree, "sampan"),
            ignore=shutil.ignore_patterns("__pycache__", "_native"),
        )
        native = os.path.join(tree, "sampan/_native")
        for program in hatch_build.build(native):
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
        os.makedirs(os.path.dirname(os.path.abspath(target)), exist_ok=True)
        new = f"{target}.new"
        zipapp.create_archive(
            tree, new, interpreter="/usr/bin/env python3", main="sampan.__main__:main_and_exit", compressed=True
        )
        os.chmod(new, 0o755)
        os.rename(new, target)


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


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    build(sys.argv[1])
    print(f"{sys.argv[1]}: {os.path.getsize(sys.argv[1]) // 1000} kB")
