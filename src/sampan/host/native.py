"""Where sampan's native programs are. On the start-up path."""

from __future__ import annotations

import os

from sampan.errors import ProgramMissing

PACKAGED = os.path.join(os.path.dirname(os.path.dirname(__file__)), "_native")


def path_of(name: str, directory: str = "") -> str:
    """Where a native program should be: in `directory` (the setting `programs`) or inside the package."""
    return os.path.join(directory or PACKAGED, name)


def missing(name: str, directory: str = "") -> ProgramMissing:
    """The error where sampan was installed without a C compiler, or `directory` does not have the program."""
    return ProgramMissing(
        f"the program {name} is not installed: {path_of(name, directory)} is missing or cannot be executed",
        "install gcc (or musl-tools) and then sampan again, or set `programs` to where it is",
    )


def digest(name: str) -> str | None:
    """The sha256 of a native program inside the file that sampan runs from (`sampan.pyz`); `None` elsewhere."""
    loader = globals().get("__loader__")
    if loader is None or not hasattr(loader, "archive"):  # as zipimport.zipimporter has it
        return None
    try:
        found: str = loader.get_data(f"{PACKAGED}/{name}.sha256").decode("ascii").strip()
    except OSError:
        return None
    return found


def read(name: str) -> bytes:
    """A native program's bytes, out of the package or of the file that sampan runs from. Raises OSError."""
    loader = globals().get("__loader__")
    path = path_of(name)
    if loader is not None and hasattr(loader, "archive"):
        found: bytes = loader.get_data(path)
        return found
    with open(path, "rb") as stream:
        return stream.read()
