"""A status as a page for people and as text for Prometheus. Pure.

The page is one file without scripts or anything from elsewhere, so that it can lie on any web server beside the repository. Everything
that comes from lists or registries is escaped.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from sampan.distribute.retention import seconds
from sampan.distribute.status import FAILING, MISSING, OK

if TYPE_CHECKING:
    from sampan.distribute.status import Line, Status

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 75rem; padding: 0 1rem; color: #1a1a1a; background: #fff }
h1 { font-size: 1.4rem } dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1.5rem } dt { color: #555 } dd { margin: 0 }
table { border-collapse: collapse; width: 100%; margin-top: 1.5rem } th, td { text-align: left; padding: .35rem .8rem .35rem 0;
border-bottom: 1px solid #ddd; vertical-align: top } td.number { text-align: right; white-space: nowrap } code { font-size: .9em;
overflow-wrap: anywhere } .failing, .missing { font-weight: 600; color: #a00 } .error { color: #a00; margin-top: .2rem }
@media (prefers-color-scheme: dark) { body { color: #ddd; background: #161616 } th, td { border-color: #333 } dt { color: #999 }
.failing, .missing, .error { color: #f77 } }
"""
_WORDS = {OK: "published", FAILING: "old version, update fails", MISSING: "not published"}


def html(status: Status) -> bytes:
    """The page, in UTF-8. Failing images come first."""
    lines = sorted(status.lines, key=lambda line: (not line.error, line.link, line.platform))
    facts = (
        ("revision", f"{status.revision}, {_moment(status.revision_time)}"),
        ("registries asked", _moment(status.checked)),
        ("images", f"{sum(line.condition != MISSING for line in lines)}, {amount(status.size)} of files"),
        ("failing", str(status.failing)),
        ("signed until", _moment(status.whitelist_until)),
    )
    title = f"{escape(status.repository)}: published images"
    parts = [
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">',
        f'<meta name="viewport" content="width=device-width"><title>{title}</title><style>{_STYLE}</style></head><body>',
        f"<h1>{title}</h1><dl>",
        *(f"<dt>{name}</dt><dd>{escape(value)}</dd>" for name, value in facts),
        "</dl>\n<table><thead><tr><th>image</th><th>state</th><th>published</th><th>size</th><th>files</th><th>digest</th></tr></thead><tbody>",
        *(_row(line) for line in lines),
        '</tbody></table>\n<p>The same as <a href="status.json">JSON</a> and for <a href="metrics.txt">Prometheus</a>.</p></body></html>\n',
    ]
    return "\n".join(parts).encode("utf-8", "backslashreplace")


def _row(line: Line) -> str:
    error = ""
    if line.error:
        error = f'<div class="error">{escape(line.error)} (since {escape(_moment(line.failing_since))})</div>'
    platform = f" <small>{escape(line.platform)}</small>" if line.platform else ""
    return (
        f"<tr><td><code>{escape(line.link)}</code>{platform}{error}</td>"
        f'<td class="{escape(line.condition)}">{_WORDS.get(line.condition, "")}</td><td>{escape(_moment(line.published))}</td>'
        f'<td class="number">{amount(line.size) if line.digest else ""}</td><td class="number">{line.files if line.digest else ""}</td>'
        f"<td><code>{escape(line.digest[:19])}</code></td></tr>"
    )


def prometheus(status: Status) -> bytes:
    """The text exposition format, version 0.0.4."""
    repository = f'repository="{_label(status.repository)}"'
    parts = [
        *_metric("sampan_repository_revision", "gauge", "Number of the current revision.", [(repository, status.revision)]),
        *_metric("sampan_repository_published_seconds", "gauge", "When it was published.", [(repository, seconds(status.revision_time))]),
        *_metric("sampan_repository_checked_seconds", "gauge", "When registries were last asked.", [(repository, seconds(status.checked))]),
        *_metric("sampan_repository_whitelist_expiry_seconds", "gauge", "Until when it is signed.", [(repository, seconds(status.whitelist_until))]),
        *_metric("sampan_repository_images_failing", "gauge", "Images whose last update failed.", [(repository, status.failing)]),
        *_metric("sampan_image_published_seconds", "gauge", "When an image was published; 0: never.",
                 [(_labels(status, line), seconds(line.published)) for line in status.lines]),
        *_metric("sampan_image_size_bytes", "gauge", "Bytes of its files.", [(_labels(status, line), line.size) for line in status.lines]),
        *_metric("sampan_image_files", "gauge", "Number of its files.", [(_labels(status, line), line.files) for line in status.lines]),
        *_metric("sampan_image_failing", "gauge", "1 if its last update failed.",
                 [(_labels(status, line), int(bool(line.error))) for line in status.lines]),
    ]  # fmt: skip
    return "".join(f"{part}\n" for part in parts).encode("utf-8", "backslashreplace")


def _metric(name: str, kind: str, help: str, samples: list[tuple[str, int]]) -> list[str]:
    return [f"# HELP {name} {help}", f"# TYPE {name} {kind}", *(f"{name}{{{labels}}} {value}" for labels, value in samples)]


def _labels(status: Status, line: Line) -> str:
    pairs = (("repository", status.repository), ("image", line.link), ("platform", line.platform))
    return ",".join(f'{name}="{_label(value)}"' for name, value in pairs)


def _label(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _moment(text: str) -> str:
    return text.replace("T", " ").replace("Z", " UTC") if text else "unknown"


def amount(count: int) -> str:
    """Bytes in units of 1000."""
    value = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 999.5:
            return f"{value:.0f} {unit}" if unit == "B" or value >= 99.95 else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"
