"""What there is none of here, and how clients are told: swarms, plugins, BuildKit."""

import flask
from flask import Blueprint, Response

from pocket_engine.errors import BadRequest, EngineError, NotFound, NotImplementedHere

blueprint = Blueprint("absent", __name__)

SWARM = ("swarm", "services", "tasks", "nodes", "secrets", "configs")


class NoSwarm(EngineError):
    """This machine is not part of one."""

    status = 503


def not_a_manager(path: str = "") -> Response:
    raise NoSwarm(
        'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this '
        "node to swarm and try again."
    )


for kind in SWARM:
    for path in (f"/{kind}", f"/{kind}/<path:path>"):
        blueprint.add_url_rule(path, None, not_a_manager, methods=["GET", "POST", "DELETE"])


@blueprint.post("/swarm/init")
@blueprint.post("/swarm/join")
def join_a_swarm() -> Response:
    raise NotImplementedHere("this engine serves one user on one machine; it cannot be part of a swarm")


@blueprint.post("/swarm/leave")
def leave_the_swarm() -> Response:
    raise NoSwarm("This node is not part of a swarm")


@blueprint.get("/plugins")
def plugins() -> Response:
    return flask.jsonify([])


@blueprint.route("/plugins/<path:name>", methods=["GET", "POST", "DELETE"])
def plugin(name: str) -> Response:
    raise NotFound(f'plugin "{name.removesuffix("/json")}" not found')


@blueprint.get("/plugins/privileges")
@blueprint.post("/plugins/pull")
@blueprint.post("/plugins/create")
def new_plugin() -> Response:
    raise NotImplementedHere("this engine runs no plugins: they need root")


@blueprint.post("/session")
@blueprint.post("/grpc")
def buildkit() -> Response:
    if not flask.request.headers.get("Upgrade"):
        raise BadRequest("no upgrade proto in request")
    raise NotImplementedHere("there is no BuildKit here; build with the classic builder: DOCKER_BUILDKIT=0")
