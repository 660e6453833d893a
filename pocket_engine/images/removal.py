"""`docker rmi` and `docker image prune`: when an image goes, what goes with it, and what stands in the way.

A conflict is soft when force overcomes it: a stopped container, names in several repositories. A running
container and images built on top are hard ones.
"""

import hashlib
from collections.abc import Callable
from typing import Any

from pocket_engine.errors import Conflict, EngineError
from pocket_engine.filters import Filters
from pocket_engine.images import views
from pocket_engine.images.image import Image
from pocket_engine.images.references import Reference, parse
from pocket_engine.images.store import ImageStore, Use

InUse = Callable[[str], list[Use]]
Items = list[dict[str, str]]  # `{"Untagged": name}` and `{"Deleted": id}`, in the order in which it happened.


def remove(
    store: ImageStore, name: str, in_use: InUse, force: bool = False, prune_parents: bool = True
) -> Items:
    """Remove a name, and the image when it was the last one.

    Args:
        store: where.
        name: a name, or an id or the beginning of one: then all of the image's names.
        in_use: the containers that were made from an image.
        force: also with stopped containers, or by id with names in several repositories.
        prune_parents: also the images on which it was built that nobody uses.

    Raises:
        NotFound: there is no such image.
        Conflict: something stands in the way.
    """
    with store.lock:
        store.sweep(in_use)
        removal = _Removal(store, in_use)
        image = store.get(name)
        if image.id.removeprefix("sha256:").startswith(name.removeprefix("sha256:")):
            removal.by_id(image, force, prune_parents)
        else:
            removal.by_name(image, parse(name).with_default_tag(), name, force, prune_parents)
    return removal.items


def prune(store: ImageStore, filters: Filters, in_use: InUse) -> dict[str, Any]:
    """Remove images that nobody uses.

    Args:
        store: where.
        filters: `dangling` (true, the default: those without a name; false: all that no container uses),
            `until`, `label`, `label!`.
        in_use: the containers that were made from an image.

    Returns:
        The API's `ImagesDeleted` and `SpaceReclaimed` (bytes).
    """
    filters.only("dangling", "until", "label", "label!")
    dangling_only = filters.flag("dangling", default=True)
    items: Items = []
    with store.lock:
        store.sweep(in_use)
        before = _sizes(store)
        for image in _unused(store, filters):
            names = store.names(image.id)
            if dangling_only and any(name.tag for name in names):
                continue
            for wanted in [str(name) for name in names] or [image.id]:
                try:
                    items += remove(store, wanted, in_use)
                except EngineError:  # Somebody uses it, or it went with another one.
                    continue
        after = _sizes(store)
    reclaimed = sum(size for diff_id, size in before.items() if diff_id not in after)
    return {"ImagesDeleted": items or None, "SpaceReclaimed": reclaimed}


def _unused(store: ImageStore, filters: Filters) -> list[Image]:
    return [
        image
        for image in store.all()
        if (store.names(image.id) or not store.children(image.id))
        and views.is_older(image, filters)
        and filters.labels(image.labels)
    ]


def _sizes(store: ImageStore) -> dict[str, int]:
    return {diff_id: store.layers.get(diff_id).size for image in store.all() for diff_id in image.diff_ids}


class _Removal:
    def __init__(self, store: ImageStore, in_use: InUse) -> None:
        self.store, self.in_use = store, in_use
        self.items: Items = []

    def by_name(self, image: Image, name: Reference, shown: str, force: bool, prune_parents: bool) -> None:
        users = self.in_use(image.id)
        if users and not force and self._has_one_name(image):
            raise Conflict(
                f'conflict: unable to remove repository reference "{shown}" (must force) - container '
                f"{_short(users[0].container_id)} is using its referenced image {_short(image.id)}"
            )
        self._untag(name)
        left = self.store.names(image.id)
        if name.tag and not any(other.tag for other in left if _same_repository(other, name)):
            for other in left:  # Digests alone do not keep an image that its last tag has left.
                if _same_repository(other, name):
                    self._untag(other)
        if not self.store.names(image.id):
            self._delete(image, force, prune_parents, quietly=True)

    def by_id(self, image: Image, force: bool, prune_parents: bool) -> None:
        if self._has_one_name(image):
            self._check(image, force, names_count=False)
            for name in self.store.names(image.id):
                self._untag(name)
        self._delete(image, force, prune_parents)

    def _has_one_name(self, image: Image) -> bool:
        """Whether it has at most one tag, and all its names are of one repository."""
        names = self.store.names(image.id)
        repositories = {name.familiar_name for name in names}
        return len(repositories) <= 1 and sum(1 for name in names if name.tag) <= 1

    def _delete(self, image: Image, force: bool, prune_parents: bool, quietly: bool = False) -> None:
        try:
            self._check(image, force)
        except Conflict:
            if quietly:  # Its name has gone, and that is what was asked for.
                return
            raise
        for name in self.store.names(image.id):
            self._untag(name)
        gone = self.store.discard(image, keep_layers=bool(self.in_use(image.id)))
        self.store.tell("delete", image, image.id)
        self.items.append({"Deleted": image.id})
        chain_ids = _chain_ids(image)
        self.items += [{"Deleted": chain_ids[diff_id]} for diff_id in reversed(gone)]
        parent = self.store.find(image.parent) if image.parent and prune_parents else None
        if parent and not self.store.names(parent):
            self._delete(self.store.get(parent), force=False, prune_parents=True, quietly=True)

    def _check(self, image: Image, force: bool, names_count: bool = True) -> None:
        users = self.in_use(image.id)
        running = [user for user in users if user.running]
        if self.store.children(image.id):
            self._refuse(image, "cannot be forced", "image has dependent child images")
        if running:
            reason = f"image is being used by running container {_short(running[0].container_id)}"
            self._refuse(image, "cannot be forced", reason)
        if force:
            return
        if names_count and self.store.names(image.id):
            self._refuse(image, "must be forced", "image is referenced in multiple repositories")
        if users:
            reason = f"image is being used by stopped container {_short(users[0].container_id)}"
            self._refuse(image, "must be forced", reason)

    def _refuse(self, image: Image, how: str, reason: str) -> None:
        raise Conflict(f"conflict: unable to delete {_short(image.id)} ({how}) - {reason}")

    def _untag(self, name: Reference) -> None:
        self.store.untag(name)
        self.items.append({"Untagged": str(name)})


def _same_repository(one: Reference, other: Reference) -> bool:
    return one.familiar_name == other.familiar_name


def _short(long_id: str) -> str:
    return long_id.removeprefix("sha256:")[:12]


def _chain_ids(image: Image) -> dict[str, str]:
    """Docker's names for layers with all that is below them, by the layers' own ids."""
    chain_ids: dict[str, str] = {}
    below = ""
    for diff_id in image.diff_ids:
        chain = f"{below} {diff_id}".encode()
        below = f"sha256:{hashlib.sha256(chain).hexdigest()}" if below else diff_id
        chain_ids[diff_id] = below
    return chain_ids
