"""`sampan repo status`, `ls`, `cat` and `check`: what is read of a repository, verified down from the master key."""

from __future__ import annotations

import stat
import time
from typing import TYPE_CHECKING

from sampan.cli.repository import FORMAT, PLACE, REPOSITORY, where
from sampan.distribute import layout, pages, status_files
from sampan.errors import NotInRepository, UsageError, printable
from sampan.options.table import FLAG, VALUE, Argument, Command, Option
from sampan.terminal import output

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sampan.cli.context import Context
    from sampan.cvmfs.entry import Entry
    from sampan.cvmfs.reader import Repository
    from sampan.options.table import Parsed

BASE = Option("--base", VALUE, "the path in the repository below which the images lie (default: its root)", "PATH")
TAG = Option("--tag", VALUE, "the state with this tag instead of the current one", "TAG")
PIECE = 8 << 20

STATUS = Command(
    "repo status",
    "show what is published: digest, when, size, the last error",
    (
        Option("--format", VALUE, "`table`, `json`, `html` or `prometheus`", "FORMAT", ("table", "json", "html", "prometheus"), "table"),
        Option("--status", VALUE, "the directory where `publish --status` keeps errors", "DIR"),
        BASE,
        *PLACE,
    ),
    (REPOSITORY,),
    description="What is published stands in the repository; errors of the last run lie beside it, or where `publish --status` put them.",
    examples=(("sampan repo status /srv/cvmfs/images.example.org --format html >status.html", "the page"),),
)  # fmt: skip
LS = Command(
    "repo ls",
    "list a directory of a repository",
    (
        Option("-l --long", FLAG, "with modes, owners, sizes and times"),
        Option("-R --recursive", FLAG, "everything below it, as paths"),
        Option("-a --all", FLAG, "hidden entries too"),
        TAG,
        *PLACE,
    ),
    (REPOSITORY, Argument("PATH", "?", "a path in it (default: its root)")),
    examples=(("sampan repo ls -l http://cvmfs.example.org/cvmfs/images.example.org /", "over the network"),),
)
CAT = Command(
    "repo cat",
    "write a file of a repository to standard output",
    (TAG, *PLACE),
    (REPOSITORY, Argument("PATH", "1", "the file; links are followed inside the repository")),
    examples=(("sampan repo cat /srv/cvmfs/images.example.org /.metadata/sampan.json", "what is noted as published"),),
)
CHECK = Command(
    "repo check",
    "read a whole repository and name every fault",
    (Option("--catalogs", FLAG, "catalogs alone, not the contents of files"), FORMAT, *PLACE),
    (REPOSITORY,),
    description="Exit status 0 without faults, else 125.",
    examples=(("sampan repo check /srv/cvmfs/images.example.org", "every catalog and every object"),),
)


def show_status(parsed: Parsed, context: Context) -> int:
    """The table, or a document."""
    place = where(parsed, context)
    directory, form = parsed.text("status"), parsed.text("format")
    before = status_files.remembered(place.objects(), directory, context.notice)
    found = status_files.current(place.open(), layout.base_path(parsed.text("base") or ""), before)
    if form in ("html", "prometheus"):
        output.result_bytes(pages.html(found) if form == "html" else pages.prometheus(found))
    elif form == "json":
        output.json_result(found.document())
    else:
        rows = [
            (line.link, line.platform, line.condition, output.age(line.published) if line.published else "", output.size(line.size),
             str(line.files), line.error or output.short(line.digest))
            for line in found.lines
        ]  # fmt: skip
        output.result(output.columns(("IMAGE", "PLATFORM", "STATE", "PUBLISHED", "SIZE", "FILES", "DIGEST OR ERROR"), rows))
        context.notice.say(
            f"{found.repository}: revision {found.revision} of {found.revision_time}, signed until {found.whitelist_until}, "
            f"{found.failing} failing"
        )
    return 0


