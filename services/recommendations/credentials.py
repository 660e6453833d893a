"""The server's side of mutual TLS, as gRPC wants it."""

import logging
from typing import Any

import grpc

import tls


def server_credentials(log: logging.Logger) -> grpc.ServerCredentials | None:
    """What the server shows, and demands of every client; None without TLS.

    Each handshake looks at the files, so a new certificate serves the next connection.

    Raises:
        ValueError: TLS is half configured, or its files cannot be used.
    """
    files = tls.files(log)
    if files is None:
        return None

    def configuration() -> Any:
        identity = files.renewed()
        if identity is None:
            return None  # gRPC keeps the one in use.
        pair = (identity.key, identity.certificate)
        return grpc.ssl_server_certificate_configuration([pair], identity.authority)

    first = configuration()
    if first is None:
        raise ValueError("TLS is asked for, but its files cannot be used; the line above says why")
    return grpc.dynamic_ssl_server_credentials(first, configuration, require_client_authentication=True)
