"""Everything that can go wrong, as one tree.

SampanError
 ├ UsageError                 the command line or a file of the user is wrong
 │  ├ BadReference            this is not a reference to an image
 │  ├ BadSetting              a configuration file or variable has an unknown key or a wrong value
 │  ├ ImageNotFound           no image of this name in the store
 │  ├ ContainerNotFound       no container of this name or id
 │  ├ NameInUse               another container has this name
 │  ├ ContainerRunning        it runs, so it cannot be started, changed or removed
 │  ├ BadDescriptor           a descriptor of an application breaks the rules of Boutiques
 │  ├ BadValues               values do not fit the inputs of an application
 │  └ CannotHonour            no engine of this machine can do what was asked with `must`
 ├ RemoteError                a registry or server misbehaved, or said no
 │  ├ Unreachable             no answer: name, connection, time-out, TLS
 │  ├ Unauthorized            credentials are missing, wrong or not sufficient
 │  ├ NotAtRegistry           the registry (or archive) does not have this image, tag, platform or blob
 │  ├ NotInRepository         a CVMFS repository, or a server of it, does not have this object, tag or path
 │  ├ UnsupportedContent      a media type, algorithm or artifact that sampan does not run
 │  └ ProtocolError           an answer, or a document of an image, that the specifications do not allow
 ├ HostError                  this machine lacks something; the hint names it
 │  ├ StoreError              the store cannot be read or written
 │  │  ├ NewerStore           it was written by a newer sampan
 │  │  └ CorruptRecord        one of its records is damaged
 │  ├ RepositoryBusy          somebody else publishes into this repository, or into this path of it
 │  ├ NoSpace                 disk, quota or memory is full
 │  ├ NoEngine                no engine works here; the reasons are named
 │  └ ProgramMissing          a native program is not installed
 └ IntegrityError             bytes do not match their digest, or an image is hostile; never retried
    ├ DigestMismatch          content differs from its digest or size
    ├ RepositoryError         a CVMFS repository is not signed as it must be, is older than before, or breaks the rules of its format
    └ LayerError              a layer or archive breaks the rules of its format or leaves its root

An error is one sentence that names the thing, what happened and why, and a hint that names a way on. Only the
command line prints it; it ends with `exit_code`, 125 as Docker has it. On the start-up path.
"""

from __future__ import annotations

EXIT_FAILURE = 125


class SampanError(Exception):
    """Base of all errors that a person is meant to read."""

    exit_code = EXIT_FAILURE

    def __init__(self, sentence: str, hint: str | None = None) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.hint = hint

    def about(self, what: str) -> SampanError:
        """The same error with the thing that was being done in front: `cannot pull x: ...`."""
        if not self.sentence.startswith(what):
            self.sentence = f"{what}: {self.sentence}"
            self.args = (self.sentence,)
        return self


class UsageError(SampanError):
    """The command line or a file of the user is wrong."""


class BadReference(UsageError):
    """This is not a reference to an image."""


class BadSetting(UsageError):
    """A configuration file or variable has an unknown key or a wrong value."""


class ImageNotFound(UsageError):
    """No image of this name is in the store."""


class ContainerNotFound(UsageError):
    """No container of this name or id is in the store."""


class NameInUse(UsageError):
    """Another container has this name."""


class ContainerRunning(UsageError):
    """The container runs, so it cannot be started again, changed or removed."""


class Problem:
    """One of several things that are wrong: its place, as `inputs[2] (mask)`, and what is wrong there."""

    __slots__ = ("place", "what")

    def __init__(self, place: str, what: str) -> None:
        self.place = place
        self.what = what

    def __str__(self) -> str:
        return f"{self.place}: {self.what}" if self.place else self.what

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Problem) and (self.place, self.what) == (other.place, other.what)

    def __hash__(self) -> int:
        return hash((self.place, self.what))


def _all_of(start: str, problems: tuple[Problem, ...]) -> str:
    if len(problems) == 1:
        return f"{start}: {problems[0]}"
    return "\n  ".join([f"{start}, for {len(problems)} reasons:", *map(str, problems)])


class BadDescriptor(UsageError):
    """A descriptor of an application breaks the rules of Boutiques; `problems` has all that is wrong."""

    def __init__(self, start: str, problems: tuple[Problem, ...]) -> None:
        super().__init__(_all_of(start, problems))
        self.problems = problems


class BadValues(UsageError):
    """Values do not fit the inputs of an application; `problems` has all that is wrong."""

    def __init__(self, start: str, problems: tuple[Problem, ...], hint: str | None = None) -> None:
        super().__init__(_all_of(start, problems), hint)
        self.problems = problems


class CannotHonour(UsageError):
    """No engine that works here can do something that the request must have."""


class RemoteError(SampanError):
    """A registry or server misbehaved, or said no."""


class Unreachable(RemoteError):
    """No answer: the name, the connection, the time-out or TLS failed."""


class Unauthorized(RemoteError):
    """Credentials are missing, wrong or not sufficient."""


class NotAtRegistry(RemoteError):
    """The registry, or the archive that is loaded, does not have this image, tag, platform or blob."""


class NotInRepository(RemoteError):
    """A CVMFS repository, or the server that was asked for it, does not have this object, tag or path."""


class UnsupportedContent(RemoteError):
    """A media type, algorithm or artifact that sampan does not run."""


class ProtocolError(RemoteError):
    """An answer of a registry, or a document of an image, that the OCI specifications do not allow."""


class HostError(SampanError):
    """This machine lacks something; the hint names what would help."""


class StoreError(HostError):
    """The store cannot be read or written."""


class NewerStore(StoreError):
    """The store was written by a newer sampan."""


class CorruptRecord(StoreError):
    """A record of the store is damaged."""


class RepositoryBusy(HostError):
    """Somebody else publishes into this CVMFS repository, or into this path of it."""


class NoSpace(HostError):
    """Disk, quota or memory is full."""


class NoEngine(HostError):
    """No engine works on this machine; the sentence names the reasons."""


class ProgramMissing(HostError):
    """A native program of sampan is not installed."""


class IntegrityError(SampanError):
    """Bytes do not match their digest, or an image is hostile. Never retried."""


class DigestMismatch(IntegrityError):
    """Content differs from the digest or size it was announced with."""


class RepositoryError(IntegrityError):
    """A CVMFS repository is not signed as it must be, is older than it was, or breaks the rules of its format."""


class LayerError(IntegrityError):
    """A layer or an archive of images breaks the rules of its format, lacks a part, leaves its root or exceeds a limit."""


def printable(name: bytes | str) -> str:
    """A file name or a foreign word for a sentence: control characters and bytes that are no UTF-8 are escaped."""
    text = name.decode("utf-8", "backslashreplace") if isinstance(name, bytes) else name
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
