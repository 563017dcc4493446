"""Where catalogs lie while they are written."""

from __future__ import annotations

import contextlib
import tempfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def scratch_directory() -> Iterator[str]:
    """A directory for catalogs under way, below TMPDIR; gone at the end."""
    with tempfile.TemporaryDirectory(prefix="sampan-publish-") as path:
        yield path
