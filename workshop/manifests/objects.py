"""An object on its way through a build: who it is, what is set in it, and where its fields came from."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from workshop.manifests.files import Manifest, NotBuilt, copied
from workshop.manifests.schema import Keys

# The kinds that are in no namespace; no schema says so. A test compares them with the official client.
_NOT_IN_A_NAMESPACE = """
    APIService CSIDriver CSINode CertificateSigningRequest ClusterRole ClusterRoleBinding ClusterTrustBundle
    CustomResourceDefinition DeviceClass DeviceTaintRule FlowSchema IPAddress IngressClass
    MutatingAdmissionPolicy MutatingAdmissionPolicyBinding MutatingWebhookConfiguration Namespace Node
    PersistentVolume PriorityClass PriorityLevelConfiguration ResourcePoolStatusRequest ResourceSlice
    RuntimeClass ServiceCIDR StorageClass StorageVersion StorageVersionMigration ValidatingAdmissionPolicy
    ValidatingAdmissionPolicyBinding ValidatingWebhookConfiguration VolumeAttachment VolumeAttributesClass
"""
CLUSTER_SCOPED = frozenset(_NOT_IN_A_NAMESPACE.split())

# Kinds that name the namespaces of others in their fields, which kustomize sometimes changes too.
_OTHERS_NAMESPACES = (
    *("APIService", "ClusterRoleBinding", "CustomResourceDefinition", "RoleBinding"),
    *("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"),
)

_SCALABLE = ("Deployment", "ReplicaSet", "ReplicationController", "StatefulSet")

# kustomize's order: what others need, then all that is not named here, then what watches over the rest.
_NEEDED_BY_OTHERS = """
    Namespace ResourceQuota StorageClass CustomResourceDefinition ServiceAccount PodSecurityPolicy Role
    ClusterRole RoleBinding ClusterRoleBinding ConfigMap Secret Endpoints Service LimitRange PriorityClass
    PersistentVolume PersistentVolumeClaim Deployment StatefulSet CronJob PodDisruptionBudget
