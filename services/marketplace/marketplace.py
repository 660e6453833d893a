"""The Marketplace: the shop's page, with books that Recommendations picks.

Start it with `FLASK_APP=marketplace.py flask run`; in its image, server.py serves it.
`RECOMMENDATIONS_HOST` (localhost) and `RECOMMENDATIONS_PORT` (50051) say where the books
come from. Without that service the page still answers, with a note in place of the list.
"""

import logging

from flask import Flask, render_template, request

import metrics
import recommendations_pb2 as pb
import tracing
from logs import log_to_stdout
from recommender import NoRecommendations, Recommender
from request_log import log_requests
from security import secure

USER_ID = 1  # Nobody can sign in yet: every visitor is this user.
BOOKS_PER_PAGE = 3
SHELVES = {name: name.replace("_", " ").capitalize() for name in pb.BookCategory.keys()}

log = logging.getLogger("marketplace")


def create_app(recommender: Recommender | None = None) -> Flask:
    """Make the application.

    Args:
        recommender: where the books come from; by default the service that the environment names.

    Raises:
        ValueError: the environment asks for something that cannot work.
    """
    log_to_stdout()
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # `flask run` would log each request once more.
    app = Flask(__name__)
    log_requests(app, log)
    tracing.trace(app)
    metrics.measure(app)
    secure(app)
    books = recommender or Recommender.from_environment()

    @app.get("/")
    def homepage() -> tuple[str, int]:
        """Show the shop; the shelf is chosen with `?category=SCIENCE_FICTION`."""
        category = request.args.get("category", "MYSTERY")
        if category not in SHELVES:
            return _page(None, note=f"There is no shelf called “{category[:40]}”. Pick one above."), 404
        try:
            found = books.recommend(USER_ID, category, BOOKS_PER_PAGE)
        except NoRecommendations as error:
            metrics.CALLS.labels(error.code).inc()
            fields = {"code": error.code, "details": error.details, "address": books.address}
            log.warning("no recommendations", extra={"fields": fields})
            note = "Our recommendations are taking a break. The rest of the shop is open."
            return _page(category, note=note), 200
        metrics.CALLS.labels("OK").inc()
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

    return app


def _page(category: str | None, books: list[pb.BookRecommendation] | None = None, note: str = "") -> str:
    """Render the shop with books or with a note; `category` is the shelf to mark as chosen."""
    return render_template("homepage.html", shelves=SHELVES, category=category, books=books, note=note)
