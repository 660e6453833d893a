"""Objects of some namespaces, kept up to date by watches.

A watch may end at any time: the server closes it, the connection breaks, or the version from which it should
go on is too old (410 Gone). Then it begins again: from the last version where that is possible, else with a
new list.
"""

import threading
import time
from collections.abc import Iterable, Sequence
from types import TracebackType

from kubernetes.watch import Watch

from workshop.cluster.api import NO_ANSWER, Api, ApiException, Object, message_of
from workshop.cluster.errors import Refused, ServerGone

WATCH_SECONDS = 60
# Where a user may list but not watch, and between attempts to reach a server that is away.
PAUSE_SECONDS = 1.0
GONE_SECONDS = 20.0
END_TRIES = 20


class Live:
    """Some kinds of objects as they are now; a context manager that starts and ends the watches.

    Args:
        api: the cluster.
        namespaces: where.
        kinds: apiVersion and kind of each.
        needed: the kind without which there is nothing to follow; the others may be forbidden.
    """

    def __init__(
        self, api: Api, namespaces: Iterable[str], kinds: Sequence[tuple[str, str]], needed: str
    ) -> None:
        self.unreadable: list[str] = []
        self._changed = threading.Event()
        self._followers = [
            _Follower(api, namespace, version, kind, self._changed, needed == kind)
            for namespace in namespaces
            for version, kind in kinds
        ]

    def __enter__(self) -> "Live":
        started = []
        for follower in self._followers:
            try:
                # The first list in this thread, so that what is wrong from the beginning is raised at once.
                follower.begin()
            except ApiException as error:
                if error.status != 403 or follower.needed:
                    raise
                self.unreadable.append(f"{follower.kind.lower()}s in {follower.namespace}")
                continue
            started.append(follower)
        for follower in started:
            follower.start()
        return self

    def __exit__(
        self, type: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        for follower in self._followers:
            follower.end()

    def wait(self, seconds: float) -> bool:
        """Wait until something has changed, at most so long.

        Raises:
            ServerGone: the server has not answered for too long.
            Refused: it does not let us look any longer.
        """
        for follower in self._followers:
            follower.check()
        changed = self._changed.wait(seconds)
        self._changed.clear()
        return changed

    def objects(self) -> dict[str, list[Object]]:
        """All that is there now, by kind."""
        found: dict[str, list[Object]] = {}
        for follower in self._followers:
            found.setdefault(follower.kind, []).extend(follower.objects())
        return found


class _Follower(threading.Thread):
    """Follows one kind."""

    def __init__(
        self, api: Api, namespace: str, version: str, kind: str, changed: threading.Event, needed: bool
    ) -> None:
        super().__init__(name=f"watch {kind}", daemon=True)
        self.kind = kind
        self.needed = needed
        self.namespace = namespace
        self._api, self._api_version = api, version
        self._changed = changed
        self._lock = threading.Lock()
        self._objects: dict[str, Object] = {}
        self._at = ""
        self._over = threading.Event()
        self._watcher = Watch()
        self._lost_at: float | None = None
        self._refusal = ""

    def begin(self) -> None:
        """List them, for the first time or anew."""
        items, at = self._api.all(self._api_version, self.kind, self.namespace)
        with self._lock:
            self._objects = {item["metadata"]["uid"]: item for item in items}
            self._at = at
        self._changed.set()

    def objects(self) -> list[Object]:
        with self._lock:
            return list(self._objects.values())

    def check(self) -> None:
        """Raise what makes following vain."""
        if self._refusal:
            raise Refused(f"The cluster does not let us follow its {self.kind}s any longer: {self._refusal}")
        if self._lost_at is not None and time.monotonic() - self._lost_at > GONE_SECONDS:
            raise ServerGone(
                f"The cluster at {self._api.address} has not answered for {GONE_SECONDS:g} s. Start it "
                "again, or look at your connection to it; then run the cell again: what was applied is "
                "still there."
            )

    def end(self) -> None:
        """Stop, and wait for it; a watch that is just being opened has to be stopped once more."""
        self._over.set()
        for _ in range(END_TRIES):
            if not self.is_alive():
                break
            self._watcher.stop()
            self.join(PAUSE_SECONDS / END_TRIES)

    def run(self) -> None:
        while not self._over.is_set():
            try:
                if not self._at:
                    self.begin()
                self._follow()
                self._lost_at = None
            except ApiException as error:
                self._take(error)
            except NO_ANSWER:
                self._lost_at = self._lost_at or time.monotonic()
                self._over.wait(PAUSE_SECONDS)

    def _follow(self) -> None:
        resource = self._api.resource(self._api_version, self.kind)
        events = self._api.watch(resource, self._at, WATCH_SECONDS, self.namespace, watcher=self._watcher)
        for event in events:
            self._lost_at = None
            if self._over.is_set():
                return
            self._at = event.object["metadata"]["resourceVersion"]
            if event.type == "BOOKMARK":
                continue
            with self._lock:
                if event.type == "DELETED":
                    self._objects.pop(event.object["metadata"]["uid"], None)
                else:
                    self._objects[event.object["metadata"]["uid"]] = event.object
            self._changed.set()

    def _take(self, error: ApiException) -> None:
        """What an answer that is an error means for going on."""
        if error.status in (401, 404):
            self._refusal = message_of(error)
            self._over.set()
            self._changed.set()
            return
        # 410: too old, list again at once. 403: this user may list but not watch. Others: the server is
        # in trouble.
        self._at = ""
        if error.status != 410:
            self._over.wait(PAUSE_SECONDS)
        if error.status == 0 or (error.status or 0) >= 500:
            self._lost_at = self._lost_at or time.monotonic()
