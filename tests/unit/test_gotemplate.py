"""Templates of Go: what each construct gives, that errors name their place, and that real Go agrees (where it is installed)."""

from __future__ import annotations

import json
import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sampan.errors import UsageError
from sampan.terminal.gotemplate.evaluate import Template
from sampan.terminal.gotemplate.rows import rendered, tabbed

VALUE = {
    "ID": "abc", "Names": ["a", "b"], "N": 3, "T": True, "F": False, "Half": 1.5, "Nil": None, "Empty": [], "Text": "hello world",
    "Config": {"Env": ["A=1", "B=2"], "Labels": {"x.y": "z"}, "Deep": {"er": [1, [2, 3]]}},
}  # fmt: skip
# Template -> text; what Go itself makes of them is asked below.
PLAIN = [
    ("{{.ID}}", "abc"),
    ("{{ .Config.Env }} {{.Config.Labels}}", "[A=1 B=2] map[x.y:z]"),
    ("{{range .Names}}<{{.}}>{{else}}none{{end}}", "<a><b>"),
    ("{{range .Empty}}x{{else}}none{{end}}", "none"),
    ("{{range $i, $e := .Names}}{{if $i}},{{end}}{{$i}}={{$e}}{{end}}", "0=a,1=b"),
    ("{{range $k, $v := .Config.Labels}}{{$k}}:{{$v}}{{end}}", "x.y:z"),
    ('{{range .Names}}{{if eq . "b"}}{{break}}{{end}}{{.}}{{end}}', "a"),
    ('{{range .Names}}{{if eq . "a"}}{{continue}}{{end}}{{.}}{{end}}', "b"),
    ('{{index .Config.Labels "x.y"}}{{index .Names 1}}{{index .Config.Deep.er 1 0}}', "zb2"),
    ("{{with .Config}}{{len .Env}}{{end}}{{with .Nil}}x{{else}}y{{end}}", "2y"),
    ("{{if .T}}yes{{else}}no{{end}} {{if .F}}yes{{else if eq .N 3}}three{{end}}", "yes three"),
    ('{{and .T .N}} {{or .F "x"}} {{not .T}}', "3 x false"),
    (
        '{{eq .N 3}} {{ne .ID "x"}} {{lt 1 2}} {{le 2 2}} {{gt 1 2}} {{ge 3 2}} {{eq .ID "x" "abc"}}',
        "true true true true false true true",
    ),
    ("{{len .ID}} {{slice .ID 1 2}} {{slice .Names 1}}", "3 b [b]"),
    ('{{print 1 2 "a" "b" 3}}|{{println "a" 1}}', "1 2ab3|a 1\n"),
    (
        '{{printf "%s|%5s|%-5s|%q|%d|%05d|%x|%v|%t|%.2f|%%" .ID .ID .ID .ID .N .N .N .Names .T .Half}}',
        'abc|  abc|abc  |"abc"|3|00003|3|[a b]|true|1.50|%',
    ),
    ('{{printf "%d" .ID}}{{printf "%s"}}', "%!d(string=abc)%!s(MISSING)"),
    ('{{.ID | printf "%s-%s" "x"}}', "x-abc"),
    ('{{$x := .ID}}{{$x}}{{$x = "d"}}{{$x}}{{with $y := .N}}{{$y}}{{end}}', "abcd3"),
    ("a  {{- .ID -}}  b{{- /* c */ -}}  c", "aabcbc"),
    ('{{define "t"}}<{{.}}>{{end}}{{template "t" .ID}}{{template "t" .N}}', "<abc><3>"),
    ('{{block "b" .N}}[{{.}}]{{end}}', "[3]"),
    ("{{(index .Names 0)}}{{(len .Names)}}{{$.ID}}{{range .Names}}{{$.N}}{{end}}", "a2abc33"),
    ('{{1.5}} {{0x10}} {{\'a\'}} {{`raw\\n`}} {{"esc\\t\\"\\u00e9"}} {{true}}', '1.5 16 97 raw\\n esc\t"é true'),
    ('{{html "<a&b>"}} {{urlquery "a b&c"}}', "&lt;a&amp;b&gt; a+b%26c"),
    ("{{range $i := .Names}}{{$i}}{{end}}", "ab"),
    ("no action", "no action"),
]
DOCKERS = [
    ("{{json .Config}}", '{"Deep":{"er":[1,[2,3]]},"Env":["A=1","B=2"],"Labels":{"x.y":"z"}}'),
    ('{{join .Names ", "}} {{split "a/b" "/"}} {{upper .ID}} {{lower "ABC"}} {{title .Text}}', "a, b [a b] ABC abc Hello World"),
    ("{{pad .ID 1 2}}|{{truncate .Text 5}}|{{.Names | json}}", ' abc  |hello|["a","b"]'),
    ('{{index .Config.Labels "none"}}|', "|"),
    ("{{.Nil}}", "<no value>"),
]
WRONG = [
    ("{{.Nope}}", "column 3: there is no field .Nope"),
    ("ab\ncd {{.Config.Nope}}", "line 2, column 6: there is no field .Nope"),
    ("{{.ID.X}}", "should have it is 'abc'"),
    ("{{.ID", "column 1: an action has no end"),
    ("{{", "no end"),
    ("{{}}", "empty"),
    ("{{end}}", "closes nothing"),
    ("{{if .T}}", "{{if .T}} has no end"),
    ("{{else}}", "belongs to no"),
    ("{{if}}x{{end}}", "a value is missing"),
    ("{{foo .ID}}", "there is no function 'foo'"),
    ("{{$x}}", "the variable $x is not declared"),
    ('{{"abc}}', "a text in quotes has no end"),
    ("{{break}}", "not inside of a range"),
    ("{{range .ID}}{{end}}", "this is no list and no map"),
    ("{{index .Names 7}}", "there is no element 7"),
    ('{{eq .N "x"}}', "int and string cannot be compared"),
    ('{{template "none"}}', "there is no template 'none'"),
    ("{{(.ID}}", "a parenthesis is not closed"),
    ("{{.ID)}}", "not expected here"),
    ('{{define "t"}}{{template "t"}}{{end}}{{template "t"}}', "include each other"),
    ("{{range 999999999}}{{end}}", "steps"),
    ("{{" + "(" * 100 + "1" + ")" * 100 + "}}", "deep"),
    ("{{if .T}}" * 100, "deep"),
    ("{{pad .ID 1 99999999}}", "small numbers"),
    ("{{/* x }}", "comment"),
    ("{{len 3}}", "has no length"),
    ('{{"a" 1}}', "a constant is no function"),
]  # fmt: skip


