"""Find a Kubernetes cluster, and touch none that is not plainly the learner's own without asking.

ClusterError
  NoCluster             there is none to work with; the message says why, and how to get one
  Unreadable            the kubeconfig is broken (kubeconfig.py)

What counts as plainly local stands in kubeconfig.py. A name alone proves nothing, somebody's production may
be called `kind-of-prod`; nor does an address alone, `127.0.0.1` may be the end of a tunnel. Both together do.
"""

import copy
import json
import logging
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import kubernetes.client as client
import kubernetes.config as config
from kubernetes.config import ConfigException
from urllib3 import exceptions

from workshop.cluster import kind, kubeconfig
from workshop.cluster.errors import ClusterError
from workshop.cluster.kubeconfig import Context, Entry

CONNECT_SECONDS, READ_SECONDS = 2.0, 3.0
TOOL_SECONDS = 8  # minikube asks its virtual machine.
GET_ONE = (
    "Make one on this machine with one command: `workshop cluster` (in a notebook: `!workshop cluster`)."
)
WILL_DO = (
    "Lesson 09 makes the namespace “microservices” there, with the two services and their certificates "
    "in it, changes them, and removes the namespace at the end."
)
STARTS = {
    "kind": "`docker start {name}-control-plane` starts it, `workshop cluster` makes one",
    "minikube": "`minikube start -p {name}` starts it",
    "k3d": "`k3d cluster start {name}` starts it",
    "Docker Desktop": "switch it on in Docker Desktop: Settings, Kubernetes",
    "Rancher Desktop": "start Rancher Desktop",
    "Colima": "`colima start --kubernetes` starts it",
    "OrbStack": "`orb start k8s` starts it",
    "MicroK8s": "`microk8s start` starts it",
}
RENEWS = {
    "kind": "`kind export kubeconfig --name {name}` renews it",
    "minikube": "`minikube update-context -p {name}` renews it",
    "k3d": "`k3d kubeconfig merge {name} --kubeconfig-merge-default` renews it",
}


class NoCluster(ClusterError):
    """There is no cluster to work with. The message, one or two lines, says why and how to get one.

    `find` raises it in every such case, also when the learner said no; `connect` prints it and returns None.
    """


class _NoAnswer(Exception):
    """One context cannot be used; the message is a clause."""


@dataclass(frozen=True)
class Found:
    """A cluster that answers, and that may be worked with.

    Attributes:
        context: the context's name.
        kind: what sort it is: `kind`, `minikube`, `Docker Desktop`, `k3d`, …, or `cluster`.
        version: the server's version, e.g. `1.36.0`.
        api: the official client, ready for the official API.
        cluster_name: what its tool calls it, e.g. `workshop` for the context `kind-workshop`.
    """

    context: str
    kind: str
    version: str
    api: client.ApiClient
    cluster_name: str


def find(context: str | None = None, ask: Callable[[str], str] = input) -> Found:
    """Find a cluster that answers.

    Without a name, in this order: the kubeconfig's current context if it is plainly local; its other plainly
    local contexts; clusters that kind or minikube have and no kubeconfig knows; last the current context that
    is not plainly local, if the learner agrees. Before, nothing is sent there, not even a question for its
    version.

    Args:
        context: the one to take. Naming it is consent, wherever it is.
        ask: puts a question to the learner; the answer that agrees is the context's name.

    Returns:
        The cluster; never None.

    Raises:
        NoCluster: nothing answers, the named context does not exist, or the learner did not agree.
        Unreadable: the kubeconfig is broken.
    """
    known = kubeconfig.contexts()
    if context is not None:
        return _named(context, known)
    failures: list[str] = []
    for candidate in (each for each in known if each.is_local):
        try:
            return _connect(candidate)
        except _NoAnswer as failure:
            failures.append(str(failure))
    for candidate, entries in _unlisted({each.name for each in known}):
        try:
            return _connect(candidate, entries)
        except _NoAnswer as failure:
            failures.append(str(failure))
    current = next((each for each in known if each.is_current and not each.is_local), None)
    if current:
        return _with_consent(current, ask)
    tried = (
        f"No cluster answers: {'; '.join(failures)}." if failures else "There is no cluster on this machine."
    )
    raise NoCluster(f"{tried}\n{GET_ONE}")


