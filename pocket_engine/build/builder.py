"""What the API calls: prepares a build's context, and removes it in the end."""

from pathlib import Path
from typing import Any, BinaryIO

from pocket_engine.build import context as contexts
from pocket_engine.build.build import Build
from pocket_engine.build.options import BuildOptions
from pocket_engine.build.parts import Parts
from pocket_engine.build.stream import Telling
from pocket_engine.data_root import remove_tree


class Builder:
    """Builds images. Several builds may go on at the same time.

    Args:
        parts: what the engine builds with.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def build(self, context: BinaryIO | str, dockerfile: str, options: BuildOptions) -> Telling[None]:
        """Build an image.

        Args:
            context: a tar with the files, perhaps compressed; or the URL of one, or of a Dockerfile.
            dockerfile: where in the context the Dockerfile is.
            options: the client's choices.

        Returns:
            The items of the API's stream; the last one tells of an error, if there was one. None means
            that there was nothing to tell for a while. When it is closed, the build is given up.

        Raises:
            EngineError: the build cannot even begin: the context is broken, or there is no good Dockerfile.
        """
        folder = self._parts.data_root.scratch("build")
        try:
            if isinstance(context, str):
                unpacked = contexts.download(context, folder, dockerfile)
            else:
                unpacked = contexts.receive(context, folder, dockerfile)
            items = Build(self._parts, unpacked, options).run()
        except BaseException:
            remove_tree(folder)
            raise
        stream = _until_removed(_quiet(items) if options.quiet else items, folder)
        next(stream)  # It has begun: however it ends now, the folder is removed.
        return stream


def _until_removed(items: Telling[None], folder: Path) -> Telling[None]:
    try:
        yield None
        yield from items
    finally:
        remove_tree(folder)


def _quiet(items: Telling[None]) -> Telling[None]:
    """Nothing but the image's id; or everything, when the build fails."""
    told: list[dict[str, Any]] = []
    image_id = ""
    for item in items:
        if item is None:
            yield None
            continue
        told.append(item)
        image_id = item["aux"]["ID"] if "aux" in item else image_id
    if told and "error" in told[-1]:
        yield from (item for item in told if "aux" not in item)
    else:
        yield {"stream": f"{image_id}\n"}
