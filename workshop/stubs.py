"""Generate the services' stubs from the contract."""

from importlib.resources import files
from pathlib import Path

from workshop.errors import PlainError
from workshop.repository import PROTO, SERVICES

FOLDERS = (SERVICES / "recommendations", SERVICES / "marketplace")
NAMES = ("recommendations_pb2.py", "recommendations_pb2.pyi", "recommendations_pb2_grpc.py")


class InvalidContract(PlainError):
    """The compiler refused the .proto file; its own words stand above this error."""


def generate(proto: Path = PROTO, folders: tuple[Path, ...] = FOLDERS) -> None:
    """Write the stubs of `proto` into each folder, like `python -m grpc_tools.protoc` does.

    Raises:
        InvalidContract: the file does not compile.
    """
    from grpc_tools import protoc  # Slow to load, and needed only when the contract has changed.

    for folder in folders:
        arguments = [
            "protoc",
            f"-I{proto.parent}",
            f"-I{files('grpc_tools') / '_proto'}",
            f"--python_out={folder}",
            f"--pyi_out={folder}",
            f"--grpc_python_out={folder}",
            str(proto),
        ]
        if protoc.main(arguments) != 0:
            raise InvalidContract(f"{proto} does not compile; mend the line that protoc names above")


def are_current(proto: Path = PROTO, folders: tuple[Path, ...] = FOLDERS) -> bool:
    """Tell whether every stub exists and is younger than the contract."""
    stubs = [folder / name for folder in folders for name in NAMES]
    return all(stub.exists() and stub.stat().st_mtime >= proto.stat().st_mtime for stub in stubs)
