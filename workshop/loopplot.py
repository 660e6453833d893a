"""What is desired and what is there, over time: what a control loop has to bring together, as a picture."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape

from workshop import svg
from workshop.liveplot import BOTTOM, LEFT, RIGHT, SHORTEST, WIDTH, across, counted, following, legend, pages
from workshop.load import Load

STRIP, GAP = 74, 18  # The height of what one Deployment gets, and what is free below it.
READY, THERE = svg.COLOURS["good"], svg.COLOURS["lit"]
MARK = "#d64541"


@dataclass(frozen=True)
class Count:
    """So many pods, from a moment on.

    Attributes:
        at: the moment, in seconds.
        desired: how many there should be.
        there: how many there are, those included that are starting or wait for another try.
        ready: how many of them may get calls.
    """

    at: float
    desired: int
    there: int
    ready: int


class History:
    """How many pods each Deployment should have had, and how many it had; a loop writes it as it goes on.

    Attributes:
        counts: for each Deployment, every change.
        marks: for each Deployment, when something was done to it, and what.
    """

    def __init__(self) -> None:
        self.counts: dict[str, list[Count]] = {}
        self.marks: dict[str, list[tuple[float, str]]] = {}
        self._latest: dict[str, tuple[int, int, int]] = {}
        self._began = time.perf_counter()
        self._ended: float | None = None
        self._writing = threading.Lock()

    @property
    def seconds(self) -> float:
        """How long it has been written."""
        return (time.perf_counter() if self._ended is None else self._ended) - self._began

    def note(self, who: str, desired: int, there: int, ready: int) -> None:
        """Note how many pods there should be and are; what has not changed takes no room."""
        now = (desired, there, ready)
        with self._writing:
            if self._ended is None and (who not in self.counts or now != self._latest[who]):
                self.counts.setdefault(who, []).append(Count(self.seconds, *now))
            self._latest[who] = now

    def mark(self, who: str, what: str) -> None:
        """Note that something was done to a Deployment now, in a word, e.g. `killed`."""
        with self._writing:
            self.marks.setdefault(who, []).append((self.seconds, what))

    def begin(self) -> None:
        """Begin anew: what holds now is the first that is known."""
        with self._writing:
            self._began, self._ended = time.perf_counter(), None
            self.counts = {who: [Count(0.0, *now)] for who, now in self._latest.items()}
            self.marks = {}

    def end(self) -> None:
        """Write no more, until it begins anew: a picture drawn later is that of this moment."""
        with self._writing:
            self._ended = time.perf_counter()

    def __str__(self) -> str:
        with self._writing:
            return "; ".join(self._in_words(who) for who in sorted(self.counts))

    def steps(self, who: str, until: float) -> list[tuple[float, float, Count]]:
        """From when until when each count of a Deployment held."""
        with self._writing:
            counts = [count for count in self.counts[who] if count.at <= until]
        ends = [count.at for count in counts[1:]] + [until]
        return [(count.at, end, count) for count, end in zip(counts, ends, strict=True)]

    def _in_words(self, who: str) -> str:
        counts, marks = self.counts[who], [what for _, what in self.marks.get(who, [])]
        last, fewest = counts[-1], min(count.ready for count in counts)
        text = f"{who}: {last.desired} desired, {last.ready} ready, never fewer than {fewest}"
        return text + "".join(f", {what} {marks.count(what)} ×" for what in dict.fromkeys(marks))


@contextmanager
def live(history: History, load: Load | None = None) -> Iterator[Load | None]:
    """Begin a history anew, and show it until the end of the block; the last picture stays.

    Args:
        history: what a loop writes meanwhile.
        load: visitors, who come from here to the end of the block; their pages are drawn above.
    """
    history.begin()
    with following(lambda: draw(history, load)):
        try:
            if load is None:
                yield None
            else:
                with load:
                    yield load
        finally:
            history.end()


def draw(history: History, load: Load | None = None) -> svg.Picture:
    """What a history has come to until now, below the pages of a load if there is one."""
    now = history.seconds
    until = max([SHORTEST, now, *(visit.at for visit in (load.visits.copy() if load else ()))])
    pieces, top = ([pages(load, until)], float(BOTTOM)) if load else (_seconds(until), 44.0)
    for who in sorted(history.counts):
        pieces.append(_strip(history, who, top, now, until))
        top += STRIP + GAP
    for number, (colour, what) in enumerate([(READY, "ready"), (THERE, "there, but not ready")]):
        pieces.append(legend(LEFT + 120 * number, top + 6, colour, what))
    pieces.append(_line(f"M{LEFT + 310} {top + 1}h26", dashed=True))
    pieces.append(svg.words(LEFT + 343, top + 6, "desired", 14, anchor="start"))
    said = "; ".join([*([counted(load)] if load else []), str(history) or "nothing is there yet"])
    return svg.Picture("".join(pieces), WIDTH, top + 16, said)


def _seconds(until: float) -> list[str]:
    """The axis, where no load brings its own."""
    step = 1 if until < 15 else 5
    return [
        svg.words(across(second, until), 24, f"{second} s", 12, faint=True)
        for second in range(0, int(until) + 1, step)
    ]


def _strip(history: History, who: str, top: float, now: float, until: float) -> str:
    """One Deployment: an area of what is ready, above it what is only there, a line for what is desired."""
    steps = history.steps(who, now)
    highest = max([max(count.desired, count.there) for _, _, count in steps] + [1])
    bottom, unit = top + STRIP, STRIP / highest

    def area(low: int, high: int, start: float, end: float, colour: str) -> str:
        left, width = across(start, until), across(end, until) - across(start, until)
        place = f'x="{left:.1f}" y="{bottom - high * unit:.1f}" width="{width:.1f}"'
        return f'<rect {place} height="{(high - low) * unit:.1f}" fill="{colour}"/>' if high > low else ""

    pieces = [
        svg.words(LEFT - 10, top + STRIP / 2 + 5, who, 13, anchor="end"),
        _line(f"M{LEFT} {bottom}H{WIDTH - RIGHT}"),
    ]
    for start, end, count in steps:
        pieces.append(area(0, count.ready, start, end, READY))
        pieces.append(area(count.ready, count.there, start, end, THERE))
    path = "".join(f"H{across(start, until):.1f}V{bottom - it.desired * unit:.1f}" for start, _, it in steps)
    if steps:
        begin = f"M{across(steps[0][0], until):.1f} {bottom - steps[0][2].desired * unit:.1f}"
        pieces.append(_line(f"{begin}{path}H{across(now, until):.1f}", dashed=True))
    return "".join(
        [*pieces, *(_mark(at, what, top, until) for at, what in history.marks.get(who, []).copy())]
    )


def _line(path: str, dashed: bool = False) -> str:
    dash = ' stroke-width="2" stroke-dasharray="6 4"' if dashed else ' stroke-opacity=".3"'
    return f'<path d="{path}" fill="none" stroke="currentColor"{dash}/>'


def _mark(at: float, what: str, top: float, until: float) -> str:
    """A cross at the upper edge; pointing at it shows what happened."""
    cross = f"M{across(at, until) - 4:.1f} {top - 8:.1f}l8 8m0 -8l-8 8"
    path = f'<path d="{cross}" stroke="{MARK}" stroke-width="2" fill="none"/>'
    return f"<g><title>{escape(what)} at {at:.1f} s</title>{path}</g>"
