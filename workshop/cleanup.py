"""Tell what the workshop made from what was there before, and remove only the former."""

from collections.abc import Collection

from docker import DockerClient
from docker.errors import APIError, ImageNotFound, NotFound

from workshop.base_image import STAND_IN
from workshop.errors import PlainError

LABEL = "microservices-workshop"
LABELS = {LABEL: "lesson"}  # Goes on every container and network that a lesson makes.
IMAGE_LABELS = {LABEL: "image"}  # Goes on every image; what a learner runs from one inherits it.

NAMES = ("recommendations", "marketplace")
NETWORK = "microservices"

_OURS: dict[str, str | list[str] | bool] = {"label": LABEL}


class NameTaken(PlainError):
    """A name that the lessons use belongs to something that the workshop did not make."""


def start_over(client: DockerClient) -> None:
    """Remove the containers and networks that an earlier run left, so that this one can make them.

    Raises:
        NameTaken: a container or network of the learner's own has a name that the lessons need.
    """
    remove_containers(client)
    if found := strangers(client):
        raise NameTaken(
            "The lessons need names that things of your own have; the workshop leaves those alone.\n"
            "Rename or remove them, then run this cell again:\n  - " + "\n  - ".join(found)
        )


def remove_everything(client: DockerClient) -> None:
    """Remove every container, network and image that carries the workshop's label, and the stand-in base."""
    remove_containers(client)
    remove_images(client)
    _gone(client.images.remove, STAND_IN)


def remove_containers(client: DockerClient) -> None:
    """Remove the workshop's containers and networks."""
    for container in client.containers.list(all=True, filters=_OURS, ignore_removed=True):
        if _is_ours(container.labels):
            _gone(container.remove, force=True, v=True)
    for network in client.networks.list(filters=_OURS, greedy=True):
        for guest in network.containers:  # A learner's own container may have joined.
            _gone(network.disconnect, guest, force=True)
        _gone(network.remove)


def remove_images(client: DockerClient, keep: Collection[str] = ()) -> None:
    """Remove the workshop's images, and what the builder kept of them.

    Args:
        client: the engine.
        keep: ids of images that stay.
    """
    # Tagged images first: removing one takes its untagged parents along.
    images = client.images.list(filters=_OURS) + client.images.list(all=True, filters=_OURS)
    for image in images:
        if image.id not in keep:
            _gone(client.images.remove, image.id, force=True)


def strangers(client: DockerClient) -> list[str]:
    """What is not the workshop's and has a name that the lessons need, each with a command as a remedy."""
    containers = [
        f"container “{container.name}”: `docker rename {container.name} my-{container.name}`"
        for container in client.containers.list(all=True, ignore_removed=True)
        if container.name in NAMES and not _is_ours(container.labels)
    ]
    networks = [
        f"network “{network.name}”: `docker network rm {network.name}`"
        for network in client.networks.list(names=[NETWORK])
        if network.name == NETWORK and LABEL not in (network.attrs.get("Labels") or {})
    ]
    images = [
        f"image “{name}”: `docker tag {name} my-{name}`, then `docker rmi {name}`"
        for image in client.images.list()
        for name in NAMES
        if f"{name}:latest" in image.tags and LABEL not in image.labels
    ]
    return containers + networks + images


def _is_ours(labels: dict[str, str]) -> bool:
    """Whether a lesson made the container; one that a learner ran from our image has the image's label."""
    return labels.get(LABEL, IMAGE_LABELS[LABEL]) != IMAGE_LABELS[LABEL]


def _gone(remove, *args, **options) -> None:  # type: ignore[no-untyped-def]
    """Call `remove`; that something else removed it first is fine."""
    try:
        remove(*args, **options)
    except (NotFound, ImageNotFound):
        pass
    except APIError as error:
        # 409: a removal of the same thing is under way, or an image is a parent of one still listed.
        if error.status_code != 409:
            raise
