"""A double of the API server of Kubernetes 1.36, on top of kmock: what the real one refuses, it refuses.

It keeps objects with one resourceVersion for all, merges applies by the schema and keeps the books on who
owns which field, validates with the strict schema of 1.36, and ends watches as the real one does. It has no
controllers: a test says what they would do, by `put`.
"""

import asyncio
import copy
import json
import threading
import uuid
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any

import aiohttp.web
import jsonschema
import kmock
from fields import Undeclared, changed, fields, merged, minus, node_of, without

from workshop.manifests import schema

Object = dict[str, Any]
VERSION = "1.36"

# apiVersion, plural, kind, whether it belongs to a namespace.
KINDS = (
    ("v1", "namespaces", "Namespace", False),
    ("v1", "nodes", "Node", False),
    ("v1", "pods", "Pod", True),
    ("v1", "services", "Service", True),
    ("v1", "serviceaccounts", "ServiceAccount", True),
    ("v1", "configmaps", "ConfigMap", True),
    ("v1", "secrets", "Secret", True),
    ("v1", "events", "Event", True),
    ("apps/v1", "deployments", "Deployment", True),
    ("apps/v1", "replicasets", "ReplicaSet", True),
    ("policy/v1", "poddisruptionbudgets", "PodDisruptionBudget", True),
    ("autoscaling/v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler", True),
    ("networking.k8s.io/v1", "networkpolicies", "NetworkPolicy", True),
    ("networking.k8s.io/v1", "ingresses", "Ingress", True),
    ("apiextensions.k8s.io/v1", "customresourcedefinitions", "CustomResourceDefinition", False),
)
PATCHES = {
    "application/apply-patch+yaml": "apply",
    "application/merge-patch+json": "merge",
    "application/strategic-merge-patch+json": "strategic",
    "application/json-patch+json": "json",
}
GONE = "too old resource version"

Key = tuple[str, str, str, str]  # apiVersion, plural, namespace, name


class Refusal(Exception):
    """An answer that is an error."""

    def __init__(self, code: int, reason: str, message: str, causes: list[Object] | None = None) -> None:
        self.code, self.reason, self.message, self.causes = code, reason, message, causes or []
        super().__init__(message)

    @property
    def status(self) -> Object:
        details = {"causes": self.causes} if self.causes else {}
        words = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
        return {
            **words,
            "message": self.message,
            "reason": self.reason,
            "code": self.code,
            "details": details,
        }


