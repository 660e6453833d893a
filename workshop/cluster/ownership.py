"""Who owns which fields of an object; the server keeps the books, in metadata.managedFields."""

from collections.abc import Mapping
from typing import Any

from workshop.cluster.api import MANAGER, Api, ApiException, Object

# Holds the number of replicas between the file that named it and the autoscaler that will set it.
REPLICAS_MANAGER = f"{MANAGER}-replicas"

TRIES = 4


def adopt(api: Api, live: Object) -> Object:
    """Make what `roll` and `roll_back` changed count as applied, so that the next apply may take it away.

    A server-side apply only removes fields that an earlier apply of the same manager had set. A field that
    came with another kind of change would stay for ever. `kubectl apply --server-side` does the same for
    objects that it had applied the old way.

    Returns:
        The object as it is now.
    """
    for attempt in range(TRIES):
        fields = _as_applied(live["metadata"].get("managedFields") or [])
        if fields is None:
            return live
        patch = [
            {"op": "replace", "path": "/metadata/managedFields", "value": fields},
            # Refused with a conflict, should the object have changed meanwhile.
            {
                "op": "replace",
                "path": "/metadata/resourceVersion",
                "value": live["metadata"]["resourceVersion"],
            },
        ]
        try:
            return api.patch(live, patch, "json-patch").object
        except ApiException as error:
            if error.status != 409 or attempt == TRIES - 1:
                raise
        metadata = live["metadata"]
        live = api.get(live["apiVersion"], live["kind"], metadata["name"], metadata.get("namespace"))
    return live


def hand_over_replicas(api: Api, live: Object, manifest: Mapping[str, Any]) -> None:
    """Keep the number of replicas where a manifest no longer names it.

    It was ours, and an apply without it would give it up; the server would set it to 1, and an autoscaler
    would find a single pod under the whole load. So another manager holds the number until the autoscaler
    writes its own. This is what the documentation of Kubernetes advises for the change to a
    HorizontalPodAutoscaler.
    """
    if manifest["kind"] != "Deployment" or "replicas" in manifest["spec"]:
        return
    replicas = live["spec"]["replicas"]
    owners = [entry for entry in live["metadata"].get("managedFields") or [] if _owns_replicas(entry)]
    if any(_is_ours(entry, "Apply") for entry in owners) and len(owners) == 1:
        metadata = {key: live["metadata"][key] for key in ("name", "namespace")}
        body = {"apiVersion": live["apiVersion"], "kind": live["kind"], "metadata": metadata}
        api.apply({**body, "spec": {"replicas": replicas}}, manager=REPLICAS_MANAGER)


def _as_applied(entries: list[Object]) -> list[Object] | None:
    """The books with our own changes moved to what we applied; None where there is nothing to move."""
    changes = [entry for entry in entries if _is_ours(entry, "Update") and not entry.get("subresource")]
    if not changes:
        return None
    applied = next(
        (entry for entry in entries if _is_ours(entry, "Apply")), {**changes[0], "operation": "Apply"}
    )
    same = [entry for entry in changes if entry["apiVersion"] == applied["apiVersion"]]
    fields = applied["fieldsV1"]
    for entry in same:
        fields = _union(fields, entry["fieldsV1"])
    rest = [entry for entry in entries if entry not in same and not _is_ours(entry, "Apply")]
    return [*rest, {**applied, "fieldsV1": fields}]


def _is_ours(entry: Object, operation: str) -> bool:
    return entry.get("manager") == MANAGER and entry.get("operation") == operation


def _owns_replicas(entry: Object) -> bool:
    return "f:replicas" in ((entry.get("fieldsV1") or {}).get("f:spec") or {})


def _union(one: Object, other: Object) -> Object:
    return {
        key: _union(one.get(key, {}), other.get(key, {}))
        if key in one and key in other
        else (one | other)[key]
        for key in {**one, **other}
    }
