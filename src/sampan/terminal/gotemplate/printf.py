"""Go's `printf` for the values of a template: `%s %v %d %q %x %X %o %b %c %U %t %f %e %g %T %%`, with flags, width and precision."""

from __future__ import annotations

import json

from sampan.terminal.gotemplate.functions import Unfit, printed

MAX_WIDTH = 10_000


def formatted(form: str, values: tuple[object, ...]) -> str:
    """The text; what does not fit is written as Go writes it: `%!d(string=x)`, `%!s(MISSING)`. Raises `Unfit`."""
    out: list[str] = []
    given = list(values)
    at = 0
    while at < len(form):
        begin = form.find("%", at)
        if begin < 0:
            out.append(form[at:])
            break
        out.append(form[at:begin])
        at, text = _directive(form, begin + 1, given)
        out.append(text)
    if given:
        out.append(f"%!(EXTRA {', '.join(f'{_type(value)}={_value(value)}' for value in given)})")
    return "".join(out)


def _directive(form: str, at: int, given: list[object]) -> tuple[int, str]:
    """One directive behind its `%`: where it ends, and its text."""
    flags = ""
    while form[at : at + 1] in ("-", "+", "#", "0", " "):
        flags += form[at]
        at += 1
    at, width = _number(form, at, given)
    precision: int | None = None
    if form[at : at + 1] == ".":
        at, found = _number(form, at + 1, given)
        precision = found or 0
    if width is not None and width < 0:
        flags, width = flags + "-", -width
    if max(width or 0, precision or 0) > MAX_WIDTH:
        raise Unfit(f"printf takes widths up to {MAX_WIDTH}")
    verb = form[at : at + 1]
    if not verb:
        return at, "%!(NOVERB)"
    if verb == "%":
        return at + 1, "%"
    if not given:
        return at + 1, f"%!{verb}(MISSING)"
    text = _text(verb, given.pop(0), flags, precision)
    if width is not None and len(text) < width:
        if "-" in flags:
            text = text.ljust(width)
        elif "0" in flags and text[:1] in ("-", "+"):
            text = text[0] + text[1:].rjust(width - 1, "0")
        else:
            text = text.rjust(width, "0" if "0" in flags else " ")
    return at + 1, text


def _number(form: str, at: int, given: list[object]) -> tuple[int, int | None]:
    """A number, or `*`, which takes it from the values."""
    if form[at : at + 1] == "*":
        value = given.pop(0) if given else None
        if isinstance(value, bool) or not isinstance(value, int):
            raise Unfit("printf takes a whole number for *")
        return at + 1, value
    end = at
    while form[end : end + 1].isdigit() and form[end : end + 1].isascii():
        end += 1
    if end - at > 9:
        raise Unfit(f"printf takes widths up to {MAX_WIDTH}")
    return end, int(form[at:end]) if end > at else None


def _text(verb: str, value: object, flags: str, precision: int | None) -> str:
    if verb == "T":
        return _type(value)
    if isinstance(value, bool):
        return _value(value) if verb in "tv" else _bad(verb, value)
    if isinstance(value, int):
        return _whole(verb, value, flags)
    if isinstance(value, float):
        return _real(verb, value, flags, precision)
    if isinstance(value, str):
        return _string(verb, value, precision)
    if isinstance(value, (list, tuple)) and verb != "v":
        return f"[{' '.join(_text(verb, item, flags, precision) for item in value)}]"
    if value is None:
        return "<nil>" if verb == "v" else f"%!{verb}(<nil>)"
    return _value(value) if verb in "vs" else _bad(verb, value)


def _whole(verb: str, value: int, flags: str) -> str:
    sign = "+" if "+" in flags and value >= 0 else " " if " " in flags and value >= 0 else ""
    if verb in "dv":
        return f"{sign}{value}"
    if verb in "xXob":
        mark = {"x": "0x", "X": "0X", "o": "0", "b": "0b"}[verb] if "#" in flags else ""
        return f"{'-' if value < 0 else sign}{mark}{abs(value):{verb}}"
    if verb in "cqU" and 0 <= value < 0x110000 and not 0xD800 <= value < 0xE000:
        return {"c": chr(value), "q": f"'{chr(value)}'", "U": f"U+{value:04X}"}[verb]
    return _bad(verb, value)


def _real(verb: str, value: float, flags: str, precision: int | None) -> str:
    sign = "+" if "+" in flags and value >= 0 else ""
    if verb in "fFeE":
        return f"{sign}{value:.{6 if precision is None else min(precision, 100)}{verb}}"
    if verb in "gGv":
        return f"{sign}{value:.{min(precision, 100)}g}" if precision else f"{sign}{_value(value)}"
    return _bad(verb, value)


def _string(verb: str, value: str, precision: int | None) -> str:
    text = value if precision is None else value[:precision]
    if verb in "sv":
        return text
    if verb == "q":
        return json.dumps(text, ensure_ascii=False)
    if verb in "xX":
        found = text.encode("utf-8", "surrogateescape").hex()
        return found.upper() if verb == "X" else found
    return _bad(verb, value)


def _value(value: object) -> str:
    return "<nil>" if value is None else printed(value)


def _type(value: object) -> str:
    names = ((bool, "bool"), (int, "int"), (float, "float64"), (str, "string"), (dict, "map[string]interface {}"))
    found = next((name for type, name in names if isinstance(value, type)), None)
    return found or ("<nil>" if value is None else "[]interface {}")


def _bad(verb: str, value: object) -> str:
    return f"%!{verb}({_type(value)}={_value(value)})"
