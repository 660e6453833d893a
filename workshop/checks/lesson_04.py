"""What judges the answers of lesson 04, Testing microservices."""

from workshop.checks.planted import CONTRACT, Bug, judge
from workshop.exercises import Answer, check

PATH = """
import os, sys
from pathlib import Path
import pytest
SYSTEM = Path(os.environ["SYSTEM"])
sys.path.insert(0, str(SYSTEM / "{side}"))
"""

# At the unit rung: the servicer's method itself, with a context that is as strict as the real one.
UNIT = (
    PATH.format(side="recommendations")
    + """
import asyncio
import recommendations_pb2 as pb
from catalogue import Catalogue
from recommendations import RecommendationsServicer

class Aborted(Exception):
    pass

class FakeContext:
    async def abort(self, code, details):
        raise Aborted(code.name)

@pytest.fixture
def ask():
    servicer = RecommendationsServicer(Catalogue.load(dict(pb.BookCategory.items())))
    def ask(**fields):
        request = pb.RecommendationRequest(**fields)
        try:
            return "OK", asyncio.run(servicer.Recommend(request, FakeContext())).recommendations
        except Aborted as aborted:
            return str(aborted), []
    return ask
"""
)

# Several of these runs go on at once: with ports that the system picks, they cannot meet.
FREE_PORT = """
import socket

def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
"""

# At the contract rung: the Marketplace's stub, and Recommendations as a process.
CONTRACT_RUNG = (
    PATH.format(side="marketplace")
    + FREE_PORT
    + """
import json
import grpc
import recommendations_pb2 as pb
import recommendations_pb2_grpc as pb_grpc
from workshop import beside

@pytest.fixture
def ask():
    service = beside.run_recommendations(free_port(), SYSTEM / "recommendations", "planted-recommendations")
    with service, grpc.insecure_channel(f"localhost:{service.port}") as channel:
        stub = pb_grpc.RecommendationsStub(channel)
        def ask(**fields):
            try:
                response = stub.Recommend(pb.RecommendationRequest(**fields), timeout=10)
                return "OK", response.recommendations
            except grpc.RpcError as error:
                return error.code().name, []
        yield ask
    service.log_file.unlink()

@pytest.fixture
def shelves():
    shelves = json.loads((SYSTEM / "recommendations" / "books.json").read_text(encoding="utf-8"))
    return {name: {book["id"]: book["title"] for book in books} for name, books in shelves.items()}
"""
)

# At the end-to-end rung: both services as processes, and HTTP.
PAGE = (
    PATH.format(side="marketplace")
    + FREE_PORT
    + """
import requests
from workshop import beside

@pytest.fixture
def recommendations():
    service = beside.run_recommendations(free_port(), SYSTEM / "recommendations", "planted-recommendations")
    yield service
    service.kill()  # A suspended process does not hear SIGTERM.
    service.stop()
    service.log_file.unlink()

@pytest.fixture
def visit(recommendations):
    shop = beside.run_marketplace(
        recommendations.port, free_port(), SYSTEM / "marketplace", "planted-marketplace"
    )
    def visit(path="/", timeout=10):
        return requests.get(f"http://127.0.0.1:{shop.port}{path}", timeout=timeout)
    with shop:
        for _ in range(10):  # Connect first, so that a slow machine does not look like a bug.
            if visit("/readyz").json()["recommendations"] == "reachable":
                break
        yield visit
    shop.log_file.unlink()
"""
)

SAMPLE = r"\.sample\(shelf, min\(count, len\(shelf\)\)\)"
PICK = "recommendations/catalogue.py"


