"""Which registry is asked, and how: options that several verbs of udocker share. On the start-up path."""

from __future__ import annotations

import os

from sampan.compat.udocker import configuration
from sampan.errors import BadReference
from sampan.options.table import VALUE, Option

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.compat.program import Call
    from sampan.runtime.session import Session

REGISTRIES = (
    Option("--index", VALUE, "the registry that is searched instead of Docker Hub", "URL"),
    Option("--registry", VALUE, "the registry that is asked instead of Docker Hub", "URL"),
    Option("--httpproxy", VALUE, "go through this proxy", "URL"),
)
PULLING = (Option("--platform", VALUE, "the image for this platform", "OS/ARCH[/VARIANT]"), *REGISTRIES)
_HUBS = ("registry-1.docker.io", "hub.docker.com", "index.docker.io", "docker.io")


def pulling_session(call: Call, image: str = "", *, searching: bool = False) -> Session:
    """The session for `image` with the registry and the proxy that the options, the environment or the configuration name. Raises `BadSetting`."""
    values, found = call.parsed.values, configuration.of(call)
    session = call.session()
    proxy = str(values.get("httpproxy") or "")
    if proxy:
        os.environ["http_proxy"] = os.environ["https_proxy"] = proxy
    registry = str(values.get("registry") or "") or found["dockerio_registry_url"]
    registry = (searching and (str(values.get("index") or "") or found["dockerio_index_url"])) or registry
    host = registry.partition("://")[2].partition("/")[0] or registry
    if host and host not in _HUBS:
        session.settings = session.settings.override("hub", registry)
    if call.options.flag("insecure") or found.on("http_insecure"):
        hosts = (*session.settings.texts("insecure_registries"), host, _domain(image))
        session.settings = session.settings.override("insecure_registries", tuple(one for one in hosts if one))
    return session


def _domain(text: str) -> str:
    from sampan.oci.reference import Reference

    try:
        return Reference.parse(text).domain
    except BadReference:
        return ""
