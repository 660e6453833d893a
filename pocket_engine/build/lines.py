"""From a Dockerfile's bytes to its lines: directives, comments, continued lines."""

import codecs
import re
from collections.abc import Iterator

from pocket_engine.errors import BadRequest

_LONGEST_LINE = 65535  # Bytes.
_DIRECTIVE = re.compile(r"#\s*([a-zA-Z][a-zA-Z0-9]*)\s*=\s*(.+?)\s*")


def unparseable(reason: str) -> BadRequest:
    """The error of a file that is no Dockerfile as a whole."""
    return BadRequest(f"failed to parse Dockerfile: {reason}")


def split(content: bytes) -> list[str]:
    """The lines as they are in the file. Raises BadRequest for one that is too long."""
    text = content.removeprefix(codecs.BOM_UTF8).decode(errors="replace")
    lines = text.replace("\r\n", "\n").split("\n")
    if any(len(line.encode()) > _LONGEST_LINE for line in lines):
        raise unparseable(f"dockerfile line greater than max allowed size of {_LONGEST_LINE}")
    return lines


def escape_directive(lines: list[str]) -> str:
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
            raise unparseable("only one escape parser directive can be used")
        if value not in ("\\", "`"):
            raise unparseable(f"invalid escape token '{value}' does not match ` or \\")
        found = value
    return found or "\\"


def join(lines: list[str], escape: str, warnings: list[str]) -> Iterator[tuple[int, str]]:
    """Join continued lines, and leave out comments and empty lines.

    Args:
        lines: all of the file.
        escape: the character that, at the end of a line, continues it.
        warnings: to this list is added what the client should be told.

    Yields:
        The number of the first line, from 1, and the joined text.
    """
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
