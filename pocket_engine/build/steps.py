"""Carrying out one statement.

Every step works the same way. It says what it will do: a container config, of which the command is what
history shows. The cache is asked for an image that was made in this way from the image of the step before.
Where there is none, the step is carried out, and what it leaves is committed: a layer, when files have
changed, and an image.
"""

import posixpath
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pocket_engine.build import metadata, sources, stream
from pocket_engine.build.cache import Cache, NoCache
from pocket_engine.build.commit import commit, new_container_id
from pocket_engine.build.context import Context
from pocket_engine.build.copying import LayerFolder
from pocket_engine.build.dockerfile import Statement
from pocket_engine.build.options import BuildOptions
from pocket_engine.build.parts import Parts
from pocket_engine.build.run import Run
from pocket_engine.build.sources import Source
from pocket_engine.build.state import State
from pocket_engine.build.stream import Telling
from pocket_engine.build.transfer import Transfer
from pocket_engine.build.tree import Tree
from pocket_engine.containers.container import Container
from pocket_engine.errors import Conflict, EngineError
from pocket_engine.images.image import Image

_NEEDS_BUILDKIT = (
    "the --{} option requires BuildKit. Refer to https://docs.docker.com/go/buildkit/ "
    "to learn how to build images with BuildKit enabled"
)


class Steps:
    """Carries out the statements of one stage.

    Args:
        parts: what the engine does it with.
        options: the client's choices.
        context: the files that the client has sent.
        cache: where the images of earlier builds are found.
        image_named: tells, perhaps after a pull, which image a `COPY --from` means; None for an empty one.
    """

    def __init__(
        self,
        parts: Parts,
        options: BuildOptions,
        context: Context,
        cache: Cache,
        image_named: Callable[[str], Telling[Image | None]],
    ) -> None:
        self._parts, self._options, self._context = parts, options, context
        self._cache, self._image_named = cache, image_named

    def carry_out(self, state: State, statement: Statement) -> Telling[None]:
        """Do what a statement says; `state` has the new image then.

        Raises:
            EngineError: it cannot be done.
            CommandFailed: it was a RUN that failed.
        """
        for flag in ("chmod", "mount"):
            if flag in statement.flags:
                raise EngineError(_NEEDS_BUILDKIT.format(flag))
        if statement.keyword == "RUN":
            yield from self._run(state, statement)
        elif statement.keyword in ("COPY", "ADD"):
            yield from self._transfer(state, statement)
        elif statement.keyword == "WORKDIR":
            yield from self._workdir(state, statement)
        else:
            yield from self._metadata(state, statement)

    def _run(self, state: State, statement: Statement) -> Telling[None]:
        run = Run(self._parts, self._options, state, statement)
        container_config = run.container_config()
        if (yield from self._is_cached(state, container_config)):
            return
        container = run.create_container()
        try:
            yield stream.running_in(container.id)
            with self._parts.scratch("run") as scratch:
                changes = yield from run.carry_out(container, scratch)
                state.advance(commit(self._parts.images, state, container_config, container.id, changes))
        except GeneratorExit:
            self._remove(container)
            raise
        except Exception:
            yield from self._leave(container, self._options.force_remove)
            raise
        yield from self._leave(container, self._options.remove)

    def _leave(self, container: Container, removes: bool) -> Telling[None]:
        if removes:
            self._remove(container)
            yield stream.removing(container.id)
        else:
            self._parts.containers.keep(container)

    def _remove(self, container: Container) -> None:
        with suppress(Conflict):  # Somebody else removes it.
            self._parts.containers.remove(container, force=True, volumes=True)

    def _transfer(self, state: State, statement: Statement) -> Telling[None]:
        tree, origin = self._context.tree, None
        if name := statement.flags.get("from"):
            origin = yield from self._image_named(name)
            tree = Tree(self._parts.images.layer_paths(origin) if origin else ())
        with self._parts.scratch("copy") as scratch:
            transfer = Transfer(state, statement, tree, tree is self._context.tree, scratch)
            yield from transfer.find_sources()
            container_config = transfer.container_config(
                [self._checksum(source, origin) for source in transfer.sources]
            )
            if (yield from self._is_cached(state, container_config)):
                return
            with self._new_layer(state) as layer:
                transfer.write(layer)
                changes = layer.finish()
                state.advance(commit(self._parts.images, state, container_config, changes=changes))

    def _workdir(self, state: State, statement: Statement) -> Telling[None]:
        folder = state.expand(statement.words[0])
        if not folder:
            raise EngineError("cannot normalize nothing")
        if not folder.startswith("/"):
            folder = posixpath.normpath(posixpath.join("/", state.config["WorkingDir"], folder))
        state.config["WorkingDir"] = folder
        container_config = state.container_config(f"#(nop) WORKDIR {folder}")
        if (yield from self._is_cached(state, container_config)):
            return
        container_id = new_container_id()
        with self._new_layer(state) as layer:
            try:
                layer.make_folder(folder)
            except NotADirectoryError:
                raise EngineError(f"Cannot mkdir: {folder} is not a directory") from None
            yield stream.running_in(container_id)
            yield from self._commit(state, container_config, container_id, layer.finish())

    def _metadata(self, state: State, statement: Statement) -> Telling[None]:
        comment = metadata.INSTRUCTIONS[statement.keyword](state, statement)
        for note in state.take_notes():
            yield stream.text(note)
        container_config = state.container_config("#(nop) ", comment)
        if (yield from self._is_cached(state, container_config)):
            return
        container_id = new_container_id()
        yield stream.running_in(container_id)
        yield from self._commit(state, container_config, container_id)

    def _is_cached(self, state: State, container_config: dict[str, Any]) -> Telling[bool]:
        """Whether the image of a step is here already; `state` has it then. After the first miss none is."""
        image = self._cache.find(state.image, container_config, state.config)
        if image is None:
            self._cache = NoCache()
            return False
        yield stream.using_cache()
        state.advance(image)
        return True

    def _commit(
        self, state: State, container_config: dict[str, Any], container_id: str, changes: Path | None = None
    ) -> Telling[None]:
        state.advance(commit(self._parts.images, state, container_config, container_id, changes))
        if self._options.remove:
            yield stream.removing(container_id)

    @contextmanager
    def _new_layer(self, state: State) -> Iterator[LayerFolder]:
        below = self._parts.images.layer_paths(state.image) if state.image else ()
        with self._parts.scratch("layer") as scratch:
            yield LayerFolder(scratch / "diff", below)

    def _checksum(self, source: Source, origin: Image | None) -> str:
        """Of a source in the context, or in an image: then it never changes, and is remembered."""
        if origin is None:
            return sources.checksum(source)
        key = (origin.id, source.entry.path, source.name)
        if key not in self._parts.checksums:
            self._parts.checksums[key] = sources.checksum(source)
        return self._parts.checksums[key]
