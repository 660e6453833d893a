"""An engine of a test's own: a process with a data root and a socket in a short-lived folder."""

import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docker
import pytest

from pocket_engine.data_root import DataRoot, remove_tree
from pocket_engine.runners import choosing

START_SECONDS = 30
STOP_SECONDS = 30


class EmbeddedEngine:
    """One engine; it can be stopped, killed and started again on what it left.

    Args:
        options: more of its command line, e.g. `("--runner", "proot")`.
        through: a command that becomes the one it is given, e.g. `("unshare", "-m")`.
    """

    def __init__(self, *options: str, through: Sequence[str] = ()) -> None:
        # Not pytest's own folder: with it, the path would be too long for a socket.
        self.folder = Path(tempfile.mkdtemp(prefix="pocket-"))
        self.socket, self.data_root = self.folder / "engine.sock", self.folder / "data"
        self.host = f"unix://{self.socket}"
        self.log = self.folder / "engine.log"
        self.options, self.through = options, through
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, wait: bool = True) -> "EmbeddedEngine":
        """Start it, and wait until it answers."""
        command = [*self.through, sys.executable, "-m", "pocket_engine", "--host", self.host]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*command, "--data-root", str(self.data_root), *self.options], stdout=log, stderr=log
            )
        if wait:
            eventually(self.answers, START_SECONDS, lambda: f"the engine does not answer: {self.said}")
        return self

    def answers(self) -> bool:
        """Whether it answers; it must at least be alive."""
        assert self.process is not None
        assert self.process.poll() is None, f"the engine has ended: {self.said}"
        try:
            return self.get("/_ping").body == b"OK"
        except OSError:
            return False

    @property
    def said(self) -> str:
        """Its log."""
        return self.log.read_text()

    @contextlib.contextmanager
    def client(self) -> Iterator[docker.DockerClient]:
        """A client of the Docker SDK for Python."""
        client = docker.DockerClient(self.host, timeout=120)
        try:
            yield client
        finally:
            client.close()

    def get(self, path: str) -> "Answer":
        """Ask without an SDK in between."""
        return self.ask("GET", path)

    def ask(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> "Answer":
        """Ask without an SDK in between; a body that is no text is sent as JSON."""
        connection = _Connection(self.socket)
        try:
            if body is not None and not isinstance(body, (str, bytes)):
                body, headers = json.dumps(body), {"Content-Type": "application/json", **(headers or {})}
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()

    def stop(self) -> int:
        """SIGTERM, as an operating system does it; its exit code."""
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(STOP_SECONDS)

    def kill(self) -> None:
        """SIGKILL: as if the power had gone."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(STOP_SECONDS)

    def discard(self) -> None:
        """Kill it, and remove all that it had."""
        if self.process is not None and self.process.poll() is None:
            self.kill()
        remove_tree(self.folder)


@dataclass(frozen=True)
class Answer:
    """What the engine said."""

    status: int
    headers: Any
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=30)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def eventually(happened: Any, seconds: float, complaint: Any = lambda: "it did not happen") -> None:
    """Wait until something is true."""
    deadline = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < deadline, complaint()
        time.sleep(0.02)


def demand_runner(name: str) -> None:
    """Skip the test where this machine does not allow a runner."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            choosing.choose(DataRoot(Path(folder)), name)
        except choosing.NoRunner as error:
            # In CI, all must be there.
            pytest.fail(str(error)) if "CI" in os.environ else pytest.skip(str(error))


def docker_command() -> str | None:
    """The docker command, where there is one."""
    return shutil.which("docker")


def run_docker(host: str, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run the docker command against an engine."""
    environment = {**os.environ, "DOCKER_HOST": host, "DOCKER_BUILDKIT": "0"}
    environment.pop("DOCKER_CONTEXT", None)
    return subprocess.run(
        ["docker", *arguments], env=environment, capture_output=True, text=True, timeout=120, **options
    )
