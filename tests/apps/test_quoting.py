"""No value becomes shell syntax: real shells hand to a recording program exactly what was meant, in every quoting state."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sampan.apps.application import Input
from sampan.apps.build import _input
from sampan.apps.render import Scope, Unwritable, shell_text

pytestmark = pytest.mark.client

SHELLS = [(name, [path]) for name in ("dash", "bash", "zsh", "ksh", "mksh") if (path := shutil.which(name))]
SHELLS += [("busybox", [shutil.which("busybox"), "sh"])] if shutil.which("busybox") else []
RECORDER = '#!/bin/sh\nfor word; do printf "%s\\0" "$word"; done >>"$RECORD"\nprintf "\\n\\0" >>"$RECORD"\n'
AWKWARD = [
    "", " ", "a b", "$(touch PWNED)", "`touch PWNED`", "';touch PWNED;'", '";touch PWNED;"', "\ntouch PWNED\n", "EOF\ntouch PWNED\nEOF",
    "\\", "x\\", "#", "&touch PWNED&", ";touch PWNED;", "|touch PWNED", "a[$(touch PWNED)]", "){touch PWNED;}", "}touch PWNED",
    "))touch PWNED", "'", '"', "\"'", "EOF", "2", "-", "--", "-n", "if", "then", "~", "~root", "*", "!", "!!", "{a,b}", "$x", "=ls", "A=1",
    "\\$(touch PWNED)", "'\"$(touch PWNED)\"'", "$", "${x}", "\t", "\n", "\r\n", "é", "\udcff", "{", "}", "[", "x;y", "fi", "done", "esac",
    ";;", "*) touch PWNED", ">PWNED", ">&2", "%s", "\\n", "[A]", "[B]",
]  # fmt: skip


def given_input(id: str, **more) -> Input:
    return _input({"id": id, "name": id, "type": "String", "value-key": f"[{id}]", "optional": True, **more}, {})


INPUTS = [
    given_input("A"), given_input("B", **{"command-line-flag": "-b"}), given_input("E", **{"command-line-flag": "--e", "command-line-flag-separator": "="}),
    given_input("L", list=True), given_input("N", **{"list": True, "list-separator": ","}), given_input("P", **{"list": True, "list-separator": ";"}),
]  # fmt: skip
# A template, and the arguments of each `rec` in it, given the values.
STATES = [
    ("rec [A] [B]", lambda v: [[v["A"], "-b", v["B"]]]),
    ("rec [E] x[A]y", lambda v: [[f"--e={v['E']}", f"x{v['A']}y"]]),
    ("rec [A][A]", lambda v: [[v["A"] * 2]]),
    ("rec [L] end", lambda v: [[*v["L"], "end"]]),
    ("rec [N] '[N]' \"[P]\" [P]", lambda v: [[",".join(v["N"]), ",".join(v["N"]), ";".join(v["P"]), ";".join(v["P"])]]),
    ("rec '[A]' 'x [A] y'", lambda v: [[v["A"], f"x {v['A']} y"]]),
    ('rec "[A]" "x [A] y" "\\"[A]\\""', lambda v: [[v["A"], f"x {v['A']} y", f'"{v["A"]}"']]),
    ('x=1; rec "$x[A]" $x[A] "${x}[A]"', lambda v: [["1" + v["A"]] * 3]),
    ('rec $(printf %s%s. [A] "[A]") | cat', None),
    ('rec "$(printf %s. [A])"', lambda v: [[v["A"] + "."]]),
    ('rec "$(printf "%s." "[A]")" \'[A]\'', lambda v: [[v["A"] + ".", v["A"]]]),
    ("a=[A] b='[A]'; rec \"$a\" \"$b\"", lambda v: [[v["A"], v["A"]]]),
    ("if [ -n x ]; then rec [A]; else rec no; fi && rec [B]", lambda v: [[v["A"]], ["-b", v["B"]]]),
    ('for i in [L]; do rec "$i"; done', lambda v: [[one] for one in v["L"]]),
    ("case [A] in [A]) rec same;; *) rec [A];; esac; rec after", lambda v: [["same"], ["after"]]),
    ("case x in x) rec [A];; esac; (rec [A]; rec '[A]') && { rec [A]; }", lambda v: [[v["A"]]] * 4),
    ('f() { rec [A] "$1"; }; f [B]', lambda v: [[v["A"], "-b"]]),
    ("rec [A] >out 2>&1; rec [A]>out; rec [A] <in", lambda v: [[v["A"]]] * 3),
    ("cat in | rec [A] # not [A]\nrec '[A]'", None),
    ('sh -c \'rec "$1" "$2"\' sh [A] "[B]"', None),
    ('set -- [L]; rec "$@"', lambda v: [list(v["L"])]),
    ("${x:+no} rec [A] ${y:-plain}", lambda v: [[v["A"], "plain"]]),
    ("rec x\\ [A] \\\n[A]", lambda v: [["x " + v["A"], v["A"]]]),
    ("timeout 9 rec [A]; env T=[A] rec '[A]'", lambda v: [[v["A"]], [v["A"]]]),
]  # fmt: skip


@pytest.fixture(scope="module")
def arena(tmp_path_factory):
    """A directory with the recorder alone on PATH, beside what templates use."""
    base = tmp_path_factory.mktemp("quoting")
    programs = base / "bin"
    programs.mkdir()
    (programs / "rec").write_text(RECORDER)
    (programs / "rec").chmod(0o755)
    for name in ("touch", "cat", "sh", "printf", "timeout", "env", "awk", "sed", "xargs"):
        (programs / name).symlink_to(shutil.which(name))
    (base / "work").mkdir()
    return base


def recorded(arena: Path, shell: list[str], text: str) -> list[list[str]]:
    """The argument vectors that the recorder got."""
    record = arena / "record"
    record.write_bytes(b"")
    work = arena / "work"
    (work / "in").write_text("")
    subprocess.run(
        [*shell, "-c", os.fsencode(text)], cwd=work, env={"PATH": str(arena / "bin"), "RECORD": str(record)}, stdin=subprocess.DEVNULL,
        capture_output=True, timeout=20,
    )  # fmt: skip
    found: list[list[str]] = [[]]
    for word in record.read_bytes().split(b"\0")[:-1]:
        if word == b"\n" and found[-1] is not None:
            found.append([])
        else:
            found[-1].append(os.fsdecode(word))
    assert not (work / "PWNED").exists(), text
    return found[:-1]


def values_of(chance: random.Random) -> dict:
    several = {id: tuple(chance.choice(AWKWARD) for _ in range(chance.randint(1, 3))) for id in "LNP"}
    return {**{id: chance.choice(AWKWARD) for id in "ABE"}, **several}


@pytest.mark.parametrize("name, shell", SHELLS, ids=[name for name, _ in SHELLS])
def test_every_state_hands_over_exactly_what_was_meant(arena, name, shell):
    """All awkward values in all states; a value that is a line break alone would look like the recorder's own mark."""
    chance = random.Random(7)
    for template, meant in STATES:
        rounds = [{**values_of(chance), "A": value, "B": value} for value in AWKWARD if value != "\n"] if name == "dash" else []
        for values in [*rounds[:: 1 if meant else 4], *(values_of(chance) for _ in range(6))]:
            if any(one == "\n" for value in values.values() for one in (value if isinstance(value, tuple) else [value])):
                continue
            try:
                text = shell_text(template, Scope(INPUTS, (), values, {}))
            except Unwritable:
                assert meant is None or "#" in template, (template, values)
                continue
            found = recorded(arena, shell, text)
            if meant is not None:
                assert found == meant(values), (template, values, text)


