"""Variables and quotes in the words of a Dockerfile: `$x`, `${x:-default}`, `'as it is'`, `"with $x"`."""

from collections.abc import Mapping

from pocket_engine.build.golang import quoted
from pocket_engine.errors import BadRequest

_SPECIAL_PARAMETERS = "@*#?-$!0"  # The shell's, which nobody has set here.


class _BadSubstitution(Exception):
    """Why a word could not be expanded."""


def expand(word: str, variables: Mapping[str, str], escape: str) -> str:
    """Replace the variables of a word, and remove its quotes.

    Args:
        word: as the Dockerfile has it.
        variables: unknown ones are empty.
        escape: the character that takes the next one's meaning away.

    Raises:
        BadRequest: a quote or a brace is not closed, or a `${x:?}` is not set.
    """
    return "".join(text for text, _ in _pieces(word, variables, escape))


def expand_to_words(word: str, variables: Mapping[str, str], escape: str) -> list[str]:
    """Like `expand`; white space that came out of variables, unquoted, separates words."""
    words, current, is_open = [], "", False
    for text, is_quoted in _pieces(word, variables, escape):
        for character in text:
            if is_quoted or not character.isspace():
                current, is_open = current + character, True
            elif is_open:
                words.append(current)
                current, is_open = "", False
    return [*words, current] if is_open else words


def _pieces(word: str, variables: Mapping[str, str], escape: str) -> list[tuple[str, bool]]:
    try:
        return _Scanner(word, variables, escape).pieces()
    except _BadSubstitution as error:
        raise BadRequest(f"failed to process {quoted(word)}: {error}") from None
    except RecursionError:
        raise BadRequest("failed to process a word: its substitutions are nested too deeply") from None


class _Scanner:
    """Reads a word from left to right. A piece is a text and whether it was quoted."""

    def __init__(self, word: str, variables: Mapping[str, str], escape: str) -> None:
        self.word, self.variables, self.escape = word, variables, escape
        self.position = 0

    def pieces(self, end: str = "") -> list[tuple[str, bool]]:
        found: list[tuple[str, bool]] = []
        while (character := self._peek()) != end:
            if not character:
                raise _BadSubstitution(f"unexpected end of statement while looking for matching {end}")
            if character == "$":
                found.append((self._variable(), False))
            elif character == "'":
                found.append((self._single_quoted(), True))
            elif character == '"':
                found.append((self._double_quoted(), True))
            elif character == self.escape:
                self._next()
                found.append((self._next(), True))
            else:
                found.append((self._next(), False))
        self._next()
        return found

    def _peek(self) -> str:
        return self.word[self.position : self.position + 1]

    def _next(self) -> str:
        character = self._peek()
        self.position += 1
        return character

    def _single_quoted(self) -> str:
        self._next()
        text = ""
        while character := self._next():
            if character == "'":
                return text
            text += character
        raise _BadSubstitution("unexpected end of statement while looking for matching single-quote")

    def _double_quoted(self) -> str:
        self._next()
        text = ""
        while character := self._peek():
            if character == "$":
                text += self._variable()
                continue
            self._next()
            if character == '"':
                return text
            if character == self.escape and self._peek() in ('"', "$", self.escape):
                character = self._next()
            text += character
        raise _BadSubstitution("unexpected end of statement while looking for matching double-quote")

    def _variable(self) -> str:
        self._next()
        if self._peek() != "{":
            name = self._name()
            return self.variables.get(name, "") if name else "$"
        self._next()
        if not self._peek():
            raise _BadSubstitution("syntax error: missing '}'")
        if self._peek() in "{}:":
            raise _BadSubstitution("syntax error: bad substitution")
        name = self._name()
        value = self.variables.get(name)
        operator = self._next()
        if operator == "}":
            return value or ""
        if operator == ":":
            operator = self._next()
            value = value or None  # With a colon, empty is like unset.
        elif operator != "?":
            raise _BadSubstitution("missing ':' in substitution")
        if operator not in ("-", "+", "?") or not operator:
            raise _BadSubstitution(f"unsupported modifier ({operator}) in substitution")
        alternative = "".join(text for text, _ in self.pieces(end="}"))
        if operator == "+":
            return "" if value is None else alternative
        if value is None and operator == "?":
            raise _BadSubstitution(f"{name}: {alternative or 'is not allowed to be unset'}")
        return alternative if value is None else value

    def _name(self) -> str:
        name = ""
        if self._peek().isdigit():
            while self._peek().isdigit():
                name += self._next()
            return name
        if self._peek() and self._peek() in _SPECIAL_PARAMETERS:
            return self._next()
        while self._peek().isalnum() or self._peek() == "_":
            name += self._next()
        return name
