"""/images, /distribution and /auth."""

from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO, cast

import flask
from flask import Blueprint, Response

from pocket_engine.api import context, streams
from pocket_engine.api.versions import api_version
from pocket_engine.build.changes import changed
from pocket_engine.errors import BadRequest, EngineError, NotImplementedHere, in_words
from pocket_engine.images import credentials, importing, loading, references, removal, saving, views
from pocket_engine.images.image import Image

blueprint = Blueprint("images", __name__)

NO_VIRTUAL_SIZE = (1, 44)  # From this version of the API on.
NAMES_MAY_LACK = (1, 43)  # Before, lists had `<none>:<none>` for an image without a name.


@blueprint.get("/images/json")
def index() -> list[dict[str, Any]]:
    filters = context.filters()
    if name := context.text("filter"):  # Of old clients.
        filters = type(filters)({"reference": [name]})
    found = views.summaries(context.engine().images, filters, everything=context.flag("all"))
    return [_for_version(summary) for summary in found]


@blueprint.get("/images/search")
def search() -> Response:
    raise NotImplementedHere(
        "searching is a service of Docker Hub's own, which this engine does not ask: search on its website"
    )


@blueprint.get("/images/get")
def save() -> Response:
    names = [name for text in flask.request.args.getlist("names") for name in text.split(",")]
    return streams.chunks(saving.save(context.engine().images, names), "application/x-tar")


@blueprint.get("/images/<path:name>/get")
def save_one(name: str) -> Response:
    return streams.chunks(saving.save(context.engine().images, [name]), "application/x-tar")


@blueprint.post("/images/load")
def load() -> Response:
    engine = context.engine()
    items = loading.load(engine.images, engine.data_root, _body(), quiet=context.flag("quiet"))
    return streams.json_lines(_with_errors(items))


@blueprint.post("/images/create")
def create() -> Response:
    if source := context.text("fromSrc"):
        return _answer(_import(source))
    name, tag = context.text("fromImage"), context.text("tag")
    if not name:
        raise BadRequest("fromImage or fromSrc must be given")
    reference = references.parse(name)
    if tag:
        is_digest = tag.startswith("sha256:")
        reference = reference.with_digest(tag) if is_digest else reference.with_tag(tag)
    return _answer(context.engine().registry.pull(reference, context.text("platform"), _credentials()))


@blueprint.get("/images/<path:name>/json")
def inspect(name: str) -> dict[str, Any]:
    images = context.engine().images
    return _for_version(views.inspect(images, images.get(name)))


@blueprint.get("/images/<path:name>/history")
def history(name: str) -> list[dict[str, Any]]:
    images = context.engine().images
    return views.history(images, images.get(name))


@blueprint.post("/images/<path:name>/tag")
def tag(name: str) -> tuple[str, int]:
    images = context.engine().images
    reference = references.parse_repository(context.text("repo"), context.text("tag"))
    images.tag(images.get(name).id, reference)
    return "", 201


@blueprint.post("/images/<path:name>/push")
def push(name: str) -> Response:
    reference = references.parse(name)
    if wanted := context.text("tag"):
        reference = reference.with_tag(wanted)
    if reference.digest:
        raise BadRequest("cannot push a digest reference")
    return _answer(context.engine().registry.push(reference, _credentials()))


@blueprint.delete("/images/<path:name>")
def remove(name: str) -> list[dict[str, str]]:
    engine = context.engine()
    return removal.remove(
        engine.images,
        name,
        engine.containers.using_image,
        force=context.flag("force"),
        prune_parents=not context.flag("noprune"),
    )


@blueprint.post("/images/prune")
def prune() -> dict[str, Any]:
    engine = context.engine()
    return removal.prune(engine.images, context.filters(), engine.containers.using_image)


@blueprint.get("/distribution/<path:name>/json")
def distribution(name: str) -> dict[str, Any]:
    return context.engine().registry.look(references.parse(name), _credentials())


@blueprint.post("/auth")
def log_in() -> dict[str, str]:
    said = context.json_body()
    context.engine().registry.log_in(said.get("serveraddress") or "", credentials.from_json(said))
    return {"Status": "Login Succeeded", "IdentityToken": ""}


def _import(source: str) -> Iterator[dict[str, Any]]:
    engine = context.engine()
    reference = None
    if repository := context.text("repo"):
        reference = references.parse_repository(repository, context.text("tag"))
    changes = [
        line for text in flask.request.args.getlist("changes") for line in text.splitlines() if line.strip()
    ]
    config = changed({}, changes)
    comment = context.text("message") or f"Imported from {source}"
    platform = context.text("platform")

    def make(archive: BinaryIO) -> Image:
        return importing.import_tar(engine.images, archive, config, comment, platform)

    def items(body: BinaryIO) -> Iterator[dict[str, Any]]:
        if source == "-":
            image = make(body)
        else:
            url = source if "://" in source else f"http://{source}"
            yield {"status": f"Downloading from {url}"}
            image = importing.from_url(url, make)
        if reference:
            engine.images.tag(image.id, reference)
        yield {"status": image.id}

    return items(_body())


def _body() -> BinaryIO:
    return cast(BinaryIO, flask.request.stream)


def _credentials() -> credentials.Credentials:
    return credentials.from_header(flask.request.headers.get("X-Registry-Auth", ""))


def _answer(items: Iterator[dict[str, Any]]) -> Response:
    """A stream, if it begins. An error before that is the whole answer, with a status code of its own."""
    first = next(items)

    def all_items() -> Iterator[dict[str, Any]]:
        yield first
        yield from items

    return streams.json_lines(_with_errors(all_items()))


def _with_errors(items: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The items of a stream; an error on the way becomes the last one: the status code has been sent."""
    try:
        yield from items
    except (EngineError, OSError) as error:
        message = (in_words(error) if isinstance(error, OSError) else error).message
        yield {"errorDetail": {"message": message}, "error": message}


def _for_version(image: dict[str, Any]) -> dict[str, Any]:
    """An image as clients of the request's version of the API expect it."""
    if api_version() < NO_VIRTUAL_SIZE:
        image["VirtualSize"] = image["Size"]
    is_summary = "Labels" in image
    if is_summary and api_version() < NAMES_MAY_LACK and not image["RepoTags"] and not image["RepoDigests"]:
        image |= {"RepoTags": ["<none>:<none>"], "RepoDigests": ["<none>@<none>"]}
    return image
