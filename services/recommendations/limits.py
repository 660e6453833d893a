"""How much the service takes on, in all and from one client, so that it stays able to answer."""

CONCURRENT_CALLS = 1000  # Calls beyond these are refused with RESOURCE_EXHAUSTED at once.

OPTIONS = [
    # With SO_REUSEPORT a second server on this port would not fail but take half of the calls.
    ("grpc.so_reuseport", 0),
    # One connection may have so many of them; the rest wait in the client.
    ("grpc.max_concurrent_streams", 200),
    # Our requests have ten bytes; nobody needs to send four megabytes, which is gRPC's own limit.
    ("grpc.max_receive_message_length", 64 * 1024),
    # A connection that says nothing is closed after five seconds; gRPC's own patience is two minutes.
    ("grpc.server_handshake_timeout_ms", 5_000),
    # Clients that look after us with a ping a second are welcome; by default they would be thrown out.
    ("grpc.http2.min_ping_interval_without_data_ms", 500),
    ("grpc.keepalive_permit_without_calls", 1),
    # A client that has vanished without a word is noticed by our own pings.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.http2.ping_timeout_ms", 5_000),
    # Connections end now and then, between calls; clients then look up the name again, and find new replicas.
    ("grpc.max_connection_age_ms", 60_000),
    ("grpc.max_connection_age_grace_ms", 10_000),
]
