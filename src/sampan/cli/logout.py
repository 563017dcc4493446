"""`sampan logout`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sampan.cli.authfile import AUTHFILE, session_for_registries
from sampan.options.table import Argument, Command
from sampan.runtime.login import logout

if TYPE_CHECKING:
    from sampan.cli.context import Context
    from sampan.options.table import Parsed

COMMAND = Command(
    "logout",
    "forget the password for a registry",
    (AUTHFILE,),
    (Argument("REGISTRY", "?", "HOST[:PORT][/PATH], Docker Hub by default"),),
    description="It is taken out of the file into which `sampan login` writes. Where another program's file has one too, that is said.",
    examples=(("sampan logout quay.io", "after `sampan login quay.io`"),),
)


def main(parsed: Parsed, context: Context) -> int:
    """Say what was forgotten."""
    registry = logout(parsed.text("registry") or "", session=session_for_registries(context, parsed))
    context.notice.say(f"the password for {registry} is forgotten")
    return 0
