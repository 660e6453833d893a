"""Recommendations keeps its contract, for every input, until it is asked to stop."""

import asyncio
import json
import threading

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import recommendations_pb2 as pb
import recommendations_pb2_grpc as pb_grpc
from catalogue import BOOKS_FILE, Book, Catalogue
from processes import RECOMMENDATIONS, Start

INT32 = st.integers(-(2**31), 2**31 - 1)
SERVING = health_pb2.HealthCheckResponse.SERVING

# A service whose every call takes a second, to have one in flight.
SLOW_SERVICE = """
import asyncio, recommendations
class Slow(recommendations.RecommendationsServicer):
    async def Recommend(self, request, context):
        print("in flight", flush=True)
        await asyncio.sleep(1)
        return await super().Recommend(request, context)
recommendations.RecommendationsServicer = Slow
recommendations.main()
"""


def ask(channel, **fields):
    request = pb.RecommendationRequest(**fields)
    return pb_grpc.RecommendationsStub(channel).Recommend(request, timeout=10).recommendations


def test_the_catalogue_has_twenty_real_books_or_more_on_each_of_three_shelves():
    shelves = json.loads(BOOKS_FILE.read_text(encoding="utf-8"))
    assert set(shelves) == {"MYSTERY", "SCIENCE_FICTION", "SELF_HELP"}
    books = [Book(**book) for shelf in shelves.values() for book in shelf]
    assert all(len(shelf) >= 20 for shelf in shelves.values())
    assert len({book.id for book in books}) == len({book.title for book in books}) == len(books)


def test_a_pick_has_no_book_twice_and_is_the_same_for_the_same_user():
    catalogue = Catalogue({0: [Book(1, "One"), Book(2, "Two"), Book(3, "Three")]})
    first = [catalogue.pick(user, category=0, count=2) for user in range(20)]
    assert all(len(set(books)) == 2 for books in first)
    assert first == [catalogue.pick(user, category=0, count=2) for user in range(20)]
    assert sorted(catalogue.pick(user_id=7, category=0, count=99)) == [(1, "One"), (2, "Two"), (3, "Three")]


def test_users_have_different_tastes():
    catalogue = Catalogue.load(dict(pb.BookCategory.items()))
    assert len({tuple(catalogue.pick(user, pb.MYSTERY, 3)) for user in range(20)}) > 10


def test_a_data_file_with_an_unknown_category_is_refused(tmp_path):
    file = tmp_path / "books.json"
    file.write_text('{"COOKING": []}')
    with pytest.raises(KeyError, match="COOKING"):
        Catalogue.load(dict(pb.BookCategory.items()), file)


@pytest.mark.parametrize("category", ["MYSTERY", "SCIENCE_FICTION", "SELF_HELP"])
def test_every_category_gets_books_from_its_own_shelf(channel, category):
    shelf = {book["id"]: book["title"] for book in json.loads(BOOKS_FILE.read_text("utf-8"))[category]}
    books = ask(channel, user_id=1, category=category, max_results=3)
    assert len(books) == 3
    assert all(shelf[book.id] == book.title for book in books)


def test_more_books_than_there_are_gives_the_whole_shelf(channel):
    assert len(ask(channel, category=pb.MYSTERY, max_results=2**31 - 1)) == 24


@pytest.mark.parametrize(
    ("fields", "code", "words"),
    [
        ({"category": 3, "max_results": 1}, grpc.StatusCode.NOT_FOUND, "category 3"),
        ({"category": -1, "max_results": 1}, grpc.StatusCode.NOT_FOUND, "category -1"),
        ({"category": 0, "max_results": 0}, grpc.StatusCode.INVALID_ARGUMENT, "max_results is 0"),
        ({"category": 0, "max_results": -5}, grpc.StatusCode.INVALID_ARGUMENT, "max_results is -5"),
        ({}, grpc.StatusCode.INVALID_ARGUMENT, "max_results is 0"),
    ],
)
def test_bad_input_gets_a_code_and_a_sentence(channel, fields, code, words):
    with pytest.raises(grpc.RpcError) as caught:
        ask(channel, **fields)
    assert caught.value.code() == code
    assert words in caught.value.details()


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(user_id=INT32, category=INT32, max_results=INT32)
def test_no_number_makes_it_crash_or_answer_unknown(channel, user_id, category, max_results):
    try:
        books = ask(channel, user_id=user_id, category=category, max_results=max_results)
    except grpc.RpcError as error:
        expected = grpc.StatusCode.INVALID_ARGUMENT if max_results < 1 else grpc.StatusCode.NOT_FOUND
        assert error.code() == expected
    else:
        assert category in (0, 1, 2)
        assert len(books) == min(max_results, 24)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(junk=st.binary(max_size=200))
