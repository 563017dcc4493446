"""Command lines, paths, files and conditions, filled in."""

from __future__ import annotations

import os

import pytest

from sampan.apps import expression
from sampan.apps.bind import bind
from sampan.apps.containeropts import fields_of
from sampan.apps.images import reference_of
from sampan.apps.launch import prepare
from sampan.apps.outputs import collect, expected_outputs
from sampan.apps.render import environment
from sampan.apps.written import written_files
from sampan.errors import BadValues, UnsupportedContent
from tests.apps.made import application, line, one, output

pytestmark = pytest.mark.client


def test_flags_separators_lists_and_what_is_absent():
    inputs = [
        one("A", command_line_flag="-a"), one("B", optional=True), one("N", "Number", command_line_flag="--n", command_line_flag_separator="="),
        one("X", "Flag"), one("L", list=True, list_separator=","),
    ]  # fmt: skip
    assert (
        line({"A": "x y", "N": 0.5, "X": True, "L": ["p", "q r"]}, "rec [A] [B] [N] [X] [L] end", inputs)
        == "rec -a 'x y' --n=0.5 --X p,'q r' end"
    )
    assert (
        line({"A": "[N]", "N": 3, "L": ["p"]}, "rec [A] [N] [L]", [*inputs[:1], *inputs[2:3], inputs[4]])
        == "rec -a '[N]' --n=3 p"
    )


def test_a_key_that_several_share_holds_each_that_has_a_value():
    inputs = [
        one("A", optional=True, value_key="[O]", command_line_flag="-a"),
        one("B", optional=True, value_key="[O]", command_line_flag="-b"),
    ]
    groups = [{"id": "g", "name": "g", "members": ["A", "B"], "mutually-exclusive": True}]
    assert line({"B": "x"}, "rec [O] end", inputs, groups=groups) == "rec -b x end"
    assert line({}, "rec [O] end", inputs, groups=groups) == "rec end"


def paths(values: dict, inputs: list, outputs: list, command: str = "rec") -> dict[str, str]:
    keys = " ".join(each["value-key"] for each in (*inputs, *outputs))
    bound = bind(application(f"{command} {keys}", inputs, output_files=outputs), values)
    return {each.id: each.pattern for each in expected_outputs(bound, "/work")}


def test_paths_of_outputs():
    inputs = [one("F", "File"), one("S", optional=True)]
    outputs = [
        output("a", "[F]_out.nii", path_template_stripped_extensions=[".nii", ".nii.gz"]), output("b", "out/[F]_[S].txt"), output("c", "[a].md5"),
        output("d", "x.log", uses_absolute_path=True),
    ]  # fmt: skip
    assert paths({"F": "sub/T1.nii.gz", "S": "s"}, inputs, outputs) == {
        "a": "sub/T1_out.nii", "b": "out/T1.nii.gz_s.txt", "c": "sub/T1_out.nii.md5", "d": "/work/x.log",
    }  # fmt: skip
    assert paths({"F": "T1.nii"}, inputs, outputs[1:2]) == {"b": "out/T1.nii_.txt"}


def test_conditional_paths():
    inputs = [one("N", "Number"), one("S", optional=True), one("X", "Flag")]
    outputs = [
        output(
            "o",
            conditional_path_template=[
                {"N > 8 and (S == 'big' or [X])": "big.txt"},
                {'S != "x" and not X': "[S].txt"},
                {"default": "d.txt"},
            ],
        )
    ]
    assert paths({"N": 9, "S": "big", "X": False}, inputs, outputs) == {"o": "big.txt"}
    assert paths({"N": 9, "S": "u", "X": True}, inputs, outputs) == {"o": "big.txt"}
    assert paths({"N": 1, "S": "u", "X": False}, inputs, outputs) == {"o": "u.txt"}
    assert paths({"N": 99}, inputs, outputs) == {"o": "d.txt"}, "a condition on an input without a value does not hold"


