"""Plausible wrong answers to lesson 03, and a part of the nudge that each must get."""

import sys
from importlib import import_module
from types import ModuleType

import grpc
from flask import Flask, abort, g, render_template_string, request

from workshop.repository import SERVICES

import recommendations_pb2 as pb


def from_marketplace(*names: str) -> list[ModuleType]:
    """Import modules of the Marketplace: other tests use Recommendations', and some have the same names."""
    folder = SERVICES / "marketplace"
    own = {path.stem for path in folder.glob("*.py")}
    others = {name: sys.modules.pop(name) for name in own & sys.modules.keys()}
    sys.path.insert(0, str(folder))
    try:
        return [import_module(name) for name in names]
    finally:
        sys.path.remove(str(folder))
        for name in own & sys.modules.keys():
            del sys.modules[name]
        sys.modules.update(others)


marketplace, recommender = from_marketplace("marketplace", "recommender")
create_app = marketplace.create_app
NoRecommendations, Recommender = recommender.NoRecommendations, recommender.Recommender

AWAY = ("UNAVAILABLE", "DEADLINE_EXCEEDED")
MEMBERS = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)


def chooser(argument="category", offered=None, allowed=None, refusal=404, mark=True):
    page = """<select name="category">
        {%- for name in names %}<option {{ "selected" if mark and name == chosen }}>{{ name }}</option>
        {%- endfor %}</select><ul>{% for book in books %}<li>{{ book.title }}</li>{% endfor %}</ul>"""

    def answer(address):
        app, recommender = Flask("shop"), Recommender(address)

        @app.get("/")
        def homepage():
            chosen = request.args.get(argument, "MYSTERY")
            if chosen not in (allowed or pb.BookCategory.keys()):
                abort(refusal)
            books = recommender.recommend(1, chosen, 3)
            names = offered or pb.BookCategory.keys()
            return render_template_string(page, names=names, chosen=chosen, books=books, mark=mark)

        return app

    return answer


def asks_first(address):
    app, recommender = Flask("shop"), Recommender(address)

    @app.get("/")
    def homepage():
        chosen = request.args.get("category", "MYSTERY")
        books = recommender.recommend(1, chosen if chosen in pb.BookCategory.keys() else "MYSTERY", 3)
        if chosen not in pb.BookCategory.keys():
            abort(404)
        marks = {name: "selected" if name == chosen else "" for name in pb.BookCategory.keys()}
        options = "".join(f"<option {mark}>{name}</option>" for name, mark in marks.items())
        return options + " ".join(book.title for book in books)

    return app


def fallback(codes=AWAY, heading="Bestsellers", shown=None):
    def answer(address, bestsellers):
        app, recommender = Flask("shop"), Recommender(address)

        @app.get("/")
        def homepage():
            try:
                books = recommender.recommend(1, "MYSTERY", 3)
            except NoRecommendations as error:
                if codes and error.code not in codes:
                    raise
                return {"heading": heading, "titles": bestsellers if shown is None else shown}
            return {"heading": "Picked for you", "titles": [book.title for book in books]}

        return app

    return answer


def count(number=len, own_recommender=True, decorator="after_request", where=None):
    def answer(address):
        class Counting(Recommender):
            def recommend(self, user_id, category, count):
                books = super().recommend(user_id, category, count)
                if where is None:
                    g.books = number(books)
                else:
                    where["books"] = number(books)
                return books

        app = create_app(Counting(address) if own_recommender else Recommender(address))

        def add_header(response):
            found = g.get("books", 0) if where is None else where.get("books", 0)
            response.headers["Recommended-Books"] = str(found)
            return response

        if decorator:
            getattr(app, decorator)(add_header)
        return app

    return answer


WRONG = [
    ("03-1", "reads another argument", chooser(argument="shelf"), "name of the `<select>`"),
    ("03-1", "offers one shelf", chooser(offered=["MYSTERY"]), "the contract's three categories"),
    ("03-1", "marks nothing", chooser(mark=False), "stand on the shelf that is shown"),
    ("03-1", "says bad gateway", chooser(refusal=502), "answers 502"),
    ("03-1", "lets every name through", chooser(allowed=["COOKING", *pb.BookCategory.keys()]), "answers 500"),
    ("03-1", "asks before it looks", asks_first, "all the way to Recommendations"),
    ("03-1", "returns nothing", lambda address: None, "Return the Flask application"),
    ("03-2", "hides every error", fallback(codes=None), "the page hid it"),
    ("03-2", "forgets late answers", fallback(codes=AWAY[:1]), "whose deadline has passed"),
    ("03-2", "forgets the service that is gone", fallback(codes=AWAY[1:]), "that reaches nobody"),
    ("03-2", "compares with gRPC's own codes", fallback(codes=MEMBERS), "that code's name, a text"),
    ("03-2", "shows nothing", fallback(shown=[]), "should show the bestsellers"),
    ("03-2", "claims to have picked", fallback(heading="Picked for you"), "Nobody picked these"),
    ("03-3", "counts what was asked for", count(number=lambda books: 3), "only two books"),
    ("03-3", "leaves its recommender out", count(own_recommender=False), "the header says 0"),
    ("03-3", "runs before the request", count(decorator="before_request"), "answered 500"),
    ("03-3", "adds no header", count(decorator=""), "no header “Recommended-Books”"),
    ("03-3", "keeps the number for all requests", count(where={}), "keep it in `g`"),
]
