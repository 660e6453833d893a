"""The distribution protocol: requests to one registry, tokens, retries, and its errors in Docker's words.

It is written on `requests`. Of the libraries on PyPI, `oras` is the maintained one for this protocol; but it
(0.2.43) neither continues a broken download with `Range` nor knows mirrors nor tells how far it is, so that
the greater part of what is here would still have to be written around it.
"""

import ipaddress
import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests

from pocket_engine.errors import EngineError, Forbidden, NotFound
from pocket_engine.images.credentials import NOBODY, Credentials
from pocket_engine.images.references import DEFAULT_DOMAIN

ATTEMPTS = 5
FIRST_PAUSE_SECONDS = 0.5  # Doubled before each further attempt.
CONNECT_SECONDS = 10.0
SILENCE_SECONDS = 30.0  # A connection on which nothing comes for so long has failed.
LARGEST_MANIFEST = 4 * 1024 * 1024

_DEFAULT_URL = "https://registry-1.docker.io"
_CHUNK = 64 * 1024  # So much is fetched again at most where a connection broke.
_CHALLENGE = re.compile(r'(\w+)="([^"]*)"')
_BROKEN = (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)


class Unauthorized(EngineError):
    """The registry does not believe who we are."""

    status = 401


class Unreachable(EngineError):
    """Nobody answers, or what answers breaks off again and again."""


@dataclass
class Refusal(Exception):
    """A registry's answer that is none of the good ones.

    Attributes:
        status: of HTTP.
        code: the protocol's, such as `MANIFEST_UNKNOWN`; empty when the body had none.
        message: the registry's.
        retry_after: what its header of that name says.
    """

    status: int
    code: str
    message: str
    retry_after: str = ""

    def __str__(self) -> str:
        code = self.code.lower().replace("_", " ")
        return f"{code}: {self.message}" if code else self.message


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


def in_words(refusal: Refusal, repository: str, name: str) -> EngineError:
    """What the user is told when a pull was refused.

    Args:
        refusal: the registry's answer.
        repository: of what, as people write it.
        name: the same with tag or digest.
    """
    if refusal.status == 429 or refusal.code == "TOOMANYREQUESTS":
        wait = f" in {refusal.retry_after} seconds" if refusal.retry_after.isdigit() else " later"
        return EngineError(
            f"toomanyrequests: {refusal.message}. The registry limits how often it is asked: try again{wait},"
            " log in (`docker login`), or pull from another registry"
        )
    if refusal.code == "MANIFEST_UNKNOWN":
        return NotFound(f"manifest for {name} not found: {refusal}")
    if refusal.code == "NAME_UNKNOWN":
        return NotFound(f"repository {repository} not found: {refusal}")
    if refusal.status in (401, 403):
        return NotFound(
            f"pull access denied for {repository}, repository does not exist or may require 'docker login': "
            f"{refusal}"
        )
    return (NotFound if refusal.status == 404 else EngineError)(f"{name}: {refusal}")


