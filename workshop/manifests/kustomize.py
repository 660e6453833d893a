"""Build a kustomization without kubectl: a base, components and overlays become plain manifests.

`kubectl kustomize FOLDER` does the same. This is for machines that have none, and for the official client,
which cannot read a kustomization. It knows the fields that kustomization.py lists, and refuses all others.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from workshop.manifests.files import Manifest, NotBuilt, documents, parse
from workshop.manifests.kustomization import FILE, Kustomization
from workshop.manifests.merging import merge
from workshop.manifests.objects import Identity, Object, identity
from workshop.manifests.operations import apply_operations
from workshop.manifests.schema import Keys, write_path


def load(path: Path | str) -> list[Manifest]:
    """Read the manifests of a file as they are, or build those of a folder.

    Raises:
        InvalidYaml: a file is no YAML.
        FileNotFoundError: there is no such file, or a listed one is missing.
        NotBuilt: the folder's kustomization cannot be built.
    """
    path = Path(path)
    return parse(path.read_text(encoding="utf-8"), path.name) if path.is_file() else build(path)


def build(folder: Path | str) -> list[Manifest]:
    """Build the kustomization of a folder, like `kubectl kustomize FOLDER`, in the same order.

    A manifest's lines are those of its own file; what a patch brought has the line of the field around it.

    Args:
        folder: where the kustomization.yaml is.

    Raises:
        InvalidYaml: a file is no YAML.
        FileNotFoundError: there is no such folder, or a listed file is missing.
        NotBuilt: the kustomization has a mistake, or asks for what only kustomize itself can do.
    """
    objects = _Folder(Path(folder).resolve(), "Kustomization", ()).added_to([])
    return [one.finished() for one in sorted(objects, key=lambda one: one.order)]


class _Folder:
    """A folder with a kustomization.

    Args:
        path: the folder, resolved.
        kind: what its kustomization must be.
        around: the folders that brought here, the first one first.
    """

    def __init__(self, path: Path, kind: str, around: tuple[Path, ...]) -> None:
        self._path, self._around = path, (*around, path)
        self._says = Kustomization(path, kind)
        self._where = self._says.where

    def added_to(self, objects: list[Object]) -> list[Object]:
        """The objects, with what this kustomization adds to them and changes in all of them."""
        for number, entry in enumerate(self._says.entries("resources")):
            objects = self._without_twins([*objects, *self._resource(entry, number)])
        for entry in self._says.entries("components"):
            objects = self._folder(entry, "Component").added_to(objects)
        # Whatever their order in the file: this is kustomize's.
        for number, entry in enumerate(self._says.entries("patches")):
            objects = self._patched(objects, entry, ("patches", number))
        self._set(objects)
        return self._without_twins(objects)

    def _set(self, objects: Sequence[Object]) -> None:
        for one in objects:
            if self._says.namespace:
                one.set_namespace(self._says.namespace)
            for entry in self._says.entries("labels"):
                one.set_labels(entry["pairs"])
            for entry in self._says.entries("images"):
                one.set_image(entry)
        for number, entry in enumerate(self._says.entries("replicas")):
            have_it = [one.set_replicas(entry["name"], entry["count"]) for one in objects]
            if not any(have_it):
                why = f"nothing that has replicas is called “{entry['name']}”"
                raise self._says.refused(("replicas", number), why)

    def _resource(self, entry: str, number: int) -> list[Object]:
        if "://" in entry:
            why = f"“{entry}” is on another machine, and nothing is downloaded here"
            raise self._says.refused(("resources", number), why)
        if (self._path / entry).is_dir():
            return self._folder(entry, "Kustomization").added_to([])
        return [Object(manifest) for manifest in parse(self._read(entry), Path(entry).name)]

    def _folder(self, entry: str, kind: str) -> "_Folder":
        path = (self._path / entry).resolve()
        if any(one.is_relative_to(path) for one in self._around):
            chain = " → ".join(one.name for one in (*self._around, path))
            raise NotBuilt(f"{self._where} lists “{entry}”, which is on the way here already: {chain}.")
        return _Folder(path, kind, self._around)

    def _read(self, entry: str) -> str:
        """The text of a file, which must be in this folder, as kustomize wants it."""
        path = (self._path / entry).resolve()
        if not path.is_relative_to(self._path):
            raise NotBuilt(
                f"{self._where} names “{entry}”, a file outside its folder. Move it into the folder, or list "
                f"the folder that it is in, with a {FILE} of its own."
            )
        if not path.is_file():
            raise FileNotFoundError(f"{self._where} names “{entry}”, but there is no {path}.")
        return path.read_text(encoding="utf-8")

    def _patched(self, objects: list[Object], entry: Mapping[str, Any], at: Keys) -> list[Object]:
        path, text = entry.get("path"), entry.get("patch")
        if bool(path) == bool(text):
            raise self._says.refused(at, "a patch has either “path” or “patch”")
        where = f"{self._path.name}/{path}" if path else f"{self._where}, {write_path(at)}"
        text = self._read(path) if path else str(text)
        chosen = self._chosen(objects, entry["target"], (*at, "target")) if "target" in entry else None
        found = documents(text, where)
        if len(found) == 1 and isinstance(found[0], list):
            if chosen is None:
                raise self._says.refused(at, "a list of operations needs a “target”, the objects it is for")
            for one in chosen:
                _operate(one, found[0], where)
            return objects
        if not found or (chosen is not None and len(found) > 1):
            how_many = "at least one patch" if chosen is None else "one patch, as there is a “target”"
            raise self._says.refused(at, f"there must be {how_many}, and there are {len(found)}")
        return _merged(objects, parse(text, where), chosen, where)

    def _chosen(self, objects: Sequence[Object], target: Mapping[str, str], at: Keys) -> list[Object]:
        """The objects that a target's patterns fit, as they are or as they were."""
        try:
            wanted = {key: re.compile(pattern) for key, pattern in target.items() if pattern}
        except re.error as error:
            raise self._says.refused(at, f"a pattern is wrong: {error}") from None
        chosen = [one for one in objects if any(_fits(known, wanted) for known in one.known_as)]
        if not chosen:
            # kustomize would go on without a word, and the patch would have been for nothing.
            raise self._says.refused(at, f"it fits none of the objects, which are {_listed(objects)}")
        return chosen

    def _without_twins(self, objects: list[Object]) -> list[Object]:
        seen: dict[Identity, Object] = {}
        for one in objects:
            twin = seen.setdefault(one.identity, one)
            if twin is not one:
                files = f"in {twin.manifest.file} and in {one.manifest.file}"
                raise NotBuilt(f"{self._where}: {one.identity} is there twice, {files}. Keep one of them.")
        return objects


