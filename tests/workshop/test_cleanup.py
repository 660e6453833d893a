"""Cleaning up takes what the workshop made, and leaves what is the learner's own."""

import io

import pytest
from docker.errors import ImageNotFound, NotFound

from workshop import cleanup

MINE = "a-learner-s-own"


@pytest.fixture
def base(client, python_image):
    """An empty image of the learner's own, without the workshop's label."""
    image, _ = client.images.build(fileobj=io.BytesIO(b"FROM scratch\nCMD ['nothing']\n"), tag=MINE, rm=True)
    yield image
    for container in client.containers.list(all=True):
        if container.attrs["Image"] == image.id:
            container.remove(force=True)
    client.images.remove(MINE, force=True)


def test_it_removes_ours_and_nothing_else(client, base):
    mine = client.containers.create(MINE)
    my_network = client.networks.create(MINE)
    ours = client.containers.create(MINE, labels=cleanup.LABELS)
    our_network = client.networks.create("workshop-test", labels=cleanup.LABELS)
    keep = {image.id for image in client.images.list(all=True)}
    dockerfile = io.BytesIO(f"FROM {MINE}\nLABEL {cleanup.LABEL}=test\n".encode())
    our_image, _ = client.images.build(fileobj=dockerfile, tag="workshop-test", rm=True)
    try:
        cleanup.start_over(client)
        cleanup.remove_images(client, keep=keep)
        mine.reload()
        my_network.reload()
        assert client.images.get(MINE)
        for gone, error in ((ours, NotFound), (our_network, NotFound)):
            with pytest.raises(error):
                gone.reload()
        with pytest.raises(ImageNotFound):
            client.images.get(our_image.id)
    finally:
        my_network.remove()


def test_a_learner_s_container_of_our_name_is_refused_with_a_remedy(client, base):
    cleanup.start_over(client)
    mine = client.containers.create(MINE, name="recommendations")
    with pytest.raises(cleanup.NameTaken, match="docker rename recommendations my-recommendations"):
        cleanup.start_over(client)
    mine.reload()


def test_a_network_that_a_learner_s_container_joined_can_be_removed(client, python_image):
    network = client.networks.create("workshop-test", labels=cleanup.LABELS)
    wait = ["python3", "-c", "import threading; threading.Event().wait()"]
    mine = client.containers.run(python_image, wait, network="workshop-test", detach=True)
    try:
        cleanup.start_over(client)
        with pytest.raises(NotFound):
            network.reload()
        mine.reload()
        assert mine.status == "running"
    finally:
        mine.remove(force=True)
