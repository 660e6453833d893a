"""Recommendations as first tutorials write it: ten threads, and no thought of being stopped."""

from concurrent import futures
from random import sample

import grpc

import recommendations_pb2 as pb
import recommendations_pb2_grpc as pb_grpc

BOOKS = {
    pb.MYSTERY: ["The Maltese Falcon", "Murder on the Orient Express", "The Hound of the Baskervilles"],
    pb.SCIENCE_FICTION: ["The Hitchhiker's Guide to the Galaxy", "Ender's Game", "The Dune Chronicles"],
    pb.SELF_HELP: ["The 7 Habits of Highly Effective People", "Getting Things Done", "Quiet"],
}


class RecommendationsServicer(pb_grpc.RecommendationsServicer):
    def Recommend(self, request, context):
        if request.category not in BOOKS:
            context.abort(grpc.StatusCode.NOT_FOUND, "Category not found")
        titles = BOOKS[request.category]
        picked = sample(titles, min(request.max_results, len(titles)))
        books = [pb.BookRecommendation(id=titles.index(title) + 1, title=title) for title in picked]
        return pb.RecommendationResponse(recommendations=books)


def serve():
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=10))
    pb_grpc.add_RecommendationsServicer_to_server(RecommendationsServicer(), server)
    server.add_insecure_port("[::]:50051")
    server.start()
    server.wait_for_termination()


if __name__ == "__main__":
    serve()
