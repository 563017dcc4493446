"""Who the payload is, for programs whose containers are root's unless somebody else is named. On the start-up path."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.container.request import Request
    from sampan.oci.config import ImageConfig

_ROOT = ("0", "root", "0:0", "root:root", "0:root", "root:0")


def is_root(user: str | None, config: ImageConfig) -> bool:
    """Whether root is meant, by the user that is asked for or, if none is, by the image."""
    return (user is None and not config.user) or user in _ROOT


def with_user(request: Request, config: ImageConfig, *, keep_id: bool = False) -> Request:
    """Root, unless the request or the image names another user; with podman's `keep-id` the caller."""
    if keep_id and request.user is None:
        return request.but(user=f"{os.getuid()}:{os.getgid()}") if config.user else request
    return request.but(user=None, root=True) if is_root(request.user, config) else request
