"""Mount points that lie in directories of the host: Docker makes them there, and cwltool and miniwdl count on it.

`-v A:/w -v B/x:/w/d/x` needs a file `d/x` in A to mount on. `sampan run` refuses to make anything in a directory of the host unasked;
the compatible programs make it, as the originals do: empty, and only below A itself. A link on the way is not followed, because what
ran before may have left it there; the launcher refuses such a target then. On the start-up path.
"""

from __future__ import annotations

import os

from sampan.container.mounts import Bind, parse_mount, parse_volume

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.container.request import Request

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def make(request: Request) -> None:
    """Make what is missing of the mount points of binds within other binds. Raises `UsageError` for a bind that cannot be read."""
    if len(request.volumes) + len(request.mounts) < 2:
        return
    here = os.getcwd()
    found = [parse_volume(text, here) for text in request.volumes] + [parse_mount(text, here) for text in request.mounts]
    binds = sorted((one for one in found if isinstance(one, Bind)), key=lambda bind: bind.target.count("/"))
    for at, inner in enumerate(binds):
        outer = next((one for one in reversed(binds[:at]) if inner.target.startswith(f"{one.target}/")), None)
        if outer is not None and "ro" not in outer.flags:
            _make_below(outer.source, inner.target[len(outer.target) + 1 :].split("/"), is_directory=os.path.isdir(inner.source))


def _make_below(root: str, names: list[str], *, is_directory: bool) -> None:
    """Directories for all names but the last, and an empty file or directory for that, where there is nothing.

    What the system refuses is left to the launcher, which names what is missing.
    """
    try:
        place = os.open(root, _DIRECTORY & ~os.O_NOFOLLOW)
    except OSError:
        return
    try:
        for name in names if is_directory else names[:-1]:
            try:
                os.mkdir(name, 0o755, dir_fd=place)
            except FileExistsError:
                pass
            below = os.open(name, _DIRECTORY, dir_fd=place)
            os.close(place)
            place = below
        if not is_directory:
            os.close(os.open(names[-1], os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644, dir_fd=place))
    except OSError:
        pass
    finally:
        os.close(place)
