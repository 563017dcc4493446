"""`docker pull`, `push`, `search`, `login` and `logout`."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from sampan.compat.docker import words
from sampan.errors import SampanError, UsageError
from sampan.oci.reference import Reference
from sampan.options.table import FLAG, LIST, VALUE, Argument, Command, Option
from sampan.options.unserved import REFUSED, SILENT, WARNED, Unserved
from sampan.runtime.login import login, logout, stored_user
from sampan.runtime.pull import pull, tags_of
from sampan.runtime.push import push
from sampan.runtime.search import search
from sampan.terminal import ask
from sampan.terminal.gotemplate.functions import as_json
from sampan.terminal.gotemplate.rows import rendered
from sampan.terminal.output import result

if TYPE_CHECKING:
    from sampan.compat.program import Call, Verbs
    from sampan.runtime.session import Session

_FOUND = {
    "Name": "NAME",
    "Description": "DESCRIPTION",
    "StarCount": "STARS",
    "IsOfficial": "OFFICIAL",
    "IsAutomated": "AUTOMATED",
}
_TLS = "registries on this machine are asked by http; for others see SAMPAN_INSECURE_REGISTRIES"


def session_for_registries(call: Call) -> Session:
    """The session, with the file of passwords that an option names."""
    session = call.session()
    path = call.parsed.values.get("authfile")
    if path:
        session.settings = session.settings.override("authfile", os.path.abspath(os.path.expanduser(str(path))))
    return session


def pull_(call: Call) -> int:
    """Docker's last lines: digest, status, and the full name; podman prints the id."""
    parsed, session = call.parsed, session_for_registries(call)
    names = parsed.texts("image")
    if parsed.flag("all_tags"):
        names = tuple(text for name in names for text in tags_of(name, session=session))
    quiet = parsed.flag("quiet")
    for name in names:
        before = _manifest(name, session)
        image = pull(name, session=session, platform=parsed.text("platform"))
        shown = Reference.parse(image.reference)
        if call.program.name == "podman":
            result(f"{image.config.rpartition(':')[2]}\n")
        elif quiet:
            result(f"{shown}\n")
        else:
            news = "Image is up to date for" if before == image.manifest else "Downloaded newer image for"
            result(f"Digest: {image.manifest}\nStatus: {news} {shown.familiar}\n{shown}\n")
    return 0


def _manifest(name: str, session: Session) -> str:
    from sampan.runtime import images

    try:
        found = images.find(name, session)
    except SampanError:
        return ""
    return found.manifest if found is not None else ""


def push_(call: Call) -> int:
    """`TAG: digest: DIGEST`."""
    parsed = call.parsed
    pushed = push(str(parsed.values["image"]), parsed.text("destination"), session=session_for_registries(call))
    if call.program.name == "docker":
        reference = Reference.parse(str(pushed.reference))
        result(f"{reference}\n" if parsed.flag("quiet") else f"{reference.tag or 'latest'}: digest: {pushed.digest}\n")
    digestfile = parsed.values.get("digestfile")
    if digestfile:
        try:
            with open(str(digestfile), "w", encoding="ascii") as stream:
                stream.write(str(pushed.digest))
        except OSError as error:
            raise UsageError(f"cannot write the digest to {digestfile}: {error.strerror}") from error
    return 0


def search_(call: Call) -> int:
    """Names with what the registry says of them."""
    parsed = call.parsed
    limit = parsed.text("limit") or "25"
    if not limit.isdigit() or not 0 < int(limit[:9]) <= 100:
        raise UsageError(f"--limit is a number from 1 to 100, not {limit!r}")
    found = search(str(parsed.values["term"]), session=session_for_registries(call), limit=int(limit))
    for text in parsed.texts("filter"):
        key, _, value = text.partition("=")
        if key == "stars" and value.isdigit():
            found = [one for one in found if one.stars >= int(value)]
        elif key == "is-official":
            found = [one for one in found if one.is_official == (value != "false")]
        elif key != "is-automated":
            raise UsageError(f"there is no filter {text!r}", "filters are stars= and is-official=")
    rows = [
        {
            "Name": Reference.parse(one.name).familiar_name,
            "Description": one.description
            if parsed.flag("no_trunc") or len(one.description) <= 45
            else f"{one.description[:44]}…",
            "StarCount": str(one.stars),
            "IsOfficial": "[OK]" if one.is_official else "",
            "IsAutomated": "",
        }
        for one in found
    ]
    form = parsed.text("format") or "table"
    if form == "json":
        result("".join(f"{as_json(row)}\n" for row in rows))
        return 0
    form = "table {{.Name}}\t{{.Description}}\t{{.StarCount}}\t{{.IsOfficial}}" if form == "table" else form
    result(rendered(form, _FOUND, rows, lambda cells: words.columns(call.program, cells)))
    return 0


