"""Nothing of a notebook outlives its test."""

from collections.abc import Iterator

import docker
import psutil
import pytest

from workshop import cleanup


@pytest.fixture
def clean_machine(client: docker.DockerClient, python_image: str) -> Iterator[docker.DockerClient]:
    """The engine without the workshop's containers; the notebook itself must remove what it makes."""
    cleanup.start_over(client)
    children = set(psutil.Process().children(recursive=True))
    yield client
    left = [c.name for c in client.containers.list(all=True, filters={"label": cleanup.LABEL})]
    left += [n.name for n in client.networks.list(filters={"label": cleanup.LABEL})]
    left += [" ".join(p.cmdline()) for p in set(psutil.Process().children(recursive=True)) - children]
    cleanup.start_over(client)
    assert not left, f"the notebook left these running: {left}"
