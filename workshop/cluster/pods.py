"""Why a pod as a whole is not ready: its node, its volumes, its network, its end."""

import re
from collections.abc import Iterator
from datetime import timedelta

from workshop.cluster import crashing, probing, pulling, scheduling
from workshop.cluster.cases import PodCase, containers
from workshop.cluster.explanation import Explanation
from workshop.cluster.situation import Happening, condition, moment, ready

MOUNT_PATIENCE = 15.0
NODE_PATIENCE = 30.0
# A clock may be off by so much, and a node needs a moment to say that a pod has ended.
END_MARGIN = timedelta(seconds=20)


def explain(case: PodCase) -> Iterator[Explanation]:
    """The causes that keep a pod down: one of the pod's own, or one for each of its containers."""
    if case.pod["metadata"].get("deletionTimestamp"):
        if stuck := explain_stuck(case):
            yield stuck
        return
    for cause in _POD_CAUSES:
        if found := cause(case):
            yield found
            return
    told = False
    for container in containers(case):
        for of_container in _CONTAINER_CAUSES:
            if found := of_container(container):
                told = True
                yield found
                break
    if not told and not ready(case.pod):
        yield _word_for_word(case)


def explain_stuck(case: PodCase) -> Explanation | None:
    """The pod should have ended by now, and has not."""
    metadata = case.pod["metadata"]
    due = metadata.get("deletionTimestamp")
    if not due or case.situation.now < moment(due) + END_MARGIN:
        return None
    node = case.pod["spec"].get("nodeName")
    finalizers = metadata.get("finalizers") or []
    if finalizers:
        why = f"Somebody has to do something first, and does not: the finalizers {', '.join(finalizers)}."
        remedy = "Look at the program that set them; `kubectl edit pod` can remove them, at your own risk."
    else:
        why = (
            f"Its node {node} has not said that it ended: the node is away, or the container runtime "
            f"cannot end it."
        )
        remedy = (
            f"`kubectl get node {node}` tells which. Where the node is gone for ever: "
            f"`kubectl delete pod {case.name} --force --grace-period=0`."
        )
    return case.explain(
        "does not end",
        "The pod was removed, and does not end",
        why,
        remedy,
        case.event("FailedKillPod", "TaintManagerEviction", "NodeNotReady"),
        f"deletionTimestamp {due}, grace period {metadata.get('deletionGracePeriodSeconds')} s",
        patience=NODE_PATIENCE,
        time=due,
    )


def _ended(case: PodCase) -> Explanation | None:
    """The pod is over: evicted, or turned away by its node."""
    if case.status.get("phase") != "Failed":
        return None
    reason, message = case.status.get("reason") or "", case.status.get("message") or ""
    what, why, remedy = _endings(reason, message)
    return case.explain(
        "ended",
        what,
        why,
        remedy,
        f"status: {reason or 'Failed'}: {message}".rstrip(": "),
        case.event("Evicted", "Preempted", reason),
        patience=NODE_PATIENCE,
    )


def _endings(reason: str, message: str) -> tuple[str, str, str]:
    if reason == "Evicted":
        scarce = found[1] if (found := re.search(r"low on resource: ([\w-]+)", message)) else "something"
        return (
            "The node has put the pod out (evicted)",
            f"The node ran short of {scarce}, and ended the pods that took more than they had asked for "
            f"first.",
            "Its ReplicaSet makes another. Ask for what it really needs (`resources.requests`), or free "
            "some on the node.",
        )
    if reason.startswith("OutOf"):
        what = reason.removeprefix("OutOf")
        return (
            "The node has turned the pod away",
            f"When it arrived, the node had not enough {what} left.",
            "Its ReplicaSet makes another, which may find room; else ask for less, or free some.",
        )
    if reason in ("NodeAffinity", "NodeShutdown", "Terminated", "NodeLost", "Shutdown"):
        return (
            "The node has ended the pod",
            "The node shut down, or is not the one that the pod wanted any more.",
            "Its ReplicaSet makes another elsewhere.",
        )
    return (
        "The pod is over (phase Failed)",
        "Its node, or a controller, ended it; the reason is below.",
        "Its ReplicaSet makes another. If that fails too, mend what the reason names.",
    )


def _node_lost(case: PodCase) -> Explanation | None:
    """Its containers were ready when the node was last heard of; another than the node says “not ready”."""
    statuses = case.status.get("containerStatuses") or []
    says_ready = bool(statuses) and all(each.get("ready") for each in statuses)
    gates = case.pod["spec"].get("readinessGates")
    lost = case.status.get("reason") == "NodeLost"
    if ready(case.pod) or not (lost or (says_ready and not gates)):
        return None
    event = case.event("NodeNotReady", "TaintManagerEviction")
    if not (lost or event):
        return None  # It has become ready in this moment.
    node = case.pod["spec"].get("nodeName")
    return case.explain(
        "node lost",
        f"The pod's node {node} does not answer",
        "Kubernetes hears nothing from the node any more, so it sends the pod no traffic. After five "
        "minutes it gives the pod up, and a new one is made on another node, if there is one.",
        f"`kubectl describe node {node}` says since when; bring it back, or remove it: `kubectl delete "
        f"node {node}`.",
        event or f"status: {case.status.get('reason')}",
        patience=NODE_PATIENCE,
    )


