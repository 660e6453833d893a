"""/networks: create, list, inspect, connect, disconnect, remove, prune."""

from typing import Any

from flask import Blueprint

from pocket_engine.api import context
from pocket_engine.containers.shapes import ENDPOINT
from pocket_engine.errors import BadRequest, NotFound

blueprint = Blueprint("networks", __name__)

_NETWORK: dict[str, Any] = {
    **dict.fromkeys(("Name", "Driver", "Scope"), str),
    **dict.fromkeys(("Internal", "Attachable", "EnableIPv6", "Ingress"), bool),
    **dict.fromkeys(("Options", "Labels"), {...: str}),
    "IPAM": {"Driver": str, "Config": [{"Subnet": str, "IPRange": str, "Gateway": str}]},
}


@blueprint.get("/networks")
def index() -> list[dict[str, Any]]:
    networks = context.engine().networks
    return [networks.inspect(network, with_containers=False) for network in networks.all(context.filters())]


@blueprint.post("/networks/create")
def create() -> tuple[dict[str, Any], int]:
    network = context.engine().networks.create(context.json_body(**_NETWORK))
    warning = ""
    if network.record["EnableIPv6"]:
        warning = "IPv6 addresses are shown, but containers reach one another by IPv4 only."
    return {"Id": network.id, "Warning": warning}, 201


@blueprint.get("/networks/<path:name>")
def inspect(name: str) -> dict[str, Any]:
    networks = context.engine().networks
    network = networks.get(name)
    if context.text("scope", "local") not in ("", "local"):
        raise NotFound(f"network {name} not found")
    return networks.inspect(network)


@blueprint.delete("/networks/<path:name>")
def remove(name: str) -> tuple[str, int]:
    context.engine().networks.remove(name)
    return "", 204


@blueprint.post("/networks/prune")
def prune() -> dict[str, Any]:
    return {"NetworksDeleted": context.engine().networks.prune(context.filters()) or None}


@blueprint.post("/networks/<path:name>/connect")
def connect(name: str) -> str:
    wanted = context.json_body(Container=str, EndpointConfig=ENDPOINT)
    containers = context.engine().containers
    containers.get(_container(wanted)).connect(name, wanted.get("EndpointConfig"))
    return ""


@blueprint.post("/networks/<path:name>/disconnect")
def disconnect(name: str) -> str:
    wanted = context.json_body(Container=str, Force=bool)
    containers = context.engine().containers
    containers.get(_container(wanted)).disconnect(name, force=bool(wanted.get("Force")))
    return ""


def _container(wanted: dict[str, Any]) -> str:
    if not wanted.get("Container"):
        raise BadRequest("no container was named")
    return wanted["Container"]
