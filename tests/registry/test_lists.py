"""Lists in pages, searches, referrers; and what registries say beside."""

from __future__ import annotations

import json

import pytest

from sampan.errors import NotAtRegistry, ProtocolError, RemoteError, Unauthorized
from sampan.oci.digest import Digest
from sampan.oci.reference import Reference
from sampan.registry.links import next_link
from sampan.registry.routes import Route
from sampan.registry.search import Found, search_hub
from tests.peers.faulty import cut, header, refused, status
from tests.registry.conftest import reference

pytestmark = pytest.mark.client
SUBJECT = Digest.parse("sha256:" + "ab" * 32)


@pytest.fixture
def served(faulty, layout):
    faulty.add(layout)
    faulty.lists.extra_tags = [f"t{number}" for number in range(20)]
    faulty.lists.length = 5
    return faulty


@pytest.mark.parametrize(
    "link",
    [
        '<{url}>; rel="next"',
        "<{url}>; rel=next",
        "{url}; rel=next",
        '<{url}>;rel="prev next"; title="a, b"',
        '<https://elsewhere/first>; rel="first", <{url}>; rel="next"',
        '<{url}>; title="x, <y>; z"; REL="NEXT"',
        "<{whole}{url}>; rel=next",
    ],
)
def test_tags_in_pages(served, client, link):
    served.lists.link = link.replace("{whole}", served.url)
    found = client.tags(reference(served.host))
    assert found == ["1", "many", "docker", *served.lists.extra_tags]
    assert [one.path.partition("?")[2] for one in served.asked("/tags/list")][:2] == ["n=1000", "from=5&kept=a%2Fb"]
    assert served.asked("/tags/list")[0].headers["accept"] == "application/json"


@pytest.mark.parametrize("link", ["<{url}>; rel=last", "nonsense", "", "<{url}", ";;;", "rel=next"])
def test_links_that_lead_nowhere_end_the_list(served, client, link):
    served.lists.link = link
    served.on("/tags/list?rel", status(404))
    assert len(client.tags(reference(served.host))) == 5


def test_a_link_that_comes_again_ends_the_list(served, client):
    served.lists.link = '</v2/x/tags/list?n=1000>; rel="next"'
    assert len(client.tags(reference(served.host))) == 5
    assert len(served.asked("/tags/list")) == 1


@pytest.mark.parametrize("target", ["https://evil.test/x", "http://[::1", "//evil.test/x"])
def test_the_next_page_has_to_be_at_the_registry(served, client, target):
    served.lists.link = f"<{target}>; rel=next"
    with pytest.raises(ProtocolError, match="the next page"):
        client.tags(reference(served.host))


def test_what_cannot_be_a_tag_is_left_out(served, client):
    served.lists.extra_tags, served.lists.length = ["good", "../x", "", "a b", "x" * 200, "\x1b[2J"], 100
    assert client.tags(reference(served.host)) == ["1", "many", "docker", "good"]


@pytest.mark.parametrize(
    ("action", "error"),
    [
        (refused(404, "NAME_UNKNOWN"), NotAtRegistry),
        (status(200, {}, b"[]"), ProtocolError),
        (status(200, {}, b'{"tags": {}}'), ProtocolError),
        (status(200, {"Content-Type": "text/html"}, b"<html>"), ProtocolError),
        (refused(403, "DENIED"), Unauthorized),
    ],
)
def test_lists_that_are_refused_or_none(served, client, action, error):
    served.on("/tags/list", action)
    with pytest.raises(error):
        client.tags(reference(served.host))


def test_no_tags_at_all_and_cut_pages(served, client):
    served.on("/tags/list", cut(3), times=2)
    assert len(client.tags(reference(served.host))) == 23
    served.rules.clear()
    served.on("/tags/list", status(200, {}, b'{"name": "x", "tags": null}'))
    assert client.tags(reference(served.host)) == []


def test_next_link_is_found_in_any_header():
    url = "https://a.test/v2/x/tags/list"
    assert next_link([], url) is None
    assert next_link(['<b>; rel="x"', '<c?d=1>; rel="next"'], url) == "https://a.test/v2/x/tags/c?d=1"


def entry(number, kind):
    return {
        "mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": "sha256:" + f"{number:02x}" * 32, "size": number, "artifactType": kind,
    }  # fmt: skip


@pytest.mark.parametrize("filters", [True, False])
def test_referrers(served, client, filters):
    served.lists.referrers = {str(SUBJECT): [entry(number, "a/b" if number % 2 else "c/d") for number in range(12)]}
    served.lists.filters = filters
    name = Reference.parse(f"{served.host}/x")
    assert [one.size for one in client.referrers(name, SUBJECT)] == list(range(12))
    assert [one.size for one in client.referrers(name, SUBJECT, "a/b")] == [1, 3, 5, 7, 9, 11]
    assert "artifactType=a%2Fb" in served.requests[-1 if filters else -3].path
    assert client.referrers(name, Digest.parse("sha256:" + "cd" * 32)) == []


