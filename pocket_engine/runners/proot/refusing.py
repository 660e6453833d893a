"""System calls that PRoot does not know, answered as by an older kernel, which does not have them.

PRoot passes on a system call that came after it: its paths are not translated, and the program meets the
machine's own files. Programs and C libraries fall back on older calls where the kernel says ENOSYS, so a
seccomp filter says that. No new call that takes a path may be missing here.
"""

import ctypes
import errno
import os
import struct

PR_SET_NO_NEW_PRIVS = 38
PR_SET_SECCOMP = 22
SECCOMP_MODE_FILTER = 2

_LOAD_WORD, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x15, 0x06  # From linux/bpf_common.h.
_NUMBER_AT, _ARCHITECTURE_AT = 0, 4  # In struct seccomp_data.
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000 | errno.ENOSYS

# Numbers from 424 on are the same on every processor.
_NEWER = {
    "io_uring_setup": 425,  # It opens files by itself.
    "open_tree": 428,
    "fspick": 433,
    "clone3": 435,  # No path, but PRoot must see its flags.
    "openat2": 437,
    "faccessat2": 439,
    "mount_setattr": 442,
    "fchmodat2": 452,
    "setxattrat": 463,
    "getxattrat": 464,
    "listxattrat": 465,
    "removexattrat": 466,
    "open_tree_attr": 467,
    "file_getattr": 468,
    "file_setattr": 469,
}

# By the kernel's name for the processor: its number in a filter, and calls with numbers of its own.
_OWN = {
    "x86_64": (0xC000003E, {"name_to_handle_at": 303, "execveat": 322, "statx": 332}),
    "aarch64": (0xC00000B7, {"name_to_handle_at": 264, "execveat": 281, "statx": 291}),
}

_prctl = ctypes.CDLL(None, use_errno=True).prctl


def refuse_newer_calls() -> None:
    """Let these system calls fail in this process, and in all that it starts, for good.

    Raises:
        OSError: the kernel does not allow a filter.
    """
    architecture, own = _OWN[os.uname().machine]
    numbers = [*own.values(), *_NEWER.values()]
    instructions = [
        _instruction(_LOAD_WORD, _ARCHITECTURE_AT),
        _instruction(_JUMP_IF_EQUAL, architecture, 1, 0),
        _instruction(_RETURN, _ALLOW),
        _instruction(_LOAD_WORD, _NUMBER_AT),
        *(
            _instruction(_JUMP_IF_EQUAL, number, len(numbers) - index, 0)
            for index, number in enumerate(numbers)
        ),
        _instruction(_RETURN, _ALLOW),
        _instruction(_RETURN, _REFUSE),
    ]
    code = ctypes.create_string_buffer(b"".join(instructions))
    program = struct.pack("HxxxxxxP", len(instructions), ctypes.addressof(code))
    for option, value, data in (
        (PR_SET_NO_NEW_PRIVS, 1, None),  # Without it only root may filter.
        (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, program),
    ):
        if _prctl(option, ctypes.c_ulong(value), data, ctypes.c_ulong(0), ctypes.c_ulong(0)) != 0:
            number = ctypes.get_errno()
            raise OSError(number, f"seccomp: {os.strerror(number)}")


def _instruction(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("HBBI", code, if_true, if_false, value)
