"""A policy scanner finds nothing in what the overlays build, except what is explained beside it."""

import json
import subprocess
from pathlib import Path

import pytest
import yaml

from workshop import manifests
from workshop.repository import ROOT

SCANNER = ROOT / ".venv" / "scanner" / "bin" / "checkov"


def scan(file: Path) -> dict:
    """What the scanner says of a file of manifests, without asking anybody on the network."""
    command = [SCANNER, "--file", file, "--framework", "kubernetes", "--output", "json", "--skip-download"]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert finished.returncode in (0, 1), finished.stderr
    return json.loads(finished.stdout)["results"]


def built(overlay: str, folder: Path) -> Path:
    file = folder / "built.yaml"
    objects = map(dict, manifests.build(ROOT / "kubernetes" / "overlays" / overlay))
    file.write_text(yaml.safe_dump_all(objects), "utf-8")
    return file


@pytest.mark.parametrize("overlay", ["laptop", "production"])
def test_nothing_is_found_that_is_not_explained(overlay: str, tmp_path: Path):
    results = scan(built(overlay, tmp_path))
    assert [(check["check_id"], check["resource"]) for check in results["failed_checks"]] == []
    assert len(results["passed_checks"]) > 100
    for check in results["skipped_checks"]:
        assert len(check["check_result"]["suppress_comment"].split()) > 5


def test_the_scanner_finds_what_is_not_as_it_should_be(tmp_path: Path):
    file = built("laptop", tmp_path)
    file.write_text(file.read_text("utf-8").replace("readOnlyRootFilesystem: true", ""), "utf-8")
    assert {check["check_id"] for check in scan(file)["failed_checks"]} == {"CKV_K8S_22"}
