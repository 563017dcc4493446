"""Imports sampan from a bundle: the compiled modules of one interpreter version, inside sampan.pyz or cached beside it.

Theory of operation. A bundle (`bundle.py` makes it) begins with one marshalled dictionary that holds the code of all modules
of the start-up path, so that a start is one read of half a megabyte and one unmarshal: no directory is looked at, no file is
opened for a module, nothing has to be unpacked. The other modules lie behind it, each compressed by itself, and are read
from the descriptor of the file that stays open. Tracebacks and data files come from the sources in the zip file.
"""

from __future__ import annotations

import marshal
import sys
from _frozen_importlib import ModuleSpec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType, ModuleType
    from typing import Any, BinaryIO

# What starts like sampan.pyz itself and then is something else: the worker of `sampan.runtime.inside`, that of a job, and the
# runner of local jobs. First word -> module.
WORKER = "--worker"
STARTS = {WORKER: "sampan.runtime.worker", "--job": "sampan.jobs.work", "--runner": "sampan.batch.runner"}


class Bundle:
    """Finder and loader of the modules in a bundle."""

    def __init__(self, archive: str, stream: BinaryIO, offset: int, head: dict[str, Any]) -> None:
        self.archive = archive  # as zipimport has it: the file, for whoever looks for data in it
        self._stream = stream
        self._offset = offset
        self._start: dict[str, CodeType] = head["start"]
        self._rest: dict[str, tuple[int, int]] = head["rest"]
        self._packages: set[str] = head["packages"]
        self._data: dict[str, bytes] = head["data"]

    def interpreter(self, start: str = WORKER) -> tuple[str, ...]:
        """The first words of a command that runs one of `STARTS` by this interpreter and these modules."""
        front = int(self._data["front"])
        code = f"import sys; exec(open(sys.argv[1], 'rb').read({front}).partition(b'\\n#python\\n')[2])"
        return (sys.executable, "-I", "-S", "-c", code, self.archive, start)

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:  # noqa: ARG002 - the protocol
        """Of a module that is in the bundle."""
        if name not in self._rest and name not in self._start:
            return None
        spec = ModuleSpec(name, self, origin=self.get_filename(name), is_package=name in self._packages)
        if spec.submodule_search_locations is not None:
            spec.submodule_search_locations.append(spec.origin[: -len("/__init__.py")])
        return spec

    def create_module(self, spec: ModuleSpec) -> None:
        """As usual."""

    def exec_module(self, module: ModuleType) -> None:
        """Run its code."""
        module.__file__ = module.__spec__.origin
        exec(self.get_code(module.__name__), module.__dict__)

    def get_code(self, name: str) -> CodeType:
        """The code of a module. Raises ImportError where the file cannot be read any more."""
        code = self._start.get(name)
        if code is not None:
            return code
        import zlib

        offset, size = self._rest[name]
        self._stream.seek(self._offset + offset)
        try:
            return marshal.loads(zlib.decompress(self._stream.read(size)))
        except (zlib.error, ValueError, EOFError, TypeError) as error:
            raise ImportError(f"{self.archive} is damaged: {name} cannot be read", name=name) from error

    def get_filename(self, name: str) -> str:
        """Where the source is in the zip file."""
        ending = "/__init__.py" if name in self._packages else ".py"
        return f"{self.archive}/{name.replace('.', '/')}{ending}"

    def is_package(self, name: str) -> bool:
        """Whether a module has modules below it."""
        return name in self._packages

    def get_source(self, name: str) -> str | None:
        """For tracebacks."""
        return self.get_data(self.get_filename(name)).decode("utf-8")

    def get_data(self, path: str) -> bytes:
        """A file in the zip file, by its path below it. Raises OSError."""
        found = self._data.get(path[len(self.archive) + 1 :])
        if found is not None:
            return found
        from zipimport import zipimporter

        return zipimporter(self.archive).get_data(path)


def start(archive: str, stream: BinaryIO, offset: int, head: dict[str, Any]) -> None:
    """Become `sampan WORDS`."""
    if not archive.startswith("/"):
        import posix

        archive = f"{posix.getcwd()}/{archive}"
    sys.meta_path.insert(0, Bundle(archive, stream, offset, head))
    if sys.argv[1:] and sys.argv[1] in STARTS:
        __import__(STARTS[sys.argv[1]], fromlist=["main"]).main(sys.argv[2:])
        return
    sys.argv[0] = archive
    from sampan.__main__ import main

    sys.exit(main())
