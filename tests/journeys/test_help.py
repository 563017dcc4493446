"""`--help` and `help` of everything, and errors that name the nearest right word."""

from __future__ import annotations

import pytest

from sampan.cli.tables import commands

EVERY = [command.words for _, here in commands() for command in here]


def test_every_command_has_help_by_both_ways(sampan):
    # The command starts once for each way that differs; the tables themselves are read in tests/structure.
    for words in ("run", "store gc", "ps"):
        shown = sampan.good(*words.split(), "--help")
        assert shown.lines[0].startswith(f"usage: sampan {words} ")
        assert "examples:" in shown.lines
        assert sampan.good("help", *words.split()).out == shown.out
        assert sampan.good(*words.split(), "-h").out == shown.out


def test_help_never_runs_anything(sampan):
    assert sampan.good("help", "run", "debian:12").lines[0].startswith("usage: sampan run ")


def test_the_overview_and_the_verbs_of_a_noun(sampan):
    for words in ([], ["--help"], ["help"]):
        text = sampan.good(*words).text
        assert all(f"  {name} " in text for name in EVERY if " " not in name)
    assert sampan.good("store", "--help").out == sampan.good("help", "store").out
    assert all(f"  {name.split()[1]} " in sampan.good("help", "store").text for name in EVERY if name.startswith("store "))


def test_options_by_theme(sampan):
    lines = sampan.good("run", "--help").lines
    assert [line for line in lines if line in ("files:", "user:", "limits:", "image and engine:", "other:")] == [
        "files:", "user:", "limits:", "image and engine:",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ("rnu debian", "did you mean `sampan run`?"),
        ("--debgu images", "did you mean `sampan --debug`?"),
        ("help imges", "did you mean `sampan images`?"),
        ("store fcsk", "did you mean `sampan store fsck`?"),
        ("help store prun", "did you mean `sampan store prune`?"),
        ("store", "see `sampan store --help`"),
        ("run --netwrk none x", "did you mean --network?"),
        ("run --network hots x", "did you mean host? it is one of host, none"),
        ("images --format jsn", "did you mean json? it is one of table, json"),
        ("config paralel", "did you mean parallel?"),
        ("completion bahs", "did you mean bash? it is one of bash, zsh, fish"),
        ("ps --filter stauts=x", "status"),
    ],
)
def test_the_nearest_right_word(sampan, words, hint):
    done = sampan(*words.split())
    assert done.status == 125
    assert done.err.splitlines()[0].startswith("sampan: ")
    assert done.err.splitlines()[1].startswith("hint: ")
    assert hint in done.err.splitlines()[1]


def test_an_unknown_key_in_a_file_names_the_nearest(sampan, tmp_path):
    (tmp_path / "sampan").mkdir()
    (tmp_path / "sampan/config.toml").write_text("insecure_registry = ['x']\n")
    done = sampan("images", XDG_CONFIG_HOME=str(tmp_path))
    assert done.status == 125
    assert "hint: did you mean insecure_registries?" in done.err
