"""/_ping, /version, /info: what this engine is, and what it runs on; /auth."""

import os
import platform
import socket
from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, Response

from pocket_engine import __version__
from pocket_engine.api import context, versions
from pocket_engine.engine import Engine
from pocket_engine.images import credentials

blueprint = Blueprint("system", __name__)

NAME = "Pocket engine"
RUNTIME = "pocket"
HUB = "docker.io"
INDEX = "https://index.docker.io/v1/"
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386"}
NO_CACHE = {"Cache-Control": "no-cache, no-store, must-revalidate", "Pragma": "no-cache"}
# What a Docker Engine does with control groups, which an ordinary user has none of.
CONTROL_GROUPS = ("SwapLimit", "CpuCfsPeriod", "CpuCfsQuota", "CPUShares", "CPUSet", "OomKillDisable")


@blueprint.get("/_ping")
def ping() -> Response:
    # By this header clients choose the classic builder: there is no BuildKit here.
    return Response("OK", headers={**NO_CACHE, "Builder-Version": "1"}, mimetype="text/plain")


@blueprint.get("/version")
def version() -> dict[str, Any]:
    api = {
        "ApiVersion": versions.dotted(versions.NEWEST),
        "MinAPIVersion": versions.dotted(versions.OLDEST),
    }
    made = {
        "GitCommit": "",
        "GoVersion": "",  # It is no Go program; clients expect the field.
        "Os": "linux",
        "Arch": _architecture(),
        "KernelVersion": platform.release(),
    }
    details = {**api, **made, "BuildTime": "", "Experimental": "false"}
    return {
        "Platform": {"Name": NAME},
        # By another name, the docker command would list the engine a second time.
        "Components": [{"Name": "Engine", "Version": __version__, "Details": details}],
        "Version": __version__,
        **api,
        **made,
        "BuildTime": "",
    }


@blueprint.get("/info")
def info() -> dict[str, Any]:
    engine = context.engine()
    return {**_counts(engine), **_identity(engine), **_machine(), **_abilities(engine)}


@blueprint.post("/auth")
def log_in() -> dict[str, str]:
    said = context.json_body(username=str, password=str, serveraddress=str, identitytoken=str)
    context.engine().registry.log_in(said.get("serveraddress") or "", credentials.from_json(said))
    return {"Status": "Login Succeeded", "IdentityToken": ""}


def _counts(engine: Engine) -> dict[str, Any]:
    statuses = [container.record.state.status for container in engine.containers.all()]
    running, paused = statuses.count("running"), statuses.count("paused")
    return {
        "Containers": len(statuses),
        "ContainersRunning": running,
        "ContainersPaused": paused,
        "ContainersStopped": len(statuses) - running - paused,
        "Images": len(engine.images.all()),
    }


def _identity(engine: Engine) -> dict[str, Any]:
    return {
        "ID": engine.id,
        "Name": socket.gethostname(),
        "ServerVersion": __version__,
        "DockerRootDir": str(engine.data_root.path),
        "SystemTime": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
        "Labels": [],
        "Debug": False,
        "ExperimentalBuild": False,
        "NEventsListener": engine.events.listeners,
        "HttpProxy": os.environ.get("HTTP_PROXY", ""),
        "HttpsProxy": os.environ.get("HTTPS_PROXY", ""),
        "NoProxy": os.environ.get("NO_PROXY", ""),
        "LiveRestoreEnabled": False,
    }


def _machine() -> dict[str, Any]:
    try:
        release = platform.freedesktop_os_release()
    except OSError:  # Not every Linux has the file.
        release = {}
    return {
        "OSType": "linux",
        "OperatingSystem": f"{NAME} on {release.get('PRETTY_NAME', 'Linux')}",
        "OSVersion": release.get("VERSION_ID", ""),
        "KernelVersion": platform.release(),
        "Architecture": platform.machine(),
        "NCPU": len(os.sched_getaffinity(0)),
        "MemTotal": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
    }


def _abilities(engine: Engine) -> dict[str, Any]:
    return {
        "Driver": RUNTIME,
        "DriverStatus": [["Runner", engine.runner.name]],
        "DefaultRuntime": RUNTIME,
        "Runtimes": {RUNTIME: {"path": RUNTIME}},
        "InitBinary": "",
        "Isolation": "",
        "CgroupDriver": "none",
        "CgroupVersion": "",
        "LoggingDriver": "json-file",
        "MemoryLimit": True,
        "PidsLimit": True,
        **dict.fromkeys(CONTROL_GROUPS, False),
        "IndexServerAddress": INDEX,
        "RegistryConfig": {
            "IndexConfigs": {
                HUB: {"Name": HUB, "Mirrors": list(engine.mirrors), "Secure": True, "Official": True}
            },
            "InsecureRegistryCIDRs": ["127.0.0.0/8", "::1/128"],
            "Mirrors": list(engine.mirrors),
        },
        "IPv4Forwarding": True,
        "BridgeNfIptables": False,
        "BridgeNfIp6tables": False,
        "Plugins": {
            "Volume": ["local"],
            "Network": ["bridge", "host", "null"],
            "Authorization": None,
            "Log": ["json-file"],
        },
        "Swarm": {
            "NodeID": "",
            "NodeAddr": "",
            "LocalNodeState": "inactive",
            "ControlAvailable": False,
            "Error": "",
            "RemoteManagers": None,
        },
        "SecurityOptions": ["name=rootless"],
        "Warnings": [*engine.runner.notes, *engine.networks.notes] or None,
    }


def _architecture() -> str:
    machine = platform.machine()
    return ARCHITECTURES.get(machine, machine)
