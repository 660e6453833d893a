"""/exec and /containers/{id}/exec: more programs in a container."""

from typing import Any

from flask import Blueprint, Response

from pocket_engine.api import context, streams
from pocket_engine.api.containers import Answer, container, size_of_terminal
from pocket_engine.containers import attach, shapes
from pocket_engine.containers.exec import Exec
from pocket_engine.errors import EngineError

blueprint = Blueprint("exec", __name__)


@blueprint.post("/containers/<name>/exec")
def create(name: str) -> tuple[dict[str, Any], int]:
    config = context.json_body(**shapes.EXEC)
    attach.detach_keys(config.get("DetachKeys") or "")
    wanted = container(name)
    one = Exec(wanted, config)
    wanted.add_exec(one)
    return {"Id": one.id}, 201


@blueprint.post("/exec/<id>/start")
def start(id: str) -> Response | Answer:
    one = context.engine().containers.get_exec(id)
    options = context.optional_json_body()
    one.check_startable()
    if options.get("Detach"):
        one.start()
        return "", 200
    return _start_attached(one, multiplexed=not options.get("Tty"))


@blueprint.post("/exec/<id>/resize")
def resize(id: str) -> Answer:
    height, width = size_of_terminal()
    context.engine().containers.get_exec(id).resize(height, width)
    return "", 200


@blueprint.get("/exec/<id>/json")
def inspect(id: str) -> dict[str, Any]:
    return context.engine().containers.get_exec(id).inspect()


def _start_attached(one: Exec, multiplexed: bool) -> Response:
    chosen = {name for name in ("stdout", "stderr") if one.config.get(f"Attach{name.title()}")}
    wants_stdin = bool(one.config.get("AttachStdin"))
    keys = attach.detach_keys(one.config.get("DetachKeys") or "")
    listener = one.audience.join()
    connection = streams.hijack(streams.content_type(multiplexed))
    try:
        one.start(with_stdin=wants_stdin)
    except EngineError as error:  # The answer has begun: the client reads the reason where it expects output.
        reason = f"{error.message}\r\n".encode()
        connection.sendall(attach.frame("stdout", reason) if multiplexed else reason)
        return streams.Hijacked()
    detaching = attach.DetachKeys(keys) if one.terminal else None
    stdin = attach.Input(one.write, one.close_stdin, detaching) if wants_stdin else None
    attach.couple(connection, listener, chosen, multiplexed, stdin)
    one.audience.leave(listener)
    return streams.Hijacked()
