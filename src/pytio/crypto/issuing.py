"""Makes a chain of certificates with fresh keys: an identity to try things with, in milliseconds (DSP0274; RFC 5280).

For examples, mocks and tests. Keys and serial numbers are drawn from the library. The chain has a root, an issuer and a
leaf that satisfies every rule of `pytio.crypto.chain_rules`. This file knows no protocol message.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import attrs
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from pytio.crypto import der
from pytio.crypto.algorithms import SignatureAlgorithm, UnsupportedAlgorithmError
from pytio.crypto.chain_rules import ChainRole
from pytio.crypto.keys import PrivateKey
from pytio.crypto.x509 import OID_DEVICE_INFO, OID_HARDWARE_IDENTITY, OID_SPDM_EXTENSION

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ("IssuedChain", "issue_chain")

_VALIDITY: Final = timedelta(days=3650)
_EPOCH: Final = datetime(2025, 1, 1, tzinfo=UTC)
_UTF8_STRING: Final = 0x0C


@attrs.frozen
class IssuedChain:
    """A chain and the private key of its leaf."""

    certificates: tuple[bytes, ...]
    """DER: root, issuer, leaf."""
    key: PrivateKey
    """The leaf's."""

    @property
    def root(self) -> bytes:
        """DER of the root, to be trusted."""
        return self.certificates[0]


def issue_chain(
    algorithm: SignatureAlgorithm,
    *,
    role: ChainRole = ChainRole.RESPONDER,
    device_info: str = "Maker:Widget:0042",
    not_before: datetime = _EPOCH,
    issuers: int = 1,
) -> IssuedChain:
    """Draw keys and issue a chain, valid for ten years from ``not_before``, with so many issuers below the root.

    All of its keys serve ``algorithm``. Raises UnsupportedAlgorithmError if the library lacks it, or has no
    certificates with it.
    """
    keys = [PrivateKey.generate(algorithm) for _ in range(issuers + 2)]
    names = [_name("Root"), *(_name(f"Issuer {number}") for number in range(1, issuers + 1)), _name("Device")]
    certificates = []
    for level, (key, name) in enumerate(zip(keys, names, strict=True)):
        above = max(level - 1, 0)
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(names[above])
            .public_key(key.library_key.public_key())  # type: ignore[arg-type]  # the library's object, whatever its kind
            .serial_number(x509.random_serial_number())
            .not_valid_before(not_before)
            .not_valid_after(not_before + _VALIDITY)
        )
        is_leaf = level == len(keys) - 1
        for extension, is_critical in _leaf_extensions(role, device_info) if is_leaf else _issuer_extensions():
            builder = builder.add_extension(extension, critical=is_critical)
        certificates.append(_signed(builder, keys[above], algorithm))
    return IssuedChain(tuple(certificates), keys[-1])


def _signed(builder: x509.CertificateBuilder, key: PrivateKey, algorithm: SignatureAlgorithm) -> bytes:
    hash_algorithm: Any = hashes.SHA384() if algorithm.scheme.hashes_message else None
    try:
        signed = builder.sign(key.library_key, hash_algorithm)  # type: ignore[arg-type]  # as above
    except (TypeError, UnsupportedAlgorithm) as error:
        raise UnsupportedAlgorithmError(f"a certificate with {algorithm}") from error
    return signed.public_bytes(Encoding.DER)


def _name(common_name: str) -> x509.Name:
    return x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Maker"), x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
    )


def _usage(*, is_leaf: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=is_leaf,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=not is_leaf,
        crl_sign=not is_leaf,
        encipher_only=False,
        decipher_only=False,
    )


def _issuer_extensions() -> Iterator[tuple[x509.ExtensionType, bool]]:
    yield x509.BasicConstraints(ca=True, path_length=None), True
    yield _usage(is_leaf=False), True


def _leaf_extensions(role: ChainRole, device_info: str) -> Iterator[tuple[x509.ExtensionType, bool]]:
    yield x509.BasicConstraints(ca=False, path_length=None), True
    yield _usage(is_leaf=True), True
    yield x509.ExtendedKeyUsage([x509.ObjectIdentifier(role.value)]), False
    text = device_info.encode()
    name = x509.OtherName(x509.ObjectIdentifier(OID_DEVICE_INFO), der.element(_UTF8_STRING, text))
    yield x509.SubjectAlternativeName([name]), False
    if role is ChainRole.RESPONDER:
        identity = der.element(
            der.Tag.SEQUENCE, der.element(der.Tag.SEQUENCE, der.object_identifier(OID_HARDWARE_IDENTITY))
        )
        yield x509.UnrecognizedExtension(x509.ObjectIdentifier(OID_SPDM_EXTENSION), identity), False
