"""Who one is: challenges, tokens that expire, wrong passwords, foreign token servers."""

from __future__ import annotations

import base64
import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from sampan.errors import ProtocolError, Unauthorized
from tests.peers.faulty import Faulty, redirect, refused, status
from tests.registry.conftest import BIG, big_layer, reference

pytestmark = pytest.mark.client


@pytest.fixture
def served(faulty, layout):
    """Asks for tokens; knows ana."""
    faulty.add(layout)
    faulty.login = "bearer"
    return faulty


@pytest.fixture
def login(make_client, tmp_path):
    """A client with a password for one key of the authfile."""

    def make(key, user="ana", password="secret"):
        file = tmp_path / "auth.json"
        file.write_text(json.dumps({"auths": {key: {"username": user, "password": password}}}))
        return make_client(authfile=str(file))

    return make


def kinds(server: Faulty) -> list[tuple[str, str]]:
    """What was asked for, and with which proof."""
    shorter = {"manifests": "manifest", "blobs": "blob"}
    found = []
    for one in server.requests:
        words = one.path.partition("?")[0].strip("/").split("/")
        found.append(
            (shorter.get(words[-2], words[-1]) if len(words) > 2 else words[-1], (one.authorization or "").partition(" ")[0])
        )
    return found


def test_the_dance_without_credentials(served, client, layout):
    client.manifest(reference(served.host))
    assert b"".join(client.blob(reference(served.host), big_layer(layout))) == BIG
    assert kinds(served) == [
        ("v2", ""),  # a loopback host: which scheme?
        ("manifest", ""), ("token", ""), ("manifest", "Bearer"),
        ("blob", "Bearer"),
    ]  # fmt: skip
    assert served.asked("/token")[0].path == "/token?service=faulty&scope=repository%3Ax%3Apull"


def test_credentials_are_used_at_once(served, login):
    """With anonymous reading on, a private name is 404 to nobody in particular: so the root is asked how to log in."""
    served.on("nothing", status(200))
    client = login(served.host)
    client.manifest(reference(served.host))
    assert kinds(served)[-2:] == [("token", "Basic"), ("manifest", "Bearer")]
    assert "account=ana" in served.asked("/token")[0].path
    assert ("manifest", "") not in kinds(served)


def test_basic_at_once(served, login):
    served.login = "basic"
    login(served.host).manifest(reference(served.host))
    assert kinds(served)[-1] == ("manifest", "Basic")
    assert ("manifest", "") not in kinds(served)


def test_credentials_of_another_name_are_not_used(served, login):
    login(f"{served.host}/other").manifest(reference(served.host))
    assert kinds(served)[1:] == [("manifest", ""), ("token", ""), ("manifest", "Bearer")]


@pytest.mark.parametrize(
    "challenges",
    [
        ['Basic realm="x"', 'Bearer realm="{url}/token",service="s"'],
        ['Basic realm="x, Bearer realm=y", Bearer realm="{url}/token"'],
        ['Negotiate, Bearer realm="{url}/token", Basic realm="x"'],
        ['Bearer scope="no realm"', 'BEARER Realm="{url}/token"'],
        ['Bearer realm="{url}/a",realm="{url}/b", Bearer realm="{url}/token?x=1&y"'],
    ],
)
def test_odd_challenges(served, client, challenges):
    served.challenges = [text.replace("{url}", served.url) for text in challenges]
    assert client.manifest(reference(served.host)).content
    assert len(served.tokens) == 1


def test_the_scope_is_the_registrys_word(served, client):
    served.challenges = [f'Bearer realm="{served.url}/token?kept=1",scope="repository:x:metadata_read,pull registry:catalog:*"']
    client.manifest(reference(served.host))
    asked = served.asked("/token")[0].path
    assert asked == "/token?kept=1&scope=repository%3Ax%3Ametadata_read%2Cpull&scope=registry%3Acatalog%3A%2A"


