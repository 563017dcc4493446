"""Invariant: whatever the template, it is rendered or refused by a `UsageError` that names a place, in bounded time and size."""

from __future__ import annotations

from sampan.errors import UsageError
from sampan.terminal.gotemplate.evaluate import Template

SEEDS = [
    b"{{range $i, $e := .Names}}{{if $i}}, {{else}}{{end}}{{$e | upper}}{{end}}",
    b'{{with .Config}}{{json .Env}}{{index .Labels "a.b"}}{{end}}',
    b'{{- /* c */ -}} {{printf "%-5s|%05d|%q|%*d" .ID .Count .ID 3 4}}',
    b'{{define "x"}}<{{.}}>{{template "x" .}}{{end}}{{template "x" .ID}}',
    b'{{if and (eq .ID "abc") (not .Off) (lt 1 .Count)}}{{slice .ID 1 2}}{{else if or .Off .Nil}}{{break}}{{end}}',
    b"{{$x := 1}}{{range 3}}{{$x = len $.Names}}{{continue}}{{end}}{{$x}}{{(index .Names 0)}}",
    b'table {{.Label "a"}}\\t{{pad .ID 1 2}}{{truncate .ID 2}}{{join (split .ID "b") "-"}}{{block "b" .}}{{.ID}}{{end}}',
    b'{{html `<a>`}}{{js "\'"}}{{urlquery "a b"}}{{print 1 2 nil}}{{println 0x1F 1e3 \'a\'}}{{range 999999999}}{{end}}',
]
VALUE = {
    "ID": "abc", "Names": ["one", "two"], "Count": 3, "Half": 0.5, "Off": False, "Nil": None, "Label": lambda name: f"<{name}>",
    "Config": {"Env": ["A=1"], "Labels": {"a.b": "c"}, "Deep": {"er": [[1], {"x": None}]}},
}  # fmt: skip


def test_one(data: bytes) -> None:
    source = data.decode("utf-8", "replace")
    try:
        text = Template(source).render(VALUE)
    except UsageError as error:
        assert "column" in error.sentence
        assert "\n" not in error.sentence.replace(source, "") or "\n" in source
    else:
        assert len(text) <= 1 << 27
        if "{{" not in source:
            assert text == source
