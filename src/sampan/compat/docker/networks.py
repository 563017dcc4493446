"""`docker network ls|inspect`: the two that there are, the host's and none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampan.compat.docker import words
from sampan.errors import UsageError
from sampan.options.table import FLAG, LIST, VALUE, Argument, Command, Option
from sampan.terminal.gotemplate.functions import Ordered, as_json
from sampan.terminal.gotemplate.rows import rendered
from sampan.terminal.output import json_result, result

if TYPE_CHECKING:
    from sampan.compat.program import Call, Verbs

_TITLES = {
    "ID": "NETWORK ID",
    "Name": "NAME",
    "Driver": "DRIVER",
    "Scope": "SCOPE",
    "IPv6": "IPV6",
    "Internal": "INTERNAL",
    "Labels": "LABELS",
}
NAMES = ("host", "none")


def _id(name: str) -> str:
    return (name.encode().hex() * 64)[:64]


def find(name: str) -> dict[str, object]:
    """As `docker network inspect` shows one. Raises `UsageError`."""
    known = next((one for one in NAMES if name == one or (len(name) > 3 and _id(one).startswith(name))), None)
    if name in ("bridge", "default"):  # what Docker has by default is the host's here
        known = "host"
    if known is None:
        raise UsageError(f"No such network: {name}", f"there are {' and '.join(NAMES)}")
    driver = "null" if known == "none" else known
    return Ordered(
        Name=name, Id=_id(known), Created="1970-01-01T00:00:00Z", Scope="local", Driver=driver, EnableIPv6=False,
        IPAM=Ordered(Driver="default", Options=None, Config=[]), Internal=False, Attachable=False, Ingress=False, Containers={}, Options={}, Labels={},
    )  # fmt: skip


def listed(call: Call) -> int:
    """The list."""
    parsed = call.parsed
    names = [name for name in NAMES if all(_fits(name, text) for text in parsed.texts("filter"))]
    form = parsed.text("format") or "table"
    if parsed.flag("quiet"):
        result("".join(f"{_id(name)[:12]}\n" for name in names))
        return 0
    if form == "json" and call.program.name == "podman":
        json_result([find(name) for name in names])
        return 0
    rows = [
        {
            "ID": _id(name) if parsed.flag("no_trunc") else _id(name)[:12], "Name": name, "Driver": "null" if name == "none" else name,
            "Scope": "local", "IPv6": "false", "Internal": "false", "Labels": "",
        }
        for name in names
    ]  # fmt: skip
    if form == "json":
        result("".join(f"{as_json(row)}\n" for row in rows))
        return 0
    form = "table {{.ID}}\t{{.Name}}\t{{.Driver}}\t{{.Scope}}" if form == "table" else form
    result(rendered(form, _TITLES, rows, lambda cells: words.columns(call.program, cells)))
    return 0


def _fits(name: str, text: str) -> bool:
    key, _, value = text.partition("=")
    if key not in ("name", "driver", "id", "type", "scope", "label", "dangling"):
        raise UsageError(f"there is no filter {text!r}", "filters are name=, driver= and id=")
    return {
        "name": value in name,
        "driver": value == ("null" if name == "none" else name),
        "id": _id(name).startswith(value),
    }.get(key, True)


def inspect(call: Call) -> int:
    """An array."""
    from sampan.compat.docker.inspect import show

    return show(call, call.parsed.texts("name"), "network")


def exists(call: Call) -> int:
    """0 or 1, without a word."""
    try:
        find(str(call.parsed.values["name"]))
    except UsageError:
        return 1
    return 0


_LIST = (
    Option("-f --filter", LIST, "only those: name= driver= id=", "KEY=VALUE"),
    Option("--format", VALUE, "`table`, `json` or a template", "FORMAT"),
    Option("--no-trunc", FLAG, "ids in full"),
    Option("-q --quiet", FLAG, "ids alone"),
)
_INSPECT = (Option("-f --format", VALUE, "`json` or a template", "FORMAT"), Option("-v --verbose", FLAG, "accepted"))
VERBS: Verbs = {
    "network ls": (Command("network ls", "list the networks that there are", _LIST), listed),
    "network exists": (
        Command("network exists", "whether there is such a network", (), (Argument("NAME", "1", "a name"),)),
        exists,
    ),
    "network inspect": (
        Command("network inspect", "show what networks are", _INSPECT, (Argument("NAME", "+", "names"),)),
        inspect,
    ),
}
