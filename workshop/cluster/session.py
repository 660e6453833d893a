"""A cluster as the lesson's cells see it: thin methods, each of which is a module of its own."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import docker

from workshop.cluster import applying, certificates, changes, explaining, finding, listing, removal, rollout
from workshop.cluster import images as loading
from workshop.cluster.answers import in_plain_words
from workshop.cluster.api import Api, Object
from workshop.cluster.applying import Applied
from workshop.cluster.errors import NotThere
from workshop.cluster.explanation import Explanations
from workshop.cluster.finding import Found, NoCluster
from workshop.cluster.forward import Forward
from workshop.cluster.rollout import Target
from workshop.manifests.tables import Table
from workshop.repository import ROOT

NAMESPACE = "microservices"
NAMESPACE_FILE = ROOT / "kubernetes" / "base" / "namespace.yaml"


def connect(
    context: str | None = None, ask: Callable[[str], str] = input, namespace: str = NAMESPACE
) -> "Cluster | None":
    """Find a cluster, and say in one line which; where there is none, say how to get one, and return None.

    Args:
        context: the name of a context, as `kubectl config get-contexts` lists them; naming it is consent.
        ask: puts a question, before a context is touched that is not plainly local.
        namespace: where the workshop's objects are.
    """
    try:
        found = finding.find(context, ask)
    except NoCluster as none:
        print(none)
        return None
    print(f"Cluster: {found.kind} “{found.context}”, Kubernetes {found.version}.")
    return Cluster(found, namespace)


class Cluster:
    """A cluster that answers.

    Args:
        found: which, and how to talk to it.
        namespace: where the workshop's objects are.

    Attributes:
        found: which, and how to talk to it.
        namespace: where the workshop's objects are.
    """

    def __init__(self, found: Found, namespace: str = NAMESPACE) -> None:
        self.found = found
        self.namespace = namespace
        self._api = Api(found.api)
        self._images: dict[str, str] = {}
        self._changed: dict[Target, None] = {}  # In the order in which they were changed.

    def __repr__(self) -> str:
        return f"<Cluster {self.found.context}: {self.found.kind}, Kubernetes {self.found.version}>"

    def load_images(self, engine: docker.DockerClient, *names: str) -> None:
        """Bring images from an engine to the cluster's nodes, like `kind load docker-image NAME`.

        `apply` and `roll` know from then on what the cluster calls them.

        Raises:
            ClusterError: an image is not on the engine, or there is no way to the nodes.
        """
        self._images.update(loading.load(self.found, engine, names))
        for name in names:
            known = self._images[name]
            print(f"{name}: loaded" + (f", as {known}" if known != name else ""))

    def make_certificates(self, renew: bool = False) -> None:
        """Make the Secrets for mutual TLS, as `kubectl create secret generic recommendations-tls …` would.

        Both at once, for they trust the same authority; only where one is missing.

        Args:
            renew: replace those that are there.

        Raises:
            ClusterError: the cluster does not take them.
        """
        made = certificates.secrets(self.namespace)
        names = " and ".join(secret["metadata"]["name"] for secret in made)
        with in_plain_words(self._api, f"make the Secrets {names}"):
            self._ensure_namespace()
            if not renew and all(self._has(secret) for secret in made):
                print(f"The Secrets {names} are there; `renew=True` replaces them.")
                return
        applying.apply(self._api, made, self.namespace, {})
        print(f"The Secrets {names} are made.")

    def apply(self, what: Path | str | Sequence[Mapping[str, Any]]) -> Applied:
        """Apply manifests, like `kubectl apply --server-side --force-conflicts -k FOLDER`.

        Args:
            what: a folder with a kustomization, a file, or a list of manifests.

        Returns:
            What became of each object, as a table.

        Raises:
            NotApplied: some were refused; the others are applied.
            ServerGone: the cluster does not answer.
        """
        manifests = applying.read(what)
        with in_plain_words(self._api, "take the manifests"):
            try:
                applied = applying.apply(self._api, manifests, self.namespace, self._images)
            except applying.NotApplied as error:
                self._changed = dict.fromkeys(error.applied.deployments)
                raise
        self._changed = dict.fromkeys(applied.deployments)
        return applied

    def wait(self, seconds: float = rollout.SECONDS) -> None:
        """Wait until what was applied or changed last is rolled out, like `kubectl rollout status`.

        In a new notebook, all Deployments of the namespace are meant.

        Args:
            seconds: the deadline; a reason that will not pass ends the waiting earlier.

        Raises:
            NotRolledOut: one does not come up; the message says why.
        """
        with in_plain_words(self._api, "let us follow the rollout"):
            targets = list(self._changed) or self._all()
            rollout.wait(self._api, targets, seconds)

    def why(self, name: str) -> Explanations:
        """Why a component does not come up, from what `kubectl describe` and `kubectl logs` would show.

        Args:
            name: of the component, the Deployment, or one pod.

        Returns:
            The causes, newest first; empty where all is well.

        Raises:
            NotThere: there is nothing of that name.
        """
        with in_plain_words(self._api, f"say how {name} is"):
            return explaining.why(self._api, self.namespace, name)

    def pods(self) -> Table:
        """All pods of the namespace, like `kubectl get pods -o wide`."""
        with in_plain_words(self._api, "list the pods"):
            return listing.pods(self._api, self.namespace)

    def forward(self, service: str, port: int | str | None = None) -> Forward:
        """Reach a Service from here, like `kubectl port-forward service/marketplace 5000`.

        Args:
            service: its name.
            port: the Service's port, by number or name; by default its first.

        Returns:
            A context manager with `.url`.
        """
        return Forward(self.found.api, self.namespace, service, port)

    def scale(self, name: str, replicas: int) -> None:
        """Set how many pods a component has, like `kubectl scale deployment/recommendations --replicas=3`.

        Raises:
            NotThere: there is no such component.
        """
        with in_plain_words(self._api, f"scale {name}"):
            deployment = changes.find(self._api, self.namespace, name)
            print(changes.scale(self._api, deployment, replicas))
        self._remember(deployment)

    def roll(self, name: str, image: str) -> None:
        """Roll to a new image, like `kubectl set image deployment/marketplace marketplace=marketplace:1.0.1`.

        Raises:
            NotThere: there is no such component.
        """
        with in_plain_words(self._api, f"roll {name} to {image}"):
            deployment = changes.find(self._api, self.namespace, name)
            print(changes.roll(self._api, deployment, image, self._images))
        self._remember(deployment)

    def roll_back(self, name: str) -> None:
        """Go back to the version before this, like `kubectl rollout undo deployment/marketplace`.

        Raises:
            NotThere: there is no such component.
            NoWayBack: there is no earlier version.
        """
        with in_plain_words(self._api, f"roll {name} back"):
            deployment = changes.find(self._api, self.namespace, name)
            print(changes.roll_back(self._api, deployment))
        self._remember(deployment)

    def delete_pod(self, name: str) -> str:
        """Remove one pod of a component, like `kubectl delete pod NAME`; another comes in its place.

        Returns:
            The pod's name.

        Raises:
            NotThere: there is no such component, or it has no pod.
        """
        with in_plain_words(self._api, f"remove a pod of {name}"):
            return changes.delete_pod(self._api, self.namespace, name)

    def remove(self) -> None:
        """Remove the namespace with all that is in it, like `kubectl delete namespace microservices`.

        Raises:
            NotRemoved: it is not the workshop's, or something keeps it from going.
        """
        there = removal.remove(self._api, self.namespace)
        self._changed = {}
        print(
            f"The namespace “{self.namespace}” is gone, with everything in it."
            if there
            else f"There is no namespace “{self.namespace}”; nothing to remove."
        )

    def _remember(self, deployment: Object) -> None:
        metadata = deployment["metadata"]
        self._changed[Target(metadata["namespace"], metadata["name"])] = None

    def _all(self) -> list[Target]:
        found, _ = self._api.all("apps/v1", "Deployment", self.namespace)
        if not found:
            raise NotThere(
                f"The namespace “{self.namespace}” has no Deployments to wait for. Apply some first: "
                f"`shop.apply(…)`."
            )
        return [Target(self.namespace, each["metadata"]["name"]) for each in found]

    def _has(self, secret: Object) -> bool:
        return self._api.find("v1", "Secret", secret["metadata"]["name"], self.namespace) is not None

    def _ensure_namespace(self) -> None:
        """Secrets are made before the overlay is applied, so the namespace has to be there before, too."""
        ours: Iterable[Object] = [
            each for each in applying.read(NAMESPACE_FILE) if each["metadata"]["name"] == self.namespace
        ]
        # What is wrong with it (a missing right, a namespace that is not there) the Secrets will tell.
        with suppress(applying.NotApplied):
            applying.apply(self._api, ours, self.namespace, {})
