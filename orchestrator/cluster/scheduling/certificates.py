"""Certificates: an authority per cluster, and what it issues to the scheduler, hosts and the controller.

Each says in its subject who holds it: the role as organisational unit, the name as common name. The
authority's key never leaves the controller; those of hosts travel over SSH's standard input.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from orchestrator.cluster.scheduling.made_once import alone
from orchestrator.cluster.scheduling.settings import CERTIFICATE_DAYS
from orchestrator.errors import SpecError, Unavailable
from orchestrator.host.cache import write_atomically
from orchestrator.paths import make_folder

if TYPE_CHECKING:
    from distributed.security import Security

AUTHORITY_DAYS = 3650
SKEW = timedelta(minutes=10)
"""How far the clock of a host may be behind the controller's."""
FOLDER, CA_KEY, CA_CERTIFICATE = "tls", "ca.key", "ca.pem"
_FOREIGN = "the certificate is of another cluster: this one's authority did not issue it"
_AGAIN = "`isolab cluster down`, then `isolab cluster up`, makes new ones"


class Role(StrEnum):
    """Who holds a certificate."""

    SCHEDULER = "scheduler"
    HOST = "host"
    CONTROLLER = "controller"


@dataclass(frozen=True)
class Credentials:
    """What somebody needs to talk to the others: the authority's certificate, its own and its key. PEM."""

    authority: str
    certificate: str
    key: str

    def __repr__(self) -> str:
        return "Credentials(…)"

    def to_data(self) -> dict[str, str]:
        return {"authority": self.authority, "certificate": self.certificate, "key": self.key}

    @classmethod
    def from_data(cls, data: Mapping[str, str]) -> Credentials:
        """Raises TypeError."""
        return cls(**data)

    @property
    def ends(self) -> datetime:
        """When its certificate becomes invalid."""
        return x509.load_pem_x509_certificate(self.certificate.encode()).not_valid_after_utc

    def check(self, role: Role, now: datetime) -> None:
        """Raise Unavailable, saying why, if these are not valid for this role."""
        _check(self, role, now)


def authority(folder: Path) -> str:
    """Return the certificate of a cluster's authority (PEM), made with its key if necessary.

    ``folder`` is the cluster's state folder. Raises Unavailable.
    """
    place = folder / FOLDER
    make_folder(place, 0o700, exist_ok=True)
    with alone(place):
        if not (place / CA_CERTIFICATE).exists():
            _make_authority(place)
    return (place / CA_CERTIFICATE).read_text()


def _make_authority(place: Path) -> None:
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = _subject(Role.CONTROLLER, f"isolab cluster {x509.random_serial_number():x}"[:40], unit="authority")
    made = (
        _builder(name, name, now, timedelta(days=AUTHORITY_DAYS))
        .public_key(key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    write_atomically(place / CA_KEY, _pem(key))
    write_atomically(place / CA_CERTIFICATE, made.public_bytes(serialization.Encoding.PEM))


def issue(
    folder: Path, role: Role, name: str, *, now: datetime | None = None, days: float = CERTIFICATE_DAYS
) -> Credentials:
    """Issue a certificate of the cluster's authority. Raises Unavailable if that cannot be read."""
    root = authority(folder)
    now = now or datetime.now(UTC)
    ca = x509.load_pem_x509_certificate(root.encode())
    try:
        signer = serialization.load_pem_private_key((folder / FOLDER / CA_KEY).read_bytes(), None)
    except (OSError, ValueError) as problem:
        raise Unavailable(f"the key of the cluster's authority is unusable: {problem}", hint=_AGAIN) from None
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    key = ec.generate_private_key(ec.SECP256R1())
    uses = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
    made = (
        _builder(_subject(role, name), ca.subject, now, timedelta(days=days))
        .public_key(key.public_key())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(uses), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
        )
        .sign(signer, hashes.SHA256())
    )
    return Credentials(root, made.public_bytes(serialization.Encoding.PEM).decode(), _pem(key).decode())


def security(credentials: Credentials) -> Security:
    """Return Dask's form of credentials; both ends must show a certificate of the same authority."""
    import distributed.security

    make: Any = distributed.security.Security
    own = {"cert": credentials.certificate, "key": credentials.key}
    roles = {
        f"tls_{role}_{what}": text for role in ("client", "scheduler", "worker") for what, text in own.items()
    }
    made: Security = make(tls_ca_file=credentials.authority, require_encryption=True, **roles)
    return made


def holder(peer_certificate: Mapping[str, Any] | None) -> tuple[str, str]:
    """Return role and name of who shows a certificate (``ssl.SSLSocket.getpeercert``), or empty strings."""
    found = {key: value for part in (peer_certificate or {}).get("subject", ()) for key, value in part}
    return found.get("organizationalUnitName", ""), found.get("commonName", "")


def _check(credentials: Credentials, role: Role, now: datetime) -> None:
    try:
        root = x509.load_pem_x509_certificate(credentials.authority.encode())
        own = x509.load_pem_x509_certificate(credentials.certificate.encode())
        if own.issuer != root.subject:
            raise Unavailable(_FOREIGN, hint=_AGAIN)
        own.verify_directly_issued_by(root)
    except InvalidSignature:
        raise Unavailable(_FOREIGN, hint=_AGAIN) from None
    except (ValueError, TypeError) as problem:
        raise Unavailable(f"the certificate is not one of this cluster: {problem}", hint=_AGAIN) from None
    held = own.subject.get_attributes_for_oid(NameOID.ORGANIZATIONAL_UNIT_NAME)
    if [part.value for part in held] != [role.value]:
        raise Unavailable(f"the certificate is not for a {role.value}", hint=_AGAIN)
    for which in (root, own):
        if now > which.not_valid_after_utc:
            raise Unavailable(
                f"the certificate expired at {which.not_valid_after_utc:%Y-%m-%d %H:%M} UTC, and the clock "
                f"here says {now:%Y-%m-%d %H:%M}",
                hint=f"set the clock if it is wrong; {_AGAIN}",
            )
        if now < which.not_valid_before_utc:
            raise Unavailable(
                f"the certificate is valid only from {which.not_valid_before_utc:%Y-%m-%d %H:%M} UTC, and "
                f"the clock here says {now:%Y-%m-%d %H:%M}",
                hint="set this host's clock",
            )


def _builder(
    subject: x509.Name, issuer: x509.Name, now: datetime, valid: timedelta
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - SKEW)
        .not_valid_after(now + valid)
    )


def _subject(role: Role, name: str, *, unit: str = "") -> x509.Name:
    if not 0 < len(name) <= 64:
        raise SpecError(f"{name!r} is too long for a certificate: at most 64 characters")
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, unit or role.value),
            x509.NameAttribute(NameOID.COMMON_NAME, name),
        ]
    )


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs,
        crl_sign=signs,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
