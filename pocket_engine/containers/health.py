"""Health checks."""

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pocket_engine.containers import timestamps

_KEPT = 5  # Results, as many as a Docker Engine keeps.
_LONGEST_OUTPUT = 4096
_NANO = 10**9


@dataclass(frozen=True)
class Probe:
    """How a container's health is looked at.

    Attributes:
        command: the program and its arguments.
        interval, timeout, start_period, start_interval: seconds.
        retries: how many failures in a row make it unhealthy.
    """

    command: tuple[str, ...]
    interval: float
    timeout: float
    start_period: float
    start_interval: float
    retries: int

    @classmethod
    def of(cls, config: dict[str, Any]) -> "Probe | None":
        """The probe that a container's Config asks for; None when it asks for none."""
        healthcheck = config.get("Healthcheck") or {}
        match healthcheck.get("Test"):
            case ["CMD", *command] if command:
                pass
            case ["CMD-SHELL", line]:
                command = [*(config.get("Shell") or ["/bin/sh", "-c"]), line]
            case _:
                return None

        def seconds(name: str, default: float) -> float:
            return (healthcheck.get(name) or default * _NANO) / _NANO

        return cls(
            command=tuple(command),
            interval=seconds("Interval", 30),
            timeout=seconds("Timeout", 30),
            start_period=seconds("StartPeriod", 0),
            start_interval=seconds("StartInterval", 5),
            retries=healthcheck.get("Retries") or 3,
        )


# Runs a probe's command for at most so many seconds: its exit code (None: the time was up) and its output.
Execute = Callable[[tuple[str, ...], float], tuple[int | None, str]]


class Health:
    """Looks at the health of one run of a container.

    Args:
        probe: how.
        execute: runs the probe's command in the container.
        changed: is told "healthy" or "unhealthy" when that is news.
    """

    def __init__(self, probe: Probe, execute: Execute, changed: Callable[[str], None]) -> None:
        self._probe, self._execute, self._changed = probe, execute, changed
        self._ended = threading.Event()
        self._log: deque[dict[str, Any]] = deque(maxlen=_KEPT)
        self.status = "starting"
        self.failing_streak = 0

    def watch(self) -> None:
        """Begin."""
        threading.Thread(target=self._look, name="health", daemon=True).start()

    def stop(self) -> None:
        """The run is over. What does not run is not healthy."""
        self._ended.set()
        self.status = "unhealthy"

    def inspect(self) -> dict[str, Any]:
        """`State.Health`."""
        return {"Status": self.status, "FailingStreak": self.failing_streak, "Log": list(self._log)}

    def _look(self) -> None:
        began = time.monotonic()

        def is_starting() -> bool:
            return self.status == "starting" and time.monotonic() - began < self._probe.start_period

        while not self._ended.wait(
            min(self._probe.start_interval, self._probe.interval) if is_starting() else self._probe.interval
        ):
            starting, start = is_starting(), timestamps.now()
            exit_code, output = self._execute(self._probe.command, self._probe.timeout)
            if self._ended.is_set():
                return
            if exit_code is None:
                exit_code, output = -1, f"Health check exceeded timeout ({_go_duration(self._probe.timeout)})"
            self._log.append(
                {
                    "Start": start,
                    "End": timestamps.now(),
                    "ExitCode": exit_code,
                    "Output": output[:_LONGEST_OUTPUT],
                }
            )
            self._judge(exit_code, starting)

    def _judge(self, exit_code: int, starting: bool) -> None:
        before = self.status
        if exit_code == 0:
            self.failing_streak, self.status = 0, "healthy"
        elif not starting:  # While it starts, failures do not count.
            self.failing_streak += 1
            if self.failing_streak >= self._probe.retries:
                self.status = "unhealthy"
        if self.status != before:
            self._changed(self.status)


def _go_duration(seconds: float) -> str:
    if seconds < 1:
        return f"{seconds * 1000:g}ms"
    minutes, rest = divmod(seconds, 60)
    return f"{int(minutes)}m{rest:g}s" if minutes else f"{rest:g}s"
