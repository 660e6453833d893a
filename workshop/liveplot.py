"""A load as a picture that grows while it runs: a dot for each page, a bar for each server's life."""

import contextvars
import math
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from statistics import median

from IPython.display import display

from workshop import svg
from workshop.load import Load, Visit

REFRESH_SECONDS = 0.3

WIDTH, LEFT, RIGHT, TOP, DOTS, ROW = 860, 170, 24, 58, 180, 26
BOTTOM = TOP + DOTS + 44  # Of the dots and their axis.
SLOWEST = 3  # The highest line, as a power of ten of milliseconds.
SHORTEST = 8.0  # The picture has room for so many seconds at least.
GOOD, EMPTY, FAILED = "#3c82dc", "#e99628", "#d64541"
STATES = {"starting": "lit", "serving": "good", "stopping": "bad"}  # A bar ends with any other state.

State = tuple[str, float, float]  # What it is called, from when and until when.


@contextmanager
def live(load: Load) -> Iterator[Load]:
    """Run a load, and show it until it ends; the last picture stays.

    Args:
        load: it is started here, and stopped at the end of the block.
    """
    with following(lambda: draw(load)), load:
        yield load


@contextmanager
def following(drawn: Callable[[], svg.Picture]) -> Iterator[None]:
    """Show a picture, and draw it again until the end of the block and once more there.

    Args:
        drawn: draws it as it is now.
    """
    shown = display(drawn(), display_id=True)
    ended = threading.Event()

    def redraw() -> None:
        while not ended.wait(REFRESH_SECONDS):
            shown.update(drawn())

    # The context says to which cell the picture belongs.
    follower = threading.Thread(
        target=contextvars.copy_context().run, args=[redraw], name="live plot", daemon=True
    )
    follower.start()
    try:
        yield
    finally:
        ended.set()
        follower.join()
        shown.update(drawn())


def draw(load: Load) -> svg.Picture:
    """What a load has come to until now."""
    lives = _lives(load)
    until = max([SHORTEST, *(visit.at for visit in load.visits.copy()), *(note.at for note in load.notes)])
    pieces = [pages(load, until)]
    top = BOTTOM
    for row, (who, states) in enumerate(lives.items()):
        pieces.append(svg.words(LEFT - 10, top + row * ROW + 15, who, 13, anchor="end"))
        pieces += [_bar(top + row * ROW, state, start, end, until) for state, start, end in states]
    if lives:
        top += ROW * len(lives) + 20
        for number, (state, colour) in enumerate(STATES.items()):
            pieces.append(legend(LEFT + number * 120, top, svg.COLOURS[colour], state))
    said = "; ".join([counted(load), *(_life(who, states) for who, states in lives.items())])
    return svg.Picture("".join(pieces), WIDTH, top + 8, said)


def pages(load: Load, until: float) -> str:
    """The upper part of the picture, down to `BOTTOM`: a dot for each page, and how many of each kind.

    Args:
        load: whose pages.
        until: the seconds that the picture is wide.
    """
    visits = load.visits.copy()
    kinds = {
        "with books": (GOOD, 3, [visit for visit in visits if not (visit.failed or visit.empty)]),
        "without books": (EMPTY, 6, [visit for visit in visits if visit.empty]),
        "failed requests": (FAILED, 9, [visit for visit in visits if visit.failed]),
    }
    pieces, left = _axes(until), LEFT
    for name, (colour, size, those) in kinds.items():
        pieces += [_dots(those, until, colour, size), legend(left, 22, colour, f"{name}: {len(those)}")]
        left += 180
    return "".join(pieces)


def across(seconds: float, until: float) -> float:
    """Where a moment is on the axis that all parts of the picture share."""
    return LEFT + seconds / until * (WIDTH - LEFT - RIGHT)


def _y(seconds: float) -> float:
    """The height of a page that took so long; on this axis, each line is ten times the one below."""
    power = math.log10(max(seconds * 1000, 1))
    return TOP + DOTS * (1 - min(power / SLOWEST, 1))


def _axes(until: float) -> list[str]:
    pieces = [svg.words(LEFT - 10, TOP - 14, "time for a page", 12, anchor="end", faint=True)]
    for power in range(int(SLOWEST) + 1):
        y = _y(10**power / 1000)
        pieces.append(f'<path d="M{LEFT} {y:g}H{WIDTH - RIGHT}" stroke="currentColor" stroke-opacity=".2"/>')
        label = f"{10**power} ms" if power < SLOWEST else "1 s or more"
        pieces.append(svg.words(LEFT - 10, y + 4, label, 12, anchor="end", faint=True))
    step = 1 if until < 15 else 5
    for second in range(0, int(until) + 1, step):
        pieces.append(svg.words(across(second, until), TOP + DOTS + 20, f"{second} s", 12, faint=True))
    return pieces


def _dots(visits: Sequence[Visit], until: float, colour: str, size: float) -> str:
    """One path for all dots: an element for each would be slow after a thousand."""
    if not visits:
        return ""
    places = "".join(f"M{across(visit.at, until):.1f} {_y(visit.seconds):.1f}h.01" for visit in visits)
    return f'<path d="{places}" stroke="{colour}" stroke-width="{size}" stroke-linecap="round" fill="none"/>'


def _bar(y: float, state: str, start: float, end: float, until: float) -> str:
    left, right = across(start, until), across(end, until)
    return (
        f'<rect x="{left:.1f}" y="{y:g}" width="{max(right - left, 2):.1f}" height="{ROW - 5}" '
        f'fill="{svg.COLOURS[STATES[state]]}" stroke="currentColor" stroke-opacity=".4"/>'
    )


def legend(x: float, y: float, colour: str, text: str) -> str:
    """A colour, and what it stands for."""
    mark = f'<rect x="{x}" y="{y - 10}" width="11" height="11" rx="3" fill="{colour}"/>'
    return mark + svg.words(x + 17, y, text, 14, anchor="start")


def _lives(load: Load) -> dict[str, list[State]]:
    """For each server its states, from what was noted; the last one lasts until now."""
    notes = sorted(load.notes.copy(), key=lambda note: note.at)
    now = max([note.at for note in notes] + [visit.at for visit in load.visits.copy()], default=0.0)
    lives: dict[str, list[State]] = {}
    for number, note in enumerate(notes):
        later = (other.at for other in notes[number + 1 :] if other.who == note.who)
        states = lives.setdefault(note.who, [])
        if note.state in STATES:
            states.append((note.state, note.at, next(later, now)))
    return lives


def counted(load: Load) -> str:
    """The pages in words."""
    visits = load.visits.copy()
    if not visits:
        return "no page was asked for yet"
    milliseconds = sorted(visit.seconds * 1000 for visit in visits)
    return (
        f"{load}; {load.per_second:g} a second, "
        f"median {median(milliseconds):.0f} ms, slowest {milliseconds[-1]:.0f} ms"
    )


def _life(who: str, states: Sequence[State]) -> str:
    return f"{who}: " + ", ".join(f"{state} from {start:.1f} to {end:.1f} s" for state, start, end in states)
