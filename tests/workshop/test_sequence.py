"""Sequence diagrams tell who asked whom, and draw durations to scale."""

import re

import pytest

from workshop.sequence import BROKEN, SCALE, Step, journey, kinds

HEALTHY = [
    Step("browser", 8.0),
    Step("marketplace", 4.0, "GET /", "200"),
    Step("recommendations", 0.02, "Recommend", "OK"),
]


def bars(picture) -> list[float]:
    """The heights of the bars, the outermost first."""
    return [float(height) for height in re.findall(r'width="14" height="([\d.]+)"', picture.body)]


def test_a_journey_says_who_asked_whom_and_how_long_it_took():
    assert journey(HEALTHY).text == (
        "browser waited 8.0 ms; browser asked marketplace for GET /: took 4.0 ms, answer 200; "
        "marketplace asked recommendations for Recommend: took 0.02 ms, answer OK"
    )


def test_bars_are_to_scale_and_a_short_one_can_still_be_seen():
    assert bars(journey(HEALTHY)) == [SCALE, SCALE / 2, 3]


def test_a_part_is_never_drawn_longer_than_the_whole():
    assert bars(journey([Step("browser", 5.0), Step("marketplace", 5.2, "GET /", "200")])) == [SCALE, SCALE]


def test_one_who_was_not_reached_has_a_broken_arrow_and_no_bar():
    picture = journey([*HEALTHY[:2], Step("recommendations", None, "Recommend", "UNAVAILABLE", failed=True)])
    assert len(bars(picture)) == 2
    assert BROKEN in picture.body
    assert picture.text.endswith("never reached, answer UNAVAILABLE")


def test_an_answer_that_nobody_waited_for_is_broken():
    late = Step("recommendations", 7.9, "Recommend", "DEADLINE_EXCEEDED", failed=True)
    assert BROKEN in journey([*HEALTHY[:2], late]).body
    assert BROKEN not in journey(HEALTHY).body


def test_names_are_text_not_markup():
    assert "<script>" not in journey([Step("<script>", 1.0)]).to_html()


@pytest.mark.parametrize(
    "steps", [[], [Step("browser", None), Step("marketplace", 1.0)], [Step("browser", 0)]]
)
def test_a_journey_without_times_is_refused(steps: list[Step]):
    with pytest.raises(ValueError, match="needs the time"):
        journey(steps)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("rpc A(B) returns (C);", "one request, one response"),
        ("rpc A(B) returns (stream C);", "one request, many responses"),
        ("rpc A(stream B) returns (C);", "many requests, one response"),
        ("rpc A ( stream B )\n  returns ( stream C ) {}", "many requests, many responses"),
        ("rpc A(streamer) returns (streams);", "one request, one response"),
    ],
)
def test_the_kind_of_an_rpc_is_read_from_its_line(line: str, said: str):
    assert kinds({"kind": line}).text == f"kind: {said}"


def test_what_is_no_rpc_line_is_refused():
    with pytest.raises(ValueError, match="write e.g. rpc Recommend"):
        kinds({"unary": "message A {}"})
