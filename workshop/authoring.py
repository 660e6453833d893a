"""Keep the notebooks as they are committed: `python -m workshop.authoring` after editing one.

The solutions come first: each exercise's cell in a lesson is derived from the cell with the same id in
`notebooks/solutions/`, whose metadata lists, in order, the pieces of its source that become blanks:

    "id": "exercise-07-1", "metadata": {"blanks": ["network=network.name"]}
"""

from pathlib import Path

import nbformat
from nbformat import NotebookNode

from workshop.exercises import BLANK
from workshop.repository import lessons, solutions
from workshop.runner import exercises, read, solution_cells

METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


class Mismatch(ValueError):
    """A lesson and its page of solutions do not fit together."""


def blanked(solution: NotebookNode) -> str:
    """The source of a solution's cell with a blank in place of each piece that its metadata lists.

    Raises:
        Mismatch: there are no blanks, or a piece is not in the source behind the one before it.
    """
    blanks = solution.metadata.get("blanks")
    if not blanks:
        raise Mismatch(f"{solution.id} has no blanks in its metadata; list what the learner shall fill in")
    source, position = solution.source, 0
    for piece in blanks:
        position = source.find(piece, position)
        if position < 0:
            raise Mismatch(f"{solution.id}: {piece!r} is not in the source behind the blank before it")
        source = source[:position] + BLANK + source[position + len(piece) :]
        position += len(BLANK)
    return source


def normalise(notebook: NotebookNode) -> None:
    """Remove what running a notebook leaves in it: outputs, counts, the kernel's details."""
    notebook.metadata = nbformat.from_dict(METADATA)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
            cell.metadata.pop("execution", None)


def derived(path: Path) -> NotebookNode:
    """A lesson as it should be committed."""
    notebook = read(path)
    found = solution_cells()
    for cell in exercises(notebook):
        if cell.id not in found:
            raise Mismatch(f"{path.name}: no solution has the id {cell.id}; write it first")
        cell.source = blanked(found[cell.id])
    normalise(notebook)
    return notebook


def main() -> None:
    """Bring every notebook of the repository up to date."""
    for path in solutions():
        notebook = read(path)
        normalise(notebook)
        nbformat.write(notebook, path)
    for path in lessons():
        nbformat.write(derived(path), path)


if __name__ == "__main__":
    main()
