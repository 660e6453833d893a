"""Wait for a container until what runs in it does its work; "running" only says that it was started.

NotReady
  ExitedEarly           its process ended, or somebody removed it, before it was ready
  TooSlow               it still runs, but was not ready in time
"""

import time
from typing import Any

from docker.errors import APIError, NotFound
from docker.models.containers import Container

from workshop.errors import PlainError

READY_SECONDS = 20.0
PAUSE_SECONDS = 0.1
LOG_LINES = 12
ANSWER_LINES = 4  # A failed gRPC call is told in four.

_ENDED = ("exited", "dead", "removing")


class NotReady(PlainError):
    """A container did not become ready; the message has its state and its last log lines."""


class ExitedEarly(NotReady):
    """The container's process ended, or the container was removed, before it was ready."""


class TooSlow(NotReady):
    """The container runs, but was not ready before the deadline."""


def until_ready(
    container: Container, seconds: float = READY_SECONDS, command: list[str] | None = None
) -> float:
    """Run the health check of the container's image inside it, again and again, until it passes.

    Args:
        container: a container that was started.
        seconds: the deadline.
        command: what to run in place of the image's health check; exit code 0 means ready.

    Returns:
        The seconds that it took.

    Raises:
        ExitedEarly: the container ended first.
        TooSlow: the deadline passed first.
        ValueError: the image has no health check and no command was given.
    """
    started = time.monotonic()
    check = command or _health_check(container)
    answer = "nothing; it could not be run"
    while time.monotonic() - started < seconds:
        _refuse_if_ended(container)
        try:
            code, output = container.exec_run(check)
        except APIError as error:  # It ended, or restarts, since the line before the last.
            code, output = None, str(error.explanation).encode()
        if code == 0:
            return time.monotonic() - started
        answer = _end(output) or f"nothing, and ended with code {code}"
        time.sleep(PAUSE_SECONDS)
    _refuse_if_ended(container)
    raise TooSlow(
        f"The container “{container.name}” is {container.status}, but was not ready within {seconds:g} s.\n"
        f"Its health check said: {answer}\n{_last_lines(container)}"
    )


def _health_check(container: Container) -> list[str]:
    """The image's health check as a command for `exec`."""
    container.reload()
    test = (container.attrs["Config"].get("Healthcheck") or {}).get("Test") or ["NONE"]
    if test[0] == "CMD":
        return test[1:]
    if test[0] == "CMD-SHELL":
        return ["sh", "-c", test[1]]
    raise ValueError(f"the image of “{container.name}” has no health check; pass command=[…] that checks it")


def _refuse_if_ended(container: Container) -> None:
    try:
        container.reload()
    except NotFound:
        raise ExitedEarly(f"The container “{container.name}” was removed before it was ready.") from None
    if container.status in _ENDED:
        code = container.attrs["State"]["ExitCode"]
        raise ExitedEarly(
            f"The container “{container.name}” {container.status} with code {code} before it was ready. "
            "Mend what its last line names, then start it again.\n"
            f"{_last_lines(container)}"
        )


def _last_lines(container: Container) -> str:
    lines = _end(container.logs(tail=LOG_LINES), LOG_LINES)
    return f"Its last log lines:\n{lines}" if lines else "It logged nothing."


def _end(output: Any, lines: int = ANSWER_LINES) -> str:
    """The last lines of an output, as text."""
    return "\n".join(output.decode(errors="replace").rstrip().splitlines()[-lines:])
