"""What is left of containers when the engine is killed, and when it is told to stop."""

import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import docker

from tests.pocket_engine import small_root
from tests.pocket_engine.embedded import EmbeddedEngine


def _load(client: docker.DockerClient, folder: Path) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        archive.add(small_root.make(folder / "root"), ".")
    client.api.import_image_from_data(packed.getvalue(), repository="small", tag="latest")


def test_after_a_crash(new_engine: Callable[..., EmbeddedEngine], tmp_path: Path) -> None:
    engine = new_engine().start()
    always, unless_stopped = {"Name": "always"}, {"Name": "unless-stopped"}
    with engine.client() as client:
        _load(client, tmp_path)

        def run(name: str, **options: object) -> None:
            client.containers.run("small", ["sleep", "1000"], name=name, detach=True, **options)

        run("plain")
        run("again", restart_policy=always)
        run("stopped", restart_policy=unless_stopped)
        client.containers.get("stopped").stop(timeout=0)
        run("passing", auto_remove=True, volumes=["/data"])
        client.containers.create("small", ["true"], name="fresh", restart_policy=always)
    engine.kill()
    (engine.data_root / "containers" / ("f" * 64)).mkdir()  # One that was being made.
    engine.start()
    with engine.client() as client:
        found = {container.name: container for container in client.containers.list(all=True)}
        assert {name: container.status for name, container in found.items()} == {
            "plain": "exited",
            "again": "running",
            "stopped": "exited",
            "fresh": "created",
        }
        assert found["plain"].attrs["State"]["ExitCode"] == 137
        assert client.volumes.list() == []
        assert len(list((engine.data_root / "containers").iterdir())) == 4


def test_after_an_orderly_stop(new_engine: Callable[..., EmbeddedEngine], tmp_path: Path) -> None:
    engine = new_engine().start()
    script = "trap 'echo bye; exit 0' TERM; echo ready; while true; do sleep 0.05; done"
    with engine.client() as client:
        _load(client, tmp_path)
        policy = {"Name": "unless-stopped"}
        container = client.containers.run("small", ["sh", "-c", script], detach=True, restart_policy=policy)
        assert next(container.logs(stream=True, follow=True)) == b"ready\n"
    assert engine.stop() == 0
    engine.start()
    with engine.client() as client:
        container = client.containers.get(container.id)
        assert container.status == "running"
        assert container.logs().startswith(b"ready\nbye\n")
