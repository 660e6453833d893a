"""The lab as a learner starts it: a process, an address, and nothing left when it ends."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from jupyter_client import BlockingKernelClient

from workshop import lab, ports

START_SECONDS = 60  # The promise is five; a busy machine of CI may take longer, and this is no benchmark.
STOP_SECONDS = 20
COMMAND = [sys.executable, "-m", "workshop", "lab", "--no-browser"]


class Lab:
    """A running `workshop lab`, started by `command`, its output read up to the address."""

    def __init__(self, command: list[str], home: Path) -> None:
        self.runtime = home / "runtime"
        environment = {**os.environ, "HOME": str(home), "JUPYTER_RUNTIME_DIR": str(self.runtime)}
        environment.pop("JUPYTER_TOKEN", None)
        self.process = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        assert self.process.stdout
        self.said, self.address = "", ""
        for line in self.process.stdout:
            self.said += line
            if found := re.search(r"http://\S+", line):
                self.address = found[0]
                return

    def ask(self, path: str, *, token: bool = True, method: str = "GET", body: bytes | None = None) -> Any:
        """One request to the server; its answer as JSON."""
        root, _, rest = self.address.partition("lab/tree/")
        headers = {"Authorization": "token " + rest.partition("token=")[2]} if token else {}
        request = urllib.request.Request(root + path, data=body, headers=headers, method=method)
        with urllib.request.urlopen(request, timeout=START_SECONDS) as response:
            return json.load(response)

    def start_kernel(self) -> psutil.Process:
        """A kernel that is ready: while it loads, a signal would end in a traceback that is its own."""
        self.ask("api/kernels", method="POST", body=b"{}")
        (kernel,) = [p for p in psutil.Process(self.pid).children() if "ipykernel" in " ".join(p.cmdline())]
        (file,) = self.runtime.glob("kernel-*.json")
        client = BlockingKernelClient(connection_file=str(file))
        client.load_connection_file()
        client.start_channels()
        client.wait_for_ready(START_SECONDS)
        client.stop_channels()
        return kernel

    @property
    def pid(self) -> int:
        return self.process.pid


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Lab]:
    started = Lab(COMMAND, tmp_path)
    yield started
    started.process.kill()
    started.process.wait()


@pytest.mark.timeout(START_SECONDS)
def test_it_prints_an_address_that_answers_to_those_who_know_the_token(running: Lab):
    assert "00-start-here.ipynb?token=" in running.address
    assert running.address.startswith("http://127.0.0.1:")
    assert "kernels" in running.ask("api/status")
    with pytest.raises(urllib.error.HTTPError, match="403"):
        running.ask("api/status", token=False)


def test_the_token_is_not_among_the_arguments_that_everybody_can_read(running: Lab):
    token = running.address.partition("token=")[2]
    assert len(token) >= 32
    assert token not in " ".join(psutil.Process(running.pid).cmdline())


def test_nobody_is_asked_about_news(running: Lab):
    settings = running.ask("lab/api/settings/@jupyterlab/apputils-extension:notification")
    properties = settings["schema"]["properties"]
    assert properties["fetchNews"]["default"] == "false"
    assert properties["checkForUpdates"]["default"] is False


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_one_signal_stops_it_with_its_kernels(running: Lab, number: signal.Signals):
    kernel = running.start_kernel()
    running.process.send_signal(number)
    rest, _ = running.process.communicate(timeout=STOP_SECONDS)
    assert running.process.returncode == 0
    assert "Stopping JupyterLab and its kernels." in rest
    assert "Traceback" not in rest
    kernel.wait(STOP_SECONDS)


def test_a_taken_port_that_was_asked_for_is_said_with_another():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(ports.PortTaken, match=rf"Port {port} is taken by .* \d+ is free"):
            lab.start(port)


SCREENS = [
    ("a desktop", {"DISPLAY": ":0"}, "linux", True),
    ("Wayland", {"WAYLAND_DISPLAY": "wayland-0"}, "linux", True),
    ("a server", {}, "linux", False),
    ("macOS", {}, "darwin", True),
    ("Windows", {}, "win32", True),
    ("over SSH", {"SSH_CONNECTION": "x", "DISPLAY": ":10"}, "linux", False),
    ("Codespaces", {"BROWSER": "/vscode/browser.sh"}, "linux", True),
    ("CI", {"CI": "true", "DISPLAY": ":0"}, "linux", False),
]


@pytest.mark.parametrize(
    ("environment", "platform", "expected"), [s[1:] for s in SCREENS], ids=[s[0] for s in SCREENS]
)
def test_a_browser_opens_only_where_somebody_sees_it(
    environment: dict[str, str], platform: str, expected: bool
):
    assert lab.has_screen(environment, platform) is expected


def test_only_root_is_allowed_to_be_root(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000, raising=False)
    assert "--allow-root" not in lab.arguments(8888, browser=False)
    monkeypatch.setattr(os, "geteuid", lambda: 0, raising=False)
    assert "--allow-root" in lab.arguments(8888, browser=False)
    monkeypatch.delattr(os, "geteuid")
    assert "--allow-root" not in lab.arguments(8888, browser=False)
