"""What a build tells its client: items of a JSON stream, in the classic builder's words."""

from collections.abc import Generator
from typing import Any, TypeVar

from pocket_engine.images.progress import short

Outcome = TypeVar("Outcome")

# Yields items as they come, and None when there is nothing to tell for a while; returns what came out of it.
Telling = Generator[dict[str, Any] | None, None, Outcome]


def text(words: str) -> dict[str, Any]:
    """An item that is shown as it is."""
    return {"stream": words}


def in_red(words: str) -> dict[str, Any]:
    """Likewise, as something that went wrong."""
    return text(f"\x1b[91m{words}\x1b[0m")


def running_in(container_id: str) -> dict[str, Any]:
    """A step begins."""
    return text(f" ---> Running in {short(container_id)}\n")


def using_cache() -> dict[str, Any]:
    """A step need not be carried out."""
    return text(" ---> Using cache\n")


def removing(container_id: str) -> dict[str, Any]:
    """The container of a step is gone."""
    return text(f"Removing intermediate container {short(container_id)}\n")


def reached(image_id: str) -> dict[str, Any]:
    """What a step has left."""
    return text(f" ---> {short(image_id)}\n")


def failed(message: str, code: int | None = None) -> dict[str, Any]:
    """The build ends here.

    Args:
        message: why.
        code: the exit code of a command that failed.
    """
    detail = {"message": message} if code is None else {"code": code, "message": message}
    return {"errorDetail": detail, "error": message}
