"""`udocker pull`, `search`, `manifest inspect`, `login` and `logout`."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING

from sampan.compat.udocker.asked import PULLING, REGISTRIES, pulling_session
from sampan.errors import UsageError
from sampan.image.resolve import resolve, wanted_platform
from sampan.oci.reference import Reference
from sampan.options.table import FLAG, VALUE, Argument, Command, Option
from sampan.options.unserved import SILENT, Unserved
from sampan.registry import authfile
from sampan.runtime.login import login, logout
from sampan.runtime.pull import pull, tags_of
from sampan.runtime.remote import registry_client
from sampan.runtime.search import search
from sampan.runtime.short_names import resolved
from sampan.terminal import ask
from sampan.terminal.output import result

if TYPE_CHECKING:
    from sampan.compat.program import Call, Verbs

_WIDEST = 70


def pull_(call: Call) -> int:
    """Nothing is printed but how far it is."""
    text = str(call.parsed.values["image"])
    pull(text, session=pulling_session(call, text), platform=call.parsed.text("platform"))
    return 0


def search_(call: Call) -> int:
    """Names, whether they are official, what they say of themselves, and their stars; or the tags of one."""
    parsed, term = call.parsed, str(call.parsed.values["term"])
    if parsed.flag("list_tags"):
        session = pulling_session(call, term)
        result("".join(f"{text.rpartition(':')[2]}\n" for text in tags_of(term, session=session)))
        return 0
    found = search(term, session=pulling_session(call, term, searching=True))
    rows = [("NAME", "OFFICIAL", "DESCRIPTION", "STARS")]
    for one in found:
        said = " ".join(one.description.split())
        said = said if parsed.flag("no_trunc") else said[:_WIDEST]
        rows.append((Reference.parse(one.name).familiar_name, "[OK]" if one.is_official else "----", said, str(one.stars)))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    result(
        "".join(f"{name:{widths[0]}} {official:{widths[1]}} {said:{widths[2]}} {stars}\n" for name, official, said, stars in rows)
    )
    return 0


def manifest(call: Call) -> int:
    """What the registry has under the name; with a platform the manifest that an index has for it."""
    text, platform = str(call.parsed.values["image"]), call.parsed.text("platform")
    session = pulling_session(call, text)
    reference = resolved(text, session)
    with registry_client(session, f"cannot look at {reference.familiar}") as client:
        if platform is not None:
            content = resolve(client, reference, wanted_platform(platform)).fetched.content
        else:
            content = client.manifest(reference).content
    result(f"{json.dumps(json.loads(content), indent=4)}\n")
    return 0


def login_(call: Call) -> int:
    """The registry is not asked, as udocker does not ask it: that is often done where it cannot be reached."""
    parsed, user = call.parsed, call.parsed.text("username") or ""
    password = parsed.text("password")
    from_input = parsed.flag("password_stdin")
    if not ask.is_possible() and (not user or (password is None and not from_input)):
        raise UsageError("there is no terminal to ask for user name and password", "give --username and --password-stdin")
    user = user or ask.line("username")
    if password is None:
        password = sys.stdin.readline().rstrip("\r\n") if from_input else ask.secret("password")
    if password.isupper():
        call.context.notice.warn("the password has capitals only: is Caps Lock on?")
    done = login(parsed.text("registry") or "", user, password, session=pulling_session(call), ask=False)
    call.context.notice.say(f"stored for {done.registry} in {done.place}; whether it is right, the first pull will show")
    return 0


def logout_(call: Call) -> int:
    """One password, or with -a all of the file."""
    session = pulling_session(call)
    if not call.parsed.flag("a"):
        logout(call.parsed.text("registry") or "", session=session)
        return 0
    place = authfile.place(os.environ, session.settings.text("authfile"))
    for key in authfile.keys(place):
        authfile.remove(place, key, os.environ)
    return 0


_IMAGE = Argument("IMAGE", "1", "an image, as debian:12")
VERBS: Verbs = {
    "pull": (Command("pull", "fetch an image and unpack it", PULLING, (_IMAGE,)), pull_),
    "search": (
        Command(
            "search", "look for images at a registry",
            (
                Unserved("-a", FLAG, SILENT, "there are no pauses"), Option("--no-trunc", FLAG, "descriptions in full"),
                Option("--list-tags", FLAG, "list the tags of an image's name"), *REGISTRIES,
            ),
            (Argument("TERM", "1", "a part of a name"),),
        ),
        search_,
    ),
    "manifest inspect": (Command("manifest inspect", "print the manifest or index at the registry", PULLING, (_IMAGE,)), manifest),
    "login": (
        Command(
            "login", "store a password for a registry",
            (
                Option("--username", VALUE, "whose", "NAME"), Option("--password", VALUE, "everybody can see it; --password-stdin hides it", "TEXT"),
                Option("--password-stdin", FLAG, "the first line of standard input"), *REGISTRIES,
            ),
        ),
        login_,
    ),
    "logout": (Command("logout", "forget a password", (Option("-a", FLAG, "all of them"), *REGISTRIES)), logout_),
}  # fmt: skip
