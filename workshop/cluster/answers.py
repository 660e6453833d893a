"""What the API server's errors mean, in plain words."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from kubernetes.dynamic.exceptions import ResourceNotFoundError

from workshop.cluster import refusals
from workshop.cluster.api import NO_ANSWER, Api, ApiException, Object, message_of, status_of
from workshop.cluster.errors import Refused, ServerGone


@contextmanager
def in_plain_words(api: Api, what: str) -> Iterator[None]:
    """Let what goes wrong inside be told in plain words.

    Args:
        api: the cluster.
        what: what was tried, e.g. `scale recommendations`.

    Raises:
        ServerGone: it does not answer.
        Refused: it said no.
    """
    try:
        yield
    except ApiException as error:
        if error.status == 0:  # The client wraps what goes wrong with TLS like this.
            raise gone(api, str(error.reason)) from None
        raise Refused(f"The cluster did not {what}: {words(error)}") from None
    except ResourceNotFoundError as error:
        raise Refused(f"The cluster did not {what}: it does not know such objects ({error}).") from None
    except NO_ANSWER as error:
        raise gone(api, str(error)) from None


def gone(api: Api, why: str) -> ServerGone:
    """The server does not answer."""
    if re.search("CERTIFICATE|SSL|TLS", why):
        return ServerGone(
            f"The cluster at {api.address} cannot be trusted, or does not speak TLS: {why}\n"
            "Its address may belong to another cluster now; connect anew: `shop = cluster.connect()`."
        )
    return ServerGone(
        f"The cluster at {api.address} does not answer: {_short(why)}\n"
        "Start it again, or check your connection to it; then `shop = cluster.connect()`, and run the cell "
        "again."
    )


def words(error: ApiException) -> str:
    """Why the server said no, and what to do next."""
    message, status = message_of(error), status_of(error)
    if refusal := refusals.read(message):
        return f"{refusal.why}\nNext: {refusal.next}\nWord for word: {message}"
    if found := re.search(
        r"failed to create typed patch object(?: \([^)]*\))?:(?: errors:)?(.+)", message, re.DOTALL
    ):
        return _schema(found[1], message)
    if found := re.search(r"strict decoding error: (.+)", message, re.DOTALL):
        return _schema(found[1], message)
    if error.status == 422 or (status.get("details") or {}).get("causes"):
        return _invalid(status, message)
    meaning, remedy = _MEANINGS.get(error.status or 0, ("It says why itself.", "Mend that, and try again."))
    return f"{meaning}\nNext: {remedy}\nWord for word: {error.status} {message}"


def _schema(fields: str, message: str) -> str:
    lines = "\n".join(
        f"  - {line.strip()}" for line in re.split(r"\n|, (?=\.|unknown)", fields) if line.strip()
    )
    return (
        f"A field is not what this cluster's version of Kubernetes knows:\n{lines}\n"
        "Next: compare it with `kubectl explain`, or with the explorer of the lesson; mend it, and apply "
        "again.\n"
        f"Word for word: {message}"
    )


def _invalid(status: Object, message: str) -> str:
    causes = (status.get("details") or {}).get("causes") or []
    lines = "\n".join(
        f"  - {cause.get('field') or '(the whole)'}: {cause.get('message')}" for cause in causes
    )
    remedy = "mend those fields, and apply again."
    if (
        "field is immutable" in message
        or "may not be changed" in message
        or "updates to statefulset" in message
    ):
        remedy = (
            "that field cannot be changed once it is there. Remove the object, and apply again (its pods go "
            "meanwhile); or give it another name."
        )
    return (
        f"It is not valid:\n{lines}\nNext: {remedy}"
        if lines
        else f"It is not valid: {message}\nNext: {remedy}"
    )


def _short(why: str) -> str:
    """The innermost reason of the client's nested sentence."""
    found = re.search(r"\[Errno [^\]]+\] ([^'\")]+)|(timed out)|(Name or service not known)", why)
    return next(filter(None, found.groups())).strip() + "." if found else why


_MEANINGS = {
    400: ("It does not understand the request.", "Mend what it names, and try again."),
    401: (
        "It does not know who you are: the credentials of this context are wrong, or have expired.",
        "Log in again, as your cluster's provider says, then `shop = cluster.connect()`.",
    ),
    403: (
        "It does not allow this.",
        "Change what its sentence names, or ask who runs the cluster.",
    ),
    404: (
        "There is nothing of that name, or no such kind of object.",
        "Apply what belongs to it first; for a kind of its own, the CustomResourceDefinition.",
    ),
    409: (
        "Somebody else is changing the same object, or it is just being removed.",
        "Run the cell again in a moment.",
    ),
    413: ("The object is too large; a ConfigMap or Secret may have one mebibyte.", "Make it smaller."),
    429: ("It has too much to do just now, or a disruption budget forbids it.", "Try again in a moment."),
    500: (
        "Something in the cluster itself failed.",
        "Try again; if it stays so, who runs the cluster has to look.",
    ),
    503: ("Part of the cluster's API is not available.", "Try again in a moment."),
    504: ("The cluster took too long.", "Try again in a moment."),
}