@pytest.mark.parametrize(
    "text, holds",
    [
        ("a == 1", True), ("a=='1'", False), ("1 < a", False), ("b == x", True), ("b == 'x' and a >= 1", True), ("not (a == 1 or b == y)", False),
        ("c == 2.50", True), ("f == True", True), ("f == 'True'", True), ("f", True), ("0 < a < 2", True), ("d == 1", False),
    ],
)  # fmt: skip
def test_conditions(text, holds):
    ids = {id: id for id in "abcdf"}
    assert expression.evaluate(text, ids, {"a": 1, "b": "x", "c": "2.5", "f": True}) is holds


@pytest.mark.parametrize(
    "text",
    [
        "a ==",
        "(a == 1",
        "a == 1)",
        "== 1",
        "a & b",
        "__import__('os').system('x')",
        "a < 'x'",
        "a == 1 b",
        "'x",
        "(" * 99 + "a" + ")" * 99,
    ],
)
def test_conditions_that_are_none(text):
    with pytest.raises(expression.BadExpression):
        expression.evaluate(text, {"a": "a", "b": "b"}, {"a": 1, "b": 2})


def test_variables():
    variables = [{"name": "P", "value": "plain $x"}, {"name": "V", "value": "[A]"}, {"name": "W", "value": "[B]"}]
    bound = bind(application("rec [A]", [one("A"), one("B", optional=True)], environment_variables=variables), {"A": "it's"})
    assert environment(bound) == (("P", "plain $x"), ("V", "it's"))


def written(values: dict, lines: list[str], path: str, command: str = "rec [c] [B]") -> str:
    made = application(
        command,
        [one("A"), one("B", "Number", optional=True, command_line_flag="-b")],
        output_files=[output("c", path, file_template=lines)],
    )
    return written_files(bind(made, values))[0].content


def test_file_templates():
    assert written({"A": "x y"}, ["# conf", "a = [A]", "b = [B]"], "c.ini") == "# conf\na = x y\n"
    assert written({"A": "x y", "B": 2}, ["a=[A]", "b=[B]"], "c.ini") == "a=x y\nb=2"
    assert written({"A": "x;y"}, ['tool [A] "[A]"'], "c.sh") == "tool 'x;y' \"x;y\""
    assert written({"A": "it's"}, ["tool [A]"], "conf", "sh [c] [B]") == "tool 'it'\\''s'"
    for path, value in (("c.py", "x; y"), ("c.ini", "x\ny"), ("c.json", 'x"')):
        with pytest.raises(BadValues, match="cannot launch tool/1: A:"):
            written({"A": value}, ["[A]"], path)


def test_subcommands():
    operation = {"id": "op", "command-line": "--op [O] [P]", "inputs": [
        {"id": "o", "name": "o", "type": "String", "value-key": "[O]"}, {"id": "p", "name": "p", "type": "Number", "list": True, "list-separator": ",", "value-key": "[P]"}]}  # fmt: skip
    inputs = [{**one("OPS"), "type": operation, "list": True}]
    assert (
        line({"OPS": [{"o": "blur", "p": [3, 3]}, {"o": "a b", "p": [9]}]}, "tool [OPS]", inputs)
        == "tool --op blur 3,3 --op 'a b' 9"
    )
    with pytest.raises(BadValues, match=r"OPS\[0\]\.p: is missing"):
        line({"OPS": [{"o": "blur"}]}, "tool [OPS]", inputs)


@pytest.mark.parametrize(
    "container, reference",
    [
        ({"type": "docker", "image": "a/b:1"}, "a/b:1"),
        ({"type": "docker", "image": "a/b:1", "index": "quay.io"}, "quay.io/a/b:1"),
        ({"type": "docker", "image": "a/b:1", "index": "docker://"}, "a/b:1"),
        ({"type": "singularity", "image": "docker://a/b:1"}, "a/b:1"),
        ({"type": "singularity", "image": "a/b", "index": "docker://docker.io"}, "docker.io/a/b"),
        ({"type": "docker", "image": "a/b:1", "container-hash": "sha256:" + "0" * 64}, "a/b:1@sha256:" + "0" * 64),
        ({"type": "singularity", "image": "a/b", "index": "shub://"}, None),
        ({"type": "singularity", "image": "/images/x.sif"}, None),
    ],
)
def test_references(container, reference):
    made = application(container_image=container)
    if reference is None:
        with pytest.raises(UnsupportedContent):
            reference_of(made.container)
    else:
        assert reference_of(made.container) == reference


