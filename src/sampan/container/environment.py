"""The environment of a payload, as steps that act in their order. Pure; on the start-up path."""

from __future__ import annotations

from sampan.errors import UsageError

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# What a terminal, a locale and a proxy are, here as well as there.
PASSED_NAMES = (
    "TERM", "COLORTERM", "NO_COLOR", "LANG", "LANGUAGE", "TZ",
    "http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy",
    "HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "ALL_PROXY", "NO_PROXY",
)  # fmt: skip
PASSED_PREFIXES = ("LC_",)


class Step:
    """One step: `set` NAME=VALUE, `take` NAME from the caller, `prefix` all of the caller's with it, `unset` NAME."""

    __slots__ = ("kind", "text")

    def __init__(self, kind: str, text: str) -> None:
        self.kind = kind
        self.text = text


def read_file(raw: bytes, path: str) -> list[Step]:
    """The lines of an `--env-file` as Docker reads them: `NAME=VALUE` without quoting, `NAME` taken from the caller, `#` comments.

    Raises `UsageError` that names the line.
    """
    steps = []
    for number, line in enumerate(raw.decode("utf-8-sig", "surrogateescape").splitlines(), 1):
        text = line.lstrip()
        if not text or text[0] == "#":
            continue
        name, equals, _ = text.partition("=")
        if not name or " " in name or "\t" in name or "\0" in text:
            raise UsageError(f"line {number} of {path} is not NAME=VALUE: {text[:60]!r}")
        steps.append(Step("set", text) if equals else Step("take", name))
    return steps


def from_options(pairs: tuple[str, ...]) -> list[Step]:
    """The steps of `-e`: `NAME=VALUE`, or `NAME` taken from the caller."""
    return [Step("set" if "=" in pair else "take", pair) for pair in pairs]


def evaluate(steps: list[Step], caller: dict[str, str]) -> dict[str, str]:
    """What the steps give for a caller's environment: how `sampan-run` reads them, for engines that cannot."""
    found: dict[str, str] = {}
    for step in steps:
        if step.kind == "set":
            name, _, value = step.text.partition("=")
            found[name] = value
        elif step.kind == "take" and step.text in caller:
            found[step.text] = caller[step.text]
        elif step.kind == "prefix":
            found.update({name: value for name, value in caller.items() if name.startswith(step.text)})
        elif step.kind == "unset":
            found.pop(step.text, None)
    return found
