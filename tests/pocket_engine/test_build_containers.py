"""RUN's containers: while a step lasts they are containers like others, and then they are gone."""

import contextlib
import io
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import docker
import pytest
from docker.models.containers import Container
from requests.exceptions import RequestException
from urllib3.exceptions import ProtocolError

from tests.pocket_engine.containers import IMAGE, image, import_image
from tests.pocket_engine.embedded import EmbeddedEngine, eventually

SECONDS = 30

__all__ = ["image"]  # The fixture.


class Building:
    """A build in a thread of its own; `items` are what it tells."""

    def __init__(self, client: docker.DockerClient, *steps: str, **options: Any) -> None:
        dockerfile = "\n".join([f"FROM {IMAGE}", *steps]).encode()
        self.items: list[dict[str, Any]] = []
        self._client = client
        self._stream = client.api.build(
            fileobj=io.BytesIO(dockerfile), nocache=True, decode=True, **{"rm": True, **options}
        )
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def container(self) -> Container:
        """The container of the step that runs."""
        eventually(lambda: self._client.containers.list(), SECONDS)
        (container,) = self._client.containers.list()
        return container

    def end(self) -> dict[str, Any]:
        """The last item."""
        self._thread.join(SECONDS)
        return self.items[-1]

    def _read(self) -> None:
        with contextlib.suppress(RequestException, ProtocolError):  # The engine is killed.
            self.items += self._stream


@pytest.fixture
def build(client: docker.DockerClient, image: str) -> Iterator[Callable[..., Building]]:
    assert client.containers.list(all=True) == []
    yield lambda *steps, **options: Building(client, *steps, **options)
    for container in client.containers.list(all=True):
        container.remove(force=True, v=True)


def left(client: docker.DockerClient) -> list[str]:
    return [container.status for container in client.containers.list(all=True)]


def test_while_it_runs_it_is_a_container_like_others(build: Any, client: docker.DockerClient):
    building = build("ENV A=1", "VOLUME /v", "HEALTHCHECK CMD true", "RUN echo one; sleep 100")
    container = building.container()
    config = container.attrs["Config"]
    assert config["Cmd"] == ["/bin/sh", "-c", "echo one; sleep 100"]
    assert config["Image"] == container.attrs["Image"] != client.images.get(IMAGE).id
    assert (config["Entrypoint"], config["Healthcheck"]) == (None, {"Test": ["NONE"]})
    assert "A=1" in config["Env"]
    assert container.name
    assert any("sleep" in " ".join(process) for process in container.top()["Processes"])
    assert container.exec_run(["sh", "-c", "echo $A"]).output == b"1\n"
    assert not client.containers.prune()["ContainersDeleted"]
    volumes = {volume.name for volume in client.volumes.list()}
    assert {point["Name"] for point in container.attrs["Mounts"]} <= volumes
    container.kill()
    assert building.end()["errorDetail"]["code"] == 137
    assert left(client) == ["exited"], "a failure can be looked at"


def test_it_may_be_removed_while_it_runs(build: Any, client: docker.DockerClient):
    building = build("RUN sleep 100")
    building.container().remove(force=True)
    assert building.end()["errorDetail"]["code"] == 137
    assert left(client) == []


@pytest.mark.parametrize(
    ("options", "command", "expected"),
    [
        ({"rm": True}, "true", []),
        ({"rm": True, "forcerm": True}, "false", []),
        ({"rm": True}, "false", ["exited"]),
        ({"rm": False}, "true", ["exited"]),
    ],
)
def test_what_is_left_of_a_step(
    build: Any, client: docker.DockerClient, options: dict, command: str, expected: list[str]
):
    building = build(f"RUN echo kept > /file && {command}", **options)
    last = building.end()
    assert ("error" in last) == (command == "false")
    assert left(client) == expected
    assert [c.diff() for c in client.containers.list(all=True)] == [[{"Path": "/file", "Kind": 1}]] * len(
        expected
    )
    said = "".join(item.get("stream", "") for item in building.items)
    assert ("Removing intermediate container" in said) == (not expected)
    client.containers.prune()
    assert left(client) == [], "what was left is a container like any other"


def test_events_are_those_of_a_container(build: Any, client: docker.DockerClient):
    seen: list[str] = []
    events = client.events(decode=True, filters={"type": "container"})
    listening = threading.Thread(target=lambda: seen.extend(event["Action"] for event in events), daemon=True)
    listening.start()
    eventually(lambda: (build("RUN true").end(), seen)[1], SECONDS)
    eventually(lambda: "destroy" in seen, SECONDS)
    events.close()
    begin = seen.index("create")
    assert seen[begin : begin + 5] == ["create", "attach", "start", "die", "destroy"]


def test_a_killed_engine_leaves_none(new_engine: Callable[..., EmbeddedEngine], tmp_path: Path):
    engine = new_engine().start()
    with engine.client() as client:
        import_image(client, tmp_path)
        Building(client, "VOLUME /v", "RUN sleep 100").container()
    engine.kill()
    engine.start()
    with engine.client() as client:
        assert left(client) == []
        assert client.volumes.list() == []
    assert os.listdir(Path(engine.data_root) / "containers") == []
