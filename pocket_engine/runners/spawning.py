"""Child processes that never outlive the engine, however it ends."""

import ctypes
import os
import signal
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

PR_SET_PDEATHSIG = 1

# Looked up before any fork: nothing may be loaded between a fork and its exec.
_prctl = ctypes.CDLL(None, use_errno=True).prctl

# The kernel sends the parent-death signal when the *thread* that forked ends, not its process. This one
# ends with the engine only.
_immortal = ThreadPoolExecutor(max_workers=1, thread_name_prefix="spawning")


def spawn(arguments: Sequence[str | os.PathLike[str]], **options: Any) -> subprocess.Popen:
    """Start a program that the kernel kills when the engine ends, also by SIGKILL.

    Args:
        arguments: the program and its arguments.
        options: those of `subprocess.Popen`, without `preexec_fn`.

    Raises:
        OSError: it cannot be started.
    """
    engine = os.getpid()

    def die_with_the_engine() -> None:
        _prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != engine:  # It ended before the kernel was told.
            os._exit(1)

    def start() -> subprocess.Popen:
        return subprocess.Popen(arguments, preexec_fn=die_with_the_engine, **options)

    return _immortal.submit(start).result()