@check(
    "04-1",
    first_nudge="Which number is larger than any shelf, and how do you count so that a repeated book shows?",
    can_now="You can write the test that stands between an off-by-one and your users, in milliseconds a run.",
)
def the_whole_shelf(answer: Answer) -> None:
    judge(
        answer,
        UNIT,
        [
            Bug(
                "fails when more books are asked for than there are",
                PICK,
                [(SAMPLE, ".sample(shelf, count)")],
                "Does `max_results` ask for more than the 24 that the shelf has?",
            ),
            Bug(
                "never gives away the last book of a shelf",
                PICK,
                [(SAMPLE, ".sample(shelf, min(count, len(shelf) - 1))")],
                "One of 24 is missing there. What does your last line compare with 24?",
            ),
            Bug(
                "recommends some books twice, and others not at all",
                PICK,
                [(SAMPLE, ".choices(shelf, k=min(count, len(shelf)))")],
                "24 books come there, too. Count the different ones: every book has an `id`.",
            ),
        ],
    )


def _swapped(one: str, other: str) -> list[tuple[str, str]]:
    """The changes that swap the numbers of two fields, or of two values of an enum."""
    first, second = one.rpartition(" ")[2], other.rpartition(" ")[2]
    return [
        (rf"{one};", f"{one.removesuffix(first)}{second};"),
        (rf"{other};", f"{other.removesuffix(second)}{first};"),
    ]


@check(
    "04-2",
    first_nudge="With which values would a mix-up of two fields make no difference? Take others.",
    can_now="You can choose test data that can tell, and so see a contract drift before your users do.",
)
def values_that_can_tell(answer: Answer) -> None:
    alike = "Take values of which no two are alike, and look at how many books came."
    judge(
        answer,
        CONTRACT_RUNG,
        [
            Bug(
                "takes the user's number for the number of books",
                CONTRACT,
                _swapped("int32 user_id = 1", "int32 max_results = 3"),
                alike,
            ),
            Bug(
                "takes the user's number for the category",
                CONTRACT,
                _swapped("int32 user_id = 1", "BookCategory category = 2"),
                "The shelf has a number, too: it is in the contract. Take a user with another one.",
            ),
            Bug(
                "takes the shelf's number for the number of books",
                CONTRACT,
                _swapped("BookCategory category = 2", "int32 max_results = 3"),
                "The shelf has a number, too. Ask for another number of books.",
            ),
            Bug(
                "mixes up science fiction and self-help",
                CONTRACT,
                _swapped("SCIENCE_FICTION = 1", "SELF_HELP = 2"),
                "The first shelf has the number 0, and 0 is not even sent. Take one that has a number, "
                "and see that every book is from it.",
            ),
            Bug(
                "sends the title under another number, so that none arrives",
                CONTRACT,
                [(r"string title = 2;", "string title = 3;")],
                "Your last line does not look at the title that arrived.",
            ),
            Bug(
                "sends the book's id under another number, so that none arrives",
                CONTRACT,
                [(r"int32 id = 1;", "int32 id = 3;")],
                "Your last line does not look at the id that arrived: find the title by it.",
            ),
        ],
    )


@check(
    "04-3",
    first_nudge="Which process freezes, and how long may a visitor of this shop wait?",
    can_now="You can make a neighbour hang, on purpose, and prove that your page does not hang with it.",
)
def a_frozen_neighbour(answer: Answer) -> None:
    judge(
        answer,
        PAGE,
        [
            Bug(
                "waits three seconds for Recommendations",
                "marketplace/recommender.py",
                [(r"DEADLINE_SECONDS = 0\.5", "DEADLINE_SECONDS = 3")],
                "Is it Recommendations that you suspend? The Marketplace promises half a second. Does your "
                "visitor give up soon after that?",
            ),
            Bug(
                "answers with an error when Recommendations does not",
                "marketplace/marketplace.py",
                [(r"except (\w+\.)?\w+ as error:", "except ZeroDivisionError as error:")],
                "Which status has a page that is still useful?",
            ),
            Bug(
                "says nothing of the trouble: the shelf just seems to be empty",
                "marketplace/marketplace.py",
                [(r"Our recommendations are taking a break\. The rest of the shop is open\.", "")],
                "Look for the words of the note in the page.",
            ),
        ],
    )
