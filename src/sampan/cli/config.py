"""`sampan config`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampan.errors import UsageError
from sampan.options.parse import nearest
from sampan.options.table import VALUE, Argument, Command, Option
from sampan.settings import BY_NAME, TABLE
from sampan.terminal import output

if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.options.table import Parsed

COMMAND = Command(
    "config",
    "show the settings and where they come from",
    (Option("--format", VALUE, "`table` or `json`", "FORMAT", ("table", "json"), "table"),),
    (Argument("KEY", "?", "only the value of this setting"),),
    description="Set them in /etc/sampan/config.toml, ~/.config/sampan/config.toml or by the variables named here; the later place wins.",
    examples=(("sampan config home", "where the store is"),),
)


def main(parsed: Parsed, context: Context) -> int:
    """A table, an object, or one value."""
    settings = context.settings
    key = parsed.text("key")
    if key is not None:
        if key not in BY_NAME:
            near = nearest(key, BY_NAME)
            raise UsageError(f"there is no setting {key!r}", f"did you mean {near}?" if near else "see `sampan config`")
        output.result(f"{_shown(settings[key])}\n")
        return 0
    if parsed.text("format") == "json":
        output.json_result({name: {"value": settings[name], "origin": settings.origin(name)} for name in BY_NAME})
        return 0
    rows = [
        (setting.name, _shown(settings[setting.name]) or "-", settings.origin(setting.name), setting.variable)
        for setting in TABLE
    ]
    output.result(output.columns(("SETTING", "VALUE", "FROM", "VARIABLE"), rows))
    return 0


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return ",".join(value) if isinstance(value, tuple) else str(value)
