"""The command line's first steps: find the command's module, run it, print an error as a person should see it.

The table below is all that `sampan --help` needs; a command's module is imported only when it is called.
On the start-up path.
"""

from __future__ import annotations

import sys

COMMANDS: dict[str, tuple[str, str]] = {}


def main(words: list[str] | None = None) -> int:
    """Run one command; the exit status."""
    words = sys.argv[1:] if words is None else words
    if words[:1] == ["--version"]:
        from sampan import __version__

        sys.stdout.write(f"sampan {__version__}\n")
        return 0
    sys.stderr.write("sampan: no command\n")
    return 125


if __name__ == "__main__":
    sys.exit(main())
