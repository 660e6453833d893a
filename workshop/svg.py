"""Small pictures that read well in light and dark themes, with a text for who cannot see them."""

import math
from html import escape
from typing import Any

# Half-transparent, so that they sit on any background; lines and words take the page's own colour.
COLOURS = {
    "plain": "rgba(128,128,128,.14)",
    "lit": "rgba(233,150,40,.38)",
    "good": "rgba(46,158,91,.32)",
    "bad": "rgba(214,69,65,.34)",
    "cool": "rgba(60,130,220,.24)",
}
FONT = "system-ui,-apple-system,'Segoe UI',sans-serif"


class Picture:
    """An SVG picture with its description.

    Args:
        body: SVG elements; draw with `currentColor` and `COLOURS`.
        width: of the drawing, in its own units; it shrinks to fit the page.
        height: of the drawing.
        text: what the picture says, for screen readers and plain-text outputs.
    """

    def __init__(self, body: str, width: float, height: float, text: str) -> None:
        self.body, self.width, self.height, self.text = body, width, height, text

    def to_html(self) -> str:
        label = escape(self.text, quote=True)
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{label}" '
            f'viewBox="0 0 {self.width:g} {self.height:g}" style="max-width:{self.width:g}px;width:100%;'
            f'color:inherit;font-family:{FONT}" fill="currentColor">{self.body}</svg>'
        )

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/html": self.to_html(), "text/plain": self.text}


def box(x: float, y: float, width: float, height: float, colour: str = "plain", dashed: bool = False) -> str:
    """A rounded rectangle; `colour` is a key of `COLOURS`."""
    dash = ' stroke-dasharray="6 4"' if dashed else ""
    return (
        f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="8" fill="{COLOURS[colour]}" '
        f'stroke="currentColor" stroke-opacity=".55"{dash}/>'
    )


def words(
    x: float,
    y: float,
    text: str,
    size: float = 14,
    bold: bool = False,
    anchor: str = "middle",
    faint: bool = False,
) -> str:
    """One line of text; `y` is its baseline, `anchor` one of start, middle, end."""
    weight = ' font-weight="600"' if bold else ""
    opacity = ' opacity=".7"' if faint else ""
    place = f'x="{x:g}" y="{y:g}" font-size="{size:g}" text-anchor="{anchor}"'
    return f"<text {place}{weight}{opacity}>{escape(text)}</text>"


def arrow(x1: float, y1: float, x2: float, y2: float, dashed: bool = False, broken: bool = False) -> str:
    """A straight arrow; a broken one is red and ends in a cross."""
    angle = math.atan2(y2 - y1, x2 - x1)
    colour = "#d64541" if broken else "currentColor"
    dash = ' stroke-dasharray="5 4"' if dashed or broken else ""
    stroke = f'fill="none" stroke="{colour}" stroke-width="1.7"'
    line = f'<path d="M{x1:g} {y1:g} L{x2:g} {y2:g}" {stroke}{dash}/>'
    if broken:
        return line + f'<path d="M{x2 - 6:g} {y2 - 6:g} l12 12 m0 -12 l-12 12" {stroke}/>'
    wings = [(x2 - 9 * math.cos(angle + turn), y2 - 9 * math.sin(angle + turn)) for turn in (0.45, -0.45)]
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in [(x2, y2), *wings])
    return line + f'<polygon points="{points}" fill="{colour}"/>'
