"""From a Dockerfile's text to statements, grouped in stages. Nothing is carried out or expanded here.

What is wrong in the text is found here, before a build begins; what depends on variables when its step comes.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from pocket_engine.build import healthcheck, lines
from pocket_engine.build.golang import quoted
from pocket_engine.build.syntax import FORMS, Reader
from pocket_engine.errors import BadRequest

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
    raw = lines.split(content)
    escape = lines.escape_directive(raw)
    warnings: list[str] = []
    # All lines are read before the first is looked at: what is wrong here spoils the file as a whole.
    readers = [(number, Reader(line, escape)) for number, line in lines.join(raw, escape, warnings)]
    if not readers:
        raise lines.unparseable("file with no instructions")
    arguments: list[Statement] = []
    stages: list[Stage] = []
    for number, reader in readers:
        statement = _statement(reader, number)
        if statement.keyword == "FROM":
            stages.append(_stage(statement))
        elif stages:
            stages[-1].statements.append(statement)
        elif statement.keyword == "ARG":
            arguments.append(statement)
        else:
            raise BadRequest("no build stage in current context")
    if not stages:
        raise BadRequest("no build stage in current context")
    return Dockerfile(escape, arguments, stages, warnings)


def parse_line(text: str, escape: str) -> Statement:
    """One instruction that stands in no Dockerfile. Raises BadRequest."""
    return _statement(Reader(text, escape), 1)


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


_FLAGS: dict[str, frozenset[str]] = {
    "ADD": frozenset(("chown", "chmod")),
    "COPY": frozenset(("chown", "chmod", "from")),
    "FROM": frozenset(("platform",)),
    "HEALTHCHECK": frozenset(("interval", "timeout", "start-period", "retries")),
    "RUN": frozenset(("mount",)),
}
_AT_LEAST_ONE = frozenset(("ARG", "ENV", "EXPOSE", "HEALTHCHECK", "LABEL", "ONBUILD", "SHELL", "VOLUME"))
_EXACTLY_ONE = frozenset(("MAINTAINER", "STOPSIGNAL", "USER", "WORKDIR"))


def _statement(reader: Reader, line: int) -> Statement:
    try:
        if reader.keyword not in FORMS:
            raise BadRequest(f"unknown instruction: {reader.keyword}")
        flags = _flags(reader)
        statement = Statement(reader.keyword, line, reader.text, flags, reader.words, reader.is_json)
        _check(statement)
    except BadRequest as error:
        raise BadRequest(f"dockerfile parse error line {line}: {error.message}") from None
    return statement


def _flags(reader: Reader) -> dict[str, str]:
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
