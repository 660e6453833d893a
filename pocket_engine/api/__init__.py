"""The Docker Engine API: one blueprint for each kind of thing, and what all answers have in common.

A blueprint's view asks `context.engine()` for the engine, returns a dict, a list or a Response, and raises
EngineError for what the client should be told.
"""

import logging

from flask import Flask, Response, jsonify, request
from werkzeug.exceptions import HTTPException

from pocket_engine.api import (
    absent,
    build,
    container_files,
    container_streams,
    containers,
    events,
    exec,
    images,
    networks,
    system,
    usage,
    versions,
    volumes,
)
from pocket_engine.engine import Engine
from pocket_engine.errors import BadRequest, EngineError, NotFound, in_words

log = logging.getLogger(__name__)

BLUEPRINTS = tuple(
    module.blueprint
    for module in (
        absent,
        build,
        container_files,
        container_streams,
        containers,
        events,
        exec,
        images,
        networks,
        system,
        usage,
        volumes,
    )
)


def create_app(engine: Engine) -> Flask:
    """The API of one engine, as a WSGI application.

    Args:
        engine: what its requests are carried out by.
    """
    app = Flask(__name__, static_folder=None)
    app.extensions["engine"] = engine
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.json.compact = True  # type: ignore[attr-defined]
    app.json.ensure_ascii = False  # type: ignore[attr-defined]
    app.wsgi_app = versions.VersionPrefix(app.wsgi_app)  # type: ignore[method-assign]
    for blueprint in BLUEPRINTS:
        app.register_blueprint(blueprint)
    app.before_request(_check)
    app.after_request(_introduce)
    app.register_error_handler(EngineError, _told)
    app.register_error_handler(HTTPException, _misunderstood)
    app.register_error_handler(Exception, _failed)
    return app


def _check() -> None:
    if request.url_rule is None:
        raise NotFound("page not found")
    versions.check()


def _introduce(response: Response) -> Response:
    response.headers["Api-Version"] = versions.dotted(versions.NEWEST)
    response.headers["Docker-Experimental"] = "false"
    response.headers["Ostype"] = "linux"
    return response


def _told(error: EngineError) -> Response:
    answer = jsonify(message=error.message)
    answer.status_code = error.status
    return answer


def _misunderstood(error: HTTPException) -> Response:
    # Like the engine, which knows no 405 either.
    if error.code in (404, 405):
        return _told(NotFound("page not found"))
    return _told(BadRequest(error.description or error.name))


def _failed(error: Exception) -> Response:
    log.error("%s %s failed", request.method, request.path, exc_info=error)
    if isinstance(error, OSError):
        return _told(in_words(error))
    return _told(EngineError(str(error) or type(error).__name__))