FRAGMENTS = [
    "rec [A]", 'rec "[A]"', "rec '[A]'", "rec x[A]y", "\n", "; ", "&& ", "| cat ", "( ", ") ", "{ ", "; } ", '"', "'", "`", "$(", ")", "$((", "))",
    "${x:-", "${x%", "${x/", "}", "${", "<<EOF\n", "\nEOF\n", "<<'EOF'\n", "<<-EOF\n", "#", " ", "\\", "$", "[A]", "[B]", "[L]", "[N]", "[P]",
    "case [A] in ", "x) ", ";; esac ", "[[ ", "]] ", "-eq ", "if [A]; then ", "fi; ", "for i in [L]; do ", "done; ", 'sh -c "', "sh -c '", "eval ",
    'eval "', "rec $i ", "x=[A]; ", 'eval "$x" ', "awk '{print}' ", "echo [A] | sh\n", ">f ", "> [A] ", ">&", "<&", "&>", "2>", "[A]>f ", "$'", '$"',
    "~", "a,", "=", "export [A]=", "export x=[A] ", "-n ", "echo ", "\t", "$x", "$1", "set -- [L]; ", "cat ", "sh ", "test ", "[ ", "! ", "*", "?",
    "trap '", "alias a=[A]\n", "let ", "(( ", "function f { ", "f() { ", "<(", ">(", "<<<", "sh <<< ", "xargs sh -c ", "printf -v ", "read x; ",
    "sed -e ", "s/a/[A]/e ", "cat > s.sh <<X\n[A]\nX\nsh s.sh\n", "echo [A] > s.sh; sh s.sh ", "$[", "while [A]; do break; ", "time ", "coproc ",
]  # fmt: skip


def test_no_template_lets_a_value_run_something(arena):
    """Random templates of the pieces that quoting goes wrong in: whatever is accepted, in no shell does a value's command run."""
    chance = random.Random(int(os.environ.get("FUZZ_SEED", "1")))
    harmful = [value for value in AWKWARD if value != ">PWNED"]
    accepted = 0
    for _ in range(int(os.environ.get("FUZZ_RUNS", "1500"))):
        template = "".join(chance.choice(FRAGMENTS) for _ in range(chance.randint(1, 7)))
        values = {id: tuple(chance.choice(harmful) for _ in several) if len(several) > 1 else chance.choice(harmful) for id, several in
                  (("A", "1"), ("B", "1"), ("L", "12"), ("N", "12"), ("P", "12"))}  # fmt: skip
        try:
            text = shell_text(template, Scope(INPUTS, (), values, {}))
        except Unwritable:
            continue
        if "PWNED" not in text:
            continue
        accepted += 1
        recorded(arena, SHELLS[accepted % len(SHELLS)][1], text)
    assert accepted > 20


