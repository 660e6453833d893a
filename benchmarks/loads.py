"""The two load generators, and what is read off them."""

import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import NamedTuple

SECONDS = 3
CALLERS = 50  # Connections, each with one call at a time.
VISITORS = 64  # Connections, each with one page at a time.

# `user_id: 1, max_results: 3`, behind the five bytes that gRPC puts before each message.
REQUEST = bytes([0, 0, 0, 0, 4, 0x08, 1, 0x18, 3])


class Pages(NamedTuple):
    """What visitors got: pages a second, and the time within which 99 of 100 had theirs, in seconds."""

    rate: float
    p99: float


def check() -> None:
    """Say what is missing, if something is."""
    if missing := [name for name in ("h2load", "wrk") if not shutil.which(name)]:
        raise SystemExit(
            f"{' and '.join(missing)} not found; on Debian: sudo apt-get install nghttp2-client wrk"
        )


def calls(address: str, callers: int = CALLERS) -> float:
    """RPCs a second that a gRPC server at `address` (HOST:PORT) answers to that many callers."""
    with tempfile.NamedTemporaryFile() as body:
        Path(body.name).write_bytes(REQUEST)
        headers = ["-H", "te: trailers", "-H", "content-type: application/grpc"]
        report = _run(
            "h2load", "-t1", f"-c{callers}", "-m1", "--warm-up-time=1", f"--duration={SECONDS}", *headers,
            "-d", body.name, f"http://{address}/Recommendations/Recommend",
        )  # fmt: skip
    _, failed = _numbers(r"(\d+) succeeded, (\d+) failed", report)
    if failed:
        raise SystemExit(f"{failed:.0f} calls failed:\n{report}")
    return _numbers(r"finished in .*?, ([\d.]+) req/s", report)[0]


def visit(address: str) -> float:
    """Visit `http://address/` for some seconds, and return how many pages there were."""
    return _numbers(r"(\d+) requests in", _wrk(address, SECONDS))[0]


def pages(address: str) -> Pages:
    """What visitors of `http://address/` get."""
    _wrk(address, 1)  # To warm up.
    report = _wrk(address, SECONDS)
    [p99] = re.findall(r"99%\s+([\d.]+)(us|ms|s)", report)
    scale = {"us": 1e-6, "ms": 1e-3, "s": 1.0}[p99[1]]
    return Pages(_numbers(r"Requests/sec:\s+([\d.]+)", report)[0], float(p99[0]) * scale)


def _wrk(address: str, seconds: int) -> str:
    report = _run("wrk", "-t1", f"-c{VISITORS}", f"-d{seconds}", "--latency", f"http://{address}/")
    if "Non-2xx" in report or "Socket errors" in report:
        raise SystemExit(f"pages failed:\n{report}")
    return report


def _run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def _numbers(pattern: str, text: str) -> list[float]:
    found = re.search(pattern, text)
    if not found:
        raise SystemExit(f"this report has no {pattern!r}:\n{text}")
    return [float(number) for number in found.groups()]