@pytest.mark.parametrize(("source", "text"), [*PLAIN, *DOCKERS])
def test_what_a_template_gives(source, text):
    assert Template(source).render(VALUE) == text


@pytest.mark.parametrize(("source", "said"), WRONG)
def test_what_is_wrong_is_named_with_its_place(source, said):
    with pytest.raises(UsageError) as caught:
        Template(source).render(VALUE)
    assert said in caught.value.sentence
    assert "the template is wrong at " in caught.value.sentence


def test_a_field_may_take_a_text():
    value = {"Label": lambda name: name * 2}
    assert Template('{{.Label "x"}}').render(value) == "xx"
    for source in ("{{.Label}}", "{{.Label 1}}", "{{json .}}{{.Label}}"):
        with pytest.raises(UsageError, match="takes one text"):
            Template(source).render(value)


def test_rows_and_columns():
    titles, rows = {"ID": "CONTAINER ID", "Name": "NAME"}, [{"ID": "1", "Name": "one"}, {"ID": "22", "Name": "two"}]
    layout = lambda lines: tabbed(lines, 10, 3)  # noqa: E731
    assert rendered("{{.ID}}\\t{{.Name}}", titles, rows, layout) == "1\tone\n22\ttwo\n"
    assert (
        rendered("table {{.ID}}\\t{{.Name}}", titles, rows, layout)
        == "CONTAINER ID   NAME\n1              one\n22             two\n"
    )
    assert rendered('{{join (split .Name "n") "\\n"}}', titles, rows[:1], layout) == "o\ne\n"
    with pytest.raises(UsageError, match="no field"):  # also without a row
        rendered("{{.Nope}}", titles, [], layout)


