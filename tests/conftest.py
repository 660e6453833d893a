"""What all tests share: the engine, and the promise that nothing is left behind."""

from collections.abc import Iterator

import docker
import pytest

from workshop import base_image, cleanup, engine


@pytest.fixture(scope="session")
def client() -> Iterator[docker.DockerClient]:
    """The machine's Docker Engine; without one the test fails and says what to do."""
    client = engine.connect()
    before = _belongings(client)
    yield client
    cleanup.start_over(client)
    left = _belongings(client) - before
    assert not left, f"the tests left these behind: {sorted(left)}"


@pytest.fixture(scope="session")
def python_image(client: docker.DockerClient) -> str:
    """The base image's name, for `PYTHON_IMAGE`; it stays, because making it takes a minute."""
    return base_image.ensure(client)


def _belongings(client: docker.DockerClient) -> set[str]:
    """Everything on the engine that has a name or runs."""
    containers = {f"container {c.name}" for c in client.containers.list(all=True, ignore_removed=True)}
    networks = {f"network {n.name}" for n in client.networks.list()}
    tags = {f"image {tag}" for image in client.images.list() for tag in image.tags}
    return containers | networks | {t for t in tags if base_image.STAND_IN not in t}