def test_container_options():
    fields, warnings = fields_of(
        "docker",
        [
            "-e HOME=$PWD",
            "--network=none",
            "--ulimit nofile=10:20",
            "--privileged --rm",
            "--name x",
            "--gpus all",
            "-v /etc:/x",
            "-e TOKEN",
            "--frob",
        ],
        "/w d",
    )
    assert fields == {"environment": ("HOME=/w d",), "network": "none", "limits": ("nofile=10:20",)}
    assert [warning.split(":", 1)[1].split(" is ")[0].strip()[:24] for warning in warnings] == [
        "--gpus",
        "the mount /etc:/x",
        "the variables TOKEN of t",
        "--frob",
    ]
    assert fields_of("singularity", ["--nv", "--cleanenv", "--pwd /x", "--containall"], "/w")[0] == {
        "workdir": "/x",
        "isolate": True,
    }


def test_what_a_launch_sees(tmp_path):
    (tmp_path / "w").mkdir()
    (tmp_path / "w/in side").write_text("x")
    (tmp_path / "outside,1").write_text("x")
    (tmp_path / "w/link").symlink_to("../outside,1")
    made = application(
        "rec [F] [G] [H] [o]",
        [one("F", "File"), one("G", "File"), one("H", "File")],
        container_image={"type": "docker", "image": "i"},
        output_files=[output("o", "[F].out")],
    )
    launch = prepare(bind(made, {"F": "in side", "G": "../outside,1", "H": "link"}), str(tmp_path / "w"), mounts="/cvmfs")
    place = os.path.realpath(tmp_path)
    assert launch.command_line == f"rec 'in side' {tmp_path}/outside,1 link 'in side.out'"
    assert launch.request.workdir == str(tmp_path / "w")
    assert launch.request.entrypoint == "/bin/sh"
    assert f'type=bind,"source={place}/outside,1","target={place}/outside,1",readonly' in launch.request.mounts
    with pytest.raises(BadValues, match="F: there is no file gone"):
        prepare(bind(made, {"F": "gone", "G": "link", "H": "link"}), str(tmp_path / "w"), mounts="/cvmfs")
    with pytest.raises(BadValues, match="o: it would be written to .*outside,1.out, outside of the working directory"):
        prepare(bind(made, {"F": "../outside,1", "G": "link", "H": "link"}), str(tmp_path / "w"), mounts="/cvmfs")


def test_outputs_are_collected_and_links_never_followed(tmp_path):
    for name in ("a.txt", "b.txt", "sub/c.log", ".hidden.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    (tmp_path / "passwd").symlink_to("/etc/passwd")
    outputs = [
        output("all", "*.txt", list=True), output("one", "[abc].txt"), output("deep", "sub/*.log"), output("gone", "gone"), output("perhaps", "no*", optional=True),
        output("link", "passwd"), output("dir", "sub"),
    ]  # fmt: skip
    bound = bind(application("rec [A] " + " ".join(each["value-key"] for each in outputs), output_files=outputs), {"A": "x"})
    found = {each.id: (each.paths, each.problem) for each in collect(expected_outputs(bound), str(tmp_path))}
    assert found == {
        "all": (("a.txt", "b.txt"), ""), "one": (("a.txt", "b.txt"), "2 files match [abc].txt, and it is no list"), "deep": (("sub/c.log",), ""),
        "gone": ((), "gone is missing"), "perhaps": ((), ""), "link": ((), "passwd is a link that leaves the directory"), "dir": (("sub",), ""),
    }  # fmt: skip
