"""/containers/{id}/archive, changes and export, and /commit: a container's files."""

import base64
import json
import os
import threading
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, cast

import flask
from flask import Blueprint, Response

from pocket_engine.api import context, streams
from pocket_engine.api.containers import container
from pocket_engine.containers import shapes
from pocket_engine.containers.commit import commit as make_image
from pocket_engine.errors import BadRequest, EngineError, NotFound
from pocket_engine.runners import Files

blueprint = Blueprint("container_files", __name__)

CHUNK = 64 * 1024


@blueprint.route("/containers/<name>/archive", methods=["HEAD"])
def stat(name: str) -> Response:
    files, path = _files(name)
    return Response(headers=_stat_header(files, name, path))


@blueprint.get("/containers/<name>/archive")
def copy_out(name: str) -> Response:
    files, path = _files(name)
    header = _stat_header(files, name, path)
    answer = streams.chunks(_written_by(lambda archive: files.pack(path, archive)), "application/x-tar")
    answer.headers.update(header)
    container(name).publish("archive-path")
    return answer


@blueprint.put("/containers/<name>/archive")
def copy_in(name: str) -> tuple[str, int]:
    files, path = _files(name)
    try:
        files.unpack(path, cast(BinaryIO, flask.request.stream), context.flag("noOverwriteDirNonDir"))
    except NotFound as error:
        raise NotFound(f"Could not find the file {path} in container {name}") from error
    container(name).publish("extract-to-dir")
    return "", 200


@blueprint.get("/containers/<name>/changes")
def changes(name: str) -> Response:
    wanted = container(name)
    found = [{"Path": path, "Kind": kind} for path, kind in wanted.parts.runner.changes(wanted.root)]
    return flask.jsonify(found or None)


@blueprint.get("/containers/<name>/export")
def export(name: str) -> Response:
    wanted = container(name)
    first = wanted.run.running if wanted.run else None
    wanted.publish("export")
    content = _written_by(lambda archive: wanted.parts.runner.export(wanted.root, archive, first))
    return streams.chunks(content, "application/octet-stream")


@blueprint.post("/commit")
def commit() -> tuple[dict[str, Any], int]:
    engine = context.engine()
    changes = [
        line for text in flask.request.args.getlist("changes") for line in text.splitlines() if line.strip()
    ]
    image = make_image(
        engine.data_root,
        container(context.text("container")),
        context.optional_json_body(**shapes.CREATE),
        changes,
        comment=context.text("comment"),
        author=context.text("author"),
        pause=context.flag("pause", default=True),
    )
    if repository := context.text("repo"):
        tag = context.text("tag")
        engine.images.tag(image.id, f"{repository}:{tag}" if tag else repository)
    return {"Id": image.id}, 201


def _files(name: str) -> tuple[Files, str]:
    wanted, path = container(name), context.text("path")
    if not path:
        raise BadRequest("bad parameter: path cannot be empty")
    return wanted.files, path if path.startswith("/") else f"/{path}"


def _stat_header(files: Files, name: str, path: str) -> dict[str, str]:
    try:
        said = json.dumps(files.stat(path))
    except NotFound as error:
        raise NotFound(f"Could not find the file {path} in container {name}") from error
    return {"X-Docker-Container-Path-Stat": base64.b64encode(said.encode()).decode()}


def _written_by(write: Callable[[BinaryIO], None]) -> Iterator[bytes]:
    """What a function writes to a file, as it does: it writes into a pipe, in a thread of its own."""
    reading, writing = os.pipe()
    failure: list[BaseException] = []

    def fill() -> None:
        with os.fdopen(writing, "wb") as archive:
            try:
                write(archive)
            except BrokenPipeError:  # The client has hung up.
                pass
            except (OSError, EngineError) as error:
                failure.append(error)

    with os.fdopen(reading, "rb", buffering=0) as content:
        writer = threading.Thread(target=fill, name="archive", daemon=True)
        writer.start()
        while chunk := content.read(CHUNK):
            yield chunk
    writer.join()
    if failure:
        raise failure[0]  # The connection breaks, so that the client does not take it for the end.
