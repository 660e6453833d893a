"""The workshop's images, built by the engine's classic builder, and containers that go away again."""

from collections.abc import Callable, Iterator

import docker
import pytest
from docker.models.containers import Container

from workshop import cleanup

from building import build

Run = Callable[..., Container]


@pytest.fixture(scope="session")
def images(client: docker.DockerClient, python_image: str) -> None:
    """Both images, under the names that the lessons use."""
    for name in cleanup.NAMES:
        build(client, name, python_image)


@pytest.fixture
def run(client: docker.DockerClient, images: None) -> Iterator[Run]:
    """Start a container that carries the workshop's label; all of those are removed after the test."""

    def run(image: str, **options) -> Container:
        return client.containers.run(image, detach=True, labels=cleanup.LABELS, **options)

    yield run
    cleanup.start_over(client)
