"""Where sampan's native programs are. On the start-up path."""

from __future__ import annotations

import os

from sampan.errors import ProgramMissing

PACKAGED = os.path.join(os.path.dirname(os.path.dirname(__file__)), "_native")


def locate(name: str, directory: str = "") -> str:
    """Path of a native program: in `directory` (the setting `programs`) or inside the package.

    Raises `ProgramMissing` where sampan was installed without a C compiler.
    """
    path = os.path.join(directory or PACKAGED, name)
    if not os.access(path, os.X_OK):
        raise ProgramMissing(
            f"the program {name} is not installed: {path} is missing or cannot be executed",
            "install gcc (or musl-tools) and then sampan again, or set `programs` to where it is",
        )
    return path


def embedded(name: str) -> tuple[bytes, str] | None:
    """A native program inside the zip file that sampan runs from (`sampan.pyz`), and its sha256; `None` elsewhere."""
    loader = globals().get("__loader__")
    if loader is None or not hasattr(loader, "archive"):  # zipimport.zipimporter has it
        return None
    try:
        digest = loader.get_data(os.path.join(PACKAGED, name + ".sha256")).decode("ascii").strip()
        return loader.get_data(os.path.join(PACKAGED, name)), digest
    except OSError:
        return None
