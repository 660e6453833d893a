"""COPY and ADD: files of the context, of another image, from a URL or an archive become the next layer."""

import os
import posixpath
from pathlib import Path
from typing import Any

from pocket_engine.build import sources
from pocket_engine.build.copying import ROOT, LayerFolder, owner_of
from pocket_engine.build.dockerfile import Statement
from pocket_engine.build.sources import Source
from pocket_engine.build.state import State
from pocket_engine.build.stream import Telling
from pocket_engine.build.tree import Tree
from pocket_engine.errors import EngineError, in_words


class Transfer:
    """One COPY or ADD.

    Args:
        state: what the step starts from.
        statement: the COPY or ADD.
        tree: where its sources are: the context, or another image.
        is_context: which of the two.
        scratch: an empty folder.
    """

    def __init__(
        self, state: State, statement: Statement, tree: Tree, is_context: bool, scratch: Path
    ) -> None:
        self._state, self._keyword = state, statement.keyword
        self._tree, self._is_context, self._scratch = tree, is_context, scratch
        self._chown = state.expand(statement.flags.get("chown", ""))
        *self._written, self._destination = [state.expand(word) for word in statement.words]
        self._into_folder = self._destination.endswith("/")
        self.sources: list[Source] = []

    def find_sources(self) -> Telling[None]:
        """Find, or fetch, all that is to be copied: `sources` has it then.

        Raises:
            EngineError: there is no such file, or it cannot be fetched.
        """
        try:
            for written in self._written:
                self.sources += yield from self._find(written)
            if not self.sources:
                raise EngineError("no source files were specified")
        except (EngineError, PermissionError) as error:
            raise EngineError(f"{self._keyword} failed: {error}") from None
        if len(self.sources) > 1 and not self._into_folder:
            raise EngineError(
                f"When using {self._keyword} with more than one source file, "
                "the destination must be a directory and end with a /"
            )

    def container_config(self, checksums: list[str]) -> dict[str, Any]:
        """What identifies it to the cache.

        Args:
            checksums: of the sources, in order.
        """
        what = checksums[0] if len(checksums) == 1 else sources.checksum_of_many(checksums)
        owner = f"--chown={self._chown}" if self._chown else ""
        return self._state.container_config(f"#(nop) {self._keyword} {owner}{what} in {self._destination} ")

    def write(self, layer: LayerFolder) -> None:
        """Copy the sources into a new layer.

        Raises:
            EngineError: an owner is unknown, something is in the way, or the disk is full.
        """
        owner = owner_of(self._chown, layer.tree) if self._chown else ROOT
        target = posixpath.normpath(posixpath.join("/", self._state.config["WorkingDir"], self._destination))
        try:
            for source in self.sources:
                self._write(layer, source, target, owner)
        except OSError as error:
            raise EngineError(f"failed to copy files: {in_words(error).message}") from None

    def _find(self, written: str) -> Telling[list[Source]]:
        if written.startswith(("http://", "https://")):
            if self._keyword == "COPY":
                raise EngineError("source can't be a URL for COPY")
            return [(yield from sources.download(written, self._into_folder, self._new_folder()))]
        try:
            return sources.find(self._tree, written)
        except FileNotFoundError as error:
            why = "file not found in build context or excluded by .dockerignore: " if self._is_context else ""
            raise EngineError(f"{why}stat {error}: file does not exist") from None

    def _write(self, layer: LayerFolder, source: Source, target: str, owner: bytes) -> None:
        """The content of a folder or archive goes into `target`; a file, too, if that is a folder."""
        if source.entry.is_folder:
            layer.copy_content(source.tree, source.entry, layer.make_folder(target, owner), owner)
            return
        if self._keyword == "ADD" and not source.is_download:
            archive = sources.unpacked(source, self._new_folder())
            if archive:
                layer.copy_content(archive, archive.root, layer.make_folder(target), None)
                return
        there = layer.tree.find(target)
        if self._into_folder or (there and there.is_folder):
            folder, name = layer.make_folder(target, owner), source.name
        else:
            resolved = there.path if there else target
            folder = layer.make_folder(posixpath.dirname(resolved), owner)
            name = posixpath.basename(resolved)
        layer.copy_file(source.entry, f"{folder}/{name}", owner)

    def _new_folder(self) -> Path:
        folder = self._scratch / f"source-{len(os.listdir(self._scratch))}"
        folder.mkdir()
        return folder
