"""What all tests share: the engine, and the promise that nothing is left behind."""

import os
import shutil
from collections.abc import Callable, Iterator, Sequence

import docker
import pytest

from workshop import base_image, cleanup, engine


@pytest.fixture(scope="session")
def tool() -> Callable[[str, Sequence[str]], str]:
    """Find a program that some tests need beside Python and the engine.

    Where it is missing, a learner's run goes on without those tests and says so; CI has to have it.
    """

    def tool(remedy: str, names: Sequence[str]) -> str:
        if found := next(filter(None, map(shutil.which, names)), None):
            return found
        return pytest.fail(remedy) if "CI" in os.environ else pytest.skip(remedy)

    return tool


@pytest.fixture(scope="session")
def client() -> Iterator[docker.DockerClient]:
    """The machine's Docker Engine; without one the test fails and says what to do.

    At the end the workshop's containers and networks go, and the images that were not there before.
    """
    client = engine.connect()
    things_before, tags_before, images_before = _things(client), _tags(client), _images(client)
    yield client
    cleanup.start_over(client)
    cleanup.remove_images(client, keep=images_before)
    # An image that was there before, as lessons leave them, may have got another name.
    for tag in _tags(client) - tags_before:
        client.images.remove(tag)
    left = _things(client) - things_before
    assert not left, f"the tests left these behind: {sorted(left)}"


@pytest.fixture(scope="session", autouse=True)
def no_progress_of_the_learner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What tests solve is not ticked off in the learner's own list."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WORKSHOP_PROGRESS", str(tmp_path_factory.mktemp("progress") / "progress.json"))
        yield


@pytest.fixture(scope="session")
def python_image(client: docker.DockerClient) -> str:
    """The base image's name, for `PYTHON_IMAGE`; it stays, because making it takes a minute."""
    return base_image.ensure(client)


def _things(client: docker.DockerClient) -> set[str]:
    """Everything on the engine that has a name, but the base image."""
    containers = {f"container {c.name}" for c in client.containers.list(all=True, ignore_removed=True)}
    networks = {f"network {n.name}" for n in client.networks.list()}
    return containers | networks | {f"image {tag}" for tag in _tags(client)}


def _tags(client: docker.DockerClient) -> set[str]:
    """The names of all images, but the base image's: that stays."""
    tags = {tag for image in client.images.list() for tag in image.tags}
    return tags - {base_image.STAND_IN, base_image.OFFICIAL}


def _images(client: docker.DockerClient) -> set[str]:
    return {image.id for image in client.images.list(all=True)}
