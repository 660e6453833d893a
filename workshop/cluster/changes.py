"""Change what runs: how many, which image, back to the last one, one pod less."""

import copy
from collections.abc import Mapping

from workshop.cluster.api import Api, Object
from workshop.cluster.errors import ClusterError, NotThere
from workshop.cluster.explaining import NAME
from workshop.cluster.situation import HASH, Situation, moment, owned, ready, revision


class NoWayBack(ClusterError):
    """There is no earlier version to go back to."""


def find(api: Api, namespace: str, name: str) -> Object:
    """The Deployment of a name, or of the component with that label.

    Raises:
        NotThere: there is none.
    """
    if found := api.find("apps/v1", "Deployment", name, namespace):
        return found
    there, _ = api.all("apps/v1", "Deployment", namespace)
    labelled = [each for each in there if (each["metadata"].get("labels") or {}).get(NAME) == name]
    if len(labelled) == 1:
        return labelled[0]
    names = ", ".join(each["metadata"]["name"] for each in there) or "none at all"
    raise NotThere(
        f"The namespace “{namespace}” has no Deployment “{name}”. There are: {names}. Apply it first: "
        "`shop.apply(…)`."
    )


def scale(api: Api, deployment: Object, replicas: int) -> str:
    """Set how many pods a Deployment has, like `kubectl scale deployment recommendations --replicas=3`.

    Returns:
        What was changed, in a sentence; and whether an autoscaler will change it again.
    """
    if replicas < 0:
        raise ValueError(f"a Deployment cannot have {replicas} pods; give 0 or more")
    before, name = deployment["spec"].get("replicas", 1), deployment["metadata"]["name"]
    # The part of the API that is made for this: somebody may have the right to scale and to change
    # nothing else.
    api.patch(deployment, {"spec": {"replicas": replicas}}, "merge-patch", subresource="scale")
    said = (
        f"{name}: {before} → {replicas} pods."
        if before != replicas
        else f"{name}: {replicas} pods, as before."
    )
    return said + _fight(api, deployment, replicas)


def _fight(api: Api, deployment: Object, replicas: int) -> str:
    """What an autoscaler will do about it."""
    metadata = deployment["metadata"]
    for scaler in api.all("autoscaling/v2", "HorizontalPodAutoscaler", metadata["namespace"])[0]:
        target = scaler["spec"]["scaleTargetRef"]
        if (target["kind"], target["name"]) != ("Deployment", metadata["name"]):
            continue
        low, high = scaler["spec"].get("minReplicas", 1), scaler["spec"]["maxReplicas"]
        if replicas == 0:
            return f" The HorizontalPodAutoscaler {scaler['metadata']['name']} rests as long as there are 0."
        return (
            f" The HorizontalPodAutoscaler {scaler['metadata']['name']} will not leave it so: it sets the "
            f"number itself, between {low} and {high}, by the load. To keep yours: change its minReplicas, "
            "or remove it."
        )
    return ""


def roll(api: Api, deployment: Object, image: str, images: Mapping[str, str]) -> str:
    """Give a component another image, like `kubectl set image deployment/marketplace marketplace=IMAGE`.

    The files still name the old one; the next `apply` goes back to what they say.

    Args:
        api: the cluster.
        deployment: which Deployment.
        image: the new image.
        images: what the cluster calls images that were loaded into it.

    Returns:
        What was changed, in a sentence.
    """
    container = _container(deployment)
    name, known = deployment["metadata"]["name"], images.get(image, image)
    if container["image"] == known:
        return f"{name}: runs {known} already; nothing to roll."
    # By name, so that other containers and all other fields stay as they are.
    change = {"containers": [{"name": container["name"], "image": known}]}
    api.patch(deployment, {"spec": {"template": {"spec": change}}}, "strategic-merge-patch")
    return f"{name}: {container['image']} → {known}; the new pods come one by one."


def _container(deployment: Object) -> Object:
    """The component's own container, among those that may stand beside it."""
    template, name = deployment["spec"]["template"], deployment["metadata"]["name"]
    labels = (template.get("metadata") or {}).get("labels") or {}
    containers = template["spec"]["containers"]
    if len(containers) == 1:
        return containers[0]
    for wanted in (labels.get(NAME), name):
        for container in containers:
            if container["name"] == wanted:
                return container
    names = ", ".join(each["name"] for each in containers)
    raise NotThere(
        f"None of the containers of {name} ({names}) has its name. Change the image in the manifest, and "
        f"apply it."
    )


def roll_back(api: Api, deployment: Object) -> str:
    """Go back to the pods' last template, like `kubectl rollout undo deployment/marketplace`.

    Returns:
        What was changed, in a sentence.

    Raises:
        NoWayBack: there is no earlier version, or the rollout is paused.
    """
    name, namespace = deployment["metadata"]["name"], deployment["metadata"]["namespace"]
    if deployment["spec"].get("paused"):
        raise NoWayBack(
            f"The rollout of {name} is paused, and a paused one cannot go back. Let it go on first: "
            f"`kubectl rollout resume deployment/{name}`."
        )
    sets, _ = api.all("apps/v1", "ReplicaSet", namespace)
    situation = Situation([deployment], sets, [], [])
    current = situation.current_set(deployment)
    earlier = [each for each in situation.sets_of(deployment) if each is not current and revision(each)]
    if not earlier:
        limit = deployment["spec"].get("revisionHistoryLimit", 10)
        kept = "" if limit else " It keeps none: `revisionHistoryLimit` is 0."
        raise NoWayBack(
            f"{name} has no earlier version to go back to: what runs is its first, or the only one that is "
            f"kept.{kept} `kubectl rollout history deployment` lists them. `shop.roll(…)` gives it another "
            "image."
        )
    template = copy.deepcopy(earlier[0]["spec"]["template"])
    # The label that tells its ReplicaSets apart is the controller's.
    template["metadata"]["labels"].pop(HASH, None)
    api.patch(deployment, [{"op": "replace", "path": "/spec/template", "value": template}], "json-patch")
    now, then = _images(deployment["spec"]["template"]), _images(template)
    what = f"{now} → {then}" if now != then else f"the same image ({now}), other settings"
    return f"{name}: back to revision {revision(earlier[0])}, {what}."


def _images(template: Object) -> str:
    return ", ".join(each["image"] for each in template["spec"]["containers"])


def delete_pod(api: Api, namespace: str, name: str) -> str:
    """Remove one pod of a component, like `kubectl delete pod NAME`; its ReplicaSet makes another.

    The oldest that is ready, for that is the one that hurts.

    Args:
        api: the cluster.
        namespace: where.
        name: of the component, or of a pod.

    Returns:
        The pod's name.

    Raises:
        NotThere: it has no pod that is not about to go anyway.
    """
    if pod := api.find("v1", "Pod", name, namespace):
        api.delete(pod)
        return name
    deployment = find(api, namespace, name)
    sets = owned(api.all("apps/v1", "ReplicaSet", namespace)[0], deployment)
    pods, _ = api.all("v1", "Pod", namespace)
    alive = [pod for rs in sets for pod in owned(pods, rs) if not pod["metadata"].get("deletionTimestamp")]
    if not alive:
        raise NotThere(f"{name} has no pod to remove; `shop.why({name!r})` says why.")
    alive.sort(key=lambda pod: (not ready(pod), moment(pod["metadata"].get("creationTimestamp"))))
    api.delete(alive[0])
    return alive[0]["metadata"]["name"]
