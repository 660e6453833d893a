"""Restart policies."""

from collections.abc import Mapping
from typing import Any

_FIRST_DELAY_SECONDS = 0.1
_LONGEST_DELAY_SECONDS = 60.0
_GOOD_RUN_SECONDS = 10.0  # After a run as long as this, the delays begin anew.


class Restarts:
    """Whether, and after what time, a container is started again. One for each start by a user."""

    def __init__(self) -> None:
        self._delay = 0.0

    def delay_after(
        self,
        policy: Mapping[str, Any],
        exit_code: int,
        ran_seconds: float,
        restart_count: int,
        stopped_by_user: bool,
    ) -> float | None:
        """What follows the end of a run.

        Args:
            policy: the API's RestartPolicy.
            exit_code: of the run.
            ran_seconds: how long it lasted.
            restart_count: how often the policy has started the container already.
            stopped_by_user: whether somebody stopped it.

        Returns:
            Seconds to wait before the next run; None: there is none.
        """
        if not applies(policy, exit_code, restart_count, stopped_by_user):
            return None
        good = ran_seconds >= _GOOD_RUN_SECONDS
        self._delay = _FIRST_DELAY_SECONDS if good or not self._delay else self._delay * 2
        self._delay = min(self._delay, _LONGEST_DELAY_SECONDS)
        return self._delay


def applies(policy: Mapping[str, Any], exit_code: int, restart_count: int, stopped_by_user: bool) -> bool:
    """Whether a policy wants an ended container started again; see `Restarts.delay_after`."""
    name, most = policy["Name"], policy["MaximumRetryCount"]
    if name == "always":
        return True
    if name == "unless-stopped":
        return not stopped_by_user
    return name == "on-failure" and exit_code != 0 and (not most or restart_count < most)
