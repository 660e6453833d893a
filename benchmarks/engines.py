"""`python -m benchmarks.engines`: the embedded engine side by side with a Docker Engine, in one run.

Every figure is taken in turn from each side, and the ratios are those of the medians. What runs inside is
compared with the same service on this machine, without an engine.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import docker
import psutil
from docker.models.containers import Container
from rich.console import Console

from benchmarks import loads
from benchmarks.report import Ratio, show
from workshop import base_image, beside, cleanup, engine, ports, stubs, waiting
from workshop.repository import ROOT, WORK

RUNS = 3
RUNNERS = ("namespaces", "proot")
SERVICES = ("recommendations", "marketplace")
START_SECONDS = 30
NETWORK = "bench"

Measured = defaultdict[str, list[float]]
console = Console()


def main() -> None:
    """Measure, and show the ratios."""
    loads.check()
    if not stubs.are_current():
        stubs.generate()
    real = engine.connect()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        engines = {"docker": real}
        processes = {}
        for name in RUNNERS:
            client, processes[name] = stack.enter_context(embedded(name, folder / name))
            carry(real, client, base_image.ensure(real))
            engines[name] = client
        before = {str(image.id) for image in real.images.list(all=True)}
        try:
            found = measure(engines)
            for name, process in processes.items():
                found[f"{name} engine"].append(psutil.Process(process.pid).memory_info().rss / 1e6)
        finally:
            for client in engines.values():
                cleanup.start_over(client)
            cleanup.remove_images(real, keep=before)
        show(list(ratios(found)), WORK, "bench-engines")


@contextmanager
def embedded(runner: str, folder: Path) -> Iterator[tuple[docker.DockerClient, subprocess.Popen[bytes]]]:
    """An embedded engine of its own, with nothing in it."""
    socket = folder / "engine.sock"
    command = [sys.executable, "-m", "pocket_engine", "--runner", runner]
    process = subprocess.Popen(
        [*command, "--host", f"unix://{socket}", "--data-root", str(folder / "data")], cwd=ROOT
    )
    try:
        deadline = time.monotonic() + START_SECONDS
        while not socket.exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        yield docker.DockerClient(f"unix://{socket}", timeout=600), process
    finally:
        process.terminate()
        process.wait()


def carry(source: docker.DockerClient, target: docker.DockerClient, name: str) -> None:
    """Bring an image from one engine to another."""
    with tempfile.TemporaryFile() as saved:
        for chunk in source.images.get(name).save(named=name):
            saved.write(chunk)
        saved.seek(0)
        target.images.load(saved)


def measure(engines: dict[str, docker.DockerClient]) -> Measured:
    """Take every figure, from each engine in turn."""
    found: Measured = defaultdict(list)
    for number in range(RUNS):
        console.print(f"Run {number + 1} of {RUNS} …")
        for name, client in engines.items():
            cleanup.start_over(client)
            found[f"{name} cold build"].append(sum(build(client, each, nocache=True) for each in SERVICES))
            for each in SERVICES:  # Built without the cache, stages that begin alike hide each other in it.
                build(client, each)
            found[f"{name} cached build"].append(max(build(client, each) for each in SERVICES))
            found[f"{name} first line"].append(first_line(client))
            measure_services(client, name, found)
        measure_host(found)
        for what, figures in found.items():
            console.print(f"  {what}: {figures[-1]:.3g}")
    return found


def build(client: docker.DockerClient, service: str, nocache: bool = False) -> float:
    """Build a service's image; the seconds that it took."""
    base = base_image.ensure(client, say=lambda line: None)
    started = time.perf_counter()
    client.images.build(
        path=str(ROOT),
        dockerfile=f"docker/{service}.Dockerfile",
        tag=service,
        buildargs={"PYTHON_IMAGE": base},
        nocache=nocache,
        rm=True,
    )
    return time.perf_counter() - started


def first_line(client: docker.DockerClient) -> float:
    """Seconds from `docker run` of a service to the first line of its log."""
    started = time.perf_counter()
    container = client.containers.run("recommendations", detach=True, labels=cleanup.LABELS)
    next(iter(container.logs(stream=True, follow=True)))
    seconds = time.perf_counter() - started
    container.remove(force=True)
    return seconds