def _fits(known: Identity, wanted: Mapping[str, re.Pattern[str]]) -> bool:
    return all(pattern.fullmatch(getattr(known, key)) for key, pattern in wanted.items())


def _operate(one: Object, operations: Sequence[Any], where: str) -> None:
    before = one.identity
    apply_operations(one.manifest, operations, where)
    if one.identity != before:
        raise NotBuilt(
            f"{where}: it turns {before} into {one.identity}. Only kustomize can do that, as it changes what "
            f"refers to it as well: use `kubectl kustomize`."
        )


def _merged(
    objects: list[Object], patches: Sequence[Manifest], chosen: list[Object] | None, where: str
) -> list[Object]:
    """The objects after the patches, each of which is for the chosen ones, or for the one that it names."""
    for patch in patches:
        meant = identity(patch, where)
        for one in [_named(objects, meant, where)] if chosen is None else chosen:
            if not merge(one.manifest, patch, where):
                objects = [other for other in objects if other is not one]
    return objects


def _named(objects: Sequence[Object], meant: Identity, where: str) -> Object:
    found = [one for one in objects if meant in one.known_as]
    if not found:
        api_version = "/".join(filter(None, [meant.group, meant.version]))
        raise NotBuilt(f"{where}: there is no {meant} ({api_version}); there are {_listed(objects)}.")
    if len(found) > 1:
        raise NotBuilt(f"{where}: several objects are or were {meant}; a “target” can choose one.")
    return found[0]


def _listed(objects: Sequence[Object]) -> str:
    return ", ".join(sorted(str(one.identity) for one in objects)) or "none at all"
