"""The distribution protocol: requests to one registry, tokens, retries, and its errors in Docker's words.

It is written on `requests`. Of the libraries on PyPI, `oras` is the maintained one for this protocol; but it
(0.2.43) neither continues a broken download with `Range` nor knows mirrors nor tells how far it is, so that
the greater part of what is here would still have to be written around it.
"""

import re
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests

from pocket_engine.errors import EngineError
from pocket_engine.images import hosts
from pocket_engine.images.authorization import Authorization, as_it_is
from pocket_engine.images.credentials import NOBODY, Credentials
from pocket_engine.images.refusals import Refusal, Unauthorized, raise_for

ATTEMPTS = 5
FIRST_PAUSE_SECONDS = 0.5  # Doubled before each further attempt.
LARGEST_MANIFEST = 4 * 1024 * 1024

_CHUNK = 64 * 1024  # So much is fetched again at most where a connection broke.
_BROKEN = (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError)


class Unreachable(EngineError):
    """Nobody answers, or what answers breaks off again and again."""


class Remote:
    """One registry, as one user sees it. Threads may use it at the same time.

    Args:
        url: e.g. `https://registry.example`.
        credentials: of the user.
    """

    def __init__(self, url: str, credentials: Credentials = NOBODY) -> None:
        self.url = url.rstrip("/")
        self._authorization = Authorization(credentials)
        self._session = requests.Session()
        self._session.auth = as_it_is  # Else requests would look into ~/.netrc.
        if hosts.is_loopback(urlsplit(self.url).netloc):
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
                    raise_for(answer)
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
                answer = self._send(method, path, repository, actions, body, headers)
                raise_for(answer)
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
        self,
        method: str,
        path: str,
        repository: str,
        actions: str = "pull",
        body: Callable[[], Any] = lambda: None,
        headers: dict[str, str] | None = None,
        stream: bool = False,
    ) -> requests.Response:
        """Send a request once, or twice when the first answer tells how to prove who we are."""
        scope = f"repository:{repository}:{actions}" if repository else ""
        url = self._whole(path)
        is_ours = urlsplit(url).netloc == urlsplit(self.url).netloc  # Others get no proof of anything.

        def send(proof: str) -> requests.Response:
            proofs = {"Authorization": proof} if proof and is_ours else {}
            return self._session.request(
                method,
                url,
                data=body(),
                headers={"User-Agent": "pocket-engine", **(headers or {}), **proofs},
                stream=stream,
                timeout=(hosts.CONNECT_SECONDS, hosts.SILENCE_SECONDS),
            )

        proof = self._authorization.known(scope)
        answer = send(proof)
        if answer.status_code != 401 or not is_ours:
            return answer
        challenge = answer.headers.get("WWW-Authenticate", "")
        better = self._authorization.ask(self._session, challenge, scope, proof)
        if not better:
            return answer
        answer.close()
        return send(better)

    def _whole(self, path: str) -> str:
        """The URL of a path or of a place that the registry named, which may take itself for plain HTTP."""
        whole = urlsplit(urljoin(self.url, path))
        own = urlsplit(self.url)
        return whole._replace(scheme=own.scheme).geturl() if whole.netloc == own.netloc else whole.geturl()


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
