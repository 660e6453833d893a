"""What every notebook has, whatever it teaches."""

import ast
import json
import re
from pathlib import Path

import pytest

from workshop import authoring, runner
from workshop.repository import NOTEBOOKS, lessons, solutions

MAX_LINES = 25
NOTEBOOK = pytest.mark.parametrize(
    "path", [*lessons(), *solutions()], ids=lambda p: f"{p.parent.name}/{p.stem}"
)
LESSON = pytest.mark.parametrize("path", lessons(), ids=lambda p: p.stem)


def text_of(path: Path) -> str:
    return "\n".join(cell.source for cell in runner.read(path).cells if cell.cell_type == "markdown")


@NOTEBOOK
def test_outputs_and_counts_are_not_committed(path: Path):
    for cell in runner.read(path).cells:
        if cell.cell_type == "code":
            assert not cell.outputs
            assert cell.execution_count is None


@NOTEBOOK
def test_cells_are_short_and_have_names(path: Path):
    cells = runner.read(path).cells
    assert len({cell.id for cell in cells}) == len(cells)
    for cell in cells:
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", cell.id), cell.id
        if cell.cell_type == "code":
            assert len(cell.source.splitlines()) <= MAX_LINES, cell.id


@LESSON
def test_exercises_are_derived_from_their_solutions(path: Path):
    wanted = json.dumps(authoring.derived(path), sort_keys=True)
    assert json.dumps(runner.read(path), sort_keys=True) == wanted, "run `python -m workshop.authoring`"


@LESSON
def test_a_lesson_opens_and_closes_as_lessons_do(path: Path):
    text = text_of(path)
    for part in ("You will be able to", "Time", "Must be running", "## Exercises", "## New words"):
        assert part in text, f"{path.name} lacks “{part}”"
    assert "<details>" in text, "hints fold away"
    code = "\n".join(cell.source for cell in runner.read(path).cells if cell.cell_type == "code")
    assert "pictures.system(" in code
    assert not re.search(r"^(time\.)?sleep\(", code, re.MULTILINE), "wait on readiness, not for a fixed time"


@NOTEBOOK
def test_links_lead_somewhere(path: Path):
    targets = re.findall(r"\]\(([^)#]+)[^)]*\)", text_of(path))
    for target in targets:
        assert target.startswith("https://") or (path.parent / target).exists(), f"{path.name}: {target}"


@NOTEBOOK
def test_no_path_of_one_machine(path: Path):
    assert not re.search(r"/home/|/root/|/Users/|[A-Z]:\\\\", path.read_text("utf-8"))


def test_every_lesson_has_its_page_of_solutions():
    assert [path.name for path in lessons()] == [path.name for path in solutions()]


@pytest.mark.parametrize("path", sorted(Path(authoring.__file__).parent.rglob("*.py")), ids=lambda p: p.name)
def test_the_package_does_not_know_the_services_code(path: Path):
    """Arrows go one way: a lesson may import a service's stubs, the package never."""
    modules = {p.stem for service in (NOTEBOOKS.parent / "services").iterdir() for p in service.glob("*.py")}
    modules.add("services")
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        assert not modules & {name.split(".")[0] for name in names}


def test_the_word_true_is_blanked_where_it_was_meant():
    """`authoring` takes the first text that fits; a blank for `detach` would let an answer run for ever."""
    [cell] = [
        cell
        for path in lessons()
        for cell in runner.exercises(runner.read(path))
        if cell.id == "exercise-08-3"
    ]
    assert "read_only=____" in cell.source
    assert "detach=True" in cell.source
