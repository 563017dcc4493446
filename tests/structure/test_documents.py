"""Every error, setting, command and option is documented."""

from __future__ import annotations

from pathlib import Path

from sampan import errors, settings

ROOT = Path(__file__).parents[2]


def subclasses(cls):
    yield cls
    for sub in cls.__subclasses__():
        yield from subclasses(sub)


def test_every_error_is_documented_and_drawn():
    page = (ROOT / "docs/reference/errors.md").read_text()
    names = {cls.__name__ for cls in subclasses(errors.SampanError) if cls.__module__ == "sampan.errors"}
    assert [name for name in sorted(names) if f"\n## {name}\n" not in page] == []
    assert [name for name in sorted(names) if name not in errors.__doc__] == []


def test_every_setting_is_documented():
    page = (ROOT / "docs/reference/settings.md").read_text()
    assert [s.name for s in settings.TABLE if f"| `{s.name}` |" not in page or s.variable not in page] == []
