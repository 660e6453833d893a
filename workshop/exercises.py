"""Exercises: blanks to fill, a check that looks at what the answer does, a nudge when it is not yet right.

An exercise is a function with blanks, `____`. Running its cell runs its check:

    @exercise("07-1")
    def third_service(client, network): ...

The check of the same id stands in `workshop/checks/` and hands the function what it needs. The solution
of the same id stands in `notebooks/solutions/`, and the cell with the blanks is derived from it.
"""

import dis
import json
import os
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from html import escape
from importlib import import_module
from pathlib import Path
from types import CodeType
from typing import Any

from IPython.display import display

from workshop.base_image import NoBaseImage
from workshop.engine import EngineNotFound
from workshop.repository import WORK

PROGRESS_FILE = Path(os.environ.get("WORKSHOP_PROGRESS", WORK / "progress.json"))
BLANK = "____"

Answer = Callable[..., Any]


class NotYet(Exception):
    """The answer is not right yet; the message is the nudge that the learner sees."""


@dataclass(frozen=True)
class Check:
    """How one exercise is judged.

    Attributes:
        run: calls the answer and raises NotYet when what it does is not right.
        first_nudge: what to think about while blanks are left.
        can_now: what the learner can do once it is solved, a full sentence.
    """

    run: Callable[[Answer], None]
    first_nudge: str
    can_now: str


@dataclass(frozen=True)
class Result:
    """What a check said, shown below the exercise's cell."""

    id: str
    mark: str  # ○ untouched, ✗ not yet, ✓ solved
    message: str

    def __str__(self) -> str:
        return f"{self.mark} {self.id}: {self.message}"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        colour = {"○": "#8a8f98", "✗": "#d9822b", "✓": "#2e9e5b"}[self.mark]
        message = escape(self.message).replace("\n", "<br>")
        html = (
            f'<div role="status" style="border-left:4px solid {colour};padding:.4em .8em;margin:.3em 0">'
            f"<b>{self.mark} Exercise {self.id}</b><br>{message}</div>"
        )
        return {"text/html": html, "text/plain": str(self)}


_checks: dict[str, Check] = {}


def check(id: str, *, first_nudge: str, can_now: str) -> Callable[[Callable[[Answer], None]], Check]:
    """Declare the check of exercise `id`; the decorated function calls the answer and judges it."""

    def declare(run: Callable[[Answer], None]) -> Check:
        _checks[id] = Check(run, first_nudge, can_now)
        return _checks[id]

    return declare


def expect(condition: object, nudge: str) -> None:
    """Raise NotYet with `nudge` unless the condition holds."""
    if not condition:
        raise NotYet(nudge)


def exercise(id: str) -> Callable[[Answer], Answer]:
    """Check the decorated answer at once, show the result, and leave the function as it is.

    Args:
        id: the exercise's id, e.g. `07-1`.

    Raises:
        KeyError: no check has this id.
    """

    def judge(answer: Answer) -> Answer:
        result = evaluate(id, answer)
        display(result)
        _remember(result)
        return answer

    return judge


def evaluate(id: str, answer: Answer) -> Result:
    """Judge an answer without showing or remembering anything."""
    judged_by = find_check(id)
    if blanks := list(_blanks(answer.__code__)):
        count = "One blank is" if len(blanks) == 1 else f"{len(blanks)} blanks are"
        return Result(id, "○", f"{count} left ({BLANK}). {judged_by.first_nudge}")
    try:
        judged_by.run(answer)
    except NotYet as nudge:
        return Result(id, "✗", str(nudge))
    except (EngineNotFound, NoBaseImage) as error:
        return Result(id, "✗", f"The check could not run. {error}")
    except Exception as error:
        return Result(id, "✗", _where(error, answer))
    return Result(id, "✓", judged_by.can_now)


def find_check(id: str) -> Check:
    """The check with this id, from `workshop/checks/lesson_NN.py`."""
    import_module(f"workshop.checks.lesson_{id.split('-')[0]}")
    return _checks[id]


def solved() -> list[str]:
    """The ids of the exercises that this learner has solved, in order."""
    try:
        return sorted(json.loads(PROGRESS_FILE.read_text()))
    except (FileNotFoundError, ValueError):  # The latter: a full disk left half a file.
        return []


def _remember(result: Result) -> None:
    if result.mark == "✓":
        PROGRESS_FILE.parent.mkdir(exist_ok=True)
        PROGRESS_FILE.write_text(json.dumps(sorted({*solved(), result.id})))


def _blanks(code: CodeType) -> Iterator[str]:
    """The blanks in a function: as a name, and inside a text such as a Dockerfile."""
    yield from (
        BLANK
        for step in dis.get_instructions(code)
        if step.opname.startswith("LOAD") and step.argval == BLANK
    )
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _blanks(constant)
        elif isinstance(constant, str):
            yield from [BLANK] * constant.count(BLANK)


def _where(error: Exception, answer: Answer) -> str:
    """Say where in the learner's lines an error arose, without the traceback."""
    filename = answer.__code__.co_filename
    lines = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == filename]
    place = f", at `{lines[-1].line}`" if lines else ""
    return f"Your code stopped with {type(error).__name__}: {error}{place}."
