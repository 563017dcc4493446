"""From wishes to images: patterns over the tags that a registry has, platforms, links; each image once."""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sampan.distribute import layout
from sampan.distribute.crowd import each
from sampan.errors import NotAtRegistry, SampanError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sampan.distribute.wish import Wish
    from sampan.oci.platform import Platform
    from sampan.oci.reference import Reference


@dataclass(frozen=True)
class Item:
    """One image that the repository shall have. `link` is its name there, `links` all its names."""

    wish: Wish
    reference: Reference
    platform: Platform
    link: str
    links: tuple[str, ...]

    @property
    def key(self) -> tuple[str, str]:
        """As the key of a record."""
        return self.link, str(self.platform)


@dataclass(frozen=True)
class Failure:
    """What could not be done for a link or a wish, and why."""

    link: str
    platform: str
    error: SampanError


@dataclass(frozen=True)
class Naming:
    """Which links an image gets: the first of the `platforms` has the plain one; `osg` adds OSG's form."""

    platforms: tuple[Platform, ...]
    osg: bool = False

    def links(self, wish: Wish, tag: str | None, platform: Platform) -> tuple[str, ...]:
        """All links of an image, the one that is its name first."""
        digest = str(wish.digest or "")
        link = layout.link_of(wish.shown, wish.name.path, tag, digest)
        arch = (layout.multiarch_link_of(link, platform),) if len(self.platforms) > 1 else ()
        if platform != self.platforms[0]:
            return arch
        osg = (layout.osg_link_of(wish.name.path, tag, digest),) if self.osg else ()
        return (link, *arch, *osg)


def expand(
    wishes: Sequence[Wish], naming: Naming, tags: Callable[[Reference], list[str]], parallel: int
) -> tuple[list[Item], list[Failure]]:
    """All images of the wishes in their order, and what is wrong with some. `tags` lists those of a name at its registry."""
    names = list(dict.fromkeys(wish.name for wish in wishes if wish.is_pattern))
    listed = dict(zip(names, each(tags, names, parallel)))
    items: list[Item] = []
    failures: list[Failure] = []
    taken: dict[str, Item] = {}
    for wish in wishes:
        try:
            for tag in _tags(wish, listed):
                for platform in naming.platforms:
                    _add(Item(wish, wish.reference(tag), platform, *_links(naming, wish, tag, platform)), taken, items)
        except SampanError as error:
            failures.append(Failure(wish.text, "", error))
    return items, failures


def _links(naming: Naming, wish: Wish, tag: str | None, platform: Platform) -> tuple[str, tuple[str, ...]]:
    links = naming.links(wish, tag, platform)
    return links[0], links


def _tags(wish: Wish, listed: dict[Reference, list[str] | SampanError]) -> list[str | None]:
    if not wish.is_pattern:
        return [wish.tag]
    found = listed[wish.name]
    if isinstance(found, SampanError):
        raise found
    matched: list[str | None] = [tag for tag in found if fnmatch.fnmatchcase(tag, wish.tag or "")]
    if not matched:
        raise NotAtRegistry(f"{wish.place}: none of the {len(found)} tags of {wish.name.familiar_name} matches {wish.tag!r}")
    return matched


def _add(item: Item, taken: dict[str, Item], items: list[Item]) -> None:
    """Take an item unless it is there; raises `UsageError` if its name leads to something else already."""
    for link in item.links:
        other = taken.get(link)
        if other is None:
            continue
        if other.reference == item.reference and other.platform == item.platform:
            return
        raise UsageError(
            f"{item.wish.place}: {link} would be the name of {item.reference.familiar}, and is that of {other.reference.familiar} "
            f"({other.wish.place})",
            "leave one of the two out"
            if link in (item.link, other.link)
            else "leave --osg-names out: two registries have this name",
        )
    taken.update(dict.fromkeys(item.links, item))
    items.append(item)
