"""Why no node takes a pod."""

import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from kubernetes.utils.quantity import parse_quantity

from workshop.cluster.api import Object
from workshop.cluster.cases import PodCase
from workshop.cluster.explanation import Explanation
from workshop.cluster.situation import Room, condition

# A cluster that grows by itself tells so within a moment (event TriggeredScaleUp); then there is more to
# wait for.
UNSCHEDULABLE_PATIENCE = 15.0

MIB = 1024 * 1024


def explain(case: PodCase) -> Explanation | None:
    """The scheduler found no node, or has not looked yet."""
    if case.pod["spec"].get("nodeName"):
        return None
    scheduled = condition(case.pod, "PodScheduled")
    if scheduled.get("reason") == "SchedulingGated":
        return _gated(case, scheduled)
    event = case.event("FailedScheduling")
    said = scheduled.get("message") or (event.message if event else "")
    if not said:
        return _nobody_looked(case)
    grows = case.event("TriggeredScaleUp")
    why = " ".join(_reasons(said, case.pod, case.situation.nodes()))
    if grows:
        why += " The cluster's autoscaler is adding a node; that takes a few minutes."
    return case.explain(
        "no room",
        "No node takes the pod",
        why,
        _remedy(said),
        event or f"condition PodScheduled: {said}",
        grows or case.event("NotTriggerScaleUp"),
        patience=None if grows else UNSCHEDULABLE_PATIENCE,
        time=scheduled.get("lastTransitionTime") or "",
    )


def _gated(case: PodCase, scheduled: Object) -> Explanation:
    gates = ", ".join(gate["name"] for gate in case.pod["spec"].get("schedulingGates") or [])
    return case.explain(
        "scheduling gate",
        "The pod is held back from the scheduler",
        f"It has scheduling gates that somebody has to lift first: {gates}.",
        "Leave `schedulingGates` out of the manifest, or look at who should lift them.",
        f"condition PodScheduled: {scheduled.get('message')}",
        patience=UNSCHEDULABLE_PATIENCE,
    )


def _nobody_looked(case: PodCase) -> Explanation:
    name = case.pod["spec"].get("schedulerName", "default-scheduler")
    return case.explain(
        "no scheduler",
        "The pod has no node yet, and no scheduler has said anything about it",
        f"It is new; or the scheduler that it asks for, “{name}”, does not run.",
        "Wait a moment. If it lasts, `kubectl get pods -n kube-system` shows whether a scheduler runs.",
        f"pod {case.name}: phase {case.status.get('phase')}, no nodeName, no condition PodScheduled",
    )


def _reasons(said: str, pod: Object, rooms: Sequence[Room] | None) -> Iterator[str]:
    """The scheduler's sentence in plain words, with numbers where we know them."""
    if "no nodes available" in said:
        yield "The cluster has no node at all."
        return
    total = found[1] if (found := re.search(r"\d+/(\d+) nodes are available", said)) else "all"
    yield (
        f"None of the cluster's {total} nodes fits."
        if total != "1"
        else "The cluster's one node does not fit."
    )
    main = re.split(r"\.? ?(?:preemption|no new claims to deallocate)", said)[0]
    main = main.partition("nodes are available:")[2] or main
    for count, reason in re.findall(r"\s*(?:(\d+) )?((?:[^,{]|\{[^}]*\})+)", main):
        words = _words(reason.strip(" ."))
        yield f"On {count} of them {words}." if count else f"{words[0].upper()}{words[1:]}."
    asks = _asks(pod["spec"])
    if re.search("Insufficient (?:cpu|memory)", said):
        yield f"The pod asks for {_amount(asks)}."
        for room in rooms or ():
            yield (
                f"Node {room.node} has {_amount((room.cpu, room.memory))}, of which its pods ask for "
                f"{_amount((room.cpu_taken, room.memory_taken))}."
            )
    if "untolerated taint" in said and "taint {" not in said:
        # Since Kubernetes 1.35 the sentence does not say which; the nodes do.
        for room in rooms or ():
            if room.taints:
                yield f"Node {room.node}: {'; '.join(key + _meaning(key) for key in room.taints)}."
    if selector := pod["spec"].get("nodeSelector") if "Pod's node affinity" in said else None:
        labels = ", ".join(f"{key}={value}" for key, value in selector.items())
        yield f"The pod wants a node with {labels}."


def _words(reason: str) -> str:
    if found := re.match(r"Insufficient (.+)", reason):
        return f"too little {found[1]} is free"
    if found := re.match(r"node\(s\) had untolerated taint(?:\(s\))?(?: (\{.*\}))?", reason):
        which = f" {found[1]}" if found[1] else ""
        return f"a taint{which} keeps pods away that do not tolerate it{_meaning(which)}"
    return next((words for start, words in _SENTENCES if start in reason), f"the scheduler says “{reason}”")


