"""Every notebook runs to its end: as shipped, with solutions, twice in a row, after a crash."""

from pathlib import Path

import pytest
from nbformat.v4 import new_code_cell

from workshop import runner
from workshop.repository import NOTEBOOKS, lessons, solutions

pytestmark = pytest.mark.usefixtures("clean_machine")

LESSONS = pytest.mark.parametrize("lesson", lessons(), ids=lambda path: path.stem)


def exercise_ids(path: Path) -> set[str]:
    return {cell.id.removeprefix(runner.EXERCISE) for cell in runner.exercises(runner.read(path))}


@LESSONS
def test_after_a_crash_it_runs_as_shipped_and_once_more_with_solutions(lesson: Path):
    """One test, because the order is the point: crash, run, run again."""
    crash_in_the_middle(lesson)

    shipped = runner.run(lesson)
    assert shipped.error is None
    results = shipped.results()
    assert set(results) == exercise_ids(lesson)
    assert all(text.startswith("○") for text in results.values()), results

    solved = runner.run(lesson, solved=True)
    assert solved.error is None
    results = solved.results()
    assert set(results) == exercise_ids(lesson)
    assert all(text.startswith("✓") for text in results.values()), results


@pytest.mark.parametrize("page", solutions(), ids=lambda path: path.stem)
def test_a_page_of_solutions_runs_by_itself(page: Path):
    run = runner.run(page)
    assert run.error is None
    results = run.results()
    assert set(results) == exercise_ids(page) == exercise_ids(NOTEBOOKS / page.name)
    assert all(text.startswith("✓") for text in results.values()), results


def crash_in_the_middle(lesson: Path) -> None:
    """Kill the kernel with no warning once half of the cells have run."""
    notebook = runner.read(lesson)
    crash = new_code_cell("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)", id="crash")
    notebook.cells.insert(len(notebook.cells) // 2, crash)
    assert "died" in (runner.execute(notebook, lesson.name).error or "")
