""".dockerignore: which files of a folder are no part of a build's context.

Clients leave them out before they send a context. The engine trusts them, as the classic builder does,
but for two files that every client must send: the Dockerfile and .dockerignore itself.
"""

import posixpath
import re

from pocket_engine.build import patterns


class Ignored:
    """The patterns of one .dockerignore.

    Args:
        text: the file's content: a pattern a line, `#` begins a comment, `!` an exception. The last that
            matches decides.
    """

    def __init__(self, text: str) -> None:
        self._rules: list[tuple[bool, re.Pattern[str]]] = []
        for line in text.removeprefix("\ufeff").splitlines():
            if line.startswith("#") or not line.strip():
                continue
            pattern = line.strip()
            is_exception = pattern.startswith("!")
            pattern = posixpath.normpath(pattern.removeprefix("!").strip() or ".").lstrip("/")
            try:
                expression = re.compile(_translate(pattern), re.DOTALL)
            except patterns.BadPattern:
                continue  # The client has told already.
            self._rules.append((not is_exception, expression))

    def __contains__(self, path: str) -> bool:
        """Whether a file, named from the context's root without a leading slash, is left out."""
        parents = [path[:end] for end in range(len(path)) if path[end] == "/"]
        is_ignored = False
        for ignores, expression in self._rules:
            if ignores != is_ignored and any(expression.fullmatch(name) for name in (path, *parents)):
                is_ignored = ignores
        return is_ignored


def _translate(pattern: str) -> str:
    """Like a pattern of COPY, and `**` stands for any number of folders."""
    expression = ""
    parts = pattern.split("/")
    for number, part in enumerate(parts):
        is_last = number == len(parts) - 1
        if part == "**":
            expression += ".*" if is_last else "(?:.*/)?"
        else:
            expression += ".*".join(patterns.translate(piece) for piece in part.split("**"))
            expression += "" if is_last else "/"
    return expression
