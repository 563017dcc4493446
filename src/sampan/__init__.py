"""sampan runs container images where Docker cannot go.

The public API for programs is loaded on first use, so that the command line pays only for what it needs::

    import sampan
    done = sampan.run("debian:12", ["cat", "/etc/os-release"], capture_output=True, text=True)
"""

from __future__ import annotations

__version__ = "0.1.0"

_PUBLIC = {
    "run": "sampan.runtime.popen",
    "Popen": "sampan.runtime.popen",
    "pull": "sampan.runtime.pull",
    "push": "sampan.runtime.push",
    "tag": "sampan.runtime.push",
    "search": "sampan.runtime.search",
    "login": "sampan.runtime.login",
    "logout": "sampan.runtime.login",
    "images": "sampan.runtime.listing",
    "inspect": "sampan.runtime.inspect",
    "SampanError": "sampan.errors",
}
__all__ = [
    "Popen",
    "SampanError",
    "images",
    "inspect",
    "login",
    "logout",
    "pull",
    "push",
    "run",
    "search",
    "tag",
]


def __getattr__(name: str) -> object:
    module = _PUBLIC.get(name)
    if module is None:
        raise AttributeError(f"module 'sampan' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(module), name)
