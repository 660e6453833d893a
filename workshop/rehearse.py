"""`workshop rehearse`: the whole workshop, unattended, with a report."""

import contextlib
import os
import signal
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path

import psutil
from docker.errors import DockerException
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from workshop import cleanup, engine, report, runner, stubs
from workshop.repository import ROOT, WORK, lessons

REPORT = WORK / "rehearsal.html"
STOP_SECONDS = 10


class NoSuchLesson(ValueError):
    """A lesson was asked for that is not here."""


def rehearse(
    numbers: Sequence[str] | None = None, *, solved: bool = True, target: Path | None = None
) -> bool:
    """Execute lessons from top to bottom, and write one HTML file about it.

    The learner's own progress stays as it is. What a lesson leaves on the engine when it fails or is
    interrupted is removed.

    Args:
        numbers: of the lessons, e.g. `["01", "07"]`; by default all.
        solved: fill the exercises in with their solutions, so that every check runs.
        target: where the report goes; by default `work/rehearsal.html`.

    Returns:
        Whether every lesson ran through and, with solutions, every exercise was solved.

    Raises:
        NoSuchLesson: there is no notebook with one of the numbers.
        FileNotFoundError: there is no notebook at all.
    """
    paths = chosen(lessons(), numbers)
    if changed := edited():
        print(
            f"Rehearsed as edited here: {', '.join(changed)}. "
            "`git restore notebooks` brings back the originals."
        )
    target = target or REPORT
    if not stubs.are_current():
        stubs.generate()
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, _as_interrupt)
    try:
        with tempfile.TemporaryDirectory(prefix="workshop-rehearsal-") as folder:
            os.environ["WORKSHOP_PROGRESS"] = str(Path(folder) / "progress.json")
            runs = _run_all(paths, solved)
    finally:
        _sweep()
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(report.page(runs, solved), encoding="utf-8")
    failed = [run.name for run in runs if report.verdict(run, solved)]
    print(f"{report.counted(runs)}, {len(failed)} failed. Report: {target}")
    return not failed


def edited() -> list[str]:
    """The notebooks that differ from what git has; none where there is no git to ask."""
    try:
        asked = subprocess.run(
            ["git", "status", "--porcelain", "--", "notebooks"], cwd=ROOT, capture_output=True, text=True
        )
    except FileNotFoundError:
        return []
    return [line[3:] for line in asked.stdout.splitlines() if line.endswith(".ipynb")]


def chosen(paths: Sequence[Path], numbers: Sequence[str] | None) -> list[Path]:
    """The notebooks with these numbers, in the lessons' order.

    Raises:
        NoSuchLesson: one of the numbers has no notebook, or there is no number.
    """
    if numbers is None:
        return list(paths)
    by_number = {path.name[:2]: path for path in paths}
    wanted = {number.strip().zfill(2) for number in numbers if number.strip()}
    unknown = sorted(wanted - by_number.keys())
    if unknown or not wanted:
        what = ", ".join(unknown) or "without a number"
        raise NoSuchLesson(f"There is no lesson {what}; there are {', '.join(by_number)}.")
    return [path for number, path in by_number.items() if number in wanted]


class _Rehearsal(threading.Thread):
    """Runs the lessons beside the main thread, where nbclient would take the signals to itself."""

    def __init__(self, paths: Sequence[Path], solved: bool) -> None:
        super().__init__(daemon=True)
        self.paths, self.solved = paths, solved
        self.runs: list[runner.Run] = []
        self.failure: Exception | None = None
        self.stopping = False

    def run(self) -> None:
        try:
            self._run_all()
        except Exception as error:  # Raised again in the main thread.
            self.failure = error

    def _run_all(self) -> None:
        columns = (TextColumn("{task.description:<32}"), BarColumn(), TimeElapsedColumn())
        with Progress(*columns, TextColumn("{task.fields[end]}")) as progress:
            for path in self.paths:
                if not self.stopping:
                    self._run_one(path, progress)

    def _run_one(self, path: Path, progress: Progress) -> None:
        task = progress.add_task(path.stem, end="", total=None)
        run = runner.run(
            path,
            solved=self.solved,
            on_cell=lambda done, of: progress.update(task, completed=done, total=of),
        )
        self.runs.append(run)
        problem = report.verdict(run, self.solved)
        cells = len(run.notebook.cells)
        progress.update(task, total=cells, completed=cells, end=f"✗ {problem}" if problem else "✓")
        progress.stop_task(task)

    def stop(self) -> None:
        """Kill the kernel that is running; its services notice and stop."""
        self.stopping = True
        for child in psutil.Process().children():
            child.kill()
        self.join(STOP_SECONDS)


def _run_all(paths: Sequence[Path], solved: bool) -> list[runner.Run]:
    rehearsal = _Rehearsal(paths, solved)
    rehearsal.start()
    try:
        while rehearsal.is_alive():
            rehearsal.join(0.2)  # With a limit, so that Ctrl-C is heard on Windows too.
    except KeyboardInterrupt:
        rehearsal.stop()
        raise
    if rehearsal.failure:
        raise rehearsal.failure
    return rehearsal.runs


def _as_interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def _sweep() -> None:
    """Remove the containers and networks that a lesson did not come to remove."""
    # An engine that is away, or goes away just now, is no reason to withhold the report.
    with contextlib.suppress(engine.EngineNotFound, DockerException, OSError):
        cleanup.remove_containers(engine.connect(say=lambda line: None))
