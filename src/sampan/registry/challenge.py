"""WWW-Authenticate: which proofs a registry accepts (RFC 9110, section 11). Pure.

A header may hold several challenges, an answer several headers, and commas part both challenges and parameters::

    Bearer realm="https://auth.example/token",service="r",scope="repository:a/b:pull,push", Basic realm="r"

So the text is read token by token: a token with `=` behind it is a parameter, one without begins a challenge. What
cannot be read is passed over up to the next comma; nothing here raises.
"""

from __future__ import annotations

from sampan.values import field, frozen

MAX_HEADER = 16 * 1024
MAX_CHALLENGES = 32

_TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_TOKEN_68 = _TOKEN | frozenset("/")


@frozen
class Challenge:
    """A scheme in lower case and its parameters, their names in lower case too."""

    scheme: str
    parameters: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        quoted = {name: value.replace("\\", "\\\\").replace('"', '\\"') for name, value in self.parameters.items()}
        return " ".join((self.scheme, ", ".join(f'{name}="{value}"' for name, value in quoted.items()))).strip()


def parse_challenges(headers: list[str]) -> list[Challenge]:
    """All challenges, in order. One with a parameter given twice is dropped: it could be read in two ways."""
    found: list[Challenge] = []
    for header in headers[:MAX_CHALLENGES]:
        found += _Reader(header[:MAX_HEADER]).challenges()
    return found[:MAX_CHALLENGES]


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def challenges(self) -> list[Challenge]:
        found: list[Challenge] = []
        while self._at < len(self._text):
            self._skip(" \t,")
            scheme = self._word(_TOKEN)
            if not scheme or self._peek() not in ("", " ", "\t", ","):
                self._to_comma()
                continue
            self._skip(" \t")
            parameters = {} if self._pass_proof() else self._parameters()
            if parameters is not None:
                found.append(Challenge(scheme.lower(), parameters))
        return found

    def _parameters(self) -> dict[str, str] | None:
        """The parameters of one challenge; `None` if one stands twice."""
        found: dict[str, str] = {}
        twice = False
        while True:
            self._skip(" \t,")
            start = self._at
            name = self._word(_TOKEN).lower()
            self._skip(" \t")
            if not name or self._peek() != "=":
                self._at = start
                break
            self._at += 1
            self._skip(" \t")
            value = self._quoted() if self._peek() == '"' else self._word(_TOKEN_68)
            if value is None or (not value and self._text[self._at - 1] != '"'):
                self._to_comma()  # `name=`, or a quote that never ends
                continue
            twice = twice or name in found
            found[name] = value
            self._skip(" \t")
            if self._peek() not in ("", ","):
                self._to_comma()
        return None if twice else found

    def _pass_proof(self) -> bool:
        """Pass over the opaque proof of another scheme, as in `Negotiate YII=`; whether there was one."""
        end = self._at
        while end < len(self._text) and self._text[end] in _TOKEN_68:
            end += 1
        if end == self._at:
            return False
        while end < len(self._text) and self._text[end] == "=":
            end += 1
        if self._text[end : end + 1] not in ("", ","):
            return False
        self._at = end
        return True

    def _quoted(self) -> str | None:
        letters: list[str] = []
        at = self._at + 1
        while at < len(self._text):
            letter = self._text[at]
            if letter == '"':
                self._at = at + 1
                return "".join(letters)
            if letter == "\\":
                at += 1
                letter = self._text[at : at + 1]
            letters.append(letter)
            at += 1
        return None

    def _word(self, letters: frozenset[str]) -> str:
        start = self._at
        while self._at < len(self._text) and self._text[self._at] in letters:
            self._at += 1
        return self._text[start : self._at]

    def _skip(self, letters: str) -> None:
        while self._at < len(self._text) and self._text[self._at] in letters:
            self._at += 1

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _to_comma(self) -> None:
        """Behind the next comma that is not inside a quoted value."""
        while self._at < len(self._text):
            letter = self._text[self._at]
            if letter == '"':
                if self._quoted() is None:
                    self._at = len(self._text)
                continue
            self._at += 1
            if letter == ",":
                return
