"""What the doctor found, as lines for a terminal and as a table for a notebook."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

GOOD, WARN, FAIL, ASIDE = "✓", "!", "✗", "–"
SAID = {GOOD: "good", WARN: "mind this", FAIL: "must be mended", ASIDE: "not needed"}
COLOURS = {GOOD: "#2e9e5b", WARN: "#d9822b", FAIL: "#d64541", ASIDE: "#8a8f98"}


@dataclass(frozen=True)
class Finding:
    """One line of the report.

    Attributes:
        mark: ✓ good, ! works but mind this, ✗ must be mended, – not needed.
        item: what was looked at.
        found: what is there.
        wanted: what should be there, where it is not.
        remedy: what to do about it; commands stand in `backquotes`.
    """

    mark: str
    item: str
    found: str
    wanted: str = ""
    remedy: str = ""

    def __str__(self) -> str:
        line = f"{self.mark} {self.item:<13} {self.found}"
        line += f" (wanted: {self.wanted})" if self.wanted else ""
        return line + (f" → {self.remedy}" if self.remedy else "")


@dataclass(frozen=True)
class Report:
    """All findings; a notebook shows them as a table, `print` as lines."""

    findings: Sequence[Finding]

    @property
    def ok(self) -> bool:
        """Whether nothing must be mended."""
        return self._count(FAIL) == 0

    @property
    def verdict(self) -> str:
        """One sentence on all of it."""
        failed, warned = self._count(FAIL), self._count(WARN)
        if failed:
            return f"{_things(failed)} must be mended before every lesson works."
        if warned:
            return f"Ready. {_things(warned)} to keep in mind."
        return "Ready: everything that the lessons need is here."

    def __str__(self) -> str:
        return "\n".join([*(str(finding) for finding in self.findings), "", self.verdict])

    def _count(self, mark: str) -> int:
        return sum(finding.mark == mark for finding in self.findings)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        heads = "".join(
            f'<th scope="col" style="text-align:left">{head}</th>'
            for head in ("", "What", "Found", "Wanted", "What to do")
        )
        rows = "".join(_row(finding) for finding in self.findings)
        html = (
            f'<table style="font-size:.95em"><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>'
            f"<p><b>{escape(self.verdict)}</b></p>"
        )
        return {"text/html": html, "text/plain": str(self)}


def _row(finding: Finding) -> str:
    said, colour = SAID[finding.mark], COLOURS[finding.mark]
    mark = (
        f'<td style="text-align:center;color:{colour};font-weight:bold">'
        f'<span role="img" aria-label="{said}" title="{said}">{finding.mark}</span></td>'
    )
    cells = (finding.item, finding.found, finding.wanted, finding.remedy)
    return f"<tr>{mark}{''.join(_cell(text) for text in cells)}</tr>"


def _cell(text: str) -> str:
    marked_up = re.sub("`([^`]+)`", r"<code>\1</code>", escape(text))
    return f'<td style="text-align:left">{marked_up}</td>'


def _things(count: int) -> str:
    return "One thing" if count == 1 else f"{count} things"
