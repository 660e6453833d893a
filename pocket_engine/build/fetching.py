"""Files from the web, for ADD and for remote contexts."""

from collections.abc import Iterator
from contextlib import contextmanager

import requests

from pocket_engine.errors import EngineError

_SECONDS = 60  # Without a byte.
_LONGEST_EXPLANATION = 1024  # Characters of what a server says to a failure.


@contextmanager
def fetched(url: str) -> Iterator[requests.Response]:
    """The answer to a GET; its body is read as it comes.

    Raises:
        EngineError: nobody answers, the answer is an error, or it breaks off.
    """
    try:
        with requests.get(url, stream=True, timeout=_SECONDS) as response:
            if response.status_code >= 400:
                explanation = response.text[:_LONGEST_EXPLANATION].rstrip()
                raise EngineError(
                    f"failed to GET {url} with status {response.status_code} {response.reason}: {explanation}"
                )
            yield response
    except requests.RequestException as error:
        raise EngineError(f'Get "{url}": {_reason(error)}') from None


def _reason(error: BaseException) -> str:
    """What the operating system said; else all that the library says."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror.lower()
        cause = cause.__context__
    return str(error)
