"""/events: what happens, as it happens."""

import json
import re
from collections.abc import Iterator
from typing import Any

from flask import Blueprint, Response

from pocket_engine.api import context
from pocket_engine.errors import BadRequest
from pocket_engine.events import NANO

blueprint = Blueprint("events", __name__)


@blueprint.get("/events")
def events() -> Response:
    since, until = context.text("since"), context.text("until")
    first, last = _nanoseconds(since), _nanoseconds(until)
    if first is not None and last is not None and first > last:
        raise BadRequest(f"`since` time ({since}) cannot be after `until` time ({until})")
    happening = context.engine().events.listen(first, last, context.filters())
    return Response(_lines(happening), mimetype="application/json")


def _nanoseconds(moment: str) -> int | None:
    """Seconds since the epoch, with a fraction or not, in nanoseconds; None where nothing is said."""
    if not moment:
        return None
    parts = re.fullmatch(r"(-?\d+)(?:\.(\d{1,9}))?", moment)
    if not parts:
        raise BadRequest(f'strconv.ParseInt: parsing "{moment}": invalid syntax')
    return int(parts[1]) * NANO + int((parts[2] or "0").ljust(9, "0"))


def _lines(events: Iterator[dict[str, Any] | None]) -> Iterator[bytes]:
    yield b""  # The headers go out at once.
    for event in events:
        yield json.dumps(event, ensure_ascii=False).encode() + b"\n" if event else b""
