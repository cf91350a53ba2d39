"""The library's own path verifier, as a second opinion where it can give one.

It was made for the web: it refuses curves, hashes and name constraints that devices use, and its policies became
adjustable only in version 45. This file knows what it can be asked. It knows no rule of DMTF's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509 import verification

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from pytio.crypto.x509 import Certificate

__all__ = ("objection",)

_CURVES: Final = (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1)
_HASHES: Final = (hashes.SHA256, hashes.SHA384, hashes.SHA512)
_MIN_RSA_BITS: Final = 2048
_KNOWN_CRITICAL: Final = frozenset(
    kind.oid.dotted_string
    for kind in (
        x509.BasicConstraints,
        x509.ExtendedKeyUsage,
        x509.KeyUsage,
        x509.NameConstraints,
        x509.SubjectAlternativeName,
    )
)


def objection(path: Sequence[Certificate], at: datetime) -> str | None:
    """Say what the library's verifier has against a path from its root to its leaf, nothing if it agrees.

    Returns None where it cannot be asked.
    """
    if not hasattr(verification, "ExtensionPolicy") or not all(map(_is_known, path)) or not path[1:]:
        return None
    issuers = verification.ExtensionPolicy.permit_all().require_present(
        x509.BasicConstraints, verification.Criticality.AGNOSTIC, None
    )
    builder = verification.PolicyBuilder().store(verification.Store([path[0].library_certificate])).time(at)
    builder = builder.max_chain_depth(len(path)).extension_policies(
        ca_policy=issuers, ee_policy=verification.ExtensionPolicy.permit_all()
    )
    between = [certificate.library_certificate for certificate in path[1:-1]]
    try:
        builder.build_client_verifier().verify(path[-1].library_certificate, between)
    except verification.VerificationError as error:
        return str(error)
    return ""


def _is_known(certificate: Certificate) -> bool:
    """Whether key, signature, names and critical extensions are of kinds that the verifier does not refuse at sight."""
    constraints = certificate.name_constraints
    subtrees = [] if constraints is None else [constraints.permitted_subtrees, constraints.excluded_subtrees]
    try:
        key = certificate.library_certificate.public_key()
        signature_hash = certificate.library_certificate.signature_hash_algorithm
    except (ValueError, UnsupportedAlgorithm):
        return False
    return (
        _is_known_key(key)
        and isinstance(signature_hash, _HASHES)
        and not any(isinstance(base, x509.DirectoryName) for bases in subtrees for base in bases or ())
        and certificate.critical_oids <= _KNOWN_CRITICAL
    )


def _is_known_key(key: object) -> bool:
    if isinstance(key, rsa.RSAPublicKey):
        return key.key_size >= _MIN_RSA_BITS
    return isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, _CURVES)
