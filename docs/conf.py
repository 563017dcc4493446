"""How Sphinx makes the pages: `make docs`."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
project = "sampan"
author = "the sampan developers"
release = re.search(r'__version__ = "(.+)"', (ROOT / "src/sampan/__init__.py").read_text()).group(1)  # type: ignore[union-attr]
extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
myst_heading_anchors = 3
myst_enable_extensions = ["deflist"]
# Only pages of ours: nothing is fetched while building.
html_theme = "furo"
html_title = f"sampan {release}"
html_show_sourcelink = False
html_copy_source = False
pygments_style = "default"
