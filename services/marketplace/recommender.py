"""The Marketplace's view of Recommendations: a deadline on every call, and an answer in any case."""

import logging
import os
import threading
import time

import grpc

import recommendations_pb2 as pb
import request_id
from bulkhead import Bulkhead, Full
from channel import Connection
from ports import port_from

# A page without suggestions now is worth more than one with them later.
DEADLINE_SECONDS = 0.5

# So many pages may wait for Recommendations at once; the others must not wait with them.
PLACES = 16
PATIENCE_SECONDS = 0.05

log = logging.getLogger("marketplace")


class NoRecommendations(Exception):
    """There are no books to show this time.

    Attributes:
        code: the status code's name; RESOURCE_EXHAUSTED where we did not even ask.
        details: what gRPC says about it.
    """

    def __init__(self, code: str, details: str) -> None:
        super().__init__(f"{code}: {details}")
        self.code = code
        self.details = details


class Recommender:
    """Ask Recommendations for books.

    The channel connects on the first call and again whenever it was lost.

    Args:
        address: `host:port` of the service.

    Raises:
        ValueError: TLS is half configured, or its files cannot be used.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self._connection = Connection(address, log)
        self._bulkhead = Bulkhead(PLACES, PATIENCE_SECONDS, limit=DEADLINE_SECONDS / 2)
        self._looking = threading.Lock()
        self._reachable = False

    @classmethod
    def from_environment(cls) -> "Recommender":
        """The service that `RECOMMENDATIONS_HOST` and `RECOMMENDATIONS_PORT` name.

        Raises:
            ValueError: that port is no number, or TLS cannot work.
        """
        host = os.environ.get("RECOMMENDATIONS_HOST", "localhost")
        port = port_from("RECOMMENDATIONS_PORT", 50051)
        return cls(f"{host}:{port}")

    def recommend(self, user_id: int, category: str, count: int) -> list[pb.BookRecommendation]:
        """Fetch up to `count` books from the shelf of one category, by its name in the contract.

        Raises:
            NoRecommendations: with UNAVAILABLE where nobody answers, DEADLINE_EXCEEDED where the
                answer is late, and the codes of the contract.
        """
        self._connection.refresh()
        request = pb.RecommendationRequest(user_id=user_id, category=category, max_results=count)
        try:
            waited = self._bulkhead.enter()
        except Full:
            raise NoRecommendations("RESOURCE_EXHAUSTED", "too many calls wait already") from None
        called = time.monotonic()
        try:
            response = self._connection.stub.Recommend(
                request,
                timeout=DEADLINE_SECONDS - waited,
                metadata=[("x-request-id", request_id.current.get())],
            )
        except grpc.RpcError as error:
            raise NoRecommendations(error.code().name, error.details() or "") from error
        finally:
            self._bulkhead.leave(time.monotonic() - called)
        return list(response.recommendations)

    def is_reachable(self) -> bool:
        """Tell whether the service can be connected to within the deadline.

        One caller looks; who asks meanwhile is told what was found last, and waits for nothing.
        """
        if self._looking.acquire(blocking=False):
            try:
                self._reachable = self._look()
            finally:
                self._looking.release()
        return self._reachable

    def _look(self) -> bool:
        ready = grpc.channel_ready_future(self._connection.channel)
        try:
            ready.result(timeout=DEADLINE_SECONDS)
        except grpc.FutureTimeoutError:
            return False
        finally:
            ready.cancel()  # Else the channel would go on telling it, probe after probe.
        return True
