"""Mutual TLS: both sides show a certificate, and a certificate can be replaced while we run.

It is on when `TLS_CERTIFICATE`, `TLS_KEY` and `TLS_CA` name three files in PEM format: our own
certificate, its key, and the authority that the other side's certificate has to come from.

Both services have this file, each its own copy: a shared library would tie their releases together.
"""

import logging
import os
import ssl
from pathlib import Path
from typing import NamedTuple

VARIABLES = ("TLS_CERTIFICATE", "TLS_KEY", "TLS_CA")


class Identity(NamedTuple):
    """What one side of mutual TLS has: three texts in PEM format."""

    certificate: bytes
    key: bytes
    authority: bytes


class Files:
    """The files that an identity is read from, again and again.

    Args:
        paths: of the certificate, of its key, and of the authority.
        log: where it is told what was read, and what could not be used.
    """

    def __init__(self, paths: list[str], log: logging.Logger) -> None:
        self._paths = paths
        self._log = log
        self._used: Identity | None = None
        self._refused: Identity | None = None

    def renewed(self) -> Identity | None:
        """The identity, where it is another one than last time and can be used; else None.

        While a rotation is half done, files are missing or do not fit each other. Then the log
        says so, and the identity in use stays.
        """
        try:
            found = self._read()
            if found in (self._used, self._refused):
                return None
            self._check()
            if self._read() != found:
                return None  # Somebody is at it; so what was checked may be something else.
        except ssl.SSLError as error:
            self._refused = found  # Once in the log is enough.
            self._complain(error)
            return None
        except OSError as error:
            self._complain(error)
            return None
        self._used = found
        self._log.info("certificate loaded", extra={"fields": {"file": self._paths[0]}})
        return found

    def _complain(self, error: OSError) -> None:
        self._log.warning(f"certificate not used: {error}; {', '.join(self._paths)}")

    def _read(self) -> Identity:
        return Identity(*(Path(path).read_bytes() for path in self._paths))

    def _check(self) -> None:
        certificate, key, authority = self._paths
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        context.load_verify_locations(authority)


def files(log: logging.Logger) -> Files | None:
    """The files that the environment names; None where it names none.

    Raises:
        ValueError: only some of the variables are set. To go on without TLS would be worse than to stop.
    """
    paths = [os.environ.get(name, "") for name in VARIABLES]
    if not any(paths):
        return None
    if not all(paths):
        missing = [name for name, path in zip(VARIABLES, paths, strict=True) if not path]
        raise ValueError(f"TLS is half configured: set {' and '.join(missing)} too, or none of the three")
    return Files(paths, log)
