"""What a program is capable of, at most."""

import errno
from collections.abc import Iterable

from . import kernel

# The positions are the kernel's numbers.
_NAMES = (
    *("CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP"),
    *("LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK"),
    *("IPC_OWNER", "SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN"),
    *("SYS_BOOT", "SYS_NICE", "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE", "AUDIT_WRITE"),
    *("AUDIT_CONTROL", "SETFCAP", "MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND"),
    *("AUDIT_READ", "PERFMON", "BPF", "CHECKPOINT_RESTORE"),
)


def limit_capabilities(kept: list[str]) -> None:
    """Drop all other capabilities from those that this process, and what it starts, can ever have.

    Args:
        kept: names such as `CAP_CHOWN`.
    """
    for number in range(64):
        name = f"CAP_{_NAMES[number]}" if number < len(_NAMES) else ""
        if name in kept:
            continue
        try:
            kernel.prctl(kernel.PR_CAPBSET_DROP, number)
        except OSError as error:
            if error.errno == errno.EINVAL:  # The kernel has no more.
                return
            raise


def mask(names: Iterable[str]) -> int:
    """A set of capabilities as the kernel writes it: one bit for each.

    Args:
        names: such as `CAP_CHOWN`; those that the kernel does not have are left out.
    """
    wanted = {name.removeprefix("CAP_") for name in names}
    return sum(1 << number for number, name in enumerate(_NAMES) if name in wanted)
