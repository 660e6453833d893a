"""A service beside the notebook: ready or a clear sentence, and never an orphan."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from workshop import beside, ports
from workshop.repository import SERVICES

WHERE = """
import os
from flask import Flask

app = Flask("where")
print(f"asks {os.environ['RECOMMENDATIONS_HOST']}:{os.environ['RECOMMENDATIONS_PORT']}")
"""


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A learner's own copy of Recommendations."""
    return shutil.copytree(SERVICES / "recommendations", tmp_path / "copy")


def test_it_listens_when_it_is_there_and_stops_with_code_0():
    with beside.run_recommendations() as service:
        socket.create_connection(("localhost", service.port)).close()
        assert "listening" in service.wait_for_log("listening")  # Another thread of the service writes it.
        assert "running" in repr(service)
    assert service.exit_code == 0


def test_a_second_one_of_the_same_name_replaces_the_first():
    first = beside.run_recommendations()
    with beside.run_recommendations():
        assert first.exit_code == 0


def test_a_taken_port_is_left_alone_and_the_next_one_used():
    with socket.socket() as other:
        other.bind(("", ports.next_free(50051)))
        other.listen()
        taken = other.getsockname()[1]
        with beside.run_recommendations() as service:
            assert service.port != taken


def test_a_taken_port_that_was_asked_for_is_an_error_that_names_its_owner():
    with socket.socket() as other:
        other.bind(("", 0))
        other.listen()
        taken = other.getsockname()[1]
        with pytest.raises(ports.PortTaken, match=rf"Port {taken} is taken by .*process {os.getpid()}"):
            beside.run_recommendations(port=taken)


def test_two_notebooks_that_want_the_same_port_get_one_each(monkeypatch: pytest.MonkeyPatch):
    """As if another notebook took the port between our look and the service's start."""
    with socket.socket() as other:
        other.bind(("localhost", 0))
        other.listen()
        raced = other.getsockname()[1]
        answers = iter([raced, ports.next_free(raced)])
        monkeypatch.setattr(ports, "choose", lambda wanted, usual: next(answers))
        with beside.run_marketplace() as service:
            assert service.port != raced


def test_it_gets_the_variables_that_it_is_given_and_no_other_service_does(copy: Path):
    code = copy / "recommendations.py"
    code.write_text(
        'import os\nprint("colour", os.environ.get("COLOUR"))\n' + code.read_text("utf-8"), "utf-8"
    )
    with beside.run_recommendations(folder=copy, environment={"COLOUR": "green"}) as service:
        service.wait_for_log("colour green")
    with beside.run_recommendations(folder=copy) as service:
        service.wait_for_log("colour None")
    assert "COLOUR" not in os.environ


def test_a_given_variable_wins(copy: Path):
    (copy / "marketplace.py").write_text(WHERE, "utf-8")
    elsewhere = {"RECOMMENDATIONS_HOST": "elsewhere"}
    with beside.run_marketplace(50051, folder=copy, environment=elsewhere) as service:
        service.wait_for_log("asks elsewhere:50051")


def test_a_syntax_error_in_a_copy_is_shown(copy: Path):
    with (copy / "catalogue.py").open("a") as code:
        code.write("\ndef pick(:\n")
    with pytest.raises(beside.NotReady, match="exited with code 1") as caught:
        beside.run_recommendations(folder=copy)
    assert "def pick(:" in str(caught.value)
    assert "SyntaxError" in str(caught.value)


def test_one_that_never_listens_is_stopped_in_the_end(copy: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(beside, "READY_SECONDS", 1.0)
    (copy / "recommendations.py").write_text("import threading\nthreading.Event().wait()\n")
    with pytest.raises(beside.NotReady, match="did not listen on port"):
        beside.run_recommendations(folder=copy)
    assert not [p for p in psutil.Process().children() if "recommendations.py" in p.cmdline()]


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM, None])
def test_no_service_outlives_its_kernel(end: signal.Signals | None):
    """However the kernel ends: killed, asked to stop, or by reaching its end."""
    code = "from workshop import beside\nprint(beside.run_recommendations().pid, flush=True)\n"
    code += "input()\n" if end else ""
    kernel = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert kernel.stdout and kernel.stdin
    pid = int(kernel.stdout.readline())
    if end:
        kernel.send_signal(end)
    kernel.wait(timeout=30)
    deadline = time.monotonic() + 20
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, "the service still runs"
        time.sleep(0.05)
    kernel.stdin.close()
    kernel.stdout.close()
