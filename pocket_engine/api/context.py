"""What a view is asked: the engine it is for, its JSON body, and its query parameters as Go reads them."""

import json
import re
from typing import Any, cast

from flask import current_app, request

from pocket_engine import json_shapes
from pocket_engine.engine import Engine
from pocket_engine.errors import BadRequest
from pocket_engine.filters import Filters

FALSE = frozenset(("", "0", "no", "false", "none"))


def engine() -> Engine:
    """The engine that the request is for."""
    return cast(Engine, current_app.extensions["engine"])


def json_body(**shapes: Any) -> dict[str, Any]:
    """The JSON object in the request's body.

    Args:
        shapes: of its fields, e.g. `Name=str`; see `json_shapes`.

    Raises:
        BadRequest: there is none, it is not declared as JSON, or a field has another shape.
    """
    text = request.get_data()
    if not text:
        raise BadRequest("got EOF while reading request body")
    if request.mimetype != "application/json":
        declared = request.content_type or ""
        raise BadRequest(f"Content-Type specified ({declared}) must be 'application/json'")
    try:
        said = json.loads(text)
    except ValueError as error:
        raise BadRequest(f"invalid JSON: {error}") from error
    if not isinstance(said, dict):
        raise BadRequest("invalid JSON: it is no object")
    json_shapes.check(said, shapes)
    return said


def optional_json_body(**shapes: Any) -> dict[str, Any]:
    """Like `json_body`; an empty object where the request has no body."""
    return json_body(**shapes) if request.get_data() else {}


def text(name: str, default: str = "") -> str:
    """A query parameter."""
    return request.args.get(name, default)


def flag(name: str, default: bool = False) -> bool:
    """A query parameter that is true or false: all is true but "", 0, no, false and none."""
    said = request.args.get(name)
    return default if said is None else said.strip().lower() not in FALSE


def number(name: str, default: int | None = None) -> int | None:
    """A query parameter that is a whole number; `default` where it is missing or empty.

    Raises:
        BadRequest: it is none.
    """
    said = request.args.get(name)
    if not said:
        return default
    if not re.fullmatch(r"[+-]?[0-9]+", said):
        raise BadRequest(f'strconv.Atoi: parsing "{said}": invalid syntax')
    return int(said)


def filters() -> Filters:
    """The query parameter `filters`. See `Filters.only` for refusing unknown ones."""
    return Filters.parse(request.args.get("filters", ""))
