"""The Marketplace: the shop's page, with books that Recommendations picks.

Start it with `FLASK_APP=marketplace.py flask run`; in its image it runs under gunicorn.
`RECOMMENDATIONS_HOST` (localhost) and `RECOMMENDATIONS_PORT` (50051) say where the books
come from. Without that service the page still answers, with a note in place of the list.
"""

import logging
import time

import grpc
from flask import Flask, Response, g, render_template, request

import recommendations_pb2 as pb
from logs import log_to_stdout
from recommender import Recommender

USER_ID = 1  # Nobody can sign in yet: every visitor is this user.
BOOKS_PER_PAGE = 3
PROBES = ("/healthz", "/readyz")

log = logging.getLogger("marketplace")


def create_app(recommender: Recommender | None = None) -> Flask:
    """Make the application.

    Args:
        recommender: where the books come from; by default the service that the environment names.
    """
    log_to_stdout()
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # `flask run` would log each request once more.
    app = Flask(__name__)
    books = recommender or Recommender.from_environment()

    @app.get("/")
    def homepage() -> tuple[str, int]:
        """Show the shop; the shelf is chosen with `?category=SCIENCE_FICTION`."""
        category = request.args.get("category", "MYSTERY")
        if category not in pb.BookCategory.keys():
            return _page(None, note=f"There is no shelf called “{category[:40]}”. Pick one above."), 404
        try:
            found = books.recommend(USER_ID, category, BOOKS_PER_PAGE)
        except grpc.RpcError as error:
            fields = {"code": error.code().name, "details": error.details(), "address": books.address}
            log.warning("no recommendations", extra={"fields": fields})
            return _page(
                category, note="Our recommendations are taking a break. The rest of the shop is open."
            ), 200
        return _page(category, books=found), 200

    @app.get("/healthz")
    def healthz() -> dict[str, str]:
        """Say that this process answers; restart it when it does not."""
        return {"status": "alive"}

    @app.get("/readyz")
    def readyz() -> dict[str, str]:
        """Say that pages can be served, and whether they will carry recommendations.

        The answer is 200 without Recommendations too: the page is useful then, and taking
        every Marketplace out of service would turn a missing list into a missing shop.
        """
        reachable = books.is_reachable()
        return {"status": "ready", "recommendations": "reachable" if reachable else "unreachable"}

    app.before_request(_start_clock)
    app.after_request(_log_request)
    return app


def _page(category: str | None, books: list[pb.BookRecommendation] | None = None, note: str = "") -> str:
    """Render the shop with books or with a note; `category` is the shelf to mark as chosen."""
    shelves = {name: name.replace("_", " ").capitalize() for name in pb.BookCategory.keys()}
    return render_template("homepage.html", shelves=shelves, category=category, books=books, note=note)


def _start_clock() -> None:
    g.started = time.perf_counter()


def _log_request(response: Response) -> Response:
    if request.path not in PROBES:
        milliseconds = round((time.perf_counter() - g.started) * 1000, 3)
        fields = {
            "method": request.method,
            "path": request.path,
            "code": response.status_code,
            "ms": milliseconds,
        }
        log.info("request", extra={"fields": fields})
    return response