class Double(kmock.KubernetesScaffold):
    """The server's side; `seen` has all requests about objects."""

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        self.store: dict[Key, Object] = {}
        self.history: list[tuple[int, str, Key, Object]] = []
        self.version = 100
        self.oldest = 0  # Watches from before are too old.
        self.changed = asyncio.Event()
        self.logs: dict[tuple[str, str, bool], str] = {}  # Pod, container, previous.
        self.refuse: Callable[[str, str, Object | None], Refusal | None] = lambda verb, path, body: None
        self.warn: Callable[[Object], list[str]] = lambda body: []
        self.held: Object | None = None  # The status of a namespace that does not go.
        self.watches = 0
        self.cut: set[asyncio.Task[Any]] = set()
        self.seen: list[kmock.Request] = []
        for api, plural, kind, namespaced in KINDS:
            name = f"{api}/{plural}" if "/" in api else f"v1/{plural}"
            subresources = (
                {"scale", "status"} if plural == "deployments" else {"log"} if plural == "pods" else set()
            )
            self.resources[name] = {
                "kind": kind,
                "namespaced": namespaced,
                "verbs": ["create", "delete", "get", "list", "patch", "update", "watch"],
                "subresources": subresources,
            }

    async def __call__(self, raw_request: aiohttp.web.BaseRequest) -> aiohttp.web.StreamResponse:
        if raw_request.path != "/api/v1/namespaces":
            return await super().__call__(raw_request)
        # kmock 0.8 takes “namespaces” for the beginning of a longer path, and stumbles where there is none.
        given = {"method": raw_request.method, "url": raw_request.url, "params": dict(raw_request.query)}
        return await self._handle(kmock.Request(**given, raw_request=raw_request))

    async def _handle(self, request: kmock.Request) -> aiohttp.web.StreamResponse:
        found = _read_path(request.url.path)
        if found is None:
            return await super()._handle(request)  # Discovery.
        self.seen.append(request)
        key, subresource = found
        verb = "watch" if request.params.get("watch") == "true" else request.method.value.lower()
        body = json.loads(request.body) if request.body else None
        try:
            if refusal := self.refuse(verb, request.url.path, body):
                raise refusal
            if verb == "watch":
                return await self._watch(request, key)
            if verb == "patch":
                return self._patch(request, key, subresource, body)
            if verb == "delete":
                return _answer(self._delete(key, body))
            if subresource == "log":
                return self._log(request, key)
            return _answer(self._get(key) if key[3] else self._list(key, request))
        except Refusal as refused:
            return _answer(refused.status, refused.code)

    def _get(self, key: Key) -> Object:
        if key not in self.store:
            group = key[0].partition("/")[0] if "/" in key[0] else ""
            name = f"{key[1]}.{group}" if group else key[1]
            raise Refusal(404, "NotFound", f'{name} "{key[3]}" not found')
        return self.store[key]

    def _list(self, key: Key, request: kmock.Request) -> Object:
        items = [each for at, each in self.store.items() if _within(at, key)]
        # As the real one does: what the list says is not said again in its items.
        bare = [
            {name: value for name, value in each.items() if name not in ("kind", "apiVersion")}
            for each in items
        ]
        kind = next(kind for api, plural, kind, _ in KINDS if (api, plural) == key[:2])
        metadata = {"resourceVersion": str(self.version)}
        return {"kind": f"{kind}List", "apiVersion": key[0], "metadata": metadata, "items": bare}

    async def _watch(self, request: kmock.Request, key: Key) -> aiohttp.web.StreamResponse:
        at = int(request.params["resourceVersion"])
        name = request.params.get("fieldSelector", "").partition("metadata.name=")[2]
        self.watches += 1
        response = aiohttp.web.StreamResponse()
        response.content_type = "application/json"
        response.enable_chunked_encoding()
        await response.prepare(request._raw_request)
        task = asyncio.current_task()
        assert task
        self.cut.add(task)
        try:
            async with asyncio.timeout(float(request.params.get("timeoutSeconds", 60))):
                await self._stream(response, key, name, at)
        except (TimeoutError, ConnectionError):
            pass
        finally:
            self.cut.discard(task)
        return response

    async def _stream(self, response: aiohttp.web.StreamResponse, key: Key, name: str, at: int) -> None:
        while True:
            if at < self.oldest:
                status = Refusal(410, "Expired", f"{GONE}: {at} ({self.oldest})").status
                await response.write(json.dumps({"type": "ERROR", "object": status}).encode() + b"\n")
                return
            happened = self.changed
            for version, type, where, thing in list(self.history):
                if version > at and _within(where, key) and name in ("", where[3]):
                    await response.write(json.dumps({"type": type, "object": thing}).encode() + b"\n")
            at = max(at, self.version)
            await happened.wait()

    def _patch(self, request: kmock.Request, key: Key, subresource: str, body: Any) -> aiohttp.web.Response:
        kind = PATCHES.get(request.headers.get("Content-Type", ""))
        if kind is None:
            raise Refusal(415, "UnsupportedMediaType", "the body of the request was in an unknown format")
        manager = request.params.get("fieldManager", "unknown")
        before = self.store.get(key)
        if kind == "apply":
            after, created = self._apply(key, before, body, manager, request.params.get("force") == "true")
        else:
            after, created = self._change(kind, self._get(key), body, manager, subresource), False
        stored = self._store(key, before, after, subresource)
        warnings = self.warn(body) if kind == "apply" else []
        return _answer(stored, 201 if created else 200, warnings)

    def _apply(
        self, key: Key, before: Object | None, body: Object, manager: str, force: bool
    ) -> tuple[Object, bool]:
        api, _, namespace, name = key
        node = node_of(api, body["kind"])
        if (body["apiVersion"], body["metadata"]["name"]) != (api, name) or "managedFields" in body[
            "metadata"
        ]:
            raise Refusal(400, "BadRequest", "the body does not fit the path, or has managedFields")
        if before is None and namespace:
            self._admit(namespace)
        sent = {name_: value for name_, value in body.items() if name_ not in ("apiVersion", "kind")}
        try:
            own = fields(node, sent)
        except Undeclared as error:
            message = (
                f"failed to create typed patch object ({namespace}/{name}; {api}, Kind={body['kind']}): "
                f"{error}"
            )
            raise Refusal(500, "", message) from None
        live = copy.deepcopy(before) or {"metadata": {}}
        books = live["metadata"].pop("managedFields", [])
        wanted = merged(node, live, body)
        taken = changed(node, live, {**wanted})
        others = [entry for entry in books if (entry["manager"], entry["operation"]) != (manager, "Apply")]
        if not force and any(minus(entry["fieldsV1"], minus(entry["fieldsV1"], taken)) for entry in others):
            causes = [
                {"reason": "FieldManagerConflict", "message": f"conflict with {entry['manager']!r}"}
                for entry in others
            ]
            raise Refusal(409, "Conflict", f"Apply failed with {len(causes)} conflict(s)", causes)
        mine = next(
            (entry for entry in books if (entry["manager"], entry["operation"]) == (manager, "Apply")), None
        )
        gone = minus(mine["fieldsV1"], own) if mine else {}
        for entry in others:
            entry["fieldsV1"] = minus(entry["fieldsV1"], taken)
            gone = minus(gone, entry["fieldsV1"])
        result = without(node, wanted, gone)
        own_metadata = {
            each: value for each, value in own["f:metadata"].items() if each not in ("f:name", "f:namespace")
        }
        own = {**{each: value for each, value in own.items() if each != "f:metadata"}}
        own |= {"f:metadata": own_metadata} if own_metadata else {}
        entry = {
            "manager": manager,
            "operation": "Apply",
            "apiVersion": api,
            "time": mine["time"] if mine else _now(),
            "fieldsType": "FieldsV1",
            "fieldsV1": own,
        }
        result["metadata"]["managedFields"] = [*(each for each in others if each["fieldsV1"]), entry]
        return result, before is None

    def _change(self, kind: str, live: Object, body: Any, manager: str, subresource: str) -> Object:
        after = copy.deepcopy(live)
        node = node_of(live["apiVersion"], live["kind"])
        if kind == "json":
            for operation in body:
                _operate(after, operation)
            if after["metadata"]["resourceVersion"] != live["metadata"]["resourceVersion"]:
                message = (
                    f'Operation cannot be fulfilled on "{live["metadata"]["name"]}": the object has been '
                    f"modified"
                )
                raise Refusal(
                    409,
                    "Conflict",
                    f"{message}; please apply your changes to the latest version and try again",
                )
        elif kind == "strategic":
            after = merged(node, after, body)
        else:
            after = _merge(after, body)
        books = after["metadata"].get("managedFields", [])
        ours = {name: value for name, value in after.items() if name != "metadata"}
        taken = changed(node, live, ours)
        if taken:
            for entry in books:
                entry["fieldsV1"] = minus(entry["fieldsV1"], taken)
            entry = {"manager": manager, "operation": "Update", "apiVersion": live["apiVersion"]}
            entry |= {"time": _now(), "fieldsType": "FieldsV1", "fieldsV1": taken}
            entry |= {"subresource": subresource} if subresource else {}
            after["metadata"]["managedFields"] = [*(each for each in books if each["fieldsV1"]), entry]
        return after

    def _admit(self, namespace: str) -> None:
        found = self.store.get(("v1", "namespaces", "", namespace))
        if found is None:
            raise Refusal(404, "NotFound", f'namespaces "{namespace}" not found')
        if found["metadata"].get("deletionTimestamp"):
            message = f"unable to create new content in namespace {namespace} because it is being terminated"
            raise Refusal(403, "Forbidden", message)

    def _store(self, key: Key, before: Object | None, after: Object, subresource: str) -> Object:
        """Default, validate, count, and tell the watches; nothing of it where nothing changed."""
        _default(after)
        _validate(after, before)
        metadata = after["metadata"]
        if before is None:
            metadata |= {"uid": str(uuid.uuid4()), "creationTimestamp": _now(), "generation": 1}
        elif _content(before) == _content(after):
            return before
        elif before.get("spec") != after.get("spec"):
            metadata["generation"] = before["metadata"].get("generation", 0) + 1
        self._remember("MODIFIED" if before else "ADDED", key, after)
        return after

    def _remember(self, type: str, key: Key, thing: Object) -> None:
        self.version += 1
        thing["metadata"]["resourceVersion"] = str(self.version)
        if type == "DELETED":
            self.store.pop(key, None)
        else:
            self.store[key] = thing
        self.history.append((self.version, type, key, copy.deepcopy(thing)))
        self.changed.set()
        self.changed = asyncio.Event()

    def _delete(self, key: Key, options: Object | None) -> Object:
        thing = copy.deepcopy(self._get(key))
        wanted = ((options or {}).get("preconditions") or {}).get("uid")
        if wanted and wanted != thing["metadata"]["uid"]:
            raise Refusal(409, "Conflict", "Precondition failed: UID in precondition does not match")
        if key[1] == "namespaces":
            thing["metadata"]["deletionTimestamp"] = _now()
            thing["status"] = {"phase": "Terminating", **(self.held or {})}
            self._remember("MODIFIED", key, thing)
            if self.held is None:
                self.finish(key[3])
            return thing
        self._remember("DELETED", key, thing)
        return thing

    def finish(self, namespace: str) -> None:
        """What the controller of namespaces does at the end."""
        for at in [at for at in self.store if at[2] == namespace]:
            self._remember("DELETED", at, copy.deepcopy(self.store[at]))
        at = ("v1", "namespaces", "", namespace)
        self._remember("DELETED", at, copy.deepcopy(self.store[at]))

    def _log(self, request: kmock.Request, key: Key) -> aiohttp.web.Response:
        self._get(key)
        container, previous = request.params["container"], request.params.get("previous") == "true"
        text = self.logs.get((key[3], container, previous))
        if text is None and previous:
            raise Refusal(
                400, "BadRequest", f'previous terminated container "{container}" in pod "{key[3]}" not found'
            )
        lines = (text or "").splitlines()[-int(request.params.get("tailLines", 1000)) :]
        return aiohttp.web.Response(text="\n".join(lines))


