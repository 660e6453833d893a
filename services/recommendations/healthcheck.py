"""Exit with 0 when the service on this machine says SERVING: the image's HEALTHCHECK."""

import os
import sys

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

address = f"localhost:{os.environ.get('PORT', '50051')}"
with grpc.insecure_channel(address, options=[("grpc.enable_http_proxy", 0)]) as channel:
    request = health_pb2.HealthCheckRequest(service="Recommendations")
    answer = health_pb2_grpc.HealthStub(channel).Check(request, timeout=2)
sys.exit(answer.status != health_pb2.HealthCheckResponse.SERVING)
