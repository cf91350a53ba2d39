"""Makes certificates, right ones and wrong ones, with keys of its own."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache

import attrs
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from pytio.crypto.x509 import OID_DEVICE_INFO, OID_SPDM_EXTENSION, Certificate

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
YEAR = timedelta(days=365)
DEVICE_INFO = "Maker:Widget:0042"
HARDWARE_IDENTITY = bytes.fromhex("300e300c060a2b06010401831c821202")
"""An SPDM extension that holds OID_HARDWARE_IDENTITY."""

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey


_MAKERS: dict[str, Callable[[], Key]] = {
    "P-256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "P-384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "P-521": lambda: ec.generate_private_key(ec.SECP521R1()),
    "secp256k1": lambda: ec.generate_private_key(ec.SECP256K1()),
    "RSA-2048": lambda: rsa.generate_private_key(65537, 2048),
    "Ed25519": ed25519.Ed25519PrivateKey.generate,
    "Ed448": ed448.Ed448PrivateKey.generate,
}


@cache
def new_key(kind: str, number: int) -> Key:
    """Return one of several keys of a kind, the same each time."""
    return _MAKERS[kind]()


def name(common_name: str, organization: str = "Maker") -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )


def usage(*, sign: bool = False, certify: bool = False, agree: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=sign,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=agree,
        key_cert_sign=certify,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


@attrs.define
class Spec:
    """What one certificate is to say; the defaults are those of a good issuer."""

    subject: x509.Name
    key: Key
    basic_constraints: x509.BasicConstraints | None = x509.BasicConstraints(ca=True, path_length=None)
    usage: x509.KeyUsage | None = attrs.field(factory=lambda: usage(certify=True))
    extended: list[str] | None = None
    alternatives: list[x509.GeneralName] = attrs.field(factory=list)
    constraints: x509.NameConstraints | None = None
    spdm: bytes | None = None
    others: list[tuple[str, bool]] = attrs.field(factory=list)
    not_before: datetime = NOW - YEAR
    not_after: datetime = NOW + YEAR

    def issued_by(self, issuer: Spec, *, issuer_name: x509.Name | None = None) -> Certificate:
        """Return the certificate, signed by another one's key."""
        builder = (
            x509.CertificateBuilder()
            .subject_name(self.subject)
            .issuer_name(issuer_name or issuer.subject)
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(self.not_before)
            .not_valid_after(self.not_after)
        )
        for extension, is_critical in self.extensions():
            builder = builder.add_extension(extension, critical=is_critical)
        is_eddsa = isinstance(issuer.key, ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey)
        signed = builder.sign(issuer.key, None if is_eddsa else hashes.SHA384())
        return Certificate(signed.public_bytes(Encoding.DER))

    def extensions(self) -> list[tuple[x509.ExtensionType, bool]]:
        always: list[tuple[x509.ExtensionType | None, bool]] = [
            (self.basic_constraints, True),
            (self.usage, True),
            (self.constraints, True),
        ]
        found = [(extension, is_critical) for extension, is_critical in always if extension is not None]
        if self.alternatives:
            found.append((x509.SubjectAlternativeName(self.alternatives), False))
        if self.extended:
            found.append((x509.ExtendedKeyUsage(map(x509.ObjectIdentifier, self.extended)), False))
        if self.spdm is not None:
            found.append((_unnamed(OID_SPDM_EXTENSION, self.spdm), False))
        return found + [(_unnamed(oid, b"\x05\x00"), is_critical) for oid, is_critical in self.others]


def _unnamed(oid: str, value: bytes) -> x509.UnrecognizedExtension:
    return x509.UnrecognizedExtension(x509.ObjectIdentifier(oid), value)


@attrs.define
class Chain:
    """Root, issuer and leaf of a device, to be bent by a test before they are issued."""

    kind: str = "P-384"
    root: Spec = attrs.field(init=False)
    issuer: Spec = attrs.field(init=False)
    leaf: Spec = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.root = Spec(name("Root"), new_key(self.kind, 0))
        self.issuer = Spec(name("Issuer"), new_key(self.kind, 1))
        text = DEVICE_INFO.encode()
        self.leaf = Spec(
            name("Device"),
            new_key(self.kind, 2),
            basic_constraints=x509.BasicConstraints(ca=False, path_length=None),
            usage=usage(sign=True),
            extended=[ExtendedKeyUsageOID.CLIENT_AUTH.dotted_string],
            alternatives=[
                x509.OtherName(x509.ObjectIdentifier(OID_DEVICE_INFO), bytes([0x0C, len(text)]) + text),
            ],
            spdm=HARDWARE_IDENTITY,
        )

    def issue(self) -> tuple[Certificate, ...]:
        return self.root.issued_by(self.root), self.issuer.issued_by(self.root), self.leaf.issued_by(self.issuer)
