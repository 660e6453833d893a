"""The library that is preloaded into every program of a container; see `pocket.h` for what it does."""

from .building import WITHOUT, CannotBuild, begin

__all__ = ["WITHOUT", "CannotBuild", "begin"]
