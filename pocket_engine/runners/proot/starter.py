"""The first program that runs inside: it starts the container's own program, and gets out of the way.

A process that PRoot starts is PRoot's child, and PRoot does not tell which signal ended it. The starter is
PRoot's child instead: it forks and ends, so that the kernel gives the container's program to the nearest
subreaper, the monitor, which learns how it ends as any parent does. The starter also makes the program lead a
session of its own, and keeps from it what PRoot has in its environment.

    starter PATH [NAME=value …] "" ARGUMENT_0 [ARGUMENT …]

An image may have no shell, no loader and no C library, and this machine no compiler. So the starter is a
program of a few instructions, written out here for each kind of processor.
"""

import os
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

_X86_64 = bytes.fromhex(
    "b839000000 0f05"  #       fork()
    "85c0 7543"  #             if it answered a child's id: goto leave
    "b870000000 0f05"  #       setsid()
    "31ff be0e540000 31d2"  #
    "b810000000 0f05"  #       ioctl(0, TIOCSCTTY, 0): fails when stdin is no terminal
    "488b7c2410"  #            path = argv[1]
    "488d542418 4889d6"  #     environment = next = &argv[2]
    "488b06 4883c608"  #       search: item = *next++
    "803800 75f4"  #           if *item is not 0: goto search
    "488366f800"  #            next[-1] = NULL: here the environment ends, and the arguments begin
    "b83b000000 0f05"  #       execve(path, next, environment)
    "bf7f000000 eb02"  #       status = 127; goto exit
    "31ff"  #                  leave: status = 0
    "b8e7000000 0f05"  #       exit: exit_group(status)
)

_AARCH64 = struct.pack(
    "<29I",
    *(0xD2800220, 0xD2800001, 0xD2800002, 0xD2800003, 0xD2800004),
    *(0xD2801B88, 0xD4000001),  # clone(SIGCHLD, 0, 0, 0, 0)
    0xB5000260,  # if it answered a child's id: goto leave
    *(0xD28013A8, 0xD4000001),  # setsid()
    *(0xD2800000, 0xD28A81C1, 0xD2800002),
    *(0xD28003A8, 0xD4000001),  # ioctl(0, TIOCSCTTY, 0): fails when stdin is no terminal
    0xF9400BE0,  # path = argv[1]
    *(0x910063E2, 0xAA0203E1),  # environment = next = &argv[2]
    0xF8408423,  # search: item = *next++
    *(0x39400064, 0x35FFFFC4),  # if *item is not 0: goto search
    0xF81F803F,  # next[-1] = NULL: here the environment ends, and the arguments begin
    *(0xD2801BA8, 0xD4000001),  # execve(path, next, environment)
    *(0xD2800FE0, 0x14000002),  # status = 127; goto exit
    0xD2800000,  # leave: status = 0
    *(0xD2800BC8, 0xD4000001),  # exit: exit_group(status)
)

# The ELF machine number and the instructions, by the kernel's name for the processor.
PROCESSORS = {"x86_64": (62, _X86_64), "aarch64": (183, _AARCH64)}

# Where a container has it.
INSIDE = "/dev/.starter"

_ADDRESS = 0x400000
_HEADERS = 64 + 56


def write(file: Path, processor: str) -> None:
    """Write the starter as an executable file; what is there already is replaced in one step.

    Args:
        file: where.
        processor: one of PROCESSORS.
    """
    machine, instructions = PROCESSORS[processor]
    size = _HEADERS + len(instructions)
    executable, current, readable_and_executable = 2, 1, 5
    identity = b"\x7fELF" + bytes((2, 1, current)) + bytes(9)  # 64 bits, little-endian
    header = struct.pack(
        "<16sHHIQQQIHHHHHH",
        *(identity, executable, machine, current, _ADDRESS + _HEADERS),
        *(64, 0, 0, 64, 56, 1, 0, 0, 0),  # One program header, and no sections.
    )
    loaded = struct.pack("<IIQQQQQQ", 1, readable_and_executable, 0, _ADDRESS, _ADDRESS, size, size, 0x10000)
    unfinished = file.with_name(f".{file.name}.{os.getpid()}")
    unfinished.write_bytes(header + loaded + instructions)
    unfinished.chmod(0o755)
    unfinished.replace(file)


def arguments(path: str, environment: Mapping[str, str], of_program: Sequence[str]) -> list[str]:
    """What the starter is to be told.

    Args:
        path: the program, as it is found inside.
        environment: its variables.
        of_program: its arguments, its own name first.
    """
    return [path, *(f"{name}={value}" for name, value in environment.items()), "", *of_program]
