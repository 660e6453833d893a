"""Read a kustomization.yaml, and refuse what the builder does not know."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from workshop.manifests.files import Manifest, NotBuilt, parse
from workshop.manifests.schema import Keys, write_path

FILE = "kustomization.yaml"

# What can be in it: a type, a list of what is in the brackets, or a mapping with these fields.
_TARGET = dict.fromkeys(("group", "version", "kind", "name", "namespace"), str)
_FIELDS: dict[str, Any] = {
    "apiVersion": str,
    "kind": str,
    "resources": [str],
    "components": [str],
    "patches": [{"path": str, "patch": str, "target": _TARGET}],
    "namespace": str,
    "labels": [{"pairs": dict, "includeSelectors": bool}],
    "replicas": [{"name": str, "count": int}],
    "images": [dict.fromkeys(("name", "newName", "newTag", "digest"), str)],
}
_REQUIRED = {"labels": ("pairs",), "replicas": ("name", "count"), "images": ("name",)}
_API_VERSIONS = {
    "Kustomization": "kustomize.config.k8s.io/v1beta1",
    "Component": "kustomize.config.k8s.io/v1alpha1",
}
_TYPES = {
    str: "a text; put it in quotes",
    int: "a whole number",
    bool: "true or false",
    dict: "a mapping",
    list: "a list",
}


class Kustomization:
    """What a folder's kustomization.yaml says.

    Args:
        folder: the folder.
        kind: what it must be, Kustomization or Component.

    Raises:
        FileNotFoundError: the folder has none.
        InvalidYaml: it is no YAML.
        NotBuilt: it has a field that is unknown, missing, or of a wrong type.
    """

    def __init__(self, folder: Path, kind: str) -> None:
        self._folder = folder
        self.where = f"{folder.name}/{FILE}"
        if not (folder / FILE).is_file():
            raise FileNotFoundError(f"{folder} has no {FILE}, so there is nothing to build.")
        found = parse((folder / FILE).read_text(encoding="utf-8"), self.where)
        if len(found) != 1:
            raise NotBuilt(f"{self.where} must hold one kustomization, and it holds {len(found)}.")
        self._says: Manifest = found[0]
        self._check(dict(self._says), _FIELDS, ())
        self._check_kind(kind)

    def entries(self, field: str) -> list[Any]:
        """The entries of a field; none where it is not there."""
        return self._says.get(field, [])

    @property
    def namespace(self) -> str:
        return self._says.get("namespace", "")

    def refused(self, keys: Keys, why: str) -> NotBuilt:
        """An error that says where in the file and why."""
        return NotBuilt(
            f"{self.where}, line {self._says.line(keys)}: {write_path(keys)}: {why}. If it is meant like "
            f"this, `kubectl kustomize {self._folder}` may be able to build it."
        )

    def _check(self, value: Any, wanted: Any, keys: Keys) -> None:
        kind: Any = wanted if isinstance(wanted, type) else type(wanted)
        if type(value) is not kind:
            raise self.refused(keys, f"this must be {_TYPES[kind]}")
        if isinstance(wanted, list):
            for number, item in enumerate(value):
                self._check(item, wanted[0], (*keys, number))
        elif isinstance(wanted, dict):
            for key, inside in value.items():
                if key not in wanted:
                    raise self.refused((*keys, str(key)), f"only {', '.join(wanted)} can be here")
                self._check(inside, wanted[key], (*keys, key))
            self._check_entry(value, keys)

    def _check_entry(self, entry: Mapping[str, Any], keys: Keys) -> None:
        for key in _REQUIRED.get(str(keys[0]), ()) if len(keys) == 2 else ():
            if key not in entry:
                raise self.refused(keys, f"“{key}” is missing")
        if entry.get("includeSelectors"):
            raise self.refused((*keys, "includeSelectors"), "labels in selectors are not known here")
        for key, label in entry.get("pairs", {}).items():
            self._check(label, str, (*keys, "pairs", key))

    def _check_kind(self, wanted: str) -> None:
        kind = self._says.get("kind", "Kustomization")
        if kind != wanted:
            listed = "components" if kind == "Component" else "resources"
            raise self.refused(("kind",), f"a {wanted} is needed here; a {kind} is listed under {listed}")
        version = self._says.get("apiVersion", _API_VERSIONS[kind])
        if version != _API_VERSIONS[kind]:
            raise self.refused(("apiVersion",), f"of a {kind} it is {_API_VERSIONS[kind]}")
