"""Names of images, as Docker writes, completes and refuses them.

python                          docker.io/library/python:latest
127.0.0.1:5000/shop/books:v2    a registry's host with its port, a repository, a tag
python@sha256:…                 exactly these bytes, whatever the tag says today
"""

import re
from dataclasses import dataclass, replace

from pocket_engine.errors import BadRequest

DEFAULT_DOMAIN = "docker.io"
DEFAULT_TAG = "latest"
LONGEST_NAME = 255

_DOMAIN_LABEL = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_DOMAIN = re.compile(rf"(?:{_DOMAIN_LABEL}(?:\.{_DOMAIN_LABEL})*|\[[0-9a-fA-F:]+\])(?::[0-9]+)?")
_PATH = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_IMAGE_ID = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Reference:
    """A name that was taken apart.

    Attributes:
        domain: the registry, e.g. `docker.io` or `127.0.0.1:5000`.
        path: the repository in it, e.g. `library/python`.
        tag: e.g. `3.13`; empty when none was written.
        digest: e.g. `sha256:…`; empty when none was written.
    """

    domain: str
    path: str
    tag: str = ""
    digest: str = ""

    @property
    def familiar_name(self) -> str:
        """The repository as people write it: without what is understood."""
        if self.domain != DEFAULT_DOMAIN:
            return f"{self.domain}/{self.path}"
        return self.path.removeprefix("library/") if self.path.count("/") == 1 else self.path

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.familiar_name}{tag}{digest}"

    def with_tag(self, tag: str) -> "Reference":
        """The same repository with another tag. Raises BadRequest for what is no tag."""
        if not _TAG.fullmatch(tag):
            raise BadRequest("invalid tag format")
        return replace(self, tag=tag, digest="")

    def with_default_tag(self) -> "Reference":
        """The same name, with `:latest` when it says neither tag nor digest."""
        return self if self.tag or self.digest else replace(self, tag=DEFAULT_TAG)

    def with_digest(self, digest: str) -> "Reference":
        """The same repository, by digest. Raises BadRequest for what is no SHA-256 digest."""
        if not _DIGEST.fullmatch(digest):
            raise BadRequest("invalid reference format")
        return replace(self, tag="", digest=digest)


def parse(name: str) -> Reference:
    """Take a name apart.

    Args:
        name: as a user writes it.

    Raises:
        BadRequest: it is no name; in Docker's words.
    """
    if _IMAGE_ID.fullmatch(name):
        raise BadRequest(f"invalid repository name ({name}), cannot specify 64-byte hexadecimal strings")
    rest, at, digest = name.partition("@")
    domain, slash, path = rest.partition("/")
    names_a_domain = slash and (
        "." in domain or ":" in domain or domain == "localhost" or domain != domain.lower()
    )
    if not names_a_domain:
        domain, path = DEFAULT_DOMAIN, rest
    elif domain == "index.docker.io":
        domain = DEFAULT_DOMAIN
    path, colon, tag = path.partition(":")
    if domain == DEFAULT_DOMAIN and "/" not in path:
        path = f"library/{path}"
    if path != path.lower() and _PATH.fullmatch(path.lower()):
        raise BadRequest("invalid reference format: repository name must be lowercase")
    if (
        not _DOMAIN.fullmatch(domain)
        or not _PATH.fullmatch(path)
        or (colon and not _TAG.fullmatch(tag))
        or (at and not _DIGEST.fullmatch(digest))
    ):
        raise BadRequest("invalid reference format")
    if len(domain) + len("/") + len(path) > LONGEST_NAME:
        raise BadRequest(
            f"invalid reference format: repository name must not be more than {LONGEST_NAME} characters"
        )
    return Reference(domain, path, tag, digest)


def parse_repository(repository: str, tag: str = "") -> Reference:
    """A name to give, from the API's two parameters. A tag in the first one counts when the second is empty.

    Args:
        repository: e.g. `shop/books` or `shop/books:v2`.
        tag: e.g. `v2`; empty for none.

    Raises:
        BadRequest: no name, no tag, or a digest, which nobody can give.
    """
    reference = parse(repository)
    if reference.digest:
        raise BadRequest("refusing to create a tag with a digest reference")
    return (reference.with_tag(tag) if tag else reference).with_default_tag()
