"""What clients send to an engine: archives of images, contexts of builds, and how it answers."""

import io
import json
import tarfile
from pathlib import Path

import docker

from tests.pocket_engine import small_root
from tests.pocket_engine.embedded import Answer
from tests.pocket_engine.registries import digest_of
from tests.pocket_engine.tars import tar

BASE = "base:1"


def import_base(client: docker.DockerClient, folder: Path) -> None:
    """Give an engine an image of a few programs, `BASE`.

    Args:
        client: of the engine.
        folder: does not exist yet.
    """
    root = io.BytesIO()
    with tarfile.open(fileobj=root, mode="w") as archive:
        archive.add(small_root.make(folder), ".")
    client.api.import_image_from_data(root.getvalue(), *BASE.split(":"))


def saved(layer: bytes, name: str) -> bytes:
    """What `docker save` writes of an image of one layer."""
    described = {"architecture": "amd64", "os": "linux", "config": {"Cmd": ["sh"]}}
    config = json.dumps(described | {"rootfs": {"type": "layers", "diff_ids": [digest_of(layer)]}}).encode()
    manifest = json.dumps([{"Config": "config.json", "RepoTags": [name], "Layers": ["layer.tar"]}]).encode()
    return tar(("manifest.json", manifest), ("config.json", config), ("layer.tar", layer))


def context(*dockerfile: str, **files: bytes) -> bytes:
    """The context of a build: the lines of its Dockerfile, and other files."""
    return tar(("Dockerfile", "\n".join(dockerfile).encode()), *files.items())


def error_of(answer: Answer) -> str:
    """What the engine says that went wrong, at once or at the end of a stream; "" for nothing."""
    items = [json.loads(line) for line in answer.body.splitlines() if line]
    if answer.status >= 400:
        return str(items[0]["message"])
    last = items[-1] if items else None
    return str(last.get("error", "")) if isinstance(last, dict) else ""
