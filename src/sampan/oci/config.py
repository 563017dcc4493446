"""Image configurations: what an image wants to run and how (image-spec, config.md). On the start-up path.

`from_document` takes the JSON object; reading it is left to the caller, because a start may have the record in another
form. What would end in environment, arguments or paths is checked here for NUL, which no program can receive.
"""

from __future__ import annotations

from sampan.errors import ProtocolError
from sampan.oci.digest import Digest
from sampan.oci.document import map_of, maps_of, text_map_of, text_of, texts_of


class History:
    """One step of an image's making; an `empty_layer` step has no layer of its own."""

    __slots__ = ("author", "comment", "created", "created_by", "empty_layer")

    def __init__(self, *, created: str, created_by: str, author: str, comment: str, empty_layer: bool) -> None:
        self.created = created
        self.created_by = created_by
        self.author = author
        self.comment = comment
        self.empty_layer = empty_layer


class Healthcheck:
    """How an image wants to be asked whether it is well (Docker's extension); times in seconds, 0 where it says nothing."""

    __slots__ = ("interval", "retries", "start_period", "timeout", "words")

    def __init__(self, document: dict[str, object], what: str) -> None:
        test = texts_of(document, "Test", what)
        shell = ("/bin/sh", "-c", *test[1:2]) if test[:1] == ("CMD-SHELL",) else ()
        self.words: tuple[str, ...] = test[1:] if test[:1] == ("CMD",) else shell
        self.interval, self.timeout, self.start_period = (
            _nanoseconds(document, key) for key in ("Interval", "Timeout", "StartPeriod")
        )
        retries = document.get("Retries")
        self.retries = retries if isinstance(retries, int) and retries > 0 else 0


def _nanoseconds(document: dict[str, object], key: str) -> float:
    value = document.get(key)
    return value / 1e9 if isinstance(value, int) and value > 0 else 0.0


class ImageConfig:
    """What an image wants to run: environment, program, directory, user, and the digests of its unpacked layers.

    Empty values where the image says nothing. `env` has texts `NAME=VALUE` in the image's order; `entrypoint` and `cmd`
    are argument vectors. `diff_ids` are lowest first. Times are RFC 3339 texts as the image has them.
    """

    __slots__ = (
        "architecture", "author", "cmd", "created", "diff_ids", "entrypoint", "env", "exposed_ports", "healthcheck", "history", "labels",
        "os", "stop_signal", "user", "variant", "volumes", "working_dir",
    )  # fmt: skip

    def __init__(
        self,
        *,
        architecture: str = "",
        os: str = "",
        variant: str = "",
        created: str = "",
        author: str = "",
        env: tuple[str, ...] = (),
        entrypoint: tuple[str, ...] = (),
        cmd: tuple[str, ...] = (),
        working_dir: str = "",
        user: str = "",
        labels: dict[str, str] | None = None,
        exposed_ports: tuple[str, ...] = (),
        volumes: tuple[str, ...] = (),
        stop_signal: str = "",
        diff_ids: tuple[Digest, ...] = (),
        history: tuple[History, ...] = (),
        healthcheck: Healthcheck | None = None,
    ) -> None:
        self.architecture = architecture
        self.os = os
        self.variant = variant
        self.created = created
        self.author = author
        self.env = env
        self.entrypoint = entrypoint
        self.cmd = cmd
        self.working_dir = working_dir
        self.user = user
        self.labels = labels or {}
        self.exposed_ports = exposed_ports
        self.volumes = volumes
        self.stop_signal = stop_signal
        self.diff_ids = diff_ids
        self.history = history
        self.healthcheck = healthcheck or Healthcheck({}, "")

    @classmethod
    def from_document(cls, document: dict[str, object], what: str) -> ImageConfig:
        """The configuration in a JSON object; `what` names it in errors. Raises `ProtocolError`."""
        run = map_of(document, "config", what)
        rootfs = map_of(document, "rootfs", what)
        if text_of(rootfs, "type", what) not in ("", "layers"):
            raise ProtocolError(f"{what} has a rootfs that is not made of layers")
        return cls(
            architecture=text_of(document, "architecture", what),
            os=text_of(document, "os", what),
            variant=text_of(document, "variant", what),
            created=text_of(document, "created", what),
            author=text_of(document, "author", what),
            env=_passable(texts_of(run, "Env", what), "Env", what),
            entrypoint=_passable(_words(run, "Entrypoint", what), "Entrypoint", what),
            cmd=_passable(_words(run, "Cmd", what), "Cmd", what),
            working_dir=_passable((text_of(run, "WorkingDir", what),), "WorkingDir", what)[0],
            user=_passable((text_of(run, "User", what),), "User", what)[0],
            labels=text_map_of(run, "Labels", what),
            exposed_ports=tuple(map_of(run, "ExposedPorts", what)),
            volumes=_passable(tuple(map_of(run, "Volumes", what)), "Volumes", what),
            stop_signal=text_of(run, "StopSignal", what),
            diff_ids=tuple(_diff_id(text, what) for text in texts_of(rootfs, "diff_ids", what)),
            history=tuple(_step(step, what) for step in maps_of(document, "history", what)),
            healthcheck=Healthcheck(map_of(run, "Healthcheck", what), what),
        )


EMPTY = ImageConfig()


def _diff_id(text: str, what: str) -> Digest:
    try:
        return Digest.parse(text)
    except ProtocolError as error:
        raise error.about(what) from None


def _words(document: dict[str, object], key: str, what: str) -> tuple[str, ...]:
    """An argument vector; Docker also reads a single text, as one word."""
    value = document.get(key)
    if isinstance(value, str):
        return (value,) if value else ()
    return texts_of(document, key, what)


def _passable(texts: tuple[str, ...], key: str, what: str) -> tuple[str, ...]:
    if any("\0" in text for text in texts):
        raise ProtocolError(f"{what} has a NUL byte in {key!r}, which no program can receive")
    return texts


def _step(document: dict[str, object], what: str) -> History:
    return History(
        created=text_of(document, "created", what),
        created_by=text_of(document, "created_by", what),
        author=text_of(document, "author", what),
        comment=text_of(document, "comment", what),
        empty_layer=document.get("empty_layer") is True,
    )
