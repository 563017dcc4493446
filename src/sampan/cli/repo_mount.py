"""`sampan repo mount`, `umount`, `mounts` and `trace`: repositories as directories of this machine, and what is read of them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from sampan.errors import HostError, UsageError
from sampan.options.table import FLAG, LIST, VALUE, Argument, Command, Option
from sampan.terminal import output

if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.options.table import Parsed
    from sampan.runtime.repositories import Stated
    from sampan.runtime.trace import Traced

SOURCE_OPTIONS = (
    Option("--url", LIST, "a server of the repository; several are asked in turn", "URL"),
    Option("--keys", VALUE, "its public key, or the directory that has it as NAME.pub (default: the setting repo_keys)", "PATH"),
    Option("--proxy", VALUE, "proxies: groups by `;`, members by `|`, DIRECT for none", "PROXIES"),
    Option("--tag", VALUE, "the state with this tag", "NAME"),
    Option("--root-hash", VALUE, "the state with this root catalog", "HASH"),
    Option("--offline", FLAG, "ask no server: only what is in the cache"),
)
FORMAT = Option("--format", VALUE, "`table` or `json`", "FORMAT", ("table", "json"), "table")
MOUNT = Command(
    "repo mount",
    "show a repository as a directory, fetching only what is read",
    (*SOURCE_OPTIONS, Option("-f --foreground", FLAG, "stay, and tell what happens, until Ctrl-C")),
    (Argument("REPOSITORY", "1", "its name, or its URL"), Argument("DIR", "1", "an empty directory")),
    description=(
        "Needs /dev/fuse and, for ordinary users, fusermount3; no CVMFS software. What was read stays in the node's cache. New revisions appear "
        "by themselves. `sampan repo umount DIR` ends it: whoever uses it goes on."
    ),
    examples=(
        ("sampan repo mount sw.example.org /tmp/sw", "as the settings or /etc/cvmfs describe it"),
        ("sampan repo mount http://127.0.0.1:8000/cvmfs/sw.example.org /tmp/sw --keys sw.example.org.pub", "by its address"),
    ),
)
UMOUNT = Command(
    "repo umount",
    "take a mounted repository away",
    (Option("-l --lazy", FLAG, "also while it is used: who uses it goes on"),),
    (Argument("DIR", "+", "where it is mounted"),),
    examples=(("sampan repo umount /tmp/sw", "fails if a program uses it"),),
)
MOUNTS = Command(
    "repo mounts",
    "list the mounts that `sampan run cvmfs://` keeps on this node",
    (FORMAT,),
    examples=(("sampan repo mounts --format json", "with what was fetched, and the directory"),),
)


def stated_of(parsed: Parsed) -> Stated:
    """What the options say of a repository."""
    from sampan.runtime.repositories import Stated

    return Stated(
        parsed.texts("url"),
        parsed.text("keys") or "",
        parsed.text("proxy") or "",
        parsed.text("tag") or "",
        parsed.text("root_hash") or "",
    )


def mount(parsed: Parsed, context: Context) -> int:
    """Nothing on standard output; it returns when the mount answers."""
    from sampan.runtime.mounting import mount_at

    directory = os.path.abspath(str(parsed.values["dir"]))
    if not os.path.isdir(directory) and not _is_dead(directory):
        raise UsageError(f"there is no directory {directory}", f"mkdir {directory}")
    session = context.session(parsed)
    mount_at(str(parsed.values["repository"]), directory, session, stated_of(parsed), foreground=parsed.flag("foreground"))
    return 0


def _is_dead(directory: str) -> bool:
    from sampan.cvmfs.fuse.mounting import is_dead

    return is_dead(directory)


def umount(parsed: Parsed, _context: Context) -> int:
    """Nothing on standard output."""
    from sampan.cvmfs.fuse import mounting

    for directory in parsed.texts("dir"):
        path = os.path.abspath(directory)
        dead = mounting.is_dead(path)
        if not dead and not os.path.ismount(path):
            raise UsageError(f"nothing is mounted on {path}")
        if not mounting.unmount(path, lazily=parsed.flag("lazy") or dead):
            raise HostError(f"{path} is in use", "end what uses it, or take it away with --lazy")
    return 0


def mounts(parsed: Parsed, context: Context) -> int:
    """A row a mount."""
    from sampan.runtime.mounts import listing

    found = listing(context.session())
    if parsed.text("format") == "json":
        output.json_result(found)
        return 0
    rows = [
        (
            str(one.get("repository")), str(one.get("revision")), output.age(str(one.get("since"))), str(one.get("requests")),
            output.size(int(str(one.get("fetched")))), str(one.get("pid")), str(one.get("directory")),
        )
        for one in found
    ]  # fmt: skip
    output.result(output.columns(("REPOSITORY", "REVISION", "SINCE", "REQUESTS", "FETCHED", "PID", "DIRECTORY"), rows))
    return 0


TRACE = Command(
    "repo trace",
    "record which files a start of an image reads, so that others fetch them first",
    (
        Option("-o --output", VALUE, "write the list into this file", "FILE"),
        Option("--publish", VALUE, "put it beside the image, into the repository at this address", "REPO"),
        Option("--keys", VALUE, "the publisher's directory of keys (default: the setting repo_keys)", "DIR"),
    ),
    (
        Argument("IMAGE", "1", "as cvmfs://NAME/PATH"),
        Argument("COMMAND", "*", "the program and its arguments; default: what the image names"),
    ),
    description=(
        "The command is run as `sampan run` would, over a mount of its own; its exit status is the command's. From then on `sampan run "
        "cvmfs://` fetches what is recorded at once and side by side, while the program starts. Run it with what users run."
    ),
    examples=(
        (
            "sampan repo trace cvmfs://sw.example.org/docker.io/library/python:3 python3 -c 'import json'",
            "the list on standard output",
        ),
        (
            "sampan repo trace --publish /srv/cvmfs/sw.example.org cvmfs://sw.example.org/docker.io/library/python:3 python3 -c ''",
            "for all",
        ),
    ),
    options_end=True,
)


def trace(parsed: Parsed, context: Context) -> int:
    """The list, unless it goes elsewhere; the command's exit status."""
    from sampan.runtime.trace import trace as record

    session = context.session()
    done = record(str(parsed.values["image"]), parsed.texts("command"), session)
    if done.status != 0:
        context.notice.warn(f"the command ended with {done.status}; nothing is recorded")
        return done.status
    file, address = parsed.text("output"), parsed.text("publish")
    if file is not None:
        try:
            with open(file, "wb") as stream:
                stream.write(done.document())
        except OSError as error:
            raise UsageError(f"cannot write {file}: {error.strerror}") from error
    if address is not None:
        _publish(done, address, parsed, context)
    if file is None and address is None:
        output.result(done.document().decode("ascii"))
    context.notice.say(f"{len(done.paths)} files with {output.size(done.size)} were read")
    return 0


def _publish(done: Traced, address: str, parsed: Parsed, context: Context) -> None:
    """Put the list where starts look for it, as one revision."""
    import io

    from sampan.cvmfs.entry import regular
    from sampan.distribute.address import StorePlace, Where

    place = Where(address, context.settings, context.notice, os.environ)
    place.keys = os.path.expanduser(parsed.text("keys") or "")
    if place.fqrn != done.repository:
        raise UsageError(f"{address} is not the repository {done.repository} that was traced")
    with StorePlace(place).begin(done.list_path, context.notice, wait=True) as publication:
        publication.put(done.list_path, regular(publication.bodies.add(io.BytesIO(done.document()))))
        publication.commit()


VERBS = {"trace": (TRACE, trace), "mount": (MOUNT, mount), "umount": (UMOUNT, umount), "mounts": (MOUNTS, mounts)}
