"""Bring images from the engine to a cluster: every sort of cluster has a way of its own.

ClusterError
  ImageMissing          the engine has no such image
  CannotLoad            no way leads from this engine to this cluster, or the way failed
"""

import json
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import docker
import kubernetes.client as client
import yaml
from docker.errors import APIError, ImageNotFound
from docker.utils import parse_repository_tag
from urllib3.exceptions import HTTPError

from workshop.cluster import kind
from workshop.cluster.errors import ClusterError
from workshop.cluster.finding import Found

LOAD_SECONDS = 600
API_SECONDS = (5.0, 10.0)
LAST_LINES = 6

# Kubernetes' convention for a registry near the cluster, KEP-1755.
ANNOUNCEMENT, ANNOUNCED_IN, ANNOUNCED_AS = "local-registry-hosting", "kube-public", "localRegistryHosting.v1"


class ImageMissing(ClusterError):
    """The engine has no such image; the message says how to build it."""


class CannotLoad(ClusterError):
    """An image does not get to the cluster; the message says why, and what to do."""


def load(found: Found, engine: docker.DockerClient, names: Sequence[str]) -> dict[str, str]:
    """Bring images to a cluster, so that its nodes need not pull them.

    Like `kind load docker-image NAME`, `minikube image load NAME` or `k3d image import NAME`. A cluster that
    uses the engine's own images, or has them already, needs nothing; one that announces a registry gets them
    through that.

    Args:
        found: the cluster.
        engine: what has the images.
        names: with their tags, e.g. `recommendations:1.0.0`.

    Returns:
        For each name, the one by which the cluster knows the image.

    Raises:
        ImageMissing: the engine does not have one of them.
        CannotLoad: the cluster's tool failed, or there is no way.
    """
    for name in names:
        _expect(engine, name)
    if command := _LOADERS.get(found.kind):
        for name in names:
            with _archive(engine, name) as archive:
                _run(command(found, str(archive)), name)
        return {name: name for name in names}
    if _shares_images(found, engine):
        return {name: name for name in names}
    if _are_there(found, names):
        return {name: name for name in names}
    if registry := _registry(found):
        return {name: _push(engine, name, *registry) for name in names}
    raise CannotLoad(
        f"No way leads from this engine to the nodes of “{found.context}”. Push the images to a registry "
        "that the cluster can pull from (`docker tag NAME REGISTRY/NAME`, `docker push REGISTRY/NAME`), and "
        "say so in the overlay's kustomization.yaml: images: [{name: NAME, newName: REGISTRY/NAME}]."
    )


def _expect(engine: docker.DockerClient, name: str) -> None:
    try:
        engine.images.get(name)
    except ImageNotFound:
        component = parse_repository_tag(name)[0].rpartition("/")[2]
        raise ImageMissing(
            f"The engine has no image “{name}”. Lesson 06 builds it; in the repository's root, so does\n"
            f"  docker build . -f docker/{component}.Dockerfile -t {name}"
        ) from None


@contextmanager
def _archive(engine: docker.DockerClient, name: str) -> Iterator[Path]:
    """The image as a file, as `docker save` writes it; it goes when it is not needed any more."""
    with tempfile.TemporaryDirectory(prefix="workshop-image-") as folder:
        path = Path(folder, "image.tar")
        with path.open("wb") as file:
            for chunk in engine.api.get_image(name):
                file.write(chunk)
        yield path


def _kind(found: Found, archive: str) -> list[str]:
    program = str(kind.ensure(lambda line: None))
    return [program, "load", "image-archive", archive, "--name", found.cluster_name]


def _minikube(found: Found, archive: str) -> list[str]:
    return [_installed("minikube"), "image", "load", archive, "--profile", found.cluster_name]


def _k3d(found: Found, archive: str) -> list[str]:
    return [_installed("k3d"), "image", "import", archive, "--cluster", found.cluster_name]


_LOADERS: dict[str, Callable[[Found, str], list[str]]] = {"kind": _kind, "minikube": _minikube, "k3d": _k3d}


def _installed(program: str) -> str:
    if path := shutil.which(program):
        return path
    raise CannotLoad(
        f"Images get into this cluster by the command {program}, which is not on the PATH. Install it."
    )