class Cluster:
    """The double in a thread of its own, for tests that call it as the lesson does.

    Attributes:
        double: the server's side; change it only by `do`.
    """

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._end = asyncio.Event()
        self._thread = threading.Thread(
            target=self._loop.run_until_complete, args=(self._serve(),), daemon=True
        )

    def __enter__(self) -> "Cluster":
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *error: object) -> None:
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._end.set)
            self._thread.join(10)
        assert not self._thread.is_alive()
        self._loop.close()

    async def _serve(self) -> None:
        self.double = Double()
        async with self.double as double, kmock.Server(double):
            self.url = str(double.url).rstrip("/")
            self._ready.set()
            await self._end.wait()
            self.errors = list(double.errors)
            for task in list(double.cut):
                task.cancel()

    def do(self, work: Callable[[], Any]) -> Any:
        """Run something where the server runs, so that nothing changes under it."""

        async def run() -> Any:
            return work()

        return self._wait(run())

    def _wait(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    def put(self, thing: Object) -> None:
        """What a controller or a node does: make an object, or replace it."""

        def put() -> None:
            new = copy.deepcopy(thing)
            plural, namespaced = next((each[1], each[3]) for each in KINDS if each[2] == new["kind"])
            namespace = new["metadata"].get("namespace", "") if namespaced else ""
            key = (new["apiVersion"], plural, namespace, new["metadata"]["name"])
            new["metadata"].setdefault("uid", str(uuid.uuid4()))
            self.double._remember("MODIFIED" if key in self.double.store else "ADDED", key, new)

        self.do(put)

    def get(self, api_version: str, kind: str, name: str, namespace: str = "") -> Object:
        plural = next(each[1] for each in KINDS if each[2] == kind)
        return copy.deepcopy(self.do(lambda: self.double.store[api_version, plural, namespace, name]))

    def drop_watches(self) -> None:
        """Break all connections of watches off, as a proxy that restarts does."""

        def drop() -> None:
            for task in self.double.cut:
                task.cancel()

        self.do(drop)

    def forget(self) -> None:
        """Throw the history away, so that every running watch is too old."""

        def forget() -> None:
            self.double.version += 1
            self.double.oldest = self.double.version
            self.double.history.clear()
            self.double.changed.set()
            self.double.changed = asyncio.Event()

        self.do(forget)


def _read_path(path: str) -> tuple[Key, str] | None:
    """apiVersion, plural, namespace, name and subresource; None for what is no object."""
    _, root, *parts = path.split("/")
    take = 1 if root == "api" else 2
    api, parts = "/".join(parts[:take]), parts[take:]
    if root not in ("api", "apis") or not parts:
        return None
    namespace = ""
    if parts[0] == "namespaces" and len(parts) > 2:
        namespace, parts = parts[1], parts[2:]
    plural, name, subresource = [*parts, "", ""][:3]
    if (api, plural) not in [each[:2] for each in KINDS]:
        return None
    return (api, plural, namespace, name), subresource


def _within(at: Key, asked: Key) -> bool:
    return at[:2] == asked[:2] and asked[2] in ("", at[2])


def _answer(body: Object, code: int = 200, warnings: list[str] | None = None) -> aiohttp.web.Response:
    answer = aiohttp.web.json_response(body, status=code)
    for text in warnings or []:
        quoted = text.replace("\\", "\\\\").replace('"', '\\"')
        answer.headers.add("Warning", f'299 - "{quoted}"')
    return answer


def _content(thing: Object) -> Object:
    skipped = ("resourceVersion", "generation")
    metadata = {name: value for name, value in thing["metadata"].items() if name not in skipped}
    return {**thing, "metadata": metadata}


def _default(thing: Object) -> None:
    if thing["kind"] == "Deployment":
        thing["spec"].setdefault("replicas", 1)
    if thing["kind"] == "Namespace":
        thing.setdefault("status", {"phase": "Active"})


def _validate(thing: Object, before: Object | None) -> None:
    """The strict schema, and the rule that learners meet: some fields stay as they are."""
    name = schema.kinds(VERSION)[thing["apiVersion"], thing["kind"]]
    root = {"$ref": f"#/$defs/{name}", "$defs": schema.definitions(VERSION)}
    causes = [
        {
            "reason": "FieldValueInvalid",
            "field": ".".join(map(str, error.absolute_path)),
            "message": error.message[:200],
        }
        for error in jsonschema.Draft202012Validator(root).iter_errors(thing)
    ]
    if thing["kind"] == "Deployment":
        selector = thing["spec"]["selector"]
        if before and before["spec"]["selector"] != selector:
            message = f"Invalid value: {json.dumps(selector)}: field is immutable"
            causes.append({"reason": "FieldValueInvalid", "field": "spec.selector", "message": message})
        labels = thing["spec"]["template"]["metadata"]["labels"]
        if not (selector["matchLabels"].items() <= labels.items()):
            message = "Invalid value: `selector` does not match template `labels`"
            causes.append(
                {"reason": "FieldValueInvalid", "field": "spec.template.metadata.labels", "message": message}
            )
    if causes:
        said = ", ".join(f"{cause['field']}: {cause['message']}" for cause in causes)
        raise Refusal(
            422, "Invalid", f'{thing["kind"]} "{thing["metadata"]["name"]}" is invalid: {said}', causes
        )


def _operate(thing: Object, operation: Object) -> None:
    """One operation of RFC 6902; only what is there may be replaced."""
    assert operation["op"] == "replace", "the double knows no other"
    *around, last = operation["path"].strip("/").split("/")
    for part in around:
        thing = thing[part]
    if last not in thing:
        raise Refusal(422, "Invalid", f"the server rejected our request: nothing at {operation['path']}")
    thing[last] = copy.deepcopy(operation["value"])


def _merge(live: Any, patch: Any) -> Any:
    """RFC 7386."""
    if not isinstance(patch, dict):
        return patch
    kept = dict(live) if isinstance(live, dict) else {}
    for key, value in patch.items():
        if value is None:
            kept.pop(key, None)
        else:
            kept[key] = _merge(kept.get(key), value)
    return kept


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
