"""The ladder's table says which rung caught which bug, and what a run cost."""

import subprocess
from pathlib import Path

import pytest

from workshop.ladder import Outcome, RunBroke, picture

PASSED = Outcome(True, 0.9, "3 passed in 0.50s", tests=0.004)
FAILED = Outcome(False, 1.5, "1 failed, 2 passed in 1.10s", tests=1.2)


def finished(code: int, said: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.CompletedProcess(["pytest"], code, said, "its last words")


def test_a_failure_is_what_we_want_of_a_bug_and_a_false_alarm_without_one():
    results = {
        "healthy": {"unit": PASSED, "end_to_end": FAILED},
        "boundary": {"unit": FAILED, "end_to_end": PASSED},
    }
    assert picture(results).text.splitlines() == [
        "healthy: unit passes, end_to_end false alarm",
        "boundary: unit caught, end_to_end blind",
        "the tests: unit 602 ms, end_to_end 602 ms",
        "the whole run: unit 1.2 s, end_to_end 1.2 s",
    ]


def test_names_are_text_not_markup():
    assert "<script>" not in picture({"<script>": {"<script>": PASSED}}).to_html()


def test_an_outcome_is_green_or_red():
    assert Outcome.of(finished(0, "3 passed in 0.50s"), 1.0).colour == "green"
    assert Outcome.of(finished(1, "1 failed in 0.50s"), 1.0).colour == "red"
    assert Outcome.of(finished(1, "1 error in 0.50s"), 1.0).colour == "red"


@pytest.mark.parametrize(("code", "said"), [(1, ""), (4, "no tests ran"), (2, "1 passed"), (5, "")])
def test_a_run_without_tests_is_neither(code: int, said: str):
    with pytest.raises(RunBroke, match="its last words"):
        Outcome.of(finished(code, said), 1.0)


def test_the_summary_is_the_end_of_what_pytest_said():
    said = "much\n=== short test summary info ===\nFAILED test_a.py::test_a\n=== 1 failed ===\n"
    assert Outcome(False, 1.0, said).summary.splitlines()[1:] == [
        "FAILED test_a.py::test_a",
        "=== 1 failed ===",
    ]
    assert Outcome(True, 1.0, "much\n=== 3 passed ===\n").summary == "=== 3 passed ==="


def test_what_the_tests_took_is_in_the_report(tmp_path: Path):
    report = tmp_path / "times.xml"
    report.write_text(
        '<testsuites><testsuite><testcase time="0.25"/><testcase time="0.5"/></testsuite></testsuites>'
    )
    assert PASSED.with_times(report).tests == 0.75
