"""The rehearsal on notebooks of three cells: what passes, what fails, and what an interrupt leaves."""

import contextlib
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import nbformat
import psutil
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from workshop import cli, exercises, rehearse, report, runner

MARK = "from IPython.display import display\ndisplay({{'text/plain': '{} 01-1: words'}}, raw=True)"


@pytest.fixture(autouse=True)
def apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lessons of the test's own, no engine, and signals and environment as they were."""
    monkeypatch.setenv("DOCKER_HOST", "unix:///there/is/none.sock")
    monkeypatch.setenv("WORKSHOP_PROGRESS", "set, so that it is put back")
    monkeypatch.setattr(rehearse, "lessons", lambda: sorted(tmp_path.glob("0*.ipynb")))
    monkeypatch.setattr(runner, "solution_cells", dict)
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    yield
    signal.signal(signal.SIGTERM, before[0])
    signal.signal(signal.SIGINT, before[1])


def lesson(folder: Path, name: str, *sources: str) -> None:
    cells = [new_code_cell(source, id=f"cell-{number}") for number, source in enumerate(sources)]
    nbformat.write(new_notebook(cells=[new_markdown_cell("# A lesson", id="opening"), *cells]), folder / name)


def test_one_file_tells_of_every_lesson_and_works_without_a_network(tmp_path: Path):
    lesson(tmp_path, "01-good.ipynb", "1 + 1")
    lesson(tmp_path, "02-bad.ipynb", "1 / 0")
    target = tmp_path / "deep" / "report.html"
    assert not rehearse.rehearse(target=target)
    text = target.read_text("utf-8")
    assert "2 lessons" in text
    assert "✓ ok" in text
    assert "✗ a cell failed" in text
    assert "ZeroDivisionError" in text
    assert "<script" not in text
    assert "default-src 'none'" in text
    assert not re.search(r'(src|href)=["\']https?://', text)


def test_all_good_is_exit_code_zero_and_one_failure_is_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    lesson(tmp_path, "01-good.ipynb", "1")
    lesson(tmp_path, "02-bad.ipynb", "1 / 0")
    where = ["--report", str(tmp_path / "r.html")]
    assert cli.main(["rehearse", "--lessons", "1", *where]) == 0
    assert cli.main(["rehearse", "--lessons", "01, 02", *where]) == 1
    assert "2 lessons, 1 failed." in capsys.readouterr().out


def test_no_notebook_at_all_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.undo()
    monkeypatch.setattr("workshop.repository.NOTEBOOKS", tmp_path)
    assert cli.main(["rehearse", "--report", str(tmp_path / "r.html")]) == 1


@pytest.mark.parametrize("asked", ["07", ",", "zero"])
def test_a_lesson_that_is_not_here_is_named(tmp_path: Path, asked: str, capsys: pytest.CaptureFixture[str]):
    lesson(tmp_path, "01-good.ipynb", "1")
    assert cli.main(["rehearse", "--lessons", asked]) == 1
    assert "there are 01" in capsys.readouterr().err


def test_the_learners_progress_stays_as_it_is(tmp_path: Path):
    say = "from workshop import exercises\nfrom pathlib import Path\n"
    lesson(
        tmp_path,
        "01-good.ipynb",
        f"{say}Path({str(tmp_path / 'said')!r}).write_text(str(exercises.PROGRESS_FILE))",
    )
    assert rehearse.rehearse(target=tmp_path / "r.html")
    assert (tmp_path / "said").read_text() != str(exercises.PROGRESS_FILE)


@pytest.mark.parametrize(("mark", "problem"), [("✓", ""), ("✗", "not solved"), ("○", "not solved")])
def test_with_solutions_every_exercise_must_be_solved(tmp_path: Path, mark: str, problem: str):
    notebook = new_notebook(cells=[new_code_cell(MARK.format(mark), id="exercise-01-1")])
    run = runner.execute(notebook, "01-x.ipynb")
    assert problem in report.verdict(run, solved=True)
    assert bool(report.verdict(run, solved=True)) is bool(problem)
    assert report.verdict(run, solved=False) == ""


def test_the_slowest_cell_is_found():
    cells = [new_code_cell("1", id="quick"), new_code_cell("sum(range(3_000_000))", id="slow")]
    slow = report.slowest(runner.execute(new_notebook(cells=cells), "01-x.ipynb").notebook)
    assert slow is not None
    assert slow.id == "slow"


SCRIPT = """
from pathlib import Path
from workshop import cli, rehearse
folder = Path({folder!r})
rehearse.lessons = lambda: sorted(folder.glob("0*.ipynb"))
raise SystemExit(cli.main(["rehearse", "--as-shipped", "--report", str(folder / "r.html")]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_an_interrupt_leaves_no_kernel_and_starts_no_other_lesson(tmp_path: Path, number: signal.Signals):
    lesson(
        tmp_path,
        "01-long.ipynb",
        f"open({str(tmp_path / 'begun')!r}, 'w').close()",
        "import time; time.sleep(99)",
    )
    lesson(tmp_path, "02-next.ipynb", f"open({str(tmp_path / 'next')!r}, 'w').close()")
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT.format(folder=str(tmp_path))],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "DOCKER_HOST": "unix:///there/is/none.sock"},
    )
    wait_for(tmp_path / "begun", process)
    kernels = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(number)
    said, _ = process.communicate(timeout=30)
    assert process.returncode == cli.INTERRUPTED, said
    assert "Interrupted." in said
    assert "Traceback" not in said
    assert kernels
    assert not psutil.wait_procs(kernels, timeout=10)[1]
    assert not (tmp_path / "next").exists()


def wait_for(file: Path, process: subprocess.Popen) -> None:
    while not file.exists():
        assert process.poll() is None, process.communicate()[0]
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.1)