@pytest.mark.parametrize("challenges", [["Negotiate"], ['Digest realm="x"', "Negotiate"], ["nonsense,,,"], ['Bearer scope="x"']])
def test_proofs_that_nobody_can_give(served, client, clock, challenges):
    served.challenges = challenges
    with pytest.raises(Unauthorized, match="the registry wants a login"):
        client.manifest(reference(served.host))
    assert clock.waits == []


def test_a_token_is_renewed_before_it_expires(served, client, clock):
    served.token_answer = {"expires_in": 300}
    client.manifest(reference(served.host))
    clock.time += 285
    client.manifest(reference(served.host))
    assert len(served.tokens) == 1
    clock.time += 10
    served.valid.clear()  # nothing older would be taken
    client.manifest(reference(served.host))
    assert kinds(served)[-2:] == [("token", ""), ("manifest", "Bearer")]


@pytest.mark.parametrize(
    ("answer", "life"),
    [({}, 60), ({"expires_in": None}, 60), ({"expires_in": -5}, 60), ({"expires_in": "x"}, 60), ({"expires_in": 5}, 5)],
)
def test_how_long_a_token_lives(served, client, clock, answer, life):
    served.token_answer = answer
    client.manifest(reference(served.host))
    clock.time += life * 0.7
    client.manifest(reference(served.host))
    assert len(served.tokens) == 1
    clock.time += life * 0.3
    client.manifest(reference(served.host))
    assert len(served.tokens) == 2


def test_a_token_is_renewed_once_after_a_refusal(served, client, layout):
    client.manifest(reference(served.host))
    served.valid.clear()
    assert b"".join(client.blob(reference(served.host), big_layer(layout))) == BIG
    assert kinds(served)[-3:] == [("blob", "Bearer"), ("token", ""), ("blob", "Bearer")]
    served.valid = set()
    served.on("/token", lambda asked, reply: served.valid.clear())
    with pytest.raises(Unauthorized, match="there is no image .*, or it is private"):
        client.manifest(reference(served.host))
    assert kinds(served)[-3:] == [("manifest", "Bearer"), ("token", ""), ("manifest", "Bearer")]


def test_a_token_that_expires_in_the_middle_of_a_blob(served, client, layout):
    """The transfer breaks after the token's end; going on needs a new one."""

    def spoil(_, reply):
        reply.cut_at = 1_000_000
        served.valid.clear()

    served.on("/blobs/", spoil, times=2)  # the first is the 401
    client.manifest(reference(served.host))
    served.rules[0].left = 1
    assert b"".join(client.blob(reference(served.host), big_layer(layout))) == BIG
    assert len(served.tokens) == 2


def test_many_threads_share_one_token(served, client, layout):
    served.on("/token", lambda asked, reply: threading.Event().wait(0.1))
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: client.manifest(reference(served.host)), range(8)))
    assert len(served.tokens) == 1


def test_access_token_is_another_name_for_it(served, client):
    served.on("/token", status(200, {}, b'{"access_token": "a.b-c_d", "issued_at": "1999-01-01T00:00:00Z"}'))
    served.valid.add("a.b-c_d")
    assert client.manifest(reference(served.host)).content


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"[]", b'{"token": ""}', b'{"token": 7}', b'{"token": "a\\r\\nX: y"}', b'{"token": "a b"}', b"<html>"]
)
def test_an_answer_without_a_usable_token(served, client, body):
    served.on("/token", status(200, {}, body))
    with pytest.raises(ProtocolError, match=r"the token"):
        client.manifest(reference(served.host))


def test_a_token_server_with_a_fault_is_asked_again(served, client, clock):
    served.on("/token", status(503, {"Retry-After": "2"}), times=2)
    assert client.manifest(reference(served.host)).content
    assert len(clock.waits) == 2


def test_a_wrong_password_is_said_and_left_away(served, login, notice):
    """GHCR answers DENIED even where nobody needs a password."""
    client = login(served.host, password="hunter2")
    client.manifest(reference(served.host))
    client.manifest(reference(served.host, "x:many"))
    assert notice.warnings == ['the registry refused the password of "ana" (401); going on without it']
    assert [one.authorization is not None for one in served.asked("/token")] == [True, False]


