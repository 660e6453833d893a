"""From a line of a Dockerfile to keyword, flags and arguments, in the form that each keyword wants them."""

import json
import re
from collections.abc import Callable

from pocket_engine.build.golang import quoted
from pocket_engine.build.lines import unparseable


class Reader:
    """Splits a line in keyword, flags and arguments. What is wrong here spoils the file as a whole.

    Attributes:
        keyword: in capitals; may be unknown.
        flags: as written, e.g. `--from=x`.
        words: as in `Statement`.
        is_json: likewise.
    """

    def __init__(self, line: str, escape: str) -> None:
        self.text, self.escape = line, escape
        keyword, _, rest = re.sub(r"[\t\v\f\r ]+", " ", line, count=1).partition(" ")
        self.keyword = keyword.upper()
        self.flags, rest = _split_flags(rest.strip())
        self.words: tuple[str, ...] = ()
        self.is_json = False
        if form := FORMS.get(self.keyword):
            form(self, rest)

    def one_word(self, rest: str) -> None:
        self.words = (rest,) if rest else ()

    def plain_words(self, rest: str) -> None:
        self.words = tuple(rest.split())

    def quoted_words(self, rest: str) -> None:
        self.words = tuple(self._split(rest))

    def json_or_words(self, rest: str) -> None:
        if not self._take_json(rest):
            self.plain_words(rest)

    def json_or_command(self, rest: str) -> None:
        if not self._take_json(rest):
            self.one_word(rest)

    def pairs(self, rest: str) -> None:
        words = self._split(rest)
        if words and "=" not in words[0]:  # The old form: a name, and all the rest is the value.
            name, *value = rest.split(maxsplit=1)
            if not value:
                raise unparseable(f"{self.keyword} must have two arguments")
            self.words = (name, value[0])
            return
        for word in words:
            name, equals, text = word.partition("=")
            if not equals:
                raise unparseable(
                    f"Syntax error - can't find = in {quoted(word)}. Must be of the form: name=value"
                )
            self.words += (name, text)

    def healthcheck(self, rest: str) -> None:
        kind, *command = rest.split(maxsplit=1)[:2] or [""]
        self.json_or_command(command[0] if command else "")
        if kind:
            self.words = (kind, *self.words)

    def trigger(self, rest: str) -> None:
        if rest:
            Reader(rest, self.escape)  # For the errors in it.
        self.one_word(rest)

    def _split(self, rest: str) -> list[str]:
        """Words as a shell splits them; quotes and escapes stay in them."""
        escape = re.escape(self.escape)
        single_quoted = "'[^']*(?:'|$)"
        double_quoted = f'"(?:{escape}.|[^"{escape}])*(?:"|{escape}?$)'
        word = rf"(?:{single_quoted}|{double_quoted}|{escape}.|[^\s{escape}])+"
        return re.findall(word, rest, re.DOTALL)

    def _take_json(self, rest: str) -> bool:
        if not rest.startswith("["):
            return False
        try:
            found, _ = json.JSONDecoder().raw_decode(rest)  # What follows the array is ignored.
        except (ValueError, RecursionError):
            return False
        if not all(isinstance(word, str) for word in found):
            raise unparseable("when using JSON array syntax, arrays must be comprised of strings only")
        self.words, self.is_json = tuple(found), True
        return True


FORMS: dict[str, Callable[[Reader, str], None]] = {
    "ADD": Reader.json_or_words,
    "ARG": Reader.quoted_words,
    "CMD": Reader.json_or_command,
    "COPY": Reader.json_or_words,
    "ENTRYPOINT": Reader.json_or_command,
    "ENV": Reader.pairs,
    "EXPOSE": Reader.plain_words,
    "FROM": Reader.plain_words,
    "HEALTHCHECK": Reader.healthcheck,
    "LABEL": Reader.pairs,
    "MAINTAINER": Reader.one_word,
    "ONBUILD": Reader.trigger,
    "RUN": Reader.json_or_command,
    "SHELL": Reader.json_or_command,
    "STOPSIGNAL": Reader.one_word,
    "USER": Reader.one_word,
    "VOLUME": Reader.json_or_words,
    "WORKDIR": Reader.one_word,
}


def _split_flags(rest: str) -> tuple[list[str], str]:
    """The leading words with `--`; quotes and backslashes in them are removed. `--` alone ends them."""
    flags = []
    while match := re.match(r"""--((?:\\.|'[^']*'?|"(?:\\.|[^"\\])*"?|[^\s\\'"])*)(?:\s+|\\?$)""", rest):
        rest = rest[match.end() :]
        if not match[1]:
            break
        flags.append(re.sub(r"""\\(.)|['"]""", r"\1", match[0].strip()))
    return flags, rest
