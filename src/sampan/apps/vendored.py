"""The JSON schema of Boutiques descriptors that lies beside this module, with its licence. On the path of the first `app launch` of a file."""

from __future__ import annotations

import os

from sampan.errors import HostError
from sampan.oci.scan import scan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_PATH = os.path.join(os.path.dirname(__file__), "schema", "boutiques-0.5.json")
_loader: Any = __loader__  # type: ignore[name-defined,unused-ignore]
_read: list[dict[str, object]] = []


def boutiques_schema() -> dict[str, object]:
    """The schema, read once a process. Raises `HostError` if the installation is damaged."""
    if not _read:
        try:
            # By the module's own loader: in sampan.pyz there is no such file.
            found = scan(_loader.get_data(_PATH).decode("utf-8"))
        except (OSError, ValueError) as error:
            raise HostError(f"{_PATH} cannot be read: {error}", "install sampan again") from error
        if not isinstance(found, dict):
            raise HostError(f"{_PATH} is damaged", "install sampan again")
        _read.append(found)
    return _read[0]
