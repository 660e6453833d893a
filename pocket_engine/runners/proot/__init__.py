"""Containers by PRoot: where the kernel allows an ordinary user nothing but to trace its own programs.

    engine ── monitor ─┬─ PRoot          translates the paths of all that runs inside
                       └─ the program    as whose parent the monitor learns how it ends

There is a monitor, and a PRoot, for a container's first program and for each that is started beside it. All
share the container's files, which are a full copy (see `filesystems.copies`).
"""
