"""Which name means which image: one small file, replaced as a whole."""

from pathlib import Path

from pocket_engine.data_root import read_json, write_json
from pocket_engine.images.references import Reference, parse


class Tags:
    """The table of names. Its caller holds a lock.

    Args:
        file: where it is kept; need not exist.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._images: dict[str, str] = read_json(file) if file.exists() else {}

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
        self._images[str(reference)] = image_id
        write_json(self._file, self._images)

    def remove(self, reference: Reference) -> None:
        """Take a name away."""
        del self._images[str(reference)]
        write_json(self._file, self._images)
