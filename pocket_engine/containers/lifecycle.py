"""What a user does to a container that exists: stop, kill, restart, pause, wait."""

from collections.abc import Callable
from typing import Any

from pocket_engine.containers import signals
from pocket_engine.containers.container import Container
from pocket_engine.containers.run import Run
from pocket_engine.errors import BadRequest, Conflict, EngineError

_STOP_SECONDS = 10
_KILL_SECONDS = 10


def stop(container: Container, seconds: int | None = None, signal: str = "") -> bool:
    """Ask it to end, and make it after a while. Returns False when it does not run.

    Args:
        container: which.
        seconds: how long it may take; negative is for ever. None: as its Config says, or 10.
        signal: by which it is asked; "": as its Config says, or SIGTERM.

    Raises:
        BadRequest: there is no such signal.
    """
    number = signals.number(signal or container.record.config.get("StopSignal") or "SIGTERM")
    with container.lock:
        state = container.record.state
        if not state.is_running:
            return False
        state.stopped_by_user = True
        if container.run is None:  # It waits for its next run.
            state.status = "exited"
            container.changed.notify_all()
        container.save_state()
        run = container.run
    if run:
        if seconds is None:
            configured = container.record.config.get("StopTimeout")
            seconds = _STOP_SECONDS if configured is None else configured
        _end(container, run, number, seconds)
    container.publish("stop")
    return True


def _end(container: Container, run: Run, number: int, seconds: int) -> None:
    run.is_last = True
    _send(container, run, number)
    if not _wait_for_end(container, run, seconds if seconds >= 0 else None):
        _send(container, run, signals.number("KILL"))
        _wait_for_end(container, run, None)


def kill(container: Container, signal: str) -> None:
    """Send it a signal.

    Args:
        container: which.
        signal: name or number; "" is SIGKILL, after which its end is waited for.

    Raises:
        BadRequest: there is no such signal.
        Conflict: it does not run.
    """
    number = signals.number(signal or "KILL")
    with container.lock:
        state, run = container.record.state, container.run
        if not state.is_running:
            raise Conflict(
                f"Cannot kill container: {container.name}: Container {container.id} is not running"
            )
        stop_signal = container.record.config.get("StopSignal") or signal  # Without one, any is.
        if number in (signals.number("KILL"), signals.number(stop_signal or "KILL")):
            if run:
                run.is_last = True
            else:
                state.status = "exited"
                container.changed.notify_all()
        state.stopped_by_user = True
        container.save_state()
    if run:
        _send(container, run, number)
        if number == signals.number("KILL"):
            _wait_for_end(container, run, _KILL_SECONDS)


def _send(container: Container, run: Run, number: int) -> None:
    with container.lock:
        run.running.kill(number)
        container.publish("kill", signal=str(number))
        if container.record.state.status == "paused" and run.is_last:
            _resume(container, run)  # Else it would not get it.


def _wait_for_end(container: Container, run: Run, seconds: float | None) -> bool:
    with container.lock:
        return container.changed.wait_for(lambda: container.run is not run, timeout=seconds)


def restart(container: Container, seconds: int | None = None, signal: str = "") -> None:
    """Stop it when it runs, and start it. For the arguments see `stop`.

    Raises:
        EngineError: it cannot be started.
    """
    container.begin_restart()
    try:
        stop(container, seconds, signal)
        container.start()
    finally:
        container.end_restart()
    container.publish("restart")


def pause(container: Container) -> None:
    """Stop all of its processes where they are.

    Raises:
        Conflict: it does not run, or is paused.
    """
    with container.lock:
        run = container.running()
        if container.record.state.status == "paused":
            raise Conflict(f"Container {container.id} is already paused")
        run.pause()
        container.record.state.status = "paused"
        container.save_state()
        container.publish("pause")


def unpause(container: Container) -> None:
    """Let its processes go on.

    Raises:
        EngineError: it is not paused.
    """
    with container.lock:
        if container.record.state.status != "paused" or not container.run:
            raise EngineError(f"Container {container.id} is not paused")
        _resume(container, container.run)


def _resume(container: Container, run: Run) -> None:
    run.resume()
    container.record.state.status = "running"
    container.save_state()
    container.publish("unpause")


def waiter(container: Container, condition: str) -> Callable[[float], dict[str, Any] | None]:
    """Wait for an end. What happens after this call is not missed.

    Args:
        container: which.
        condition: "" or "not-running", "next-exit", "removed".

    Returns:
        A function that waits for at most so many seconds, and returns the API's answer or None.

    Raises:
        BadRequest: there is no such condition.
    """
    if condition not in ("", "not-running", "next-exit", "removed"):
        raise BadRequest(f'invalid condition: "{condition}"')
    with container.lock:
        exits = container.exits
        at_rest = condition in ("", "not-running") and not container.record.state.is_running

    def is_met() -> bool:
        return container.is_removed or at_rest or (condition != "removed" and container.exits != exits)

    def wait(seconds: float) -> dict[str, Any] | None:
        with container.lock:
            if not container.changed.wait_for(is_met, timeout=seconds):
                return None
            return {"Error": None, "StatusCode": container.exit_code}

    return wait
