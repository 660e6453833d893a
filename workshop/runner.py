"""Execute a lesson's notebook unattended, as shipped or with the solutions filled in."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode
from traitlets.config import Config

from workshop.repository import NOTEBOOKS, solutions

CELL_SECONDS = 600
EXERCISE = "exercise-"  # How the id of an exercise's cell begins; the exercise's own id follows.

# On a shared machine, nobody else can read along with the kernels; they warn otherwise.
KERNELS = Config({"KernelManager": {"transport_encryption": "auto"}})

OnCell = Callable[[int, int], None]


@dataclass(frozen=True)
class Run:
    """An executed notebook.

    Attributes:
        name: the notebook's file name.
        notebook: with its outputs.
        seconds: how long it took.
        error: what stopped it, or None.
    """

    name: str
    notebook: NotebookNode
    seconds: float
    error: str | None

    def results(self) -> dict[str, str]:
        """What the check of each exercise said: the text below its cell, by the exercise's id."""
        return {
            cell.id.removeprefix(EXERCISE): text
            for cell in exercises(self.notebook)
            for output in cell.outputs
            if (text := output.get("data", {}).get("text/plain", ""))[:1] in ("○", "✗", "✓")
        }


def exercises(notebook: NotebookNode) -> list[NotebookNode]:
    """The cells of a notebook that are exercises."""
    return [cell for cell in notebook.cells if cell.id.startswith(EXERCISE)]


def read(path: Path) -> NotebookNode:
    """A notebook from its file."""
    return nbformat.read(path, as_version=4)


def solution_cells() -> dict[str, NotebookNode]:
    """Every solution's cell, by its id, e.g. `exercise-07-1`."""
    return {cell.id: cell for path in solutions() for cell in exercises(read(path))}


def run(path: Path, *, solved: bool = False, on_cell: OnCell = lambda done, of: None) -> Run:
    """Execute a notebook from top to bottom in a kernel of its own; its file stays as it is.

    Args:
        path: the notebook.
        solved: fill the exercises in with their solutions first.
        on_cell: is told how many cells have run, and how many there are.
    """
    notebook = read(path)
    if solved:
        found = solution_cells()
        for cell in exercises(notebook):
            cell.source = found[cell.id].source
    return execute(notebook, path.name, on_cell)


def execute(notebook: NotebookNode, name: str, on_cell: OnCell = lambda done, of: None) -> Run:
    """Execute a notebook that is already read, with `notebooks/` as its working directory."""
    started = time.perf_counter()
    resources = {"metadata": {"path": str(NOTEBOOKS)}}
    client = NotebookClient(
        notebook, timeout=CELL_SECONDS, kernel_name="python3", resources=resources, config=KERNELS
    )
    client.on_cell_executed = lambda cell_index, **_: on_cell(cell_index + 1, len(notebook.cells))
    try:
        client.execute()
        error = None
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as failure:
        error = str(failure)
    return Run(name, notebook, time.perf_counter() - started, error)
