"""Where things are in this repository."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = ROOT / "notebooks"
SOLUTIONS = NOTEBOOKS / "solutions"
PROTO = ROOT / "protobufs" / "recommendations.proto"
SERVICES = ROOT / "services"
WORK = ROOT / "work"  # What learners write, and logs; ignored by git.


def lessons() -> list[Path]:
    """The lessons' notebooks, in order.

    Raises:
        FileNotFoundError: there is none; the folder is not the workshop's.
    """
    return _notebooks(NOTEBOOKS)


def solutions() -> list[Path]:
    """The pages with the solutions, in the lessons' order.

    Raises:
        FileNotFoundError: there is none.
    """
    return _notebooks(SOLUTIONS)


def _notebooks(folder: Path) -> list[Path]:
    found = sorted(folder.glob("[0-9][0-9]-*.ipynb"))
    if not found:
        raise FileNotFoundError(f"no notebook in {folder}; is this a whole clone of the workshop?")
    return found
