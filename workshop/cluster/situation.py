"""What the cluster knows about some Deployments at one moment: all that an explanation is made from."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from workshop.cluster.api import Object

REVISION = "deployment.kubernetes.io/revision"
HASH = "pod-template-hash"

# Namespaced kinds that are read, and followed, to explain a Deployment.
KINDS = (
    ("apps/v1", "Deployment"),
    ("apps/v1", "ReplicaSet"),
    ("v1", "Pod"),
    ("v1", "Event"),
)


@dataclass(frozen=True)
class Happening:
    """An event, whichever of its two APIs wrote it.

    An event that was written by events.k8s.io has no firstTimestamp, lastTimestamp or count: its time is in
    eventTime, and repetitions are counted in a series.
    """

    reason: str
    message: str
    type: str
    uid: str
    name: str
    field: str
    time: str
    count: int

    @classmethod
    def read(cls, event: Mapping[str, Any]) -> "Happening":
        about = event.get("involvedObject") or event.get("regarding") or {}
        series = event.get("series") or {}
        metadata = event.get("metadata") or {}
        times = (
            series.get("lastObservedTime"),
            event.get("lastTimestamp") or event.get("deprecatedLastTimestamp"),
            event.get("eventTime"),
            event.get("firstTimestamp") or event.get("deprecatedFirstTimestamp"),
            metadata.get("creationTimestamp"),
        )
        return cls(
            reason=event.get("reason") or "",
            message=(event.get("message") or event.get("note") or "").strip(),
            type=event.get("type") or "",
            uid=about.get("uid") or "",
            name=about.get("name") or "",
            field=about.get("fieldPath") or "",
            time=next(filter(None, times), ""),
            count=series.get("count") or event.get("count") or event.get("deprecatedCount") or 1,
        )

    def __str__(self) -> str:
        times = f" ({self.count} times)" if self.count > 1 else ""
        return f"event {self.reason}: {self.message}{times}"


def _no_lines(namespace: str, pod: str, container: str, previous: bool) -> Sequence[str]:
    return ()


def _no_nodes() -> None:
    return None


@dataclass(frozen=True)
class Situation:
    """The objects of one namespace, as the API sends them.

    Attributes:
        log: asks for the last lines of a container's log; none where there are none.
        nodes: asks for the nodes with what is taken of each; None where we may not know.
        unreadable: kinds that this user may not read.
        now: the moment.
    """

    deployments: Sequence[Object]
    replica_sets: Sequence[Object]
    pods: Sequence[Object]
    events: Sequence[Object]
    log: Callable[[str, str, str, bool], Sequence[str]] = _no_lines
    nodes: Callable[[], Sequence["Room"] | None] = _no_nodes
    unreadable: Sequence[str] = ()
    now: datetime = datetime.max.replace(tzinfo=UTC)

    @cached_property
    def happenings(self) -> Sequence[Happening]:
        """The events, newest first."""
        found = map(Happening.read, self.events)
        return sorted(found, key=lambda event: moment(event.time), reverse=True)

    def about(self, thing: Object) -> list[Happening]:
        """The events about an object, newest first."""
        uid = thing["metadata"].get("uid")
        return [event for event in self.happenings if event.uid == uid]

    def sets_of(self, deployment: Object) -> list[Object]:
        """A Deployment's ReplicaSets, newest revision first."""
        return sorted(owned(self.replica_sets, deployment), key=revision, reverse=True)

    def current_set(self, deployment: Object) -> Object | None:
        """The ReplicaSet with the Deployment's template, as `kubectl` finds it: equal but for the hash."""
        wanted = _template(deployment)
        return next((rs for rs in self.sets_of(deployment) if _template(rs) == wanted), None)

    def pods_of(self, replica_set: Object | None) -> list[Object]:
        return owned(self.pods, replica_set) if replica_set else []


@dataclass(frozen=True)
class Room:
    """How much of a node is taken by what its pods ask for, in cores and bytes; and what keeps pods away."""

    node: str
    cpu: float
    cpu_taken: float
    memory: float
    memory_taken: float
    taints: tuple[str, ...] = ()


def owned(things: Iterable[Object], owner: Object) -> list[Object]:
    """Those whose controller is `owner`."""
    uid = owner["metadata"].get("uid")
    return [
        thing
        for thing in things
        if any(
            ref.get("controller") and ref["uid"] == uid
            for ref in thing["metadata"].get("ownerReferences") or []
        )
    ]


def revision(replica_set: Object) -> int:
    """Which template of its Deployment a ReplicaSet has, counted from 1; 0 before it was counted."""
    return int((replica_set["metadata"].get("annotations") or {}).get(REVISION) or 0)


def condition(thing: Mapping[str, Any], type: str) -> Object:
    """One of an object's conditions; empty where it has none of that type."""
    conditions = (thing.get("status") or {}).get("conditions") or []
    return next((each for each in conditions if each["type"] == type), {})


def ready(pod: Mapping[str, Any]) -> bool:
    return condition(pod, "Ready").get("status") == "True"


def now() -> datetime:
    """The moment, by this machine's clock."""
    return datetime.now(UTC)


def moment(time: str | None) -> datetime:
    """A time as the API writes it; the beginning of time for none."""
    return datetime.fromisoformat(time) if time else datetime.min.replace(tzinfo=UTC)


def _template(owner: Object) -> Object:
    template = owner["spec"].get("template") or {}
    metadata = template.get("metadata") or {}
    labels = {key: value for key, value in (metadata.get("labels") or {}).items() if key != HASH}
    return {**template, "metadata": {**metadata, "labels": labels}}