def test_no_bytes_make_it_crash_or_answer_unknown(channel, junk):
    raw = channel.unary_unary("/Recommendations/Recommend")
    try:
        raw(junk, timeout=10)
    except grpc.RpcError as error:
        assert error.code() in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND)
    assert len(ask(channel, max_results=1)) == 1


def test_health_speaks_for_the_process_and_for_the_service(channel):
    stub = health_pb2_grpc.HealthStub(channel)
    for service in ("", "Recommendations"):
        assert stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=10).status == SERVING
    with pytest.raises(grpc.RpcError) as caught:
        stub.Check(health_pb2.HealthCheckRequest(service="Nobody"), timeout=10)
    assert caught.value.code() == grpc.StatusCode.NOT_FOUND


def test_reflection_tells_a_stranger_what_can_be_called(channel):
    services = ProtoReflectionDescriptorDatabase(channel).get_services()
    assert {"Recommendations", "grpc.health.v1.Health"} <= set(services)


def test_each_request_leaves_one_json_line_and_probes_leave_none(recommendations, channel):
    ask(channel, category=pb.MYSTERY, max_results=1)
    health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=10)
    with pytest.raises(grpc.RpcError):
        ask(channel, category=9, max_results=1)
    assert recommendations.stop() == 0
    calls = [line for line in map(json.loads, recommendations.log.splitlines()) if line["message"] == "call"]
    assert [(call["method"], call["code"]) for call in calls] == [
        ("/Recommendations/Recommend", "OK"),
        ("/Recommendations/Recommend", "NOT_FOUND"),
    ]
    assert all(call["ms"] >= 0 for call in calls)


def test_a_fault_in_the_handler_is_internal_and_its_text_stays_inside(start: Start):
    fault = "import recommendations, catalogue\n"
    fault += "def broken(*_): raise RuntimeError('secret path')\n"
    fault += "catalogue.Catalogue.pick = broken\nrecommendations.main()\n"
    service = start(["-c", fault], RECOMMENDATIONS)
    with (
        grpc.insecure_channel(f"localhost:{service.port}") as channel,
        pytest.raises(grpc.RpcError) as caught,
    ):
        ask(channel, max_results=1)
    assert caught.value.code() == grpc.StatusCode.INTERNAL
    assert "secret" not in caught.value.details()
    assert "secret path" in service.log


def test_sigterm_lets_the_call_in_flight_finish(start: Start):
    service = start(["-c", SLOW_SERVICE], RECOMMENDATIONS)
    with grpc.insecure_channel(f"localhost:{service.port}") as channel:
        request = pb.RecommendationRequest(max_results=2)
        call = pb_grpc.RecommendationsStub(channel).Recommend.future(request, timeout=10)
        arrived = threading.Event()
        while "in flight" not in service.log and not arrived.wait(0.02):
            pass
        assert service.stop() == 0
        assert len(call.result().recommendations) == 2


def test_a_second_service_on_the_same_port_says_so_in_one_line(recommendations, start: Start):
    with pytest.raises(AssertionError, match="cannot listen on port") as caught:
        second = start(["recommendations.py"], RECOMMENDATIONS, PORT=str(recommendations.port))
        second.process.wait(timeout=20)
        second.wait_until_it_listens()
    assert "Traceback" not in str(caught.value)


def test_the_servicer_can_be_tested_without_a_server():
    import recommendations

    servicer = recommendations.RecommendationsServicer(Catalogue({2: [Book(5, "Five")]}))
    request = pb.RecommendationRequest(category=2, max_results=1)
    response = asyncio.run(servicer.Recommend(request, None))
    assert [(book.id, book.title) for book in response.recommendations] == [(5, "Five")]


def test_a_client_that_watches_the_health_hears_of_the_stop_and_does_not_hold_it_up(start: Start):
    service = start(["recommendations.py"], RECOMMENDATIONS)
    with grpc.insecure_channel(f"localhost:{service.port}") as channel:
        request = health_pb2.HealthCheckRequest(service="Recommendations")
        watch = health_pb2_grpc.HealthStub(channel).Watch(request, timeout=30)
        assert next(watch).status == SERVING
        stopped = threading.Thread(target=service.stop)
        stopped.start()
        assert next(watch).status == health_pb2.HealthCheckResponse.NOT_SERVING
        assert list(watch) == [], "it ends, and not by an error"
        stopped.join()
    assert service.process.returncode == 0
    assert "Traceback" not in service.log
