"""The lessons that are here, how long each takes, and what this learner has solved."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from workshop.exercises import solved
from workshop.repository import lessons

# JSON, not nbformat, reads the notebooks: loading that takes longer than all of them.


@dataclass(frozen=True)
class Lesson:
    """One line of the map.

    Attributes:
        file: the notebook's name, which is also the link to it.
        title: its first heading.
        time: what its first cell says about it.
        exercises: the ids of its exercises.
    """

    file: str
    title: str
    time: str
    exercises: Sequence[str]


@dataclass(frozen=True)
class Map:
    """The lessons in order, with what is solved; a notebook shows it as a table with links."""

    lessons: Sequence[Lesson]
    solved: frozenset[str]

    def __str__(self) -> str:
        return "\n".join(
            f"{lesson.title} ({lesson.time}): {self._score(lesson)[0]}" for lesson in self.lessons
        )

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        heads = "".join(f'<th style="text-align:left">{head}</th>' for head in ("Lesson", "Time", "Solved"))
        rows = "".join(self._row(lesson) for lesson in self.lessons)
        html = f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"
        return {"text/html": html, "text/plain": str(self)}

    def _row(self, lesson: Lesson) -> str:
        words, marks = self._score(lesson)
        cells = (
            f'<a href="{escape(lesson.file, quote=True)}">{escape(lesson.title)}</a>',
            escape(lesson.time),
            f'<span role="img" aria-label="{words}" title="{words}">{marks}</span>',
        )
        return "<tr>" + "".join(f'<td style="text-align:left">{cell}</td>' for cell in cells) + "</tr>"

    def _score(self, lesson: Lesson) -> tuple[str, str]:
        """In words, and as one mark for each exercise."""
        if not lesson.exercises:
            return "no exercises", ""
        done = [id in self.solved for id in lesson.exercises]
        return f"{sum(done)} of {len(done)} solved", " ".join("✓" if each else "○" for each in done)


def so_far() -> Map:
    """The map of the lessons, with this learner's progress."""
    return Map(
        [_lesson(path.name, path.read_text(encoding="utf-8")) for path in lessons()], frozenset(solved())
    )


def _lesson(file: str, text: str) -> Lesson:
    cells = json.loads(text)["cells"]
    opening = "".join(cells[0]["source"])
    title = re.search(r"^# (.+)$", opening, re.MULTILINE)
    # What stands behind “**Time**”, as far as the paragraph goes: lessons write it in their own way.
    time = re.search(r"\*\*Time[.:]?\*\*[:.\s]*(.+?)(?:\n\s*\n|\n[#*-]|$)", opening, re.DOTALL)
    ids = [cell["id"].removeprefix("exercise-") for cell in cells if cell["id"].startswith("exercise-")]
    return Lesson(
        file, title[1] if title else file, " ".join(time[1].split()).rstrip(".") if time else "", ids
    )
