"""Containers by user namespaces: what the kernel does for a container, as an ordinary user.

A container's first program is process 1 of its own process-id namespace, and a direct child of the engine: no
process stands between them. Its user namespace maps user 0 to the engine's user. A container's user who is
not 0 lives in a namespace within that one. Namespaces of networks are not made: an ordinary user could
connect one to nothing (see `networks`).
"""
