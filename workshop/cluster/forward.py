"""Reach a Service of the cluster under an address of this machine, like `kubectl port-forward`.

ClusterError
  CannotForward         there is no such Service, no pod of it is ready, or no local port is free

The official client opens the websocket to the pod. What goes through it is moved here and not by the client's
own `kubernetes.stream.portforward`: its thread ends in a traceback when a browser leaves in the middle of a
page or a pod dies, and the last bytes before an end can be lost (seen in version 37).
"""

import json
import os
import selectors
import socket
import ssl
import struct
import sys
import threading
import time
from collections import deque
from contextlib import suppress
from typing import Any

import kubernetes.client as client
from kubernetes.stream import stream
from urllib3.exceptions import HTTPError
from websocket import ABNF, WebSocketException

from workshop import ports
from workshop.cluster.errors import ClusterError

USUAL_PORT = 5000
API_SECONDS = (3.0, 10.0)
FRESH_SECONDS = 1.0  # So long a list of pods is believed: a load test need not ask for every connection.
STOP_SECONDS = 5.0  # Only a connection that is about to open a websocket to a dead server needs any.
LINGER_SECONDS = 10.0  # So long an answer may be silent after the client has sent its last.
CHUNK = 64 * 1024
FULL = 1024 * 1024  # More than that is not taken from the pod before the client has read it.

# The protocol for one port: a message's first byte is its channel; each channel's first message is the port.
PROTOCOL = "v4.channel.k8s.io"
DATA, ERROR = 0, 1
NOT_NOW = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)

Object = dict[str, Any]


class _ClientLeft(Exception):
    """The client has gone, which is its good right."""


class CannotForward(ClusterError):
    """A Service cannot be reached. The message says why, and what to look at."""


class Forward:
    """A way from a port of this machine to the ready pods of a Service; a context manager.

    Each connection goes to one pod, as with a Service: new ones take turns among those that are ready by
    then, so pods may come and go. It listens on 127.0.0.1 only.

    Args:
        api: the official client of the cluster.
        namespace: the Service's.
        service: its name.
        port: which port of the Service, by number or name; None takes the first.

    Attributes:
        port: the port on this machine, 5000 or the next that is free.
        url: the page's address.
        last_error: why the last connection that failed did; None while none has.

    Raises:
        CannotForward: there is no such Service or port, or none of its pods is ready.
    """

    def __init__(
        self, api: client.ApiClient, namespace: str, service: str, port: int | str | None = None
    ) -> None:
        self.last_error: str | None = None
        self._pods = _Pods(api, namespace, service, port)
        self._pods.ready()
        self._listener = _listen()
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/"
        # Whoever waits for something also waits for this to become readable; it does when we close.
        self._stop, self._stopper = socket.socketpair()
        self._lock = threading.Lock()
        self._connections: set[threading.Thread] = set()
        self._accepting = self._start(self._accept)

    def __enter__(self) -> "Forward":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Forward of {self._pods.service} at {self.url}>"

    def close(self) -> None:
        """Stop listening, and end every connection; a second time does nothing."""
        if self._stopper.fileno() == -1:
            return
        self._stopper.close()
        self._accepting.join()
        self._listener.close()
        with self._lock:
            connections = list(self._connections)
        for thread in connections:
            thread.join(STOP_SECONDS)
        self._stop.close()

    def _start(self, work: Any, *arguments: Any) -> threading.Thread:
        thread = threading.Thread(
            target=work, args=arguments, name=f"forward to {self._pods.service}", daemon=True
        )
        thread.start()
        return thread

    def _accept(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._listener, selectors.EVENT_READ)
            selector.register(self._stop, selectors.EVENT_READ)
            while self._stop not in {key.fileobj for key, _ in selector.select()}:
                with suppress(OSError):  # A client that has gone again.
                    accepted, _ = self._listener.accept()
                    with self._lock:
                        self._connections.add(self._start(self._serve, accepted))

    def _serve(self, accepted: socket.socket) -> None:
        try:
            with accepted:
                try:
                    websocket = self._pods.connect()
                    try:
                        _Connection(accepted, websocket.sock, self._stop).run()
                    finally:
                        _hang_up(websocket)
                except _ClientLeft:
                    pass
                except (CannotForward, WebSocketException, OSError) as error:
                    self.last_error = str(error)
                    _reset(accepted)
        finally:
            with self._lock:
                self._connections.discard(threading.current_thread())


