"""Tables that read well in light and dark themes, and as plain text."""

import textwrap
from collections.abc import Sequence
from html import escape
from typing import Any, NamedTuple

from workshop.svg import COLOURS

TEXT_WIDTH = 130  # Of the plain text; its last column is cut to fit.
LINE = "1px solid rgba(128,128,128,.35)"
CELL = f"text-align:left;vertical-align:top;padding:.28em .8em;border-bottom:{LINE};color:inherit"
CODE = "white-space:pre;font-family:var(--jp-code-font-family,ui-monospace,Menlo,Consolas,monospace)"


class Cell(NamedTuple):
    """What stands in one place of a table.

    Attributes:
        text: in plain text; also shown as HTML, unless `html` is given.
        html: the same, marked up.
        code: keep its spaces and show it as code.
        colour: its background, a key of `svg.COLOURS`.
    """

    text: str
    html: str = ""
    code: bool = False
    colour: str = ""

    def to_html(self) -> str:
        style = CELL + (f";{CODE}" if self.code else "")
        style += f";background:{COLOURS[self.colour]};text-align:center" if self.colour else ""
        return f'<td style="{style}">{self.html or escape(self.text)}</td>'


class Table:
    """A table as HTML and as plain text.

    Args:
        headers: one for each column.
        rows: a `Cell` or a text for each column.
    """

    def __init__(self, headers: Sequence[str], rows: Sequence[Sequence[Cell | str]]) -> None:
        self.headers = list(headers)
        self.rows = [[c if isinstance(c, Cell) else Cell(c) for c in row] for row in rows]

    def to_html(self) -> str:
        heads = "".join(
            f'<th scope="col" style="{CELL};font-weight:600">{escape(head)}</th>' for head in self.headers
        )
        body = "".join(f"<tr>{''.join(cell.to_html() for cell in row)}</tr>" for row in self.rows)
        return (
            '<div style="overflow-x:auto">'
            '<table style="border-collapse:collapse;margin:.4em 0;font-size:.92em">'
            f"<thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>"
        )

    def __str__(self) -> str:
        rows = [self.headers, *[[cell.text for cell in row] for row in self.rows]]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)][:-1]
        left = max(TEXT_WIDTH - sum(widths) - 2 * len(widths), 30)
        lines = (
            "  ".join([f"{text:<{width}}" for text, width in zip(row, widths, strict=False)])
            + "  "
            + textwrap.shorten(row[-1], left, placeholder=" …")
            for row in rows
        )
        return "\n".join(line.rstrip() for line in lines)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/html": self.to_html(), "text/plain": str(self)}
