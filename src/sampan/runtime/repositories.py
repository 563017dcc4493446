"""CVMFS repositories as settings, the command line and this machine's /etc/cvmfs describe them, and what is done with them."""

from __future__ import annotations

import os

from sampan.cvmfs.client.site import Site, Sources, check_fqrn, check_url, proxy_groups, read_site
from sampan.errors import UsageError
from sampan.values import frozen

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sampan.cvmfs.client.client import Client
    from sampan.runtime.session import Session
    from sampan.settings import Settings

SCHEME = "cvmfs://"


@frozen
class Stated:
    """What a command line says of a repository; empty: nothing."""

    urls: tuple[str, ...] = ()
    key: str = ""
    proxy: str = ""
    tag: str = ""
    root: str = ""


NOTHING = Stated()


def is_repository_reference(text: str) -> bool:
    """Whether an image is named by its path in a repository."""
    return text.startswith(SCHEME)


def split_reference(text: str) -> tuple[str, str]:
    """Repository and path of `cvmfs://NAME/PATH`. Raises `UsageError`."""
    name, slash, path = text.removeprefix(SCHEME).partition("/")
    if not is_repository_reference(text) or not name or not slash or not path.strip("/"):
        raise UsageError(f"{text!r} is not an image of a repository", "as in cvmfs://sw.example.org/docker.io/library/debian:12")
    return check_fqrn(name), path.strip("/")


def site_of(name: str, session: Session, stated: Stated = NOTHING) -> Site:
    """Of a repository named by its name or its URL: the command line's word first, then settings, then /etc/cvmfs.

    Raises `BadSetting`, `UsageError`.
    """
    settings = session.settings
    urls = stated.urls
    if "://" in name:
        urls = (check_url(name.rstrip("/")), *urls)
        name = urls[0].rsplit("/", 1)[1]
    found = read_site(check_fqrn(name), os.environ.get("SAMPAN_CVMFS_CONFIG", "/etc/cvmfs"))
    given = urls or tuple(url.replace("@fqrn@", name) for url in settings.texts("cvmfs_servers"))
    sources = found.sources
    if given:
        sources = Sources(tuple(check_url(url) for url in given), sources.proxies, sources.direct_seconds, sources.proxy_seconds)
    proxies = stated.proxy or settings.text("cvmfs_proxies")
    if proxies:
        sources = Sources(sources.urls, proxy_groups(proxies), sources.direct_seconds, sources.proxy_seconds)
    elif sources.urls and sources.proxies == ((None,),):
        proxy = _proxy_of_environment(sources.urls[0])
        sources = Sources(sources.urls, ((proxy,),), sources.direct_seconds, sources.proxy_seconds)
    alien = settings.text("cvmfs_alien_cache") or found.alien
    return found.but(
        sources=sources,
        keys=_keys(name, stated, settings) or found.keys,
        cache=settings.text("cvmfs_cache") or _default_cache(),
        quota=settings.number("cvmfs_quota") if settings.origin("cvmfs_quota") != "default" else found.quota,
        alien=alien,
        tag=stated.tag or found.tag,
        root=stated.root or found.root,
    )


def _proxy_of_environment(url: str) -> str | None:
    if not any(name.lower().endswith("_proxy") for name in os.environ):
        return None  # most machines have none, and reading URLs costs a start some milliseconds
    from sampan.registry.proxy import proxy_for

    return proxy_for(url, os.environ)


def _keys(name: str, stated: Stated, settings: Settings) -> tuple[str, ...]:
    """Where the public key is by the command line or the settings; nothing if the user's own directory of keys does not have it."""
    place = stated.key or settings.text("repo_keys")
    if place:
        return (os.path.abspath(os.path.expanduser(place)),)
    from sampan.registry.certificates import configuration_directory

    own = os.path.join(configuration_directory(os.environ), "sampan", "keys")
    return (own,) if os.path.exists(os.path.join(own, f"{name}.pub")) else ()


def _default_cache() -> str:
    base = os.environ.get("XDG_CACHE_HOME", "")
    if not base.startswith("/"):
        base = os.path.join(os.path.expanduser("~"), ".cache")
    return os.path.join(base, "sampan", "cvmfs")


def open_repository(name: str, session: Session, stated: Stated = NOTHING) -> Client:
    """A client of a repository. Raises as `site_of` and `open_client`."""
    from sampan.cvmfs.client.client import open_client

    return open_client(site_of(name, session, stated), offline=session.settings.flag("offline"), notice=session.notice)
