"""Where an engine of a user's own lies, when nobody says otherwise."""

import os
from pathlib import Path


def cache() -> Path:
    """The engine's folder below the user's cache directory."""
    chosen = Path(os.environ.get("XDG_CACHE_HOME", ""))
    # The XDG specification wants a relative path to be ignored.
    return (chosen if chosen.is_absolute() else Path.home() / ".cache") / "pocket-engine"


def socket() -> Path:
    """The socket that it listens on."""
    return cache() / "engine.sock"


def data_root() -> Path:
    """Its images, containers, networks and volumes."""
    return cache() / "data"