def _named(name: str, known: list[Context]) -> Found:
    chosen = next((context for context in known if context.name == name), None)
    if chosen is None:
        names = ", ".join(context.name for context in known) or "none"
        raise NoCluster(f"The kubeconfig has no context “{name}”. It has: {names}.")
    try:
        return _connect(chosen)
    except _NoAnswer as failure:
        raise NoCluster(f"The cluster does not answer: {failure}.") from failure


def _with_consent(context: Context, ask: Callable[[str], str]) -> Found:
    question = (
        f"The current context “{context.name}” (server {context.host}) is not plainly a cluster on this "
        f"machine.\n{WILL_DO}\nType the context's name to agree, or press Enter to leave it alone: "
    )
    try:
        answer = ask(question)
    except (EOFError, NotImplementedError, OSError):
        # Nobody is there to ask: a pipe, or a kernel without stdin (IPython's StdinNotImplementedError).
        answer = ""
    if answer.strip() != context.name:
        raise NoCluster(
            f"The context “{context.name}” (server {context.host}) was left alone, nothing was sent to it. "
            f'To use it, name it: cluster.connect("{context.name}").\n{GET_ONE}'
        )
    return _named(context.name, [context])


def _connect(context: Context, entries: Entry | None = None) -> Found:
    """Load a context's credentials, and ask its server for its version.

    Args:
        context: which.
        entries: the kubeconfig that has it; None for the learner's own.
    """
    try:
        configuration = _configuration(context, entries)
        version = _version(configuration)
    except (ConfigException, exceptions.HTTPError, client.ApiException, OSError, ValueError) as error:
        raise _NoAnswer(f"context “{context.name}”: {_in_words(error, context)}") from error
    api = client.ApiClient(configuration)
    return Found(context.name, context.kind, version, api, context.cluster_name)


def _configuration(context: Context, entries: Entry | None) -> client.Configuration:
    program = (context.user.get("exec") or {}).get("command", "")
    if program and os.path.basename(program) == program and not shutil.which(program):
        raise ConfigException(
            f"its credentials come from the program “{program}”, which is not installed here"
        )
    configuration = client.Configuration()
    with _complaints() as complaints:
        if entries is None:
            paths = os.pathsep.join(str(path) for path in kubeconfig.files())
            config.load_kube_config(paths, context.name, configuration, persist_config=False)
        else:
            config.load_kube_config_from_dict(entries, context.name, configuration, persist_config=False)
    if program and not (configuration.api_key or configuration.cert_file):
        # The client only logs that, and would go on as nobody.
        said = " ".join(complaints).removeprefix("exec: ").split("\n")[0]
        raise ConfigException(f"the program “{program}” gave no credentials ({said or 'it said nothing'})")
    if context.is_direct:
        configuration.proxy = None
    return configuration


@contextmanager
def _complaints() -> Iterator[list[str]]:
    """What the client logs meanwhile, in place of showing it."""
    said: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
    root = logging.getLogger()
    others, root.handlers = root.handlers, [handler]
    try:
        yield said
    finally:
        root.handlers = others


def _version(configuration: client.Configuration) -> str:
    once = copy.deepcopy(configuration)
    once.retries = False  # Three more attempts would only take three times as long.
    with client.ApiClient(once) as api:
        answer: Any = client.VersionApi(api).get_code(
            _preload_content=False, _request_timeout=(CONNECT_SECONDS, READ_SECONDS)
        )
        said = json.loads(answer.data)
    if answer.status >= 400:
        raise client.ApiException(status=answer.status, reason=answer.reason)
    if not isinstance(said, dict) or "gitVersion" not in said:
        raise ValueError("it is no Kubernetes API server")
    return ".".join(re.findall(r"\d+", str(said["gitVersion"]))[:3])


