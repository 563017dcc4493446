"""Templates: a text with value keys in it, cut at the keys. Pure; on the path of `app launch`.

All keys are replaced in one pass, so a key that stands in a value is a part of that value. (bosh replaces one key after the other,
and so replaces in values, too.)
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable


def cut(template: str, keys: Iterable[str]) -> list[tuple[str, str]]:
    """The template as pairs of a text and the key that follows it; the last pair has no key. Of two keys the longer one counts."""
    wanted = sorted([key for key in keys if key and key in template], key=len, reverse=True)
    firsts = {key[0] for key in wanted}
    found: list[tuple[str, str]] = []
    start = at = 0
    while True:
        # Nearly always all keys begin with the same letter, a bracket.
        places = [place for first in firsts if (place := template.find(first, at)) >= 0]
        if not places:
            break
        at = min(places)
        for key in wanted:
            if template.startswith(key, at):
                found.append((template[start:at], key))
                at = start = at + len(key)
                break
        else:
            at += 1
    found.append((template[start:], ""))
    return found


def shown(value: object) -> str:
    """A value as text, as bosh writes it: numbers as Python does, flags as True and False."""
    return str(value)
