"""Restart policies, and what becomes of containers when the engine ends."""

from typing import Any

import docker
import pytest

from pocket_engine.containers.restart import Restarts, applies
from tests.pocket_engine.containers import Run, becomes, image, run, state
from tests.pocket_engine.embedded import eventually

__all__ = ["image", "run"]


def _policy(name: str, count: int = 0) -> dict[str, Any]:
    return {"Name": name, "MaximumRetryCount": count}


def test_on_failure_has_a_limit(run: Run) -> None:
    container = run("sh", "-c", "echo run; exit 2", restart_policy=_policy("on-failure", 2))
    becomes(container, "exited")
    eventually(lambda: container.logs().count(b"run") == 3, 10)
    container.reload()
    assert container.attrs["RestartCount"] == 2
    assert state(container)["ExitCode"] == 2


def test_always_is_always_until_it_is_stopped(run: Run) -> None:
    container = run("true", restart_policy=_policy("always"))
    eventually(lambda: container.reload() or container.attrs["RestartCount"] >= 2, 10)
    container.stop()
    assert state(container)["Status"] == "exited"
    count = container.attrs["RestartCount"]
    container.start()
    container.reload()
    assert container.attrs["RestartCount"] <= count  # It counts anew.


def test_what_waits_for_its_next_run_is_restarting(run: Run) -> None:
    container = run("false", restart_policy=_policy("always"))
    becomes(container, "restarting")
    with pytest.raises(docker.errors.APIError, match="Stop the container before"):
        container.remove()


def test_each_wait_is_twice_as_long_as_the_one_before() -> None:
    restarts = Restarts()
    waits = [restarts.delay_after(_policy("always"), 0, 0.1, count, False) for count in range(4)]
    assert waits == [0.1, 0.2, 0.4, 0.8]
    assert restarts.delay_after(_policy("always"), 0, 11, 4, False) == 0.1  # That was a good run.
    for count in range(20):
        longest = restarts.delay_after(_policy("always"), 0, 0.1, count, False)
    assert longest == 60


@pytest.mark.parametrize(
    ("policy", "exit_code", "stopped", "expected"),
    [
        (_policy("no"), 1, False, False),
        (_policy("always"), 0, True, True),
        (_policy("unless-stopped"), 0, False, True),
        (_policy("unless-stopped"), 0, True, False),
        (_policy("on-failure"), 0, False, False),
        (_policy("on-failure"), 1, False, True),
        (_policy("on-failure", 1), 1, False, False),
    ],
)
def test_which_policy_applies(policy: dict[str, Any], exit_code: int, stopped: bool, expected: bool) -> None:
    assert applies(policy, exit_code, 1, stopped) is expected
