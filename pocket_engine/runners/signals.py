"""Signals as a program expects to find them when it starts."""

import contextlib
import ctypes
import os
import signal

# The C library keeps these two for its threads and lets nobody handle them, so that neither it nor Python can
# stop ignoring them. But whoever started the engine may ignore them, and programs would inherit that.
_OF_THE_C_LIBRARY = (32, 33)

_RT_SIGACTION = {"x86_64": 13}.get(os.uname().machine, 134)  # Newer processors share their numbers.
_syscall = ctypes.CDLL(None).syscall
_default = bytes(32)  # The kernel's struct sigaction: SIG_DFL, no flags, no restorer, an empty mask.


def reset() -> None:
    """Handle every signal by default, and block none."""
    for handled in signal.valid_signals():
        with contextlib.suppress(OSError, ValueError):  # Those that cannot be caught.
            signal.signal(handled, signal.SIG_DFL)
    for number in _OF_THE_C_LIBRARY:
        _syscall(_RT_SIGACTION, number, _default, None, ctypes.c_size_t(8))
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
