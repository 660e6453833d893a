"""Histograms draw their counts to scale, side by side, and say the same in words."""

import math
import re

import pytest

from workshop.histogram import TINTS, draw

BEFORE = {0.001: 10, 0.05: 30, math.inf: 0}
AFTER = {0.001: 20, 0.05: 0, math.inf: 5}


def bars(series: dict[str, dict[float, int]], tint: str) -> list[tuple[float, float]]:
    """Where the bars of one colour begin, and how high they are."""
    bar = rf'<rect x="([\d.]+)" y="[\d.]+" width="[\d.]+" height="([\d.]+)" fill="{tint}"/>'
    _key, *found = re.findall(bar, draw(series).body)
    return [(float(x), float(height)) for x, height in found]


def test_each_bucket_that_is_not_empty_is_said():
    assert draw({"before": BEFORE, "after": AFTER}).text.splitlines() == [
        "before: ≤ 1 ms: 10, ≤ 50 ms: 30",
        "after: ≤ 1 ms: 20, more: 5",
    ]


def test_bars_are_to_one_scale():
    both = {"before": BEFORE, "after": AFTER}
    before, after = ([height for _, height in bars(both, tint)] for tint in TINTS[:2])
    unit = before[1] / 30
    assert before + after == [pytest.approx(unit * count, abs=0.1) for count in (10, 30, 20, 5)]


def test_bars_of_one_bucket_stand_side_by_side():
    both = {"before": BEFORE, "after": AFTER}
    assert bars(both, TINTS[0])[0][0] < bars(both, TINTS[1])[0][0] < bars(both, TINTS[0])[1][0]


def test_counts_stand_above_their_bars():
    figures = re.findall(r">(\d+)</text>", draw({"before": BEFORE}).body)
    assert figures == ["10", "30"]


def test_nothing_counted_is_drawn_without_bars():
    assert draw({"before": {0.001: 0, math.inf: 0}}).text == "before: none"


def test_names_are_text_not_markup():
    assert "<script>" not in draw({"<script>": BEFORE}, title="<script>").to_html()


@pytest.mark.parametrize("series", [{}, {"before": BEFORE, "after": {0.001: 1}}])
def test_what_cannot_be_compared_is_refused(series: dict[str, dict[float, int]]):
    with pytest.raises(ValueError, match="series"):
        draw(series)
