"""Which server is near: as a Geo-API says, else by measuring.

Stratum 1 servers answer `api/v1.0/geo/ADDRESS/HOST,HOST,...` with the order of these hosts by distance, as `2,1,3`. Where that
is not wanted or not answered, each is asked for the small signed manifest, all at once, and the first to answer is the nearest.
"""

from __future__ import annotations

import threading
import time
import uuid
from typing import TYPE_CHECKING

from sampan.cvmfs.client.web import Failed

if TYPE_CHECKING:
    from sampan.cvmfs.client.servers import Servers

MANIFEST = ".cvmfspublished"
PATIENCE = 3.0


def by_distance(servers: Servers, *, geo: bool) -> list[str]:
    """The servers' URLs, the nearest first; as they are if there is but one. Servers that do not answer come last."""
    urls = list(servers.urls)
    if len(urls) < 2:
        return urls
    return (_told(servers, urls) if geo else None) or _measured(servers, urls)


def _told(servers: Servers, urls: list[str]) -> list[str] | None:
    hosts = ",".join(url.split("/", 3)[2].partition(":")[0] for url in urls)
    for url in urls:
        try:
            answer = servers.web.get(f"{url}/api/v1.0/geo/{uuid.uuid4()}/{hosts}", servers.proxies[0])
        except Failed:
            continue
        return in_order(answer, urls)
    return None


def in_order(answer: bytes, urls: list[str]) -> list[str] | None:
    """The URLs as an answer such as `2,1,3` orders them; `None` if it is no order of all of them."""
    words = answer.decode("ascii", "replace").strip().split(",")
    if sorted(words) != sorted(str(number + 1) for number in range(len(urls))):
        return None
    return [urls[int(word) - 1] for word in words]


def _measured(servers: Servers, urls: list[str]) -> list[str]:
    times: dict[str, float] = {}
    first = threading.Event()
    all_here = threading.Semaphore(0)

    def measure(url: str) -> None:
        begin = time.monotonic()
        try:
            servers.web.get(f"{url}/{MANIFEST}", servers.proxies[0])
        except Failed:
            pass
        else:
            times[url] = time.monotonic() - begin
            first.set()
        all_here.release()

    begin = time.monotonic()
    for url in urls:
        threading.Thread(target=measure, args=(url,), daemon=True).start()
    for _ in urls:
        # Once one has answered, the others have as long again: whoever takes longer is farther in any case.
        left = PATIENCE - (time.monotonic() - begin)
        if first.is_set():
            left = min(left, 2 * min(times.values()) + 0.05)
        if left <= 0 or not all_here.acquire(timeout=left):
            break
    return sorted(urls, key=lambda url: times.get(url, PATIENCE + urls.index(url)))
