"""The state of the pass of `shellreader`, and the constructs that hold no commands: quotes, here-documents, arithmetic. Pure.

On the path of `app launch`.
"""

from __future__ import annotations

from sampan.apps import shell
from sampan.apps.shell import ANY, HOLE, LINE, NEVER, NUMBER, RAW, SAFE, SINGLE, Simple, Spot, Unfinished, Word

_HERE = "a here-document, whose text no quoting protects"


class Context:
    """The command that is being read, and what it is nested in."""

    def __init__(self) -> None:
        self.word: Word | None = None
        self.command = Simple(piped=False)
        self.redirection = ""
        self.cases: list[str] = []
        self.depth = 0
        self.condition = False
        self.loop = ""
        self.all = Word()
        """Collects every spot and name, for the word that this is a substitution in."""


class Cursor:
    """Where the pass is in the text, and what it has found."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.spots: list[Spot] = []
        self.commands: list[Simple] = []
        self.shape: list[str] = []
        self.context = Context()
        self.here: list[tuple[str, bool, Simple]] = []

    def _comment(self) -> None:
        while self.at < len(self.text) and self.text[self.at] != "\n":
            if self.text[self.at] == HOLE:
                self._spot(RAW, LINE, "a comment, which a line break would end")
            self.at += 1

    def _spot(self, quote: str, limit: int = ANY, reason: str = "") -> Spot:
        spot = Spot(quote, limit, reason)
        self.spots.append(spot)
        self.context.all.spots.append(spot)
        return spot

    def _here_start(self, tabs: bool) -> None:
        while self.text[self.at : self.at + 1] in (" ", "\t"):
            self.at += 1
        delimiter = ""
        quote = ""
        while self.at < len(self.text) and (quote or self.text[self.at] not in " \t\n;&|()<>"):
            letter = self.text[self.at]
            if letter == HOLE:
                self._spot(RAW, NEVER, "the delimiter of a here-document")
            elif letter == quote:
                quote = ""
            elif not quote and letter in "'\"":
                quote = letter
            elif letter == "\\" and quote != "'":
                self.at += 1
                delimiter += self.text[self.at : self.at + 1]
            else:
                delimiter += letter
            self.at += 1
        self.here.append((delimiter, tabs, self.context.command))

    def _here_documents(self) -> None:
        pending, self.here = self.here, []
        for delimiter, tabs, command in pending:
            body = Word()
            while self.at < len(self.text):
                end = self.text.find("\n", self.at)
                end = len(self.text) if end < 0 else end
                line = self.text[self.at : end]
                if (line.lstrip("\t") if tabs else line) == delimiter:
                    self.at = end + 1
                    break
                self._here_line(line, body)
                self.at = end + 1
            self.at = min(self.at, len(self.text))
            self.shape.append("here-document")
            command.inputs.append(body)

    def _here_line(self, line: str, body: Word) -> None:
        self.shape.append("line")
        for position, letter in enumerate(line):
            if letter == HOLE:
                body.spots.append(self._spot(RAW, SAFE, _HERE))
                if line[:position].rstrip("".join(shell.NAME)).endswith("$"):
                    body.spots[-1].bound(NEVER, "a variable's name in a here-document")
        name = ""
        for part in line.split("$")[1:]:
            name = "".join(leading(part.lstrip("{")))
            body.names.add(name or "*")

    def _arithmetic(self, depth: int, word: Word | None = None) -> None:
        inner = Word() if word is None else word
        while depth and self.at < len(self.text):
            letter = self.text[self.at]
            if letter == HOLE:
                inner.spots.append(self._spot(RAW, NUMBER, "arithmetic, which would evaluate it"))
            depth += {"(": 1, ")": -1}.get(letter, 0)
            self.at += 1
        if depth:
            raise Unfinished("an arithmetic expression is never closed")

    def _brackets(self, word: Word) -> None:
        """`$[...]`, arithmetic for bash and text for others."""
        while self.at < len(self.text) and self.text[self.at] != "]":
            if self.text[self.at] == HOLE:
                word.spots.append(self._spot(RAW, NUMBER, "arithmetic, which would evaluate it"))
            self.at += 1
        self.at += 1

    def _ansi(self, word: Word) -> None:
        word.quoted = True
        self.at += 1
        while self.at < len(self.text) and self.text[self.at] != "'":
            if self.text[self.at] == HOLE:
                word.spots.append(self._spot(RAW, SAFE, "$'...', which shells read differently"))
            self.at += 2 if self.text[self.at] == "\\" and self.text[self.at + 1 : self.at + 2] != HOLE else 1
        if self.at >= len(self.text):
            raise Unfinished("a $'...' is never closed")
        self.at += 1

    def _escape(self, word: Word, *, quoted: bool) -> None:
        after = self.text[self.at + 1 : self.at + 2]
        self.at += 2
        if after == HOLE:
            word.spots.append(self._spot(RAW, SAFE, "what a backslash stands before"))
            word.spots[-1].joined = True
            word.literal.append(HOLE)
        elif after != "\n":
            word.quoted = True
            word.literal.append(after if not quoted or after in '$`"\\' else "\\" + after)

    def _single(self, word: Word) -> None:
        word.quoted = True
        end = self.text.find("'", self.at + 1)
        if end < 0:
            raise Unfinished("a single quote is never closed")
        inside = self.text[self.at + 1 : end]
        for _ in range(inside.count(HOLE)):
            word.spots.append(self._spot(SINGLE))
        word.literal.append(inside)
        self.at = end + 1


def leading(text: str, at: int = 0) -> list[str]:
    """The letters of a variable's name that `text` has at a place."""
    found: list[str] = []
    while at < len(text) and text[at] in shell.NAME and (found or not text[at].isdigit()):
        found.append(text[at])
        at += 1
    return found
