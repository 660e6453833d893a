"""What the engine answers when it cannot do what it was asked.

EngineError             an answer with a status code and a sentence
├── BadRequest      400 the request makes no sense
├── Forbidden       403 this engine does not do that
├── NotFound        404 there is no such thing
├── Conflict        409 not in this state, or not under this name
└── NotImplementedHere 501 a Docker Engine can, an ordinary user's cannot; the sentence says why
"""

import errno
import os

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT)


class EngineError(Exception):
    """Something that the client is told, as `{"message": …}` with a status code.

    Attributes:
        status: the HTTP status code.
        message: one sentence, in the Docker Engine's own words where it has any.
    """

    status = 500

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class BadRequest(EngineError):
    """The request makes no sense."""

    status = 400


class Forbidden(EngineError):
    """It is understood, and refused."""

    status = 403


class NotFound(EngineError):
    """There is no such image, container, network, volume or file."""

    status = 404


class Conflict(EngineError):
    """Not in this state, or not under this name."""

    status = 409


class NotImplementedHere(EngineError):
    """A Docker Engine can do it, and an ordinary user's engine cannot. The sentence says why."""

    status = 501


def in_words(error: OSError) -> EngineError:
    """What the client is told when the operating system did not do what it should.

    A full disk is named as that, without the file of the engine's own for which there was no room.
    """
    if error.errno is None:
        return EngineError(str(error))
    reason = os.strerror(error.errno).lower()
    if error.errno in _NO_ROOM:
        return EngineError(f"{reason}; remove what is not needed (`docker system prune`) and try again")
    return EngineError(f"{error.filename}: {reason}" if error.filename else reason)
