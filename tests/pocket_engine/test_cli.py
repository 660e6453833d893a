"""How an engine starts and ends."""

import io
import os
import signal
import socket
import stat
import subprocess
import sys
import tarfile
from collections.abc import Callable

import pytest

from pocket_engine import __version__
from tests.pocket_engine import small_root
from tests.pocket_engine.embedded import EmbeddedEngine, eventually

Make = Callable[..., EmbeddedEngine]


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pocket_engine", *arguments], capture_output=True, text=True, timeout=60
    )


def test_help_names_the_socket_and_how_to_use_it():
    said = command("--help").stdout
    assert "DOCKER_HOST" in said
    assert "engine.sock" in said


def test_version():
    assert command("--version").stdout == f"Pocket engine {__version__}\n"


def test_nobody_else_can_open_the_socket(new_engine: Make):
    engine = new_engine()
    engine.socket = engine.folder / "new" / "engine.sock"
    engine.host = f"unix://{engine.socket}"
    engine.start()
    assert stat.S_IMODE(engine.socket.stat().st_mode) == 0o600
    assert stat.S_IMODE(engine.socket.parent.stat().st_mode) == 0o700


def test_a_second_engine_on_the_same_data_is_refused(new_engine: Make):
    engine = new_engine().start()
    second = command("--host", f"unix://{engine.folder}/2.sock", "--data-root", str(engine.data_root))
    assert second.returncode == 1
    assert "Another engine works in" in second.stderr
    assert "--data-root" in second.stderr


def test_a_second_engine_on_the_same_socket_is_refused(new_engine: Make):
    engine = new_engine().start()
    second = command("--host", engine.host, "--data-root", str(engine.folder / "data2"))
    assert second.returncode == 1
    assert "Another engine listens on" in second.stderr
    assert engine.answers()


def test_a_path_that_is_too_long_for_a_socket(new_engine: Make):
    engine = new_engine()
    started = command("--host", f"unix:///{'x' * 110}.sock", "--data-root", str(engine.data_root))
    assert started.returncode == 1
    assert "too long for the kernel (107 bytes at most)" in started.stderr


def test_a_file_of_somebody_elses_is_left_alone(new_engine: Make):
    engine = new_engine()
    engine.socket.write_text("precious")
    started = command("--host", engine.host, "--data-root", str(engine.data_root))
    assert started.returncode == 1
    assert "is no socket" in started.stderr
    assert engine.socket.read_text() == "precious"


def test_a_host_that_is_no_socket():
    started = command("--host", "tcp://127.0.0.1:2375")
    assert started.returncode == 2
    assert "is no unix:///PATH" in started.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_and_its_socket(new_engine: Make, number: int):
    engine = new_engine().start()
    assert engine.process is not None
    engine.process.send_signal(number)
    assert engine.process.wait(30) == 0
    assert not engine.socket.exists()


def test_a_signal_ends_it_though_somebody_listens_to_events(new_engine: Make):
    engine = new_engine().start()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.connect(str(engine.socket))
        listener.sendall(b"GET /events HTTP/1.1\r\nHost: d\r\n\r\n")
        assert b"200 OK" in listener.recv(1000)
        assert engine.stop() == 0


def test_killed_it_starts_again_on_what_it_left(new_engine: Make):
    engine = new_engine().start()
    assert engine.ask("POST", "/volumes/create", {"Name": "kept"}).status == 201
    name = engine.get("/info").json["ID"]
    unfinished = engine.data_root / "tmp" / "volume-0"
    unfinished.mkdir(mode=0o500)
    engine.kill()
    assert engine.socket.exists()  # Nobody was left to remove it.
    engine.start()
    assert engine.get("/volumes/kept").status == 200
    assert engine.get("/info").json["ID"] == name
    assert not unfinished.exists()


def test_unused_it_leaves(new_engine: Make):
    engine = new_engine("--idle", "0.5").start()
    assert engine.process is not None
    assert engine.process.wait(30) == 0
    assert not engine.socket.exists()


def test_used_it_stays(new_engine: Make):
    engine = new_engine("--idle", "0.5").start()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.connect(str(engine.socket))
        listener.sendall(b"GET /events HTTP/1.1\r\nHost: d\r\n\r\n")
        with pytest.raises(subprocess.TimeoutExpired):
            engine.process.wait(2)  # type: ignore[union-attr]
    assert engine.process is not None
    assert engine.process.wait(30) == 0  # The listener has gone.


@pytest.fixture(scope="module")
def small_image(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A tar with a few programs."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        archive.add(small_root.make(tmp_path_factory.mktemp("image") / "root"), ".")
    return packed.getvalue()


TRAP = "trap 'exit 3' TERM; while :; do sleep 0.05; done"


def test_what_runs_keeps_it_and_is_stopped_with_it(new_engine: Make, small_image: bytes):
    engine = new_engine("--idle", "0.5").start()
    assert engine.process is not None
    with engine.client() as client:
        client.api.import_image_from_data(small_image, "small", "latest")
        container = client.containers.run("small", ["sh", "-c", TRAP], detach=True, name="kept")
        always = {"Name": "always"}
        client.containers.run("small", ["sh", "-c", TRAP], detach=True, name="again", restart_policy=always)
    with pytest.raises(subprocess.TimeoutExpired):
        engine.process.wait(2)
    assert engine.stop() == 0
    engine.start()
    with engine.client() as client:
        container = client.containers.get("kept")
        assert (container.status, container.attrs["State"]["ExitCode"]) == ("exited", 3)
        assert client.containers.get("again").status == "running"


def test_many_requests_leave_nothing_open(new_engine: Make):
    engine = new_engine().start()
    assert engine.process is not None
    pid = engine.process.pid

    def held() -> tuple[int, int]:
        return len(os.listdir(f"/proc/{pid}/fd")), len(os.listdir(f"/proc/{pid}/task"))

    engine.get("/_ping")
    eventually(lambda: held()[1] <= 2, 10)
    before = held()
    for _ in range(300):
        assert engine.get("/v1.47/version").status == 200
    for _ in range(20):  # And clients that hang up in the middle of a stream.
        with socket.socket(socket.AF_UNIX) as listener:
            listener.connect(str(engine.socket))
            listener.sendall(b"GET /events HTTP/1.1\r\nHost: d\r\n\r\n")
            assert b"200 OK" in listener.recv(1000)
    eventually(lambda: held() <= before, 10, lambda: f"{held()} instead of {before}")
