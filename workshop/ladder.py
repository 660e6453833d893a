"""The testing ladder: what a run of pytest told, and the table of rungs and planted bugs."""

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from xml.etree import ElementTree

from workshop import svg
from workshop.errors import PlainError

NAMES, COLUMN, ROW, HEAD = 190, 150, 46, 40
BAR = COLUMN - 10  # The slowest rung's bar.


class RunBroke(PlainError):
    """pytest could not run the tests at all; its own words follow."""


@dataclass(frozen=True)
class Outcome:
    """One run of pytest.

    Attributes:
        passed: every test passed.
        seconds: how long it took, with the start of Python.
        said: what pytest wrote.
        tests: seconds that the tests took, with their fixtures; see `with_times`.
    """

    passed: bool
    seconds: float
    said: str
    tests: float = 0.0

    @property
    def colour(self) -> str:
        """How people call it: green or red."""
        return "green" if self.passed else "red"

    @property
    def summary(self) -> str:
        """The end of what pytest wrote: one line for each test that failed, and the count."""
        lines = self.said.strip().splitlines()
        heads = [number for number, line in enumerate(lines) if "short test summary" in line]
        return "\n".join(lines[heads[-1] :] if heads else lines[-1:])

    def with_times(self, report: Path) -> "Outcome":
        """The same, with what the tests took according to pytest's XML report."""
        cases = ElementTree.parse(report).iter("testcase")
        return replace(self, tests=sum(float(case.get("time", 0)) for case in cases))

    @classmethod
    def of(cls, finished: "subprocess.CompletedProcess[str]", seconds: float) -> "Outcome":
        """Read the outcome off a process that has ended.

        Raises:
            RunBroke: no test was run; that is neither passed nor failed.
        """
        tested = any(word in finished.stdout for word in (" passed", " failed", " error"))
        if finished.returncode not in (0, 1) or not tested:
            raise RunBroke(f"pytest ran no test:\n{finished.stdout}{finished.stderr}")
        return cls(finished.returncode == 0, seconds, finished.stdout)


Results = Mapping[str, Mapping[str, Outcome]]


def picture(results: Results, healthy: str = "healthy") -> svg.Picture:
    """Draw which rung caught which bug, and what a run of each rung took.

    Args:
        results: for each system, by its name, the outcome at every rung.
        healthy: the system without a bug; there, passing is what is right.
    """
    rungs = list(next(iter(results.values())))
    pieces = [
        svg.words(_middle(number), 26, rung.replace("_", " "), 15, bold=True)
        for number, rung in enumerate(rungs)
    ]
    lines = []
    for row, (system, outcomes) in enumerate(results.items()):
        y = HEAD + row * ROW
        pieces.append(svg.words(0, y + 28, system, 15, anchor="start"))
        verdicts = [_verdict(outcomes[rung], system == healthy) for rung in rungs]
        for number, (colour, word) in enumerate(verdicts):
            pieces.append(svg.box(NAMES + number * COLUMN, y + 4, COLUMN - 10, ROW - 10, colour))
            pieces.append(svg.words(_middle(number), y + 28, word, 14, bold=colour == "good"))
        said = ", ".join(f"{rung} {word}" for rung, (_, word) in zip(rungs, verdicts, strict=True))
        lines.append(f"{system}: {said}")
    bottom = HEAD + len(results) * ROW
    pieces += _prices(results, rungs, bottom)
    for name, which in (("the tests", "tests"), ("the whole run", "seconds")):
        prices = (f"{rung} {_time(_median(results, rung, which))}" for rung in rungs)
        lines.append(f"{name}: {', '.join(prices)}")
    return svg.Picture("".join(pieces), NAMES + len(rungs) * COLUMN, bottom + 72, "\n".join(lines))


def _prices(results: Results, rungs: list[str], bottom: float) -> list[str]:
    """What a rung costs: its tests with a bar, to scale, and below that the whole run."""
    pieces = [
        svg.words(0, bottom + 38, "the tests, median", 13, anchor="start", faint=True),
        svg.words(0, bottom + 62, "the whole run, median", 13, anchor="start", faint=True),
    ]
    slowest = max(_median(results, rung, "tests") for rung in rungs)
    for number, rung in enumerate(rungs):
        x, tests = NAMES + number * COLUMN, _median(results, rung, "tests")
        pieces.append(svg.box(x, bottom + 10, max(2.0, BAR * tests / max(slowest, 0.001)), 10, "lit"))
        pieces.append(svg.words(x, bottom + 38, _time(tests), 14, anchor="start", bold=True))
        whole = _time(_median(results, rung, "seconds"))
        pieces.append(svg.words(x, bottom + 62, whole, 14, anchor="start", faint=True))
    return pieces


def _median(results: Results, rung: str, which: str) -> float:
    return median(getattr(outcomes[rung], which) for outcomes in results.values())


def _time(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds >= 1 else f"{seconds * 1000:.0f} ms"


def _middle(number: int) -> float:
    return NAMES + number * COLUMN + (COLUMN - 10) / 2


def _verdict(outcome: Outcome, is_healthy: bool) -> tuple[str, str]:
    """The colour and the word for one run: a failure is what we want where a bug is planted."""
    if is_healthy:
        return ("cool", "passes") if outcome.passed else ("bad", "false alarm")
    return ("plain", "blind") if outcome.passed else ("good", "caught")
