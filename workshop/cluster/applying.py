"""Apply manifests in the right order, and say of each object what became of it.

ClusterError
  NotApplied            some objects were refused; the message says which and why
"""

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kubernetes.dynamic.exceptions import ResourceNotFoundError

from workshop.cluster import answers, ownership, removal
from workshop.cluster.api import NO_ANSWER, Api, ApiException, Object, message_of
from workshop.cluster.errors import ClusterError, ServerGone
from workshop.cluster.rollout import Target
from workshop.cluster.situation import condition
from workshop.manifests.tables import Cell, Table

# What others need comes first: a pod whose ServiceAccount is not there yet would be refused, and tried
# again late.
ORDER = (
    "CustomResourceDefinition",
    "Namespace",
    "ServiceAccount",
    "Secret",
    "ConfigMap",
    "NetworkPolicy",
    "Service",
    "PodDisruptionBudget",
    "Deployment",
    "HorizontalPodAutoscaler",
    "Ingress",
)

TRIES = 4
NAMESPACE_SECONDS = 120.0
KIND_SECONDS = 30

# Changed by the server or by controllers, whatever we send.
_NOT_OURS = ("resourceVersion", "managedFields", "generation")


@dataclass(frozen=True)
class Result:
    """What became of one object.

    Attributes:
        kind: its kind.
        name: its name.
        namespace: where it is; empty where it belongs to none.
        what: `created`, `configured`, `unchanged`, `left alone`, `refused` or `not tried`.
        note: what the server wants you to know, or why it refused.
    """

    kind: str
    name: str
    namespace: str
    what: str
    note: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.name} {self.what}"


class Applied(Sequence[Result]):
    """The objects in the order in which they were applied; shows itself as a table."""

    def __init__(self, results: Iterable[Result]) -> None:
        self._results = tuple(results)

    def __getitem__(self, index: Any) -> Any:
        return self._results[index]

    def __len__(self) -> int:
        return len(self._results)

    @property
    def deployments(self) -> list[Target]:
        """The Deployments that are on the cluster now."""
        fine = ("created", "configured", "unchanged")
        return [
            Target(each.namespace, each.name)
            for each in self._results
            if each.kind == "Deployment" and each.what in fine
        ]

    @property
    def refused(self) -> list[Result]:
        return [each for each in self._results if each.what in ("refused", "not tried")]

    def _table(self) -> Table:
        colours = {"refused": "bad", "not tried": "bad", "created": "good", "configured": "lit"}
        # A refusal is told at length elsewhere.
        notes = [each.note if each.what not in ("refused", "not tried") else "" for each in self._results]
        headers = ["object", "namespace", "what became of it", *(["note"] if any(notes) else [])]
        rows: list[list[Cell | str]] = [
            [
                f"{each.kind} {each.name}",
                each.namespace,
                Cell(each.what, colour=colours.get(each.what, "")),
                *([note] if any(notes) else []),
            ]
            for each, note in zip(self._results, notes, strict=True)
        ]
        return Table(headers, rows)

    def __str__(self) -> str:
        return str(self._table())

    def __repr__(self) -> str:
        return str(self)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/html": self._table().to_html(), "text/plain": str(self)}


class NotApplied(ClusterError):
    """Some objects were refused; those that could be applied were.

    Attributes:
        applied: what became of each.
    """

    def __init__(self, applied: Applied) -> None:
        self.applied = applied
        refused = applied.refused
        told = "\n\n".join(f"{each}: {each.note}" for each in refused)
        rest = f"The other {len(applied) - len(refused)} are applied." if len(refused) < len(applied) else ""
        super().__init__(
            f"{len(refused)} of {len(applied)} objects were refused. {rest}\n\n{told}\n\n{applied}"
        )


def read(what: Path | str | Sequence[Mapping[str, Any]]) -> list[Object]:
    """The manifests of a folder with a kustomization, of a file, or those that are given.

    Raises:
        ClusterError: one of those that are given has no kind, or no name.
    """
    if isinstance(what, Path | str):
        from workshop.manifests import load

        return [dict(manifest) for manifest in load(what)]
    given = [copy.deepcopy(dict(manifest)) for manifest in what]
    for manifest in given:
        name = (manifest.get("metadata") or {}).get("name")
        if not (manifest.get("apiVersion") and manifest.get("kind") and name):
            raise ClusterError(
                f"This is no whole manifest: {str(manifest)[:80]}\n"
                "Each needs apiVersion, kind, and a name under metadata."
            )
    return given


def in_order(manifests: Iterable[Object]) -> list[Object]:
    """What others need first; within one kind as they were given."""
    return sorted(
        manifests, key=lambda each: ORDER.index(each["kind"]) if each["kind"] in ORDER else len(ORDER)
    )


def apply(api: Api, manifests: Iterable[Object], namespace: str, images: Mapping[str, str]) -> Applied:
    """Apply manifests, like `kubectl apply --server-side --force-conflicts`.

    One that is refused does not hide the others: they are applied all the same, as kubectl does it.

    Args:
        api: the cluster.
        manifests: what to apply.
        namespace: for objects that name none.
        images: what the cluster calls images that were loaded into it, by the names in the manifests.

    Raises:
        NotApplied: some were refused.
        ServerGone: the server does not answer.
    """
    results: list[Result] = []
    absent: set[str] = set()  # Namespaces that are not there and could not be made.
    for manifest in in_order(manifests):
        _rename_images(manifest, images)
        result = _one(api, manifest, namespace, absent, results)
        if manifest["kind"] == "Namespace" and result.what == "refused":
            absent.add(result.name)
        results.append(result)
    applied = Applied(results)
    if applied.refused:
        raise NotApplied(applied)
    return applied


