"""Whoever speaks the bare contract can stand on either side, whatever else they are made of."""

import subprocess
import sys
import urllib.request
from pathlib import Path

import grpc_tools.protoc
import pytest
from google.protobuf import descriptor_pb2

from processes import MARKETPLACE, RECOMMENDATIONS, Running, Start, free_port

# Written down a second time on purpose: this text is what others rely on, and it never changes.
BARE_CONTRACT = """
syntax = "proto3";
enum BookCategory { MYSTERY = 0; SCIENCE_FICTION = 1; SELF_HELP = 2; }
message RecommendationRequest { int32 user_id = 1; BookCategory category = 2; int32 max_results = 3; }
message BookRecommendation { int32 id = 1; string title = 2; }
message RecommendationResponse { repeated BookRecommendation recommendations = 1; }
service Recommendations { rpc Recommend (RecommendationRequest) returns (RecommendationResponse); }
"""

CLIENT = """
import sys, grpc, theirs_pb2, theirs_pb2_grpc
stub = theirs_pb2_grpc.RecommendationsStub(grpc.insecure_channel(sys.argv[1]))
request = theirs_pb2.RecommendationRequest(user_id=1, category=theirs_pb2.SELF_HELP, max_results=2)
print([book.id for book in stub.Recommend(request, timeout=10).recommendations])
"""

SERVER = """
import os, grpc, theirs_pb2, theirs_pb2_grpc
from concurrent.futures import ThreadPoolExecutor
class Servicer(theirs_pb2_grpc.RecommendationsServicer):
    def Recommend(self, request, context):
        title = f"for {request.user_id}, {request.category}, {request.max_results}"
        return theirs_pb2.RecommendationResponse(recommendations=[{"id": 7, "title": title}])
server = grpc.server(ThreadPoolExecutor())
theirs_pb2_grpc.add_RecommendationsServicer_to_server(Servicer(), server)
server.add_insecure_port(f"127.0.0.1:{os.environ['PORT']}")
server.start()
server.wait_for_termination()
"""


def compile_proto(proto: Path, *outputs: str) -> None:
    assert grpc_tools.protoc.main(["protoc", f"-I{proto.parent}", *outputs, str(proto)]) == 0


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    """A folder with stubs that somebody else generated from the bare contract."""
    proto = tmp_path / "theirs.proto"
    proto.write_text(BARE_CONTRACT)
    compile_proto(proto, f"--python_out={tmp_path}", f"--grpc_python_out={tmp_path}")
    return tmp_path


def test_their_client_calls_our_service(theirs: Path, recommendations: Running):
    command = [sys.executable, "-c", CLIENT, f"localhost:{recommendations.port}"]
    finished = subprocess.run(command, cwd=theirs, capture_output=True, text=True, timeout=60)
    assert finished.returncode == 0, finished.stderr
    assert len(eval(finished.stdout)) == 2


def test_our_marketplace_calls_their_service(theirs: Path, start: Start):
    server = start(["-c", SERVER], theirs)
    port = str(free_port())
    marketplace = start(
        ["server.py"], MARKETPLACE, PORT=port, RECOMMENDATIONS_HOST="127.0.0.1",
        RECOMMENDATIONS_PORT=str(server.port),
    )  # fmt: skip
    with urllib.request.urlopen(
        f"http://localhost:{marketplace.port}/?category=SELF_HELP", timeout=20
    ) as page:
        assert "for 1, 2, 3" in page.read().decode()


def test_the_contract_still_has_every_name_number_and_type_of_the_bare_one(tmp_path: Path):
    bare, ours = tmp_path / "bare.proto", tmp_path / "ours.proto"
    bare.write_text(BARE_CONTRACT)
    ours.write_bytes((RECOMMENDATIONS.parents[1] / "protobufs" / "recommendations.proto").read_bytes())
    assert _facts(bare) <= _facts(ours)


def _facts(proto: Path) -> set[tuple[object, ...]]:
    """What a file promises: one tuple for every field, enum value and method."""
    output = proto.with_suffix(".pb")
    compile_proto(proto, f"--descriptor_set_out={output}")
    file = descriptor_pb2.FileDescriptorSet.FromString(output.read_bytes()).file[0]
    fields = {
        (m.name, f.name, f.number, f.type, f.label, f.type_name) for m in file.message_type for f in m.field
    }
    values = {(e.name, v.name, v.number) for e in file.enum_type for v in e.value}
    methods = {
        (s.name, m.name, m.input_type, m.output_type, m.client_streaming, m.server_streaming)
        for s in file.service
        for m in s.method
    }
    return fields | values | methods | {("package", file.package)}
