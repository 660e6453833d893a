"""Which URL a registry's name stands for, and how long its answers may take."""

import ipaddress
from urllib.parse import urlsplit

from pocket_engine.images.references import DEFAULT_DOMAIN

CONNECT_SECONDS = 10.0
SILENCE_SECONDS = 30.0  # A connection on which nothing comes for so long has failed.

_DEFAULT_URL = "https://registry-1.docker.io"


def url_of(domain: str) -> str:
    """Where the registry of a domain is asked. Plain HTTP is for this machine only."""
    if domain == DEFAULT_DOMAIN:
        return _DEFAULT_URL
    return f"{'http' if is_loopback(domain) else 'https'}://{domain}"


def is_loopback(domain: str) -> bool:
    """Whether a host, with or without port, is this machine."""
    host = urlsplit(f"//{domain}").hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
