"""Which name means which image: one small file, replaced as a whole."""

from pocket_engine.data_root import DataRoot, read_json, write_json
from pocket_engine.images.references import Reference, parse


class Tags:
    """The table of names. Its caller holds a lock.

    Args:
        data_root: where it is kept.
    """

    def __init__(self, data_root: DataRoot) -> None:
        self._data_root, self._file = data_root, data_root / "images/tags.json"
        self._images: dict[str, str] = read_json(self._file) if self._file.exists() else {}

    def get(self, reference: Reference) -> str | None:
        """The id of the image that has this name with its tag or its digest, or None."""
        return self._images.get(str(reference))

    def of(self, image_id: str) -> list[Reference]:
        """All names of an image, sorted."""
        return [parse(name) for name, found in sorted(self._images.items()) if found == image_id]

    def in_repository(self, repository: str) -> list[Reference]:
        """All names with tags in a repository, sorted."""
        names = [parse(name) for name in sorted(self._images)]
        return [name for name in names if name.familiar_name == repository and name.tag]

    def set(self, reference: Reference, image_id: str) -> None:
        """Give a name, which is taken from the image that had it."""
        self._replace({**self._images, str(reference): image_id})

    def remove(self, reference: Reference) -> None:
        """Take a name away."""
        self._data_root.use_reserve()  # Or nobody could make room on a full disk.
        self._replace({name: found for name, found in self._images.items() if name != str(reference)})

    def _replace(self, images: dict[str, str]) -> None:
        write_json(self._file, images)
        self._images = images
        self._data_root.keep_reserve()
