"""/containers: create, list, inspect, start, stop, remove."""

from typing import Any

from flask import Blueprint, Response

from pocket_engine.api import context, streams
from pocket_engine.containers import lifecycle, shapes, views
from pocket_engine.containers.container import Container
from pocket_engine.containers.listing import listing
from pocket_engine.containers.top import top
from pocket_engine.errors import BadRequest, NotFound

blueprint = Blueprint("containers", __name__)

Answer = tuple[str, int]

DONE: Answer = ("", 204)
AS_IT_WAS: Answer = ("", 304)
WAIT_SECONDS = 0.5


def container(name: str) -> Container:
    """The container that a path names."""
    return context.engine().containers.get(name)


@blueprint.get("/containers/json")
def index() -> list[dict[str, Any]]:
    return listing(
        context.engine().containers,
        context.filters(),
        everything=context.flag("all"),
        limit=context.number("limit") or 0,
        size=context.flag("size"),
    )


@blueprint.post("/containers/create")
def create() -> tuple[dict[str, Any], int]:
    made, warnings = context.engine().containers.create(
        context.text("name"), context.json_body(**shapes.CREATE), context.text("platform")
    )
    return {"Id": made.id, "Warnings": warnings}, 201


@blueprint.get("/containers/<name>/json")
def inspect(name: str) -> dict[str, Any]:
    return views.inspect(container(name), size=context.flag("size"))


@blueprint.post("/containers/<name>/start")
def start(name: str) -> Answer:
    return DONE if container(name).start() else AS_IT_WAS


@blueprint.post("/containers/<name>/stop")
def stop(name: str) -> Answer:
    return DONE if lifecycle.stop(container(name), context.number("t"), context.text("signal")) else AS_IT_WAS


@blueprint.post("/containers/<name>/restart")
def restart(name: str) -> Answer:
    lifecycle.restart(container(name), context.number("t"), context.text("signal"))
    return DONE


@blueprint.post("/containers/<name>/kill")
def kill(name: str) -> Answer:
    try:
        wanted = container(name)
    except NotFound as error:
        raise NotFound(f"Cannot kill container: {name}: {error.message}") from error
    lifecycle.kill(wanted, context.text("signal"))
    return DONE


@blueprint.post("/containers/<name>/pause")
def pause(name: str) -> Answer:
    lifecycle.pause(container(name))
    return DONE


@blueprint.post("/containers/<name>/unpause")
def unpause(name: str) -> Answer:
    lifecycle.unpause(container(name))
    return DONE


@blueprint.post("/containers/<name>/wait")
def wait(name: str) -> Response:
    waited = lifecycle.waiter(container(name), context.text("condition"))

    def answers() -> Any:
        while (answer := waited(WAIT_SECONDS)) is None:
            yield None
        yield answer

    return streams.json_lines(answers())


@blueprint.post("/containers/<name>/rename")
def rename(name: str) -> Answer:
    context.engine().containers.rename(container(name), context.text("name"))
    return DONE


@blueprint.post("/containers/<name>/update")
def update(name: str) -> dict[str, Any]:
    warnings = context.engine().containers.update(container(name), context.json_body(**shapes.HOST_CONFIG))
    return {"Warnings": warnings or None}


@blueprint.post("/containers/<name>/resize")
def resize(name: str) -> Answer:
    height, width = size_of_terminal()
    container(name).running().stdio.resize(height, width)
    return "", 200


@blueprint.get("/containers/<name>/top")
def processes(name: str) -> dict[str, Any]:
    return top(container(name), context.text("ps_args"))


@blueprint.delete("/containers/<path:name>")
def remove(name: str) -> Answer:
    containers = context.engine().containers
    if context.flag("link"):
        containers.remove_link(name)
    else:
        containers.remove(container(name), force=context.flag("force"), volumes=context.flag("v"))
    return DONE


@blueprint.post("/containers/prune")
def prune() -> dict[str, Any]:
    return context.engine().containers.prune(context.filters())


def size_of_terminal() -> tuple[int, int]:
    """Height and width that a resize wants.

    Raises:
        BadRequest: one is missing.
    """
    height, width = context.number("h"), context.number("w")
    if height is None or width is None:
        raise BadRequest('strconv.Atoi: parsing "": invalid syntax')
    return height, width
