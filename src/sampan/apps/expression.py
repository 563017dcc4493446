"""Conditions of conditional path templates: a small language, read and evaluated here. Pure; on the path of `app launch`.

    condition  = term (`or` term)*          term = factor (`and` factor)*         factor = `not`* (`(` condition `)` | comparison)
    comparison = operand ((`==` | `!=` | `<` | `>` | `<=` | `>=`) operand)*

An operand is the id of an input (or its value key), a number, true or false, or a text with or without quotes. Boutiques calls it
limited Python, and bosh hands it to Python's `eval`: nothing of Python but these words is understood here.
"""

from __future__ import annotations

from sampan.errors import printable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

COMPARATORS = ("==", "!=", "<=", ">=", "<", ">")
MAX_DEPTH = 40
_WORDS = {"and", "or", "not"}


class BadExpression(ValueError):
    """A condition breaks the grammar, or compares what cannot be compared."""


class Token:
    """One word of a condition; `kind` is id, text, number, flag, or the word itself."""

    __slots__ = ("kind", "value")

    def __init__(self, kind: str, value: object) -> None:
        self.kind = kind
        self.value = value


def tokens(text: str, ids: Mapping[str, str]) -> list[Token]:
    """The words of a condition; `ids` has ids and value keys, each with the id meant. Raises `BadExpression`."""
    found: list[Token] = []
    keys = sorted((key for key in ids if not key.replace("_", "a").isalnum()), key=len, reverse=True)
    at = 0
    while at < len(text):
        letter = text[at]
        if letter in " \t\n":
            at += 1
            continue
        key = next((key for key in keys if text.startswith(key, at)), None)
        sign = next((sign for sign in (*COMPARATORS, "(", ")") if text.startswith(sign, at)), None)
        if key is not None:
            found.append(Token("id", ids[key]))
            at += len(key)
        elif sign is not None:
            found.append(Token(sign, sign))
            at += len(sign)
        elif letter in "'\"":
            end = text.find(letter, at + 1)
            if end < 0:
                raise BadExpression(f"the condition {printable(text)} has a quote that is never closed")
            found.append(Token("text", text[at + 1 : end]))
            at = end + 1
        else:
            start = at
            while at < len(text) and text[at] not in " \t\n()=!<>'\"":
                at += 1
            if at == start:
                raise BadExpression(f"the condition {printable(text)} has a {printable(letter)!r} that means nothing")
            found.append(_word(text[start:at], ids))
    return found


def _word(word: str, ids: Mapping[str, str]) -> Token:
    if word in ids:
        return Token("id", ids[word])
    if word.lower() in _WORDS:
        return Token(word.lower(), word)
    if word.lower() in ("true", "false"):
        return Token("flag", word.lower() == "true")
    number = _number(word)
    return Token("text", word) if number is None else Token("number", number)


def _number(text: str) -> float | None:
    digits = text[1:] if text[:1] in "+-" else text
    if digits.replace(".", "", 1).isdigit() and digits.isascii():
        return float(text)
    return None


def evaluate(text: str, ids: Mapping[str, str], values: Mapping[str, object]) -> bool:
    """Whether a condition holds. One that names an input without a value does not, as for bosh. Raises `BadExpression`."""
    found = tokens(text, ids)
    if any(token.kind == "id" and token.value not in values for token in found):
        return False
    return _Parser(text, found, values).whole()


def check(text: str, ids: Mapping[str, str], samples: Mapping[str, object]) -> None:
    """Raises `BadExpression` if a condition cannot be evaluated with values like `samples`."""
    _Parser(text, tokens(text, ids), samples, strict=True).whole()


class _Parser:
    """Recursive descent; both sides of `and` and `or` are read, so that a fault is found whatever the values are."""

    def __init__(self, text: str, found: list[Token], values: Mapping[str, object], *, strict: bool = False) -> None:
        self.text = text
        self.tokens = found
        self.values = values
        self.strict = strict
        self.at = 0
        self.depth = 0

    def whole(self) -> bool:
        value = self._or()
        if self.at < len(self.tokens):
            raise self._error(f"{printable(str(self.tokens[self.at].value))!r} is not expected there")
        return value

    def _or(self) -> bool:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise self._error("it is nested too deeply")
        value = self._and()
        while self._take("or"):
            value = self._and() or value
        self.depth -= 1
        return value

    def _and(self) -> bool:
        value = self._factor()
        while self._take("and"):
            value = self._factor() and value
        return value

    def _factor(self) -> bool:
        negated = False
        while self._take("not"):
            negated = not negated
        if self._take("("):
            value = self._or()
            if not self._take(")"):
                raise self._error("a `)` is missing")
        else:
            value = self._comparison()
        return value != negated

    def _comparison(self) -> bool:
        left = self._operand()
        sign = next((sign for sign in COMPARATORS if self._take(sign)), None)
        if sign is None:
            return self._truth(left)
        value = True
        while sign is not None:
            right = self._operand()
            value = self._compare(left, sign, right) and value
            left = right
            sign = next((sign for sign in COMPARATORS if self._take(sign)), None)
        return value

    def _operand(self) -> object:
        if self.at >= len(self.tokens):
            raise self._error("something is missing at its end")
        token = self.tokens[self.at]
        self.at += 1
        if token.kind == "id":
            return _plain(self.values[str(token.value)])
        if token.kind in ("text", "number", "flag"):
            return token.value
        raise self._error(f"{printable(str(token.value))!r} is not expected there")

    def _take(self, kind: str) -> bool:
        if self.at < len(self.tokens) and self.tokens[self.at].kind == kind:
            self.at += 1
            return True
        return False

    @staticmethod
    def _truth(value: object) -> bool:
        return bool(value)  # as for Python: a text that is not empty, a number that is not 0

    def _compare(self, left: object, sign: str, right: object) -> bool:
        if isinstance(left, bool) != isinstance(right, bool):
            # A flag is also compared with the words.
            left, right = (str(one).lower() if isinstance(one, (bool, str)) else one for one in (left, right))
        if isinstance(left, str) != isinstance(right, str):
            if self.strict or sign not in ("==", "!="):
                raise self._error(f"a number and a text are compared by {sign}")
            return sign == "!="
        order = (left > right) - (left < right)  # type: ignore[operator]
        outcomes: dict[str, bool] = {
            "==": order == 0,
            "!=": order != 0,
            "<": order < 0,
            ">": order > 0,
            "<=": order <= 0,
            ">=": order >= 0,
        }
        return outcomes[sign]

    def _error(self, what: str) -> BadExpression:
        return BadExpression(f"the condition {printable(self.text)}: {what}")


def _plain(value: object) -> object:
    """A value as conditions see it: texts that look like numbers are numbers, as for bosh."""
    if isinstance(value, bool):
        return value
    if isinstance(value, (int, float)):
        return float(value)
    if isinstance(value, str):
        number = _number(value)
        return value if number is None else number
    return str(value)
