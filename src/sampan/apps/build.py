"""A checked descriptor as values. On the path of `app launch`."""

from __future__ import annotations

from sampan.apps.application import (
    COMMAND,
    Application,
    Container,
    Group,
    Input,
    Output,
    Resources,
    Stream,
    Subcommand,
    Test,
    Vip,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    Found = dict[str, Any]

DEFAULT_SHELL = "/bin/sh"


def application(found: Found, data: bytes, origin: str) -> Application:
    """The application that a valid descriptor describes."""
    vip = _vip(found.get("custom") or {})
    fields: Found = {
        "name": found["name"],
        "version": found.get("tool-version") or "unknown",
        "description": found.get("description") or "",
        "author": found.get("author") or "",
        "url": found.get("url") or "",
        "command_line": found["command-line"],
        "shell": found.get("shell") or DEFAULT_SHELL,
        "inputs": tuple(_input(one, vip.overridden) for one in found["inputs"]),
        "outputs": tuple(_output(one) for one in found.get("output-files") or ()),
        "groups": tuple(_group(one) for one in found.get("groups") or ()),
        "container": _container(found.get("container-image")),
        "environment": tuple((one["name"], one["value"]) for one in found.get("environment-variables") or ()),
        "error_codes": {one["code"]: one["description"] for one in found.get("error-codes") or ()},
        "resources": _resources(found.get("suggested-resources") or {}),
        "tests": tuple(_test(one) for one in found.get("tests") or ()),
        "tags": found.get("tags") or {},
        "custom": found.get("custom") or {},
        "vip": vip,
        "streams": tuple(
            Stream(
                id=found[key]["id"],
                name=found[key].get("name") or "",
                description=found[key].get("description") or "",
                stream=stream,
            )
            for key, stream in (("stdout-output", "stdout"), ("stderr-output", "stderr"))
            if found.get(key)
        ),
        "origin": origin,
        "data": data,
    }
    return Application(**fields)


def _input(found: Found, overridden: dict[str, str]) -> Input:
    kind = found["type"]
    commands = [kind] if isinstance(kind, dict) else kind if isinstance(kind, list) else []
    return Input(
        id=found["id"],
        name=found.get("name") or found["id"],
        type=COMMAND if commands else kind,
        description=found.get("description") or "",
        optional=bool(found.get("optional")),
        list=bool(found.get("list")),
        separator=found.get("list-separator", " "),
        value_key=found.get("value-key") or "",
        flag=found.get("command-line-flag"),
        flag_separator=found.get("command-line-flag-separator", " "),
        default=found.get("default-value"),
        choices=tuple(found.get("value-choices") or ()),
        requires=tuple(found.get("requires-inputs") or ()),
        disables=tuple(found.get("disables-inputs") or ()),
        value_requires={key: tuple(ids) for key, ids in (found.get("value-requires") or {}).items()},
        value_disables={key: tuple(ids) for key, ids in (found.get("value-disables") or {}).items()},
        integer=bool(found.get("integer")),
        minimum=found.get("minimum"),
        maximum=found.get("maximum"),
        exclusive_minimum=bool(found.get("exclusive-minimum")),
        exclusive_maximum=bool(found.get("exclusive-maximum")),
        min_entries=_whole(found.get("min-list-entries")),
        max_entries=_whole(found.get("max-list-entries")),
        absolute=bool(found.get("uses-absolute-path")),
        hidden=found["id"] in overridden,
        commands=tuple(_command(one) for one in commands),
        mutable=bool(found.get("mutable")),
        resolve_parent=bool(found.get("resolve-parent")),
        media_types=tuple(found.get("media-types") or ()),
    )


def _whole(number: float | None) -> int | None:
    return None if number is None else int(number)


def _command(found: Found) -> Subcommand:
    return Subcommand(
        id=found["id"],
        name=found.get("name") or found["id"],
        command_line=found["command-line"],
        inputs=tuple(_input(one, {}) for one in found.get("inputs") or ()),
        outputs=tuple(_output(one) for one in found.get("output-files") or ()),
    )


def _output(found: Found) -> Output:
    conditions = tuple((key, path) for one in found.get("conditional-path-template") or () for key, path in one.items())
    return Output(
        id=found["id"],
        name=found.get("name") or found["id"],
        description=found.get("description") or "",
        value_key=found.get("value-key") or "",
        path=found.get("path-template") or "",
        conditions=conditions,
        stripped=tuple(found.get("path-template-stripped-extensions") or ()),
        optional=bool(found.get("optional")),
        list=bool(found.get("list")),
        flag=found.get("command-line-flag"),
        flag_separator=found.get("command-line-flag-separator", " "),
        absolute=bool(found.get("uses-absolute-path")),
        template=tuple(found.get("file-template") or ()),
    )


def _group(found: Found) -> Group:
    return Group(
        id=found["id"],
        name=found.get("name") or found["id"],
        description=found.get("description") or "",
        members=tuple(found["members"]),
        exclusive=bool(found.get("mutually-exclusive")),
        one_required=bool(found.get("one-is-required")),
        all_or_none=bool(found.get("all-or-none")),
    )


def _container(found: Found | None) -> Container | None:
    if not found:
        return None
    return Container(
        kind=found["type"],
        image=found.get("image") or "",
        index=found.get("index") or "",
        url=found.get("url") or "",
        options=tuple(found.get("container-opts") or ()),
        workdir=found.get("working-directory") or "",
        hash=found.get("container-hash") or "",
        entrypoint=bool(found.get("entrypoint")),
    )


def _resources(found: Found) -> Resources:
    return Resources(
        cpu_cores=found.get("cpu-cores"),
        ram=found.get("ram"),
        disk_space=found.get("disk-space"),
        nodes=found.get("nodes"),
        walltime=found.get("walltime-estimate"),
    )


def _test(found: Found) -> Test:
    assertions = found["assertions"]
    files = tuple((one["id"], one.get("md5-reference") or "") for one in assertions.get("output-files") or ())
    return Test(name=found["name"], invocation=found["invocation"], exit_code=assertions.get("exit-code"), files=files)


def _vip(custom: Found) -> Vip:
    directories = custom.get("vip:directoryInputs") or {}
    return Vip(
        dot=tuple(custom.get("vip:dot") or ()),
        directory_inputs={id: tuple((rule or {}).get("patterns") or ()) for id, rule in directories.items()},
        integer_iterators=tuple(custom.get("vip:intIteratorInputs") or ()),
        overridden=dict(custom.get("vip:overriddenInputs") or {}),
        results_suffix=custom.get("vip:resultsDirectorySuffix"),
    )