def _in_words(error: Exception, context: Context) -> str:
    """Why a context cannot be used, as a clause, with the remedy where we know one."""
    start, renew = _remedy(STARTS, context), _remedy(RENEWS, context)
    if isinstance(error, exceptions.SSLError) or (
        isinstance(error, client.ApiException) and not error.status
    ):
        # The client makes an answer without a status of what TLS refuses.
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            return f"the certificate of {context.host} is not the one that the kubeconfig wants{renew}"
        return f"{context.host} does not speak TLS as the kubeconfig wants it{renew}"
    if isinstance(error, client.ApiException):
        if error.status == 401:
            reason = "they have expired, or are another cluster's"
            return f"{context.host} does not accept the credentials; {reason}{renew}"
        if error.status == 403:
            return f"{context.host} knows these credentials, and forbids them even to ask for its version"
        return f"{context.host} answers with HTTP {error.status} {error.reason or ''}".rstrip()
    if isinstance(error, exceptions.ProxyError):
        return f"the proxy that the environment or the kubeconfig names does not lead to {context.host}"
    if isinstance(error, exceptions.NameResolutionError):
        return f"nobody knows the address of {context.host}"
    if isinstance(error, exceptions.NewConnectionError):
        refused = "refused" in str(error).lower()
        return f"{'nobody listens at' if refused else 'no way leads to'} {context.host}{start}"
    if isinstance(error, exceptions.TimeoutError):
        return f"no answer from {context.host} within {CONNECT_SECONDS + READ_SECONDS:g} s{start}"
    if isinstance(error, exceptions.HTTPError):
        return f"{context.host} broke the connection off ({_short(error)}){start}"
    if isinstance(error, json.JSONDecodeError):
        return f"{context.host} answers, but is no Kubernetes API server"
    return _short(error)


def _remedy(remedies: dict[str, str], context: Context) -> str:
    remedy = remedies.get(context.kind, "")
    return f"; {remedy.format(name=context.cluster_name)}" if remedy else ""


def _short(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0].rstrip(".")


def _unlisted(listed: set[str]) -> Iterator[tuple[Context, Entry]]:
    """Clusters that their tools know and no kubeconfig does."""
    for text in [*_kind_configs(listed), *_minikube_configs(listed)]:
        try:
            entries = kubeconfig.parse(text, "its tool's")
        except kubeconfig.Unreadable:
            continue
        for context in kubeconfig.merged([entries]):
            if context.is_local and context.name not in listed:
                yield context, entries


def _kind_configs(listed: set[str]) -> Iterator[str]:
    for name in kind.clusters():
        if f"kind-{name}" not in listed and (text := kind.kubeconfig(name)):
            yield text


def _minikube_configs(listed: set[str]) -> Iterator[str]:
    program = shutil.which("minikube")
    if program is None:
        return
    for profile in _minikube_profiles(program):
        if profile in listed:
            continue
        with tempfile.TemporaryDirectory() as folder:
            # Its kubeconfig is made in a file of our own: the learner's stays as it is.
            file = Path(folder, "config")
            command = [program, "update-context", "--profile", profile]
            if _output(command, KUBECONFIG=str(file)) is not None and file.exists():
                yield file.read_text(encoding="utf-8")


def _minikube_profiles(program: str) -> list[str]:
    said = _output([program, "profile", "list", "--light", "--output", "json"])
    try:
        return [profile["Name"] for profile in json.loads(said or "{}").get("valid") or []]
    except (ValueError, KeyError, TypeError, AttributeError):
        return []


def _output(command: list[str], **environment: Any) -> str | None:
    """What a program prints; None where it fails or takes too long."""
    try:
        done = subprocess.run(
            command,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            timeout=TOOL_SECONDS,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None
