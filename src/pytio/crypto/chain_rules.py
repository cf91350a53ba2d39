"""The rules for chains of certificates, and how each is asked of one certificate (RFC 5280, 6; DSP0274).

This file knows the rules. Which of them decide, and what a failure raises, is in `pytio.crypto.chains`. It knows no
protocol message: what a slot or a message says about a chain arrives in a `ChainPolicy`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from enum import Enum
from typing import Final, Self, TypeAlias

import attrs
from cryptography import x509

from pytio.crypto.algorithms import HashAlgorithm, SignatureAlgorithm, UnsupportedAlgorithmError
from pytio.crypto.name_constraints import violation
from pytio.crypto.x509 import OID_HARDWARE_IDENTITY, OID_REQUESTER_AUTH, OID_RESPONDER_AUTH, Certificate
from pytio.errors import DecodeError

__all__ = ("ChainModel", "ChainPolicy", "ChainRole", "ChainRule", "examinations")

_Path: TypeAlias = Sequence[Certificate]
"""From the root to the leaf."""

_UNDERSTOOD_OIDS: Final = frozenset(
    kind.oid.dotted_string
    for kind in (
        x509.BasicConstraints,
        x509.ExtendedKeyUsage,
        x509.KeyUsage,
        x509.NameConstraints,
        x509.SubjectAlternativeName,
    )
)


class ChainModel(Enum):
    """Whose key the leaf certifies: the certificate model of a slot (DSP0274)."""

    DEVICE = "device certificate"
    """The device's own key, for ever."""
    ALIAS = "alias certificate"
    """A key that the device made and certified itself, below its own certificate."""
    GENERIC = "generic certificate"
    """Anything: the specification asks nothing of the leaf."""


class ChainRole(Enum):
    """Who proves to be the owner of the leaf's key."""

    RESPONDER = OID_RESPONDER_AUTH
    REQUESTER = OID_REQUESTER_AUTH


class ChainRule(Enum):
    """What is asked of a chain, and where it is written."""

    NOT_EMPTY = "the chain holds a certificate", "DSP0274, certificate chain"
    ROOT_HASH = "RootHash is the hash of the root certificate", "DSP0274, certificate chain"
    TRUST_ANCHOR = "the root certificate is a trusted one", "RFC 5280, 6.1.1"
    VERSION = "the certificate is of version 3", "RFC 5280, 4.1.2.1"
    VALIDITY = "the time is within the certificate's validity", "RFC 5280, 6.1.3"
    ISSUER = "the certificate before it issued and signed this one", "RFC 5280, 6.1.3"
    CRITICAL_EXTENSIONS = "every critical extension is understood", "RFC 5280, 4.2"
    NAME_CONSTRAINTS = "no issuer forbids the certificate's names", "RFC 5280, 4.2.1.10"
    ISSUER_IS_CA = "an issuer's basicConstraints say cA", "RFC 5280, 4.2.1.9"
    PATH_LENGTH = "no more issuers follow than pathLenConstraint allows", "RFC 5280, 4.2.1.9"
    ISSUER_KEY_USAGE = "an issuer's keyUsage, if any, has keyCertSign", "RFC 5280, 4.2.1.3"
    LEAF_ALGORITHM = "the leaf's key serves the negotiated algorithm", "DSP0274, leaf certificate"
    LEAF_BASIC_CONSTRAINTS = "the leaf's basicConstraints do not say cA", "DSP0274, leaf certificate"
    LEAF_KEY_USAGE = "the leaf's keyUsage has digitalSignature", "DSP0274, leaf certificate"
    LEAF_EXTENDED_KEY_USAGE = "the leaf is not for the other role only", "DSP0274, leaf certificate"
    LEAF_IDENTITY = "an alias leaf does not carry the hardware's identity", "DSP0274, leaf certificate"
    PATH = "the library's own verifier finds a path from the root to the leaf", "RFC 5280, 6"

    def __new__(cls, text: str, section: str) -> Self:
        """Make a member out of its row."""
        member = object.__new__(cls)
        member._value_ = text
        member.section = section
        return member

    section: str

    def __str__(self) -> str:
        """Return the rule as a sentence."""
        return str(self.value)


@attrs.frozen
class ChainPolicy:
    """What a chain is held to."""

    at: datetime
    """The time of judging, with its time zone."""
    roots: tuple[Certificate, ...] | None = None
    """The trusted roots; None not to ask for trust at all, which is to look at a chain, not to believe it."""
    root_hash: bytes | None = None
    """RootHash as the chain was sent with it, under ``hash_algorithm``."""
    hash_algorithm: HashAlgorithm | None = None
    algorithm: SignatureAlgorithm | None = None
    """What the leaf's key has to serve, if it is known."""
    role: ChainRole = ChainRole.RESPONDER
    model: ChainModel = ChainModel.DEVICE
    needs_basic_constraints: bool = False
    """Whether the leaf must have basicConstraints at all: from SPDM 1.3 on."""
    understood_oids: frozenset[str] = frozenset()
    """Critical extensions that the caller understands, beside those this package does."""


def examinations(path: _Path, position: int, policy: ChainPolicy) -> Iterator[tuple[ChainRule, str]]:
    """Yield every rule that applies to the certificate at a position, with its objection, empty if it has none."""
    of_place = _OF_LEAF if position == len(path) - 1 else _OF_ISSUER
    for rule, examine in (*_OF_EACH, *of_place):
        objection = examine(path, position, policy)
        if objection is not None:
            yield rule, objection