class Remote:
    """One registry, as one user sees it. Threads may use it at the same time.

    Args:
        url: e.g. `https://registry.example`.
        credentials: of the user.
    """

    def __init__(self, url: str, credentials: Credentials = NOBODY) -> None:
        self.url = url.rstrip("/")
        self._credentials = credentials
        self._tokens: dict[str, str] = {}
        self._lock = threading.Lock()
        self._session = requests.Session()
        self._session.auth = _as_it_is  # Else requests would look into ~/.netrc.
        if is_loopback(urlsplit(self.url).netloc):
            self._session.trust_env = False  # No proxy knows the way to this machine.

    def manifest(
        self, repository: str, reference: str, accept: str, method: str = "GET"
    ) -> requests.Response:
        """Fetch a manifest.

        Args:
            repository: e.g. `library/python`.
            reference: a tag or a digest.
            accept: the media types that are understood.

        Raises:
            Refusal, Unreachable.
        """
        path = f"/v2/{repository}/manifests/{reference}"
        answer = self.ask("GET", path, repository, headers={"Accept": accept})
        if len(answer.content) > LARGEST_MANIFEST:
            raise EngineError(f"the manifest of {repository} is larger than {LARGEST_MANIFEST} bytes")
        return answer

    def tags(self, repository: str) -> list[str]:
        """All tags of a repository. Raises Refusal, Unreachable."""
        path = f"/v2/{repository}/tags/list?n=1000"
        tags: list[str] = []
        while path:
            answer = self.ask("GET", path, repository)
            tags += answer.json().get("tags") or []
            path = answer.links.get("next", {}).get("url", "")
        return tags

    def blob(
        self,
        repository: str,
        digest: str,
        start_over: Callable[[], None],
        retrying: Callable[[float], None],
    ) -> Iterator[bytes]:
        """Fetch a blob; when the connection breaks, go on where it broke.

        Args:
            repository: in which it is.
            digest: of the blob. The caller checks it.
            start_over: called when the registry sends it from the beginning again: forget what came.
            retrying: called with the seconds before another attempt.

        Raises:
            Refusal: the registry does not give it.
            Unreachable: `ATTEMPTS` times in a row nothing came.
        """
        received, failures = 0, 0
        while True:
            headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={received}-"} if received else {})
            try:
                with self._send(
                    "GET", f"/v2/{repository}/blobs/{digest}", repository, headers=headers, stream=True
                ) as answer:
                    if answer.status_code == 416:  # Nothing was left to send.
                        return
                    _raise_for(answer)
                    if received and answer.status_code != 206:
                        start_over()
                        received = 0
                    end = received + int(answer.headers.get("Content-Length") or 0)
                    for chunk in answer.iter_content(_CHUNK):
                        received += len(chunk)
                        failures = 0
                        yield chunk
                    if received >= end:
                        return
                reason: Exception = EOFError("the registry closed the connection")
            except _BROKEN as error:
                reason = error
            except Refusal as refusal:
                if refusal.status < 500:
                    raise
                reason = refusal
            failures += 1
            if failures >= ATTEMPTS:
                raise Unreachable(
                    f"download of {digest} from {self.url} failed after {ATTEMPTS} attempts: {_plain(reason)}"
                    ". Nothing of it is kept; try again when the network is better"
                ) from reason
            pause = _pause(failures)
            retrying(pause)
            time.sleep(pause)

    def ask(
        self,
        method: str,
        path: str,
        repository: str,
        actions: str = "pull",
        body: Callable[[], Any] = lambda: None,
        headers: dict[str, str] | None = None,
    ) -> requests.Response:
        """Send a request that has a short answer; again a few times when nobody answers, or with a 5xx.

        Args:
            method, path: of HTTP; the path may be a whole URL.
            repository: on which the token must be good for…
            actions: …these: "pull" or "pull,push".
            body: makes the body anew for each attempt.
            headers: more of them.

        Raises:
            Refusal: the answer is an error.
            Unreachable: there was none.
        """
        for attempt in range(1, ATTEMPTS + 1):
            reason: Exception
            try:
                answer = self._send(method, path, repository, actions, data=body(), headers=headers or {})
                _raise_for(answer)
                return answer
            except _BROKEN as error:
                reason = error
                if _is_hopeless(error):
                    break
            except Refusal as refusal:
                if refusal.status < 500:
                    raise
                reason = refusal
            if attempt < ATTEMPTS:
                time.sleep(_pause(attempt))
        raise Unreachable(f'{method.capitalize()} "{urljoin(self.url, path)}": {_plain(reason)}') from reason

    def check(self) -> None:
        """Whether the registry takes the credentials. Raises Unauthorized, Unreachable."""
        try:
            self.ask("GET", "/v2/", "")
        except Refusal as refusal:
            raise Unauthorized(f'Get "{self.url}/v2/": {refusal}') from refusal

    def _send(
        self, method: str, path: str, repository: str, actions: str = "pull", **options: Any
    ) -> requests.Response:
        scope = f"repository:{repository}:{actions}" if repository else ""
        options["headers"] = {"User-Agent": "pocket-engine", **options["headers"]}
        for last_try in (False, True):
            token = self._credentials.registry_token or self._tokens.get(scope, "")
            if token:
                scheme = "" if token.startswith("Basic ") else "Bearer "
                options["headers"]["Authorization"] = f"{scheme}{token}"
            answer = self._session.request(
                method, urljoin(self.url, path), timeout=(CONNECT_SECONDS, SILENCE_SECONDS), **options
            )
            if answer.status_code != 401 or last_try:
                break
            challenge = answer.headers.get("WWW-Authenticate", "")
            answer.close()
            with self._lock:
                if self._tokens.get(scope, "") == token:  # Else another thread has just fetched a new one.
                    self._tokens[scope] = self._authorize(challenge, scope)
            if not self._tokens[scope]:
                break
        return answer

    def _authorize(self, challenge: str, scope: str) -> str:
        """What to send as Authorization, from what a registry asks for; empty when we have nothing."""
        user = self._credentials
        scheme, _, rest = challenge.partition(" ")
        if scheme.lower() == "basic":
            if not user.username:
                return ""
            prepared = requests.Request("GET", self.url, auth=(user.username, user.password)).prepare()
            return prepared.headers["Authorization"]
        asked = dict(_CHALLENGE.findall(rest))
        realm = urlsplit(asked.get("realm", ""))
        if scheme.lower() != "bearer" or not realm.netloc:
            return ""
        if realm.scheme != "https" and not is_loopback(realm.netloc):
            raise Forbidden(f"{self.url} asks to fetch a token over plain HTTP from {realm.netloc}: refused")
        query = {"service": asked.get("service", ""), "scope": scope or asked.get("scope", "")}
        query = {name: value for name, value in query.items() if value}
        timeout = (CONNECT_SECONDS, SILENCE_SECONDS)
        if user.identity_token:
            form = query | {
                "grant_type": "refresh_token",
                "refresh_token": user.identity_token,
                "client_id": "pocket-engine",
            }
            answer = self._session.post(asked["realm"], data=form, timeout=timeout)
        else:
            login = (user.username, user.password) if user.username else _as_it_is
            answer = self._session.get(asked["realm"], params=query, auth=login, timeout=timeout)
        _raise_for(answer)
        said = answer.json()
        return said.get("token") or said.get("access_token") or ""


