"""The official client's DynamicClient, with plain dicts in and out.

Plain dicts, because a newer cluster may send fields and leave out others that the typed models of the client
insist on; an event without a time is one.
"""

import json
import logging
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from kubernetes.client import ApiClient
from kubernetes.client.rest import ApiException
from kubernetes.dynamic import DynamicClient, LazyDiscoverer
from kubernetes.dynamic.exceptions import DynamicApiError
from kubernetes.watch import Watch
from urllib3.exceptions import HTTPError

Object = dict[str, Any]

# Whoever asks the server who wrote a field (`kubectl get --show-managed-fields`) reads this name.
MANAGER = "microservices-workshop"

CONNECT_SECONDS = 5.0
READ_SECONDS = 30.0

# What the client raises when nobody answers, or an answer breaks off.
NO_ANSWER = (HTTPError, OSError)


@dataclass(frozen=True)
class Written:
    """What the server answered to a change.

    Attributes:
        object: the object as it is now.
        created: it was not there before.
        warnings: what the server wants its user to know, such as a breach of Pod Security.
    """

    object: Object
    created: bool
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Event:
    """One change of a watched object."""

    type: str
    object: Object


class Api:
    """One cluster's API.

    Args:
        client: the official client, which knows the address and the credentials.
    """

    def __init__(self, client: ApiClient) -> None:
        self._client = client
        # It warns of each attempt that it repeats; what comes of the last is raised here anyway.
        logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)

    @cached_property
    def _dynamic(self) -> DynamicClient:
        return DynamicClient(self._client, discoverer=_Discoverer)

    @property
    def address(self) -> str:
        """Where the API server is."""
        return self._client.configuration.host

    def resource(self, api_version: str, kind: str) -> Any:
        """How the server calls a kind of object, and whether it belongs to a namespace.

        Raises:
            ResourceNotFoundError: the server does not know the kind.
        """
        prefix = "apis" if "/" in api_version else "api"
        return self._dynamic.resources.get(prefix=prefix, api_version=api_version, kind=kind)

    def get(self, api_version: str, kind: str, name: str, namespace: str | None = None) -> Object:
        """Read one object."""
        path = self.resource(api_version, kind).path(name=name, namespace=namespace)
        return _object(self._request("get", path))

    def find(self, api_version: str, kind: str, name: str, namespace: str | None = None) -> Object | None:
        """Read one object, or None where there is none."""
        try:
            return self.get(api_version, kind, name, namespace)
        except DynamicApiError as error:
            if error.status == 404:
                return None
            raise

    def all(
        self, api_version: str, kind: str, namespace: str | None = None, labels: str | None = None
    ) -> tuple[list[Object], str]:
        """Read all objects of a kind, and the version from which a watch can go on."""
        path = self.resource(api_version, kind).path(namespace=namespace)
        answer = _object(self._request("get", path, label_selector=labels))
        # The items of a list leave out what the list itself says.
        items = [{"apiVersion": api_version, "kind": kind, **item} for item in answer.get("items") or []]
        return items, answer["metadata"]["resourceVersion"]

    def apply(self, body: Mapping[str, Any], manager: str = MANAGER) -> Written:
        """Server-side apply: send the fields that are ours, and let the server merge them.

        Forced: the files are the truth. Without it, a field that somebody else wrote last, by
        `kubectl scale` or in a dashboard, would end the apply with a conflict, and what runs would differ
        from what is written down.
        """
        resource = self.resource(body["apiVersion"], body["kind"])
        metadata = body["metadata"]
        path = resource.path(name=metadata["name"], namespace=metadata.get("namespace"))
        # JSON is YAML, so this is what the content type promises.
        options = {"content_type": "application/apply-patch+yaml", "force_conflicts": True}
        # As kubectl does: a field that the server does not know is an error, never dropped.
        query = [("fieldValidation", "Strict")]
        return _written(
            self._request("patch", path, dict(body), field_manager=manager, query_params=query, **options)
        )

    def patch(
        self, of: Mapping[str, Any], body: Any, content_type: str, subresource: str | None = None
    ) -> Written:
        """Change some fields of an object that is there.

        Args:
            of: the object; its apiVersion, kind, name and namespace count.
            body: the patch.
            content_type: `strategic-merge-patch`, `merge-patch` or `json-patch`.
            subresource: such as `scale`.
        """
        resource = self.resource(of["apiVersion"], of["kind"])
        path = resource.path(name=of["metadata"]["name"], namespace=of["metadata"].get("namespace"))
        path += f"/{subresource}" if subresource else ""
        content_type = f"application/{content_type}+json"
        return _written(self._request("patch", path, body, content_type=content_type, field_manager=MANAGER))

    def delete(self, of: Mapping[str, Any]) -> None:
        """Remove an object; only this one, should another have its name by now."""
        resource = self.resource(of["apiVersion"], of["kind"])
        path = resource.path(name=of["metadata"]["name"], namespace=of["metadata"].get("namespace"))
        options: Object = {
            "kind": "DeleteOptions",
            "apiVersion": "v1",
            "preconditions": {"uid": of["metadata"]["uid"]},
        }
        self._request("delete", path, options)

    def log(
        self, namespace: str, pod: str, container: str, previous: bool = False, lines: int = 12
    ) -> list[str]:
        """The last lines that a container wrote; `previous`: the one before its last restart."""
        path = f"{self.resource('v1', 'Pod').path(name=pod, namespace=namespace)}/log"
        query = [("container", container), ("tailLines", str(lines))]
        query += [("previous", "true")] if previous else []
        accept = {"Accept": "*/*"}  # A log is text/plain.
        answer = self._request("get", path, query_params=query, header_params=accept)
        return answer.data.decode(errors="replace").splitlines()

    def watch(
        self,
        resource: Any,
        version: str,
        seconds: int,
        namespace: str | None = None,
        name: str | None = None,
        watcher: Watch | None = None,
    ) -> Iterator[Event]:
        """Follow the objects of a kind for so many seconds, from a version on.

        Raises:
            ApiException: the server ends it; status 410 where the version is too old.
        """
        fields = f"metadata.name={name}" if name else None
        stream = (watcher or Watch()).stream(
            resource.get,
            namespace=namespace,
            field_selector=fields,
            resource_version=version,
            timeout_seconds=seconds,
            allow_watch_bookmarks=True,
            serialize=False,
            # The server ends it in time. Where it cannot, because it is gone, the client does.
            _request_timeout=(CONNECT_SECONDS, seconds + READ_SECONDS),
        )
        with closing(stream):
            for event in stream:
                if event:  # None is a line that the connection cut.
                    yield Event(event["type"], event["raw_object"])

    def _request(self, method: str, path: str, body: Any = None, **options: Any) -> Any:
        timeout = (CONNECT_SECONDS, READ_SECONDS)
        return self._dynamic.request(method, path, body, serialize=False, _request_timeout=timeout, **options)


