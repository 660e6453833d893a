"""No package that ships in an image has a known hole, as far as the open database of them can be reached."""

import subprocess
import sys
from pathlib import Path

import pytest

from processes import ROOT

REQUIREMENTS = sorted([*ROOT.glob("services/*/requirements.txt"), ROOT / "protobufs" / "requirements.txt"])


def audit(requirements: Path) -> "subprocess.CompletedProcess[str]":
    """Look every pin up at OSV; the package index's own list would call what it does not know harmless."""
    finished = subprocess.run(
        [
            *(sys.executable, "-m", "pip_audit", "--vulnerability-service", "osv"),
            *("--no-deps", "--disable-pip", "--progress-spinner", "off", "--requirement", str(requirements)),
        ],
        capture_output=True,
        text=True,
    )
    if "ConnectionError" in finished.stderr:
        pytest.skip("no source of advisories can be reached from here")
    return finished


@pytest.mark.parametrize("file", REQUIREMENTS, ids=lambda file: file.parent.name)
def test_no_pin_has_a_known_hole(file: Path):
    finished = audit(file)
    assert finished.returncode == 0, finished.stdout + finished.stderr


def test_a_pin_that_has_one_is_found(tmp_path: Path):
    old = tmp_path / "requirements.txt"
    old.write_text("jinja2==2.4.1\n")
    finished = audit(old)
    assert finished.returncode == 1
    assert "jinja2" in finished.stdout