def login_(call: Call) -> int:
    """`Login Succeeded`."""
    parsed, session = call.parsed, session_for_registries(call)
    registry, user = parsed.text("registry") or "", parsed.text("username") or ""
    if parsed.values.get("get_login"):
        result(f"{stored_user(registry, session=session)}\n")
        return 0
    from_input = parsed.flag("password_stdin")
    password = parsed.text("password")
    if password is not None:
        call.context.notice.warn(
            "a password on the command line can be seen by every user of this machine; --password-stdin hides it"
        )
    elif from_input and not user:
        raise UsageError("--password-stdin needs --username too")
    elif not from_input and not ask.is_possible():
        raise UsageError("there is no terminal to ask for the password", "give it by --password-stdin")
    user = user or ask.line("Username", stored_user(registry, session=session))
    if password is None:
        password = sys.stdin.readline().rstrip("\r\n") if from_input else ask.secret("Password")
    login(registry, user, password, session=session)
    result("Login Succeeded\n" if call.program.name == "docker" else "Login Succeeded!\n")
    return 0


def logout_(call: Call) -> int:
    """What was forgotten."""
    registry = logout(call.parsed.text("registry") or "", session=session_for_registries(call))
    result(f"Removing login credentials for {registry}\n")
    return 0


_AUTHFILE = Option("--authfile", VALUE, "the file of passwords", "FILE")
_TLS_VERIFY = Unserved("--tls-verify", FLAG, WARNED, _TLS)
_QUIET = Option("-q --quiet", FLAG, "the name alone")
_IMAGE_TRUST = Unserved("--disable-content-trust", FLAG, SILENT, "")
VERBS: Verbs = {
    "pull": (
        Command(
            "pull",
            "fetch images",
            (
                Option("-a --all-tags", FLAG, "all tags of the name"),
                Option("--platform", VALUE, "the image for this platform", "OS/ARCH[/VARIANT]"),
                _QUIET, _AUTHFILE, _TLS_VERIFY, _IMAGE_TRUST,
                Unserved("--creds", VALUE, REFUSED, "a password on the command line can be seen; use login"),
                Unserved("--policy", VALUE, WARNED, "the registry is asked", ("always", "newer")), Unserved("--retry", VALUE, SILENT, ""), Unserved("--cert-dir", VALUE, WARNED, _TLS),
            ),
            (Argument("IMAGE", "+", "names"),),
        ),
        pull_,
    ),
    "push": (
        Command(
            "push",
            "send an image to a registry",
            (
                _QUIET, _AUTHFILE, _TLS_VERIFY, _IMAGE_TRUST, Option("--digestfile", VALUE, "write the digest into a file (podman)", "FILE"),
                Unserved("-a --all-tags", FLAG, REFUSED, "images are sent one by one"), Unserved("--platform", VALUE, WARNED, "a name stands for one platform"),
                Unserved("--creds", VALUE, REFUSED, "a password on the command line can be seen; use login"),
                Unserved("-f --format", VALUE, WARNED, "the manifest stays what it is"), Unserved("--remove-signatures", FLAG, SILENT, ""),
                Unserved("--compression-format", VALUE, WARNED, "layers stay what they are"),
            ),
            (Argument("IMAGE", "1", "an image"), Argument("DESTINATION", "?", "where to (podman)")),
        ),
        push_,
    ),
    "search": (
        Command(
            "search",
            "look for images at a registry",
            (
                Option("-f --filter", LIST, "only those: stars=NUMBER, is-official=true", "KEY=VALUE"),
                Option("--format", VALUE, "`table`, `json` or a template", "FORMAT"),
                Option("--limit", VALUE, "at most so many", "NUMBER"),
                Option("--no-trunc", FLAG, "descriptions in full"),
                _AUTHFILE, _TLS_VERIFY,
            ),
            (Argument("TERM", "1", "a word; HOST/TERM asks another registry than Docker Hub"),),
        ),
        search_,
    ),
    "login": (
        Command(
            "login",
            "store a password for a registry",
            (
                Option("-u --username", VALUE, "the user", "USER"),
                Option("-p --password", VALUE, "the password, which others can see so", "PASSWORD"),
                Option("--password-stdin", FLAG, "read the password from standard input"),
                Option("--get-login", FLAG, "print the user who is stored (podman)"),
                _AUTHFILE, _TLS_VERIFY, Unserved("-v --verbose", FLAG, SILENT, ""),
            ),
            (Argument("REGISTRY", "?", "HOST[:PORT], Docker Hub by default"),),
        ),
        login_,
    ),
    "logout": (
        Command("logout", "forget a password", (_AUTHFILE,), (Argument("REGISTRY", "?", "HOST[:PORT]"),)), logout_,
    ),
}  # fmt: skip
