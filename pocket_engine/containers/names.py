"""Names of containers: which are allowed, and one for those who gave none."""

import re
import secrets
from collections.abc import Container

from pocket_engine.errors import BadRequest


def _words(text: str) -> list[str]:
    return text.split()


_ADJECTIVES = _words("""
    able airy bold brisk calm candid clever cosy curious daring deft eager early easy fair fond
    frank gentle glad golden handy hardy humble jolly keen kind lively lucky mellow merry mighty
    modest neat nimble patient plain polite prompt proud quick quiet ready robust serene sharp
    shiny silent smart snug solid spry steady sturdy subtle sunny swift tidy tranquil upbeat vivid
    warm wise witty zesty
""")
_NOUNS = _words("""
    acorn anchor atlas badger beacon birch bobbin brook cedar chisel cobble comet compass copper
    coral cricket dahlia dory ember falcon fern finch fjord garnet glade harbor hazel heron hopper
    ibis jasper juniper kestrel kettle lantern larch lever linnet loom lupin maple marten meadow
    mortar osprey otter pebble petrel plover poplar puffin quarry quill rafter raven reed rowan
    sable sorrel sparrow spindle tern thimble thistle topaz walnut willow wren
""")


def check(name: str) -> str:
    """The name without its leading slash.

    Raises:
        BadRequest: it has characters that names do not have.
    """
    bare = name.removeprefix("/")
    if not re.fullmatch(r"[a-zA-Z0-9][a-zA-Z0-9_.-]+", bare):
        raise BadRequest(f"Invalid container name ({name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed")
    return bare


def unused(taken: Container[str]) -> str:
    """A name such as `brisk_heron` that is not taken."""
    name = f"{secrets.choice(_ADJECTIVES)}_{secrets.choice(_NOUNS)}"
    while name in taken:
        name = f"{secrets.choice(_ADJECTIVES)}_{secrets.choice(_NOUNS)}{secrets.randbelow(1000)}"
    return name
