"""Every place where an engine may be, and what a learner is told when it is nowhere."""

import json
import socket
import sys
from pathlib import Path

import pytest

from workshop import engine


@pytest.fixture(autouse=True)
def bare_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """No variable, no context, no socket."""
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / ".docker"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def choose_context(tmp_path: Path, name: str, address: str) -> None:
    """What `docker context create` and `docker context use` write."""
    import hashlib

    folder = tmp_path / ".docker" / "contexts" / "meta" / hashlib.sha256(name.encode()).hexdigest()
    folder.mkdir(parents=True)
    endpoint = {"docker": {"Host": address, "SkipTLSVerify": False}}
    (folder / "meta.json").write_text(json.dumps({"Name": name, "Metadata": {}, "Endpoints": endpoint}))
    (tmp_path / ".docker" / "config.json").write_text(json.dumps({"currentContext": name}))


def names() -> list[str]:
    return [place.name for place in engine.places()]


def test_the_places_are_tried_in_order():
    embedded = ["the embedded engine"] if sys.platform == "linux" else []
    others = ["the default socket", "Docker Desktop", "rootless Docker", "rootless Podman", "Podman"]
    assert names() == others + embedded


def test_a_docker_host_is_binding(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    choose_context(tmp_path, "colima", "unix:///elsewhere.sock")
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    assert [(p.name, p.address) for p in engine.places()] == [("DOCKER_HOST", "tcp://127.0.0.1:1")]


def test_a_context_that_somebody_chose_is_binding(tmp_path: Path):
    choose_context(tmp_path, "colima", "unix:///elsewhere.sock")
    [place] = engine.places()
    assert (place.name, place.address) == ("the Docker context “colima”", "unix:///elsewhere.sock")


def test_the_engine_that_answers_is_named_in_one_line(client, monkeypatch: pytest.MonkeyPatch):
    place = engine.Place("the one at hand", "http://unused")
    monkeypatch.setattr(engine, "_well_known", lambda: iter([place]))
    monkeypatch.setattr(engine, "DockerClient", lambda address, **options: client)
    said: list[str] = []
    assert engine.connect(said.append) is client
    assert len(said) == 1
    assert "found through the one at hand" in said[0]
    assert client.api.timeout == engine.REQUEST_SECONDS


@pytest.fixture
def no_embedded_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on macOS and Windows."""
    monkeypatch.setattr(engine, "_embedded", lambda: iter(()))


@pytest.mark.usefixtures("no_embedded_engine")
def test_where_nobody_answers_the_message_says_what_to_do(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(
        engine, "_well_known", lambda: iter([engine.Place("the default socket", "unix:///nope")] * 2)
    )
    with pytest.raises(engine.EngineNotFound) as caught:
        engine.connect()
    assert "Install one" in str(caught.value)
    assert "the default socket (unix:///nope): there is no such socket" in str(caught.value)


@pytest.mark.usefixtures("no_embedded_engine")
def test_a_stopped_engine_is_told_from_a_missing_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    stale = tmp_path / "docker.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(stale))  # The file stays when its listener is gone.
    places = [engine.Place("the default socket", f"unix://{stale}"), engine.Place("Podman", "unix:///nope")]
    monkeypatch.setattr(engine, "_well_known", lambda: iter(places))
    with pytest.raises(engine.EngineNotFound, match="Start it"):
        engine.connect()


def test_a_socket_that_one_may_not_open_gets_the_remedy():
    error = PermissionError("[Errno 13] Permission denied")
    assert "usermod -aG docker" in engine._remedy([engine._reason(error), "there is no such socket"])
