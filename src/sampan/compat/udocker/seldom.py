"""Options of `udocker run` that few command lines have; imported for a word that is not in the first table."""

from __future__ import annotations

from sampan.compat.udocker.asked import PULLING
from sampan.options.table import FLAG, VALUE, Option
from sampan.options.unserved import SILENT, WARNED, Unserved

MORE: dict[str, tuple[Option, ...]] = {
    "run": (
        *PULLING,
        Unserved("-i --interactive", FLAG, SILENT, "standard input is always passed"),
        Unserved("-t --tty", FLAG, SILENT, "a terminal is passed where there is one"),
        Unserved("-a --attach", FLAG, SILENT, ""),
        Unserved("-P --publish-all", FLAG, SILENT, "every port is open outside"),
        Unserved("--netcoop", FLAG, SILENT, "every port is open outside"),
        Unserved("--kernel", VALUE, WARNED, "programs see the kernel that runs here"),
    )
}