@given(st.text(st.characters(exclude_characters="\0\ufdd0", exclude_categories=()), max_size=30))
@settings(max_examples=150)
def test_any_text_arrives_in_quotes_of_every_kind(value):
    """By bash, in one start for three states; NUL cannot be an argument, and U+FDD0 is no character."""
    try:
        os.fsencode(value)
    except UnicodeEncodeError:
        return
    text = shell_text("printf '%s\\0' [A] \"[A]\" '[A]'", Scope(INPUTS, (), {"A": value}, {}))
    done = subprocess.run(["bash", "-c", os.fsencode(text)], capture_output=True, timeout=20)
    assert done.stdout == (os.fsencode(value) + b"\0") * 3


REFUSED = [
    ("cat <<EOF\n[A]\nEOF", "a here-document"),
    ("cat <<'EOF'\n[A]\nEOF", "a here-document"),
    ('sh -c "rec [A]"', "another interpreter"),
    ("bash -lc 'rec [A]'", "another interpreter"),
    ("timeout 5 bash -ec 'rec [A]'", "another interpreter"),
    ("eval rec [A]", "another interpreter"),
    ('x=[A]; eval "$x"', "hands values on"),
    ('f="tool [A]"; sh -c "$f"', "hands values on"),
    ("echo [A] | sh", "hands values on"),
    ("echo rec [A] > s.sh; bash s.sh", "hands values on"),
    ("echo rec [A] > s.sh; . s.sh", "hands values on"),
    ("echo rec [A] > s.sh; X=1 command -p . s.sh", "hands values on"),
    ("echo rec [A] > s.sh; if true; then source s.sh; fi", "hands values on"),
    ("echo rec > [A]; [A] -x . [A]", "hands values on"),
    ("awk '{ print [A] }' f", "another interpreter"),
    ('awk -v x=1 "/[A]/" f', "another interpreter"),
    ("sed -e s/x/[A]/ f", "another interpreter"),
    ("sed 's/x/[A]/' f", "another interpreter"),
    ("python3 -c 'print([A])'", "another interpreter"),
    ("perl -pe 's/x/[A]/' f", "another interpreter"),
    ("find . -exec sh -c 'rec [A]' \\;", "another interpreter"),
    ("rec `rec [A]`", "backquotes"),
    ("rec $((1 + [A]))", "arithmetic"),
    ("[[ [A] -eq 1 ]]", "[[ ]]"),
    ("rec ${x:-[A]}", "${...}"),
    ("rec >&[A]", "`>&`"),
    ("trap 'rec [A]' EXIT", "another interpreter"),
]  # fmt: skip


@pytest.mark.parametrize("template, reason", REFUSED)
def test_where_nothing_can_be_safe_only_tame_values_are_taken(template, reason):
    with pytest.raises(Unwritable, match=reason.replace("[", r"\[").replace("$", r"\$").replace("{", r"\{").replace(".", r"\.")):
        shell_text(template, Scope(INPUTS, (), {"A": "a; touch PWNED"}, {}))
    tame = "12" if reason in ("arithmetic", "[[ ]]") else "a.b-c"
    assert tame in shell_text(template, Scope(INPUTS, (), {"A": tame}, {}))


@pytest.mark.parametrize(
    "template, plain",
    [
        ("awk -F: '{ print $1 }' [A]", "awk -F: '{ print $1 }' 'a b'"),
        ("python3 tool.py -c [A]", "python3 tool.py -c 'a b'"),
        ("eval export X=1; rec [A]", "eval export X=1; rec 'a b'"),
        ('sed -i "s#/X#$PWD#g" f; rec [A]', "sed -i \"s#/X#$PWD#g\" f; rec 'a b'"),
        ("sh script.sh [A]", "sh script.sh 'a b'"),
        ("rec -o . [A] > [A]", "rec -o . 'a b' > 'a b'"),
        ("rec source [A] > [A]", "rec source 'a b' > 'a b'"),
        ("f=$(basename '[A]'); f=${f%%.*}; rec \"$f\"", "f=$(basename 'a b'); f=${f%%.*}; rec \"$f\""),
    ],
)
def test_what_only_looks_like_a_second_parser_takes_any_value(template, plain):
    assert shell_text(template, Scope(INPUTS, (), {"A": "a b"}, {})) == plain


def test_a_shell_that_cannot_be_read_takes_tame_values_only():
    scope = Scope(INPUTS, (), {"A": "a b"}, {})
    with pytest.raises(Unwritable, match="a shell that sampan cannot read"):
        shell_text("rec [A]", scope, posix=False)
    assert shell_text("rec [A]", Scope(INPUTS, (), {"A": "a.b"}, {}), posix=False) == "rec a.b"
