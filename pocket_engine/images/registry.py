"""Registries: pull, push, log in, and a look without a pull."""

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar
from urllib.parse import urlsplit

from pocket_engine.data_root import DataRoot
from pocket_engine.errors import EngineError, NotFound
from pocket_engine.images import platforms
from pocket_engine.images.credentials import NOBODY, Credentials
from pocket_engine.images.distribution import Remote
from pocket_engine.images.hosts import is_loopback, url_of
from pocket_engine.images.media_types import INDEXES
from pocket_engine.images.platforms import Platform
from pocket_engine.images.pulling import Manifest, Pull, choose, fetch_manifest
from pocket_engine.images.pushing import Push
from pocket_engine.images.references import DEFAULT_DOMAIN, Reference
from pocket_engine.images.refusals import Refusal, in_words
from pocket_engine.images.store import ImageStore

log = logging.getLogger(__name__)

Items = Iterator[dict[str, Any]]
Found = TypeVar("Found")


class Registry:
    """All registries, for the images of one store.

    Args:
        store: where pulled images go, and pushed ones are.
        data_root: has room for what is half done.
        mirrors: URLs of copies of Docker Hub, asked in this order, and then Docker Hub itself.

    Raises:
        ValueError: a mirror that is asked over plain HTTP, and is not on this machine.
    """

    def __init__(self, store: ImageStore, data_root: DataRoot, mirrors: Sequence[str] = ()) -> None:
        for mirror in mirrors:
            parts = urlsplit(mirror)
            if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.netloc)):
                raise ValueError(
                    f"invalid mirror {mirror}: only https:// URLs will do, or http:// on loopback"
                )
        self._store, self._data_root, self._mirrors = store, data_root, tuple(mirrors)

    def pull(self, name: Reference, platform: str = "", credentials: Credentials = NOBODY) -> Items:
        """Fetch an image.

        Args:
            name: with a tag or a digest; without both all tags of the repository are fetched.
            platform: e.g. `linux/arm64`; empty for this machine's.
            credentials: of the user.

        Returns:
            The items of the API's stream. Errors on the way are raised from it.

        Raises:
            EngineError: the registry does not answer, or has no such image; raised at once.
        """
        wanted = platforms.parse(platform)
        if name.tag or name.digest:
            sources = self._sources(name, credentials)
            found = _first(sources, lambda remote: _manifest(remote, name, wanted))
            return self._pull(sources, name, found, wanted, must_fit=bool(platform))
        _, tags = _first(self._sources(name, credentials), lambda remote: _tags(remote, name))
        return (item for tag in tags for item in self.pull(name.with_tag(tag), platform, credentials))

    def push(self, name: Reference, credentials: Credentials = NOBODY) -> Items:
        """Send an image to the registry that its name begins with.

        Args:
            name: with a tag; without one all tags of the repository are sent.
            credentials: of the user.

        Yields:
            The items of the API's stream.

        Raises:
            EngineError: there is no such image here, or the registry does not take it.
        """
        remote = Remote(url_of(name.domain), credentials)
        yield {"status": f"The push refers to repository [{name.domain}/{name.path}]"}
        names = [name] if name.tag else self._store.tagged(name.familiar_name)
        if not names or self._store.find(str(names[0])) is None:
            raise NotFound(f"An image does not exist locally with the tag: {name.familiar_name}")
        for one in names:
            image = self._store.get(str(one))
            yield from Push(self._store, self._data_root, remote, one).run(image)
            self._store.tell("push", image, str(one))

    def look(self, name: Reference, credentials: Credentials = NOBODY) -> dict[str, Any]:
        """What a registry has under a name (`/distribution/…/json`). Raises EngineError."""
        name = name.with_default_tag()
        remote, found = _first(
            self._sources(name, credentials),
            lambda remote: fetch_manifest(remote, name, name.digest or name.tag),
        )
        described = {"mediaType": found.media_type, "digest": found.digest, "size": found.size}
        if found.media_type in INDEXES:
            listed = [entry["platform"] for entry in found.content["manifests"] if entry.get("platform")]
            return {"Descriptor": described, "Platforms": listed}
        config = Pull(self._store, self._data_root, remote, name).config(found)
        fields = ("architecture", "os", "variant")
        return {
            "Descriptor": described,
            "Platforms": [{field: config[field] for field in fields if config.get(field)}],
        }

    def log_in(self, server: str, credentials: Credentials) -> None:
        """Try a user's name and password at a registry.

        Args:
            server: its address as `docker login` sends it; empty for Docker Hub.
            credentials: to be tried.

        Raises:
            Unauthorized: it does not take them.
            Unreachable: it does not answer.
        """
        domain = urlsplit(server).netloc if "//" in server else server.partition("/")[0]
        is_default = domain in ("", "index.docker.io", DEFAULT_DOMAIN)
        Remote(url_of(DEFAULT_DOMAIN if is_default else domain), credentials).check()

    def _sources(self, name: Reference, credentials: Credentials) -> list[Remote]:
        """Whom to ask, in order. Mirrors do not get the credentials, which are meant for the registry."""
        mirrors = self._mirrors if name.domain == DEFAULT_DOMAIN else ()
        return [*(Remote(mirror) for mirror in mirrors), Remote(url_of(name.domain), credentials)]

    def _pull(
        self,
        sources: list[Remote],
        name: Reference,
        found: tuple[Remote, tuple[Manifest, Manifest]],
        platform: Platform,
        must_fit: bool,
    ) -> Items:
        earlier = self._store.find(str(name))
        yield {"status": f"Pulling from {name.path}", "id": name.tag or name.digest}
        while True:
            remote, (top, manifest) = found
            pull = Pull(self._store, self._data_root, remote, name)
            try:
                names = [name.with_digest(top.digest), *([] if name.digest else [name])]
                image = yield from pull.run(manifest, platform if must_fit else None, names)
                break
            except EngineError as error:
                if not sources:
                    raise
                log.warning("mirror %s: %s", remote.url, error.message)
                found = _first(sources, lambda remote: _manifest(remote, name, platform))
        self._store.tell("pull", image, str(name))
        yield {"status": f"Digest: {top.digest}"}
        news = "Image is up to date" if earlier == image.id else "Downloaded newer image"
        yield {"status": f"Status: {news} for {name}"}


def _first(sources: list[Remote], ask: Callable[[Remote], Found]) -> tuple[Remote, Found]:
    """The first that has an answer; it and those before it are taken from the list. Raises EngineError."""
    while True:
        remote = sources.pop(0)
        try:
            return remote, ask(remote)
        except EngineError as error:
            if not sources:
                raise
            log.warning("mirror %s: %s", remote.url, error.message)


def _manifest(remote: Remote, name: Reference, platform: Platform) -> tuple[Manifest, Manifest]:
    """What the name stands for, and what of it is for a platform."""
    top = fetch_manifest(remote, name, name.digest or name.tag)
    return top, choose(remote, name, top, platform)


def _tags(remote: Remote, name: Reference) -> list[str]:
    try:
        return remote.tags(name.path)
    except Refusal as refusal:
        raise in_words(refusal, name.familiar_name, str(name)) from refusal