def _meaning(taint: str) -> str:
    return next((words for key, words in _TAINTS.items() if key in taint), "")


_TAINTS = {
    "control-plane": " (the node is for Kubernetes itself)",
    "not-ready": " (the node is not ready)",
    "unreachable": " (the node does not answer)",
    "disk-pressure": " (its disk is nearly full)",
    "memory-pressure": " (its memory is nearly full)",
    "pid-pressure": " (it runs too many processes)",
    "network-unavailable": " (its network is not up)",
    "unschedulable": " (somebody cordoned it)",
    "uninitialized": " (the cloud has not finished it)",
}

_SENTENCES = (
    ("Pod's node affinity", "it has not the labels that `nodeSelector` or the node affinity want"),
    ("pod topology spread constraints", "a pod there would break `topologySpreadConstraints`"),
    ("pod anti-affinity", "a pod is there already that this one keeps away from (anti-affinity)"),
    ("pod affinity", "the pod that this one wants to be near is not there (affinity)"),
    ("were unschedulable", "somebody cordoned it (`kubectl uncordon NODE` allows pods again)"),
    ("Too many pods", "it has as many pods as it may"),
    ("free ports", "the host port that the pod wants is taken"),
    ("unbound immediate PersistentVolumeClaims", "the pod's PersistentVolumeClaim has no volume yet"),
    ("volume node affinity", "the pod's volume is elsewhere"),
    ("persistentvolumeclaim", "the PersistentVolumeClaim that the pod names is not there"),
    ("PersistentVolume's node affinity", "the pod's volume is elsewhere"),
)


def _remedy(said: str) -> str:
    if "no nodes available" in said:
        return "Bring a node up; `kubectl get nodes` lists them."
    if "Insufficient" in said or "Too many pods" in said:
        return (
            "Ask for less under `resources.requests`, free some room (`shop.scale(NAME, 1)`), or add a node. "
            "A cluster with an autoscaler may add one by itself."
        )
    if "taint" in said:
        return (
            "`kubectl describe nodes` shows the taints; wait for a node that is not ready, or tolerate the "
            "taint."
        )
    if re.search("persistentvolumeclaim", said, re.IGNORECASE):
        return "`kubectl describe pvc` says why it has no volume: mostly its storage class is not there."
    if "topology spread" in said:
        return "Add a node in another zone, or write `whenUnsatisfiable: ScheduleAnyway`."
    return "Compare what the pod wants with `kubectl get nodes --show-labels`."


def _asks(spec: Mapping[str, Any]) -> tuple[float, float]:
    """Cores and bytes that a pod asks for: the sum of its containers, or its largest init container."""
    return _sum(spec, "cpu"), _sum(spec, "memory")


def _sum(spec: Mapping[str, Any], what: str) -> float:
    def of(containers: Sequence[Object]) -> list[Decimal]:
        asked = [((each.get("resources") or {}).get("requests") or {}).get(what, 0) for each in containers]
        return [parse_quantity(amount) for amount in asked]

    init = spec.get("initContainers") or []
    # Init containers that stay (restartPolicy Always) run beside the others.
    staying = [each for each in init if each.get("restartPolicy") == "Always"]
    together = sum(of([*(spec.get("containers") or []), *staying]), Decimal(0))
    overhead = parse_quantity((spec.get("overhead") or {}).get(what, 0))
    return float(max([together, *of(init)]) + overhead)


def _amount(numbers: tuple[float, float]) -> str:
    cpu, memory = numbers
    return f"{cpu:.3g} CPU and {memory / MIB:,.0f} MiB"


def rooms(nodes: Sequence[Object], pods: Sequence[Object]) -> list[Room]:
    """How much of each node is taken, as the scheduler counts: by what pods ask for, not by what they use."""
    found = []
    for node in nodes:
        name, allocatable = node["metadata"]["name"], (node.get("status") or {}).get("allocatable") or {}
        here = [
            _asks(pod["spec"])
            for pod in pods
            if pod["spec"].get("nodeName") == name
            and (pod.get("status") or {}).get("phase") not in ("Succeeded", "Failed")
        ]
        found.append(
            Room(
                name,
                float(parse_quantity(allocatable.get("cpu", 0))),
                sum(cpu for cpu, _ in here),
                float(parse_quantity(allocatable.get("memory", 0))),
                sum(memory for _, memory in here),
                tuple(taint["key"] for taint in node.get("spec", {}).get("taints") or []),
            )
        )
    return found
