"""Waterfalls draw spans to scale, below those that caused them, and say the same in words."""

import re

import pytest

from workshop import recorded_traces
from workshop.waterfall import CHART, NAMES, SMALLEST, Span, draw

MS = 1_000_000  # Nanoseconds.


def span(id: str, parent: str, start: float, end: float, service: str = "shop") -> Span:
    """A span between two moments, in milliseconds."""
    return Span(service, f"work {id}", id, parent, int(start * MS), int(end * MS))


PAGE = span("page", "somebody", 0, 100)
CALL = span("call", "page", 20, 70)
PICK = span("pick", "call", 30, 60, "books")


def bars(spans: list[Span], pale: bool) -> list[tuple[float, float]]:
    """Where the pale, or the full, bars begin and how wide they are, in milliseconds of a 100 ms trace."""
    bar = r'<rect x="([\d.]+)".*? width="([\d.]+)".*? fill="[^"]+"( fill-opacity)?'
    found = re.findall(bar, draw(spans).body)
    chosen = [(float(x), float(width)) for x, width, opacity in found if bool(opacity) == pale]
    unit = CHART / 100
    return [(round((x - NAMES) / unit), round(width / unit)) for x, width in chosen]


def test_a_span_knows_how_long_it_took():
    assert PICK.ms == 30


def test_every_span_is_said_with_its_depth_its_time_and_what_is_its_own():
    assert draw([PICK, PAGE, CALL]).text == (
        "shop, work page: from the beginning, 100.0 ms, of these its own 50.0 ms; "
        "› shop, work call: from 20.0 ms, 50.0 ms, of these its own 20.0 ms; "
        "› › books, work pick: from 30.0 ms, 30.0 ms, of these its own 30.0 ms"
    )


def test_bars_are_to_scale_and_full_where_a_span_does_not_wait():
    assert bars([PAGE, CALL, PICK], pale=True) == [(0, 100), (20, 50), (30, 30)]
    assert bars([PAGE, CALL, PICK], pale=False) == [(0, 20), (70, 30), (20, 10), (60, 10), (30, 30)]


def test_children_at_the_same_time_are_taken_off_once():
    both = [PAGE, span("a", "page", 10, 60), span("b", "page", 40, 80)]
    assert "work page: from the beginning, 100.0 ms, of these its own 30.0 ms" in draw(both).text


def test_a_child_that_outlives_its_parent_leaves_it_nothing_behind_its_start():
    late = [PAGE, span("late", "page", 90, 130)]
    assert "work page: from the beginning, 100.0 ms, of these its own 90.0 ms" in draw(late).text


def test_siblings_stand_in_the_order_of_time():
    text = draw([PAGE, span("second", "page", 50, 60), span("first", "page", 10, 20)]).text
    assert text.index("work first") < text.index("work second")


def test_a_span_whose_parent_is_elsewhere_is_the_first_of_its_own():
    assert draw([CALL, PICK]).text.startswith("shop, work call: from the beginning")


def test_a_short_span_can_still_be_seen():
    tiny = draw([PAGE, span("tiny", "page", 50, 50.001)])
    assert f'width="{SMALLEST:.1f}"' in tiny.body


def test_each_service_has_a_colour_of_its_own():
    tints = set(re.findall(r'fill="(#[0-9a-f]{6})"', draw([PAGE, CALL, PICK]).body))
    assert len(tints) == 2


def test_the_axis_has_few_and_round_figures():
    figures = re.findall(r'text-anchor="middle" opacity=".7">([\d.]+)(?: ms)?<', draw([PAGE]).body)
    assert figures == ["0", "20", "40", "60", "80", "100"]


def test_a_span_that_took_no_time_is_drawn():
    assert "0.00 ms" in draw([span("now", "", 5, 5)]).text


def test_names_are_text_not_markup():
    assert "<script>" not in draw([span("<script>", "", 0, 1)]).to_html()


def test_a_waterfall_without_spans_is_refused():
    with pytest.raises(ValueError, match="has the trace arrived"):
        draw([])


@pytest.mark.parametrize(
    "spans", [recorded_traces.SLOW_SHELF, recorded_traces.SLOW_PAGE, recorded_traces.SLOW_WAY]
)
def test_what_was_recorded_is_whole(spans: list[Span]):
    known = {span.id for span in spans}
    roots = [span.name for span in spans if span.parent not in known]
    assert roots == ["GET /"]
    assert len(known) == len(spans)
