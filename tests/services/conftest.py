"""Start services for one test, and see that none outlives it."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest

from processes import RECOMMENDATIONS, Running, Start, free_port


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start `command` in `folder` on a free port; whatever still runs after the test is killed."""
    started: list[Running] = []

    def start(command: list[str], folder: Path, **environment: str) -> Running:
        port = int(environment.setdefault("PORT", str(free_port())))
        environment.setdefault("METRICS_PORT", "0")
        log_file = tmp_path / f"{len(started)}.log"
        with log_file.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, *command],
                cwd=folder,
                env={**os.environ, **environment},
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        running = Running(process, port, log_file)
        started.append(running)
        running.wait_until_it_listens()
        return running

    yield start
    for running in started:
        running.process.kill()
        running.process.wait()


@pytest.fixture
def recommendations(start: Start) -> Running:
    """Recommendations, as on a laptop."""
    return start(["recommendations.py"], RECOMMENDATIONS)


@pytest.fixture
def channel(recommendations: Running) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(f"localhost:{recommendations.port}") as channel:
        yield channel
