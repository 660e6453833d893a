"""A double of the API server, and the lesson's cluster that talks to it."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from kubernetes import client

sys.path.insert(0, str(Path(__file__).parent))

import double

from workshop.cluster import Cluster
from workshop.cluster.finding import Found


@pytest.fixture
def server() -> Iterator[double.Cluster]:
    """An API server that is empty; it must not have failed itself by the end."""
    with double.Cluster() as running:
        yield running
    assert not running.errors


@pytest.fixture
def shop(server: double.Cluster) -> Cluster:
    configuration = client.Configuration(host=server.url)
    return Cluster(Found("double", "cluster", "1.36.0", client.ApiClient(configuration), "double"))
