"""The versions of the API: what `/v1.43/` before a path asks for."""

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from flask import request

from pocket_engine.errors import BadRequest

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

NEWEST = (1, 47)
OLDEST = (1, 24)

_KEY = "pocket_engine.api_version"


class VersionPrefix:
    """A WSGI application without the version at the beginning of its paths; `api_version` remembers it."""

    def __init__(self, application: "WSGIApplication") -> None:
        self.application = application

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        if prefix := re.match(r"/v(\d+)\.(\d+)(?=/)", environ["PATH_INFO"]):
            environ[_KEY] = int(prefix[1]), int(prefix[2])
            environ["PATH_INFO"] = environ["PATH_INFO"].removeprefix(prefix[0])
        return self.application(environ, start_response)


def api_version() -> tuple[int, int]:
    """The version that the request asks for, e.g. `(1, 43)`; the newest where it names none."""
    return request.environ.get(_KEY, NEWEST)


def check() -> None:
    """Refuse a request in a version that we do not speak.

    Raises:
        BadRequest: it is too new or too old.
    """
    asked = api_version()
    if asked > NEWEST:
        raise BadRequest(
            f"client version {dotted(asked)} is too new. Maximum supported API version is {dotted(NEWEST)}"
        )
    if asked < OLDEST:
        raise BadRequest(
            f"client version {dotted(asked)} is too old. Minimum supported API version is "
            f"{dotted(OLDEST)}, please upgrade your client to a newer version"
        )


def dotted(version: tuple[int, int]) -> str:
    """A version as people write it, e.g. `1.47`."""
    return f"{version[0]}.{version[1]}"
