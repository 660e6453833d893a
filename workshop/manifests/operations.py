"""A JSON patch (RFC 6902): a list of operations, one after the other."""

import re
from collections.abc import Callable, MutableMapping, Sequence
from typing import Any

from workshop.manifests import schema
from workshop.manifests.files import NotBuilt, copied


def apply_operations(manifest: MutableMapping[str, Any], operations: Sequence[Any], where: str) -> None:
    """Apply a JSON patch to an object, one operation after the other.

    Args:
        manifest: the object, which is changed.
        operations: mappings with op, path, and value or from.
        where: the patch's file, for messages.

    Raises:
        NotBuilt: an operation is malformed, or its path leads nowhere.
    """
    for number, operation in enumerate(operations, 1):
        said = f"{where}: operation {number}, {schema.in_yaml(operation)}, cannot be applied"
        name = operation.get("op") if isinstance(operation, dict) else None
        if name not in _OPERATIONS:
            raise NotBuilt(f"{said}: its “op” is none of {', '.join(_OPERATIONS)}.")
        apply, needed = _OPERATIONS[name]
        if missing := [field for field in needed if field not in operation]:
            raise NotBuilt(f"{said}: it needs “{missing[0]}”.")
        try:
            apply(manifest, *(copied(operation[field]) for field in needed))
        except _NotThere as error:
            raise NotBuilt(f"{said}: {error}.") from None


class _NotThere(LookupError):
    pass


def _add(document: Any, path: Any, value: Any) -> None:
    around, key = _place(document, path)
    if isinstance(around, dict):
        around[key] = value
    else:
        around.insert(len(around) if key == "-" else _index(around, key, len(around)), value)


def _remove(document: Any, path: Any) -> Any:
    around, key = _place(document, path)
    value = _inside(around, key)
    del around[key if isinstance(around, dict) else int(key)]
    return value


def _replace(document: Any, path: Any, value: Any) -> None:
    _remove(document, path)
    _add(document, path, value)


def _move(document: Any, source: Any, path: Any) -> None:
    _add(document, path, _remove(document, source))


def _copy(document: Any, source: Any, path: Any) -> None:
    _add(document, path, copied(_inside(*_place(document, source))))


def _test(document: Any, path: Any, value: Any) -> None:
    if (found := _inside(*_place(document, path))) != value:
        raise _NotThere(f"the object has {schema.in_yaml(found)} there")


_OPERATIONS: dict[str, tuple[Callable[..., Any], tuple[str, ...]]] = {
    "add": (_add, ("path", "value")),
    "remove": (_remove, ("path",)),
    "replace": (_replace, ("path", "value")),
    "move": (_move, ("from", "path")),
    "copy": (_copy, ("from", "path")),
    "test": (_test, ("path", "value")),
}


def _place(document: Any, path: Any) -> tuple[Any, str]:
    """What a path's last step is in, and that step."""
    if not isinstance(path, str) or not path.startswith("/"):
        raise _NotThere(f"a path begins with /, and this one is {path!r}")
    *steps, last = (step.replace("~1", "/").replace("~0", "~") for step in path[1:].split("/"))
    for step in steps:
        document = _inside(document, step)
    if not isinstance(document, dict | list):
        raise _NotThere(f"nothing can be inside {schema.in_yaml(document)}")
    return document, last


def _inside(around: Any, key: str) -> Any:
    if isinstance(around, list):
        return around[_index(around, key, len(around) - 1)]
    if not isinstance(around, dict) or key not in around:
        raise _NotThere(f"the object has no “{key}” there")
    return around[key]


def _index(around: list[Any], key: str, last: int) -> int:
    if not re.fullmatch(r"0|[1-9][0-9]*", key) or int(key) > last:
        raise _NotThere(f"the list there has {len(around)} items, counted from 0, and no item {key}")
    return int(key)
