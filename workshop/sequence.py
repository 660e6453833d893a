"""Sequence diagrams: who called whom, and how long each took.

`journey` draws the timings of one real request to scale. `kinds` draws what the rpc lines of a
contract allow: how many messages go in which direction.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from workshop import svg

BROKEN = "#d64541"

COLUMN, HEAD, TOP, SCALE, BOTTOM = 270, 34, 66, 250, 34
BAR, SMALLEST = 14, 3  # A bar's width, and the least height that can still be seen.
MARGIN = 105

PANEL, PANEL_HEIGHT, ROW = 205, 216, 21
STREAMED = 3  # How many messages stand for a stream.


@dataclass(frozen=True)
class Step:
    """One participant's part of a journey.

    Attributes:
        name: who it is.
        ms: how long it took, by its own clock; None where nobody was reached.
        asked: what it was asked for; empty for the one who began.
        answered: what the one who asked got, e.g. a status code.
        failed: the answer did not come from here: nobody was reached, or nobody waited for it.
    """

    name: str
    ms: float | None
    asked: str = ""
    answered: str = ""
    failed: bool = False


def journey(steps: Sequence[Step]) -> svg.Picture:
    """Draw a request's way through the services and back, to scale.

    Every participant measured with its own clock, so only durations are known. A bar is therefore
    drawn in the middle of the one that waited for it.

    Args:
        steps: the participants, the one who began first; each asked the next.

    Raises:
        ValueError: there is no step, or one before the last has no time.
    """
    if not steps or any(step.ms is None for step in steps[:-1]) or not steps[0].ms:
        raise ValueError("every participant of a journey but the last needs the time that it took")
    bars = _bars(steps)
    pieces = [_column(number, step.name) for number, step in enumerate(steps)]
    for number, (step, (top, bottom)) in enumerate(zip(steps, bars, strict=True)):
        if number:
            pieces += _exchange(number, step, bars[number - 1], (top, bottom))
        if step.ms is not None:
            pieces += _bar(number, step, top, bottom, last=0 < number == len(steps) - 1)
    width = 2 * MARGIN + COLUMN * (len(steps) - 1) + 40
    return svg.Picture("".join(pieces), width, TOP + SCALE + BOTTOM, _said(steps))


def kinds(contract: dict[str, str]) -> svg.Picture:
    """Draw which messages may go where, for each rpc line of a contract.

    Args:
        contract: a title and an rpc line for each panel, e.g.
            `{"unary": "rpc Recommend(Request) returns (Response);"}`.

    Raises:
        ValueError: a line is no rpc line.
    """
    panels = [_panel(number, *item) for number, item in enumerate(contract.items())]
    body = "".join(body for body, _ in panels)
    return svg.Picture(body, PANEL * len(panels), PANEL_HEIGHT, "; ".join(text for _, text in panels))


def _x(number: int) -> float:
    return MARGIN + COLUMN * number


def _bars(steps: Sequence[Step]) -> list[tuple[float, float]]:
    """Where each bar begins and ends, in the picture's units."""
    bars, unit = [(float(TOP), float(TOP + SCALE))], SCALE / (steps[0].ms or 1)
    for step in steps[1:]:
        top, bottom = bars[-1]
        # Clocks differ: a part must not be drawn longer than the whole.
        height = min(max((step.ms or 0) * unit, SMALLEST), bottom - top)
        middle = (top + bottom) / 2
        bars.append((middle - height / 2, middle + height / 2))
    return bars


def _column(number: int, name: str) -> str:
    x = _x(number)
    line = f'<path d="M{x:g} {HEAD + 8} V{TOP + SCALE + BOTTOM - 6}" stroke="currentColor" '
    return (
        svg.box(x - 86, 6, 172, HEAD)
        + svg.words(x, 28, name, 15, bold=True)
        + line
        + 'stroke-opacity=".35" stroke-dasharray="3 4" fill="none"/>'
    )


def _bar(number: int, step: Step, top: float, bottom: float, last: bool) -> list[str]:
    x, colour = _x(number), "bad" if step.failed else ("lit", "cool", "good")[number % 3]
    place = f'x="{x - BAR / 2:g}" y="{top:.1f}" width="{BAR}" height="{bottom - top:.1f}"'
    shape = f'<rect {place} rx="2" fill="{svg.COLOURS[colour]}" stroke="currentColor" stroke-opacity=".6"/>'
    # The last one's arrows may meet at its left; all others have room there.
    side, anchor = (16, "start") if last else (-16, "end")
    return [shape, svg.words(x + side, (top + bottom) / 2 + 5, _time(step.ms), 14, bold=True, anchor=anchor)]


