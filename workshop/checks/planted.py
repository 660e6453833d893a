"""Run a learner's test, with pytest, against copies of the services: a healthy one, and some with a bug."""

import ast
import inspect
import os
import re
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import psutil

from workshop.checks.contract import protoc
from workshop.exercises import Answer, NotYet
from workshop.repository import PROTO, SERVICES

AT_ONCE = 2
RUN_SECONDS = 90.0
CONTRACT = "recommendations/recommendations.proto"

# What a learner's test may use beside its fixtures.
HEAD = "import grpc\nimport psutil\nimport pytest\nimport requests\n\n\n"


@dataclass(frozen=True)
class Bug:
    """A change that makes a service wrong.

    Attributes:
        tells: what the service does then; it goes on behind “a service that”.
        file: where the change is, below `services/`; Recommendations' copy of the contract is `CONTRACT`.
        changes: pairs of a pattern, found once in the file, and what stands there instead.
        nudge: where to look in a test that does not notice.
    """

    tells: str
    file: str
    changes: Sequence[tuple[str, str]]
    nudge: str


@dataclass(frozen=True)
class Verdict:
    """What pytest said of a test: did it pass, and if not, at which line and why; or did it never end."""

    passed: bool
    why: str = ""
    hung: bool = False


def judge(answer: Answer, fixtures: str, bugs: Sequence[Bug]) -> None:
    """Ask that a test passes where all is well, and fails where a bug is.

    Args:
        answer: the learner's test, a function whose arguments are fixtures.
        fixtures: the text of a `conftest.py` that has them; `SYSTEM` names the services' folder.
        bugs: each is planted in a copy of its own.

    Raises:
        NotYet: it cries wolf, lets a bug through, or hangs.
    """
    test = _source(answer)

    def verdict(bug: Bug | None) -> Verdict:
        return _verdict(test, answer.__name__, fixtures, bug)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        healthy, *verdicts = pool.map(verdict, [None, *bugs])
    if healthy.hung:
        raise NotYet(f"Your test hangs: with the healthy services it was not over after {RUN_SECONDS:g} s.")
    if not healthy.passed:
        raise NotYet(f"Your test fails against the healthy services, where it should pass. {healthy.why}")
    for bug, said in zip(bugs, verdicts, strict=True):
        if said.hung:
            raise NotYet(
                f"Your test hangs: with a service that {bug.tells}, it was not over after {RUN_SECONDS:g} s. "
                "Give a limit to whatever it waits for."
            )
        if said.passed:
            raise NotYet(f"Your test passes against a service that {bug.tells}. {bug.nudge}")


def plant(bug: Bug, system: Path) -> None:
    """Make a copy of the services wrong.

    Raises:
        LookupError: a pattern is not in the file, or more than once: the services have changed.
    """
    file = system / bug.file
    text = file.read_text(encoding="utf-8")
    for right, wrong in bug.changes:
        found = list(re.finditer(right, text))
        if len(found) != 1:
            raise LookupError(f"cannot plant a bug: {right!r} is {len(found)} times in {bug.file}, not once")
        text = text[: found[0].start()] + wrong + text[found[0].end() :]
    file.write_text(text, encoding="utf-8")
    if bug.file == CONTRACT:
        protoc(str(file.parent), "--python_out=.", "--grpc_python_out=.", name=file.stem)


def _source(answer: Answer) -> str:
    """The text of the test, without its decorator."""
    text = textwrap.dedent(inspect.getsource(answer))
    function = ast.parse(text).body[0]
    if not isinstance(function, ast.FunctionDef):
        raise NotYet("Write the test as a function, `def test_…`.")
    return "\n".join(text.splitlines()[function.lineno - 1 :]) + "\n"


def _verdict(test: str, name: str, fixtures: str, bug: Bug | None) -> Verdict:
    with TemporaryDirectory(prefix="workshop-planted-", ignore_cleanup_errors=True) as folder:
        system, tests = Path(folder) / "services", Path(folder) / "tests"
        shutil.copytree(SERVICES, system, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copyfile(PROTO, system / CONTRACT)
        if bug:
            plant(bug, system)
        tests.mkdir()
        (tests / "pytest.ini").write_text("[pytest]\naddopts = --tb=short -p no:cacheprovider --color=no\n")
        (tests / "conftest.py").write_text(fixtures, encoding="utf-8")
        (tests / "test_answer.py").write_text(HEAD + test, encoding="utf-8")
        try:
            return _read(_run_pytest(tests, name, system))
        except subprocess.TimeoutExpired:
            return Verdict(passed=False, hung=True)


def _run_pytest(tests: Path, name: str, system: Path) -> str | None:
    """What pytest says; None where the test passed.

    Raises:
        subprocess.TimeoutExpired: it was not over in time.
    """
    command = [sys.executable, "-m", "pytest", "-q", "-o", f"python_functions={name}", "test_answer.py"]
    process = subprocess.Popen(
        command,
        cwd=tests,
        env={**os.environ, "SYSTEM": str(system), "PYTEST_ADDOPTS": "", "PYTHONUTF8": "1", "COLUMNS": "300"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
    )
    try:
        said, _ = process.communicate(timeout=RUN_SECONDS)
    except subprocess.TimeoutExpired:
        for child in psutil.Process(process.pid).children(recursive=True):
            child.kill()
        process.kill()
        process.communicate()
        raise
    return None if process.returncode == 0 else said


def _read(said: str | None) -> Verdict:
    """Find the learner's line that failed, and the reason, in pytest's report."""
    if said is None:
        return Verdict(True)
    summary = re.search(r"^(?:FAILED|ERROR) \S+ - (.+)$", said, re.MULTILINE)
    reason = summary or re.search(r"^E {3,}(?!.*%\])(\S.*)$", said, re.MULTILINE)
    places = re.findall(r"^test_answer\.py:\d+: in .*\n +(.+)$", said, re.MULTILINE)
    if not reason:
        return Verdict(False, f"pytest says:\n{said[-800:]}")
    place = f"At `{places[-1]}`, pytest says: " if places else "pytest says: "
    return Verdict(False, place + reason[1].strip())