def _network(case: PodCase) -> Explanation | None:
    """The node cannot make the pod's sandbox: its network, mostly."""
    event = _newest_warning(case)
    if not event or not _not_begun(case):
        return None
    if event.reason not in ("NetworkNotReady", "FailedCreatePodSandBox"):
        return None
    if event.reason == "FailedCreatePodSandBox" and not re.search("(?i)cni|network", event.message):
        return case.explain(
            "sandbox",
            "The node cannot make the pod's sandbox",
            "Its container runtime fails before any container of ours begins.",
            "Look at what it says, and at the node (`kubectl describe node`).",
            event,
            patience=NODE_PATIENCE,
        )
    return case.explain(
        "pod network",
        "The node cannot give the pod a network",
        "The cluster's network plugin (CNI) does not run on that node, or fails.",
        "Nothing is wrong with the manifest. `kubectl get pods -n kube-system` shows the plugin; on kind, "
        "make the cluster again.",
        event,
        patience=NODE_PATIENCE,
    )


def _mounts(case: PodCase) -> Explanation | None:
    """A volume is not there."""
    event = _newest_warning(case)
    if not event or event.reason not in ("FailedMount", "FailedAttachVolume") or not _not_begun(case):
        return None
    # The newest may only say that something timed out; an older one says what.
    absent = case.event("FailedMount", message='(secret|configmap) "[^"]+" not found')
    if absent and (found := re.search(r'(secret|configmap) "([^"]+)" not found', absent.message)):
        return crashing.missing(case, found[1], found[2], absent)
    key = case.event("FailedMount", message="references non-existent (?:secret|config) key")
    why = (
        f"The volume wants a key that the Secret or ConfigMap does not have: "
        f"{key.message.rpartition(':')[2].strip()}."
        if key
        else "The node says why, below."
    )
    return case.explain(
        "volume",
        "A volume of the pod cannot be mounted",
        why,
        "Mend the key, or what the volume names, and apply again."
        if key
        else "Mend what it names: the volume, its class, or the node.",
        key or event,
        # Of this the node itself says that it only took too long; what it finds in the end, it says later.
        patience=None if "timed out" in event.message and not key else MOUNT_PATIENCE,
    )


def _gates(case: PodCase) -> Explanation | None:
    """All is ready, but somebody else has to agree."""
    gates = [gate["conditionType"] for gate in case.pod["spec"].get("readinessGates") or []]
    open_ = [gate for gate in gates if condition(case.pod, gate).get("status") != "True"]
    if not open_ or condition(case.pod, "ContainersReady").get("status") != "True":
        return None
    return case.explain(
        "readiness gate",
        "The pod waits for somebody else's word",
        f"Its containers are ready, but its readiness gates are not: {', '.join(open_)}. A load balancer's "
        "controller sets such a condition, once it has found the pod.",
        "Look at that controller; or leave `readinessGates` out.",
        *(f"condition {gate}: {condition(case.pod, gate) or 'not there'}" for gate in open_),
        patience=None,
    )


def _word_for_word(case: PodCase) -> Explanation:
    """None of the causes that we know: what Kubernetes says itself."""
    warning = _newest_warning(case)
    waits = [f"{c.spec['name']}: {c.waiting}" for c in containers(case) if c.waiting.get("message")]
    not_true = [
        f"condition {each['type']}: {each.get('reason', '')} {each.get('message', '')}".rstrip()
        for each in case.status.get("conditions") or []
        if each.get("status") != "True"
    ]
    if warning or waits:
        return case.explain(
            "word for word",
            "The pod is not ready",
            "Kubernetes says why; the workshop knows no plainer words for it.",
            f"Mend what it names. More: `kubectl describe pod {case.name}`.",
            warning,
            *waits,
            *not_true,
        )
    node = case.pod["spec"].get("nodeName")
    silent = not case.status.get("containerStatuses")
    return case.explain(
        "starting",
        "The pod is starting",
        f"Node {node} has it, and has not said anything about its containers yet."
        if silent
        else "Nothing has gone wrong so far.",
        f"Wait a moment. If it lasts: `kubectl describe pod {case.name}`"
        + (f", `kubectl describe node {node}`." if silent else "."),
        case.events[0] if case.events else None,
        *not_true,
    )


def _newest_warning(case: PodCase) -> Happening | None:
    return next((event for event in case.events if event.type == "Warning"), None)


def _not_begun(case: PodCase) -> bool:
    """Whether no container was made yet."""
    begun = [*(case.status.get("initContainerStatuses") or []), *(case.status.get("containerStatuses") or [])]
    return all((each.get("state") or {}).get("waiting") for each in begun) and not any(
        each.get("restartCount") for each in begun
    )


_POD_CAUSES = (_ended, _node_lost, scheduling.explain, _mounts, _network, _gates)
_CONTAINER_CAUSES = (
    pulling.explain,
    crashing.explain_configuration,
    crashing.explain_crash,
    probing.explain_unready,
)
