"""`make bench`: our services side by side with a tutorial's, and with what is possible, in one run.

Every figure is taken in turn from each side, five times; the ratios are those of the medians.
"""

import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import docker
from docker.models.containers import Container
from rich.console import Console

from benchmarks import loads, stacks
from benchmarks.report import Ratio, show
from workshop import cleanup, engine
from workshop.repository import WORK

RUNS = 5
SETTLE_SECONDS = 5  # Until a container is at rest.

Measured = defaultdict[str, list[float]]
console = Console()


def main() -> None:
    """Measure, and show the ratios."""
    loads.check()
    client = engine.connect()
    cleanup.start_over(client)
    before = {str(image.id) for image in client.images.list(all=True)}
    try:
        console.print("Building both pairs of images …")
        with stacks.stacks(client) as pair:
            show(measure(client, pair), WORK)
    finally:
        cleanup.start_over(client)
        cleanup.remove_images(client, keep=before)
    console.print(f"The plot is {WORK.name}/bench.png, the figures are in {WORK.name}/bench.json.")


def measure(client: docker.DockerClient, pair: tuple[stacks.Stack, stacks.Stack]) -> list[Ratio]:
    """Take every figure."""
    found: Measured = defaultdict(list)
    for stack in pair:
        for service in stacks.SERVICES:
            found[f"{stack.name} {service} megabytes"].append(stack.bytes_on_top(service) / 1e6)
    containers = stacks.start(client)
    time.sleep(SETTLE_SECONDS)
    for name in ("ours", "baseline"):
        for service in stacks.SERVICES:
            resident = stacks.resident_bytes(containers[f"{name} {service}"])
            found[f"{name} {service} resident"].append(resident / 1e6)
    for number in range(RUNS):
        console.print(f"Run {number + 1} of {RUNS} …")
        measure_speed(containers, found)
        measure_tracing(containers, found)
        measure_stops(containers, found)
        for service in stacks.SERVICES:
            for stack in pair:
                found[f"{stack.name} {service} rebuild"].append(stack.rebuild(service))
    return list(ratios(found))


def measure_speed(containers: dict[str, Container], found: Measured) -> None:
    """Calls a second of one Recommendations; pages a second, and the time of the slowest of a hundred."""
    for name in ("baseline", "ours", "floor"):
        server = stacks.address(containers[f"{name} recommendations"], 50051)
        found[f"{name} calls"].append(loads.calls(server))
        rate, p99 = loads.pages(stacks.address(containers[f"{name} marketplace"], 5000))
        found[f"{name} pages"].append(rate)
        found[f"{name} p99"].append(p99)


def measure_tracing(containers: dict[str, Container], found: Measured) -> None:
    """Processor time for a page, in both services together: steadier than the pages a second."""
    for name in ("untraced", "ours"):
        both = [containers[f"{name} {service}"] for service in stacks.SERVICES]
        before = sum(map(stacks.processor_seconds, both))
        number = loads.visit(stacks.address(both[1], 5000))
        used = sum(map(stacks.processor_seconds, both)) - before
        found[f"{name} processor"].append(used / number)


def measure_stops(containers: dict[str, Container], found: Measured) -> None:
    """How long each takes to stop."""
    names = [f"{name} {service}" for name in ("ours", "baseline") for service in stacks.SERVICES]
    with ThreadPoolExecutor(len(names)) as pool:
        for name, seconds in zip(
            names, pool.map(stacks.stop_seconds, map(containers.get, names)), strict=True
        ):
            found[f"{name} stop"].append(seconds)
    time.sleep(SETTLE_SECONDS)


def ratios(found: Measured) -> Iterator[Ratio]:
    """Every figure beside its target."""

    def against(what: str, unit: str, other: str, target: float, more: bool) -> Ratio:
        return Ratio(f"{what} ({unit})", other, found[f"ours {what}"], found[f"{other} {what}"], target, more)

    yield against("calls", "1/s", "baseline", 1.7, more=True)
    yield against("calls", "1/s", "floor", 0.85, more=True)
    yield against("pages", "1/s", "baseline", 3.5, more=True)
    yield against("p99", "s", "baseline", 0.4, more=False)
    yield against("processor", "s", "untraced", 1.03, more=False)
    for service in stacks.SERVICES:
        yield against(f"{service} rebuild", "s", "baseline", 0.15, more=False)
    for service in stacks.SERVICES:
        yield against(f"{service} stop", "s", "baseline", 0.06, more=False)
    for service in stacks.SERVICES:
        yield against(f"{service} megabytes", "MB on top of the base", "baseline", 0.5, more=False)
    for service in stacks.SERVICES:
        yield against(f"{service} resident", "MB at idle", "baseline", 1.0, more=False)


if __name__ == "__main__":
    main()
