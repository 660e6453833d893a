"""Patterns for file names, as Go's filepath.Match reads them: `*`, `?`, `[a-z]`, `[^a-z]`, `\\*`."""

import re


class BadPattern(ValueError):
    """A bracket is not closed, or nothing follows a backslash."""


def has_wildcards(text: str) -> bool:
    """Whether a text is more than a name."""
    return bool(re.search(r"[*?\[]", re.sub(r"\\.", "", text)))


def translate(pattern: str) -> str:
    """The regular expression of a pattern without slashes.

    Raises:
        BadPattern: it makes no sense.
    """
    expression, position = "", 0
    while position < len(pattern):
        character = pattern[position]
        if character == "*":
            expression += "[^/]*"
        elif character == "?":
            expression += "[^/]"
        elif character == "[":
            match = re.match(r"\[(\^?)((?:\\.|[^\\\]])+)\]", pattern[position:], re.DOTALL)
            if match is None:
                raise BadPattern(pattern)
            expression += f"[{match[1]}{_ranges(match[2])}]"
            position += match.end() - 1
        elif character == "\\":
            position += 1
            if position == len(pattern):
                raise BadPattern(pattern)
            expression += re.escape(pattern[position])
        else:
            expression += re.escape(character)
        position += 1
    return expression


def _ranges(text: str) -> str:
    characters = re.findall(r"\\.|[^\\]", text, re.DOTALL)
    ranges, position = "", 0
    while position < len(characters):
        low = high = characters[position].removeprefix("\\") or "\\"
        position += 1
        if characters[position : position + 1] == ["-"]:
            if position + 1 == len(characters):
                raise BadPattern(text)
            high = characters[position + 1].removeprefix("\\") or "\\"
            position += 2
        if low <= high:  # An empty range matches nothing.
            ranges += f"{re.escape(low)}-{re.escape(high)}"
    return ranges or r"^\s\S"
