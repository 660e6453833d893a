"""The certificates of mutual TLS, as Secrets for a cluster.

One authority signs both and is thrown away with its key: nobody can ever make a third one that the services
trust. In a real cluster, cert-manager does this, and renews them.
"""

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

VALID = timedelta(days=365)
SKEW = timedelta(minutes=5)  # A node's clock may be behind ours.
PART_OF = "online-books-for-you"

SERVER, CLIENT = ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH
# Recommendations is called by the Marketplace, and by its own healthcheck.py, which shows its certificate.
# The Marketplace only calls: with its certificate nobody can pose as a server.
USAGES = {"recommendations": [SERVER, CLIENT], "marketplace": [CLIENT]}


def secrets(namespace: str = "microservices") -> list[dict[str, Any]]:
    """Make both Secrets, `recommendations-tls` and `marketplace-tls`, as manifests; each time new ones.

    Args:
        namespace: where they will be; the certificates name it, too.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    authority = _authority(key, namespace)
    return [_secret(component, namespace, key, authority) for component in USAGES]


def names(component: str, namespace: str) -> list[str]:
    """The names under which a component can be called."""
    service = f"{component}.{namespace}"
    return [component, service, f"{service}.svc", f"{service}.svc.cluster.local", "localhost"]


def _secret(
    component: str, namespace: str, authority_key: ec.EllipticCurvePrivateKey, authority: x509.Certificate
) -> dict[str, Any]:
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _certificate(component, namespace, key.public_key(), authority_key, authority)
    content = {
        "tls.crt": certificate.public_bytes(Encoding.PEM),
        "tls.key": key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        "ca.crt": authority.public_bytes(Encoding.PEM),
    }
    labels = {"app.kubernetes.io/name": component, "app.kubernetes.io/part-of": PART_OF}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": f"{component}-tls", "namespace": namespace, "labels": labels},
        "type": "kubernetes.io/tls",
        "data": {name: base64.b64encode(pem).decode() for name, pem in content.items()},
    }


def _authority(key: ec.EllipticCurvePrivateKey, namespace: str) -> x509.Certificate:
    name = _name(f"{PART_OF} {namespace}")
    return (
        _builder(name, name, key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .sign(key, hashes.SHA256())
    )


def _certificate(
    component: str,
    namespace: str,
    key: ec.EllipticCurvePublicKey,
    authority_key: ec.EllipticCurvePrivateKey,
    authority: x509.Certificate,
) -> x509.Certificate:
    alternatives = [x509.DNSName(name) for name in names(component, namespace)]
    usages: list[ObjectIdentifier] = USAGES[component]
    issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key())
    return (
        _builder(authority.subject, _name(component), key)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(issuer, critical=False)
        .sign(authority_key, hashes.SHA256())
    )


def _builder(
    issuer: x509.Name, subject: x509.Name, key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder(issuer, subject, key, x509.random_serial_number())
        .not_valid_before(now - SKEW)
        .not_valid_after(now + VALID)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _usage(signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
