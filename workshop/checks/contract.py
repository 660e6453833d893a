"""Compile a contract for a check, apart from the messages that the notebook has imported."""

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace

from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

from workshop.stubs import InvalidContract


def compiled(text: str) -> FileDescriptorProto:
    """What the compiler makes of the text of a .proto file.

    Raises:
        InvalidContract: it does not compile; the message is the compiler's own.
    """
    with TemporaryDirectory(prefix="workshop-contract-") as folder:
        (Path(folder) / "contract.proto").write_text(text, encoding="utf-8")
        protoc(folder, "--descriptor_set_out=contract.bin")
        return FileDescriptorSet.FromString((Path(folder) / "contract.bin").read_bytes()).file[0]


def protoc(folder: str, *arguments: str, name: str = "contract") -> None:
    """Run the compiler in `folder` on `name`.proto.

    Raises:
        InvalidContract: it refused the file; the message is its own.
    """
    command = [sys.executable, "-m", "grpc_tools.protoc", "-I.", *arguments, f"{name}.proto"]
    finished = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if finished.returncode != 0:
        raise InvalidContract(finished.stderr.strip())


def messages(contract: FileDescriptorProto) -> SimpleNamespace:
    """The classes of a contract's messages, in a pool of their own so that they collide with no others."""
    pool = descriptor_pool.DescriptorPool()
    pool.Add(contract)
    found = (pool.FindMessageTypeByName(message.name) for message in contract.message_type)
    return SimpleNamespace(**{one.name: message_factory.GetMessageClass(one) for one in found})
