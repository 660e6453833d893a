"""The negative: a fault planted in a copy of the services makes their own tests fail."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from processes import ROOT

# The file, what is right in it, what is wrong; found by test_<service>.py, or by the tests that are named.
FAULTS = [
    ("recommendations/recommendations.py", "request.max_results < 1", "request.max_results < 0"),
    ("recommendations/recommendations.py", "StatusCode.NOT_FOUND", "StatusCode.UNKNOWN"),
    ("recommendations/catalogue.py", 'random.Random(f"{user_id}/{category}")', "random.Random()"),
    ("recommendations/recommendations.py", "await server.stop(GRACE_SECONDS)", "await server.stop(0)"),
    ("recommendations/interceptors.py", "except DecodeError:", "except KeyError:"),
    ("marketplace/recommender.py", "timeout=DEADLINE_SECONDS - waited", "timeout=20"),
    ("marketplace/marketplace.py", "except NoRecommendations as error:", "except ValueError as error:"),
    ("marketplace/templates/homepage.html", "{{ book.title }}", "{{ book.title|safe }}"),
    ("marketplace/templates/homepage.html", 'href="static/style.css"', 'href="/static/style.css"'),
    ("marketplace/channel.py", '"healthCheckConfig"', '"noHealthCheckConfig"'),
    ("marketplace/bulkhead.py", "self._places.release()", "pass", "bulkhead"),
    (
        "marketplace/request_log.py",
        "request_id.accept(request",
        "request_id.accept('' and request",
        "watching",
    ),
    (
        "recommendations/interceptors.py",
        '"the service failed; its log says why"',
        'repr(__import__("sys").exc_info())',
        "watching",
    ),
    ("recommendations/credentials.py", "authentication=True", "authentication=False", "mutual_tls"),
    ("recommendations/tls.py", "if found in (self._used, self._refused):", "if self._used:", "mutual_tls"),
    ("recommendations/tls.py", "except OSError as error:", "except KeyError as error:", "mutual_tls"),
    ("marketplace/recommender.py", "acquire(blocking=False)", "acquire()", "hostile_clients"),
    ("marketplace/server.py", "GRACE_SECONDS = 5.0", "GRACE_SECONDS = 500.0", "hostile_clients"),
    ("recommendations/limits.py", "64 * 1024", "64 * 1024 * 1024", "hostile_clients"),
]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the services with their tests."""
    for folder in ("services", "protobufs", "tests/services"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    shutil.copyfile(ROOT / "pyproject.toml", tmp_path / "pyproject.toml")
    return tmp_path


@pytest.mark.parametrize("service", ["recommendations", "marketplace"])
def test_without_a_fault_the_copy_passes(copy: Path, service: str):
    """Else the faults below would be found for the wrong reason."""
    finished = run_tests(copy, service)
    assert finished.returncode == 0, finished.stdout


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault[0]}: {fault[2]}"[-60:])
def test_a_planted_fault_is_found(copy: Path, fault: tuple[str, ...]):
    file, right, wrong, *tests = fault
    code = copy / "services" / file
    text = code.read_text("utf-8")
    assert text.count(right) == 1, f"{right!r} must be in {file} once"
    code.write_text(text.replace(right, wrong), "utf-8")
    finished = run_tests(copy, *tests or Path(file).parts[:1])
    assert finished.returncode == 1, f"no test failed:\n{finished.stdout[-2000:]}"
    assert "FAILED" in finished.stdout


def run_tests(copy: Path, tests: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider"]
    return subprocess.run(
        [*command, f"tests/services/test_{tests}.py"],
        cwd=copy,
        env={**os.environ, "PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
    )
