"""What an explaining function is given: one pod, or one container of it, with the events about it."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from workshop.cluster.api import Object
from workshop.cluster.explanation import EVIDENCE_LINES, Explanation
from workshop.cluster.situation import Happening, Situation


@dataclass(frozen=True)
class PodCase:
    """One pod that may be in trouble.

    Attributes:
        pod: the pod.
        situation: all that is known.
    """

    pod: Object
    situation: Situation

    @property
    def name(self) -> str:
        return self.pod["metadata"]["name"]

    @property
    def namespace(self) -> str:
        return self.pod["metadata"].get("namespace", "default")

    @property
    def component(self) -> str:
        """What the workshop's commands call it."""
        return (self.pod["metadata"].get("labels") or {}).get("app.kubernetes.io/name") or self.name

    @property
    def status(self) -> Object:
        return self.pod.get("status") or {}

    @cached_property
    def events(self) -> list[Happening]:
        """Those about the pod, newest first."""
        return self.situation.about(self.pod)

    def event(self, *reasons: str, message: str = "") -> Happening | None:
        """The newest event with one of these reasons, whose message fits a pattern."""
        return next(
            (each for each in self.events if each.reason in reasons and re.search(message, each.message)),
            None,
        )

    def explain(
        self,
        cause: str,
        what: str,
        why: str,
        next: str,
        *evidence: str | Happening | None,
        patience: float | None = None,
        time: str = "",
    ) -> Explanation:
        """An explanation that names this pod; the first event among the evidence gives its time."""
        lines = [line for line in evidence if line]
        times = [line.time for line in lines if isinstance(line, Happening)]
        texts = tuple(text for line in lines for text in str(line).splitlines())[:EVIDENCE_LINES]
        when = (times or [time or self.pod["metadata"].get("creationTimestamp") or ""])[0]
        return Explanation(cause, what, why, next, texts, (self.name,), when, patience)


@dataclass(frozen=True)
class ContainerCase(PodCase):
    """One container of a pod.

    Attributes:
        spec: what the manifest says about it.
        container_status: what the node says about it; empty before it said anything.
        init: it runs to its end before the others begin.
    """

    spec: Object
    container_status: Object
    init: bool = False

    @property
    def label(self) -> str:
        """The container in a sentence; a lone container needs no name."""
        kind = "init container" if self.init else "container"
        return f"the {kind} “{self.spec['name']}”"

    @property
    def waiting(self) -> Object:
        return (self.container_status.get("state") or {}).get("waiting") or {}

    @property
    def terminated(self) -> Object:
        """How it ended: now, or the last time."""
        now = (self.container_status.get("state") or {}).get("terminated")
        return now or (self.container_status.get("lastState") or {}).get("terminated") or {}

    @property
    def running(self) -> Object:
        return (self.container_status.get("state") or {}).get("running") or {}

    @property
    def restarts(self) -> int:
        return self.container_status.get("restartCount") or 0

    @cached_property
    def events(self) -> list[Happening]:
        """Those about this container, and those about the pod as a whole; newest first."""
        own = re.compile(rf"spec\.(?:init|ephemeral)?[cC]ontainers\{{{re.escape(self.spec['name'])}\}}")
        about = self.situation.about(self.pod)
        return [each for each in about if not each.field or own.fullmatch(each.field)]

    def log(self, previous: bool) -> Sequence[str]:
        """The last lines of its log; of the run before the last restart where there is one."""
        return self.situation.log(self.namespace, self.name, self.spec["name"], previous)


def containers(case: PodCase) -> Iterator[ContainerCase]:
    """The containers of a pod, init containers first."""
    for init, specs, statuses in (
        (True, "initContainers", "initContainerStatuses"),
        (False, "containers", "containerStatuses"),
    ):
        known = {status["name"]: status for status in case.status.get(statuses) or []}
        for spec in case.pod["spec"].get(specs) or []:
            yield ContainerCase(case.pod, case.situation, spec, known.get(spec["name"], {}), init)