def list_entries(parsed: Parsed, context: Context) -> int:
    """Names, or lines as `ls -l` has them."""
    repository = _state(parsed, context)
    path = _path(parsed.text("path") or "")
    entry = repository.lookup(path)
    if entry is None:
        raise NotInRepository(f"{repository.name} has no {printable(path) or '/'}")
    hidden = parsed.flag("all")
    found: Iterator[tuple[bytes, Entry]]
    if parsed.flag("recursive"):
        found = repository.walk(path, hidden=hidden)
    elif entry.is_directory:
        found = ((one.name, one) for one in repository.listdir(path, hidden=hidden))
    else:
        found = iter([(entry.name, entry)])
    lines: list[bytes] = []
    for name, one in found:
        lines.append(_line(name or b"/", one) if parsed.flag("long") else name or b"/")
        if len(lines) == 4096:
            output.result_bytes(b"\n".join(lines) + b"\n")
            lines.clear()
    output.result_bytes(b"".join(line + b"\n" for line in lines))
    return 0


def _line(name: bytes, one: Entry) -> bytes:
    arrow = b" -> " + one.target if one.is_symlink else b""
    moment = time.strftime("%Y-%m-%d %H:%M", time.gmtime(one.mtime // 1_000_000_000))
    return f"{stat.filemode(one.mode)} {one.links:3} {one.uid:5} {one.gid:5} {one.size:11} {moment} ".encode() + name + arrow


def write_out(parsed: Parsed, context: Context) -> int:
    """The file's bytes."""
    repository = _state(parsed, context)
    entry = followed(repository, _path(parsed.text("path") or ""))
    if not entry.is_file:
        raise UsageError(f"{parsed.text('path')} is no file of {repository.name}", "`sampan repo ls` lists directories")
    for at in range(0, entry.size, PIECE):
        output.result_bytes(repository.read(entry, at, PIECE))
    return 0


def followed(repository: Repository, path: bytes) -> Entry:
    """The entry that a path leads to through links, which stay inside. Raises `NotInRepository`."""
    done = b""
    parts = [part for part in path.split(b"/") if part][::-1]
    links = 0
    entry = repository.lookup(b"")
    while parts:
        part = parts.pop()
        if part == b"..":
            done = done.rpartition(b"/")[0]
            continue
        if part in (b"", b"."):
            continue
        entry = repository.lookup(done + b"/" + part)
        links += entry is not None and entry.is_symlink
        if entry is None or links > 40:
            break
        if entry.is_symlink:
            done = b"" if entry.target.startswith(b"/") else done
            parts += entry.target.split(b"/")[::-1]
        else:
            done += b"/" + part
    entry = repository.lookup(done) if not parts and entry is not None else None
    if entry is None:
        raise NotInRepository(f"{repository.name} has no {printable(path) or '/'}", "`sampan repo ls` shows what it has")
    return entry


def check_all(parsed: Parsed, context: Context) -> int:
    """A line a fault."""
    from sampan.cvmfs.check import check

    place = where(parsed, context)
    found = check(place.open(), place.objects(), data=not parsed.flag("catalogs"), progress=context.progress)
    context.progress.stop()
    if parsed.text("format") == "json":
        output.json_result({**found._asdict(), "faults": list(found.faults)})
    else:
        output.result("".join(f"{fault}\n" for fault in found.faults))
    context.notice.say(
        f"{found.catalogs} catalogs, {found.entries} entries, {found.objects} objects, {output.size(found.bytes)}: "
        f"{len(found.faults) or 'no'} faults"
    )
    return 125 if found.faults else 0


def _state(parsed: Parsed, context: Context) -> Repository:
    repository = where(parsed, context).open()
    tag = parsed.text("tag")
    return repository if tag is None else repository.at(tag)


def _path(text: str) -> bytes:
    parts = [part for part in text.split("/") if part]
    return "".join(f"/{part}" for part in parts).encode("utf-8", "surrogateescape")


VERBS = {"status": (STATUS, show_status), "ls": (LS, list_entries), "cat": (CAT, write_out), "check": (CHECK, check_all)}
