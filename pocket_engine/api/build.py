"""/build."""

import base64
import binascii
import ipaddress
import json
from collections.abc import Mapping
from typing import Any, BinaryIO, cast

import flask
from flask import Blueprint, Response

from pocket_engine.api import context, streams
from pocket_engine.build import golang, stream
from pocket_engine.build.options import BuildOptions
from pocket_engine.build.stream import Telling
from pocket_engine.errors import BadRequest, NotImplementedHere
from pocket_engine.images import credentials, platforms
from pocket_engine.images.credentials import Credentials

blueprint = Blueprint("build", __name__)

_OWN_NETWORK = ("", "default", "bridge", "host")
_CPU_LIMITS = ("cpushares", "cpuperiod", "cpuquota", "cpusetcpus", "cpusetmems")


@blueprint.post("/build")
def build() -> Response:
    options = _options()
    remote = context.text("remote")
    archive = cast(BinaryIO, flask.request.stream)
    items = context.engine().builder.build(
        remote or archive, context.text("dockerfile") or "Dockerfile", options
    )
    limits = [name for name in _CPU_LIMITS if context.text(name) not in ("", "0")]
    return streams.json_lines(_with_warning(items, limits))


@blueprint.post("/build/prune")
def prune() -> dict[str, Any]:
    # BuildKit's cache is meant. The classic builder's are images: `docker image prune`.
    return {"CachesDeleted": None, "SpaceReclaimed": 0}


def _with_warning(items: Telling[None], limits: list[str]) -> Telling[None]:
    if limits:
        yield stream.in_red(f"[Warning] This engine cannot limit CPUs: {', '.join(limits)} discarded.\n")
    yield from items


def _options() -> BuildOptions:
    if context.text("version") == "2":
        raise NotImplementedHere("BuildKit is not there: build with the classic builder (DOCKER_BUILDKIT=0)")
    if context.flag("squash"):
        raise BadRequest("squash is only supported with experimental mode")
    platform = context.text("platform")
    platforms.parse(platform)  # Raises for one that nobody knows.
    network = context.text("networkmode")
    hosts = tuple(flask.request.args.getlist("extrahosts"))
    for host in hosts:
        _check_host(host)
    shm_size = context.number("shmsize", 0) or 0
    if shm_size < 0:
        raise BadRequest("SHM size can not be less than 0")
    return BuildOptions(
        tags=tuple(tag for tag in flask.request.args.getlist("t") if tag),
        target=context.text("target"),
        arguments=_json("buildargs", "build args", {}),
        labels=_json("labels", "labels", {}),
        platform=platform,
        quiet=context.flag("q"),
        no_cache=context.flag("nocache"),
        cache_from=tuple(_json("cachefrom", "cache-from", [])),
        pull=context.flag("pull"),
        remove=context.flag("rm", default=True) or context.flag("forcerm"),
        force_remove=context.flag("forcerm"),
        network="" if network in _OWN_NETWORK else network,
        extra_hosts=hosts,
        memory=max(context.number("memory", 0) or 0, 0),
        shm_size=shm_size or BuildOptions.shm_size,
        credentials=_credentials(),
    )


def _check_host(host: str) -> None:
    name, colon, address = host.partition(":")
    if not colon or not name:
        raise BadRequest(f"bad format for add-host: {golang.quoted(host)}")
    if address == "host-gateway":
        return
    try:
        ipaddress.ip_address(address)
    except ValueError:
        raise BadRequest(f"invalid IP address in add-host: {golang.quoted(address)}") from None


def _json(name: str, shown: str, default: Any) -> Any:
    """A query parameter that is JSON of the default's type; null and nothing are the default."""
    said = context.text(name)
    try:
        found = json.loads(said) if said else None
    except ValueError as error:
        raise BadRequest(f"error reading {shown}: {error}") from None
    if found is None:
        return default
    values = list(found.values()) if isinstance(found, dict) else found
    if type(found) is not type(default) or not all(
        value is None or isinstance(value, str) for value in values
    ):
        raise BadRequest(f"error reading {shown}: strings are wanted in a JSON {_kind(default)}")
    return found


def _kind(value: Any) -> str:
    return "object" if isinstance(value, dict) else "array"


def _credentials() -> Mapping[str, Credentials]:
    """The header X-Registry-Config: for each registry what X-Registry-Auth has for one."""
    header = flask.request.headers.get("X-Registry-Config", "")
    try:
        said = json.loads(base64.urlsafe_b64decode(header + "=" * (-len(header) % 4)) or "{}")
        return {registry: credentials.from_json(login) for registry, login in said.items()}
    except (binascii.Error, ValueError, AttributeError):
        return {}  # As on a Docker Engine: public images need none.
