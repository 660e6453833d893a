"""The system calls that Python has no functions for."""

import ctypes
import os

CLONE_NEWNS = 0x0002_0000
CLONE_PARENT = 0x0000_8000
CLONE_NEWUTS = 0x0400_0000
CLONE_NEWIPC = 0x0800_0000
CLONE_NEWUSER = 0x1000_0000
CLONE_NEWPID = 0x2000_0000

MS_RDONLY = 0x1
MS_NOSUID = 0x2
MS_NODEV = 0x4
MS_NOEXEC = 0x8
MS_BIND = 0x1000
MS_REC = 0x4000
MS_PRIVATE = 0x4_0000
MNT_DETACH = 2

PR_SET_PDEATHSIG = 1
PR_CAPBSET_DROP = 24
PR_SET_NO_NEW_PRIVS = 38

# Numbers from 424 on are the same on every processor.
_NUMBERS = {"open_tree": 428, "clone3": 435, "mount_setattr": 442}

_AT_FDCWD = -100
_AT_RECURSIVE = 0x8000
_OPEN_TREE_CLONE = 1
_MOUNT_ATTR_RDONLY = 1

_libc = ctypes.CDLL(None, use_errno=True)


def _call(name: str, *arguments: object) -> int:
    result = getattr(_libc, name)(*arguments)
    if result < 0:
        raise _error(name)
    return result


def _error(name: str) -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number), name)


def _syscall(name: str, *arguments: object) -> int:
    """Call one that not every libc has a function for."""
    result = _libc.syscall(ctypes.c_long(_NUMBERS[name]), *arguments)
    if result < 0:
        raise _error(name)
    return result


def unshare(flags: int) -> None:
    """Go on in new namespaces."""
    _call("unshare", flags)


def setns(descriptor: int, kind: int) -> None:
    """Go on in the namespace that a file descriptor stands for."""
    _call("setns", descriptor, kind)


def prctl(option: int, value: int) -> None:
    """Change something about this process."""
    _call("prctl", option, ctypes.c_ulong(value), *[ctypes.c_ulong(0)] * 3)


def fork_sibling(flags: int = 0) -> int:
    """Fork into new namespaces a child that is not ours but our parent's.

    Returns:
        Its process id; 0 in the child.
    """
    arguments = (ctypes.c_uint64 * 8)(flags | CLONE_PARENT)
    return _syscall("clone3", arguments, ctypes.sizeof(arguments))


def mount(source: str, target: str, kind: str = "", flags: int = 0, data: str = "") -> None:
    """Mount a file system, or with MS_BIND show a file or folder at a second place."""
    _call("mount", source.encode(), target.encode(), kind.encode() or None, flags, data.encode() or None)


def mount_read_only(target: str, recursive: bool = False) -> None:
    """Let what is mounted there refuse to be written, keeping what else the kernel has locked on it."""
    attributes = (ctypes.c_uint64 * 4)(_MOUNT_ATTR_RDONLY)
    flags = _AT_RECURSIVE if recursive else 0
    size = ctypes.c_size_t(ctypes.sizeof(attributes))
    _syscall("mount_setattr", _AT_FDCWD, target.encode(), flags, attributes, size)


def open_tree(path: str) -> int:
    """A file descriptor of what is mounted at a path, without what is mounted further down."""
    return _syscall("open_tree", _AT_FDCWD, path.encode(), _OPEN_TREE_CLONE | os.O_CLOEXEC)


def pivot_root(new: str, old: str) -> None:
    """Make a mounted folder this mount namespace's root."""
    _call("pivot_root", new.encode(), old.encode())


def unmount(target: str) -> None:
    """Take a mount away, as soon as nobody uses it."""
    _call("umount2", target.encode(), MNT_DETACH)


def set_hostname(name: str) -> None:
    """Name this machine, in this UTS namespace."""
    text = name.encode()
    _call("sethostname", text, ctypes.c_size_t(len(text)))
