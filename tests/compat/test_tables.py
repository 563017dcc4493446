"""The tables of compatible programs: every word leads somewhere, and every verb and option of the originals is known."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from sampan.cli import PROGRAMS
from sampan.compat.program import _load, table_of, translated
from sampan.options.unserved import REFUSED, WARNED, Unserved

FLAGS = Path(__file__).with_name("docker_flags.txt")


def program(name):
    return __import__(PROGRAMS[name][0], fromlist=["PROGRAM"]).PROGRAM


def recorded():
    for line in FLAGS.read_text().splitlines():
        if not line.startswith("#"):
            verb, _, flags = line.partition(":")
            yield verb, set(flags.split())


@pytest.mark.parametrize("name", list(PROGRAMS))
def test_every_verb_is_served_and_every_alias_leads_to_one(name):
    found = program(name)
    for verb in found.verbs:
        command, main = table_of(found, verb), _load(found, verb)[1]
        assert callable(main)
        assert command.words == verb
        spellings = [spelling for option in command.options for spelling in option.spellings]
        assert len(spellings) == len(set(spellings)), verb
    assert [alias for alias, verb in found.aliases.items() if verb not in found.verbs] == []
    assert [words for words in found.refused if words in found.verbs or words in found.aliases] == []


@pytest.mark.parametrize("name", list(PROGRAMS))
def test_every_option_says_what_becomes_of_it(name):
    found = program(name)
    for verb in found.verbs:
        for option in table_of(found, verb).options:
            assert option.help or (isinstance(option, Unserved) and option.treatment not in (WARNED, REFUSED)), (
                verb,
                option.spellings,
            )


def lacking(found, verb, flags):
    if verb in found.refused or verb.split()[0] in found.refused:
        return set()
    assert verb in found.verbs or verb in found.aliases, f"{found.name} {verb}"
    command = table_of(found, found.aliases.get(verb, verb))
    return flags - {spelling for option in command.options for spelling in option.spellings}


def test_every_verb_and_option_of_docker_is_known():
    assert {verb: missing for verb, flags in recorded() if (missing := lacking(program("docker"), verb, flags))} == {}


def options_of(help):
    return {word for words in re.findall(r"^\s+(?:(-\w), )?(--[a-z0-9-]+)", help, re.MULTILINE) for word in words if word} - {
        "--help"
    }


def podman_help(*words):
    return subprocess.run(["podman", *words, "--help"], capture_output=True, text=True).stdout


def verbs_of(help):
    part = help.partition("Available Commands:")[2].partition("Options:")[0]
    return [line.split()[0] for line in part.splitlines() if line.strip()]


def test_every_verb_and_option_of_podman_is_known():
    if shutil.which("podman") is None or not verbs_of(podman_help()):
        pytest.skip("podman is not installed")
    found = program("podman")
    missing = {}
    for verb in verbs_of(podman_help()):
        if verb == "help" or verb in found.refused:
            continue
        help = podman_help(verb)
        for words, text in [(f"{verb} {one}", None) for one in verbs_of(help)] or [(verb, help)]:
            flags = (
                options_of((text or podman_help(*words.split())).rpartition("Options:")[2])
                if words not in found.refused
                else set()
            )
            if left := lacking(found, words, flags):
                missing[words] = left
    assert missing == {}


def test_ways_on_are_said_in_the_words_of_the_program():
    docker = program("docker")
    assert (
        translated(docker, "run `sampan pull x`, see `sampan doctor`; sampan has none")
        == "run `docker pull x`, see `sampan doctor`; sampan has none"
    )
