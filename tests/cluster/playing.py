"""What controllers and nodes would do: recorded failures, and a Deployment that rolls out."""

import copy
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import double
import yaml

RECORDED = Path(__file__).parent / "recorded"
NAMESPACE = "microservices"
OURS = {"app.kubernetes.io/part-of": "online-books-for-you"}


def recorded(name: str) -> list[double.Object]:
    """The objects of a recording."""
    return yaml.safe_load((RECORDED / f"{name}.yaml").read_text(encoding="utf-8"))["items"]


def play(server: double.Cluster, name: str) -> None:
    """Put a recording into the double."""
    for thing in recorded(name):
        server.put(thing)


def namespace(name: str = NAMESPACE, labels: dict[str, str] = OURS) -> double.Object:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": dict(labels)}}


def deployment(
    name: str = "marketplace", image: str = "marketplace:1.0.0", replicas: int = 2
) -> double.Object:
    """A manifest that is as small as can be."""
    labels = {"app.kubernetes.io/name": name}
    containers = [{"name": name, "image": image}, {"name": "proxy", "image": "proxy:1"}]
    template = {"metadata": {"labels": labels}, "spec": {"containers": containers}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": labels},
        "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template},
    }


class Controllers:
    """The Deployment controller, for one Deployment that a test has applied.

    Args:
        server: where it is.
        name: which.
    """

    def __init__(self, server: double.Cluster, name: str = "marketplace") -> None:
        self._server, self._name = server, name
        self._revision = 0

    def start(self) -> double.Object:
        """See the newest version, and make the ReplicaSet for it; returns the ReplicaSet."""
        self._revision += 1
        found = self._server.get("apps/v1", "Deployment", self._name, NAMESPACE)
        template = copy.deepcopy(found["spec"]["template"])
        template["metadata"]["labels"]["pod-template-hash"] = f"r{self._revision}"
        owner = {"apiVersion": "apps/v1", "kind": "Deployment", "name": self._name, "controller": True}
        metadata = {
            "name": f"{self._name}-r{self._revision}",
            "namespace": NAMESPACE,
            "uid": f"{self._name}-r{self._revision}",
            "labels": template["metadata"]["labels"],
            "annotations": {"deployment.kubernetes.io/revision": str(self._revision)},
            "ownerReferences": [{**owner, "uid": found["metadata"]["uid"]}],
        }
        spec = {"replicas": 2, "selector": found["spec"]["selector"], "template": template}
        made = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": metadata, "spec": spec}
        self._server.put(made)
        return made

    def status(self, updated: int, available: int, old: int = 0) -> None:
        """Write the Deployment's status: pods of the new version, how many of them serve, pods of the old."""
        found = self._server.get("apps/v1", "Deployment", self._name, NAMESPACE)
        found["status"] = {
            "observedGeneration": found["metadata"]["generation"],
            "replicas": updated + old,
            "updatedReplicas": updated,
            "availableReplicas": available + old,
        }
        self._server.put(found)

    def pod(self, number: int, status: double.Object, **metadata: Any) -> double.Object:
        """Make or change a pod of the newest ReplicaSet."""
        owner = {"apiVersion": "apps/v1", "kind": "ReplicaSet", "controller": True}
        of = f"{self._name}-r{self._revision}"
        set_ = self._server.get("apps/v1", "ReplicaSet", of, NAMESPACE)
        about = {
            "name": f"{of}-{number}",
            "namespace": NAMESPACE,
            "uid": f"{of}-{number}",
            "creationTimestamp": f"2026-11-25T05:00:0{number}Z",
            "labels": set_["spec"]["template"]["metadata"]["labels"],
            "ownerReferences": [{**owner, "name": of, "uid": of}],
            **metadata,
        }
        spec = {**set_["spec"]["template"]["spec"], "nodeName": "node-1"}
        made = {"apiVersion": "v1", "kind": "Pod", "metadata": about, "spec": spec, "status": status}
        self._server.put(made)
        return made


READY: double.Object = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}


def beside(work: Callable[[], None]) -> threading.Thread:
    """Run something beside the test's own thread."""
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread
