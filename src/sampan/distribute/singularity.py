"""What Apptainer and Singularity look for in an unpacked image: the image's environment and program as shell scripts. Pure.

Names and places are theirs, the scripts our own. An image's values are quoted for the shell, so that sh and bash read back just what the
image says, quotes, dollars and line ends included. A variable that the caller has set (and not empty) wins, except PATH, as with
Apptainer. Variables whose names no shell can hold are left out with a comment.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from sampan.errors import printable

if TYPE_CHECKING:
    from sampan.oci.config import ImageConfig

DIRECTORY = ".singularity.d"
CONFIG = f"{DIRECTORY}/oci-config.json"
"""The image's configuration, byte for byte; ours, for starting without a registry."""
ENVIRONMENT = f"{DIRECTORY}/env/10-docker2singularity.sh"
RUNSCRIPT = f"{DIRECTORY}/runscript"
LINKS = {
    ".exec": f"{DIRECTORY}/actions/exec",
    ".run": f"{DIRECTORY}/actions/run",
    ".shell": f"{DIRECTORY}/actions/shell",
    ".test": f"{DIRECTORY}/actions/test",
    "environment": f"{DIRECTORY}/env/90-environment.sh",
    "singularity": RUNSCRIPT,
}
_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789")
_SOURCE = 'for script in /.singularity.d/env/*.sh; do\n    [ ! -f "$script" ] || . "$script"\ndone\n'
_LIBRARIES = """#!/bin/sh
# Libraries that the runtime puts into the container are found, whatever the image says.
LD_LIBRARY_PATH="${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}/.singularity.d/libs"
export LD_LIBRARY_PATH
"""


def files(config: ImageConfig, config_bytes: bytes) -> dict[str, tuple[int, bytes]]:
    """Path -> (mode, content) of every file; the links are `LINKS`."""
    scripts = {
        f"{DIRECTORY}/actions/exec": _action('exec "$@"'),
        f"{DIRECTORY}/actions/run": _action(f'exec /{RUNSCRIPT} "$@"'),
        f"{DIRECTORY}/actions/shell": _action('[ ! -x /bin/bash ] || exec /bin/bash --norc "$@"\nexec /bin/sh "$@"'),
        f"{DIRECTORY}/actions/start": _action(f'exec /{DIRECTORY}/startscript "$@"'),
        f"{DIRECTORY}/actions/test": _action(f'[ ! -x /{DIRECTORY}/test ] || exec /{DIRECTORY}/test "$@"'),
        f"{DIRECTORY}/env/01-base.sh": "#!/bin/sh\n",
        ENVIRONMENT: environment(config.env),
        f"{DIRECTORY}/env/90-environment.sh": "#!/bin/sh\n",
        f"{DIRECTORY}/env/95-apps.sh": "#!/bin/sh\n",
        f"{DIRECTORY}/env/99-base.sh": _LIBRARIES,
        f"{DIRECTORY}/env/99-runtimevars.sh": "#!/bin/sh\n",
        RUNSCRIPT: runscript(config.entrypoint, config.cmd),
        f"{DIRECTORY}/startscript": "#!/bin/sh\n",
    }
    found = {path: (0o755, text.encode("utf-8", "surrogateescape")) for path, text in scripts.items()}
    labels = json.dumps(config.labels, indent=2, sort_keys=True, ensure_ascii=False)
    found[f"{DIRECTORY}/labels.json"] = (0o644, labels.encode("utf-8", "surrogatepass") + b"\n")
    found[CONFIG] = (0o644, config_bytes)
    return found


def environment(pairs: tuple[str, ...]) -> str:
    """A script that sets an image's variables."""
    lines = ["#!/bin/sh"]
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name or not _LETTERS.issuperset(name) or name[0].isdigit():
            lines.append(f"# left out, for no shell can hold it: {printable(name[:80])}")
        elif name == "PATH":
            lines.append(f"PATH={quoted(value)}; export PATH")
        else:
            lines.append(f'[ -n "${{{name}:-}}" ] || {name}={quoted(value)}; export {name}')
    return "\n".join(lines) + "\n"


def runscript(entrypoint: tuple[str, ...], cmd: tuple[str, ...]) -> str:
    """A script that runs an image's program by Docker's rules: arguments replace the default ones and follow the entry point."""
    fixed = " ".join(quoted(word) for word in entrypoint)
    default = " ".join(quoted(word) for word in cmd)
    lines = ["#!/bin/sh"]
    if default:
        lines.append(f"[ $# -gt 0 ] || set -- {default}")
    if fixed:
        lines.append(f'set -- {fixed} "$@"')
    lines += ["[ $# -gt 0 ] || set -- /bin/sh", 'exec "$@"']
    return "\n".join(lines) + "\n"


def quoted(text: str) -> str:
    """A text as one word of a shell, taken literally."""
    return "'" + text.replace("'", "'\\''") + "'"


def _action(last: str) -> str:
    return f"#!/bin/sh\n{_SOURCE}{last}\n"