GO = """
package main

import ("encoding/json"; "fmt"; "os"; "strings"; "text/template")

func main() {
	var in struct { Value map[string]interface{}; Sources []string }
	d := json.NewDecoder(os.Stdin)
	d.UseNumber()
	if err := d.Decode(&in); err != nil { panic(err) }
	in.Value["N"] = 3; in.Value["Half"] = 1.5
	in.Value["Config"].(map[string]interface{})["Deep"] = map[string]interface{}{"er": []interface{}{1, []interface{}{2, 3}}}
	out := []string{}
	for _, s := range in.Sources {
		var b strings.Builder
		t, err := template.New("").Parse(s)
		if err == nil { err = t.Execute(&b, in.Value) }
		if err != nil { out = append(out, "ERROR") } else { out = append(out, b.String()) }
	}
	e := json.NewEncoder(os.Stdout)
	if err := e.Encode(out); err != nil { fmt.Println(err) }
}
"""


def test_go_agrees(tmp_path):
    if shutil.which("go") is None:
        pytest.skip("go is not installed")
    (tmp_path / "main.go").write_text(GO)
    sources = [source for source, _ in PLAIN] + [source for source, _ in WRONG if "steps" not in _ and "99999999" not in source]
    environment = {
        "PATH": "/usr/local/go/bin:/usr/local/bin:/usr/bin:/bin",
        "HOME": str(tmp_path),
        "GOCACHE": str(tmp_path / "cache"),
        "GOFLAGS": "-mod=mod",
        "GOTOOLCHAIN": "local",
    }
    made = subprocess.run(
        ["go", "run", "main.go"],
        cwd=tmp_path,
        env=environment,
        input=json.dumps({"Value": VALUE, "Sources": sources}),
        capture_output=True,
        text=True,
    )
    if made.returncode:
        pytest.skip(f"go cannot compile here: {made.stderr[-300:]}")
    theirs = dict(zip(sources, json.loads(made.stdout)))
    # Deep parentheses and blocks are Go's to take; a field that a map lacks is `<no value>` there and an error here.
    ours_alone = ("deep", "no field", "small numbers")
    for source, text in PLAIN:
        assert theirs[source] in (text, "ERROR" if source.startswith("{{range $i := 3") else text), source
    for source, said in WRONG:
        if source in theirs and not any(word in said for word in ours_alone):
            assert theirs[source] == "ERROR", source


@given(
    st.lists(st.sampled_from(["{{.ID}}", "{{ .Name }}", "\\t", "%", "%s", " ", "x", "\\n", "{{.Name}}", "}", "{"]), max_size=8).map("".join),
    st.lists(st.fixed_dictionaries({"ID": st.text(max_size=5), "Name": st.text(max_size=5)}), max_size=4),
)  # fmt: skip
def test_lists_of_plain_fields_are_the_same_with_and_without_the_engine(form, rows):
    titles = {"ID": "THE ID", "Name": "NAME"}
    layout = repr
    for head in ("", "table "):
        short = attempt(lambda head=head: rendered(f"{head}{form}", titles, rows, layout))
        whole = attempt(lambda head=head: rendered(f"{head}{{{{/* by the engine */}}}}{form}", titles, rows, layout))
        assert short == whole


def attempt(work):
    try:
        return work()
    except UsageError:
        return None
