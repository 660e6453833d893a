"""The list of containers, and what is shown of one."""

from collections.abc import Callable
from typing import Any

import docker
import pytest

from tests.pocket_engine.containers import Run, image, run

__all__ = ["image", "run"]

Found = Callable[..., set[str]]


@pytest.fixture
def names(client: docker.DockerClient) -> Found:
    """The names of the containers that filters let through."""

    def names(**filters: Any) -> set[str]:
        return {container.name for container in client.containers.list(all=True, filters=filters)}

    return names


def test_filters(client: docker.DockerClient, run: Run, names: Found) -> None:
    one = run("sleep", "100", name="list-one", labels={"tier": "web", "list": ""}, ports={"80/tcp": None})
    two = run("sh", "-c", "exit 3", name="list-two", labels={"list": ""}, volumes=["/tmp:/data"])
    two.wait()
    three = run("true", name="list-three", labels={"list": ""}, start=False, network_mode="none")
    ours = {"label": "list"}
    assert names(**ours) == {"list-one", "list-two", "list-three"}
    assert names(label=["list", "tier=web"]) == {"list-one"}
    assert names(name="^/?list-t") == {"list-two", "list-three"}
    assert names(id=one.id[:12]) == {"list-one"}
    assert names(status=["running", "created"], **ours) == {"list-one", "list-three"}
    assert names(exited=3, **ours) == {"list-two"}
    assert names(before="list-two", **ours) == {"list-one"}
    assert names(since="list-two", **ours) == {"list-three"}
    assert names(ancestor="small", **ours) == {"list-one", "list-two", "list-three"}
    assert names(volume="/data", **ours) == {"list-two"}
    assert names(network="none", **ours) == {"list-three"}
    assert names(expose="80", **ours) == {"list-one"}
    assert names(health="none", **ours) == {"list-one", "list-two", "list-three"}
    running = client.containers.list(filters=ours)
    assert [container.name for container in running] == ["list-one"]
    assert [found["Names"] for found in client.api.containers(limit=1)] == [["/list-three"]]
    assert three.status == "created"


def test_a_filter_that_is_none(client: docker.DockerClient, run: Run) -> None:
    with pytest.raises(docker.errors.APIError, match="(?i)invalid filter 'nosuch'"):
        client.containers.list(filters={"nosuch": "x"})
    with pytest.raises(docker.errors.APIError, match="Invalid filter 'status=nosuch'"):
        client.containers.list(filters={"status": "nosuch"})


def test_what_is_shown_in_the_list(client: docker.DockerClient, run: Run) -> None:
    container = run("sh", "-c", "sleep 100", labels={"a": "b"})
    (shown,) = client.api.containers(filters={"id": container.id}, size=True)
    assert shown["Image"] == "small:latest"
    assert shown["Command"] == "sh -c 'sleep 100'"
    assert shown["State"] == "running"
    assert shown["Status"].startswith("Up ")
    assert shown["Labels"] == {"a": "b"}
    assert shown["SizeRootFs"] > shown["SizeRw"] >= 0
    assert list(shown["NetworkSettings"]["Networks"]) == ["bridge"]


def test_config_is_completed_from_the_image(client: docker.DockerClient, run: Run) -> None:
    made = run("true", start=False).commit(
        changes='ENTRYPOINT ["echo"]\nCMD ["default"]\nENV A=image B=image\nLABEL of=image\nWORKDIR /tmp'
    )
    try:
        container = client.containers.create(made.id, ["own"], environment={"A": "own"}, labels={"is": "own"})
        config = container.attrs["Config"]
        assert container.attrs["Path"] == "echo"
        assert container.attrs["Args"] == ["own"]
        assert {"A=own", "B=image"} <= set(config["Env"])
        assert "A=image" not in config["Env"]
        assert config["Labels"] == {"of": "image", "is": "own"}
        assert config["WorkingDir"] == "/tmp"
        assert config["Hostname"] == container.id[:12]
        container.remove()
    finally:
        client.images.remove(made.id, force=True)


def test_stats(run: Run) -> None:
    stats = run("sh", "-c", "while true; do true; done").stats(stream=False)
    assert stats["cpu_stats"]["cpu_usage"]["total_usage"] > stats["precpu_stats"]["cpu_usage"]["total_usage"]
    assert stats["memory_stats"]["usage"] > 0
    assert stats["pids_stats"]["current"] >= 1
    assert "eth0" in stats["networks"]


def test_update_changes_limits_and_policy(run: Run) -> None:
    container = run("sleep", "100", mem_limit="64m")
    container.update(mem_limit="32m", restart_policy={"Name": "on-failure", "MaximumRetryCount": 3})
    container.reload()
    host_config = container.attrs["HostConfig"]
    assert host_config["Memory"] == 32 * 1024 * 1024
    assert host_config["RestartPolicy"] == {"Name": "on-failure", "MaximumRetryCount": 3}
