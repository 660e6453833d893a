"""What judges the answers of lesson 02, the Recommendations service."""

import hashlib
import sys
import threading
import time
from collections.abc import Iterator
from importlib import import_module, invalidate_caches
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType

import grpc

from workshop.checks.bookshelf import Bookshelf
from workshop.checks.contract import compiled, protoc
from workshop.exercises import Answer, check, expect
from workshop.repository import PROTO
from workshop.stubs import InvalidContract

RECOMMEND = "rpc Recommend(RecommendationRequest) returns (RecommendationResponse);"
BROWSE = "rpc Browse(RecommendationRequest) returns (stream BookRecommendation);"
FOUND = [(1, "Dune"), (2, "Solaris"), (3, "Ubik"), (4, "Kindred"), (5, "Hyperion")]


@check(
    "02-1",
    first_nudge=(
        "Which exception does a failed call raise, and which of its codes means “there is no such thing”?"
    ),
    can_now=(
        "You can tell the one error that you have an answer to from all the others, and you "
        "never wait for ever."
    ),
)
def a_category_that_nobody_has(answer: Answer) -> None:
    with Bookshelf() as shelf, grpc.insecure_channel(shelf.address) as channel:
        expect(
            _outcome(answer, channel, 1) == ["Dune", "Solaris", "Ubik"],
            "Category 1 exists, so its three titles should come back as they are. What does "
            "the function return?",
        )
        unknown = _outcome(answer, channel, 99)
        expect(
            unknown != grpc.StatusCode.NOT_FOUND,
            "Category 99 still ends in NOT_FOUND. Does `except` name what gRPC raises, "
            "and does the comparison name the code that the service sends for a category nobody has?",
        )
        expect(
            unknown == ["Gaudy Night", "Rebecca"],
            f"For category 99 the mysteries should come back, but we got {unknown}. Set the "
            "request's category.",
        )
        shelf.codes[1] = grpc.StatusCode.INTERNAL
        expect(
            _outcome(answer, channel, 1) == grpc.StatusCode.INTERNAL,
            "The service failed with INTERNAL, and the function hid that. Fall back for one code only; "
            "let every other error through.",
        )
        shelf.codes, shelf.delay = {}, 1.5
        started = time.perf_counter()
        late = _outcome(answer, channel, 1)
        seconds = time.perf_counter() - started
        expect(
            late == grpc.StatusCode.DEADLINE_EXCEEDED and seconds < 1.2,
            f"The service was slow, and the first call waited for {seconds:.1f} s. "
            "Give it a deadline: the argument is called `timeout` and counts seconds.",
        )


def _outcome(answer: Answer, channel: grpc.Channel, category: int) -> list[str] | grpc.StatusCode:
    """The titles that the answer returns, or the code of the error that it lets through."""
    try:
        return answer(channel, category)
    except grpc.RpcError as error:
        return error.code()


@check(
    "02-2",
    first_nudge="One word in front of a message's name turns one message into many.",
    can_now=(
        "You can read and write all four kinds of rpc: `stream` stands in front of whatever "
        "comes more than once."
    ),
)
def a_streaming_rpc_in_the_contract(answer: Answer) -> None:
    before = PROTO.read_text(encoding="utf-8")
    text = answer(before)
    expect(isinstance(text, str), "Return the text of the new contract.")
    try:
        contract = compiled(text)
    except InvalidContract as error:
        expect(False, f"The compiler refuses the contract:\n{error}")
    rpcs = {rpc.name: rpc for rpc in contract.service[0].method}
    expect("Browse" in rpcs, "The service has no rpc called Browse. Did the text change at all?")
    browse = rpcs["Browse"]
    expect(
        browse.input_type == ".RecommendationRequest" and not browse.client_streaming,
        "Browse should take one RecommendationRequest. It stands in the first pair of "
        "brackets, without `stream`.",
    )
    expect(
        browse.server_streaming,
        "Browse answers with one message. Which word in front of the answer's type makes it many?",
    )
    expect(
        browse.output_type == ".BookRecommendation",
        f"Browse streams {browse.output_type.lstrip('.')}. One book at a time is a message "
        "that the contract has.",
    )
    old = compiled(before)
    expect(
        rpcs.get("Recommend") == old.service[0].method[0] and contract.message_type == old.message_type,
        "Something that was there before has changed. Old callers still need it: only add.",
    )


