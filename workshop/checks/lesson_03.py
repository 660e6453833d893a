"""What judges the answers of lesson 03, the Marketplace."""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import grpc

from workshop.checks.bookshelf import Bookshelf
from workshop.exercises import Answer, check, expect

BESTSELLERS = ["The Hobbit", "Emma"]
HEADER = "Recommended-Books"


@contextmanager
def _quiet_logs() -> Iterator[None]:
    """Keep what the answer's application logs out of the exercise's output."""
    root = logging.getLogger()
    before, disabled = root.handlers[:], logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(disabled)
        root.handlers[:] = before


def _visitor(app: Any) -> Any:
    expect(
        hasattr(app, "test_client"), "Return the Flask application; the last line of the function does that."
    )
    return app.test_client()


@check(
    "03-1",
    first_nudge=(
        "Where does Flask keep what stands behind the question mark, and who knows all the categories?"
    ),
    can_now="You can turn what a visitor typed into a field of the contract, and refuse what is not in it.",
)
def a_category_chooser(answer: Answer) -> None:
    with Bookshelf() as shelf, _quiet_logs():
        visitor = _visitor(answer(shelf.address))
        first = visitor.get("/")
        expect(
            first.status_code == 200 and "Gaudy Night" in first.text,
            f"`/` answers {first.status_code} without the mysteries. Where nothing is chosen, MYSTERY is.",
        )
        chosen = visitor.get("/?category=SCIENCE_FICTION")
        expect(
            "Dune" in chosen.text,
            "`/?category=SCIENCE_FICTION` does not show science fiction. "
            "The name in the address is the name of the `<select>`.",
        )
        options = re.findall(r"<option(.*?)>([A-Z_]+)", chosen.text)
        expect(
            [name for _, name in options] == ["MYSTERY", "SCIENCE_FICTION", "SELF_HELP"],
            f"The chooser offers {[name for _, name in options]}; it should offer the "
            "contract's three categories.",
        )
        expect(
            ["selected" in attributes for attributes, _ in options] == [False, True, False],
            "The chooser should stand on the shelf that is shown. Compare each option with the chosen one.",
        )
        asked = len(shelf.requests)
        unknown = visitor.get("/?category=COOKING")
        expect(
            unknown.status_code == 404,
            f"`/?category=COOKING` answers {unknown.status_code}. No such shelf exists: what "
            "is the HTTP code for that?",
        )
        expect(
            len(shelf.requests) == asked,
            "COOKING went all the way to Recommendations. The contract already says that "
            "there is no such category.",
        )


@check(
    "03-2",
    first_nudge="Two status codes mean “away” or “too late”. All others are mistakes that must be seen.",
    can_now=(
        "You can keep a page useful while a service is away, without hiding the failures that "
        "you should mend."
    ),
)
def a_fallback_list(answer: Answer) -> None:
    with Bookshelf() as shelf, _quiet_logs():
        visitor = _visitor(answer(shelf.address, BESTSELLERS))
        usual = visitor.get("/")
        expect(
            usual.status_code == 200 and usual.json["titles"] == ["Gaudy Night", "Rebecca"],
            "While Recommendations answers, its books should be shown.",
        )
        for code in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.INTERNAL):
            shelf.codes[0] = code
            expect(
                visitor.get("/").status_code == 500,
                f"Recommendations said {code.name}, and the page hid it. A list that is always there "
                "would keep that mistake alive: fall back for “away” and “too late” only.",
            )
        shelf.codes, shelf.delay = {}, 0.9
        late = visitor.get("/")
        expect(
            late.status_code == 200,
            f"Recommendations was slow, and the page answered {late.status_code}. "
            "Which code does a call get whose deadline has passed? `error.code` is that code's name, a text.",
        )
        _expect_bestsellers(late.json)
        shelf.stop()
        away = visitor.get("/")
        expect(
            away.status_code == 200,
            f"Recommendations was gone, and the page answered {away.status_code}. "
            "Which code does a call get that reaches nobody?",
        )
        _expect_bestsellers(away.json)


def _expect_bestsellers(page: dict[str, Any]) -> None:
    expect(
        page["titles"] == BESTSELLERS,
        f"Without Recommendations the page shows {page['titles']}; it should show the "
        "bestsellers that it was given.",
    )
    expect(
        page["heading"] and page["heading"] != "Picked for you",
        "Nobody picked these for the visitor. Choose a heading that says what they are.",
    )


@check(
    "03-3",
    first_nudge="The application takes its recommender as an argument, so it can be given one that counts.",
    can_now="You can give an application another part through its factory, and add to each of its answers.",
)
def a_count_in_a_header(answer: Answer) -> None:
    with Bookshelf() as shelf, _quiet_logs():
        visitor = _visitor(answer(shelf.address))
        full = visitor.get("/?category=SCIENCE_FICTION")
        expect(
            full.status_code == 200,
            f"The page answered {full.status_code}. Does your function run after the request, and take and "
            "return the response?",
        )
        expect(
            full.text.count("data-book-id") == 3,
            "The page has lost its books. Is the application made with the recommender that counts?",
        )
        expect(
            HEADER in full.headers,
            f"The answer has no header “{HEADER}”. Which decorator runs a function with every response?",
        )
        expect(
            full.headers[HEADER] == "3",
            f"Three books are on the page, and the header says {full.headers[HEADER]}. "
            "What did `super().recommend(…)` return, and did it come from your recommender?",
        )
        few = visitor.get("/?category=MYSTERY").headers.get(HEADER)
        expect(
            few == "2",
            f"This shelf has only two books, and the header says {few}. Count what came, not "
            "what was asked for.",
        )
        shelf.stop()
        away = visitor.get("/").headers.get(HEADER)
        expect(
            away == "0",
            f"Recommendations is gone, and the header says {away}. The number belongs to one "
            "request: keep it in `g`.",
        )