def _run(command: list[str], name: str) -> None:
    program = Path(command[0]).stem
    try:
        done = subprocess.run(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
            errors="replace",
            timeout=LOAD_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise CannotLoad(f"{program} did not load “{name}” within {LOAD_SECONDS // 60} minutes.") from None
    except OSError as error:
        raise CannotLoad(f"{command[0]} cannot be run: {error.strerror or error}.") from error
    if done.returncode:
        last = "\n".join(f"  {line}" for line in done.stdout.strip().splitlines()[-LAST_LINES:])
        raise CannotLoad(f"{program} could not load “{name}”{_cause(done.stdout)}. Its last words:\n{last}")


def _cause(said: str) -> str:
    if "no space left" in said.lower():
        return ": the node's disk is full"
    if "content digest" in said and "not found" in said:
        return ": its archive is not complete; build the image anew for this machine's processor only"
    return ""


def _shares_images(found: Found, engine: docker.DockerClient) -> bool:
    """Whether the cluster's nodes run their containers on this very engine, and so have its images.

    A name such as `docker-desktop` does not prove it: Docker Desktop can also make nodes with a store of
    their own, and Rancher Desktop can use containerd. A node says what it runs containers with, e.g.
    `docker://28.3.2`; where that is Docker in the engine's version, and the engine's machine has the node's
    name, it is the engine.
    """
    nodes = _read(client.CoreV1Api(found.api).list_node).get("items") or []
    ours = engine.info()
    runtime = f"docker://{ours.get('ServerVersion')}"
    return [_node(node) for node in nodes] == [(runtime, str(ours.get("Name")))]


def _are_there(found: Found, names: Sequence[str]) -> bool:
    """Whether every node has the images already, because somebody brought them by other means."""
    nodes = _read(client.CoreV1Api(found.api).list_node).get("items") or []
    known = [{name for image in _images(node) for name in image.get("names") or []} for node in nodes]
    return bool(known) and all(f"docker.io/library/{name}" in there for there in known for name in names)


def _images(node: dict[str, Any]) -> list[dict[str, Any]]:
    return (node.get("status") or {}).get("images") or []


def _node(node: dict[str, Any]) -> tuple[str, str]:
    status = node.get("status") or {}
    labels = node["metadata"].get("labels") or {}
    runtime = (status.get("nodeInfo") or {}).get("containerRuntimeVersion", "")
    return runtime, labels.get("kubernetes.io/hostname", node["metadata"]["name"])


def _registry(found: Found) -> tuple[str, str] | None:
    """The registry that the cluster announces: where to push to, and how nodes call it; None without one."""
    api = client.CoreV1Api(found.api)
    answer = _read(api.read_namespaced_config_map, ANNOUNCEMENT, ANNOUNCED_IN)
    try:
        said = yaml.safe_load((answer.get("data") or {}).get(ANNOUNCED_AS) or "")
    except yaml.YAMLError:
        said = None
    host = said.get("host") if isinstance(said, dict) else None
    return (host, said.get("hostFromContainerRuntime") or host) if host else None


def _read(call: Callable[..., Any], *arguments: str) -> dict[str, Any]:
    """What the API answers, as plain data; nothing where it refuses, because another way may be open."""
    try:
        answer = call(*arguments, _preload_content=False, _request_timeout=API_SECONDS)
        return json.loads(answer.data) if answer.status == 200 else {}
    except client.ApiException as error:
        if error.status in (403, 404):
            return {}
        raise CannotLoad(
            f"The cluster does not say how images get into it: {error.status} {error.reason}"
        ) from error
    except HTTPError as error:
        raise CannotLoad(f"The cluster does not answer: {error}") from error


def _push(engine: docker.DockerClient, name: str, host: str, host_of_nodes: str) -> str:
    repository, tag = parse_repository_tag(name)
    ours, tag = f"{host}/{repository}", tag or "latest"
    image = engine.images.get(name)
    was_there = f"{ours}:{tag}" in image.tags
    image.tag(ours, tag)
    try:
        for line in engine.images.push(ours, tag, stream=True, decode=True):
            if "error" in line:
                raise CannotLoad(f"The registry {host} did not take “{name}”: {line['error']}")
    except APIError as error:
        raise CannotLoad(
            f"The registry {host} did not take “{name}”: {error.explanation or error}"
        ) from error
    finally:
        if not was_there:
            with suppress(APIError):  # Else it would hide why the push failed.
                engine.images.remove(f"{ours}:{tag}", noprune=True)  # Only that name of it.
    return f"{host_of_nodes}/{repository}:{tag}"