def _listen() -> socket.socket:
    """A listening socket on 5000, or the next port that is free."""
    for _ in range(ports.ATTEMPTS):
        listener = socket.socket()
        if os.name == "posix":  # Else the last connections of an earlier one would keep the port taken.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", ports.next_free(USUAL_PORT)))
            listener.listen(128)
            listener.setblocking(False)
            return listener
        except OSError:  # Somebody took it in between.
            listener.close()
    raise CannotForward(f"No port from {USUAL_PORT} on is free on this machine.")


def _reset(accepted: socket.socket) -> None:
    """End a connection so that the client sees it broken, and not an answer that ends early."""
    with suppress(OSError):
        lingers = struct.pack("hh" if sys.platform == "win32" else "ii", 1, 0)
        accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, lingers)


def _hang_up(websocket: Any) -> None:
    with suppress(OSError, WebSocketException):
        websocket.close(timeout=0)  # It says so, and does not wait for the answer.
    with suppress(OSError, AttributeError):
        websocket.sock.shutdown()


class _Pods:
    """The pods of a Service, asked for when a connection needs one."""

    def __init__(self, api: client.ApiClient, namespace: str, service: str, port: int | str | None) -> None:
        self.service = service
        self._api = api
        self._namespace = namespace
        self._lock = threading.Lock()
        self._known: list[tuple[str, int]] = []
        self._until = 0.0
        self._turn = 0
        self._selector, self._target = self._look_up(port)

    def connect(self) -> Any:
        """Open a websocket to a ready pod; one that cannot be reached any more is passed over.

        Raises:
            CannotForward: none can be reached.
        """
        reasons: list[str] = []
        for _ in ("those that we know", "those that are ready by now"):
            for pod, port in self._in_turn():
                try:
                    return self._open(pod, port)
                except client.ApiException as error:
                    reasons.append(f"{pod}: {_said(error)}")
                    self._until = 0.0
        raise CannotForward(
            f"No pod of the Service {self.service} can be reached: {'; '.join(dict.fromkeys(reasons))}"
        )

    def ready(self) -> list[tuple[str, int]]:
        """Name and port of every pod that is ready.

        Raises:
            CannotForward: none is, or the cluster does not answer.
        """
        labels = ",".join(f"{key}={value}" for key, value in sorted(self._selector.items()))
        answer = self._read("list_namespaced_pod", self._namespace, label_selector=labels)
        pods = [pod for pod in answer.get("items") or [] if _is_ready(pod)]
        found = [(pod["metadata"]["name"], port) for pod in pods if (port := _port(pod, self._target))]
        if not found:
            total = len(answer.get("items") or [])
            which = f"has {total} pods, and none of them is ready" if total else f"selects no pod ({labels})"
            raise CannotForward(
                f"The Service {self.service} {which}. "
                f"`kubectl -n {self._namespace} get pods` shows what is there."
            )
        return found

    def _in_turn(self) -> list[tuple[str, int]]:
        with self._lock:
            if time.monotonic() > self._until:
                self._known, self._until = self.ready(), time.monotonic() + FRESH_SECONDS
            self._turn += 1
            first = self._turn % len(self._known)
            return self._known[first:] + self._known[:first]

    def _open(self, pod: str, port: int) -> Any:
        # A client of its own: while it opens a websocket, the official one can do nothing else.
        api = client.ApiClient(self._api.configuration)
        api.default_headers.update(self._api.default_headers)
        api.set_default_header("sec-websocket-protocol", PROTOCOL)
        call = client.CoreV1Api(api).connect_get_namespaced_pod_portforward
        return stream(call, pod, self._namespace, ports=str(port), binary=True, _preload_content=False)

    def _look_up(self, port: int | str | None) -> tuple[dict[str, str], int | str]:
        """The labels that the Service selects by, and the port of its pods."""
        spec = self._read("read_namespaced_service", self.service, self._namespace).get("spec") or {}
        offered = spec.get("ports") or []
        for each in offered:
            if port in (None, each["port"], each.get("name")):
                if not spec.get("selector"):
                    raise CannotForward(
                        f"The Service {self.service} selects no pods; there is nothing to forward to."
                    )
                return spec["selector"], each.get("targetPort") or each["port"]
        has = ", ".join(str(each["port"]) for each in offered) or "none"
        raise CannotForward(f"The Service {self.service} has no port {port}; it has: {has}.")

    def _read(self, method: str, *arguments: str, **options: str) -> Object:
        try:
            answer = getattr(client.CoreV1Api(self._api), method)(
                *arguments, **options, _preload_content=False, _request_timeout=API_SECONDS
            )
            if answer.status >= 400:
                raise client.ApiException(http_resp=answer)
            return json.loads(answer.data)
        except client.ApiException as error:
            if error.status == 404:
                raise CannotForward(
                    f"There is no Service {self.service} in the namespace {self._namespace}. "
                    "Apply the manifests first."
                ) from error
            raise CannotForward(f"The cluster refuses: {_said(error)}") from error
        except (HTTPError, OSError) as error:
            raise CannotForward(f"The cluster does not answer: {error}") from error


