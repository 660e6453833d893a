"""The picture of a load: a dot for each page, a bar for each state, and all of it in words."""

import re
import threading

import pytest

from workshop import liveplot, patience
from workshop.load import Load, Note, Visit


@pytest.fixture
def load() -> Load:
    load = Load("http://127.0.0.1:1/", per_second=100)
    load.visits = [
        Visit(1.0, 0.010, 200, 3),
        Visit(2.0, 0.100, 200, 0),
        Visit(16.0, 5.0, 0, 0, "TimeoutError: timed out"),
    ]
    load.notes = [Note(0.0, "old", "serving"), Note(4.0, "new", "starting"), Note(6.0, "new", "serving")]
    load.notes += [Note(6.0, "old", "stopping"), Note(8.0, "old", "gone")]
    return load


def dots(picture, colour: str) -> list[tuple[float, float]]:
    [path] = re.findall(rf'<path d="([^"]+)" stroke="{colour}"', picture.body) or [""]
    return [(float(x), float(y)) for x, y in re.findall(r"M([\d.]+) ([\d.]+)h", path)]


def test_it_says_all_in_words(load: Load):
    assert liveplot.draw(load).text == (
        "3 pages asked for, 1 failed, 1 without books; 100 a second, median 100 ms, slowest 5000 ms; "
        "old: serving from 0.0 to 6.0 s, stopping from 6.0 to 8.0 s; "
        "new: starting from 4.0 to 6.0 s, serving from 6.0 to 16.0 s"
    )


def test_every_page_is_a_dot_of_its_kind_where_it_belongs(load: Load):
    picture = liveplot.draw(load)
    width = liveplot.WIDTH - liveplot.LEFT - liveplot.RIGHT
    [good], [empty], [failed] = (
        dots(picture, colour) for colour in (liveplot.GOOD, liveplot.EMPTY, liveplot.FAILED)
    )
    assert good == pytest.approx((liveplot.LEFT + width / 16, liveplot.TOP + liveplot.DOTS * 2 / 3), abs=0.1)
    assert empty == pytest.approx((liveplot.LEFT + width / 8, liveplot.TOP + liveplot.DOTS / 3), abs=0.1)
    assert failed == (liveplot.LEFT + width, liveplot.TOP), "slower than the axis is long: at its upper end"


def test_the_counts_stand_in_the_legend(load: Load):
    words = re.findall(r"<text[^>]*>([^<]+)</text>", liveplot.draw(load).body)
    assert {"with books: 1", "without books: 1", "failed requests: 1"} <= set(words)


def test_a_load_that_has_just_begun_can_be_drawn():
    assert liveplot.draw(Load("http://127.0.0.1:1/", 1)).text == "no page was asked for yet"


def test_names_are_text_not_markup(load: Load):
    load.note("<script>", "serving")
    assert "<script>" not in liveplot.draw(load).to_html()


class Shown:
    """What `display` returns: it keeps what it was told to show."""

    def __init__(self) -> None:
        self.pictures: list[object] = []

    def update(self, picture: object) -> None:
        self.pictures.append(picture)


def test_it_is_redrawn_while_the_load_runs_and_once_more_at_the_end(monkeypatch: pytest.MonkeyPatch):
    shown, load = Shown(), Load("http://127.0.0.1:1/", per_second=50)
    monkeypatch.setattr(liveplot, "display", lambda picture, display_id: shown)
    monkeypatch.setattr(liveplot, "REFRESH_SECONDS", 0.01)
    with liveplot.live(load):
        patience.until(lambda: len(shown.pictures) > 2 and load.visits, "it was redrawn")
    assert shown.pictures[-1].text == liveplot.draw(load).text
    assert not load.running
    assert "live plot" not in {thread.name for thread in threading.enumerate()}


def test_an_error_in_the_block_ends_load_and_picture(monkeypatch: pytest.MonkeyPatch):
    shown, load = Shown(), Load("http://127.0.0.1:1/", per_second=50)
    monkeypatch.setattr(liveplot, "display", lambda picture, display_id: shown)
    with pytest.raises(KeyError), liveplot.live(load):
        raise KeyError
    assert not load.running
    assert shown.pictures
