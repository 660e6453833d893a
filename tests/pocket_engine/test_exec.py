"""docker exec: more programs in a container."""

import socket
import time

import docker
import pytest
from docker.models.containers import Container

from tests.pocket_engine.containers import Run, image, run
from tests.pocket_engine.embedded import eventually

__all__ = ["image", "run"]


@pytest.fixture
def container(run: Run) -> Container:
    return run("sleep", "1000", environment={"COLOUR": "red"}, working_dir="/tmp")


def test_output_and_exit_code(container: Container) -> None:
    assert container.exec_run(["sh", "-c", "echo hello; exit 4"]) == (4, b"hello\n")


def test_both_streams_are_told_apart(container: Container) -> None:
    answer = container.exec_run(["sh", "-c", "echo out; echo err >&2"], demux=True)
    assert answer.output == (b"out\n", b"err\n")


def test_it_has_the_containers_variables_and_folder_and_its_own(container: Container) -> None:
    assert container.exec_run(["sh", "-c", "echo $COLOUR; pwd"]).output == b"red\n/tmp\n"
    own = container.exec_run(
        ["sh", "-c", "echo $COLOUR; pwd"], environment={"COLOUR": "blue"}, workdir="/etc"
    )
    assert own.output == b"blue\n/etc\n"


def test_it_runs_as_another_user(container: Container) -> None:
    assert container.exec_run(["id", "-u"], user="app").output == b"10001\n"


def test_it_sees_the_containers_files(container: Container) -> None:
    container.exec_run(["sh", "-c", "echo here > /file"])
    assert container.exec_run(["cat", "/file"]).output == b"here\n"


def test_a_program_that_is_not_there(container: Container) -> None:
    answer = container.exec_run(["nosuch"])
    assert answer.exit_code == 126
    assert b'exec: "nosuch": executable file not found in $PATH' in answer.output


def test_with_a_terminal(container: Container) -> None:
    answer = container.exec_run(["sh", "-c", "test -t 0 && echo hello"], tty=True)
    assert answer.exit_code == 0
    assert answer.output.endswith(b"hello\r\n")


def test_what_is_detached_goes_on(container: Container) -> None:
    api = container.client.api
    made = api.exec_create(container.id, ["sleep", "0.5"])
    api.exec_start(made, detach=True)
    assert api.exec_inspect(made)["Running"]
    assert api.exec_inspect(made)["Pid"] > 0
    eventually(lambda: not api.exec_inspect(made)["Running"], 10)
    assert api.exec_inspect(made)["ExitCode"] == 0


def test_input_reaches_it_and_its_end_too(container: Container) -> None:
    api = container.client.api
    made = api.exec_create(container.id, ["cat"], stdin=True)
    connection = api.exec_start(made, socket=True)._sock
    connection.sendall(b"to and fro")
    connection.shutdown(socket.SHUT_WR)
    received = b""
    while chunk := connection.recv(1024):
        received += chunk
    connection.close()
    assert received == b"\x01\0\0\0\0\0\0\x0ato and fro"
    eventually(lambda: api.exec_inspect(made)["ExitCode"] == 0, 10)


def test_it_is_started_once(container: Container) -> None:
    api = container.client.api
    made = api.exec_create(container.id, ["true"])
    api.exec_start(made)
    with pytest.raises(docker.errors.APIError, match="has already run") as refused:
        api.exec_start(made)
    assert refused.value.status_code == 409


def test_it_needs_a_container_that_runs(container: Container) -> None:
    container.kill()
    with pytest.raises(docker.errors.APIError, match=f"Container {container.id} is not running") as refused:
        container.exec_run(["true"])
    assert refused.value.status_code == 409


def test_it_ends_with_its_container(container: Container) -> None:
    api = container.client.api
    made = api.exec_create(container.id, ["sleep", "1000"])
    api.exec_start(made, detach=True)
    began = time.monotonic()
    container.kill()
    assert time.monotonic() - began < 3


def test_top_shows_it_too(container: Container) -> None:
    api = container.client.api
    api.exec_start(api.exec_create(container.id, ["sleep", "77"]), detach=True)
    answer = container.top()
    assert answer["Titles"] == ["UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"]
    commands = [row[-1] for row in answer["Processes"]]
    assert any("sleep 1000" in command for command in commands)
    assert any("sleep 77" in command for command in commands)
