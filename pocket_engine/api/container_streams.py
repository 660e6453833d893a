"""/containers/{id}/logs, attach and stats: what a container writes and uses, as it does."""

import json
from collections.abc import Collection, Iterator

from flask import Blueprint, Response

from pocket_engine.api import context, streams
from pocket_engine.api.containers import container
from pocket_engine.containers import attach as attaching
from pocket_engine.containers import stats as usage
from pocket_engine.containers import timestamps
from pocket_engine.containers.container import Container
from pocket_engine.containers.logs import Selection
from pocket_engine.errors import BadRequest, Conflict, EngineError, NotImplementedHere

blueprint = Blueprint("container_streams", __name__)


@blueprint.get("/containers/<name>/logs")
def logs(name: str) -> Response:
    wanted = container(name)
    chosen = _wanted_streams()
    selection = Selection(
        stdout="stdout" in chosen,
        stderr="stderr" in chosen,
        since=_moment("since"),
        until=_moment("until"),
        tail=_tail(),
        follow=context.flag("follow"),
    )
    multiplexed = not wanted.record.config["Tty"]
    content = _log(wanted, selection, context.flag("timestamps"), multiplexed)
    return streams.chunks(content, streams.content_type(multiplexed))


@blueprint.post("/containers/<name>/attach")
def attach(name: str) -> Response:
    wanted = container(name)
    chosen = _wanted_streams(also_stdin=True)
    keys = attaching.detach_keys(context.text("detachKeys"))
    _check_attachable(wanted)
    multiplexed = not wanted.record.config["Tty"]
    listener = wanted.audience.join()
    try:
        wanted.publish("attach")
        connection = streams.hijack(streams.content_type(multiplexed))
        if context.flag("logs") and wanted.log:
            selection = Selection("stdout" in chosen, "stderr" in chosen)
            for chunk in _log(wanted, selection, False, multiplexed):
                connection.sendall(chunk)
        if context.flag("stream"):
            stdin = _input(wanted, keys) if "stdin" in chosen else None
            if attaching.couple(connection, listener, chosen, multiplexed, stdin):
                wanted.publish("detach")
    finally:
        wanted.audience.leave(listener)
    return streams.Hijacked()


@blueprint.get("/containers/<name>/attach/ws")
def attach_by_websocket(name: str) -> Response:
    container(name)
    raise NotImplementedHere("this engine speaks no websockets; attach by POST /containers/{id}/attach")


@blueprint.get("/containers/<name>/stats")
def stats(name: str) -> Response:
    wanted = container(name)
    if context.flag("stream", default=True):
        return streams.json_lines(usage.samples(wanted))
    sample = usage.one(wanted, with_previous=not context.flag("one-shot"))
    return Response(json.dumps(sample), content_type="application/json")


def _wanted_streams(also_stdin: bool = False) -> Collection[str]:
    names = ("stdin", "stdout", "stderr") if also_stdin else ("stdout", "stderr")
    chosen = {name for name in names if context.flag(name)}
    if not chosen and not also_stdin:
        raise BadRequest("Bad parameters: you must choose at least one stream")
    return chosen


def _moment(name: str) -> int | None:
    text = context.text(name)
    if text in ("", "0"):
        return None
    try:
        return timestamps.nanoseconds(text)
    except ValueError as error:
        raise BadRequest(f'invalid value for "{name}": {error}') from error


def _tail() -> int | None:
    """All lines where it is no number, as the engine does."""
    text = context.text("tail")
    return int(text) if text.isdecimal() else None


def _log(wanted: Container, selection: Selection, with_times: bool, multiplexed: bool) -> Iterator[bytes]:
    if wanted.log is None:
        raise EngineError("configured logging driver does not support reading")

    def content() -> Iterator[bytes]:
        assert wanted.log is not None
        for entry in wanted.log.read(selection):
            if entry is None:
                yield b""
                continue
            line = (f"{entry.time} {entry.text}" if with_times else entry.text).encode()
            yield attaching.frame(entry.stream, line) if multiplexed else line

    return content()


def _check_attachable(wanted: Container) -> None:
    status = wanted.record.state.status
    if status == "paused":
        raise Conflict(f"container {wanted.id} is paused, unpause the container before attach")
    if status == "restarting":
        raise Conflict(f"container {wanted.id} is restarting, wait until the container is running")


def _input(wanted: Container, keys: bytes) -> attaching.Input:
    config = wanted.record.config

    def write(data: bytes) -> bool:
        run = wanted.next_run()
        return run is not None and run.stdio.write(data)

    def close() -> None:
        run = wanted.next_run()
        if run and config["StdinOnce"] and not config["Tty"]:
            run.stdio.close_stdin()

    return attaching.Input(write, close, attaching.DetachKeys(keys) if config["Tty"] else None)
