"""What an integration (GPU, MPI, X11, CDI) adds to a plan: nothing else may touch one. On the start-up path.

The shape of CDI's `containerEdits` (Container Device Interface specification, "CDI JSON Specification").
"""

from __future__ import annotations

TYPE_CHECKING = False

if TYPE_CHECKING:
    from sampan.container.asks import Ask
    from sampan.container.environment import Step
    from sampan.container.mounts import Bind, File, Special, Tmpfs


class Edits:
    """Mounts, variables, devices (paths below /dev) and asks to add."""

    __slots__ = ("asks", "devices", "environment", "mounts")

    def __init__(
        self,
        mounts: tuple[Bind | Tmpfs | File | Special, ...] = (),
        environment: tuple[Step, ...] = (),
        devices: tuple[str, ...] = (),
        asks: tuple[Ask, ...] = (),
    ) -> None:
        self.mounts = mounts
        self.environment = environment
        self.devices = devices
        self.asks = asks


NONE = Edits()
