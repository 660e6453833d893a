"""How a layer on disk says that a file of the layers below it is gone.

overlayfs' own sign is a character device 0:0, which ordinary users may make, but not on every file system:
not on an overlay, for one, and that is what a container's files are on. There a socket stands for it. No
layer has one of its own: a tar has no place for it. And where overlays can be mounted, devices can be made.
"""

import os
import stat
from pathlib import Path

DEVICE = os.makedev(0, 0)


def white_out(path: str | Path) -> None:
    """Say that a file is gone.

    Raises:
        FileExistsError: the layer has a file there itself.
    """
    try:
        os.mknod(path, stat.S_IFCHR, DEVICE)
    except PermissionError:
        os.mknod(path, stat.S_IFSOCK)


def is_whiteout(status: os.stat_result) -> bool:
    """Whether something in a layer stands for a file that is gone, by what lstat() says of it."""
    is_device = stat.S_ISCHR(status.st_mode) and status.st_rdev == DEVICE
    return is_device or stat.S_ISSOCK(status.st_mode)
