"""The runner is the first that really runs something."""

from pathlib import Path

import pytest

from pocket_engine.data_root import DataRoot
from pocket_engine.runners import CannotStart, Program, Root, Running, Sandbox, Streams, choosing


class Ended:
    """A program that has ended."""

    def __init__(self, code: int) -> None:
        self.code = code

    def wait(self) -> int:
        return self.code

    def destroy(self) -> None:
        pass


class FakeRunner:
    """A runner whose programs end with a code, or do not start."""

    def __init__(self, outcome: int | CannotStart) -> None:
        self.outcome = outcome

    def prepare(self, root: Root) -> None:
        assert root.layers[0].is_dir()

    def start(self, sandbox: Sandbox, program: Program, streams: Streams) -> Running:
        if isinstance(self.outcome, CannotStart):
            raise self.outcome
        return Ended(self.outcome)  # type: ignore[return-value]


REFUSED = CannotStart("user namespaces are not allowed")


def choose(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str | None, *outcomes: int | CannotStart):
    """What is chosen when the runners a, b, c … behave so."""
    runners = [(chr(97 + number), FakeRunner(outcome)) for number, outcome in enumerate(outcomes)]
    attempts = [(label, lambda data_root, runner=runner: runner) for label, runner in runners]
    monkeypatch.setattr(choosing, "ATTEMPTS", attempts)
    data_root = DataRoot(tmp_path)
    try:
        chosen = choosing.choose(data_root, name)
        return next(label for label, runner in runners if runner is chosen)
    finally:
        assert list((tmp_path / "tmp").iterdir()) == []


def test_the_first_that_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    assert choose(tmp_path, monkeypatch, None, 0, 0) == "a"
    assert choose(tmp_path, monkeypatch, None, REFUSED, 1, 0) == "c"


def test_one_that_was_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    assert choose(tmp_path, monkeypatch, "b", 0, 0) == "b"


def test_where_none_works_each_reason_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(choosing.NoRunner) as caught:
        choose(tmp_path, monkeypatch, None, REFUSED, 3)
    assert "a: user namespaces are not allowed; b: a program that does nothing ended with exit code 3" in str(
        caught.value
    )
    with pytest.raises(choosing.NoRunner, match="Containers cannot be run"):
        choose(tmp_path, monkeypatch, "a", REFUSED, 0)


@pytest.mark.parametrize("name", choosing.NAMES)
def test_it_is_tried_for_real(tmp_path: Path, name: str):
    try:
        assert choosing.choose(DataRoot(tmp_path), name).name == name
    except choosing.NoRunner as error:
        pytest.skip(str(error))