def _one(api: Api, manifest: Object, namespace: str, absent: set[str], so_far: Sequence[Result]) -> Result:
    kind, name = manifest["kind"], manifest["metadata"]["name"]
    try:
        if api.resource(manifest["apiVersion"], kind).namespaced:
            manifest["metadata"].setdefault("namespace", namespace)
        where = manifest["metadata"].get("namespace", "")
        if where in absent:
            return Result(kind, name, where, "not tried", f"its namespace “{where}” is not there.")
        what, warnings = _apply(api, manifest)
        return Result(kind, name, where, what, "; ".join(warnings))
    except ResourceNotFoundError:
        return Result(kind, name, manifest["metadata"].get("namespace", ""), "refused", _unknown(manifest))
    except removal.NotRemoved as error:
        return Result(kind, name, "", "refused", str(error))
    except ApiException as error:
        if error.status == 0:
            raise _broken_off(answers.gone(api, str(error.reason)), so_far) from None
        if kind == "Namespace" and error.status == 403 and _is_there(api, name):
            note = "it is there; you have no right to change it"
            return Result(kind, name, "", "left alone", note)
        return Result(kind, name, manifest["metadata"].get("namespace", ""), "refused", answers.words(error))
    except NO_ANSWER as error:
        raise _broken_off(answers.gone(api, str(error)), so_far) from None


def _apply(api: Api, manifest: Object) -> tuple[str, Sequence[str]]:
    """Apply one object: what became of it, and the server's warnings."""
    before = _before(api, manifest)
    if manifest["kind"] == "Namespace" and before and before["metadata"].get("deletionTimestamp"):
        removal.wait_for_end(api, before, NAMESPACE_SECONDS)
        before = None
    if before:
        before = ownership.adopt(api, before)
        ownership.hand_over_replicas(api, before, manifest)
    written = _persist(api, manifest)
    if manifest["kind"] == "CustomResourceDefinition":
        _wait_for_kind(api, written.object)
    if written.created:
        return "created", written.warnings
    same = before is not None and _ours(before) == _ours(written.object)
    return ("unchanged" if same else "configured"), written.warnings


def _persist(api: Api, manifest: Object) -> Any:
    """Again, where somebody changes the object in the same moment."""
    for attempt in range(TRIES):
        try:
            return api.apply(manifest)
        except ApiException as error:
            conflict = error.status == 409 and "the object has been modified" in message_of(error)
            if not conflict or attempt == TRIES - 1:
                raise
    raise AssertionError("the last attempt returns or raises")


def _before(api: Api, manifest: Object) -> Object | None:
    """The object as it was; None where there was none, or where we may not look."""
    metadata = manifest["metadata"]
    try:
        return api.find(manifest["apiVersion"], manifest["kind"], metadata["name"], metadata.get("namespace"))
    except ApiException as error:
        if error.status == 403:
            return None
        raise


def _is_there(api: Api, namespace: str) -> bool:
    """Whether a namespace exists; one that we may not read either counts, for its objects will tell."""
    try:
        return api.find("v1", "Namespace", namespace) is not None
    except ApiException as error:
        return error.status == 403


def _ours(thing: Object) -> Object:
    """An object without what changes by itself."""
    metadata = {key: value for key, value in thing["metadata"].items() if key not in _NOT_OURS}
    return {**{key: value for key, value in thing.items() if key != "status"}, "metadata": metadata}


def _wait_for_kind(api: Api, definition: Object) -> None:
    """A new kind of object is served a moment after its definition is there."""
    name, version = definition["metadata"]["name"], definition["metadata"]["resourceVersion"]
    if condition(definition, "Established").get("status") == "True":
        return
    resource = api.resource(definition["apiVersion"], definition["kind"])
    for event in api.watch(resource, version, KIND_SECONDS, name=name):
        if condition(event.object, "Established").get("status") == "True":
            return


def _rename_images(manifest: Object, images: Mapping[str, str]) -> None:
    template = (
        (manifest.get("spec") or {}).get("template") if isinstance(manifest.get("spec"), dict) else None
    )
    spec = (template or {}).get("spec") or {} if isinstance(template, dict) else {}
    for container in [*(spec.get("containers") or []), *(spec.get("initContainers") or [])]:
        if container.get("image") in images:
            container["image"] = images[container["image"]]


def _unknown(manifest: Object) -> str:
    api_version, kind = manifest["apiVersion"], manifest["kind"]
    group = api_version.partition("/")[0] if "/" in api_version else ""
    if "." in group and not group.endswith(".k8s.io"):
        remedy = f"Install what defines it first: the CustomResourceDefinition of {group}."
    else:
        remedy = (
            "Check apiVersion and kind (`kubectl api-resources`); a newer Kubernetes may have dropped that "
            "version."
        )
    return f"The cluster does not know {api_version} {kind}.\nNext: {remedy}"


def _broken_off(error: ServerGone, so_far: Sequence[Result]) -> ServerGone:
    done = f"\nUntil then: {', '.join(map(str, so_far))}." if so_far else ""
    return ServerGone(f"{error}{done}")
