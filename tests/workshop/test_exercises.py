"""How an answer is judged: blanks, nudges, errors in the learner's own lines."""

import pytest

from workshop import exercises
from workshop.exercises import NotYet, check, evaluate, expect


@pytest.fixture(autouse=True)
def double_check(monkeypatch: pytest.MonkeyPatch):
    """An exercise “99-1”: return the double of 21."""
    monkeypatch.setattr(exercises, "_checks", {})
    monkeypatch.setattr(exercises, "import_module", lambda name: None)

    @check("99-1", first_nudge="Double it.", can_now="You can double.")
    def doubles(answer):
        expect(answer(21) == 42, "21 became something else; look at the operator.")


def test_a_right_answer_says_what_one_can_do_now():
    result = evaluate("99-1", lambda number: number * 2)
    assert str(result) == "✓ 99-1: You can double."


def test_a_wrong_answer_gets_the_nudge():
    result = evaluate("99-1", lambda number: number * 3)
    assert str(result) == "✗ 99-1: 21 became something else; look at the operator."


def test_blanks_are_counted_where_they_are_read_and_nothing_runs():
    def answer(number):
        assert not number, "must not run"
        return ____ * ____

    assert str(evaluate("99-1", answer)) == "○ 99-1: 2 blanks are left (____). Double it."


def test_blanks_inside_a_text_count_too():
    def answer(number):
        return "FROM ____"

    assert evaluate("99-1", answer).message.startswith("One blank is left")


def test_an_error_in_the_answer_names_its_line_and_shows_no_traceback():
    def answer(number):
        return {}["missing"]

    message = evaluate("99-1", answer).message
    assert message == "Your code stopped with KeyError: 'missing', at `return {}[\"missing\"]`."


def test_results_show_as_text_and_as_html_without_markup_of_the_learner():
    bundle = exercises.Result("99-1", "✗", "<b>")._repr_mimebundle_()
    assert bundle["text/plain"] == "✗ 99-1: <b>"
    assert "&lt;b&gt;" in bundle["text/html"]


def test_what_is_solved_is_remembered(monkeypatch: pytest.MonkeyPatch, tmp_path):
    monkeypatch.setattr(exercises, "PROGRESS_FILE", tmp_path / "work" / "progress.json")
    assert exercises.solved() == []
    exercises.exercise("99-1")(lambda number: number * 2)
    exercises.exercise("99-1")(lambda number: number * 3)
    assert exercises.solved() == ["99-1"]


def test_expect_raises_the_nudge():
    with pytest.raises(NotYet, match="look here"):
        expect(False, "look here")
