"""One build, from the first FROM to the tags."""

from pocket_engine.build import stream, words
from pocket_engine.build.arguments import Arguments
from pocket_engine.build.cache import Cache, GivenCache, LocalCache, NoCache
from pocket_engine.build.context import Context
from pocket_engine.build.dockerfile import Stage, Statement, find_stage, parse_trigger
from pocket_engine.build.options import BuildOptions
from pocket_engine.build.parts import Parts
from pocket_engine.build.run import CommandFailed
from pocket_engine.build.state import State
from pocket_engine.build.steps import Steps
from pocket_engine.build.stream import Telling
from pocket_engine.errors import BadRequest, EngineError, in_words
from pocket_engine.images import platforms, references
from pocket_engine.images.image import Image
from pocket_engine.images.progress import short
from pocket_engine.images.references import Reference

_SCRATCH = "scratch"


class Build:
    """Builds the stages of a Dockerfile, one after the other.

    Args:
        parts: what the engine does it with.
        context: the files, and the Dockerfile.
        options: the client's choices.

    Raises:
        BadRequest: there is no stage of the target's name, or a tag is no name.
    """

    def __init__(self, parts: Parts, context: Context, options: BuildOptions) -> None:
        self._parts, self._images = parts, parts.images
        self._context, self._dockerfile = context, context.dockerfile
        self._options = options
        self._tags = [_tag(name) for name in options.tags]
        self._stages = self._wanted_stages()
        self._arguments = Arguments(options.arguments)
        self._finished: list[
            Image | None
        ] = []  # The images of the stages so far; None of one that left none.
        self._step = 0
        self._steps = len(self._dockerfile.arguments) + sum(
            1 + len(stage.statements) for stage in self._stages
        )

    def run(self) -> Telling[None]:
        """All of it. When something fails, the last item tells."""
        try:
            yield from self._run()
        except CommandFailed as failure:
            yield stream.failed(str(failure), failure.exit_code)
        except EngineError as error:
            yield stream.failed(error.message)
        except OSError as error:
            yield stream.failed(in_words(error).message)

    def _run(self) -> Telling[None]:
        if self._dockerfile.warnings:
            yield stream.in_red("".join(self._dockerfile.warnings))
        yield from self._declare_arguments()
        for stage in self._stages:
            yield from self._build_stage(stage)
        image = self._finished[-1]
        if image is None:
            raise EngineError("No image was generated. Is your Dockerfile empty?")
        if unused := self._arguments.unused():
            yield stream.text(f"[Warning] One or more build-args [{' '.join(unused)}] were not consumed\n")
        yield stream.text(f"Successfully built {short(image.id)}\n")
        for tag in self._tags:
            self._images.tag(image.id, tag)
            yield stream.text(f"Successfully tagged {tag}\n")

    def _wanted_stages(self) -> list[Stage]:
        """The stages up to the target, and at its end a LABEL for each label of the client's."""
        stages = self._dockerfile.stages
        if self._options.target:
            index = find_stage(stages, self._options.target)
            if index is None:
                raise BadRequest(f"failed to reach build target {self._options.target} in Dockerfile")
            stages = stages[: index + 1]
        *before, last = stages
        labels = [_label(*label, self._dockerfile.escape) for label in sorted(self._options.labels.items())]
        return [*before, Stage(last.origin, last.base, last.name, [*last.statements, *labels])]

    def _declare_arguments(self) -> Telling[None]:
        """The ARGs before the first FROM."""
        escape = self._dockerfile.escape
        for statement in self._dockerfile.arguments:
            yield from self._announce(statement)
            for word in statement.words:
                name, equals, default = word.partition("=")
                known = self._arguments.before_from()
                self._arguments.declare_before_from(
                    words.expand(name, known, escape),
                    words.expand(default, known, escape) if equals else None,
                )

    def _build_stage(self, stage: Stage) -> Telling[None]:
        number = len(self._finished)
        if stage.name and find_stage(self._stages[:number], stage.name) is not None:
            raise EngineError(f"{stage.name} stage name already used")
        yield from self._announce(stage.origin)
        self._arguments.begin_stage()
        state = State(self._arguments, self._dockerfile.escape)
        steps = Steps(self._parts, self._options, self._context, self._cache(), self._copied_from)
        triggers = state.start_from((yield from self._base(stage)))
        yield from self._carry_out_triggers(steps, state, triggers)
        yield stream.reached(state.image_id)
        for statement in stage.statements:
            yield from self._announce(statement)
            yield from steps.carry_out(state, statement)
            yield stream.reached(state.image_id)
        if state.image:
            yield {"aux": {"ID": state.image.id}}
        self._finished.append(state.image)

    def _carry_out_triggers(self, steps: Steps, state: State, triggers: list[str]) -> Telling[None]:
        """The ONBUILDs of the base image."""
        if not triggers:
            return
        yield stream.text(f"# Executing {len(triggers)} build trigger")
        if len(triggers) > 1:
            yield stream.text("s")
        yield stream.text("\n")
        for trigger in triggers:
            yield from steps.carry_out(state, parse_trigger(trigger, self._dockerfile.escape))

    # --- Images that a statement names

    def _base(self, stage: Stage) -> Telling[Image | None]:
        """The image that a FROM names. Returns None for scratch, and for a stage that left none."""
        variables, escape = self._arguments.before_from(), self._dockerfile.escape
        name = words.expand(stage.base, variables, escape)
        if not name:
            raise EngineError(f"base name ({stage.base}) should not be blank")
        platform = words.expand(stage.origin.flags.get("platform", ""), variables, escape)
        try:
            platforms.parse(platform)
        except BadRequest as error:
            raise EngineError(f"failed to parse platform {platform}: {error.message}") from None
        earlier = find_stage(self._stages[: len(self._finished)], name)
        if earlier is not None:
            return self._finished[earlier]
        if name == _SCRATCH:
            return None
        return (yield from self._image(name, platform or self._options.platform, self._options.pull))

    def _copied_from(self, name: str) -> Telling[Image | None]:
        """The image of a `COPY --from`: a stage's, by number or name, or another; None: an empty one."""
        try:
            if name.isdecimal():
                number = int(name)
                if number == len(self._finished):
                    raise EngineError("refers to current build stage")
                if number > len(self._finished):
                    raise EngineError("index out of bounds")
                return self._finished[number]
            earlier = find_stage(self._stages[: len(self._finished)], name)
            if earlier is not None:
                return self._finished[earlier]
            return (yield from self._image(name, self._options.platform, pull=False))
        except EngineError as error:
            raise EngineError(f"invalid from flag value {name}: {error.message}") from None

    def _image(self, name: str, platform: str, pull: bool) -> Telling[Image]:
        """An image of the engine, or of a registry. Returns it."""
        if pull or self._images.find(name) is None:
            reference = references.parse(name).with_default_tag()
            yield from self._parts.registry.pull(
                reference, platform, self._options.credentials_for(reference)
            )
        image = self._images.get(name)
        if platform and not platforms.parse(platform).fits(image.config):
            actual = f"{image.config.get('os')}/{image.config.get('architecture')}"
            raise EngineError(
                f"image with reference {name} was found but does not match the specified platform: "
                f"wanted {platforms.parse(platform)}, actual: {actual}"
            )
        return image

    def _cache(self) -> Cache:
        if self._options.no_cache:
            return NoCache()
        if not self._options.cache_from:
            return LocalCache(self._images)
        found = (self._images.find(name) for name in self._options.cache_from)
        return GivenCache(self._images, [self._images.get(image_id) for image_id in found if image_id])

    # --- Words

    def _announce(self, statement: Statement) -> Telling[None]:
        self._step += 1
        yield stream.text(f"Step {self._step}/{self._steps} : {statement.text}")
        yield stream.text("\n")


def _tag(name: str) -> Reference:
    reference = references.parse(name)
    if reference.digest:
        raise BadRequest("build tag cannot contain a digest")
    return reference.with_default_tag()


def _label(name: str, value: str, escape: str) -> Statement:
    """A LABEL that says exactly this, whatever is in it."""

    def literal(content: str) -> str:
        return "".join(f"{escape}{character}" for character in content)

    return Statement("LABEL", 0, f"LABEL {name}={value}", words=(literal(name), literal(value)))