def _version(path: _Path, position: int, policy: ChainPolicy) -> str | None:
    return "" if path[position].is_version_3 else "an earlier version"


def _validity(path: _Path, position: int, policy: ChainPolicy) -> str | None:
    first, last = path[position].not_before, path[position].not_after
    return "" if first <= policy.at <= last else f"{policy.at} is not within {first} to {last}"


def _issuer(path: _Path, position: int, policy: ChainPolicy) -> str | None:
    certificate = path[position]
    if not position and not certificate.is_self_issued:
        return None  # its issuer is not here; whether it need be is the trust anchor's rule
    issuer = path[max(position - 1, 0)]
    try:
        if certificate.is_issued_by(issuer):
            return ""
    except UnsupportedAlgorithmError as error:
        return str(error)
    is_named = certificate.library_certificate.issuer == issuer.library_certificate.subject
    return "the signature does not hold" if is_named else f"issued by {certificate.issuer}, after {issuer.subject}"


def _critical_extensions(path: _Path, position: int, policy: ChainPolicy) -> str | None:
    return ", ".join(sorted(path[position].critical_oids - _UNDERSTOOD_OIDS - policy.understood_oids))


def _name_constraints(path: _Path, position: int, policy: ChainPolicy) -> str | None:
    certificate, is_leaf = path[position], position == len(path) - 1
    constraints = [issuer.name_constraints for issuer in path[:position] if issuer.name_constraints is not None]
    if not constraints or (certificate.is_self_issued and not is_leaf):
        return None
    return next(filter(None, (violation(constraint, certificate.names) for constraint in constraints)), "")


def _issuer_is_ca(path: _Path, position: int, policy: ChainPolicy) -> str | None:
    is_ca = path[position].is_ca
    return "" if is_ca else "no basicConstraints" if is_ca is None else "cA is FALSE"


def _path_length(path: _Path, position: int, policy: ChainPolicy) -> str | None:
    allowed = path[position].path_length
    if allowed is None:
        return None
    following = sum(not certificate.is_self_issued for certificate in path[position + 1 : -1])
    return "" if following <= allowed else f"{following} follow, {allowed} are allowed"


def _issuer_key_usage(path: _Path, position: int, policy: ChainPolicy) -> str | None:
    usages = path[position].key_usages
    return None if usages is None else "" if "keyCertSign" in usages else f"only {', '.join(sorted(usages))}"


def _leaf_algorithm(path: _Path, position: int, policy: ChainPolicy) -> str | None:
    if policy.algorithm is None:
        return None
    try:
        key = path[position].public_key
    except (DecodeError, UnsupportedAlgorithmError) as error:
        return str(error)
    return "" if policy.algorithm in key.algorithms else f"{policy.algorithm} asked of {key!r}"


def _leaf_basic_constraints(path: _Path, position: int, policy: ChainPolicy) -> str | None:
    is_ca = path[position].is_ca
    if policy.model is ChainModel.GENERIC or (is_ca is None and not policy.needs_basic_constraints):
        return None
    return "" if is_ca is False else "cA is TRUE" if is_ca else "no basicConstraints"


def _leaf_key_usage(path: _Path, position: int, policy: ChainPolicy) -> str | None:
    if policy.model is ChainModel.GENERIC:
        return None
    usages = path[position].key_usages
    if usages is None:
        return "no keyUsage"
    return "" if "digitalSignature" in usages else f"only {', '.join(sorted(usages))}"


def _leaf_extended_key_usage(path: _Path, position: int, policy: ChainPolicy) -> str | None:
    usages = path[position].extended_key_usages
    if policy.model is ChainModel.GENERIC or usages is None:
        return None
    roles = {role for role in ChainRole if role.value in usages}
    return "" if not roles or policy.role in roles else f"for the {roles.pop().name.lower()} only"


def _leaf_identity(path: _Path, position: int, policy: ChainPolicy) -> str | None:
    if policy.model is not ChainModel.ALIAS:
        return None
    try:
        return OID_HARDWARE_IDENTITY if OID_HARDWARE_IDENTITY in path[position].spdm_oids else ""
    except DecodeError as error:
        return f"SPDM extension: {error}"


_Examination: TypeAlias = Callable[[_Path, int, ChainPolicy], str | None]
"""Returns what is wrong, nothing if nothing is, and None where the rule does not apply."""

_OF_EACH: Final[tuple[tuple[ChainRule, _Examination], ...]] = (
    (ChainRule.VERSION, _version),
    (ChainRule.VALIDITY, _validity),
    (ChainRule.ISSUER, _issuer),
    (ChainRule.CRITICAL_EXTENSIONS, _critical_extensions),
    (ChainRule.NAME_CONSTRAINTS, _name_constraints),
)
_OF_ISSUER: Final[tuple[tuple[ChainRule, _Examination], ...]] = (
    (ChainRule.ISSUER_IS_CA, _issuer_is_ca),
    (ChainRule.PATH_LENGTH, _path_length),
    (ChainRule.ISSUER_KEY_USAGE, _issuer_key_usage),
)
_OF_LEAF: Final[tuple[tuple[ChainRule, _Examination], ...]] = (
    (ChainRule.LEAF_ALGORITHM, _leaf_algorithm),
    (ChainRule.LEAF_BASIC_CONSTRAINTS, _leaf_basic_constraints),
    (ChainRule.LEAF_KEY_USAGE, _leaf_key_usage),
    (ChainRule.LEAF_EXTENDED_KEY_USAGE, _leaf_extended_key_usage),
    (ChainRule.LEAF_IDENTITY, _leaf_identity),
)
