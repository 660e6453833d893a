"""Remove a namespace with everything in it, and wait until it is gone.

ClusterError
  NotRemoved            it is not ours, or does not go
"""

import time

from workshop.cluster.answers import in_plain_words
from workshop.cluster.api import NO_ANSWER, Api, ApiException, Object
from workshop.cluster.errors import ClusterError

PART_OF = "app.kubernetes.io/part-of"
SHOP = "online-books-for-you"

SECONDS = 180.0
PAUSE_SECONDS = 1.0


class NotRemoved(ClusterError):
    """The namespace is not the workshop's, or something in it keeps it from going."""


def remove(api: Api, namespace: str, seconds: float = SECONDS) -> bool:
    """Remove a namespace that is ours, like `kubectl delete namespace microservices --wait`.

    Args:
        api: the cluster.
        namespace: which; it has to carry the label that our Namespace has.
        seconds: how long to wait for its end.

    Returns:
        Whether there was one.

    Raises:
        NotRemoved: it does not carry the label, or it hangs.
    """
    with in_plain_words(api, f"remove the namespace {namespace}"):
        found = api.find("v1", "Namespace", namespace)
        if found is None:
            return False
        if (found["metadata"].get("labels") or {}).get(PART_OF) != SHOP:
            raise NotRemoved(
                f"The namespace “{namespace}” does not carry the label {PART_OF}={SHOP}, so it is not the "
                f"workshop's, and stays. If it is yours and may go: `kubectl delete namespace {namespace}`."
            )
        if not found["metadata"].get("deletionTimestamp"):
            api.delete(found)
        wait_for_end(api, found, seconds)
    return True


def wait_for_end(api: Api, namespace: Object, seconds: float = SECONDS) -> None:
    """Follow a namespace until it is gone.

    Raises:
        NotRemoved: it is still there after so long; the message says what hangs.
    """
    metadata = namespace["metadata"]
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        now = api.find("v1", "Namespace", metadata["name"])
        if now is None or now["metadata"]["uid"] != metadata["uid"]:
            return
        if _ends(api, now, max(1, round(left))):
            return
    raise NotRemoved(_hanging(api.get("v1", "Namespace", metadata["name"]), seconds))


def _ends(api: Api, namespace: Object, seconds: int) -> bool:
    """Watch it; whether its end was seen before the watch ended, for whatever reason."""
    version, uid = namespace["metadata"]["resourceVersion"], namespace["metadata"]["uid"]
    resource, name = api.resource("v1", "Namespace"), namespace["metadata"]["name"]
    began = time.monotonic()
    try:
        for event in api.watch(resource, version, min(seconds, 60), name=name):
            if event.type == "DELETED" and event.object["metadata"]["uid"] == uid:
                return True
    except ApiException as error:
        if error.status not in (403, 410):
            raise
    except NO_ANSWER:
        pass
    # One that ended at once (no right to watch, a broken connection) must not make us ask without a pause.
    time.sleep(max(0.0, min(PAUSE_SECONDS, PAUSE_SECONDS - (time.monotonic() - began))))
    return False


def _hanging(namespace: Object, seconds: float) -> str:
    """What keeps it, as its conditions say."""
    status = namespace.get("status") or {}
    said = [
        f"    {each['type']}: {each.get('message')}"
        for each in status.get("conditions") or []
        if each.get("status") == "True" and each.get("message")
    ]
    name = namespace["metadata"]["name"]
    kinds = "\n".join(said) or "    (it says nothing)"
    meaning = next((words for pattern, words in _HANGING if pattern in kinds), _HANGING[-1][1])
    return (
        f"The namespace “{name}” is still there after {seconds:g} s. {meaning}\n"
        f"What it says itself:\n{kinds}\n"
        f"Next: `shop.remove()` waits on; "
        f"`kubectl get namespace {name} -o jsonpath='{{.status.conditions}}'` shows it again."
    )


_HANGING = (
    (
        "DiscoveryFailure",
        "Part of the cluster's API does not answer, so nobody knows whether all is gone; "
        "`kubectl get apiservices` shows which.",
    ),
    (
        "FinalizersRemaining",
        "Objects in it have finalizers: some program has to do something before they may go, and it has "
        "not. Look at that program; removing a finalizer by hand leaves behind what it stands for.",
    ),
    ("ContentRemaining", "Objects in it have not ended yet; pods get their whole grace period."),
    ("", "Nothing says what keeps it."),
)
