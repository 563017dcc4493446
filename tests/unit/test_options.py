"""Command lines as Docker writes them."""

from __future__ import annotations

import pytest

from sampan.errors import UsageError
from sampan.options.parse import HelpRequested, parse
from sampan.options.table import FLAG, LIST, OPTIONAL, VALUE, Argument, Command, Option

RUN = Command(
    "run",
    "run",
    (
        Option("--rm", FLAG, ""),
        Option("-i --interactive", FLAG, ""),
        Option("-t --tty", FLAG, ""),
        Option("-e --env", LIST, "", "NAME=VALUE"),
        Option("-w --workdir", VALUE, "", "DIR"),
        Option("--network", VALUE, "", "MODE", ("host", "none")),
        Option("--progress", OPTIONAL, "", "WORD"),
        Option("--read-only", FLAG, ""),
    ),
    (Argument("IMAGE", "1", "an image"), Argument("COMMAND", "*", "its command")),
    options_end=True,
)
pytestmark = pytest.mark.client


def run(*words):
    return parse(RUN, list(words)).values


@pytest.mark.parametrize("words", [["-e", "A=1"], ["-eA=1"], ["-e=A=1"], ["--env", "A=1"], ["--env=A=1"]])
def test_a_value_may_be_written_in_every_way(words):
    assert run(*words, "img")["env"] == ("A=1",)


def test_flags_cluster_and_take_booleans():
    assert (run("-it", "img")["interactive"], run("-it", "img")["tty"]) == (True, True)
    assert run("--rm=false", "img")["rm"] is False
    assert run("--read-only=true", "img")["read_only"] is True
    assert run("-ite", "A=1", "img")["env"] == ("A=1",)


def test_options_end_at_the_image():
    values = run("img", "ls", "--rm", "-e", "x")
    assert values["command"] == ("ls", "--rm", "-e", "x")
    assert values["rm"] is False


def test_two_dashes_end_the_options():
    assert run("--", "--odd-image")["image"] == "--odd-image"


def test_optional_values_never_take_the_next_word():
    assert (run("--progress", "img")["progress"], run("--progress=plain", "img")["progress"]) == ("", "plain")


@pytest.mark.parametrize(
    ("words", "sentence", "hint"),
    [
        (["--netwrk=none", "i"], "has no option --netwrk", "did you mean --network?"),
        (["--network=bridge", "i"], "--network cannot be 'bridge'", "it is one of host, none"),
        (["--network=hots", "i"], "--network cannot be 'hots'", "did you mean host? it is one of host, none"),
        (["-w"], "-w of `sampan run` needs a value", "sampan run --help"),
        ([], "needs IMAGE", "sampan run --help"),
        (["--rm=maybe", "i"], "is on or off", "--rm=false"),
        (["-x", "i"], "has no option -x", "--help"),
    ],
)
def test_mistakes_name_the_nearest_right_word(words, sentence, hint):
    with pytest.raises(UsageError) as caught:
        run(*words)
    assert sentence in caught.value.sentence
    assert hint in caught.value.hint


def test_help_is_asked_for_only_before_the_image():
    with pytest.raises(HelpRequested):
        run("--help")
    assert run("img", "--help")["command"] == ("--help",)
