"""The pods of a namespace as a table, as `kubectl get pods -o wide` shows them."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from workshop.cluster.api import Api, Object
from workshop.cluster.situation import moment
from workshop.manifests.tables import Cell, Table


def pods(api: Api, namespace: str) -> Table:
    """All pods of a namespace."""
    found, _ = api.all("v1", "Pod", namespace)
    headers = ["pod", "ready", "status", "restarts", "age", "node", "image"]
    return Table(headers, [_row(pod) for pod in sorted(found, key=lambda pod: pod["metadata"]["name"])])


def status(pod: Object) -> str:
    """One word for how a pod is, as in the column STATUS of `kubectl get pods`."""
    about = pod.get("status") or {}
    if pod["metadata"].get("deletionTimestamp"):
        return "Unknown" if about.get("reason") == "NodeLost" else "Terminating"
    for number, init in enumerate(about.get("initContainerStatuses") or []):
        if not _done(init):
            total = len(pod["spec"].get("initContainers") or [])
            word = _word(init)
            return (
                f"Init:{word}" if word not in ("", "PodInitializing", "Running") else f"Init:{number}/{total}"
            )
    words = [word for each in about.get("containerStatuses") or [] if (word := _word(each)) != "Running"]
    return next(iter(words), "") or about.get("reason") or about.get("phase") or "Unknown"


def _done(init: Object) -> bool:
    ended = (init.get("state") or {}).get("terminated")
    # One that stays (a sidecar) counts as done once it has started.
    return bool(ended and ended.get("exitCode") == 0) or bool(init.get("started"))


def _word(container: Object) -> str:
    state = container.get("state") or {}
    if waiting := state.get("waiting"):
        return waiting.get("reason") or "Waiting"
    if ended := state.get("terminated"):
        return ended.get("reason") or f"ExitCode:{ended.get('exitCode')}"
    return "Running" if state.get("running") else ""


def _row(pod: Object) -> Sequence[Cell | str]:
    statuses = (pod.get("status") or {}).get("containerStatuses") or []
    specs = pod["spec"]["containers"]
    ready = sum(bool(each.get("ready")) for each in statuses)
    return [
        pod["metadata"]["name"],
        Cell(f"{ready}/{len(specs)}", colour="good" if ready == len(specs) else "bad"),
        status(pod),
        str(sum(each.get("restartCount", 0) for each in statuses)),
        _age(pod["metadata"].get("creationTimestamp")),
        pod["spec"].get("nodeName") or "none yet",
        ", ".join(each["image"] for each in specs),
    ]


def _age(created: str | None) -> str:
    age = max(datetime.now(UTC) - moment(created), timedelta())
    if age.days:
        return f"{age.days} d"
    return (
        f"{age.seconds // 3600} h"
        if age.seconds >= 3600
        else (f"{age.seconds // 60} min" if age.seconds >= 60 else f"{age.seconds} s")
    )
