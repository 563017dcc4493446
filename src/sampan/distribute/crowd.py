"""The same work on many things in several threads, where what fails does not hold up the rest."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, TypeVar

from sampan.errors import SampanError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

In = TypeVar("In")
Out = TypeVar("Out")


def each(
    work: Callable[[In], Out], items: Sequence[In], parallel: int, fatal: tuple[type[SampanError], ...] = ()
) -> list[Out | SampanError]:
    """For each item in order what `work` gave, or the error a person is meant to read that it raised.

    One of the classes in `fatal`, or anything else that is raised, ends all, and so does Ctrl-C: what has not begun is not begun.
    """
    results: dict[int, Out | SampanError] = {}
    ended: list[BaseException] = []
    waiting = list(enumerate(items))[::-1]
    lock = threading.Lock()

    def go() -> None:
        while True:
            with lock:
                if ended or not waiting:
                    return
                at, item = waiting.pop()
            try:
                result: Out | SampanError = work(item)
            except BaseException as error:  # noqa: BLE001 - raised where the work was begun
                if not isinstance(error, SampanError) or isinstance(error, fatal):
                    with lock:
                        ended.append(error)
                    return
                result = error
            with lock:
                results[at] = result

    threads = [threading.Thread(target=go, name="sampan-work", daemon=True) for _ in range(min(parallel, len(items)))]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            while thread.is_alive():
                thread.join(0.5)
    except BaseException:
        with lock:
            waiting.clear()
        raise
    if ended:
        raise ended[0]
    return [results[at] for at in range(len(items))]
