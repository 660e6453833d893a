"""/volumes: create, list, inspect, remove, prune."""

from typing import Any

from flask import Blueprint

from pocket_engine.api import context
from pocket_engine.api.versions import api_version

blueprint = Blueprint("volumes", __name__)

KEEPS_NAMED = (1, 42)  # From this version of the API on, a prune leaves volumes with names alone.


@blueprint.get("/volumes")
def index() -> dict[str, Any]:
    engine = context.engine()
    found = engine.volumes.list(context.filters(), engine.containers.using_volume)
    return {"Volumes": [volume.inspect() for volume in found], "Warnings": None}


@blueprint.post("/volumes/create")
def create() -> tuple[dict[str, Any], int]:
    wanted = context.json_body(Name=str, Driver=str, DriverOpts=dict, Labels=dict)
    volume = context.engine().volumes.create(
        wanted.get("Name") or "", wanted.get("Driver") or "", wanted.get("DriverOpts"), wanted.get("Labels")
    )
    return volume.inspect(), 201


@blueprint.get("/volumes/<name>")
def inspect(name: str) -> dict[str, Any]:
    return context.engine().volumes.get(name).inspect()


@blueprint.delete("/volumes/<name>")
def remove(name: str) -> tuple[str, int]:
    engine = context.engine()
    engine.volumes.remove(name, engine.containers.using_volume, force=context.flag("force"))
    return "", 204


@blueprint.post("/volumes/prune")
def prune() -> dict[str, Any]:
    engine = context.engine()
    everything = api_version() < KEEPS_NAMED
    return engine.volumes.prune(context.filters(), engine.containers.using_volume, everything)
