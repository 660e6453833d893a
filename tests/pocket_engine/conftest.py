"""An engine for each way to run containers that this machine allows."""

from collections.abc import Callable, Iterator

import docker
import pytest

from pocket_engine.runners import choosing
from tests.pocket_engine.embedded import EmbeddedEngine, demand_runner


@pytest.fixture(scope="session", params=choosing.NAMES)
def engine(request: pytest.FixtureRequest) -> Iterator[EmbeddedEngine]:
    """An engine that runs; once with each runner. A runner that this machine does not allow is skipped."""
    demand_runner(request.param)
    embedded = EmbeddedEngine("--runner", request.param)
    try:
        yield embedded.start()
    finally:
        embedded.discard()


@pytest.fixture(scope="session")
def chosen_engine() -> Iterator[EmbeddedEngine]:
    """An engine that chose its runner itself, for what does not depend on it."""
    embedded = EmbeddedEngine()
    try:
        yield embedded.start()
    finally:
        embedded.discard()


@pytest.fixture(scope="session")
def client(engine: EmbeddedEngine) -> Iterator[docker.DockerClient]:
    """The Docker SDK for Python, connected to `engine`."""
    with engine.client() as client:
        yield client


@pytest.fixture
def new_engine() -> Iterator[Callable[..., EmbeddedEngine]]:
    """Make engines that one test starts, stops and kills."""
    made: list[EmbeddedEngine] = []

    def new_engine(*options: str) -> EmbeddedEngine:
        made.append(EmbeddedEngine(*options))
        return made[-1]

    yield new_engine
    for embedded in made:
        embedded.discard()
