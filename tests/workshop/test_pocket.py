"""The embedded engine starts by itself where no other answers, once for each user."""

import contextlib
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pocket_engine import locations
from pocket_engine.data_root import remove_tree
from workshop import cli, engine, pocket

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the embedded engine is for Linux")


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A user who has no engine; the one that a test starts is stopped."""
    folder = Path(tempfile.mkdtemp(prefix="pocket-"))  # Short enough for a socket.
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", str(folder / ".docker"))
    yield folder
    pocket.stop()
    remove_tree(folder)


@pytest.fixture
def no_other_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    place = engine.Place("the default socket", "unix:///nope")
    monkeypatch.setattr(engine, "_well_known", lambda: iter([place]))


@pytest.mark.usefixtures("no_other_engine")
def test_it_starts_where_no_other_answers():
    said: list[str] = []
    with contextlib.closing(engine.connect(said.append)) as client:
        assert client.ping()
    [line] = said
    assert line.startswith("Engine: Pocket engine 1.")
    assert ", runner " in line
    assert line.endswith("the workshop's own: no other is there.")


@pytest.mark.usefixtures("no_other_engine")
def test_what_was_never_there_is_not_started_to_be_cleaned(cache: Path):
    assert cli.main(["clean"]) == 0
    assert list(cache.iterdir()) == []


@pytest.mark.usefixtures("no_other_engine")
def test_cleaning_stops_it(capsys: pytest.CaptureFixture[str]):
    pocket.start()
    assert cli.main(["clean"]) == 0
    assert "Stopped the embedded engine" in capsys.readouterr().out
    assert pocket._owner() is None


def test_an_engine_that_refuses_this_user_is_named(monkeypatch: pytest.MonkeyPatch):
    place = engine.Place("the default socket", "unix:///var/run/docker.sock")
    [embedded] = engine._embedded()
    line = engine._how(embedded, [(place, "permission denied")])
    assert line == ("the workshop's own: the default socket (unix:///var/run/docker.sock): permission denied")


def test_it_is_used_again():
    pocket.start()
    first = pocket._owner()
    pocket.start()
    assert pocket._owner() == first


def test_many_at_once_start_one():
    starts = [threading.Thread(target=pocket.start) for _ in range(5)]
    for start in starts:
        start.start()
    for start in starts:
        start.join()
    assert "Another engine" not in (locations.cache() / "engine.log").read_text()
    assert pocket._owner()


def test_it_has_a_session_of_its_own():
    pocket.start()
    process = pocket._owner()
    assert process is not None
    assert os.getsid(process) == process != os.getsid(0)


def test_it_is_started_again_after_a_crash():
    pocket.start()
    first = pocket._owner()
    assert first is not None
    os.kill(first, signal.SIGKILL)
    while pocket._owner() is not None:
        time.sleep(0.01)
    pocket.start()
    assert pocket._owner() not in (None, first)


def test_it_is_stopped():
    pocket.start()
    assert pocket.stop()
    assert not pocket.stop()
    assert not locations.socket().exists()


def test_why_it_does_not_start_is_said(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(locations.cache() / ("x" * 100)))
    with pytest.raises(pocket.CannotStart, match="too long for the kernel") as caught:
        pocket.start()
    assert "engine.log" in str(caught.value)


def test_a_folder_that_cannot_be_made_is_said(cache: Path, monkeypatch: pytest.MonkeyPatch):
    (cache / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache / "file"))
    with pytest.raises(pocket.CannotStart, match="its folder cannot be used"):
        pocket.start()
