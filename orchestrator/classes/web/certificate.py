"""The web server's certificate: the class's own, or one that is made and kept in the class's state.

A made one is signed by itself: browsers warn once, and people compare its fingerprint with the handout's.
Sources: RFC 5280, RFC 6125, the documentation of cryptography.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import socket
import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from orchestrator.classes.model import LoadedClass
from orchestrator.classes.paths import WEB, class_state
from orchestrator.classes.web.tokens import base_url, web_endpoint
from orchestrator.errors import SpecError
from orchestrator.host.cache import write_atomically
from orchestrator.paths import make_folder

DAYS = 397
"""As long as browsers accept a certificate."""
RENEW_DAYS = 30
"""A certificate that ends sooner is replaced when the server starts."""


@dataclass(frozen=True)
class Certificate:
    """Files in PEM, and whether we made them."""

    certificate: Path
    key: Path
    made: bool

    @property
    def fingerprint(self) -> str:
        """The SHA-256 fingerprint as browsers show it: pairs of hexadecimal digits. Raises SpecError."""
        try:
            loaded = x509.load_pem_x509_certificate(self.certificate.read_bytes())
        except (OSError, ValueError) as problem:
            raise SpecError(f"access.certificate: cannot read {self.certificate}: {problem}") from None
        return loaded.fingerprint(hashes.SHA256()).hex(":").upper()


def certificate_of(found: LoadedClass) -> Certificate:
    """Return the class's certificate: what its file names, else one made for its host name.

    Raises SpecError for files that are not a certificate with its key, Unavailable.
    """
    access = found.spec.access
    if (access.certificate is None) != (access.key is None):
        missing = "key" if access.key is None else "certificate"
        raise SpecError(
            f"access.{missing} is missing: a certificate and its key go together",
            hint="name both files, or neither: then one is made",
        )
    if access.certificate is not None and access.key is not None:
        given = Certificate(found.folder / access.certificate, found.folder / access.key, made=False)
        _require_pair(given)
        return given
    return _made(found)


def _require_pair(pair: Certificate) -> None:
    for file in (pair.certificate, pair.key):
        if not os.access(file, os.R_OK):
            raise SpecError(f"cannot read {file}", hint="access.certificate and access.key name PEM files")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(pair.certificate, pair.key)
    except (ssl.SSLError, ValueError) as problem:
        raise SpecError(
            f"{pair.certificate} and {pair.key} are not a certificate and its private key: {problem}",
            hint="both are PEM; the certificate comes first in its file, those above it follow",
        ) from None


def _made(found: LoadedClass) -> Certificate:
    folder = class_state(found) / WEB
    make_folder(folder, 0o700, exist_ok=True)
    pair = Certificate(folder / "certificate.pem", folder / "key.pem", made=True)
    names = _names(found)
    if _still_good(pair, names):
        return pair
    key = ec.generate_private_key(ec.SECP256R1())
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    made = _signed(names, key).public_bytes(serialization.Encoding.PEM)
    write_atomically(pair.key, private)
    write_atomically(pair.certificate, made)
    return pair


def _names(found: LoadedClass) -> list[str]:
    """Return the names and addresses the server is reached by, the one in links first."""
    host = web_endpoint(found).host
    named = [
        urlsplit(base_url(found)).hostname or "",
        socket.getfqdn(),
        socket.gethostname(),
        host,
        "localhost",
        "127.0.0.1",
    ]
    return list(dict.fromkeys(name for name in named if name not in ("", "0.0.0.0", "::")))


def _still_good(pair: Certificate, names: list[str]) -> bool:
    with contextlib.suppress(OSError, ValueError, ssl.SSLError, x509.ExtensionNotFound):
        loaded = x509.load_pem_x509_certificate(pair.certificate.read_bytes())
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(pair.certificate, pair.key)
        named = loaded.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        lasts = loaded.not_valid_after_utc > datetime.now(UTC) + timedelta(days=RENEW_DAYS)
        # Only the name in links: with a new certificate the fingerprint in the handouts is wrong.
        return lasts and _general(names[0]) in named
    return False


def _alternatives(names: list[str]) -> x509.SubjectAlternativeName:
    return x509.SubjectAlternativeName([_general(name) for name in names])


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _signed(names: list[str], key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:64])])
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=DAYS))
        .add_extension(_alternatives(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .sign(key, hashes.SHA256())
    )
