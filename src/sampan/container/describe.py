"""A plan in words, for `--dry-run`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampan.container import root
from sampan.container.mounts import Bind, File, Tmpfs

if TYPE_CHECKING:
    from sampan.container.mounts import Special
    from sampan.container.plan import Plan
    from sampan.container.stay import Stay


def describe(plan: Plan, *, namespaces: bool = True) -> list[str]:
    """One line a step; `namespaces` says whether the engine makes them."""
    lines = [
        f"image       {plan.image}",
        f"container   {plan.id[:12]}",
        *([f"namespaces  {' '.join(plan.namespaces)}"] if namespaces else []),
        f"user        {plan.identity.uid}:{plan.identity.gid} ({plan.identity.name}), on the host {plan.owner[0]}:{plan.owner[1]}",
        f"root        {root.describe(plan.root)}",
    ]
    lines += [f"mount       {_mount_words(mount)}" for mount in plan.mounts]
    lines += [f"environment {step.kind} {step.text}" for step in plan.environment]
    place = plan.directory
    lines.append(f"directory   {place.path or 'the current one' + (', bound' if place.bind else '')}, else {place.otherwise}")
    lines += [f"hostname    {plan.hostname}"] if plan.hostname else []
    lines += [f"limit       {name} {soft}:{hard}" for name, soft, hard in plan.limits]
    lines += [f"processors  {plan.cpus}"] if plan.cpus else []
    lines += [f"cgroup      {plan.cgroup}"] if plan.cgroup else []
    lines += [f"foreign     by {plan.binfmt.interpreter}"] if plan.binfmt else []
    lines += [f"ids         {sum(line[2] for line in plan.several[0].uids)} users inside"] if plan.several is not None else []
    lines += [f"owners      noted in {plan.owners[0] or 'memory'}"] if plan.owners is not None else []
    lines += [f"stays       {_stay_words(plan.stay)}"] if plan.stay else []
    lines += [f"options     {' '.join(plan.engine_options)}"] if plan.engine_options else []
    lines += [f"run         {' '.join(quote(word) for word in (*plan.args, *plan.default_arguments))}"]
    return lines + [f"warning     {warning}" for warning in plan.warnings]


def _stay_words(stay: Stay) -> str:
    words = ["the watcher"] + [
        {"logs": "with logs", "remove": "which removes all at the end"}.get(flag, flag) for flag in stay.flags
    ]
    words += [f"for {stay.limit:g} s at most"] if stay.limit else []
    words += [f"checking health every {stay.health.interval:g} s"] if stay.health else []
    return ", ".join(words)


def _mount_words(mount: Bind | Tmpfs | File | Special) -> str:
    if isinstance(mount, Bind):
        return f"bind {mount.source} at {mount.target}" + (f" ({', '.join(mount.flags)})" if mount.flags else "")
    if isinstance(mount, Tmpfs):
        return f"tmpfs at {mount.target}" + (f" ({mount.size} bytes)" if mount.size else "")
    if isinstance(mount, File):
        return f"file at {mount.target} ({len(mount.content)} bytes)"
    return f"{mount.kind} at {mount.target}"


def quote(word: str) -> str:
    """The word as a shell would need it, for reading only."""
    plain = word.replace("/", "a").replace("-", "a").replace("_", "a").replace(".", "a").replace("=", "a").replace(":", "a")
    return word if plain.isalnum() else "'" + word.replace("'", "'\\''") + "'"
