"""The negative: a fault planted in a copy of the services makes their own tests fail."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from processes import ROOT

FAULTS = [
    ("recommendations/recommendations.py", "request.max_results < 1", "request.max_results < 0"),
    ("recommendations/recommendations.py", "StatusCode.NOT_FOUND", "StatusCode.UNKNOWN"),
    ("recommendations/catalogue.py", 'random.Random(f"{user_id}/{category}")', "random.Random()"),
    ("recommendations/recommendations.py", "await server.stop(GRACE_SECONDS)", "await server.stop(0)"),
    ("recommendations/interceptors.py", "except DecodeError:", "except KeyError:"),
    ("marketplace/recommender.py", ", timeout=DEADLINE_SECONDS)", ", timeout=20)"),
    ("marketplace/marketplace.py", "except grpc.RpcError as error:", "except ValueError as error:"),
    ("marketplace/templates/homepage.html", "{{ book.title }}", "{{ book.title|safe }}"),
    ("marketplace/templates/homepage.html", 'href="static/style.css"', 'href="/static/style.css"'),
]


@pytest.mark.parametrize(("file", "right", "wrong"), FAULTS, ids=lambda text: text[-30:])
def test_a_planted_fault_is_found(tmp_path: Path, file: str, right: str, wrong: str):
    for folder in ("services", "protobufs", "tests/services"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    shutil.copyfile(ROOT / "pyproject.toml", tmp_path / "pyproject.toml")
    code = tmp_path / "services" / file
    text = code.read_text("utf-8")
    assert text.count(right) == 1, f"{right!r} must be in {file} once"
    code.write_text(text.replace(right, wrong), "utf-8")
    tests = f"tests/services/test_{Path(file).parts[0]}.py"
    finished = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", tests],
        cwd=tmp_path,
        env={**os.environ, "PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
    )
    assert finished.returncode == 1, f"no test failed:\n{finished.stdout[-2000:]}"
    assert "FAILED" in finished.stdout