def test_referrers_by_tag(served, client):
    index = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [entry(1, "a/b"), entry(2, "c/d")],
    }
    digest = served.put(json.dumps(index).encode(), index["mediaType"])
    name = Reference.parse(f"{served.host}/x")
    assert client.referrers(name, SUBJECT) == []
    served.tags["x", f"sha256-{'ab' * 32}"] = digest
    assert [one.size for one in client.referrers(name, SUBJECT)] == [1, 2]
    assert [one.size for one in client.referrers(name, SUBJECT, "c/d")] == [2]


def test_search_by_the_index(served, client):
    served.lists.results = [
        {"name": "lab/tools", "description": "all\n the tools\x1b", "star_count": 7, "is_official": True},
        {"name": f"{served.host}/lab/more"}, {"name": "Bad Name"}, {"name": "lab/rest", "star_count": "x", "description": None},
    ]  # fmt: skip
    assert client.search(served.host, "to ols/é", 3) == [
        Found(f"{served.host}/lab/tools", "all the tools\\x1b", 7, True),
        Found(f"{served.host}/lab/more"),
        Found(f"{served.host}/lab/rest"),
    ]
    assert served.requests[-1].path == "/v1/search?q=to%20ols%2F%C3%A9&n=3"
    assert len(client.search(served.host, "x", 1)) == 1


def test_search_by_the_catalogue(served, client):
    served.lists.names = ["a/tool", "b/other", "c/toolbox", "Bad", "d/tool"]
    served.lists.length = 2
    assert [one.name for one in client.search(served.host, "TOOL", 2)] == [f"{served.host}/a/tool", f"{served.host}/c/toolbox"]
    assert [one.name for one in client.search(served.host, "nothing", 2)] == []


@pytest.mark.parametrize(
    "action", [refused(401, "UNAUTHORIZED"), refused(403, "DENIED"), status(404), status(200, {}, b"<html>")]
)
def test_a_registry_that_lists_nothing(served, client, action):
    served.on("_catalog", action)
    with pytest.raises(RemoteError, match="can neither be searched nor lists its images to you: ") as caught:
        client.search(served.host, "x", 5)
    assert "--list-tags" in caught.value.hint


def test_a_search_that_is_broken_is_none(served, client):
    served.lists.names = ["a/tool"]
    for action in (status(200, {}, b"{}"), status(401), status(200, {}, b"<html>"), status(200, {}, b'{"results": 7}')):
        served.rules.clear()
        served.on("/v1/search", action)
        assert [one.name for one in client.search(served.host, "tool", 5)] == [f"{served.host}/a/tool"]


def test_the_catalogue_with_a_login(served, make_client, tmp_path):
    file = tmp_path / "auth.json"
    file.write_text(json.dumps({"auths": {served.host: {"username": "ana", "password": "secret"}}}))
    served.login, served.lists.names = "bearer", ["a/tool"]
    served.challenges = [f'Bearer realm="{served.url}/token",service="s",scope="registry:catalog:*"']
    assert len(make_client(authfile=str(file)).search(served.host, "tool", 5)) == 1
    assert "scope=registry%3Acatalog%3A%2A" in served.asked("/token")[-1].path


def test_docker_hub(served, client):
    served.lists.hub = [
        {"repo_name": "library/tool", "short_description": "x", "star_count": 5, "is_official": True},
        {"repo_name": "ana/tool", "short_description": "y", "star_count": 1, "is_official": False},
        {"repo_name": "", "star_count": 1},
    ]
    exchange = client._exchange
    assert exchange.place(Route(served.host, served.host, "")).base == served.url
    assert search_hub(exchange, f"{served.url}/hub/", "tool", 5) == [
        Found("docker.io/library/tool", "x", 5, True),
        Found("docker.io/ana/tool", "y", 1),
    ]
    assert len(search_hub(exchange, f"{served.url}/hub/", "tool", 1)) == 1


def test_warnings_are_shown_once(served, client, notice):
    served.on("/manifests/", header("Warning", '299 - "this goes away\x1b[2J", 110 - "stale", 299 - "and \\"that\\""'))
    for _ in range(2):
        client.manifest(reference(served.host))
    assert notice.warnings == [f"{served.host} says: this goes away\\x1b[2J", f'{served.host} says: and "that"']


def test_how_many_requests_are_left_is_for_debug(served, client, notice):
    served.on(
        "/manifests/",
        lambda asked, reply: reply.headers.update({"RateLimit-Limit": "100;w=21600", "RateLimit-Remaining": "76;w=21600"}),
    )
    for _ in range(2):
        client.manifest(reference(served.host))
    served.rules.clear()
    served.on("/manifests/", lambda asked, reply: reply.headers.update({"RateLimit-Limit": ";w=", "RateLimit-Remaining": ""}))
    client.manifest(reference(served.host))
    assert notice.debugged == [f"{served.host} allows 100 requests in 6 h, 76 are left"]


def test_a_wait_in_the_words_of_a_refusal(served, client, clock):
    served.on("/manifests/", refused(429, "TOOMANYREQUESTS", "retry-after: 92.9µs, allowed: 44000/minute"), times=1)
    served.on("/manifests/", refused(429, "TOOMANYREQUESTS", "retry-after: 1m5s"), times=1)
    client.manifest(reference(served.host))
    assert [round(seconds, 3) for seconds in clock.waits] == [1.0, 67.0]
