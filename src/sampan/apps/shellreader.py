"""The reader of `shell`: one pass over a command line, a method for each construct. Pure; on the path of `app launch`."""

from __future__ import annotations

from sampan.apps import shell
from sampan.apps.shell import (
    DOUBLE,
    HOLE,
    NEVER,
    NUMBER,
    RAW,
    SAFE,
    UNQUOTED,
    WORD,
    Simple,
    Unfinished,
    Word,
)
from sampan.apps.shellcursor import Context, Cursor, leading

_SPECIAL = frozenset("@*#?$!-0123456789")


class Reader(Cursor):
    """The state of one pass."""

    # Commands

    def list_until(self, end: str) -> None:
        """Commands up to `end`, which is taken; to the end of the text if it is empty. Raises `Unfinished`."""
        while self.at < len(self.text):
            letter = self.text[self.at]
            if end and letter == end and not self._closes_here():
                self.end_command()
                self.at += 1
                return
            if letter in " \t\r":
                self.end_word()
                self.at += 1
            elif letter == "\n":
                self.end_command("\n")
                self.at += 1
                self._here_documents()
            elif letter == "#" and self.context.word is None:
                self._comment()
            elif letter in ";&|()<>":
                self._operator(letter)
            else:
                self._word_part(letter)
        if end:
            raise Unfinished(f"a `{'$(' if end == ')' else end}` is never closed")
        self.end_command()

    def _closes_here(self) -> bool:
        """Whether a `)` belongs to a subshell or a pattern of `case` inside."""
        context = self.context
        return context.depth > 0 or bool(context.cases and context.cases[-1] == "pattern")

    def _operator(self, letter: str) -> None:
        three, two = self.text[self.at : self.at + 3], self.text[self.at : self.at + 2]
        if letter in "<>" or two == "&>":
            self._redirection(three, two)
            return
        context = self.context
        if letter == "(":
            self._parenthesis(two)
            return
        if letter == ")":
            self.end_command(")")
            self.at += 1
            if context.cases and context.cases[-1] == "pattern":
                context.cases[-1] = "body"
            else:
                context.depth = max(0, context.depth - 1)
            return
        operator = two if two in (";;", ";&", "&&", "||", "|&") else letter
        self.end_command(operator)
        self.at += len(operator)
        if operator in (";;", ";&") and context.cases:
            context.cases[-1] = "pattern"
            if self.text[self.at : self.at + 1] == "&":
                self.at += 1
        self.context.command.piped = operator in ("|", "|&")

    def _parenthesis(self, two: str) -> None:
        context = self.context
        starts = self._at_start()
        if context.cases and context.cases[-1] == "pattern":
            self.at += 1
            return
        if two == "((" and starts and context.word is None:
            self.at += 2
            self._arithmetic(2)
            self.shape.append("((")
            return
        self.end_command("(")
        context.depth += 1
        self.at += 1

    def _redirection(self, three: str, two: str) -> None:
        if two in ("<(", ">("):
            word = self._word()
            self.at += 2
            self._nested(word, ")")
            return
        operator = next(
            one
            for one in (three, two, two[0])
            if one in ("<<<", "<<-", "&>>", "<<", ">>", ">&", "<&", ">|", "<>", "&>", "<", ">")
        )
        current = self.context.word
        if (
            current is not None
            and not current.quoted
            and current.text.replace(HOLE, "").isdigit() | (current.text.strip(HOLE) == "")
        ):
            if current.spots:
                # A bare number in front of `>` is a descriptor; quotes make it a word.
                for spot in current.spots:
                    spot.forced = True
            elif two[0] != "&":
                self.context.word = None
        self.end_word()
        self.shape.append(operator)
        self.at += len(operator)
        if operator in ("<<", "<<-"):
            self._here_start(operator == "<<-")
        else:
            self.context.redirection = operator

    # Words

    def _word(self) -> Word:
        if self.context.word is None:
            self.context.word = Word()
        return self.context.word

    def _at_start(self) -> bool:
        """Whether the next word could be the name of a command."""
        return not self.context.redirection and not any(not shell.assigned(word.text) for word in self.context.command.words)

    def _word_part(self, letter: str) -> None:
        starts = self.context.word is None and self._at_start()
        word = self._word()
        if letter == HOLE:
            spot = self._spot(UNQUOTED)
            spot.starts = starts
            spot.forced = word.braces
            word.spots.append(spot)
            word.literal.append(HOLE)
            self.at += 1
        elif letter == "'":
            self._single(word)
        elif letter == '"':
            self.at += 1
            self._double(word)
        elif letter == "\\":
            self._escape(word, quoted=False)
        elif letter == "$":
            self._dollar(word, quoted=False)
        elif letter == "`":
            self._backquotes(word)
        else:
            if letter in "{[":
                word.braces = True
            word.literal.append(letter)
            self.at += 1

    def _double(self, word: Word) -> None:
        word.quoted = True
        while self.at < len(self.text):
            letter = self.text[self.at]
            if letter == '"':
                self.at += 1
                return
            if letter == HOLE:
                word.spots.append(self._spot(DOUBLE))
                word.literal.append(HOLE)
                self.at += 1
            elif letter == "\\":
                self._escape(word, quoted=True)
            elif letter == "$":
                self._dollar(word, quoted=True)
            elif letter == "`":
                self._backquotes(word)
            else:
                word.literal.append(letter)
                self.at += 1
        raise Unfinished("a double quote is never closed")

    def _dollar(self, word: Word, *, quoted: bool) -> None:
        following = self.text[self.at + 1 : self.at + 3]
        first = following[:1]
        if following == "((":
            self.at += 3
            self._arithmetic(2, word)
        elif first == "(":
            self.at += 2
            self._nested(word, ")")
        elif first == "{":
            self.at += 2
            self._parameter(word)
        elif first == "[":
            self.at += 2
            self._brackets(word)
        elif first == "'" and not quoted:
            self.at += 1
            self._ansi(word)
        elif first == HOLE:
            word.spots.append(self._spot(RAW, NEVER, "what follows a `$`, where it would be the name of a variable"))
            self.at += 2
        elif first in _SPECIAL and first:
            word.names.add(first)
            self.at += 2
        else:
            self._variable(word, quoted=quoted)

    def _variable(self, word: Word, *, quoted: bool) -> None:
        self.at += 1
        name = "".join(leading(self.text, self.at))
        self.at += len(name)
        if not name:
            if not (self.text[self.at : self.at + 1] == '"' and not quoted):
                word.literal.append("$")
            return
        word.names.add(name)
        self.context.all.names.add(name)
        if self.text[self.at : self.at + 1] == HOLE:
            spot = self._spot(DOUBLE if quoted else UNQUOTED)
            spot.joined = spot.forced = True
            word.spots.append(spot)
            word.literal.append(HOLE)
            self.at += 1

    # Expansions

    def _nested(self, word: Word, end: str) -> None:
        """Commands inside of a word: a context of their own, whose values are also the word's."""
        outer, self.context = self.context, Context()
        self.shape.append("$(")
        self.list_until(end)
        self.shape.append(")$")
        inner, self.context = self.context.all, outer
        self._inherit(word, inner)

    def _inherit(self, word: Word, inner: Word) -> None:
        word.spots += inner.spots
        word.names |= inner.names | {"*"}
        self.context.all.spots += inner.spots
        self.context.all.names |= inner.names

    def _backquotes(self, word: Word) -> None:
        end = self.at + 1
        while end < len(self.text) and self.text[end] != "`":
            end += 2 if self.text[end] == "\\" else 1
        if end >= len(self.text):
            raise Unfinished("a backquote is never closed")
        inside = self.text[self.at + 1 : end]
        for escaped in ("\\`", "\\$", '\\"', "\\\\"):
            inside = inside.replace(escaped, escaped[1])
        reader = Reader(inside)
        reader.list_until("")
        for spot in reader.spots:
            spot.bound(SAFE, "backquotes, in which quoting changes its meaning; $( ) would not")
        self.spots += reader.spots
        self.commands += reader.commands
        self.shape += ["`", *reader.shape, "`"]
        inner = reader.context.all
        self._inherit(word, inner)
        self.at = end + 1

    def _parameter(self, word: Word) -> None:
        """`${...}`: a name, perhaps an operator and a word."""
        operator = self.text[self.at : self.at + 1] in ("#", "!") and self.text[self.at + 1 : self.at + 2] != "}"
        self.at += operator
        name = "".join(leading(self.text, self.at)) or self.text[self.at : self.at + 1].strip("}" + HOLE)
        self.at += len(name)
        word.names.add(name or "*")
        self.context.all.names.add(name or "*")
        rest = self.text[self.at : self.at + 2]
        plain = rest[:1] in ("-", "=", "+", "?", "#", "%") or rest in (":-", ":=", ":+", ":?")
        while self.at < len(self.text) and self.text[self.at] != "}":
            self._parameter_part(word, plain=plain)
        if self.at >= len(self.text):
            raise Unfinished("a ${ is never closed")
        self.at += 1

    def _parameter_part(self, word: Word, *, plain: bool) -> None:
        letter = self.text[self.at]
        if letter == HOLE:
            limit = WORD if plain else NEVER
            word.spots.append(self._spot(RAW, limit, "an expansion ${...}, which has a syntax of its own"))
            self.at += 1
        elif letter == "\\":
            self.at += 1 if self.text[self.at + 1 : self.at + 2] == HOLE else 2
        elif letter in "'\"`$":
            count = len(word.spots)
            if letter == "'":
                self._single(word)
            elif letter == '"':
                self.at += 1
                self._double(word)
            elif letter == "`":
                self._backquotes(word)
            else:
                self._dollar(word, quoted=True)
            for spot in word.spots[count:]:
                spot.bound(WORD, "an expansion ${...}, which has a syntax of its own")
        else:
            self.at += 1

    # Ends

    def end_word(self) -> None:
        """The word is complete: a target, a reserved word, or one of the command."""
        context, word = self.context, self.context.word
        if word is None:
            return
        starts = self._at_start()
        context.word = None
        context.all.names |= word.names
        self.shape.append("word")
        text = "" if word.quoted else word.text
        if context.redirection:
            self._target(word)
        elif context.cases and context.cases[-1] in ("head", "pattern"):
            self._case_word(text)
        elif starts and text in shell.RESERVED:
            self._reserved(text)
        elif text == "]]":
            self._judge_condition()
            context.condition = False
        else:
            context.command.words.append(word)

    def _target(self, word: Word) -> None:
        context = self.context
        if context.redirection == "<<<":
            context.command.inputs.append(word)
        else:
            context.command.targets.append(word)
        if context.redirection in (">&", "<&"):
            for spot in word.spots:
                spot.dup = True
                # bash expands what follows once more when it turns out to be no number.
                spot.bound(SAFE, "`>&`, whose word bash reads twice")
        context.redirection = ""

    def _case_word(self, text: str) -> None:
        cases = self.context.cases
        if cases[-1] == "head" and text == "in":
            cases[-1] = "pattern"
        elif cases[-1] == "pattern" and text == "esac":
            cases.pop()

    def _reserved(self, text: str) -> None:
        context = self.context
        self.shape.append(text)
        if text == "case":
            context.cases.append("head")
        elif text == "esac" and context.cases:
            context.cases.pop()
        elif text == "[[":
            context.condition = True
        elif text in ("for", "select", "foreach", "function", "in"):
            context.command.words.append(_plain(text))

    def _judge_condition(self) -> None:
        """What `[[ ]]` compares: numbers are expressions for bash, which may hold `$( )`."""
        if not self.context.condition:
            return
        words = self.context.command.words
        evaluates = any(word.text in shell.EVALUATING for word in words)
        for spot in [spot for word in words for spot in word.spots]:
            spot.forced = True  # a bare `-f` or `!` would be an operator
            if evaluates:
                spot.bound(NUMBER, "[[ ]], which would evaluate it")

    def end_command(self, operator: str = "") -> None:
        """The simple command is complete."""
        self.end_word()
        context = self.context
        self._judge_condition()
        if operator:
            self.shape.append(operator)
        command, context.command = context.command, Simple(piped=False)
        context.redirection = ""
        if command.words or command.targets or command.inputs or self.here:
            self.commands.append(command)


def _plain(text: str) -> Word:
    word = Word()
    word.literal.append(text)
    return word
