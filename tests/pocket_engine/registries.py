"""Registries for tests: a small one that misbehaves as told."""

import base64
import hashlib
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
MANIFEST_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
CONFIG = "application/vnd.docker.container.image.v1+json"
LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


class Misbehaving:
    """A registry in memory, on a free port of loopback.

    Attributes:
        manifests: bytes and media type, by tag or digest.
        blobs: by digest.
        requests: how often each `METHOD path` was asked.
        ranges: the Range headers that came.
        token: the bearer token that it wants; empty: none.
        login: the name and password for which it gives the token; None: it gives it to everybody.
        refusals: status, JSON and headers to answer a path with, as often as there are any.
        cut_after: bytes of a blob after which the connection breaks, as often as there are any.
        stall: seconds to wait before a blob.
        knows_ranges: whether Range is understood.
    """

    def __init__(self, port: int) -> None:
        self.domain = f"127.0.0.1:{port}"
        self.manifests: dict[str, tuple[bytes, str]] = {}
        self.blobs: dict[str, bytes] = {}
        self.requests: Counter[str] = Counter()
        self.ranges: list[str] = []
        self.authorizations: list[str] = []
        self.token = ""
        self.login: tuple[str, str] | None = None
        self.refusals: dict[str, list[tuple[int, dict[str, Any], dict[str, str]]]] = {}
        self.cut_after: list[int] = []
        self.stall = 0.0
        self.knows_ranges = True

    def add_manifest(self, content: dict[str, Any], media_type: str, *tags: str) -> str:
        """Keep a manifest under its digest and these tags; the digest."""
        text = json.dumps(content).encode()
        for name in (digest_of(text), *tags):
            self.manifests[name] = text, media_type
        return digest_of(text)

    def add_image(
        self, layers: list[bytes], diff_ids: list[str], *tags: str, architecture: str = "amd64"
    ) -> str:
        """Keep an image of these blobs; the digest of its manifest."""
        described: dict[str, Any] = {"architecture": architecture, "os": "linux", "config": {}}
        config = json.dumps(described | {"rootfs": {"type": "layers", "diff_ids": diff_ids}}).encode()
        for blob in (config, *layers):
            self.blobs[digest_of(blob)] = blob
        return self.add_manifest(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": {"mediaType": CONFIG, "digest": digest_of(config), "size": len(config)},
                "layers": [
                    {"mediaType": LAYER, "digest": digest_of(layer), "size": len(layer)} for layer in layers
                ],
            },
            MANIFEST,
            *tags,
        )


def refusal(code: str, message: str) -> dict[str, Any]:
    """The JSON of the protocol's errors."""
    return {"errors": [{"code": code, "message": message}]}


@contextmanager
def misbehaving() -> Iterator[Misbehaving]:
    """A registry that runs."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            registry.requests[f"GET {path}"] += 1
            if planned := registry.refusals.get(path):
                self.answer(*planned.pop(0))
            elif path == "/token":
                self.give_token()
            elif registry.token and self.headers["Authorization"] != f"Bearer {registry.token}":
                realm = f'Bearer realm="http://{registry.domain}/token",service="test",scope="nothing"'
                self.answer(401, refusal("UNAUTHORIZED", "who are you"), {"WWW-Authenticate": realm})
            elif path.endswith("/tags/list"):
                tags = [name for name in registry.manifests if not name.startswith("sha256:")]
                self.answer(200, {"tags": tags}, {})
            elif "/manifests/" in path:
                self.give_manifest(path.rpartition("/")[2])
            elif "/blobs/" in path:
                self.give_blob(path.rpartition("/")[2])
            else:
                self.answer(200, {}, {})

        def give_token(self) -> None:
            registry.authorizations.append(self.headers["Authorization"] or "")
            wanted = ""
            if registry.login:
                wanted = f"Basic {b64(':'.join(registry.login))}"
            if registry.login and self.headers["Authorization"] != wanted:
                self.answer(401, refusal("UNAUTHORIZED", "incorrect username or password"), {})
            else:
                self.answer(200, {"token": registry.token}, {})

        def give_manifest(self, name: str) -> None:
            if name not in registry.manifests:
                self.answer(404, refusal("MANIFEST_UNKNOWN", "manifest unknown"), {})
                return
            content, media_type = registry.manifests[name]
            self.send(200, content, {"Content-Type": media_type})

        def give_blob(self, digest: str) -> None:
            if digest not in registry.blobs:
                self.answer(404, refusal("BLOB_UNKNOWN", "blob unknown to registry"), {})
                return
            content, status = registry.blobs[digest], 200
            if asked := self.headers["Range"]:
                registry.ranges.append(asked)
                if registry.knows_ranges:
                    content, status = content[int(asked.removeprefix("bytes=")[:-1]) :], 206
            time.sleep(registry.stall)
            end = registry.cut_after.pop(0) if registry.cut_after else len(content)
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[:end])
            self.close_connection = end < len(content)

        def answer(self, status: int, content: dict[str, Any], headers: dict[str, str]) -> None:
            self.send(status, json.dumps(content).encode(), headers)

        def send(self, status: int, content: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        registry = Misbehaving(server.server_port)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield registry
        finally:
            server.shutdown()
            thread.join()


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
