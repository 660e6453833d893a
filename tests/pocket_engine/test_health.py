"""Health checks."""

import threading
from collections.abc import Iterator
from typing import Any

from docker.models.containers import Container

from pocket_engine.containers.health import Health, Probe
from tests.pocket_engine.containers import Run, image, run, state
from tests.pocket_engine.embedded import eventually

__all__ = ["image", "run"]

MILLISECOND = 10**6
QUICK = {"interval": 100 * MILLISECOND, "timeout": 2000 * MILLISECOND, "retries": 2}


def _is(container: Container, status: str) -> None:
    eventually(
        lambda: state(container)["Health"]["Status"] == status, 10, lambda: str(state(container)["Health"])
    )


def test_it_becomes_unhealthy_and_healthy_again(run: Run) -> None:
    container = run("sleep", "100", healthcheck={"test": "echo looking; test -e /well", **QUICK})
    assert state(container)["Health"]["Status"] == "starting"
    _is(container, "unhealthy")
    health = state(container)["Health"]
    assert health["FailingStreak"] >= 2
    assert health["Log"][-1]["ExitCode"] == 1
    assert health["Log"][-1]["Output"] == "looking\n"
    container.exec_run(["touch", "/well"])
    _is(container, "healthy")
    assert state(container)["Health"]["FailingStreak"] == 0
    eventually(lambda: len(state(container)["Health"]["Log"]) == 5, 10)


def test_a_probe_that_takes_too_long_has_failed(run: Run) -> None:
    check = {**QUICK, "test": ["CMD", "sleep", "50"], "timeout": 200 * MILLISECOND, "retries": 1}
    container = run("sleep", "100", healthcheck=check)
    _is(container, "unhealthy")
    last = state(container)["Health"]["Log"][-1]
    assert last["ExitCode"] == -1
    assert last["Output"] == "Health check exceeded timeout (200ms)"


def test_the_list_of_containers_tells_it(run: Run) -> None:
    container = run("sleep", "100", healthcheck={"test": ["CMD", "true"], **QUICK})
    _is(container, "healthy")
    (shown,) = container.client.api.containers(filters={"id": container.id})
    assert shown["Status"].endswith("(healthy)")
    assert container.client.containers.list(filters={"health": "healthy", "id": container.id})


def test_no_probe_no_health(run: Run) -> None:
    assert "Health" not in state(run("sleep", "100", healthcheck={"test": ["NONE"]}))


def test_failures_do_not_count_while_it_starts() -> None:
    results: Iterator[int] = iter([1, 1, 1, 0, 1])
    healthy = threading.Event()
    probe = Probe(("true",), 0.02, 1, start_period=60, start_interval=0.02, retries=1)
    health = Health(probe, lambda command, seconds: (next(results, 1), ""), lambda status: healthy.set())
    health.watch()
    assert healthy.wait(10)
    assert health.inspect()["Log"][2]["ExitCode"] == 1
    health.stop()


def test_a_shell_of_its_own_runs_the_line() -> None:
    config: dict[str, Any] = {"Healthcheck": {"Test": ["CMD-SHELL", "look"]}, "Shell": ["/bin/bash", "-c"]}
    probe = Probe.of(config)
    assert probe is not None
    assert probe.command == ("/bin/bash", "-c", "look")
    assert (probe.interval, probe.timeout, probe.retries) == (30, 30, 3)
