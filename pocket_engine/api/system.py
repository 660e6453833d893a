"""/_ping, /version and /events, and what there is none of: swarms, plugins, BuildKit."""

import json
import platform
import re
from collections.abc import Iterator
from typing import Any

import flask
from flask import Blueprint, Response

from pocket_engine import __version__
from pocket_engine.api import context, versions
from pocket_engine.errors import BadRequest, EngineError, NotFound, NotImplementedHere
from pocket_engine.events import NANO

blueprint = Blueprint("system", __name__)

NAME = "Pocket engine"
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386"}
NO_CACHE = {"Cache-Control": "no-cache, no-store, must-revalidate", "Pragma": "no-cache"}
SWARM = ("swarm", "services", "tasks", "nodes", "secrets", "configs")


class NoSwarm(EngineError):
    """One machine, no swarm."""

    status = 503


@blueprint.get("/_ping")
def ping() -> Response:
    # By this header clients choose the classic builder: there is no BuildKit here.
    return Response("OK", headers={**NO_CACHE, "Builder-Version": "1"}, mimetype="text/plain")


@blueprint.get("/version")
def version() -> dict[str, Any]:
    kernel, architecture = platform.release(), _architecture()
    api = {
        "ApiVersion": versions.dotted(versions.NEWEST),
        "MinAPIVersion": versions.dotted(versions.OLDEST),
    }
    made = {"GitCommit": "", "GoVersion": "", "Os": "linux", "Arch": architecture, "KernelVersion": kernel}
    details = {**api, **made, "Experimental": "false", "PythonVersion": platform.python_version()}
    return {
        "Platform": {"Name": NAME},
        "Components": [{"Name": NAME, "Version": __version__, "Details": details}],
        "Version": __version__,
        **api,
        **made,
        "BuildTime": "",
    }


@blueprint.get("/events")
def events() -> Response:
    since, until = _moment("since"), _moment("until")
    if since is not None and until is not None and since > until:
        raise BadRequest(
            f"`since` time ({context.text('since')}) cannot be after `until` time ({context.text('until')})"
        )
    happening = context.engine().events.listen(since, until, context.filters())
    return Response(_lines(happening), mimetype="application/json")


@blueprint.post("/session")
@blueprint.post("/grpc")
def buildkit() -> Response:
    if not flask.request.headers.get("Upgrade"):
        raise BadRequest("no upgrade proto in request")
    raise NotImplementedHere("there is no BuildKit here; build with the classic builder: DOCKER_BUILDKIT=0")


@blueprint.get("/plugins")
def plugins() -> Response:
    return flask.jsonify([])


@blueprint.get("/plugins/<path:name>/json")
def plugin(name: str) -> Response:
    raise NotFound(f'plugin "{name}" not found')


def _swarm(**parts: str) -> Response:
    raise NoSwarm(
        'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this '
        "node to swarm and try again."
    )


for kind in SWARM:
    for path in (f"/{kind}", f"/{kind}/<path:what>"):
        blueprint.add_url_rule(path, kind, _swarm, methods=["GET", "POST", "DELETE"])


@blueprint.post("/swarm/init")
@blueprint.post("/swarm/join")
def swarm_init() -> Response:
    raise NotImplementedHere("this engine is one machine's; it cannot be part of a swarm")


@blueprint.post("/swarm/leave")
def swarm_leave() -> Response:
    raise NoSwarm("This node is not part of a swarm")


def _architecture() -> str:
    machine = platform.machine()
    return ARCHITECTURES.get(machine, machine)


def _moment(name: str) -> int | None:
    """A query parameter in seconds since the epoch, with a fraction or not; in nanoseconds."""
    said = context.text(name)
    if not said:
        return None
    parts = re.fullmatch(r"(-?\d+)(?:\.(\d{1,9}))?", said)
    if not parts:
        raise BadRequest(f'strconv.ParseInt: parsing "{said}": invalid syntax')
    return int(parts[1]) * NANO + int((parts[2] or "0").ljust(9, "0"))


def _lines(events: Iterator[dict[str, Any] | None]) -> Iterator[bytes]:
    yield b""  # The headers go out at once.
    for event in events:
        yield json.dumps(event, ensure_ascii=False).encode() + b"\n" if event else b""
