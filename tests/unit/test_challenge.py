"""WWW-Authenticate: several challenges in several headers, commas in quotes, and what is no challenge."""

from __future__ import annotations

import pytest

from sampan.registry.challenge import Challenge, parse_challenges

pytestmark = pytest.mark.client


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        (['Basic realm="x"'], [("basic", {"realm": "x"})]),
        (
            ['Bearer realm="https://a/t",service="r",scope="repository:a/b:pull,push"'],
            [("bearer", {"realm": "https://a/t", "service": "r", "scope": "repository:a/b:pull,push"})],
        ),
        (['Basic realm="a", Bearer realm="b"'], [("basic", {"realm": "a"}), ("bearer", {"realm": "b"})]),
        (['Bearer realm="b", scope="p", Basic realm="a"'], [("bearer", {"realm": "b", "scope": "p"}), ("basic", {"realm": "a"})]),
        (['Basic realm="a"', 'Bearer realm="b"'], [("basic", {"realm": "a"}), ("bearer", {"realm": "b"})]),
        (["Negotiate", "Basic"], [("negotiate", {}), ("basic", {})]),
        (["Negotiate, Basic"], [("negotiate", {}), ("basic", {})]),
        (['Negotiate YII/x+==, Basic realm="a"'], [("negotiate", {}), ("basic", {"realm": "a"})]),
        (["BEARER REALM=b , Service = r"], [("bearer", {"realm": "b", "service": "r"})]),
        (["Bearer realm=https"], [("bearer", {"realm": "https"})]),
        ([r'Basic realm="a \"quoted\" \\ one, really"'], [("basic", {"realm": r'a "quoted" \ one, really'})]),
        ([',, Basic realm="a",, charset="UTF-8",'], [("basic", {"realm": "a", "charset": "UTF-8"})]),
        (['Basic realm=""'], [("basic", {"realm": ""})]),
        (['Bearer realm="a" service="b"'], [("bearer", {"realm": "a"})]),
        (['Bearer realm="a",error="invalid_token"'], [("bearer", {"realm": "a", "error": "invalid_token"})]),
    ],
)
def test_challenges(headers, found):
    assert [(one.scheme, one.parameters) for one in parse_challenges(headers)] == found


@pytest.mark.parametrize("headers", [[], [""], ["   "], [",,,"], ['"'], ['"Basic"'], ["="], ["(x)"], ["Basic=x"], ["\0"], ["ä"]])
def test_what_is_no_challenge(headers):
    assert parse_challenges(headers) == []


def test_a_parameter_given_twice_drops_the_challenge():
    assert parse_challenges(['Bearer realm="a", realm="b", Basic realm="c"']) == [Challenge("basic", {"realm": "c"})]


def test_a_quote_that_never_ends_swallows_the_rest():
    assert parse_challenges(['Bearer realm="a, Basic realm=x']) == [Challenge("bearer", {})]


def test_limits():
    assert len(parse_challenges(["Basic"] * 100)) == 32
    assert len(parse_challenges([", ".join(f'Basic realm="{n}"' for n in range(100))])) == 32
    parse_challenges(["a=" * 1_000_000])
