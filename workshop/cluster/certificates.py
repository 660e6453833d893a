"""The certificates of mutual TLS, as Secrets for a cluster.

One authority signs both and is thrown away with its key: nobody can ever make a third one that the services
trust. In a real cluster, cert-manager does this, and renews them.
"""

import base64
from datetime import timedelta
from typing import Any

from workshop.authority import CLIENT, SERVER, Authority

VALID = timedelta(days=365)
PART_OF = "online-books-for-you"

# Recommendations is called by the Marketplace, and by its own healthcheck.py, which shows its certificate.
# The Marketplace only calls: with its certificate nobody can pose as a server.
USAGES = {"recommendations": [SERVER, CLIENT], "marketplace": [CLIENT]}

# What Kubernetes and cert-manager call the files.
KEYS = {"tls.crt": "certificate.pem", "tls.key": "key.pem", "ca.crt": "ca.pem"}


def secrets(namespace: str = "microservices") -> list[dict[str, Any]]:
    """Make both Secrets, `recommendations-tls` and `marketplace-tls`, as manifests; each time new ones.

    Args:
        namespace: where they will be; the certificates name it, too.
    """
    authority = Authority(f"{PART_OF} {namespace}", VALID)
    return [_secret(component, namespace, authority) for component in USAGES]


def names(component: str, namespace: str) -> list[str]:
    """The names under which a component can be called."""
    service = f"{component}.{namespace}"
    return [component, service, f"{service}.svc", f"{service}.svc.cluster.local", "localhost"]


def _secret(component: str, namespace: str, authority: Authority) -> dict[str, Any]:
    files = authority.issue(*names(component, namespace), usages=USAGES[component])
    labels = {"app.kubernetes.io/name": component, "app.kubernetes.io/part-of": PART_OF}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": f"{component}-tls", "namespace": namespace, "labels": labels},
        "type": "kubernetes.io/tls",
        "data": {key: base64.b64encode(files[file]).decode() for key, file in KEYS.items()},
    }
