"""Certificates for mutual TLS: an authority that nobody else knows, and what it signs."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

Files = dict[str, bytes]  # What one side of mutual TLS needs, by the names that lesson 08 uses.

SERVER, CLIENT = ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH
SKEW = timedelta(minutes=5)  # Another machine's clock may be behind ours.


class Authority:
    """A certificate authority; its key is gone with this object.

    Args:
        name: its own.
        valid: for how long, from now on, its certificate and all that it signs hold.
    """

    def __init__(self, name: str = "exercise", valid: timedelta = timedelta(hours=1)) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name(name)
        self._valid = valid
        self._certificate = (
            self._builder(self._name, self._key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
            .sign(self._key, hashes.SHA256())
        )

    @property
    def pem(self) -> bytes:
        """The certificate to trust."""
        return self._certificate.public_bytes(Encoding.PEM)

    def issue(self, name: str, *others: str, usages: Sequence[ObjectIdentifier] = (SERVER, CLIENT)) -> Files:
        """A new key, a certificate for it, and this authority's own.

        Args:
            name: whose it is; as a server it can be called by it.
            others: further names that it can be called by.
            usages: what the certificate is good for.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        alternatives = [x509.DNSName(each) for each in (name, *others)]
        certificate = (
            self._builder(_name(name), key.public_key())
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
            .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False
            )
            .sign(self._key, hashes.SHA256())
        )
        return {
            "certificate.pem": certificate.public_bytes(Encoding.PEM),
            "key.pem": key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
            "ca.pem": self.pem,
        }

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder(self._name, subject, key, x509.random_serial_number())
            .not_valid_before(now - SKEW)
            .not_valid_after(now + self._valid)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        )


def serial_number(certificate: bytes) -> int:
    """The serial number of a certificate in PEM format."""
    return x509.load_pem_x509_certificate(certificate).serial_number


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
