"""Files in memory as the tar archive that an engine takes: for `put_archive`, and as a build's context."""

import io
import tarfile
from collections.abc import Mapping

SERVICE_USER = 10001  # Who runs in the services' images.


def pack(
    files: Mapping[str, bytes],
    links: Mapping[str, str] | None = None,
    owner: int = SERVICE_USER,
    mode: int = 0o400,
) -> io.BytesIO:
    """Pack files, and symbolic links.

    Args:
        files: the content of each, by its path.
        links: where each leads, by its path.
        owner: the user, and group, that the files belong to.
        mode: the rights of each file; by default, its owner may read it, and nobody else.
    """
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for path, content in files.items():
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode, entry.uid, entry.gid = len(content), mode, owner, owner
            archive.addfile(entry, io.BytesIO(content))
        for path, target in (links or {}).items():
            entry = tarfile.TarInfo(path)
            entry.type, entry.linkname = tarfile.SYMTYPE, target
            archive.addfile(entry)
    packed.seek(0)
    return packed
