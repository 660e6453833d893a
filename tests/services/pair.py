"""Both services as processes, the second one calling the first."""

import json
import time
import urllib.error
import urllib.request
from email.message import Message
from typing import Any

from processes import MARKETPLACE, Running, Start, free_port


def start_marketplace(start: Start, recommendations: Running, **environment: str) -> Running:
    """The Marketplace as in its image, calling this Recommendations."""
    port = str(free_port())
    environment = {
        "PORT": port,
        "RECOMMENDATIONS_HOST": "localhost",
        "RECOMMENDATIONS_PORT": str(recommendations.port),
        **environment,
    }
    return start(["server.py"], MARKETPLACE, **environment)


def fetch(service: Running, path: str = "/", **headers: str) -> tuple[int, str, Message]:
    """Ask for a path: the status, the body and the headers of the answer."""
    request = urllib.request.Request(f"http://localhost:{service.port}{path}")
    for name, value in headers.items():
        request.add_header(name.replace("_", "-"), value)
    try:
        with urllib.request.urlopen(request, timeout=20) as response:
            return response.status, response.read().decode(), response.headers
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(), error.headers


def lines(service: Running, message: str) -> list[dict[str, Any]]:
    """The lines of its log that have this message; other lines are gRPC's own, or somebody's traceback."""
    found = [json.loads(line) for line in service.log.splitlines() if line.startswith("{")]
    return [line for line in found if line["message"] == message]


def metrics_port(service: Running) -> int:
    """Where this Recommendations serves its figures; lines reach the log in batches."""
    deadline = time.monotonic() + 10
    while not (found := lines(service, "serving metrics")):
        assert time.monotonic() < deadline, service.log
        time.sleep(0.01)
    return found[0]["port"]
