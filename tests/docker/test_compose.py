"""`docker compose up` gives the same system as the lesson's cells."""

import os
import shutil
import subprocess

import pytest

from workshop import cleanup
from workshop.repository import ROOT

from waiting import page, published_port, until


@pytest.fixture
def command(tool) -> list[str]:
    """The plugin `docker compose`, or the older program `docker-compose`."""
    plugin = ["docker", "compose"]
    if shutil.which("docker") and subprocess.run([*plugin, "version"], capture_output=True).returncode == 0:
        return plugin
    return [tool("No compose here: sudo apt-get install docker-compose", ["docker-compose"])]


@pytest.fixture
def compose(client, images, python_image, command):
    cleanup.start_over(client)
    full = [*command, "-p", "workshop-test", "-f", str(ROOT / "docker" / "compose.yaml")]
    # Port 0: the engine chooses one that is free.
    variables = {**os.environ, "PYTHON_IMAGE": python_image, "MARKETPLACE_PORT": "0", "DOCKER_BUILDKIT": "0"}

    def compose(*arguments: str) -> str:
        finished = subprocess.run([*full, *arguments], env=variables, capture_output=True, text=True)
        assert finished.returncode == 0, finished.stdout + finished.stderr
        return finished.stdout

    yield compose
    compose("down", "--timeout", "5")


def test_one_command_brings_the_whole_system_up(client, compose):
    compose("up", "--detach", "--build")
    [marketplace] = client.containers.list(
        filters={
            "label": ["com.docker.compose.project=workshop-test", "com.docker.compose.service=marketplace"]
        }
    )
    port = published_port(marketplace, "5000/tcp")
    until(lambda: page(port).count("data-book-id") == 3, "the page shows three books")


def test_what_compose_runs_is_locked(client, compose):
    compose("up", "--detach")
    containers = client.containers.list(filters={"label": "com.docker.compose.project=workshop-test"})
    assert len(containers) == 2
    for container in containers:
        host = container.attrs["HostConfig"]
        assert host["ReadonlyRootfs"] is True
        assert host["CapDrop"] == ["ALL"]
        assert host["SecurityOpt"] == ["no-new-privileges:true"]


def test_what_compose_makes_is_told_from_the_learner_s_own(client, compose):
    compose("up", "--detach")
    cleanup.start_over(client)
    assert (
        client.containers.list(all=True, filters={"label": "com.docker.compose.project=workshop-test"}) == []
    )
    assert client.networks.list(names=["microservices"]) == []
