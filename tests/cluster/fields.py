"""Server-side apply on plain objects, by the schema: which fields somebody owns, and how two objects merge.

A set of fields is written as the API writes it (FieldsV1): `f:name` is a field, `k:{…}` an item of a list
that has keys,
`v:…` an item of a set, `.` the thing itself.
"""

import json
from typing import Any

from workshop.manifests import schema

VERSION = "1.36"
DEFAULT_KEYS = {"protocol": "TCP"}  # The only default among the keys of lists.

Node = dict[str, Any]
Fields = dict[str, Any]


class Undeclared(Exception):
    """A field that the schema does not have."""


def node_of(api_version: str, kind: str) -> Node:
    return followed(schema.definitions(VERSION)[schema.kinds(VERSION)[api_version, kind]])


def followed(node: Node) -> Node:
    while "$ref" in node:
        own = {key: value for key, value in node.items() if key != "$ref"}
        node = {**schema.definitions(VERSION)[node["$ref"].rpartition("/")[2]], **own}
    return node


def child(node: Node, key: str, path: str = "") -> Node:
    if key in node.get("properties", {}):
        return followed(node["properties"][key])
    others = node.get("additionalProperties")
    if isinstance(others, dict):
        return followed(others)
    if "properties" in node:
        raise Undeclared(f"{path}.{key}: field not declared in schema")
    return {}


def item_key(node: Node, item: Any) -> str | None:
    """What identifies an item of a list; None where the list is one value (atomic)."""
    kind = node.get("x-kubernetes-list-type")
    if kind == "set":
        return "v:" + json.dumps(item)
    if kind != "map":
        return None
    keys = {key: item.get(key, DEFAULT_KEYS.get(key)) for key in node["x-kubernetes-list-map-keys"]}
    known = {key: value for key, value in keys.items() if value is not None}
    return "k:" + json.dumps(known, sort_keys=True, separators=(",", ":"))


def fields(node: Node, value: Any, path: str = "") -> Fields:
    """The fields that a value has."""
    if isinstance(value, dict) and node.get("x-kubernetes-map-type") != "atomic":
        return {
            f"f:{key}": fields(child(node, key, path), each, f"{path}.{key}") for key, each in value.items()
        }
    if isinstance(value, list) and value and item_key(node, value[0]) is not None:
        inside = followed(node["items"])
        return {
            str(item_key(node, each)): {".": {}, **fields(inside, each, f"{path}[{number}]")}
            for number, each in enumerate(value)
        }
    return {}


def merged(node: Node, live: Any, applied: Any) -> Any:
    """The live value with the applied fields in it."""
    if isinstance(applied, dict) and isinstance(live, dict) and node.get("x-kubernetes-map-type") != "atomic":
        inside = {key: merged(child(node, key), live.get(key), each) for key, each in applied.items()}
        return {**live, **inside}
    if isinstance(applied, list) and applied and item_key(node, applied[0]) is not None:
        item = followed(node["items"])
        found = {item_key(node, each): each for each in live or []}
        for each in applied:
            key = item_key(node, each)
            found[key] = merged(item, found.get(key), each)
        return list(found.values())
    return applied


def without(node: Node, value: Any, gone: Fields) -> Any:
    """A value without some fields."""
    if isinstance(value, dict):
        kept = {}
        for key, each in value.items():
            inside = gone.get(f"f:{key}")
            if inside is None:
                kept[key] = each
            elif inside and (left := without(child(node, key), each, inside)):
                kept[key] = left  # What has become empty is left out, as the real server does it.
        return kept
    if isinstance(value, list):
        item = followed(node["items"])
        pairs = [(each, gone.get(str(item_key(node, each)))) for each in value]
        return [
            each if inside is None else without(item, each, inside)
            for each, inside in pairs
            if inside is None or "." not in inside
        ]
    return value


def minus(one: Fields, other: Fields) -> Fields:
    """The fields of one that the other has not; what holds others goes only when they all go."""
    left = {}
    for key, inside in one.items():
        if key not in other:
            left[key] = inside
        elif rest := minus(inside, other[key]):
            left[key] = rest
    return left


def changed(node: Node, before: Any, after: Any) -> Fields:
    """The fields of `after` that are not so in `before`."""
    if isinstance(after, dict) and isinstance(before, dict) and node.get("x-kubernetes-map-type") != "atomic":
        found = {}
        for key, each in after.items():
            if before.get(key) != each:
                inside = changed(child(node, key), before.get(key), each)
                found[f"f:{key}"] = inside
        return found
    if isinstance(after, list) and after and item_key(node, after[0]) is not None:
        item = followed(node["items"])
        old = {item_key(node, each): each for each in before or []}
        return {
            str(item_key(node, each)): changed(item, old.get(item_key(node, each)), each)
            if item_key(node, each) in old
            else {".": {}, **fields(item, each)}
            for each in after
            if old.get(item_key(node, each)) != each
        }
    return fields(node, after)
