"""What tests of containers share: an image of a few programs, and containers that are removed again."""

import io
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import docker
import pytest
from docker.models.containers import Container

from tests.pocket_engine import small_root
from tests.pocket_engine.embedded import eventually

IMAGE = "small:latest"
SECONDS = 10


@pytest.fixture(scope="module")
def image(client: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The name of an image with sh, cat, sleep and a few others, and the users root and app."""
    import_image(client, tmp_path_factory.mktemp("image"))
    yield IMAGE
    client.images.remove(IMAGE, force=True)


def import_image(client: docker.DockerClient, folder: Path) -> None:
    """Give an engine the image. `folder` is a new one."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        archive.add(small_root.make(folder / "root"), ".", filter=_owned)
    client.api.import_image_from_data(packed.getvalue(), repository="small", tag="latest")


Run = Callable[..., Container]


@pytest.fixture
def run(client: docker.DockerClient, image: str) -> Iterator[Run]:
    """Make and start containers that are removed after the test."""
    made: list[Container] = []

    def run(*command: str, start: bool = True, **options: Any) -> Container:
        container = client.containers.create(image, list(command), **options)
        made.append(container)
        if start:
            container.start()
        return container

    yield run
    for container in made:
        try:
            container.remove(force=True, v=True)
        except docker.errors.NotFound:
            continue


def state(container: Container) -> dict[str, Any]:
    """`State` as it is now."""
    container.reload()
    return container.attrs["State"]


def becomes(container: Container, status: str) -> None:
    """Wait until it has this status."""
    eventually(lambda: state(container)["Status"] == status, SECONDS, lambda: str(state(container)))


def says(container: Container, text: bytes) -> None:
    """Wait until its log has this in it."""
    eventually(lambda: text in container.logs(), SECONDS, lambda: str(container.logs()))


def _owned(member: tarfile.TarInfo) -> tarfile.TarInfo:
    owner = 10001 if Path(member.name) == Path("home/app") else 0
    member.uid = member.gid = owner
    member.uname = member.gname = ""
    return member
