"""A gRPC server that keeps the contract, with few and known books, for checks to call."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc

from workshop.checks.contract import compiled, messages
from workshop.repository import PROTO

BOOKS = {
    0: ["Gaudy Night", "Rebecca"],
    1: ["Dune", "Solaris", "Ubik", "Kindred"],
    2: ["Walden", "Meditations", "Flow"],
}

GRACE_SECONDS = 0.5  # Calls in flight are let go at once; a server that cuts them off complains on stderr.


class Bookshelf:
    """A server on a free port of this machine; use it in a `with` block.

    Attributes:
        address: `host:port` where it listens.
        requests: what it was asked, oldest first.
        delay: how many seconds it takes to answer.
        codes: which categories are answered with which error.
    """

    def __init__(self) -> None:
        self.requests: list[Any] = []
        self.delay = 0.0
        self.codes: dict[int, grpc.StatusCode] = {}
        self._closing = threading.Event()
        self._messages = messages(compiled(PROTO.read_text(encoding="utf-8")))
        self._server = grpc.server(ThreadPoolExecutor(4))
        handler = grpc.unary_unary_rpc_method_handler(
            self._recommend,
            self._messages.RecommendationRequest.FromString,
            self._messages.RecommendationResponse.SerializeToString,
        )
        service = grpc.method_handlers_generic_handler("Recommendations", {"Recommend": handler})
        self._server.add_generic_rpc_handlers((service,))
        self.address = f"localhost:{self._server.add_insecure_port('localhost:0')}"

    def _recommend(self, request: Any, context: grpc.ServicerContext) -> Any:
        self.requests.append(request)
        self._closing.wait(self.delay)
        if code := self.codes.get(request.category):
            context.abort(code, f"the check answers this category with {code.name}")
        if request.category not in BOOKS:
            context.abort(grpc.StatusCode.NOT_FOUND, f"no shelf has category {request.category}")
        titles = BOOKS[request.category][: request.max_results]
        books = [{"id": number, "title": title} for number, title in enumerate(titles, start=1)]
        return self._messages.RecommendationResponse(recommendations=books)

    def stop(self) -> None:
        """Go away, as a killed process would: nobody listens any longer."""
        self._closing.set()
        self._server.stop(GRACE_SECONDS).wait()

    def __enter__(self) -> "Bookshelf":
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
