"""Features that a request asks of an engine, each `must` or `prefer`, and what an engine can. On the start-up path.

An engine says what it *can* in one set of these words. A missing `must` is refused by name before anything starts; a
missing `prefer` costs one warning line. Nothing is silently dropped.
"""

from __future__ import annotations

from sampan.errors import CannotHonour

# What the words mean, for `doctor` and for sentences: "the engine x cannot ...".
FEATURES = {
    "shared-root": "start from a tree that other containers share",
    "memory-overlay": "throw away what is changed in the image",
    "kept-overlay": "keep what is changed in a layer of its own",
    "read-only-root": "keep the image unchanged",
    "private-copy": "start from a private copy",
    "binds": "make directories of the host visible",
    "read-only-binds": "make a directory of the host visible read-only",
    "tmpfs": "make an empty directory that vanishes",
    "bounded-tmpfs": "bound what an empty directory may hold",
    "other-user": "be another user inside",
    "root-user": "be root inside",
    "own-network": "cut off the network",
    "own-hostname": "have a host name of its own",
    "own-ipc": "have System V IPC and message queues of its own",
    "small-dev": "show a small /dev",
    "landlock": "let the kernel refuse what lies outside of the image and the binds",
}


class Ask:
    """One feature that is wanted; `words` are the user's own for it, as `--network none`."""

    __slots__ = ("feature", "must", "words")

    def __init__(self, feature: str, words: str, *, must: bool) -> None:
        self.feature = feature
        self.words = words
        self.must = must


class Can:
    """What an engine can do on this host."""

    __slots__ = ("engine", "features")

    def __init__(self, engine: str, features: frozenset[str]) -> None:
        self.engine = engine
        self.features = features

    def missing(self, asks: tuple[Ask, ...]) -> list[Ask]:
        """The asks that it cannot meet."""
        return [ask for ask in asks if ask.feature not in self.features]


def check(asks: tuple[Ask, ...], can: Can) -> list[str]:
    """Warnings for the missing `prefer`s. Raises `CannotHonour` for a missing `must`."""
    warnings = []
    for ask in can.missing(asks):
        sentence = f"the engine {can.engine} cannot {FEATURES[ask.feature]} here"
        if ask.must:
            raise CannotHonour(f"{ask.words} is not possible: {sentence}", "`sampan doctor` says which engine can")
        warnings.append(f"{ask.words}: {sentence}")
    return warnings
