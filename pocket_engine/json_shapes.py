"""What the JSON of a request must look like, and what is said where it does not.

A shape is one of:

    str, bool, int      a value of that type
    (a, b)              one of several shapes
    [a]                 an array, each of whose elements has the shape
    {"Name": a}         an object: its fields of these names have these shapes, others may be anything
    {...: a}            an object: all its fields have the shape

Null may stand for any of them, as in Go, but not for an element of an array.
"""

from typing import Any

from pocket_engine.errors import BadRequest

_NAMES = {str: "string", bool: "bool", int: "int64", dict: "object", list: "array", type(None): "null"}
_LARGEST = 2**63


def check(value: Any, shape: Any, name: str = "") -> None:
    """Compare a value with its shape.

    Args:
        value: from JSON.
        shape: see above.
        name: of the field that has the value, for the message.

    Raises:
        BadRequest: it has another.
    """
    if value is None:
        return
    if isinstance(shape, tuple):
        shape = next((one for one in shape if isinstance(value, _type(one))), shape[0])
    found: type = type(value)
    if found is not _type(shape):
        raise _mismatch(value, shape, name)
    if shape is int and not -_LARGEST <= value < _LARGEST:
        raise _mismatch(value, shape, name)
    if isinstance(shape, list):
        for element in value:
            if element is None:
                raise _mismatch(element, shape[0], name)
            check(element, shape[0], name)
    elif isinstance(shape, dict):
        for field, content in value.items():
            wanted = shape.get(..., shape.get(field))
            if wanted is not None:
                check(content, wanted, f"{name}.{field}" if name else field)


def _type(shape: Any) -> type:
    return shape if isinstance(shape, type) else type(shape)


def _mismatch(value: Any, shape: Any, name: str) -> BadRequest:
    found = f"number {value}" if type(value) in (int, float) else _NAMES[type(value)]
    field = f"field {name}" if name else "the request"
    return BadRequest(f"json: cannot unmarshal {found} into {field} of type {_NAMES[_type(shape)]}")
