"""The Marketplace's view of Recommendations: one channel, and a deadline on every call."""

import os

import grpc

import recommendations_pb2 as pb
import recommendations_pb2_grpc as pb_grpc

# A page without suggestions now is worth more than one with them later.
DEADLINE_SECONDS = 0.5

# Look for a vanished service every second; gRPC's own pauses grow to two minutes.
# And call it directly: a proxy that the environment names is for the world outside.
CHANNEL_OPTIONS = [("grpc.max_reconnect_backoff_ms", 1000), ("grpc.enable_http_proxy", 0)]


class Recommender:
    """Ask Recommendations for books.

    The channel connects on the first call and again whenever it was lost.

    Args:
        address: `host:port` of the service.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self._channel = grpc.insecure_channel(address, options=CHANNEL_OPTIONS)
        self._stub = pb_grpc.RecommendationsStub(self._channel)

    @classmethod
    def from_environment(cls) -> "Recommender":
        """The service that `RECOMMENDATIONS_HOST` and `RECOMMENDATIONS_PORT` name."""
        host = os.environ.get("RECOMMENDATIONS_HOST", "localhost")
        port = os.environ.get("RECOMMENDATIONS_PORT", "50051")
        return cls(f"{host}:{port}")

    def recommend(self, user_id: int, category: str, count: int) -> list[pb.BookRecommendation]:
        """Fetch up to `count` books from the shelf of one category, by its name in the contract.

        Raises:
            grpc.RpcError: with UNAVAILABLE where nobody answers, DEADLINE_EXCEEDED where the
                answer is late, and the codes of the contract.
        """
        request = pb.RecommendationRequest(user_id=user_id, category=category, max_results=count)
        response = self._stub.Recommend(request, timeout=DEADLINE_SECONDS)
        return list(response.recommendations)

    def is_reachable(self) -> bool:
        """Tell whether the service can be connected to within the deadline."""
        ready = grpc.channel_ready_future(self._channel)
        try:
            ready.result(timeout=DEADLINE_SECONDS)
        except grpc.FutureTimeoutError:
            return False
        finally:
            ready.cancel()  # Else the channel would go on telling it, probe after probe.
        return True
