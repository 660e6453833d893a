"""One channel to Recommendations: to all of its replicas, patient with none that is gone."""

import json
import logging
import threading
import time

import grpc

import recommendations_pb2_grpc as pb_grpc
import tls
import tracing

# How gRPC itself should treat calls. The fields stand in service_config.proto of
# https://github.com/grpc/grpc-proto
SERVICE_CONFIG = {
    # Connect to every address that the name has, and take turns call by call.
    "loadBalancingConfig": [{"round_robin": {}}],
    # Let each address tell how it is, as a stream: one that is about to stop gets no more calls.
    "healthCheckConfig": {"serviceName": "Recommendations"},
    "methodConfig": [
        {
            "name": [{"service": "Recommendations"}],
            # UNAVAILABLE means that the call has not begun, or its server has gone: another one may do.
            # All attempts share the one deadline.
            "retryPolicy": {
                "maxAttempts": 4,
                "initialBackoff": "0.02s",
                "maxBackoff": "0.1s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        }
    ],
    # While most calls fail, retries would only add to the trouble: then there are none.
    "retryThrottling": {"maxTokens": 20, "tokenRatio": 0.5},
}

CHANNEL_OPTIONS = [
    ("grpc.service_config", json.dumps(SERVICE_CONFIG)),
    # Nobody but us may change that through the name server.
    ("grpc.service_config_disable_resolution", 1),
    # Call directly: a proxy that the environment names is for the world outside.
    ("grpc.enable_http_proxy", 0),
    # A ping every second while nothing comes; a peer that does not answer one is gone. Recommendations
    # allows that (its limits.py); a server with gRPC's own limits would close the connection for it.
    ("grpc.keepalive_time_ms", 1000),
    ("grpc.http2.ping_timeout_ms", 1000),  # gRPC's own is a minute, whatever grpc.keepalive_timeout_ms says.
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
    # Look for a vanished service four times a second; gRPC's own pauses grow to two minutes,
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 250),
    # an attempt that nobody answers takes twenty seconds,
    ("grpc.min_reconnect_backoff_ms", 500),
    # and the name is asked for at most twice a minute: too late for a replica that came back elsewhere.
    ("grpc.dns_min_time_between_resolutions_ms", 500),
    ("grpc.dns_ares_query_timeout", 1000),
]


# How often the files of TLS are looked at.
LOOK_SECONDS = 1.0


class Connection:
    """The one channel of this process; another one only when TLS has new files.

    Args:
        address: `host:port` of the service.
        log: where it is told about TLS.

    Attributes:
        channel, stub: what calls go through now.

    Raises:
        ValueError: TLS is half configured, or its files cannot be used.
    """

    def __init__(self, address: str, log: logging.Logger) -> None:
        self._address = address
        self._files = tls.files(log)
        self._lock = threading.Lock()
        self._next_look = 0.0
        if self._files is None:
            self._use(grpc.insecure_channel(address, CHANNEL_OPTIONS))
        elif not self._renew():
            raise ValueError("TLS is asked for, but its files cannot be used; the line above says why")

    def refresh(self) -> None:
        """Look whether the certificate has been replaced, at most once a second."""
        if self._files and time.monotonic() > self._next_look and self._lock.acquire(blocking=False):
            try:
                self._renew()
            finally:
                self._lock.release()

    def _renew(self) -> bool:
        assert self._files
        self._next_look = time.monotonic() + LOOK_SECONDS
        identity = self._files.renewed()
        if identity is None:
            return False
        credentials = grpc.ssl_channel_credentials(identity.authority, identity.key, identity.certificate)
        # Calls under way hold on to the old channel until they have ended.
        self._use(grpc.secure_channel(self._address, credentials, CHANNEL_OPTIONS))
        return True

    def _use(self, channel: grpc.Channel) -> None:
        self.channel = channel
        traced = grpc.intercept_channel(channel, *tracing.client_interceptors())
        self.stub = pb_grpc.RecommendationsStub(traced)