class _Discoverer(LazyDiscoverer):
    """Asks the cluster which kinds it knows, each time anew.

    The client's own keeps the answers in the folder for temporary files, under the server's address. A kind
    cluster that was made again has the same address and other kinds; so has another user's file.
    """

    def __init__(self, client: DynamicClient, cache_file: str | None) -> None:
        super().__init__(client, str(Path(tempfile.gettempdir()) / f"never-written-{uuid.uuid4()}"))

    def _write_cache(self) -> None:
        pass


def status_of(error: ApiException) -> Object:
    """The Status object that the server sent with an error; empty where it sent something else."""
    body = error.body.decode(errors="replace") if isinstance(error.body, bytes) else error.body
    try:
        status = json.loads(body or "")
    except ValueError:
        return {}
    return status if isinstance(status, dict) else {}


def message_of(error: ApiException) -> str:
    """The server's own words, as one text."""
    return str(status_of(error).get("message") or error.body or error.reason or "nothing")


def _object(answer: Any) -> Object:
    return json.loads(answer.data)


def _written(answer: Any) -> Written:
    return Written(_object(answer), answer.status == 201, tuple(_warnings(answer)))


def _warnings(answer: Any) -> Iterator[str]:
    """The texts of the headers `Warning: 299 - "text"`."""
    for line in answer.headers.getlist("Warning"):
        text = line.partition('"')[2].rpartition('"')[0]
        yield text.replace('\\"', '"').replace("\\\\", "\\")
