"""A strategic merge: a patch looks like the object itself, with those fields only that it changes."""

from collections.abc import Mapping, MutableMapping
from typing import Any

from workshop.manifests import schema
from workshop.manifests.files import NotBuilt, copied
from workshop.manifests.schema import Keys, write_path

_GONE = object()


def merge(manifest: MutableMapping[str, Any], patch: Mapping[str, Any], where: str) -> bool:
    """Merge a patch into an object; the answer is whether anything is left of it.

    Lists whose items Kubernetes tells apart by a key, as containers by their name, are merged item by item;
    the schema says which and by what key. All other lists are replaced. `null` removes a field, and
    `$patch: delete` an item, a field or the object.

    Args:
        manifest: the object, which is changed.
        patch: what to change; its apiVersion, kind, name and namespace only say which object it is for.
        where: the patch's file, for messages.

    Raises:
        NotBuilt: the patch does not fit the object.
    """
    version = schema.versions()[-1]
    kind = schema.kinds(version).get((str(manifest.get("apiVersion")), str(manifest.get("kind"))))
    metadata = {key: value for key, value in patch["metadata"].items() if key not in ("name", "namespace")}
    body = {key: value for key, value in patch.items() if key not in ("apiVersion", "kind", "metadata")}
    return _Merge(kind, version, where).field(manifest, {**body, "metadata": metadata}, ()) is not _GONE


class _Merge:
    def __init__(self, kind: str | None, version: str, where: str) -> None:
        self._kind, self._version, self._where = kind, version, where

    def field(self, target: Any, patch: Any, at: Keys) -> Any:
        """What a field is after the patch, or that it is gone."""
        if patch is None:
            return _GONE
        if target is not None and _form(target) != _form(patch):
            raise self._refused(at, f"the object has {_form(target)} here, and the patch {_form(patch)}")
        if isinstance(patch, dict):
            return self._mapping({} if target is None else target, patch, at)
        strategy, keys = self._way_to_merge(at) if isinstance(patch, list) else ("", [])
        if "merge" not in strategy:
            return copied(patch)
        if not keys:
            return [*patch, *(item for item in target or [] if item not in patch)]
        return self._items(target or [], patch, keys, at)

    def _mapping(self, target: Any, patch: Mapping[str, Any], at: Keys) -> Any:
        directive = patch.get("$patch", "merge")
        if directive == "delete":
            return _GONE
        if directive == "replace":
            target.clear()
        elif directive != "merge":
            raise self._refused(at, f"“$patch: {directive}” is none of delete, merge and replace")
        for key, value in patch.items():
            if key == "$patch":
                continue
            if str(key).startswith("$"):
                raise self._refused((*at, key), "of the directives, only $patch is known")
            result = self.field(target.get(key), value, (*at, key))
            if result is _GONE:
                target.pop(key, None)
            else:
                target[key] = result
        return target

    def _way_to_merge(self, at: Keys) -> tuple[str, list[str]]:
        """The schema's strategy for the list at this place, and the keys that tell its items apart."""
        if self._kind is None:
            return "", []
        try:
            node = schema.node_at(self._kind, at, self._version)
        except schema.UnknownField:
            return "", []
        one = node.get("x-kubernetes-patch-merge-key")
        strategy = node.get("x-kubernetes-patch-strategy", "")
        return strategy, node.get("x-kubernetes-list-map-keys", [one] if one else [])

    def _items(self, target: list[Any], patch: list[Any], keys: list[str], at: Keys) -> list[Any]:
        """The items after the patch, in kustomize's order: those of the patch come first.

        Where items have several keys, those that were there before stay where they were.
        """
        rest: list[Any] = list(target)
        first: list[Any] = []
        if any(isinstance(item, dict) and item.get("$patch", "delete") != "delete" for item in patch):
            raise self._refused(at, "of the directives, an item of a list may have only “$patch: delete”")
        stay = any(len(self._own(item, keys, at)) > 1 for item in [*target, *patch])
        for item in patch:
            old = self._same(rest, item, keys, at)
            position = len(rest) if old is None else next(i for i, one in enumerate(rest) if one is old)
            result = self.field(old, item, at)
            rest[position : position + 1] = []
            if result is not _GONE:
                place, index = (rest, position) if stay and old is not None else (first, len(first))
                place.insert(index, result)
        return [*first, *rest]

    def _same(self, target: list[Any], item: Any, keys: list[str], at: Keys) -> Any:
        """The object's item that an item of the patch is about; None where it is a new one."""
        own = self._own(item, keys, at)
        alike = [one for one in target if all(one.get(key, own[key]) == own[key] for key in own)]
        # kustomize guesses here, and drops what it guessed wrong without a word.
        if len(alike) > 1 or any(self._own(one, keys, at).keys() != own.keys() for one in alike):
            said = ", ".join(f"{key}: {value}" for key, value in own.items())
            which = f"say {' and '.join(keys)} of it, in the patch and in the object"
            raise self._refused(at, f"it is not clear which item “{said}” is; {which}")
        return alike[0] if alike else None

    def _own(self, item: Any, keys: list[str], at: Keys) -> dict[str, Any]:
        own = {key: item[key] for key in keys if isinstance(item, dict) and key in item}
        if not own:
            raise self._refused(at, f"an item lacks “{keys[0]}”, which tells the items apart")
        return own

    def _refused(self, at: Keys, why: str) -> NotBuilt:
        return NotBuilt(f"{self._where}: “{write_path(at) or 'the object'}” cannot be merged: {why}.")


def _form(value: Any) -> str:
    if isinstance(value, dict):
        return "a mapping"
    return "a list" if isinstance(value, list) else "a single value"