def _raise_for(answer: requests.Response) -> None:
    if answer.status_code < 400:
        return
    code, message = "", ""
    try:
        first = json.loads(answer.content)["errors"][0]
        code, message = first.get("code", ""), first.get("message") or ""
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):
        pass
    if not message:
        message = f"received unexpected HTTP status: {answer.status_code} {answer.reason}"
        code = code or {401: "UNAUTHORIZED", 403: "DENIED"}.get(answer.status_code, "")
    raise Refusal(answer.status_code, code, message, answer.headers.get("Retry-After", ""))


def _as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _pause(failures: int) -> float:
    return FIRST_PAUSE_SECONDS * 2 ** (failures - 1)


def _is_hopeless(error: Exception) -> bool:
    """Whether asking again cannot help: there is no such host, nobody listens, the certificate is wrong."""
    return isinstance(error, requests.exceptions.SSLError) or bool(
        re.search(r"Connection refused|NameResolutionError|Failed to resolve", str(error))
    )


def _plain(reason: Exception) -> str:
    """The one thing in a stack of wrapped exceptions that a user can do something about."""
    text = str(reason)
    for pattern, words in (
        (r"Connection refused", "connect: connection refused"),
        (r"NameResolutionError|Failed to resolve", "no such host"),
        (r"timed out", "the registry has not answered for too long (timeout)"),
        (r"CERTIFICATE_VERIFY_FAILED|SSLError", "tls: failed to verify the registry's certificate"),
        (r"IncompleteRead|Connection broken|closed the connection", "unexpected EOF: the connection broke"),
        (r"RemoteDisconnected|Connection aborted|reset by peer", "EOF: the registry hung up"),
    ):
        if re.search(pattern, text):
            return words
    return text
