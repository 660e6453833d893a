"""Why a Deployment does not come up: from its conditions, its ReplicaSets and pods, their events and logs."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import cache

from workshop.cluster import pods, refusals, scheduling
from workshop.cluster.api import NO_ANSWER, Api, ApiException, Object
from workshop.cluster.cases import PodCase
from workshop.cluster.errors import NotThere
from workshop.cluster.explanation import Explanation, Explanations, merged
from workshop.cluster.situation import KINDS, Room, Situation, condition, now, ready

NAME = "app.kubernetes.io/name"

# Somebody may lift a rule, or what it counts may go; for so long it is worth waiting.
REFUSED_PATIENCE = 8.0
UNSEEN_PATIENCE = 20.0


def why(api: Api, namespace: str, name: str) -> Explanations:
    """The causes that keep a component down, newest first, like `kubectl describe` and `kubectl logs`.

    Args:
        api: the cluster.
        namespace: where.
        name: of a Deployment, of a component (the label app.kubernetes.io/name), or of a pod.

    Raises:
        NotThere: there is nothing of that name.
    """
    situation = gather(api, namespace)
    found = _deployments(situation, name)
    if found:
        told = [cause for deployment in found for cause in explain(situation, deployment)]
        none = (
            []
            if any(map(_wanted, found))
            else [f"It is scaled to 0 pods: `shop.scale({name!r}, 2)` brings some."]
        )
        return Explanations(name, told, [*none, *notes(situation)])
    for pod in situation.pods:
        if pod["metadata"]["name"] == name:
            healthy = ready(pod) and not pod["metadata"].get("deletionTimestamp")
            told = [] if healthy else list(pods.explain(PodCase(pod, situation)))
            return Explanations(name, merged(told), notes(situation))
    there = ", ".join(each["metadata"]["name"] for each in situation.deployments) or "none at all"
    raise NotThere(
        f"The namespace “{namespace}” has no Deployment “{name}”. There are: {there}. "
        "Apply it first: `shop.apply(…)`."
    )


def explain(situation: Situation, deployment: Object) -> list[Explanation]:
    """The causes that keep one Deployment from being complete, newest first; one for several pods."""
    found: list[Explanation] = []
    for cause in _DEPLOYMENT_CAUSES:
        found += [each] if (each := cause(situation, deployment)) else []
    found += _of_pods(situation, deployment)
    if not found and (late := _too_late(deployment)):
        found = [late]
    return merged(found)


def complete(deployment: Object) -> bool:
    """Whether a rollout is over, as `kubectl rollout status` decides it."""
    wanted, status = _wanted(deployment), deployment.get("status") or {}
    updated = status.get("updatedReplicas", 0)
    return (
        observed(deployment)
        and updated >= wanted
        and status.get("replicas", 0) <= updated
        and status.get("availableReplicas", 0) >= updated
    )


def observed(deployment: Object) -> bool:
    """Whether the controller has seen the newest version of it; until then its status is about another."""
    seen = (deployment.get("status") or {}).get("observedGeneration", 0)
    return seen >= deployment["metadata"].get("generation", 0)


def notes(situation: Situation) -> list[str]:
    """What a reader should know about what is missing in the explanations."""
    if not situation.unreadable:
        return []
    return [f"Some reasons may be missing: you have no right to read {', '.join(situation.unreadable)} here."]


def gather(api: Api, namespace: str) -> Situation:
    """Read all that explanations need, once."""
    found: dict[str, list[Object]] = {}
    unreadable = []
    for version, kind in KINDS:
        try:
            found[kind], _ = api.all(version, kind, namespace)
        except ApiException as error:
            if error.status != 403 or kind == "Deployment":
                raise
            found[kind] = []
            unreadable.append(f"{kind.lower()}s")
    return situation_of(api, found, unreadable)


def situation_of(api: Api, found: dict[str, list[Object]], unreadable: Sequence[str]) -> Situation:
    """What was read, with the ways to ask for logs and nodes."""

    @cache
    def log(namespace: str, pod: str, container: str, previous: bool) -> Sequence[str]:
        with suppress(ApiException, *NO_ANSWER):
            return api.log(namespace, pod, container, previous)
        return ()  # The node is away, or has thrown that run's log away.

    @cache
    def nodes() -> Sequence[Room] | None:
        with suppress(ApiException, *NO_ANSWER):
            everywhere, _ = api.all("v1", "Pod")
            return scheduling.rooms(api.all("v1", "Node")[0], everywhere)
        return None  # Many may not read nodes; the scheduler's sentence has to do.

    return Situation(
        found["Deployment"],
        found["ReplicaSet"],
        found["Pod"],
        found["Event"],
        log,
        nodes,
        unreadable,
        now(),
    )


def _deployments(situation: Situation, name: str) -> list[Object]:
    by_name = [each for each in situation.deployments if each["metadata"]["name"] == name]
    by_label = [
        each for each in situation.deployments if (each["metadata"].get("labels") or {}).get(NAME) == name
    ]
    return by_name or by_label


def _wanted(deployment: Object) -> int:
    return deployment["spec"].get("replicas", 1)


def _of_pods(situation: Situation, deployment: Object) -> Iterator[Explanation]:
    current = situation.current_set(deployment)
    finished = complete(deployment)
    for pod in situation.pods_of(current):
        over = pod["metadata"].get("deletionTimestamp") or (pod.get("status") or {}).get("phase") == "Failed"
        # What has ended was replaced; it only matters as long as the replacement is not there.
        if not (finished and over):
            yield from pods.explain(PodCase(pod, situation))
    for old in situation.sets_of(deployment):
        if old is not current:
            for pod in situation.pods_of(old):
                stuck = pods.explain_stuck(PodCase(pod, situation))
                yield from [stuck] if stuck else []


def _unseen(situation: Situation, deployment: Object) -> Explanation | None:
    if observed(deployment):
        return None
    metadata = deployment["metadata"]
    seen = (deployment.get("status") or {}).get("observedGeneration", 0)
    return Explanation(
        "controller",
        "No controller has looked at the Deployment's newest version yet",
        "That takes a moment. If it lasts, the cluster's controller manager does not run.",
        "Wait; `kubectl get pods -n kube-system` shows whether kube-controller-manager runs.",
        (f"generation {metadata.get('generation')}, observedGeneration {seen}",),
        time=metadata.get("creationTimestamp") or "",
        patience=UNSEEN_PATIENCE,
    )


def _paused(situation: Situation, deployment: Object) -> Explanation | None:
    if not deployment["spec"].get("paused") or complete(deployment):
        return None
    name = deployment["metadata"]["name"]
    return Explanation(
        "paused",
        "The rollout is paused",
        "Somebody stopped it, with `kubectl rollout pause` or `paused: true`; changes wait until it goes on.",
        f"Let it go on: `kubectl rollout resume deployment/{name}`.",
        (f"spec.paused: true; condition Progressing: {condition(deployment, 'Progressing').get('reason')}",),
        time=condition(deployment, "Progressing").get("lastUpdateTime") or "",
        patience=0,
    )


def _no_pods(situation: Situation, deployment: Object) -> Explanation | None:
    """The ReplicaSet may not make its pods: a quota, a policy, a missing ServiceAccount."""
    if not observed(deployment):
        return None
    current = situation.current_set(deployment)
    of_set = condition(current, "ReplicaFailure") if current else {}
    # Before the first ReplicaSet is there, the Deployment says so itself.
    failure = of_set or ({} if current else condition(deployment, "ReplicaFailure"))
    progressing = condition(deployment, "Progressing")
    if not failure and progressing.get("reason") in ("ReplicaSetCreateError", "FailedCreate"):
        failure = progressing
    if not failure or failure.get("status") not in ("True", "False"):
        return None
    said = failure.get("message") or ""
    event = (
        next((each for each in situation.about(current) if each.reason == "FailedCreate"), None)
        if current
        else None
    )
    if event and not said:
        said = event.message
    evidence = [f"condition {failure['type']}, {failure.get('reason')}: {said}"]
    evidence += [str(event)] if event and event.message != said else []
    refusal = refusals.read(said)
    return Explanation(
        refusal.cause if refusal else "word for word",
        "Its pods may not be made" if refusal else "Its pods cannot be made",
        refusal.why if refusal else f"Kubernetes says: {said}",
        refusal.next if refusal else "Mend what it names, and apply again.",
        tuple(evidence),
        time=failure.get("lastTransitionTime") or "",
        patience=_patience(situation, refusal),
    )


def _patience(situation: Situation, refusal: refusals.Refusal | None) -> float | None:
    """A quota counts pods that are about to end as well: room may come."""
    ending = any(pod["metadata"].get("deletionTimestamp") for pod in situation.pods)
    return None if refusal and refusal.cause == "quota" and ending else REFUSED_PATIENCE


def _too_late(deployment: Object) -> Explanation | None:
    progressing = condition(deployment, "Progressing")
    if progressing.get("reason") != "ProgressDeadlineExceeded" or complete(deployment):
        return None
    seconds = deployment["spec"].get("progressDeadlineSeconds", 600)
    return Explanation(
        "too late",
        "The rollout has not got on for too long",
        f"Nothing changed for {seconds} s (`progressDeadlineSeconds`), and Kubernetes calls it failed. It "
        "goes on trying, but nobody should wait.",
        f"`kubectl describe deployment {deployment['metadata']['name']}` and its pods' logs say more; or "
        "`shop.roll_back(…)`.",
        (f"condition Progressing, ProgressDeadlineExceeded: {progressing.get('message')}",),
        time=progressing.get("lastUpdateTime") or "",
        patience=0,
    )


_DEPLOYMENT_CAUSES = (_unseen, _paused, _no_pods)
