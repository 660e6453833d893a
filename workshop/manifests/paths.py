"""Where a field stands in a manifest, how that is written, and what stands there."""

import re
from typing import Any

import yaml

Keys = tuple[str | int, ...]


class UnknownField(LookupError):
    """No field has this path, or no object of Kubernetes this kind; the message names the nearest."""


def find(manifest: Any, path: str | Keys) -> Any:
    """What a manifest has at `path`.

    Raises:
        UnknownField: it has nothing there.
    """
    keys = parse_path(path) if isinstance(path, str) else path
    for position, key in enumerate(keys):
        try:
            manifest = manifest[key]
        except (KeyError, IndexError, TypeError):
            raise UnknownField(f"the manifest has no {write_path(keys[: position + 1])}") from None
    return manifest


def in_yaml(value: Any) -> str:
    """A value as YAML on one line."""
    return yaml.safe_dump(value, default_flow_style=True, width=1000).removesuffix("\n").removesuffix("\n...")


def parse_path(path: str) -> Keys:
    """Split `spec.ports[0]["a.b/c"]` into `("spec", "ports", 0, "a.b/c")`."""
    pieces = re.findall(r'\["([^"]*)"\]|\[(\d*)\]|([^.\[\]]+)', path)
    return tuple(
        quoted or (int(number) if number else name)
        for quoted, number, name in pieces
        if quoted or number or name
    )


def write_path(keys: Keys) -> str:
    """The opposite of `parse_path`."""
    text = ""
    for key in keys:
        if isinstance(key, int):
            text += f"[{key}]"
        else:
            text += f".{key}" if re.fullmatch(r"[\w-]+", key) else f'["{key}"]'
    return text.removeprefix(".")
