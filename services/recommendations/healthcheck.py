"""Exit with 0 when the service on this machine says SERVING: the image's HEALTHCHECK."""

import logging
import os
import sys

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

import tls

address = f"localhost:{os.environ.get('PORT', '50051')}"
options = [("grpc.enable_http_proxy", 0)]
if files := tls.files(logging.getLogger("healthcheck")):
    identity = files.renewed() or sys.exit("the certificate cannot be used")
    credentials = grpc.ssl_channel_credentials(identity.authority, identity.key, identity.certificate)
    # The certificate is for the service's name; here it is called on its own machine.
    channel = grpc.secure_channel(
        address, credentials, [*options, ("grpc.ssl_target_name_override", "recommendations")]
    )
else:
    channel = grpc.insecure_channel(address, options)
request = health_pb2.HealthCheckRequest(service="Recommendations")
answer = health_pb2_grpc.HealthStub(channel).Check(request, timeout=2)
sys.exit(answer.status != health_pb2.HealthCheckResponse.SERVING)
