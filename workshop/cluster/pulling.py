"""Why an image is not there."""

import re

from workshop.cluster.cases import ContainerCase
from workshop.cluster.explanation import Explanation

# The node tries again and again; a mirror or a registry may come back, but hardly in less than this.
PULL_PATIENCE = 20.0

_WAITING = ("ErrImagePull", "ImagePullBackOff", "RegistryUnavailable", "SignatureValidationFailed")


def explain(case: ContainerCase) -> Explanation | None:
    """The container waits for its image, in vain."""
    reason, image = case.waiting.get("reason"), case.spec.get("image", "")
    if reason == "ErrImageNeverPull":
        return _never_pulled(case, image)
    if reason == "InvalidImageName":
        return case.explain(
            "image name",
            f"“{image}” is no name of an image",
            "The name cannot be read: it is HOST/PATH:TAG, in small letters, without blanks, and the tag "
            "may be replaced by @sha256:… .",
            f"Mend `image` of {case.label} and apply again.",
            case.event("InspectFailed", "Failed") or case.waiting.get("message"),
            patience=0,
        )
    if reason == "ImageInspectError":
        return case.explain(
            "image",
            f"The node cannot look at the image “{image}”",
            "Its container runtime has the image, or part of it, and cannot read it.",
            "Load the image again; if that does not help, restart the node's container runtime.",
            case.event("InspectFailed") or case.waiting.get("message"),
            patience=PULL_PATIENCE,
        )
    return _not_pulled(case, image) if reason in _WAITING else None


def _never_pulled(case: ContainerCase, image: str) -> Explanation:
    return case.explain(
        "image",
        f"The image “{image}” is not on the node",
        "`imagePullPolicy: Never` forbids the node to pull it, and nobody has loaded it there.",
        f'Load it: `shop.load_images(client, "{image}")`; the pod starts by itself then.',
        case.event("ErrImageNeverPull") or case.waiting.get("message"),
        patience=5,
    )


def _not_pulled(case: ContainerCase, image: str) -> Explanation:
    # The message of the state repeats the reason only since Kubernetes 1.31; the event always had it.
    event = case.event("Failed", message="^Failed to pull image")
    said = f"{event.message if event else ''} {case.waiting.get('message') or ''}"
    why, remedy = _reading(said, image)
    return case.explain(
        "image",
        f"The image “{image}” cannot be pulled",
        why,
        remedy,
        event or case.event("Failed", "BackOff") or case.waiting.get("message"),
        patience=PULL_PATIENCE,
    )


def _reading(said: str, image: str) -> tuple[str, str]:
    """Why a pull failed, and what to do, from what the container runtime said."""
    if re.search(
        "no match for platform|no matching manifest|no image found in (?:image index|manifest list)", said
    ):
        return (
            "There is an image of that name, but none for this node's processor (amd64 or arm64).",
            "Build it for the node's platform (`docker build --platform linux/amd64 …`), load it, and roll "
            "again.",
        )
    for pattern, why, remedy in _OF_THE_NODE:
        if re.search(pattern, said, re.IGNORECASE):
            return why.format(host=_host(image)), remedy
    # A name without a registry means Docker Hub, which says the same of “not there” and “not for you”;
    # and whether
    # it was reached at all does not matter for an image that only its builder has.
    if _is_local(image):
        return (
            "No node has it, and a name without a registry's host means Docker Hub, from where it could "
            "not be pulled. An image that you built is on your engine only, until somebody loads it into "
            "the cluster; or the tag has a typing error.",
            f'Load it: `shop.load_images(client, "{image}")`, then wait; or mend `image`.',
        )
    for pattern, why, remedy in _PULLS:
        if re.search(pattern, said, re.IGNORECASE):
            return why.format(host=_host(image), image=image), remedy.format(host=_host(image), image=image)
    return (
        "The node's container runtime says why, below.",
        f'If it is an image that you built, load it: `shop.load_images(client, "{image}")`.',
    )


_ABSENT = r"not found|manifest unknown|does not exist|name unknown|repository name not known"
_DENIED = r"unauthorized|authentication required|authorization failed|denied|40[13] |no basic auth"

_OF_THE_NODE = (
    (
        r"no space left on device",
        "The node's disk is full.",
        "Free some on the node (`crictl rmi --prune`; for kind, room on your engine), then wait.",
    ),
    (
        r"toomanyrequests|429 Too Many|rate limit",
        "The registry {host} has given this address enough images for now.",
        "Wait an hour, log in to the registry, or load the image by hand.",
    ),
)

_PULLS = (
    (
        r"no such host|server misbehaving|name resolution|lookup \S+ on",
        "The node does not find the registry {host}: no name server knows it, or the node reaches none.",
        "Mend the host in `image`; where the node has no internet, load it: `shop.load_images(client, "
        '"{image}")`.',
    ),
    (
        r"x509|certificate",
        "The node does not trust the certificate of the registry {host}.",
        "Give the node's container runtime the authority's certificate, or load the image by hand.",
    ),
    (
        r"HTTP response to HTTPS client",
        "The registry {host} speaks plain HTTP, and the node insists on TLS.",
        "Allow that registry in the node's container runtime, or load the image by hand.",
    ),
    (
        r"i/o timeout|connection refused|connection reset|TLS handshake timeout|unreachable|no route to host"
        r"|deadline exceeded|Client\.Timeout|\bEOF\b",
        "The node does not reach the registry {host}.",
        'Check the node\'s network and proxy, or load it: `shop.load_images(client, "{image}")`.',
    ),
    (
        _DENIED,
        "The registry {host} does not give it to this cluster: it asks for a login, or the login has no "
        "right to it; some registries say the same of an image that does not exist.",
        "Check the name; for a private image, make a Secret (`kubectl create secret docker-registry …`) "
        "and name it under `imagePullSecrets`.",
    ),
    (
        _ABSENT,
        "The registry {host} has no image of that name and tag.",
        "Push it, or mend the name or the tag in `image`; `docker manifest inspect {image}` asks the "
        "registry.",
    ),
    (
        r"short.?name",
        "The node's container runtime wants the registry's host in the name of an image.",
        "Write the whole name, with its host, or load the image by hand.",
    ),
)


def _host(image: str) -> str:
    """The registry that an image's name stands for."""
    first, slash, _ = image.partition("/")
    return first if slash and ("." in first or ":" in first or first == "localhost") else "docker.io"


def _is_local(image: str) -> bool:
    """Whether the name has no registry in it, as those of images that were just built."""
    return _host(image) in ("docker.io", "localhost") and "/" not in image.removeprefix("localhost/")
