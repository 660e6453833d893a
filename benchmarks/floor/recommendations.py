"""The floor: an asyncio handler that does nothing. No server in Python with this library can be faster."""

import asyncio

import grpc

import recommendations_pb2 as pb
import recommendations_pb2_grpc as pb_grpc


class EmptyServicer(pb_grpc.RecommendationsServicer):
    async def Recommend(self, request, context):
        return pb.RecommendationResponse()


async def serve() -> None:
    server = grpc.aio.server()
    pb_grpc.add_RecommendationsServicer_to_server(EmptyServicer(), server)
    server.add_insecure_port("[::]:50051")
    await server.start()
    await server.wait_for_termination()


asyncio.run(serve())
