"""A check is proved twice: a solution passes (test_notebooks.py), a wrong answer gets its nudge (here)."""

import functools
import runpy
from collections.abc import Callable
from pathlib import Path

import pytest

from workshop import runner
from workshop.exercises import evaluate
from workshop.repository import lessons

WRONG_ANSWERS = sorted((Path(__file__).parent / "wrong_answers").glob("lesson_*.py"))

pytestmark = pytest.mark.usefixtures("clean_machine")


@functools.cache  # Some files import a service, which can be done once in a process.
def cases() -> list[object]:
    found = [case for file in WRONG_ANSWERS for case in runpy.run_path(str(file))["WRONG"]]
    return [pytest.param(id, answer, nudge, id=f"{id} {name}") for id, name, answer, nudge in found]


@pytest.mark.parametrize(("id", "answer", "nudge"), cases())
def test_a_wrong_answer_gets_the_nudge_that_was_meant(id: str, answer: Callable, nudge: str):
    result = evaluate(id, answer)
    assert result.mark == "✗"
    assert nudge in result.message


def test_every_exercise_has_two_wrong_answers_at_least():
    ids = [param.values[0] for param in cases()]
    exercises = {
        cell.id.removeprefix(runner.EXERCISE)
        for lesson in lessons()
        for cell in runner.exercises(runner.read(lesson))
    }
    assert exercises, "no exercise was found"
    assert {id for id in ids if ids.count(id) >= 2} == exercises