@pytest.mark.parametrize("code", [401, 403])
def test_a_wrong_password_where_one_is_needed(served, login, code):
    served.on("/token", refused(code, "DENIED", "denied"))
    with pytest.raises(Unauthorized, match=r'the registry refused the password of "ana" \(401\)') as caught:
        login(served.host, password="hunter2").manifest(reference(served.host))
    assert caught.value.hint.startswith(f"sampan login {served.host} (the password came from ")
    assert "hunter2" not in f"{caught.value.sentence} {caught.value.hint}"


def test_a_right_password_that_is_not_enough(served, login):
    served.on("/token", lambda asked, reply: served.valid.clear())
    with pytest.raises(Unauthorized, match="there is no image .*, or 'ana' may not read it"):
        login(served.host).manifest(reference(served.host))


def test_nobody_is_let_in(served, client):
    served.anonymous = False
    with pytest.raises(Unauthorized, match="there is no image .*, or it is private") as caught:
        client.manifest(reference(served.host))
    assert f"sampan login {served.host}" in caught.value.hint


def test_the_reason_why_credentials_were_not_sent(served, make_client, tmp_path, notice):
    served.anonymous = False
    file = tmp_path / "auth.json"
    file.write_text(json.dumps({"auths": {}, "credHelpers": {served.host: "pass"}}))
    with pytest.raises(Unauthorized) as caught:
        make_client(authfile=str(file), PATH=str(tmp_path)).manifest(reference(served.host))
    assert f"{file} leaves passwords to a program: docker-credential-pass is not installed" in caught.value.hint
    assert len(notice.warnings) == 1


def test_another_host_may_give_the_tokens(served, elsewhere, login, notice):
    served.challenges = [f'Bearer realm="{elsewhere.url.replace("127.0.0.1", "localhost")}/token",service="s"']
    elsewhere.on("/token", lambda asked, reply: served.valid.update(elsewhere.tokens))
    login(served.host).manifest(reference(served.host))
    assert f"{served.host} sends us to localhost:{elsewhere.port} for a token" in notice.debugged


def test_a_token_server_does_not_redirect(served, elsewhere, login):
    served.on("/token", redirect(elsewhere.url + "{path}"))
    with pytest.raises(ProtocolError, match="answers 307 where a token for"):
        login(served.host).manifest(reference(served.host))
    assert elsewhere.requests == []


@pytest.mark.parametrize(
    ("realm", "reason"),
    [
        ("http://169.254.169.254/latest/meta-data", "not on the network"),
        ("http://0.0.0.0:1/token", "not on the network"),
        ("http://[fe80::1]/token", "not on the network"),
        ("http://ana:pw@127.0.0.1/token", "has a user name in it"),
        ("file:///etc/passwd", "not a URL of the web"),
        ("token", "not a URL of the web"),
    ],
)
def test_token_servers_that_are_not_asked(served, login, clock, realm, reason):
    served.challenges = [f'Bearer realm="{realm}"']
    with pytest.raises(ProtocolError, match=reason):
        login(served.host).manifest(reference(served.host))
    assert clock.waits == []


def test_over_tls_the_token_server_needs_tls_too(tls_faulty, elsewhere, layout, make_client):
    tls_faulty.add(layout)
    tls_faulty.login = "bearer"
    tls_faulty.challenges = [f'Bearer realm="{elsewhere.url}/token"']
    with pytest.raises(ProtocolError, match="without TLS"):
        make_client(SSL_CERT_FILE=str(tls_faulty.authority)).manifest(reference(tls_faulty.host))
    assert elsewhere.requests == []


def test_secrets_are_in_no_notice_and_no_error(served, login, notice, layout):
    client = login(served.host)
    served.on("/blobs/", status(500))
    with pytest.raises(Exception, match="has a fault") as caught:
        b"".join(client.blob(reference(served.host), big_layer(layout)))
    told = " ".join([*notice.warnings, *notice.debugged, *notice.said, str(caught.value), repr(caught.value)])
    assert "secret" not in told
    assert not any(token in told for token in served.tokens)


