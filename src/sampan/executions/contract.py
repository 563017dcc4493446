"""The contract of whatever keeps executions: a directory now, a database for the server later.

One test suite (tests/executions/test_contract.py) holds for all. Job directories lie in files in any case: `place` says where.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from sampan.errors import UsageError, printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from contextlib import AbstractContextManager

    from sampan.executions.model import Entry, Execution, Job


class Executions(ABC):
    """All executions of one user, or of one server."""

    @abstractmethod
    def add(self, execution: Execution, descriptor: bytes) -> None:
        """Keep a new execution; from now on others see it, whole. Raises `NameInUse` if its id is taken, `StoreError`, `NoSpace`."""

    @abstractmethod
    def get(self, id: str) -> Execution:
        """The execution of an id. Raises `UsageError` if there is none, `CorruptRecord`."""

    @abstractmethod
    def descriptor(self, id: str) -> bytes:
        """The descriptor, byte for byte as it was launched."""

    @abstractmethod
    def ids(self) -> list[str]:
        """All ids, the newest first."""

    @abstractmethod
    def record(self, id: str, entries: Iterable[Entry]) -> None:
        """Add to the ledger, all or as much as fits. Any process may at any time. Raises `StoreError`, `NoSpace`."""

    @abstractmethod
    def jobs(self, id: str) -> tuple[Job, ...]:
        """All jobs, as the ledger has them."""

    @abstractmethod
    def place(self, id: str, job: int, attempt: int) -> str:
        """The directory of an attempt, which need not exist."""

    @abstractmethod
    def handing_over(self, id: str) -> AbstractContextManager[None]:
        """Held by whoever hands jobs over, so that two do not submit the same; waits. It saves work only: no job runs twice."""

    @abstractmethod
    def remove(self, id: str) -> None:
        """Forget an execution with all its job directories."""

    def find(self, word: str) -> Execution:
        """The execution that `word` means: an id, the beginning of one, a name, or `last`. Raises `UsageError`."""
        ids = self.ids()
        if word == "last" and ids:
            return self.get(ids[0])
        if word in ids:
            return self.get(word)
        beginning = [id for id in ids if word and id.startswith(word)]
        if len(beginning) == 1:
            return self.get(beginning[0])
        if beginning:
            raise UsageError(f"{printable(word)} is the beginning of {len(beginning)} executions", "give more letters of the id")
        named = next((one for one in self.listing() if one.name == word), None)
        if named is None:
            raise UsageError(f"there is no execution {printable(word)}", "see `sampan job list`")
        return named

    def listing(self) -> Iterator[Execution]:
        """All executions, the newest first."""
        for id in self.ids():
            yield self.get(id)
