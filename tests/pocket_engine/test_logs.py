"""Logs: what is kept of what a container writes, and how it is read."""

import json
import time

import docker
import pytest

from tests.pocket_engine.containers import Run, image, run, says

__all__ = ["image", "run"]


def test_both_streams_are_told_apart(run: Run) -> None:
    container = run("sh", "-c", "echo out; echo err >&2")
    container.wait()
    assert container.logs(stdout=True, stderr=False) == b"out\n"
    assert container.logs(stdout=False, stderr=True) == b"err\n"


def test_the_last_lines_only(run: Run) -> None:
    container = run("seq", "5")
    container.wait()
    assert container.logs(tail=2) == b"4\n5\n"
    assert container.logs(tail=0) == b""


def test_timestamps_and_since(run: Run) -> None:
    container = run("sh", "-c", "echo one; sleep 1.2; echo two")
    container.wait()
    first, second = container.logs(timestamps=True).splitlines()
    assert first.endswith(b"Z one")
    moment = second.split()[0].decode()
    answer = container.client.api._get(
        container.client.api._url("/containers/{0}/logs", container.id), params={"stdout": 1, "since": moment}
    )
    assert answer.content[8:] == b"two\n"


def test_follow_goes_on_until_the_end(run: Run) -> None:
    container = run("sh", "-c", "echo one; sleep 0.4; echo two")
    began = time.monotonic()
    assert list(container.logs(stream=True, follow=True)) == [b"one\n", b"two\n"]
    assert time.monotonic() - began < 3


def test_followed_lines_come_as_they_are_written(run: Run) -> None:
    container = run("sh", "-c", "echo one; sleep 30")
    lines = container.logs(stream=True, follow=True)
    began = time.monotonic()
    assert next(lines) == b"one\n"
    assert time.monotonic() - began < 3
    lines.close()


def test_a_last_line_without_a_line_feed(run: Run) -> None:
    container = run("sh", "-c", "printf half")
    container.wait()
    assert container.logs() == b"half"


def test_a_line_that_is_very_long(run: Run) -> None:
    container = run("sh", "-c", "head -c 50000 /dev/zero | tr '\\0' x; echo")
    container.wait()
    assert container.logs() == b"x" * 50000 + b"\n"


def test_bytes_that_are_no_text_do_no_harm(run: Run) -> None:
    container = run("sh", "-c", r"printf '\377\376\n'; echo next")
    container.wait()
    assert container.logs().endswith(b"next\n")


def test_with_a_terminal_there_are_no_frames(run: Run) -> None:
    container = run("sh", "-c", "echo hello; tty", tty=True)
    container.wait()
    first, second = container.logs().splitlines()
    assert first == b"hello"
    assert second.startswith(b"/dev/")


def test_old_lines_go_when_the_log_is_limited(run: Run) -> None:
    options = docker.types.LogConfig(type="json-file", config={"max-size": "2k", "max-file": "2"})
    container = run("seq", "1000", log_config=options)
    container.wait()
    lines = container.logs().split()
    assert lines[-1] == b"1000"
    assert len(lines) < 100
    assert [int(line) for line in lines] == list(range(int(lines[0]), 1001))


def test_without_a_log_there_is_nothing_to_read(run: Run) -> None:
    container = run("sh", "-c", "echo hello", log_config=docker.types.LogConfig(type="none"))
    container.wait()
    with pytest.raises(docker.errors.APIError, match="configured logging driver does not support reading"):
        container.logs()


def test_at_least_one_stream_must_be_wanted(run: Run) -> None:
    with pytest.raises(docker.errors.APIError, match="you must choose at least one stream"):
        run("true").logs(stdout=False, stderr=False)


def test_the_file_is_one_that_other_tools_read(run: Run) -> None:
    container = run("sh", "-c", "echo hello")
    container.wait()
    says(container, b"hello")
    container.reload()
    with open(container.attrs["LogPath"]) as file:
        line = json.loads(file.readline())
    assert line["log"] == "hello\n"
    assert line["stream"] == "stdout"
    assert line["time"].endswith("Z")