@pytest.fixture
def with_identity(make_client, tmp_path):
    """A client with an identity token for a registry."""

    def make(host, identity, user="0000"):
        file = tmp_path / "auth.json"
        encoded = base64.b64encode(f"{user}:".encode()).decode()
        file.write_text(json.dumps({"auths": {host: {"auth": encoded, "identitytoken": identity}}}))
        return make_client(authfile=str(file))

    return make


def test_an_identity_token_is_changed_for_a_token_by_post(served, with_identity):
    served.identities = {"refresh me+"}
    served.anonymous = False
    with_identity(served.host, "refresh me+").manifest(reference(served.host))
    (asked,) = served.asked("/token")
    assert (asked.method, asked.path, asked.authorization) == ("POST", "/token", None)
    assert asked.body == (
        b"grant_type=refresh_token&service=faulty&client_id=sampan&scope=repository%3Ax%3Apull&refresh_token=refresh+me%2B"
    )


@pytest.mark.parametrize("code", [404, 405])
def test_a_token_server_without_post_gets_it_as_a_password(served, with_identity, code):
    served.on("POST /token", status(code))
    served.users = {"0000": "idt"}
    served.anonymous = False
    with_identity(served.host, "idt").manifest(reference(served.host))
    assert [one.method for one in served.asked("/token")] == ["POST", "GET"]


def test_an_identity_token_that_is_refused(served, with_identity, notice):
    client = with_identity(served.host, "old")
    client.manifest(reference(served.host))
    assert notice.warnings == ['the registry refused the identity token of "0000" (401); going on without it']
    served.anonymous = False
    with pytest.raises(Unauthorized, match='refused the identity token of "0000"') as caught:
        with_identity(served.host, "old").manifest(reference(served.host))
    assert "the identity token came from" in caught.value.hint


def test_a_token_that_the_registry_does_not_take_at_once(served, client):
    """As when the clocks of registry and token server differ."""
    served.on("/token", lambda asked, reply: served.valid.clear())
    served.challenges = [f'Bearer realm="{served.url}/token",service="s",error="invalid_token"']
    with pytest.raises(Unauthorized, match=r"does not take the token that its token server has just given") as caught:
        client.manifest(reference(served.host))
    assert "clocks" in caught.value.hint
    assert len(served.tokens) == 1


def test_what_is_denied_to_a_login_is_tried_without(served, login, notice, layout):
    """GHCR denies public images to tokens that are not for them."""

    def deny(asked, reply):
        if asked.authorization == "Bearer token-0":
            refused(403, "DENIED", "requested access to the resource is denied")(asked, reply)

    served.on("/v2/x/", deny)
    client = login(served.host)
    client.manifest(reference(served.host))
    assert b"".join(client.blob(reference(served.host), big_layer(layout))) == BIG
    assert [sentence.partition(" denies ")[2].partition(" to the login")[0] for sentence in notice.warnings] == [
        f"{served.host}/x"
    ]
    assert kinds(served)[-1] == ("blob", "Bearer")


@pytest.mark.parametrize("scheme", ["basic", "bearer"])
def test_what_is_denied_to_everybody(served, login, scheme):
    served.login = scheme
    served.on("/v2/x/", lambda asked, reply: asked.authorization and refused(403, "DENIED", "no")(asked, reply))
    served.anonymous = False
    with pytest.raises(Unauthorized, match=r"denies access to .*/x \(403\): no"):
        login(served.host).manifest(reference(served.host))


@pytest.mark.parametrize("scheme", ["basic", "bearer"])
def test_check_login(served, client, scheme):
    served.login = scheme
    assert client.check_login(served.host, "", "ana", "secret")
    with pytest.raises(Unauthorized, match=r'refused the password of "ana" \(401\)') as caught:
        client.check_login(served.host, "", "ana", "hunter2")
    assert "hunter2" not in f"{caught.value.sentence}{caught.value.hint}"
    served.login = None
    assert not client.check_login(served.host, "", "ana", "x")