@check(
    "02-3",
    first_nudge="A streaming handler is a generator; each message leaves as soon as it is there.",
    can_now=(
        "You can serve a stream: the caller reads the first book while the service still looks "
        "for the second."
    ),
)
def a_streaming_handler(answer: Answer) -> None:
    pb, pb_grpc = _browsing_stubs()
    reader = _Reader()
    server, port = answer(pb, pb_grpc, reader.find_books)
    try:
        with grpc.insecure_channel(f"localhost:{port}") as channel:
            request = pb.RecommendationRequest(user_id=5, category=1, max_results=3)
            browse = pb_grpc.RecommendationsStub(channel).Browse
            titles = reader.read(browse(request, timeout=6))
            list(browse(pb.RecommendationRequest(user_id=5, category=1, max_results=1), timeout=6))
    except grpc.RpcError as error:
        expect(False, _why_no_books(error))
    finally:
        server.stop(0.5)
    expect(titles, "The stream ended without a single book. Does the handler yield anything?")
    expect(
        len(titles) == 3, f"We asked for 3 books and got {len(titles)}. Which field of the request says 3?"
    )
    expect(titles == ["Dune", "Solaris", "Ubik"], f"We got {titles}; send each book's own number and title.")
    expect(
        reader.counts == [3, 1],
        f"We asked for 3 books, then for 1, and you asked `find_books` for {reader.counts}. "
        "How many is in the request.",
    )
    expect(
        reader.first_came_early,
        "The first book arrived only when all were found. Yield each one inside the loop, do "
        "not collect them.",
    )


class _Reader:
    """Reads a stream, and finds its second book only when the first has arrived."""

    def __init__(self) -> None:
        self._first_has_arrived = threading.Event()
        self.first_came_early = False
        self.counts: list[int] = []

    def find_books(self, category: int, count: int) -> Iterator[tuple[int, str]]:
        """What the handler is given: it finds books, one after the other."""
        self.counts.append(count)
        for number, title in FOUND[:count]:
            if number == 2:
                self.first_came_early = self._first_has_arrived.wait(1.5)
            yield number, title

    def read(self, stream: Iterator) -> list[str]:
        titles = []
        for book in stream:
            titles.append(book.title)
            self._first_has_arrived.set()
        return titles


def _why_no_books(error: grpc.RpcError) -> str:
    code, details = error.code(), error.details() or ""
    if code == grpc.StatusCode.UNIMPLEMENTED:
        return (
            "The server does not know Browse. Tell it about the servicer: the generated function is called "
            "add_…_to_server, and the handler has the rpc's name."
        )
    if code == grpc.StatusCode.UNAVAILABLE:
        return "Nobody listens on the port that you returned. Was the server started?"
    if "is not an iterator" in details or "not iterable" in details:
        return (
            "The handler returned everything at once. A streaming handler gives message after message: "
            "`yield` each of them."
        )
    return f"The call ended in {code.name}: {details}"


def _browsing_stubs() -> tuple[ModuleType, ModuleType]:
    """Stubs of the contract with Browse, in a package of their own so that they collide with no others."""
    text = PROTO.read_text(encoding="utf-8").replace(RECOMMEND, f"{RECOMMEND}\n  {BROWSE}")
    name = "browsing_" + hashlib.sha256(text.encode()).hexdigest()[:8]
    text = text.replace('syntax = "proto3";', f'syntax = "proto3";\npackage {name};')
    with TemporaryDirectory(prefix="workshop-stubs-") as folder:
        (Path(folder) / f"{name}.proto").write_text(text, encoding="utf-8")
        protoc(folder, "--python_out=.", "--grpc_python_out=.", name=name)
        sys.path.insert(0, folder)
        try:
            invalidate_caches()
            return import_module(f"{name}_pb2"), import_module(f"{name}_pb2_grpc")
        finally:
            sys.path.remove(folder)
