"""`sampan login`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from sampan.cli.authfile import AUTHFILE, session_for_registries
from sampan.errors import UsageError
from sampan.options.table import FLAG, VALUE, Argument, Command, Option
from sampan.runtime.login import login, stored_user
from sampan.terminal import ask

if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.options.table import Parsed

COMMAND = Command(
    "login",
    "store a password for a registry, after asking it whether it is right",
    (
        Option("-u --username", VALUE, "the user", "USER"),
        Option("--password-stdin", FLAG, "read the password from standard input"),
        AUTHFILE,
    ),
    (Argument("REGISTRY", "?", "HOST[:PORT][/PATH], Docker Hub by default; with a path the password counts for what is below"),),
    description="The password goes where podman has it: auth.json in $XDG_RUNTIME_DIR, else below ~/.config. It is never an argument, "
    "which every user of the machine could see.",
    examples=(
        ("sampan login quay.io", "asks for user and password"),
        ("sampan login -u ana --password-stdin registry.lab.example <token", "in a script"),
    ),
)


def main(parsed: Parsed, context: Context) -> int:
    """Say where the password is."""
    session = session_for_registries(context, parsed)
    registry = parsed.text("registry") or ""
    user = parsed.text("username") or ""
    from_input = parsed.flag("password_stdin")
    if from_input and not user:
        raise UsageError("--password-stdin needs the user too", "sampan login -u USER --password-stdin")
    if not from_input and not ask.is_possible():
        raise UsageError("there is no terminal to ask for the password", "give it by --password-stdin")
    user = user or ask.line("user", stored_user(registry, session=session))
    password = sys.stdin.readline().rstrip("\r\n") if from_input else ask.secret("password")
    done = login(registry, user, password, session=session)
    if not done.asked:
        context.notice.warn(f"{done.registry} asks for no password; it is stored all the same")
    context.notice.say(f"the password of {user} for {done.registry} is in {done.place}")
    if not done.lasts:
        context.notice.say("it is gone when you log out of this machine; --authfile ~/.config/containers/auth.json keeps it")
    return 0