"""
_RANKS = {kind: rank for rank, kind in enumerate(_NEEDED_BY_OTHERS.split(), -100)}
_RANKS |= {"MutatingWebhookConfiguration": 1, "ValidatingWebhookConfiguration": 2}


class Identity(NamedTuple):
    """What no two objects may have in common."""

    group: str
    version: str
    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        where = f" in the namespace {self.namespace}" if self.namespace else ""
        return f"{self.kind} {self.name}{where}"


def identity(manifest: Mapping[str, Any], where: str) -> Identity:
    """Who an object is.

    Raises:
        NotBuilt: it does not say so.
    """
    metadata = manifest.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    said = manifest.get("apiVersion"), manifest.get("kind"), metadata.get("name")
    for field, value in zip(("apiVersion", "kind", "metadata.name"), said, strict=True):
        if not value or not isinstance(value, str):
            raise NotBuilt(f"{where}: an object has no text as its {field}. Every object needs one.")
    (group, _, version), kind, name = str(said[0]).rpartition("/"), str(said[1]), str(said[2])
    if kind.endswith("List") and "items" in manifest:
        raise NotBuilt(f"{where}: a {kind} holds other objects. Write them one by one, with --- between two.")
    namespace = "" if kind in CLUSTER_SCOPED else str(metadata.get("namespace") or "default")
    return Identity(group, version, kind, namespace, name)


class Object:
    """A manifest that a build may change.

    Attributes:
        manifest: the object; a copy, and nobody else's.
        known_as: its identity, and every one that it had before: patches may use any of them.
    """

    def __init__(self, manifest: Manifest) -> None:
        self.manifest = Manifest(copied(dict(manifest)))
        self.manifest.file, self._lines = manifest.file, manifest._lines
        self.known_as = {self.identity}
        # The nodes themselves are kept as well, so that nothing else can get an id of theirs.
        self._places = {id(node): (node, copied(node), keys) for node, keys in _nodes(self.manifest, ())}

    @property
    def identity(self) -> Identity:
        return identity(self.manifest, self.manifest.file)

    @property
    def order(self) -> tuple[int, str, str, str]:
        """By which `kubectl kustomize` sorts."""
        group, version, kind, _, name = self.identity
        namespace = self.manifest["metadata"].get("namespace") or "~X"
        return _RANKS.get(kind, 0), "_".join([group or "~G", version, kind]), namespace, name

    def set_namespace(self, namespace: str) -> None:
        """Move it to a namespace; the Namespace itself gets the name."""
        kind, metadata = self.identity.kind, self.manifest["metadata"]
        if kind in _OTHERS_NAMESPACES:
            raise NotBuilt(
                f"{self.manifest.file}: a {kind} can name namespaces inside too, and only kustomize knows "
                f"which of them to change. `kubectl kustomize` builds it."
            )
        if kind == "Namespace":
            metadata["name"] = namespace
        elif kind not in CLUSTER_SCOPED:
            metadata["namespace"] = namespace
        self.known_as.add(self.identity)

    def set_labels(self, pairs: Mapping[str, str]) -> None:
        metadata = self.manifest["metadata"]
        metadata["labels"] = {**(metadata.get("labels") or {}), **pairs}

    def set_replicas(self, name: str, count: int) -> bool:
        """Set the number of pods, if it has that name and pods to count; whether it has."""
        meant = self.identity.kind in _SCALABLE and name in {known.name for known in self.known_as}
        if meant:
            self.manifest["spec"] = {**(self.manifest.get("spec") or {}), "replicas": count}
        return meant

    def set_image(self, image: Mapping[str, str]) -> None:
        """Change every container's image that has the name, whatever its tag."""
        pattern = re.compile(rf"{re.escape(image['name'])}(:[\w.{{}}-]*)?(@sha256:[\w.{{}}-]*)?", re.ASCII)
        for container in _containers(self.manifest):
            if match := pattern.fullmatch(str(container.get("image"))):
                tag, digest = match[1] or "", match[2] or ""
                if "newTag" in image or "digest" in image:
                    tag = f":{image['newTag']}" if "newTag" in image else ""
                    digest = f"@{image['digest']}" if "digest" in image else ""
                container["image"] = image.get("newName", image["name"]) + tag + digest

    def finished(self) -> Manifest:
        """The manifest, with the lines of those fields that its own file has."""
        metadata = self.manifest["metadata"]
        if not metadata.get("annotations"):
            metadata.pop("annotations", None)  # kustomize too leaves them out where there are none.
        self.manifest._lines = {(): self._lines[()]}
        self._find_lines(self.manifest, ())
        return self.manifest

    def _find_lines(self, node: Any, keys: Keys) -> None:
        _, before, old_keys = self._places.get(id(node), (None, None, ()))
        for key, value in _fields(node):
            if id(value) in self._places and isinstance(value, dict | list):
                old = self._places[id(value)][2]
            elif isinstance(before, dict) or (isinstance(before, list) and value in before[key : key + 1]):
                old = (*old_keys, key)
            else:
                old = None  # A patch brought it, or moved it within a list.
            if old in self._lines:
                self.manifest._lines[(*keys, key)] = self._lines[old]
            self._find_lines(value, (*keys, key))


def _fields(node: Any) -> Iterator[tuple[Any, Any]]:
    if isinstance(node, dict):
        yield from node.items()
    elif isinstance(node, list):
        yield from enumerate(node)


def _nodes(node: Any, keys: Keys) -> Iterator[tuple[Any, Keys]]:
    """The mappings and lists in an object, and where they are."""
    if isinstance(node, dict | list):
        yield node, keys
    for key, value in _fields(node):
        yield from _nodes(value, (*keys, key))


def _containers(manifest: Manifest) -> Iterator[dict[str, Any]]:
    for node, keys in _nodes(manifest, ()):
        in_list = len(keys) > 1 and isinstance(keys[-1], int) and keys[-2] in ("containers", "initContainers")
        if in_list and isinstance(node, dict):
            yield node
