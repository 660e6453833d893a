"""Reads and writes a container's files as its own programs would see them."""

import os
import sys
from typing import Any, NoReturn

from pocket_engine.errors import EngineError
from pocket_engine.files import Tree

from . import kernel, mounts, namespaces
from .channel import Channel


def main() -> NoReturn:
    """Do what the request on the channel (the argument is its file descriptor) asks for.

    Archives come by the standard input and go to the standard output. The channel says `result`, or `error`
    and the HTTP `status` of it.
    """
    channel = Channel(int(sys.argv[1]))
    request = channel.request
    try:
        tree = Tree(_enter(request), request["container"], request["mounted"], request["read_only"])
        channel.tell(result=_act(tree, request))
    except EngineError as error:
        channel.tell(error=error.message, status=error.status)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        channel.tell(error=f"{where}{error.strerror}", status=EngineError.status)
    os._exit(0)


def _enter(request: dict[str, Any]) -> str:
    """Go where the files are; the path of their root."""
    if "namespaces" in request:
        namespaces.join(request["namespaces"], ("user", "mnt"))
    else:
        namespaces.make()
        outside = mounts.enter_root(request["root"])
        mounts.mount_all(outside, request["mounts"])
        outside.close()
    if request["action"] != "export":
        return "/"
    os.fchdir(kernel.open_tree("/"))  # Without what is mounted further down.
    return "."


def _act(tree: Tree, request: dict[str, Any]) -> Any:
    match request["action"]:
        case "stat":
            return tree.stat(request["path"])
        case "pack":
            with open(1, "wb", closefd=False) as archive:
                tree.pack(request["path"], archive)
        case "unpack":
            with open(0, "rb", closefd=False) as archive:
                tree.unpack(request["path"], archive, request["no_overwrite"])
        case "export":
            with open(1, "wb", closefd=False) as archive:
                tree.export(archive)
