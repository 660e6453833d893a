"""Histograms side by side: for each bucket, a bar of each series, to one scale."""

import math
from collections.abc import Mapping

from workshop import svg

WIDTH, TOP, BARS, FOOT = 860, 34, 180, 44
GAP = 0.2  # Of a bucket's width, free on either side of its bars.
TINTS = ("#3c82dc", "#d9822b", "#2e9e5b", "#9b59b6")  # One for each series, in order.

Series = Mapping[float, int]  # A bucket's upper bound in seconds → how many fell into it, and into no other.


def draw(series: Mapping[str, Series], title: str = "pages in each bucket") -> svg.Picture:
    """Draw a bar for each count, and write the count above it; an empty bucket has none.

    Args:
        series: by their names; all have the same bounds, in the same order.
        title: what was counted.

    Raises:
        ValueError: there is no series, or their bounds differ.
    """
    if not series:
        raise ValueError("a histogram needs one series at least")
    bounds = list(next(iter(series.values())))
    if any(list(counts) != bounds for counts in series.values()):
        raise ValueError("all series need the same bounds")
    highest = max((count for counts in series.values() for count in counts.values()), default=0)
    bucket = WIDTH / max(len(bounds), 1)
    bar = bucket * (1 - 2 * GAP) / len(series)
    pieces = [svg.words(0, 20, title, 13, anchor="start", faint=True)]
    for number, (name, counts) in enumerate(series.items()):
        tint = TINTS[number % len(TINTS)]
        pieces += _key(WIDTH - 110 * (len(series) - number), name, tint)
        for place, count in enumerate(counts.values()):
            pieces += _bar((place + GAP) * bucket + number * bar, bar, count, highest, tint)
    for place, bound in enumerate(bounds):
        pieces.append(svg.words((place + 0.5) * bucket, TOP + BARS + 18, _most(bound, ""), 12))
    pieces.append(svg.words(WIDTH / 2, TOP + BARS + 38, "milliseconds", 12, faint=True))
    text = "\n".join(f"{name}: {_said(counts)}" for name, counts in series.items())
    return svg.Picture("".join(pieces), WIDTH, TOP + BARS + FOOT, text)


def _key(x: float, name: str, tint: str) -> list[str]:
    mark = f'<rect x="{x:g}" y="9" width="12" height="12" fill="{tint}"/>'
    return [mark, svg.words(x + 18, 20, name, 13, anchor="start")]


def _bar(x: float, width: float, count: int, highest: int, tint: str) -> list[str]:
    if not count:
        return []
    height = (BARS - 20) * count / highest
    top = TOP + BARS - height
    bar = f'<rect x="{x:.1f}" y="{top:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{tint}"/>'
    return [bar, svg.words(round(x + width / 2, 1), round(top - 5, 1), str(count), 12)]


def _most(bound: float, unit: str) -> str:
    """A bucket's upper bound in milliseconds."""
    return "more" if math.isinf(bound) else f"≤ {bound * 1000:g}{unit}"


def _said(counts: Series) -> str:
    return ", ".join(f"{_most(bound, ' ms')}: {count}" for bound, count in counts.items() if count) or "none"
