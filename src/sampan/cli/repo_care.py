"""`sampan repo init`, `gc`, `resign`, `tag`, `rollback`, `mirror` and `serve`: what operators do with a repository as a whole."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from sampan.cli.repo_read import BASE
from sampan.cli.repository import FORMAT, KEYS, NAME, PLACE, REPOSITORY, where
from sampan.distribute import layout, status
from sampan.errors import UsageError
from sampan.options.table import FLAG, VALUE, Argument, Command, Option
from sampan.runtime.store import parse_grace
from sampan.terminal import output

if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.options.table import Parsed

DAYS = 30
WAIT = Option("--wait", FLAG, "wait for another publisher instead of failing")
INIT = Command(
    "repo init",
    "make an empty repository, and its keys if there are none",
    (
        Option("--algorithm", VALUE, "what objects are named by: `sha1`, `rmd160` or `shake128`", "NAME", ("sha1", "rmd160", "shake128"), "sha1"),
        Option("--compressor", VALUE, "how objects are compressed, for ever (default: zlib-6, as the official server)", "NAME", default="zlib-6"),
        Option("--ttl", VALUE, "seconds after which clients look for a new revision (default: 240)", "SECONDS", default="240"),
        Option("--days", VALUE, f"how long the whitelist is valid (default: {DAYS})", "DAYS", default=str(DAYS)),
        *PLACE,
    ),
    (REPOSITORY,),
    description=(
        "The keys are FQRN.pub, which clients need, FQRN.key and FQRN.crt, which publishers need, and FQRN.masterkey, which signs whitelists "
        "alone: keep it where no job of others runs."
    ),
    examples=(("sampan repo init /srv/cvmfs/images.example.org", "in a directory that a web server gives out"),),
)  # fmt: skip
GC = Command(
    "repo gc",
    "remove objects that no kept revision needs",
    (
        Option(
            "--keep",
            VALUE,
            "keep the revisions of this time besides the current and the tagged ones (default: 3d)",
            "TIME",
            default="3d",
        ),
        Option("--grace", VALUE, "spare objects that are younger (default: 1d)", "TIME", default="1d"),
        Option("--dry-run", FLAG, "say what would be removed"),
        *PLACE,
    ),
    (REPOSITORY,),
    description="It may run beside a publish; then one of the two waits or is refused.",
    examples=(("sampan repo gc --keep 14d /srv/cvmfs/images.example.org", "two weeks of revisions stay"),),
)
RESIGN = Command(
    "repo resign",
    "renew the whitelist, with the master key",
    (Option("--days", VALUE, f"how long it is valid (default: {DAYS})", "DAYS", default=str(DAYS)), WAIT, *PLACE),
    (REPOSITORY,),
    description="Clients refuse a repository whose whitelist has expired. A new certificate of the publisher is brought in as well.",
    examples=(
        ("sampan repo resign --keys /media/stick/keys /srv/cvmfs/images.example.org", "with the master key from elsewhere"),
    ),
)
TAG = Command(
    "repo tag",
    "list the tags of a repository, set one or remove some",
    (
        Option("--rm", FLAG, "remove the tag"),
        Option("-m --message", VALUE, "a description", "TEXT"),
        FORMAT,
        *PLACE,
    ),
    (REPOSITORY, Argument("TAG", "?", "the tag that the current revision gets")),
    examples=(
        ("sampan repo tag /srv/cvmfs/images.example.org", "list them"),
        ("sampan repo tag /srv/cvmfs/images.example.org release-7 -m 'for the autumn run'", "name the current revision"),
    ),
)
ROLLBACK = Command(
    "repo rollback",
    "publish the state of a tag again, as a new revision",
    PLACE,
    (REPOSITORY, Argument("TAG", "1", "the tag; trunk-previous is the revision before")),
    examples=(("sampan repo rollback /srv/cvmfs/images.example.org trunk-previous", "undo the last publish"),),
)
MIRROR = Command(
    "repo mirror",
    "copy a repository, only what is missing, its manifest last",
    (Option("--workers", VALUE, "connections (default: 8)", "N", default="8"), *PLACE),
    (Argument("SOURCE", "1", "the repository to copy"), Argument("TARGET", "1", "a directory or s3://BUCKET/PREFIX")),
    description="Everything is verified on the way. Needs no key but FQRN.pub.",
    examples=(("sampan repo mirror http://s0.example.org/cvmfs/i.example.org /srv/cvmfs/i.example.org", "a replica"),),
)
SERVE = Command(
    "repo serve",
    "give a repository in a directory out over HTTP, for trials",
    (
        Option("--port", VALUE, "the port (default: any free one, which is said)", "PORT", default="0"),
        Option("--address", VALUE, "the address to listen at (default: 127.0.0.1)", "ADDRESS", default="127.0.0.1"),
        Option("--webhook", VALUE, "keep notifications of registries in this file, for `publish --events`", "FILE"),
        BASE,
        KEYS,
        NAME,
    ),
    (Argument("REPO", "1", "the directory"),),
    description=(
        "/cvmfs/FQRN/ is the repository, with ETag and Range; /status/ its status page. With --webhook, POST /webhook takes what registries send, "
        "if it has the token in SAMPAN_WEBHOOK_TOKEN as `?token=` or as `Authorization: Bearer`. In production a web server does this better."
    ),
    examples=(
        ("sampan repo serve --port 8000 /srv/cvmfs/images.example.org", "then CVMFS_SERVER_URL=http://HOST:8000/cvmfs/@fqrn@"),
    ),
)


def init(parsed: Parsed, context: Context) -> int:
    """The public key that clients need."""
    from sampan.cvmfs.publish import Options, create

    place = where(parsed, context)
    store, keys = place.new_store(), place.key_directory
    public = f"{keys}/{place.fqrn}.pub"
    if not os.path.exists(f"{keys}/{place.fqrn}.key"):
        if os.path.exists(public):
            raise UsageError(
                f"{public} is there, but {place.fqrn}.key is not", "name the directory that has all keys with --keys"
            )
        from sampan.cvmfs.newkeys import new_keys

        new_keys(keys, place.fqrn)
        context.notice.say(f"made the keys of {place.fqrn} in {keys}; keep {place.fqrn}.masterkey safe")
    options = Options(
        str(parsed.text("algorithm")),
        str(parsed.text("compressor")),
        _number(parsed, "ttl", 1, 1 << 31),
        _number(parsed, "days", 1, 36500),
    )
    manifest = create(store, place.signer(), options)
    context.notice.say(f"revision {manifest.revision} of {manifest.fqrn} in {store.name}")
    output.result(f"{public}\n")
    return 0


def collect(parsed: Parsed, context: Context) -> int:
    """What was removed."""
    from sampan.cvmfs.gc import collect as collect_garbage

    place = where(parsed, context)
    keep, grace = parse_grace(str(parsed.text("keep"))), parse_grace(str(parsed.text("grace")))
    dry = parsed.flag("dry_run")
    events = (context.notice, context.progress)
    done = collect_garbage(place.store(), place.signer(), keep_days=keep / 86400, grace=grace, dry_run=dry, events=events)
    context.progress.stop()
    removed = "would be removed" if dry else "removed"
    output.result(f"{done.roots} revisions, {done.objects} objects, {output.size(done.bytes)} {removed}\n")
    return 0


def renew(parsed: Parsed, context: Context) -> int:
    """Until when it is valid now."""
    from sampan.cvmfs.resign import resign

    place = where(parsed, context)
    made = resign(
        place.store(), place.signer(), _number(parsed, "days", 1, 36500), wait=parsed.flag("wait"), notice=context.notice
    )
    output.result(f"{place.fqrn} is signed until {status.iso(made.expires)}\n")
    return 0


def tag(parsed: Parsed, context: Context) -> int:
    """The list, or the tag set or removed."""
    from sampan.cvmfs.tags import remove_tag, set_tag

    place = where(parsed, context)
    name = parsed.text("tag")
    if name is None:
        tags = sorted(place.open().history, key=lambda one: -one.revision)
        if parsed.text("format") == "json":
            output.json_result([
                {"name": one.name, "revision": one.revision, "root": str(one.root), "time": status.iso(one.timestamp), "description": one.description}
                for one in tags
            ])  # fmt: skip
            return 0
        rows = [(one.name, str(one.revision), output.age(status.iso(one.timestamp)), one.description) for one in tags]
        output.result(output.columns(("TAG", "REVISION", "PUBLISHED", "DESCRIPTION"), rows))
        return 0
    if parsed.flag("rm"):
        remove_tag(place.store(), place.signer(), name, notice=context.notice)
    else:
        set_tag(place.store(), place.signer(), name, description=parsed.text("message") or "", notice=context.notice)
    output.result(f"{name}\n")
    return 0


def roll_back(parsed: Parsed, context: Context) -> int:
    """The new revision."""
    from sampan.cvmfs.tags import rollback

    place = where(parsed, context)
    manifest = rollback(place.store(), place.signer(), str(parsed.text("tag")), notice=context.notice)
    output.result(f"revision {manifest.revision} of {manifest.fqrn} is what {parsed.text('tag')} was\n")
    return 0


def copy(parsed: Parsed, context: Context) -> int:
    """What was copied."""
    from sampan.cvmfs.mirror import mirror

    source, target = where(parsed, context, "source"), where(parsed, context, "target")
    events = (context.notice, context.progress)
    done = mirror(
        source.objects(),
        target.new_store(),
        source.public_keys(),
        fqrn=source.fqrn,
        workers=_number(parsed, "workers", 1, 256),
        events=events,
    )
    context.progress.stop()
    output.result(f"revision {done.revision} of {source.fqrn}: {done.objects} objects, {output.size(done.bytes)} copied\n")
    return 0


def serve(parsed: Parsed, context: Context) -> int:
    """Until Ctrl-C; the address is said on standard output."""
    from sampan.distribute.serve import Server

    place = where(parsed, context)
    if not os.path.isdir(place.address):
        raise UsageError(f"{place.address} is no directory", "`repo serve` gives out repositories in directories of this machine")
    listen = (str(parsed.text("address")), _number(parsed, "port", 0, 65535))
    with Server(place, listen, layout.base_path(parsed.text("base") or ""), parsed.text("webhook"), os.environ) as server:
        output.result(f"{server.url}/cvmfs/{place.fqrn}\n")
        context.notice.say(f"status page: {server.url}/status/; Ctrl-C ends it")
        server.serve()
    return 0


def _number(parsed: Parsed, name: str, least: int, most: int) -> int:
    text = str(parsed.text(name))
    if not text.isascii() or not text.isdigit() or not least <= int(text[:12]) <= most:
        raise UsageError(f"--{name} is a number from {least} to {most}, not {text!r}")
    return int(text)


VERBS = {
    "init": (INIT, init),
    "gc": (GC, collect),
    "resign": (RESIGN, renew),
    "tag": (TAG, tag),
    "rollback": (ROLLBACK, roll_back),
    "mirror": (MIRROR, copy),
    "serve": (SERVE, serve),
}