def _is_ready(pod: Object) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or []
    ready = any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
    return ready and "deletionTimestamp" not in pod["metadata"]


def _port(pod: Object, target: int | str) -> int | None:
    """The number of a pod's port; a name is one of its containers' ports, and may differ from pod to pod."""
    if isinstance(target, int):
        return target
    containers = pod["spec"].get("containers") or []
    named = [port for container in containers for port in container.get("ports") or []]
    return next((port["containerPort"] for port in named if port.get("name") == target), None)


def _said(error: client.ApiException) -> str:
    said = " ".join(str(part) for part in (error.status, error.reason) if part) or "it said nothing"
    # A refused websocket comes with all headers of the answer.
    return said.removeprefix("Handshake status ").partition(" -+-+- ")[0]


class _Connection:
    """Moves bytes between a client and a pod, in one thread, until one of them has ended.

    Neither side is read from while the other is slow to take, so nothing piles up. One thread, because a TLS
    connection must not be read and written at the same time.
    """

    def __init__(self, accepted: socket.socket, websocket: Any, stop: socket.socket) -> None:
        self._accepted = accepted
        self._websocket = websocket
        self._raw: socket.socket = websocket.sock
        self._stop = stop
        self._to_pod = b""
        self._pongs = b""
        self._to_client: deque[bytes] = deque()
        self._waiting = 0  # How many bytes stand in _to_client.
        self._has_sent_all = False  # The client has; it may still wait for the answer.
        self._has_answered_all = False  # The pod has.
        self._channel = -1
        self._opened: set[int] = set()
        self._complaint = ""
        for side in (accepted, self._raw):
            side.setblocking(False)

    def run(self) -> None:
        """Move everything there is.

        Raises:
            CannotForward: the pod's side ended with an error.
            OSError: a side broke off.
        """
        quiet_since = time.monotonic()
        with selectors.DefaultSelector() as selector:
            selector.register(self._stop, selectors.EVENT_READ)
            for side in (self._accepted, self._raw):
                selector.register(side, selectors.EVENT_READ)
            while True:
                if self._move():
                    quiet_since = time.monotonic()
                if self._has_answered_all and not self._to_client:
                    break
                left = quiet_since + LINGER_SECONDS - time.monotonic() if self._has_sent_all else None
                if left is not None and left <= 0:
                    return
                self._watch(selector)
                if self._stop in {key.fileobj for key, _ in selector.select(left)}:
                    return
        if self._complaint:
            raise CannotForward(f"The pod's side says: {self._complaint}")
        with suppress(OSError):
            self._accepted.shutdown(socket.SHUT_WR)

    def _watch(self, selector: selectors.BaseSelector) -> None:
        """Wake up only for what can be done: for anything else, the selector would never sleep."""
        client_events = selectors.EVENT_WRITE if self._to_client else 0
        if not self._has_sent_all and not self._to_pod:
            client_events |= selectors.EVENT_READ
        pod_events = selectors.EVENT_WRITE if self._to_pod or self._pongs else 0
        if self._waiting < FULL and not self._has_answered_all:
            pod_events |= selectors.EVENT_READ
        for side, events in ((self._accepted, client_events), (self._raw, pod_events)):
            known = side in selector.get_map()
            if events and known:
                selector.modify(side, events)
            elif events:
                selector.register(side, events)
            elif known:
                selector.unregister(side)

    def _move(self) -> bool:
        """Move what can be moved now; True where anything could."""
        moved = [self._read_client(), self._write_pod(), self._read_pod(), self._write_client()]
        return any(moved)

    def _read_client(self) -> bool:
        if self._has_sent_all or self._to_pod or self._has_answered_all:
            return False
        try:
            data = self._accepted.recv(CHUNK)
        except NOT_NOW:
            return False
        except OSError as error:
            raise _ClientLeft from error
        if data:
            self._to_pod = _frame(bytes([DATA]) + data)
        else:
            # The protocol cannot say that only one direction has ended, so the pod is not told.
            self._has_sent_all = True
        return True

    def _write_pod(self) -> bool:
        if not self._to_pod:  # Never in the middle of another frame.
            self._to_pod, self._pongs = self._pongs, b""
        if not self._to_pod or self._has_answered_all:
            return False
        try:
            sent = self._raw.send(self._to_pod)
        except NOT_NOW:
            return False
        self._to_pod = self._to_pod[sent:]
        return True

    def _read_pod(self) -> bool:
        moved = False
        # All of it: what TLS has decrypted already, no selector sees.
        while self._waiting < FULL and not self._has_answered_all:
            try:
                self._take(self._websocket.recv_frame())
            except NOT_NOW:
                break
            except (WebSocketException, OSError) as error:
                self._has_answered_all = True
                self._complaint = self._complaint or f"the connection to the pod broke off ({error})"
            moved = True
        return moved

    def _take(self, frame: ABNF) -> None:
        data = bytes(frame.data)  # type: ignore[arg-type]  # Only text frames carry a str, and only when sent.
        if frame.opcode == ABNF.OPCODE_PING:
            self._pongs += _frame(data, ABNF.OPCODE_PONG)
        elif frame.opcode == ABNF.OPCODE_CLOSE:
            self._has_answered_all = True
        elif frame.opcode in (ABNF.OPCODE_BINARY, ABNF.OPCODE_TEXT) and data:
            self._channel = data[0]
            self._take_from_channel(data[1:])
        elif frame.opcode == ABNF.OPCODE_CONT:
            self._take_from_channel(data)

    def _take_from_channel(self, data: bytes) -> None:
        if self._channel not in self._opened:
            self._opened.add(self._channel)  # Its first message only says which port it is for.
        elif self._channel == DATA and data:
            self._to_client.append(data)
            self._waiting += len(data)
        elif self._channel == ERROR:
            self._complaint += data.decode(errors="replace")
            self._has_answered_all = True

    def _write_client(self) -> bool:
        moved = False
        while self._to_client:
            try:
                sent = self._accepted.send(self._to_client[0])
            except NOT_NOW:
                break
            except OSError as error:
                raise _ClientLeft from error
            self._waiting -= sent
            rest = self._to_client.popleft()[sent:]
            if rest:
                self._to_client.appendleft(rest)
            moved = True
        return moved


def _frame(data: bytes, opcode: int = ABNF.OPCODE_BINARY) -> bytes:
    return ABNF.create_frame(data, opcode).format()
