"""From a Dockerfile's text to statements, grouped in stages. Nothing is carried out or expanded here.

What is wrong in the text is found here, before a build begins; what depends on variables when its step comes.
"""

import codecs
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from pocket_engine.build import healthcheck
from pocket_engine.build.golang import quoted
from pocket_engine.errors import BadRequest

_LONGEST_LINE = 65535  # Bytes.
_DIRECTIVE = re.compile(r"#\s*([a-zA-Z][a-zA-Z0-9]*)\s*=\s*(.+?)\s*")
_STAGE_NAME = re.compile(r"[a-z][a-z0-9-_.]*")


@dataclass(frozen=True)
class Statement:
    """One instruction of a Dockerfile with its arguments.

    Attributes:
        keyword: in capitals, e.g. `COPY`.
        line: where it begins; the first line is 1.
        text: as written, continued lines joined.
        flags: the values of `--name=value`, by name.
        words: its arguments. A shell command is one word. Of ENV and LABEL names and values by turns; of
            HEALTHCHECK `NONE`, or `CMD` and what is run; of ONBUILD the whole trigger.
        is_json: whether the arguments were a JSON array (the exec form).
    """

    keyword: str
    line: int
    text: str
    flags: Mapping[str, str] = field(default_factory=dict)
    words: tuple[str, ...] = ()
    is_json: bool = False

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Names and values, of ENV and LABEL."""
        return list(zip(self.words[::2], self.words[1::2], strict=True))


@dataclass
class Stage:
    """A FROM and what follows it.

    Attributes:
        origin: the FROM.
        base: the image or stage that it names; may have variables.
        name: in lower case; empty for a stage without.
        statements: in order.
    """

    origin: Statement
    base: str
    name: str = ""
    statements: list[Statement] = field(default_factory=list)


@dataclass(frozen=True)
class Dockerfile:
    """A whole Dockerfile.

    Attributes:
        escape: the character that escapes, and that continues lines.
        arguments: the ARGs before the first FROM.
        stages: in order.
        warnings: what the client is told before the first step.
    """

    escape: str
    arguments: list[Statement]
    stages: list[Stage]
    warnings: list[str]


def parse(content: bytes) -> Dockerfile:
    """Take a Dockerfile apart.

    Raises:
        BadRequest: it is none; says where and why.
    """
    lines = _decode(content).split("\n")
    if any(len(line.encode()) > _LONGEST_LINE for line in lines):
        raise _unparseable(f"dockerfile line greater than max allowed size of {_LONGEST_LINE}")
    escape = _escape_directive(lines)
    warnings: list[str] = []
    numbered = list(_join(lines, escape, warnings))
    if not numbered:
        raise _unparseable("file with no instructions")
    readers = [(number, _Reader(line, escape)) for number, line in numbered]
    arguments: list[Statement] = []
    stages: list[Stage] = []
    for number, reader in readers:
        with_place = _statement(reader, number)
        if with_place.keyword == "FROM":
            stages.append(_stage(with_place))
        elif stages:
            stages[-1].statements.append(with_place)
        elif with_place.keyword == "ARG":
            arguments.append(with_place)
        else:
            raise BadRequest("no build stage in current context")
    if not stages:
        raise BadRequest("no build stage in current context")
    return Dockerfile(escape, arguments, stages, warnings)


def parse_line(text: str, escape: str) -> Statement:
    """One instruction that stands in no Dockerfile. Raises BadRequest."""
    return _statement(_Reader(text, escape), 1)


def parse_trigger(text: str, escape: str) -> Statement:
    """What an ONBUILD of the base image has left to do.

    Raises:
        BadRequest: it is no instruction, or none that may be a trigger.
    """
    statement = parse_line(text, escape)
    if statement.keyword in ("ONBUILD", "FROM", "MAINTAINER"):
        raise BadRequest(f"{statement.keyword} isn't allowed as an ONBUILD trigger")
    return statement


def find_stage(stages: list[Stage], name: str) -> int | None:
    """The index of the last stage of that name, in any case."""
    found = [index for index, stage in enumerate(stages) if stage.name and stage.name == name.lower()]
    return found[-1] if found else None


def _unparseable(reason: str) -> BadRequest:
    return BadRequest(f"failed to parse Dockerfile: {reason}")


def _decode(content: bytes) -> str:
    text = content.removeprefix(codecs.BOM_UTF8).decode(errors="replace")
    return text.replace("\r\n", "\n")


# --- Lines


def _escape_directive(lines: list[str]) -> str:
    """The comments at the top may say which character escapes. The first other line ends them."""
    found = None
    for line in lines:
        match = _DIRECTIVE.fullmatch(line.strip())
        if match is None:
            break
        name, value = match[1].lower(), match[2]
        if name in ("syntax", "check"):
            continue  # They speak to BuildKit.
        if name != "escape":
            break
        if found:
            raise _unparseable("only one escape parser directive can be used")
        if value not in ("\\", "`"):
            raise _unparseable(f"invalid escape token '{value}' does not match ` or \\")
        found = value
    return found or "\\"


def _join(lines: list[str], escape: str, warnings: list[str]) -> Iterator[tuple[int, str]]:
    """Join continued lines, without comments and empty lines; each with the number of its first one."""
    continues = re.compile(re.escape(escape) + r"[ \t]*$")
    parts: list[str] = []
    start, has_gap = 0, False

    def finished() -> tuple[int, str]:
        line = "".join(parts)
        if has_gap:
            warnings.append(f"[WARNING]: Empty continuation line found in:\n    {line}\n")
        return start, line.strip()

    for number, line in enumerate(lines, 1):
        if line.lstrip().startswith("#"):
            continue
        if not line.strip():
            has_gap = has_gap or (bool(parts) and number < len(lines))
            continue
        if not parts:
            start, has_gap, line = number, False, line.lstrip()
        parts.append(continues.sub("", line))
        if not continues.search(line):
            if parts != [""]:
                yield finished()
            parts = []
    if any(part.strip() for part in parts):
        yield finished()
    if warnings:
        warnings.append("[WARNING]: Empty continuation lines will become errors in a future release.\n")


# --- Arguments, in the form that each keyword wants them


class _Reader:
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
        if form := _FORMS.get(self.keyword):
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
                raise _unparseable(f"{self.keyword} must have two arguments")
            self.words = (name, value[0])
            return
        for word in words:
            name, equals, text = word.partition("=")
            if not equals:
                raise _unparseable(
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
            _Reader(rest, self.escape)  # For the errors in it.
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
            raise _unparseable("when using JSON array syntax, arrays must be comprised of strings only")
        self.words, self.is_json = tuple(found), True
        return True


_FORMS: dict[str, Callable[[_Reader, str], None]] = {
    "ADD": _Reader.json_or_words,
    "ARG": _Reader.quoted_words,
    "CMD": _Reader.json_or_command,
    "COPY": _Reader.json_or_words,
    "ENTRYPOINT": _Reader.json_or_command,
    "ENV": _Reader.pairs,
    "EXPOSE": _Reader.plain_words,
    "FROM": _Reader.plain_words,
    "HEALTHCHECK": _Reader.healthcheck,
    "LABEL": _Reader.pairs,
    "MAINTAINER": _Reader.one_word,
    "ONBUILD": _Reader.trigger,
    "RUN": _Reader.json_or_command,
    "SHELL": _Reader.json_or_command,
    "STOPSIGNAL": _Reader.one_word,
    "USER": _Reader.one_word,
    "VOLUME": _Reader.json_or_words,
    "WORKDIR": _Reader.one_word,
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


# --- Statements, checked


_FLAGS: dict[str, frozenset[str]] = {
    "ADD": frozenset(("chown", "chmod")),
    "COPY": frozenset(("chown", "chmod", "from")),
    "FROM": frozenset(("platform",)),
    "HEALTHCHECK": frozenset(("interval", "timeout", "start-period", "retries")),
    "RUN": frozenset(("mount",)),
}
_AT_LEAST_ONE = frozenset(("ARG", "ENV", "EXPOSE", "HEALTHCHECK", "LABEL", "ONBUILD", "SHELL", "VOLUME"))
_EXACTLY_ONE = frozenset(("MAINTAINER", "STOPSIGNAL", "USER", "WORKDIR"))


def _statement(reader: _Reader, line: int) -> Statement:
    try:
        if reader.keyword not in _FORMS:
            raise BadRequest(f"unknown instruction: {reader.keyword}")
        flags = _flags(reader)
        statement = Statement(reader.keyword, line, reader.text, flags, reader.words, reader.is_json)
        _check(statement)
    except BadRequest as error:
        raise BadRequest(f"dockerfile parse error line {line}: {error.message}") from None
    return statement


def _flags(reader: _Reader) -> dict[str, str]:
    flags: dict[str, str] = {}
    for flag in reader.flags:
        name, equals, value = flag.removeprefix("--").partition("=")
        if name not in _FLAGS.get(reader.keyword, ()):
            raise BadRequest(f"Unknown flag: {name}")
        if name in flags:
            raise BadRequest(f"Duplicate flag specified: {name}")
        if not equals:
            raise BadRequest(f"Missing a value on flag: {name}")
        flags[name] = value
    return flags


def _check(statement: Statement) -> None:
    keyword, words = statement.keyword, statement.words
    if keyword in _EXACTLY_ONE and len(words) != 1:
        raise BadRequest(f"{keyword} requires exactly one argument")
    if keyword in _AT_LEAST_ONE and not words:
        raise BadRequest(f"{keyword} requires at least one argument")
    if keyword in ("ADD", "COPY") and len(words) < 2:
        raise BadRequest(
            f"{keyword} requires at least two arguments, but only one was provided. "
            "Destination could not be determined"
        )
    if keyword == "SHELL" and not statement.is_json:
        raise BadRequest("SHELL requires the arguments to be in JSON form")
    if keyword == "VOLUME" and "" in words:
        raise BadRequest("VOLUME specified can not be an empty string")
    if (keyword == "ARG" and any(word.startswith("=") for word in words)) or (
        keyword in ("ENV", "LABEL") and "" in words[::2]
    ):
        raise BadRequest(f"{keyword} names can not be blank")
    if keyword == "HEALTHCHECK":
        healthcheck.read(words, statement.is_json, statement.flags)
    if keyword == "ONBUILD":
        trigger = words[0].split()[0].upper()
        if trigger == "ONBUILD":
            raise BadRequest("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed")
        if trigger in ("FROM", "MAINTAINER"):
            raise BadRequest(f"{trigger} isn't allowed as an ONBUILD trigger")


def _stage(statement: Statement) -> Stage:
    words = statement.words
    if len(words) == 1:
        return Stage(statement, words[0])
    if len(words) != 3 or words[1].upper() != "AS":
        raise BadRequest(
            f"dockerfile parse error line {statement.line}: FROM requires either one or three arguments"
        )
    name = words[2].lower()
    if not _STAGE_NAME.fullmatch(name):
        raise BadRequest(
            f"dockerfile parse error line {statement.line}: invalid name for build stage: "
            f"{quoted(words[2])}, name can't start with a number or contain symbols"
        )
    return Stage(statement, words[0], name)
