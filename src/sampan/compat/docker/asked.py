"""What few command lines of `docker run` ask for: labels out of files, ports, a time zone. Imported only then."""

from __future__ import annotations

import os

from sampan.errors import CannotHonour, UsageError


def zone(text: str) -> str:
    """The name of a zone; `local` is this machine's."""
    if text != "local":
        return text
    found = os.path.realpath("/etc/localtime").partition("/zoneinfo/")[2]
    return found or "UTC"


def check_port(text: str) -> None:
    """A port that is the same inside and outside is open in any case. Raises `CannotHonour` for another, `UsageError`."""
    ports, _, protocol = text.partition("/")
    parts = ports.rpartition("]")[2].split(":")
    if protocol not in ("", "tcp", "udp", "sctp") or not all(part.replace("-", "").isdigit() for part in parts[-1:]):
        raise UsageError(f"--publish {text!r} is not [ADDRESS:]PORT:PORT")
    if len(parts) > 1 and parts[-2] not in ("", parts[-1]):
        raise CannotHonour(
            f"--publish {text} is not possible: the network is the host's, so port {parts[-1]} of the container is port {parts[-1]} here",
            "let the program listen on the port that is wanted outside",
        )


def labels(paths: tuple[str, ...]) -> list[str]:
    found: list[str] = []
    for path in paths:
        try:
            with open(path, encoding="utf-8", errors="surrogateescape") as stream:
                found += [line.strip() for line in stream if line.strip() and not line.startswith("#")]
        except OSError as error:
            raise UsageError(f"--label-file: cannot read {path}: {error.strerror}") from error
    return found
