"""What is compared: our two services, the same as first tutorials build them, and what is possible at all."""

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import docker
from docker.models.containers import Container

from benchmarks.untraced import UNTRACED
from workshop import base_image, cleanup
from workshop.repository import ROOT

SERVICES = ("recommendations", "marketplace")
LOCKED = {"read_only": True, "cap_drop": ["ALL"], "security_opt": ["no-new-privileges"]}
NETWORK = "bench"
HERE = Path(__file__).parent


class Stack:
    """Two images built from a folder of its own, so that a line in it may be changed.

    Args:
        client: the engine.
        name: `ours` or `baseline`.
        folder: the build context.
        code: the folder of a service's code in it, with `{}` for the service's name.
        dockerfile: its Dockerfile there, with `{}` for the service's name.
    """

    def __init__(
        self, client: docker.DockerClient, name: str, folder: Path, code: str, dockerfile: str
    ) -> None:
        self._client, self.name, self._folder = client, name, folder
        self._code, self._dockerfile = code, dockerfile

    def image(self, service: str) -> str:
        return f"bench-{self.name}-{service}"

    def build(self, service: str) -> float:
        """Build a service's image, and return how many seconds it took."""
        started = time.perf_counter()
        self._client.images.build(
            path=str(self._folder),
            dockerfile=self._dockerfile.format(service),
            tag=self.image(service),
            buildargs={"PYTHON_IMAGE": base_image.ensure(self._client)},
            labels=cleanup.IMAGE_LABELS,
            rm=True,
        )
        return time.perf_counter() - started

    def rebuild(self, service: str) -> float:
        """Change one line of a service's code, build again, and return how many seconds that took."""
        file = self._folder / self._code.format(service) / f"{service}.py"
        with file.open("a") as code:
            code.write(f"# changed at {time.time()}\n")
        return self.build(service)

    def bytes_on_top(self, service: str) -> int:
        """How much larger the image is than its base."""
        base = self._client.images.get(base_image.ensure(self._client))
        return self._client.images.get(self.image(service)).attrs["Size"] - base.attrs["Size"]


@contextmanager
def stacks(client: docker.DockerClient) -> Iterator[tuple[Stack, Stack]]:
    """Ours and the baseline, built."""
    with tempfile.TemporaryDirectory() as folder:
        ours, baseline = Path(folder, "ours"), Path(folder, "baseline")
        shutil.copytree(HERE / "baseline", baseline)
        shutil.copytree(ROOT / "protobufs", baseline / "protobufs")
        for room in ("docker", "protobufs", "services"):
            shutil.copytree(ROOT / room, ours / room)
        shutil.copy(ROOT / ".dockerignore", ours)
        pair = (
            Stack(client, "ours", ours, "services/{}", "docker/{}.Dockerfile"),
            Stack(client, "baseline", baseline, "{}", "{}.Dockerfile"),
        )
        for stack in pair:
            for service in SERVICES:
                stack.build(service)
        yield pair


def run(client: docker.DockerClient, image: str, name: str, **options) -> Container:
    """Start a container on the benchmarks' network, under a name that others find it by."""
    return client.containers.run(
        image, name=f"bench-{name}", detach=True, network=NETWORK, labels=cleanup.LABELS, **options
    )


def start(client: docker.DockerClient) -> dict[str, Container]:
    """Start everything that is measured: ours, ours without tracing, the baseline, the floor."""
    client.networks.create(NETWORK, labels=cleanup.LABELS)
    floor = {"volumes": {str(HERE / "floor"): {"bind": "/floor", "mode": "ro"}}}
    found = {"environment": {"PYTHONPATH": "/service"}}
    image = "bench-{}-{}".format
    containers = {
        "ours recommendations": run(client, image("ours", "recommendations"), "ours-r", **LOCKED),
        "untraced recommendations": run(
            client, image("ours", "recommendations"), "untraced-r",
            command=["python", "-c", UNTRACED.format(module="recommendations")], **LOCKED,
        ),
        "baseline recommendations": run(client, image("baseline", "recommendations"), "baseline-r"),
        "floor recommendations": run(
            client, image("ours", "recommendations"), "floor-r",
            command=["python", "/floor/recommendations.py"], **floor, **found,
        ),
        "floor marketplace": run(
            client, image("ours", "marketplace"), "floor-m",
            command=["python", "/floor/page.py"], **floor, **found,
        ),
    }  # fmt: skip
    for name, command in (
        ("ours", None),
        ("untraced", ["python", "-c", UNTRACED.format(module="server")]),
        ("baseline", None),
    ):
        options = {} if name == "baseline" else LOCKED
        containers[f"{name} marketplace"] = run(
            client,
            image("baseline" if name == "baseline" else "ours", "marketplace"),
            f"{name}-m",
            command=command,
            environment={"RECOMMENDATIONS_HOST": f"bench-{name}-r"},
            **options,
        )
    return containers


def address(container: Container, port: int) -> str:
    """Where this machine reaches a container's port; that works on Linux only."""
    container.reload()
    return f"{container.attrs['NetworkSettings']['Networks'][NETWORK]['IPAddress']}:{port}"


def resident_bytes(container: Container) -> int:
    """The resident memory of all of a container's processes."""
    table = container.top(ps_args="-o pid,rss")
    column = table["Titles"].index("RSS")
    return sum(int(row[column]) * 1024 for row in table["Processes"])


def processor_seconds(container: Container) -> float:
    """How much processor time a container has used so far."""
    now: Any = container.stats(stream=False)
    return now["cpu_stats"]["cpu_usage"]["total_usage"] / 1e9


def stop_seconds(container: Container) -> float:
    """How long a container takes to stop when asked; it is started again."""
    started = time.perf_counter()
    container.stop()
    seconds = time.perf_counter() - started
    container.start()
    return seconds
