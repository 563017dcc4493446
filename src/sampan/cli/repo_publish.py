"""`sampan repo publish`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from sampan.cli.authfile import AUTHFILE
from sampan.cli.repository import PLACE, REPOSITORY, where
from sampan.distribute import layout, status_files, wishlist
from sampan.distribute.address import GatewayPlace, StorePlace
from sampan.distribute.credentials import with_credentials
from sampan.distribute.expand import Naming
from sampan.distribute.incoming import chosen
from sampan.distribute.memory import give_back_at_once
from sampan.distribute.notify import deliver
from sampan.distribute.publish import CONNECTIONS, Job, publish
from sampan.errors import UsageError
from sampan.image.resolve import this_host
from sampan.oci.platform import Platform
from sampan.options.table import FLAG, LIST, VALUE, Command, Option
from sampan.registry.client import Client
from sampan.registry.transport import Transport
from sampan.runtime.store import parse_amount, parse_grace
from sampan.terminal import output

if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.distribute.report import Report, Row
    from sampan.distribute.wishlist import Wishlist
    from sampan.options.table import Parsed

DEFAULT_PLATFORM = "linux/amd64"

PUBLISH = Command(
    "repo publish",
    "bring the images of a list into a repository, as one revision",
    (
        Option("--list", LIST, "a list of images: CERN's YAML or OSG's text; may be given again", "FILE"),
        Option("--only", LIST, "only images whose name in the repository or reference matches", "PATTERN"),
        Option("--dry-run", FLAG, "ask the registries and say what would be done"),
        Option("--prune", FLAG, "take out what the list wants no more, and directories that no name leads to"),
        Option("--grace", VALUE, "how long such directories stay for jobs that use them, as 7d or 12h (default: 7d)", "TIME"),
        Option("--quota", VALUE, "layers that the images of the list may have together at the registry, as 500GB", "SIZE"),
        Option("--label", VALUE, "the name by which the repository knows the list (default: the file's)", "NAME"),
        Option("--platform", LIST, f"take this platform; given again, several (default: {DEFAULT_PLATFORM})", "OS/ARCH[/VARIANT]"),
        Option("--base", VALUE, "the path in the repository below which everything lies (default: its root)", "PATH"),
        Option("--osg-names", FLAG, "NAMESPACE/NAME:TAG as a second name, without the registry"),
        Option("--bind-point", LIST, "one more directory that every image gets if it has nothing there", "PATH"),
        Option("--parallel", VALUE, "images at the same time (default: 2)", "N", default="2"),
        Option("--wait", FLAG, "wait for another publisher instead of failing"),
        Option("--no-verify", FLAG, "do not read again what was published"),
        Option("--gateway", VALUE, "publish through the gateway at this URL; REPO is where the repository is read", "URL"),
        Option("--gateway-key", VALUE, "its key file `plain_text ID SECRET` (default: SAMPAN_GATEWAY_KEY holds that text)", "FILE"),
        Option("--status", VALUE, "also write status.html, status.json and metrics.txt there", "DIR"),
        Option("--notify", LIST, "add a JSON line for each event to a file", "FILE"),
        Option("--webhook", LIST, "POST the report to this URL", "URL"),
        Option("--events", VALUE, "only images that a file of registry notifications names; it is emptied", "FILE"),
        Option("--format", VALUE, "`table` or `json`", "FORMAT", ("table", "json"), "table"),
        AUTHFILE,
        *PLACE,
    ),
    (REPOSITORY,),
    description=(
        "Asks the registry of each wish by one request whether something changed; if nothing did, nothing is written. What is new is merged from "
        "its layers as they arrive, without root, docker, FUSE or a scratch disk, and all of it becomes one revision, which is then verified. An image "
        "that fails is reported and does not hold up the others. Exit status 1 if some failed, 125 if nothing could be published. Passwords come from "
        "the environment: DOCKER_AUTH_CONFIG, SAMPAN_REGISTRY_AUTH=HOST=USER:PASSWORD, DUCC's variables, or the files of podman and docker."
    ),
    examples=(
        ("sampan repo publish /srv/cvmfs/images.example.org --list wishlist.yaml", "into a directory that a web server gives out"),
        ("sampan repo publish s3://cvmfs/images.example.org --list a.txt --prune --grace 3d", "into a bucket; what left the list goes"),
        ("sampan repo publish http://stratum0/cvmfs/images.example.org --gateway http://gw:4929 --base /team --list t.yaml", "by an API key for /team"),
    ),
)  # fmt: skip


def main(parsed: Parsed, context: Context) -> int:
    """A row an image."""
    lists = parsed.texts("list")
    if not lists:
        raise UsageError("`sampan repo publish` needs --list FILE", "see docs/how-to/publishing.md for an example of a list")
    give_back_at_once()
    wishes = wishlist.read(lists)
    job = _job(parsed, lists, wishes)
    place = _place(parsed, context)
    directory = parsed.text("status")
    store = place.store if isinstance(place, StorePlace) else None
    before = status_files.remembered(store, directory, context.notice)
    environ = with_credentials(os.environ)
    settings = context.settings.override("parallel", CONNECTIONS)
    if parsed.text("authfile"):
        settings = settings.override("authfile", os.path.abspath(os.path.expanduser(str(parsed.text("authfile")))))
    plain = tuple(dict.fromkeys(wish.name.domain for wish in wishes.wishes if wish.plain))
    settings = settings.override("insecure_registries", (*settings.texts("insecure_registries"), *plain))
    client = Client(settings, context.notice, environ=environ)
    try:
        run = publish(place, client, job, context.notice, context.progress)
    finally:
        client.close()
    context.progress.stop()
    if not job.dry_run:
        status_files.write(status_files.after(place.open(), job.base, run, before), () if store is None else (store,), directory)
        deliver(run, parsed.texts("notify"), parsed.texts("webhook"), Transport(context.notice, environ), context.notice)
    return _show(run, context, as_json=parsed.text("format") == "json")


def _job(parsed: Parsed, lists: tuple[str, ...], wishes: Wishlist) -> Job:
    grace, quota, label = parsed.text("grace"), parsed.text("quota"), parsed.text("label")
    label = label or os.path.splitext(os.path.basename(lists[0]))[0]
    only = parsed.texts("only")
    if parsed.text("events") is not None:
        only = (*only, *chosen(str(parsed.text("events"))))
        if not only:
            wishes = wishlist.Wishlist((), wishes.repository, wishes.remarks)
    host = this_host()
    platforms = tuple(dict.fromkeys(Platform.parse(text, host) for text in parsed.texts("platform") or (DEFAULT_PLATFORM,)))
    parallel = parsed.text("parallel") or "2"
    if not parallel.isdigit() or not 0 < int(parallel) <= 64:
        raise UsageError(f"--parallel is a number from 1 to 64, not {parallel!r}")
    return Job(
        wishes,
        label,
        Naming(platforms, osg=parsed.flag("osg_names")),
        layout.base_path(parsed.text("base") or ""),
        only,
        parsed.flag("prune"),
        parse_grace(grace or "7d"),
        parse_amount(quota) if quota is not None else None,
        tuple(layout.checked_bind_point(path) for path in parsed.texts("bind_point")),
        int(parallel),
        parsed.flag("wait"),
        not parsed.flag("no_verify"),
        parsed.flag("dry_run"),
        parsed.text("events") is not None,
    )


def _place(parsed: Parsed, context: Context) -> StorePlace | GatewayPlace:
    found = where(parsed, context)
    url = parsed.text("gateway")
    if url is None:
        return StorePlace(found)
    return GatewayPlace(found, url, parsed.text("gateway_key"))


def _show(run: Report, context: Context, *, as_json: bool) -> int:
    if as_json:
        output.json_result(run.document())
    else:
        rows = [_row(row) for row in run.rows if row.outcome != "unchanged"]
        if rows:
            output.result(output.columns(("IMAGE", "PLATFORM", "OUTCOME", "SIZE", "DIGEST OR REASON"), rows))
    unchanged = sum(row.outcome == "unchanged" for row in run.rows)
    new = f"revision {run.revision} of {run.repository}" if run.revision is not None else f"no new revision of {run.repository}"
    context.notice.say(
        f"{new}: {len(run.rows) - unchanged - len(run.failed)} changed, {unchanged} unchanged, {len(run.failed)} failed"
    )
    for row in run.failed:
        if row.hint:
            context.notice.say(f"{row.link}: hint: {row.hint}")
    return 1 if run.failed else 0


def _row(row: Row) -> tuple[str, ...]:
    return row.link, row.platform, row.outcome, output.size(row.size) if row.size else "", row.error or output.short(row.digest)
