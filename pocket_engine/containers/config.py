"""A request to create a container: its Config, checked, and completed from its image's."""

import copy
import re
from typing import Any

from pocket_engine.containers import signals
from pocket_engine.errors import BadRequest
from pocket_engine.images.image import EMPTY_CONFIG

_DEFAULTS: dict[str, Any] = EMPTY_CONFIG | {"Env": [], "Labels": {}}
_OPTIONAL = ("ExposedPorts", "Healthcheck", "ArgsEscaped", "NetworkDisabled", "MacAddress")
_OPTIONAL_TOO = ("StopSignal", "StopTimeout", "Shell")
_MILLISECOND = 10**6  # In nanoseconds.


def completed(request: dict[str, Any], image: dict[str, Any]) -> dict[str, Any]:
    """The Config of a new container.

    Args:
        request: the body of the request, HostConfig and NetworkingConfig included.
        image: the `config` part of the image's configuration.

    Raises:
        BadRequest: something in it makes no sense.
    """
    config = copy.deepcopy({name: request.get(name) or default for name, default in _DEFAULTS.items()})
    for name in (*_OPTIONAL, *_OPTIONAL_TOO):
        if request.get(name) is not None:
            config[name] = copy.deepcopy(request[name])
    for name in ("Cmd", "Entrypoint"):
        if isinstance(config[name], str):
            config[name] = [config[name]]
    config["User"] = str(config["User"])
    _take_from_image(config, request, image)
    _check(config)
    return config


def _take_from_image(config: dict, request: dict, image: dict) -> None:
    for name in ("User", "WorkingDir", "StopSignal", "OnBuild", "Shell"):
        if not config.get(name) and image.get(name):
            config[name] = image[name]
    for name in ("ExposedPorts", "Volumes", "Labels"):
        if image.get(name):
            config[name] = {**image[name], **(config.get(name) or {})}
    known = {variable.partition("=")[0] for variable in config["Env"]}
    config["Env"] += [one for one in image.get("Env") or [] if one.partition("=")[0] not in known]
    if not config["Entrypoint"]:
        if not config["Cmd"]:
            config["Cmd"] = image.get("Cmd")
        if request.get("Entrypoint") is None:
            config["Entrypoint"] = image.get("Entrypoint")
    if config["Entrypoint"] == [""]:  # How the docker command says "none".
        config["Entrypoint"] = None
    _take_healthcheck(config, image.get("Healthcheck"))


def _take_healthcheck(config: dict, from_image: dict | None) -> None:
    if not from_image:
        return
    own = config.get("Healthcheck") or {}
    merged = {name: value for name, value in from_image.items() if value} | {
        name: value for name, value in own.items() if value
    }
    config["Healthcheck"] = merged


def _check(config: dict) -> None:
    if not config["Cmd"] and not config["Entrypoint"]:
        raise BadRequest("No command specified")
    folder = config["WorkingDir"]
    if folder and not folder.startswith("/"):
        raise BadRequest(f"the working directory '{folder}' is invalid, it needs to be an absolute path")
    for variable in config["Env"]:
        if not variable or variable.startswith("="):
            raise BadRequest(f"invalid environment variable: {variable}")
    if config.get("StopSignal"):
        signals.number(config["StopSignal"])
    if not re.fullmatch(r"[a-zA-Z0-9_.-]{0,63}", config["Hostname"]):
        raise BadRequest(f"invalid hostname: {config['Hostname']}")
    _check_healthcheck(config.get("Healthcheck"))


def _check_healthcheck(healthcheck: dict | None) -> None:
    for name in ("Interval", "Timeout", "StartPeriod", "StartInterval"):
        value = (healthcheck or {}).get(name) or 0
        if not isinstance(value, int):  # Python's 0.5 * 10**9, for instance.
            raise BadRequest(f"json: cannot unmarshal number {value!r} into {name}: nanoseconds are whole")
        if value and value < _MILLISECOND:
            raise BadRequest(f"{name} in Healthcheck cannot be less than 1ms")
    if healthcheck and (healthcheck.get("Retries") or 0) < 0:
        raise BadRequest("Retries in Healthcheck cannot be negative")