def measure_services(client: docker.DockerClient, name: str, found: Measured) -> None:
    """Calls, pages, one call's time and stops of the services in containers."""
    client.networks.create(NETWORK, labels=cleanup.LABELS)
    recommendations = start(client, "recommendations", 50051)
    marketplace = start(client, "marketplace", 5000, {"RECOMMENDATIONS_HOST": "recommendations"})
    found[f"{name} calls"].append(loads.calls(address(recommendations, 50051)))
    found[f"{name} call"].append(1 / loads.calls(address(recommendations, 50051), callers=1))
    found[f"{name} pages"].append(loads.pages(address(marketplace, 5000)).rate)
    started = time.perf_counter()
    recommendations.stop()
    found[f"{name} stop"].append(time.perf_counter() - started)


def measure_host(found: Measured) -> None:
    """The same of the services as processes of this machine."""
    with beside.run_recommendations() as recommendations:
        found["host calls"].append(loads.calls(f"127.0.0.1:{recommendations.port}"))
        with marketplace_beside(recommendations.port) as place:
            found["host pages"].append(loads.pages(place).rate)


@contextmanager
def marketplace_beside(recommendations_port: int) -> Iterator[str]:
    """The Marketplace as its image serves it (`python server.py`); where it answers."""
    port = ports.next_free(5000)
    variables = {
        "PORT": str(port),
        "RECOMMENDATIONS_HOST": "localhost",
        "RECOMMENDATIONS_PORT": str(recommendations_port),
    }
    process = subprocess.Popen(
        [sys.executable, "server.py"],
        cwd=ROOT / "services/marketplace",
        env=os.environ | variables,
        stdout=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + START_SECONDS
        while ports.is_free(port) and time.monotonic() < deadline:
            time.sleep(0.05)
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def start(client: docker.DockerClient, service: str, port: int, environment: Any = None) -> Container:
    """A service in a container, ready, with its port published on this machine's loopback."""
    on_loopback: Any = {f"{port}/tcp": ("127.0.0.1", None)}
    container = client.containers.run(
        service,
        name=service,
        detach=True,
        network=NETWORK,
        environment=environment,
        labels=cleanup.LABELS,
        ports=on_loopback,
    )
    waiting.until_ready(container)
    return container


def address(container: Container, port: int) -> str:
    """Where this machine finds a published port."""
    container.reload()
    published: Any = container.ports
    return f"127.0.0.1:{published[f'{port}/tcp'][0]['HostPort']}"


def ratios(found: Measured) -> Iterator[Ratio]:
    """Every figure beside its target."""
    yield from ratios_of("namespaces", 1.3, found)
    yield from ratios_of("proot", 2, found)


def ratios_of(name: str, build_limit: float, found: Measured) -> Iterator[Ratio]:
    """The figures of one runner; a limit in seconds or megabytes is compared with itself."""

    def against(what: str, unit: str, other: str, target: float, more: bool = False) -> Ratio:
        ours = found[f"{name} {what}"]
        return Ratio(f"{name}: {what} ({unit})", other, ours, found[f"{other} {what}"], target, more)

    def limit(what: str, unit: str, most: float) -> Ratio:
        return Ratio(f"{name}: {what} ({unit})", f"{most:g}", found[f"{name} {what}"], [most], 1, False)

    yield against("cold build", "s", "docker", build_limit)
    yield limit("cached build", "s", 0.5)
    if name == "namespaces":
        yield against("first line", "s", "docker", 1.5)
        yield against("calls", "1/s", "host", 0.9, more=True)
        yield against("pages", "1/s", "host", 0.9, more=True)
        longest = [seconds + 0.3 for seconds in found["docker stop"]]
        yield Ratio(f"{name}: stop (s)", "docker + 0.3", found[f"{name} stop"], longest, 1, False)
    else:
        yield limit("first line", "s", 3)
        yield limit("call", "s", 0.02)
    yield limit("engine", "MB", 60)


if __name__ == "__main__":
    main()
