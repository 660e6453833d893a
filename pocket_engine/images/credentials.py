"""What a client knows about itself when it asks a registry: the header `X-Registry-Auth`."""

import base64
import binascii
import json
from dataclasses import dataclass

from pocket_engine.errors import BadRequest


@dataclass(frozen=True)
class Credentials:
    """A name and what proves it.

    Attributes:
        username, password: as given to `docker login`; may be empty.
        identity_token: what a registry gave for them; takes their place.
        registry_token: a bearer token that somebody else has fetched; is sent as it is.
    """

    username: str = ""
    password: str = ""
    identity_token: str = ""
    registry_token: str = ""


NOBODY = Credentials()


def from_header(header: str) -> Credentials:
    """Read the header: base64 (the URL's alphabet) of a JSON object. Empty: nobody.

    Raises:
        BadRequest: it is something else.
    """
    if not header:
        return NOBODY
    try:
        padded = header + "=" * (-len(header) % 4)
        return from_json(json.loads(base64.b64decode(padded, altchars=b"-_", validate=True)))
    except (binascii.Error, ValueError, AttributeError) as error:
        raise BadRequest(f"invalid X-Registry-Auth header: {error}") from error


def from_json(said: dict[str, str]) -> Credentials:
    """The same from the object itself, as `/auth` gets it."""
    return Credentials(
        said.get("username") or "",
        said.get("password") or "",
        said.get("identitytoken") or "",
        said.get("registrytoken") or "",
    )
