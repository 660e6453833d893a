"""The picture of a control loop: what is desired as a line, what is there as areas, all of it in words."""

import re
import threading
from types import SimpleNamespace

import pytest

from workshop import liveplot, loopplot, patience
from workshop.load import Load, Visit
from workshop.loopplot import Count, History

WIDE = liveplot.WIDTH - liveplot.LEFT - liveplot.RIGHT


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What the history takes for the time; a test turns it."""
    now = [100.0]
    monkeypatch.setattr(loopplot, "time", SimpleNamespace(perf_counter=lambda: now[0]))
    return now


@pytest.fixture
def history(clock: list[float]) -> History:
    """Two desired and ready; one is killed after 2 s, there again after 3, and ready after 6; now is 10."""
    history = History()
    history.note("shop", 2, 2, 2)
    clock[0] = 102.0
    history.mark("shop", "killed")
    history.note("shop", 2, 1, 1)
    clock[0] = 103.0
    history.note("shop", 2, 2, 1)
    clock[0] = 106.0
    history.note("shop", 2, 2, 2)
    clock[0] = 110.0
    return history


def areas(picture, colour: str) -> list[tuple[float, float]]:
    """From where to where the areas of a colour reach, in seconds of a picture that is 10 wide."""
    found = re.findall(
        rf'<rect x="([\d.]+)" y="[\d.]+" width="([\d.]+)" height="[\d.]+" fill="{colour}"', picture.body
    )
    return [
        (
            round((float(x) - liveplot.LEFT) / WIDE * 10, 1),
            round((float(x) + float(w) - liveplot.LEFT) / WIDE * 10, 1),
        )
        for x, w in found
    ]


def test_it_says_all_in_words(history: History):
    assert loopplot.draw(history).text == "shop: 2 desired, 2 ready, never fewer than 1, killed 1 ×"


def test_areas_are_as_long_as_what_they_show(history: History):
    picture = loopplot.draw(history)
    assert areas(picture, re.escape(loopplot.READY)) == [(0, 2), (2, 3), (3, 6), (6, 10)]
    assert areas(picture, re.escape(loopplot.THERE)) == [(3, 6)], "one is there, and not ready"


def test_what_is_desired_is_a_line_of_steps(history: History, clock: list[float]):
    history.note("shop", 4, 2, 2)
    clock[0] = 120.0
    [line] = re.findall(r'<path d="(M[^"]*V[^"]*)"[^>]*stroke-dasharray', loopplot.draw(history).body)
    heights = [float(height) for height in re.findall(r"V([\d.]+)", line)]
    bottom, unit = 44 + loopplot.STRIP, loopplot.STRIP / 4
    assert heights == pytest.approx([bottom - 2 * unit] * 4 + [bottom - 4 * unit])
    assert line.endswith(f"H{liveplot.LEFT + WIDE:.1f}"), "it goes on until now"


def test_a_kill_is_a_cross_that_says_when(history: History):
    assert "<title>killed at 2.0 s</title>" in loopplot.draw(history).body


def test_nothing_new_takes_no_room(history: History):
    before = history.counts["shop"].copy()
    for _ in range(1000):
        history.note("shop", 2, 2, 2)
    assert history.counts["shop"] == before


def test_begun_anew_it_starts_with_what_holds_now(history: History):
    history.begin()
    assert history.counts == {"shop": [Count(0.0, 2, 2, 2)]}
    assert history.marks == {}
    assert history.seconds == 0


def test_after_the_end_it_stays_as_it_was_until_it_begins_anew(history: History, clock: list[float]):
    history.end()
    before = loopplot.draw(history)
    clock[0] += 50
    history.note("shop", 3, 1, 0)
    after = loopplot.draw(history)
    assert (after.body, after.text) == (before.body, before.text)
    history.begin()
    assert history.counts == {"shop": [Count(0.0, 3, 1, 0)]}, "what was said meanwhile is not forgotten"


def test_one_that_has_just_begun_can_be_drawn():
    assert loopplot.draw(History()).text == "nothing is there yet"


def test_names_are_text_not_markup(history: History):
    history.note("<script>", 1, 1, 1)
    history.mark("shop", "<script>")
    assert "<script>" not in loopplot.draw(history).to_html()


def test_with_a_load_its_pages_are_drawn_above_on_the_same_axis(history: History):
    load = Load("http://127.0.0.1:1/", per_second=10)
    load.visits = [Visit(5.0, 0.01, 200, 3), Visit(20.0, 0.01, 0, 0, "refused")]
    picture = loopplot.draw(history, load)
    assert f"M{liveplot.LEFT + WIDE / 4:.1f} " in picture.body, "5 of 20 s"
    assert picture.text.startswith("2 pages asked for, 1 failed")
    assert picture.text.endswith("killed 1 ×")


class Shown:
    """What `display` returns: it keeps what it was told to show."""

    def __init__(self) -> None:
        self.pictures: list[object] = []

    def update(self, picture: object) -> None:
        self.pictures.append(picture)


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> Shown:
    shown = Shown()
    monkeypatch.setattr(liveplot, "display", lambda picture, display_id: shown)
    monkeypatch.setattr(liveplot, "REFRESH_SECONDS", 0.01)
    return shown


def test_it_is_redrawn_while_a_loop_writes_and_once_more_at_the_end(shown: Shown):
    history = History()
    with loopplot.live(history):
        writer = threading.Thread(
            target=lambda: [history.note("shop", 2, 2, ready % 3) for ready in range(500)]
        )
        writer.start()
        patience.until(lambda: len(shown.pictures) > 2, "it was redrawn")
        writer.join()
    assert shown.pictures[-1].text == loopplot.draw(history).text
    assert "live plot" not in {thread.name for thread in threading.enumerate()}


def test_the_load_runs_as_long_as_the_block_even_if_that_fails(shown: Shown):
    load, history = Load("http://127.0.0.1:1/", per_second=50), History()
    with pytest.raises(KeyError), loopplot.live(history, load) as running:
        assert running is load
        patience.until(lambda: load.visits, "somebody came")
        raise KeyError
    assert not load.running
    assert shown.pictures
