"""A learner's test is run against real copies of the services, each with one bug."""

from pathlib import Path

import pytest

from workshop.checks import planted
from workshop.checks.planted import CONTRACT, Bug, Verdict, judge, plant
from workshop.exercises import NotYet
from workshop.repository import PROTO

FIXTURES = """
import os
from pathlib import Path
import pytest

@pytest.fixture
def books():
    return (Path(os.environ["SYSTEM"]) / "recommendations" / "books.json").read_text(encoding="utf-8")
"""
NO_DUNE = Bug("has no Dune", "recommendations/books.json", [('"Dune"', '"Done"')], "Look for it.")


def finds_dune(books):
    assert "Dune" in books


def finds_books(books):
    assert books


def finds_what_is_not_there(books):
    assert "Moby-Dick" in books


def hangs(books):
    import threading

    threading.Event().wait()


def test_a_test_that_notices_the_bug_is_accepted():
    judge(finds_dune, FIXTURES, [NO_DUNE])


def test_a_test_that_does_not_notice_is_told_about_the_bug():
    with pytest.raises(NotYet, match=r"passes against a service that has no Dune\. Look for it\."):
        judge(finds_books, FIXTURES, [NO_DUNE])


def test_a_test_that_cries_wolf_is_told_where():
    with pytest.raises(NotYet, match='fails against the healthy services.*`assert "Moby-Dick" in books`'):
        judge(finds_what_is_not_there, FIXTURES, [NO_DUNE])


def test_a_test_that_hangs_is_told_so_and_ended(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(planted, "RUN_SECONDS", 1.0)
    with pytest.raises(NotYet, match=r"Your test hangs: with the healthy services .* after 1 s"):
        judge(hangs, FIXTURES, [])


def test_to_hang_because_of_a_bug_is_not_to_catch_it(monkeypatch: pytest.MonkeyPatch):
    def verdict(_test: str, _name: str, _fixtures: str, bug: Bug | None) -> Verdict:
        return Verdict(passed=not bug, hung=bool(bug))

    monkeypatch.setattr(planted, "_verdict", verdict)
    with pytest.raises(NotYet, match="Your test hangs: with a service that has no Dune"):
        judge(finds_dune, FIXTURES, [NO_DUNE])


def test_a_bug_that_cannot_be_planted_is_an_error(tmp_path: Path):
    (tmp_path / "books.json").write_text("{}")
    with pytest.raises(LookupError, match="is 0 times in books.json"):
        plant(Bug("is odd", "books.json", [("Dune", "Done")], ""), tmp_path)


def test_a_changed_contract_gets_stubs_of_its_own(tmp_path: Path):
    (tmp_path / "recommendations").mkdir()
    (tmp_path / CONTRACT).write_bytes(PROTO.read_bytes())
    plant(Bug("is odd", CONTRACT, [("SELF_HELP = 2", "SELF_HELP = 7")], ""), tmp_path)
    for name in ("recommendations_pb2.py", "recommendations_pb2_grpc.py"):
        assert (tmp_path / "recommendations" / name).exists()
