"""Names for containers that get none from their user: two words, easy to say and to tell apart."""

from __future__ import annotations

import os

FIRST = (
    "amber", "bold", "brisk", "calm", "clear", "cool", "deep", "early", "fair", "fine", "fresh", "gentle", "glad", "golden", "grand",
    "green", "keen", "kind", "lively", "lucky", "mellow", "merry", "mild", "noble", "plain", "proud", "quick", "quiet", "silver", "swift",
    "tidy", "warm",
)  # fmt: skip
SECOND = (
    "anchor", "bay", "breeze", "bridge", "canal", "cove", "creek", "current", "delta", "ferry", "fjord", "harbour", "heron", "island",
    "jetty", "lagoon", "lantern", "lotus", "mast", "oar", "otter", "pelican", "pier", "reed", "river", "rudder", "sail", "shore", "strait",
    "tide", "wake", "wharf",
)  # fmt: skip


def made_up() -> str:
    """A name such as `calm-heron-3f`."""
    first, second, number = os.urandom(3)
    return f"{FIRST[first % len(FIRST)]}-{SECOND[second % len(SECOND)]}-{number:02x}"
