"""Waterfalls: the spans of one trace, one row each, on one time axis.

A bar is pale where its span waits for the spans that it caused, and full where the time is its own.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from workshop import svg

NAMES, CHART, RIGHT = 280, 520, 84  # The widths of the names, of the bars, and of the room behind them.
TOP, ROW, BAR, FOOT = 34, 34, 16, 26
INDENT, SMALLEST = 16, 2  # What a child is moved to the right by; the least width that can be seen.
TINTS = ("#d9822b", "#3c82dc", "#2e9e5b", "#9b59b6")  # One for each service, in order of appearance.
TICKS = 5  # About so many.


@dataclass(frozen=True)
class Span:
    """One piece of work in a trace.

    Attributes:
        service: whose work it is.
        name: what was done, e.g. `GET /`.
        id: its own id.
        parent: the id of the span that caused it; of one elsewhere, or empty, for the first of a trace.
        start: when it began, in nanoseconds since 1970.
        end: when it ended.
    """

    service: str
    name: str
    id: str
    parent: str
    start: int
    end: int

    @property
    def ms(self) -> float:
        """How long it took, in milliseconds."""
        return (self.end - self.start) / 1e6


def draw(spans: Sequence[Span]) -> svg.Picture:
    """Draw the spans of one trace to scale, every span below the one that caused it.

    Args:
        spans: in any order.

    Raises:
        ValueError: there is none.
    """
    if not spans:
        raise ValueError("a waterfall needs one span at least; has the trace arrived?")
    begin, end = min(span.start for span in spans), max(span.end for span in spans)
    unit = CHART / max(end - begin, 1)
    services = list(dict.fromkeys(span.service for _, span in _rows(spans)))
    height = TOP + ROW * len(spans) + FOOT
    pieces, said = _axis((end - begin) / 1e6, height), []
    for number, (depth, span) in enumerate(_rows(spans)):
        y, tint = TOP + ROW * number, TINTS[services.index(span.service) % len(TINTS)]
        own = _own(span, spans)
        pieces += _names(span, depth, y)
        pieces.append(_bar(span.start - begin, span.end - begin, unit, y, f'{tint}" fill-opacity=".34'))
        pieces += [_bar(start - begin, stop - begin, unit, y, tint) for start, stop in own]
        tip = NAMES + max((span.end - begin) * unit, (span.start - begin) * unit + SMALLEST)
        pieces.append(svg.words(tip + 6, y + 16, _time(span.ms), 13, bold=True, anchor="start"))
        said.append(_said(depth, span, begin, own))
    text = "; ".join(said)
    return svg.Picture("".join(pieces), NAMES + CHART + RIGHT, height, text)


def _rows(spans: Sequence[Span]) -> Iterator[tuple[int, Span]]:
    """How deep a span is, and the span, in the order of the rows."""
    known = {span.id for span in spans}

    def below(parents: list[Span], depth: int) -> Iterator[tuple[int, Span]]:
        for span in sorted(parents, key=lambda span: span.start):
            yield depth, span
            yield from below([other for other in spans if other.parent == span.id], depth + 1)

    yield from below([span for span in spans if span.parent not in known], 0)


def _own(span: Span, spans: Sequence[Span]) -> list[tuple[int, int]]:
    """When a span did not wait for another one: what its children leave of it."""
    left, position = [], span.start
    children = [other for other in spans if other.parent == span.id]
    for child in sorted(children, key=lambda child: child.start):
        if child.start > position:
            left.append((position, min(child.start, span.end)))
        position = max(position, child.end)
    if position < span.end:
        left.append((position, span.end))
    return left


def _names(span: Span, depth: int, y: float) -> list[str]:
    x = 6 + INDENT * depth
    return [
        svg.words(x, y + 9, span.service, 14, bold=True, anchor="start"),
        svg.words(x, y + 24, span.name, 12, anchor="start", faint=True),
    ]


def _bar(start: float, end: float, unit: float, y: float, fill: str) -> str:
    x, width = NAMES + start * unit, max((end - start) * unit, SMALLEST)
    return f'<rect x="{x:.1f}" y="{y + 4:g}" width="{width:.1f}" height="{BAR}" fill="{fill}"/>'


def _axis(ms: float, height: float) -> list[str]:
    step = _step(ms)
    pieces = []
    for number in range(math.floor(ms / step + 1e-9) + 1):
        x = NAMES + number * step / max(ms, 1e-6) * CHART
        line = f'<path d="M{x:.1f} {TOP - 8} V{height - FOOT + 4}" stroke="currentColor" '
        pieces.append(line + 'stroke-opacity=".2" fill="none"/>')
        unit = " ms" if number == 0 else ""
        pieces.append(svg.words(x, height - 8, f"{number * step:g}{unit}", 12, faint=True))
    pieces.append(svg.words(NAMES, 14, "full: its own time · pale: it waits", 12, anchor="start", faint=True))
    return pieces


def _step(ms: float) -> float:
    """A round distance for the lines: 1, 2 or 5, or these with noughts."""
    rough = max(ms, 1e-6) / TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    return power * next(factor for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)


def _time(ms: float) -> str:
    return f"{ms:.2f} ms" if ms < 10 else f"{ms:.1f} ms"


def _said(depth: int, span: Span, begin: int, own: list[tuple[int, int]]) -> str:
    alone = _time(sum(stop - start for start, stop in own) / 1e6)
    after = f"from {_time((span.start - begin) / 1e6)}" if depth else "from the beginning"
    who = f"{'› ' * depth}{span.service}, {span.name}"
    return f"{who}: {after}, {_time(span.ms)}, of these its own {alone}"
