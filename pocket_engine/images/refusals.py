"""A registry's errors, and what users are told of them, in Docker's words."""

import json
from dataclasses import dataclass

import requests

from pocket_engine.errors import EngineError, NotFound


class Unauthorized(EngineError):
    """The registry does not believe who we are."""

    status = 401


@dataclass
class Refusal(Exception):
    """A registry's answer that is none of the good ones.

    Attributes:
        status: of HTTP.
        code: the protocol's, such as `MANIFEST_UNKNOWN`; empty when the body had none.
        message: the registry's.
        retry_after: what its header of that name says.
    """

    status: int
    code: str
    message: str
    retry_after: str = ""

    def __str__(self) -> str:
        code = self.code.lower().replace("_", " ")
        return f"{code}: {self.message}" if code else self.message


def in_words(refusal: Refusal, repository: str, name: str) -> EngineError:
    """What the user is told when a pull was refused.

    Args:
        refusal: the registry's answer.
        repository: of what, as people write it.
        name: the same with tag or digest.
    """
    if refusal.status == 429 or refusal.code == "TOOMANYREQUESTS":
        wait = f" in {refusal.retry_after} seconds" if refusal.retry_after.isdigit() else " later"
        return EngineError(
            f"toomanyrequests: {refusal.message}. The registry limits how often it is asked: try again{wait},"
            " log in (`docker login`), or pull from another registry"
        )
    if refusal.code == "MANIFEST_UNKNOWN":
        return NotFound(f"manifest for {name} not found: {refusal}")
    if refusal.code == "NAME_UNKNOWN":
        return NotFound(f"repository {repository} not found: {refusal}")
    if refusal.status in (401, 403):
        return NotFound(
            f"pull access denied for {repository}, repository does not exist or may require 'docker login': "
            f"{refusal}"
        )
    return (NotFound if refusal.status == 404 else EngineError)(f"{name}: {refusal}")


def raise_for(answer: requests.Response) -> None:
    """Raise Refusal for an answer that is an error."""
    if answer.status_code < 400:
        return
    code, message = "", ""
    try:
        first = json.loads(answer.content)["errors"][0]
        code, message = first.get("code", ""), first.get("message") or ""
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):
        pass
    if not message:
        message = f"received unexpected HTTP status: {answer.status_code} {answer.reason}"
        code = code or {401: "UNAUTHORIZED", 403: "DENIED"}.get(answer.status_code, "")
    raise Refusal(answer.status_code, code, message, answer.headers.get("Retry-After", ""))
