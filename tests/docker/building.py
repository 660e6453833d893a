"""Build a service's image as the lessons do."""

import docker

from workshop.repository import ROOT


def build(client: docker.DockerClient, name: str, python_image: str, path: str = str(ROOT)) -> str:
    """Build and tag the image `name`, and return the builder's log."""
    log = client.api.build(
        path=path,
        dockerfile=f"docker/{name}.Dockerfile",
        tag=name,
        buildargs={"PYTHON_IMAGE": python_image},
        rm=True,
        decode=True,
    )
    text = "".join(line.get("stream", "") + line.get("error", "") for line in log)
    assert "Successfully tagged" in text, text
    return text
