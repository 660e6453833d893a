"""As many open connections as the system lets us have.

Both services have this file, each its own copy: a shared library would tie their releases together.
"""

import sys
from contextlib import suppress


def allow_many_connections() -> None:
    """Raise this process's limit of open files, which counts connections, to what it may be.

    Where the limit is 1024, as in many shells, a thousand clients that say nothing would shut out all others.
    """
    if sys.platform != "win32":  # There, connections are no files.
        import resource

        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        with suppress(ValueError, OSError):  # macOS calls the limit infinite, and then refuses that.
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
