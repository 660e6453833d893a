"""Proving to a registry who we are: basic authentication, and tokens from the server that it names."""

import base64
import re
import threading
from urllib.parse import urlsplit

import requests

from pocket_engine.errors import Forbidden
from pocket_engine.images import hosts
from pocket_engine.images.credentials import Credentials
from pocket_engine.images.refusals import raise_for

_CHALLENGE = re.compile(r'(\w+)="([^"]*)"')


class Authorization:
    """What one user sends to one registry as `Authorization`. Threads may use it at the same time.

    Args:
        credentials: of the user.
    """

    def __init__(self, credentials: Credentials) -> None:
        self._user = credentials
        self._proofs: dict[str, str] = {}  # By scope.
        self._lock = threading.Lock()

    def known(self, scope: str) -> str:
        """What was good for a scope before; empty for none."""
        if self._user.registry_token:
            return f"Bearer {self._user.registry_token}"
        return self._proofs.get(scope, "")

    def ask(self, session: requests.Session, challenge: str, scope: str, refused: str) -> str:
        """What a registry asks for.

        Args:
            session: to fetch a token with.
            challenge: the header `WWW-Authenticate`.
            scope: what the token must be good for.
            refused: what was sent, and is not good (any more).

        Returns:
            The header's value; empty when there is nothing better.

        Raises:
            Refusal: the token server does not give one.
            Forbidden: it would have to be asked over plain HTTP.
        """
        with self._lock:
            if self.known(scope) == refused and not self._user.registry_token:
                self._proofs[scope] = self._fetch(session, challenge, scope)
            latest = self.known(scope)  # Perhaps another thread's.
        return latest if latest != refused else ""

    def _fetch(self, session: requests.Session, challenge: str, scope: str) -> str:
        user = self._user
        scheme, _, rest = challenge.partition(" ")
        if scheme.lower() == "basic" and user.username:
            login = f"{user.username}:{user.password}".encode()
            return f"Basic {base64.b64encode(login).decode()}"
        asked = dict(_CHALLENGE.findall(rest))
        realm = urlsplit(asked.get("realm", ""))
        if scheme.lower() != "bearer" or not realm.netloc:
            return ""
        if realm.scheme != "https" and not hosts.is_loopback(realm.netloc):
            raise Forbidden(f"the registry wants a token over plain HTTP from {realm.netloc}: refused")
        query = {"service": asked.get("service", ""), "scope": scope or asked.get("scope", "")}
        query = {name: value for name, value in query.items() if value}
        timeout = (hosts.CONNECT_SECONDS, hosts.SILENCE_SECONDS)
        if user.identity_token:
            form = {"grant_type": "refresh_token", "refresh_token": user.identity_token}
            form |= {"client_id": "pocket-engine", **query}
            answer = session.post(asked["realm"], data=form, timeout=timeout)
        else:
            proof = (user.username, user.password) if user.username else as_it_is
            answer = session.get(asked["realm"], params=query, auth=proof, timeout=timeout)
        raise_for(answer)
        said = answer.json()
        token = said.get("token") or said.get("access_token")
        return f"Bearer {token}" if token else ""


def as_it_is(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """No authentication, where requests would look for one in ~/.netrc."""
    return request
