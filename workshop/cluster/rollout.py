"""Follow Deployments until all their pods are new and available; end early where waiting is in vain.

ClusterError
  NotRolledOut          a Deployment does not come up; the message has the reasons
KeyboardInterrupt
  Interrupted           you stopped the waiting; the cluster goes on
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import NamedTuple

from IPython.core.getipython import get_ipython
from IPython.display import display

from workshop.cluster import explaining, listing
from workshop.cluster.api import Api, Object
from workshop.cluster.errors import ClusterError
from workshop.cluster.explanation import Explanation, Explanations, merged
from workshop.cluster.situation import KINDS, Situation, now, ready
from workshop.cluster.watching import Live
from workshop.svg import COLOURS

SECONDS = 180.0
# Without any change, the clock is drawn again, and patience counted, so often.
TICK_SECONDS = 0.5
BAR = {"running": "#e99628", "done": "#2e9e5b", "failed": "#d64541", "interrupted": "#8a8f98"}


class Target(NamedTuple):
    """Which Deployment."""

    namespace: str
    name: str


class NotRolledOut(ClusterError):
    """A Deployment does not come up.

    Attributes:
        reasons: why, as an object that shows itself.
    """

    def __init__(self, message: str, reasons: Explanations) -> None:
        super().__init__(message)
        self.reasons = reasons


class Interrupted(KeyboardInterrupt):
    """Somebody interrupted the kernel while it waited."""

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


@dataclass(frozen=True)
class Progress:
    """How far one Deployment is.

    Attributes:
        target: which one.
        words: the same in words, as `kubectl rollout status` says it.
        wanted: pods that there should be.
        available: pods of the new version that serve.
        done: it is finished.
        pods: of the new version, each with its status.
    """

    target: Target
    words: str
    wanted: int
    available: int
    done: bool
    pods: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        return f"{self.target.name}: {self.words}"


def wait(api: Api, targets: Sequence[Target], seconds: float = SECONDS) -> None:
    """Follow Deployments to their end, like `kubectl rollout status`, and show how far they are.

    Args:
        api: the cluster.
        targets: which Deployments.
        seconds: the deadline.

    Raises:
        NotRolledOut: it cannot succeed, or a reason that may pass has not, or the deadline has passed.
        Interrupted: the kernel was interrupted.
    """
    began = time.monotonic()
    view = _View(began)
    patience = _Patience()
    namespaces = list(dict.fromkeys(target.namespace for target in targets))
    try:
        with Live(api, namespaces, KINDS, needed="Deployment") as live:
            while True:
                found = live.objects()
                situation = _situation(found, live.unreadable)
                rows = [progress(situation, target) for target in targets]
                if all(row.done for row in rows):
                    view.end(rows, "done")
                    return
                view.draw(rows)
                waited = time.monotonic() - began
                hopeless = patience.exhausted(_reasons(situation, rows))
                if hopeless or waited > seconds:
                    told = explaining.situation_of(api, found, live.unreadable)
                    raise _failure(told, rows, waited, hopeless)
                live.wait(TICK_SECONDS)
    except KeyboardInterrupt:
        view.end(view.rows, "interrupted")
        raise Interrupted(
            "You interrupted the waiting; the cluster goes on. Run the cell again to wait on."
        ) from None
    except ClusterError:
        view.end(view.rows, "failed")
        raise


def progress(situation: Situation, target: Target) -> Progress:
    """How far a Deployment is, as `kubectl rollout status` decides it, and whether its pods bear that out.

    The status is behind for a moment when a pod has just been told to go.
    """
    deployment = _find(situation, target)
    if deployment is None:
        return Progress(target, "there is no such Deployment", 0, 0, False)
    wanted = deployment["spec"].get("replicas", 1)
    status = deployment.get("status") or {}
    total, updated = status.get("replicas", 0), status.get("updatedReplicas", 0)
    available = status.get("availableReplicas", 0)
    current = situation.pods_of(situation.current_set(deployment))
    pods = tuple((pod["metadata"]["name"], listing.status(pod)) for pod in current)
    staying = [pod for pod in current if not pod["metadata"].get("deletionTimestamp")]
    replaced = len(staying) == len(current) or sum(map(ready, staying)) >= wanted
    if not explaining.observed(deployment):
        words = "the cluster has not looked at it yet"
    elif updated < wanted:
        words = f"{updated} of {wanted} new pods {_are(updated)} made"
    elif total > updated:
        left = total - updated
        words = f"{left} old {'pod is' if left == 1 else 'pods are'} still to end"
    elif available < updated:
        words = f"{available} of {updated} new pods {_are(available)} available"
    elif not replaced:
        words = "a pod is going, and the one in its place is not ready yet"
    else:
        words = f"rolled out, {wanted} {'pod is' if wanted == 1 else 'pods are'} available"
    # While old pods serve beside the new, only what is new counts.
    done = explaining.complete(deployment) and replaced
    return Progress(target, words, wanted, min(available, updated), done, pods)


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


class _Patience:
    """For how long each reason has lasted without a break."""

    def __init__(self) -> None:
        self._since: dict[tuple[str, str, str], float] = {}

    def exhausted(self, reasons: Sequence[tuple[Target, Explanation]]) -> bool:
        """Whether one of the reasons has lasted for longer than its patience."""
        now = time.monotonic()
        keys = {(target.name, reason.cause, reason.what): reason for target, reason in reasons}
        self._since = {key: self._since.get(key, now) for key in keys}
        return any(
            reason.patience is not None and now - self._since[key] >= reason.patience
            for key, reason in keys.items()
        )


def _situation(found: dict[str, list[Object]], unreadable: Sequence[str]) -> Situation:
    """Without the ways to ask for logs: while all is well, nobody needs them."""
    return Situation(
        found["Deployment"],
        found["ReplicaSet"],
        found["Pod"],
        found["Event"],
        unreadable=unreadable,
        now=now(),
    )


def _find(situation: Situation, target: Target) -> Object | None:
    return next(
        (
            each
            for each in situation.deployments
            if (each["metadata"]["namespace"], each["metadata"]["name"]) == target
        ),
        None,
    )


def _reasons(situation: Situation, rows: Sequence[Progress]) -> list[tuple[Target, Explanation]]:
    return [(row.target, reason) for row in rows if not row.done for reason in _of(situation, row.target)]


def _of(situation: Situation, target: Target) -> Iterator[Explanation]:
    deployment = _find(situation, target)
    if deployment is not None:
        yield from explaining.explain(situation, deployment)
        return
    yield Explanation(
        "absent",
        f"The namespace “{target.namespace}” has no Deployment “{target.name}”",
        "It was refused, or somebody has removed it.",
        "Apply it (again): `shop.apply(…)`.",
        patience=0,
    )


def _failure(situation: Situation, rows: Sequence[Progress], waited: float, hopeless: bool) -> NotRolledOut:
    late = [row for row in rows if not row.done]
    names = " and ".join(row.target.name for row in late)
    reasons = Explanations(
        names, merged(reason for _, reason in _reasons(situation, rows)), explaining.notes(situation)
    )
    states = "; ".join(map(str, late))
    verb = _are(len(late))
    ending = f"after {waited:.0f} s, and waiting longer is in vain" if hopeless else f"after {waited:.0f} s"
    why = (
        str(reasons)
        if reasons
        else ("Nothing says why so far. Wait on with `shop.wait()`, or look closer: `shop.why(NAME)`.")
    )
    return NotRolledOut(f"{names} {verb} not rolled out {ending} ({states}).\n\n{why}", reasons)


class _View:
    """How far all are: one output of the cell, drawn again and again; without a notebook, lines."""

    def __init__(self, began: float) -> None:
        self.rows: Sequence[Progress] = ()
        self._began = began
        self._handle = display({"text/plain": ""}, raw=True, display_id=True) if get_ipython() else None
        self._said: dict[Target, str] = {}

    def draw(self, rows: Sequence[Progress], state: str = "running") -> None:
        self.rows = rows
        seconds = time.monotonic() - self._began
        if self._handle:
            text = "\n".join(map(str, rows))
            self._handle.update({"text/html": _table(rows, state, seconds), "text/plain": text}, raw=True)
            return
        for row in rows:
            if self._said.get(row.target) != row.words:
                print(f"{seconds:5.1f} s  {row}")
                self._said[row.target] = row.words

    def end(self, rows: Sequence[Progress], state: str) -> None:
        self.draw(rows, state)


CELL = "padding:.15em .8em .15em 0;text-align:left;background:none;vertical-align:top"


def _table(rows: Sequence[Progress], state: str, seconds: float) -> str:
    body = "".join(_row(row, "done" if row.done else state) for row in rows)
    words = {"running": "rolling out", "done": "rolled out", "failed": "not rolled out"}.get(state, state)
    return (
        f'<div style="font-size:13px;line-height:1.5;max-width:70em"><table '
        f'style="border:none;margin:0;width:100%">'
        f'<colgroup><col style="width:12em"><col style="width:10em"><col></colgroup>{body}</table>'
        f'<b role="status">{words}, {seconds:.0f} s</b></div>'
    )


def _row(row: Progress, state: str) -> str:
    share = 100 if row.done else round(100 * row.available / row.wanted) if row.wanted else 0
    pods = ", ".join(f"{name.rpartition('-')[2]} {status}" for name, status in row.pods)
    return (
        f'<tr style="background:none"><td style="{CELL}">{escape(row.target.name)}</td>'
        f'<td style="{CELL}"><div role="progressbar" aria-valuenow="{share}" '
        f'aria-label="{escape(row.words)}" '
        f'style="height:8px;border-radius:4px;margin-top:.5em;background:{COLOURS["plain"]}">'
        f'<div style="height:8px;border-radius:4px;width:{share}%;background:{BAR[state]}"></div></div></td>'
        f'<td style="{CELL}">{escape(row.words)}'
        f'<div style="opacity:.7">{escape(pods)}</div></td></tr>'
    )