def _exchange(number: int, step: Step, outer: tuple[float, float], inner: tuple[float, float]) -> list[str]:
    """The arrow to a participant and the one back, with their labels."""
    left, right = _x(number - 1) + BAR / 2 + 2, _x(number) - BAR / 2 - 2
    if step.ms is None:
        middle = (outer[0] + outer[1]) / 2
        return [
            svg.arrow(left, middle, right - 14, middle, broken=True),
            svg.words((left + right) / 2, middle - 9, step.asked, 14),
            _red((left + right) / 2, middle + 22, step.answered),
        ]
    pieces = [svg.arrow(left, outer[0] + 2, right, inner[0]), _label(left, right, outer[0], inner[0], step)]
    if step.failed:
        pieces.append(svg.arrow(right, inner[1], left + 14, outer[1] - 2, broken=True))
        pieces.append(_red((left + right) / 2, (inner[1] + outer[1]) / 2 - 14, step.answered))
    else:
        pieces.append(svg.arrow(right, inner[1], left, outer[1] - 2, dashed=True))
        height = outer[1] - 0.3 * (outer[1] - inner[1])
        pieces.append(svg.words(left + 0.3 * (right - left) + 8, height + 20, step.answered, 14))
    return pieces


def _label(left: float, right: float, start: float, end: float, step: Step) -> str:
    return svg.words(left + 0.3 * (right - left) + 8, start + 0.3 * (end - start) - 10, step.asked, 14)


def _red(x: float, y: float, text: str) -> str:
    return f'<g fill="{BROKEN}">{svg.words(x, y, text, 13, bold=True)}</g>'


def _time(ms: float | None) -> str:
    if ms is None:
        return "not reached"
    return f"{ms:.2f} ms" if ms < 1 else f"{ms:.1f} ms" if ms < 100 else f"{ms:.0f} ms"


def _said(steps: Sequence[Step]) -> str:
    parts = [f"{steps[0].name} waited {_time(steps[0].ms)}"]
    for caller, step in zip(steps, steps[1:], strict=False):
        took = "never reached" if step.ms is None else f"took {_time(step.ms)}"
        parts.append(f"{caller.name} asked {step.name} for {step.asked}: {took}, answer {step.answered}")
    return "; ".join(parts)


def _panel(number: int, title: str, line: str) -> tuple[str, str]:
    """One kind of rpc: its drawing and what it says."""
    match = re.search(r"rpc\s+(\w+)\s*\(\s*(stream\s)?[^)]*\)\s*returns\s*\(\s*(stream\s)?", line)
    if not match:
        raise ValueError(
            f"this is no rpc line: {line!r}; write e.g. rpc Recommend(Request) returns (Response);"
        )
    asked, answered = (STREAMED if stream else 1 for stream in match.group(2, 3))
    left, right = number * PANEL + 34, (number + 1) * PANEL - 34
    pieces = [svg.words((left + right) / 2, 20, title, 15, bold=True)]
    pieces.append(svg.words((left + right) / 2, 40, match[1], 14, faint=True))
    for x, name in ((left, "client"), (right, "server")):
        line_below = f'<path d="M{x} 70 V{PANEL_HEIGHT - 8}" stroke="currentColor" stroke-opacity=".4"/>'
        pieces += [svg.words(x, 62, name, 13), line_below]
    for row, is_request in enumerate(_order(asked, answered)):
        y, ends = 84 + row * ROW, (left + 4, right - 4)
        start, end = ends if is_request else reversed(ends)
        pieces.append(svg.arrow(start, y, end, y, dashed=not is_request))
    said = f"{title}: {_count(asked, 'request')}, {_count(answered, 'response')}"
    return "".join(pieces), said


def _order(asked: int, answered: int) -> list[bool]:
    """True for a request, False for a response, from first to last."""
    if asked > 1 and answered > 1:  # Each side speaks when it likes.
        return [True, True, False, True, False, False]
    return [True] * asked + [False] * answered


def _count(number: int, what: str) -> str:
    return f"one {what}" if number == 1 else f"many {what}s"
