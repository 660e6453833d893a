"""Waiting ends when it is so, or with a sentence."""

import pytest

from workshop import patience


def test_it_asks_again_until_the_answer_is_yes(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(patience, "PAUSE_SECONDS", 0.001)
    answers = iter([0, None, "yes"])
    assert 0 < patience.until(lambda: next(answers), "it is so") < 5
    assert list(answers) == []


def test_at_the_deadline_it_says_what_was_waited_for():
    with pytest.raises(patience.InVain, match="Waited 0 s in vain until pigs fly."):
        patience.until(lambda: False, "pigs fly", seconds=0)
