"""Plausible wrong answers to lesson 02, and a part of the nudge that each must get."""

from concurrent.futures import ThreadPoolExecutor

import grpc

import recommendations_pb2 as pb
import recommendations_pb2_grpc as pb_grpc


def titles(timeout=0.5, caught=grpc.RpcError, code=grpc.StatusCode.NOT_FOUND, instead=pb.MYSTERY):
    def answer(channel, category):
        stub = pb_grpc.RecommendationsStub(channel)
        request = pb.RecommendationRequest(user_id=1, category=category, max_results=3)
        try:
            response = stub.Recommend(request, timeout=timeout)
        except caught as error:
            if code and error.code() != code:
                raise
            request.category = instead
            response = stub.Recommend(request, timeout=0.5)
        return [book.title for book in response.recommendations]

    return answer


def with_rpc(line):
    def answer(contract):
        end_of_service = contract.rindex("}")
        return contract[:end_of_service] + line + "\n" + contract[end_of_service:]

    return answer


def changes_the_old_rpc(contract):
    browse = "rpc Browse(RecommendationRequest) returns (stream BookRecommendation);"
    return contract.replace("returns (RecommendationResponse);", "returns (BookRecommendation);\n" + browse)


def served(handler, add=True, start=True):
    def answer(pb, pb_grpc, find_books):
        class Servicer(pb_grpc.RecommendationsServicer):
            def Browse(self, request, context):
                return handler(pb, request, find_books)

        server = grpc.server(ThreadPoolExecutor(4))
        if add:
            pb_grpc.add_RecommendationsServicer_to_server(Servicer(), server)
        port = server.add_insecure_port("localhost:0")
        if start:
            server.start()
        return server, port

    return answer


def one_message(pb, request, find_books):
    for number, title in find_books(request.category, request.max_results):
        return pb.BookRecommendation(id=number, title=title)


def a_list(pb, request, find_books):
    found = find_books(request.category, request.max_results)
    return iter([pb.BookRecommendation(id=number, title=title) for number, title in found])


def of_the_user(pb, request, find_books):
    for number, title in find_books(request.category, request.user_id):
        yield pb.BookRecommendation(id=number, title=title)


def always_three(pb, request, find_books):
    for number, title in find_books(request.category, 3):
        yield pb.BookRecommendation(id=number, title=title)


def nothing(pb, request, find_books):
    yield from ()


WRONG = [
    ("02-1", "has no deadline", titles(timeout=None), "is called `timeout`"),
    ("02-1", "counts milliseconds", titles(timeout=500), "counts seconds"),
    ("02-1", "catches something else", titles(caught=ConnectionError), "still ends in NOT_FOUND"),
    ("02-1", "has another code", titles(code=grpc.StatusCode.UNAVAILABLE), "still ends in NOT_FOUND"),
    ("02-1", "hides every error", titles(code=None), "the function hid that"),
    ("02-1", "falls back to another shelf", titles(instead=pb.SELF_HELP), "the mysteries should come back"),
    ("02-2", "adds nothing", lambda contract: contract, "no rpc called Browse"),
    (
        "02-2",
        "has no stream",
        with_rpc("rpc Browse(RecommendationRequest) returns (BookRecommendation);"),
        "makes it many",
    ),
    (
        "02-2",
        "streams the wrong way",
        with_rpc("rpc Browse(stream RecommendationRequest) returns (BookRecommendation);"),
        "without `stream`",
    ),
    (
        "02-2",
        "streams whole lists",
        with_rpc("rpc Browse(RecommendationRequest) returns (stream RecommendationResponse);"),
        "One book at a time",
    ),
    (
        "02-2",
        "names a message that is not there",
        with_rpc("rpc Browse(RecommendationRequest) returns (stream Book);"),
        '"Book" is not defined',
    ),
    ("02-2", "changes the old rpc", changes_the_old_rpc, "only add"),
    ("02-3", "returns one message", served(one_message), "message after message"),
    ("02-3", "collects a list", served(a_list), "do not collect"),
    ("02-3", "reads another field", served(of_the_user), "We asked for 3 books and got 5"),
    ("02-3", "asks for three whatever is wanted", served(always_three), "How many is in the request"),
    ("02-3", "yields nothing", served(nothing), "without a single book"),
    ("02-3", "forgets to add the servicer", served(a_list, add=False), "add_…_to_server"),
]
