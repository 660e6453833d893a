"""An API server, as far as a port-forward goes, in front of real servers that stand for pods."""

import asyncio
import http.server
import ssl
import threading
from typing import Any

from aiohttp import WSMsgType, web

PROTOCOL = "v4.channel.k8s.io"
BLOCK = b"0123456789abcdef" * 4096


class Pod:
    """A real HTTP/1.1 server.

    Attributes:
        name: it says that on every page.
        port: where it listens.
        connections: how many came.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.connections = 0
        pod = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                head, _, count = self.path.partition("?")
                blocks = int(count or 0)
                body = pod.name.encode() if head == "/" else BLOCK * blocks
                self.send_response(200)
                if head == "/until-the-end":
                    self.send_header("Connection", "close")
                else:
                    self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        class Listener(http.server.ThreadingHTTPServer):
            def verify_request(self, *_: object) -> bool:
                pod.connections += 1
                return True

            def handle_error(self, *_: object) -> None:
                pass  # A client that left.

        self._listener = Listener(("127.0.0.1", 0), Handler)
        self.port: int = self._listener.server_address[1]
        threading.Thread(target=self._listener.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        self._listener.shutdown()
        self._listener.server_close()


class ApiServer:
    """The Service `marketplace`, its pods, and the websockets to them.

    Attributes:
        url: where it listens.
        service: the Service; None where there is none.
        pods: name → the pod as an object, as it is listed.
        ports: name → where its connections really go; who is not in it is gone.
        protocols: what each websocket's client asked for.
        open: how many websockets are open.
        breaks_after: so many bytes of an answer later, the connection breaks, without a word.
        pings: whether each websocket begins with a ping.
        pongs: what came in answer to those.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.service: dict[str, Any] | None = {
            "metadata": {"name": "marketplace"},
            "spec": {
                "selector": {"app.kubernetes.io/name": "marketplace"},
                "ports": [{"name": "http", "port": 5000, "targetPort": "http"}],
            },
        }
        self.pods: dict[str, dict[str, Any]] = {}
        self.ports: dict[str, int] = {}
        self.protocols: list[str | None] = []
        self.selectors: list[str | None] = []
        self.open = 0
        self.pongs: list[bytes] = []
        self.breaks_after: int | None = None
        self.pings = False
        self._tls = tls
        self._loop = asyncio.new_event_loop()
        self._runner: web.AppRunner | None = None
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        port = asyncio.run_coroutine_threadsafe(self._serve(), self._loop).result(10)
        self.url = f"http{'s' if tls else ''}://localhost:{port}"

    def close(self) -> None:
        assert self._runner
        asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def add(self, pod: Pod, ready: bool = True) -> None:
        """List a pod, and send its connections to it. Its container's port is not the Service's."""
        condition = {"type": "Ready", "status": "True" if ready else "False"}
        container = {"name": "marketplace", "ports": [{"name": "http", "containerPort": pod.port}]}
        self.pods[pod.name] = {
            "metadata": {"name": pod.name},
            "spec": {"containers": [container]},
            "status": {"conditions": [condition]},
        }
        self.ports[pod.name] = pod.port

    async def _serve(self) -> int:
        app = web.Application()
        base = "/api/v1/namespaces/microservices"
        app.router.add_get(f"{base}/services/marketplace", self._get_service)
        app.router.add_get(f"{base}/pods", self._list_pods)
        app.router.add_get(f"{base}/pods/{{name}}/portforward", self._forward)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "localhost", 0, ssl_context=self._tls)
        await site.start()
        return self._runner.addresses[0][1]

    async def _get_service(self, request: web.Request) -> web.Response:
        if self.service is None:
            return web.json_response({"kind": "Status", "code": 404, "message": "not found"}, status=404)
        return web.json_response(self.service)

    async def _list_pods(self, request: web.Request) -> web.Response:
        self.selectors.append(request.query.get("labelSelector"))
        return web.json_response({"kind": "PodList", "items": list(self.pods.values())})

    async def _forward(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        if name not in self.ports:
            return web.json_response({"kind": "Status", "code": 404, "message": "no such pod"}, status=404)
        self.protocols.append(request.headers.get("Sec-WebSocket-Protocol"))
        websocket = web.WebSocketResponse(protocols=(PROTOCOL,), autoping=False)
        await websocket.prepare(request)
        self.open += 1
        try:
            await self._talk(websocket, self.ports[name], int(request.query["ports"]))
        finally:
            self.open -= 1
        return websocket

    async def _talk(self, websocket: web.WebSocketResponse, real: int, asked: int) -> None:
        for channel in (0, 1):
            await websocket.send_bytes(bytes([channel]) + asked.to_bytes(2, "little"))
        if self.pings:
            await websocket.ping(b"are you there")
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", real)
        except OSError:
            await websocket.send_bytes(b"\1" + b"an error occurred forwarding: connection refused")
            await websocket.close()
            return
        tasks = {
            asyncio.ensure_future(self._to_client(websocket, reader)),
            asyncio.ensure_future(self._to_pod(websocket, writer)),
        }
        _, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        writer.close()
        await websocket.close()

    async def _to_client(self, websocket: web.WebSocketResponse, reader: asyncio.StreamReader) -> None:
        sent = 0
        while data := await reader.read(32 * 1024):
            await websocket.send_bytes(b"\0" + data)
            sent += len(data)
            if self.breaks_after is not None and sent >= self.breaks_after:
                transport = websocket._req.transport  # type: ignore[union-attr]
                assert transport
                transport.abort()

    async def _to_pod(self, websocket: web.WebSocketResponse, writer: asyncio.StreamWriter) -> None:
        async for message in websocket:
            if message.type == WSMsgType.BINARY:
                assert message.data[0] == 0
                writer.write(message.data[1:])
                await writer.drain()
            elif message.type == WSMsgType.PONG:
                self.pongs.append(bytes(message.data))
