"""Chains each of which breaks one rule, and no other: whoever examines them refuses them (RFC 5280; DSP0274)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import cache
from typing import Final

import attrs
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from pytio.crypto import Certificate, ChainRole
from pytio.crypto.x509 import OID_REQUESTER_AUTH, OID_RESPONDER_AUTH
from tests.crypto.authority import NOW, YEAR, Chain, name, new_key, usage

__all__ = ("BENT", "bent", "spoilt")


def _ca(path_length: int | None = None, *, ca: bool = True) -> x509.BasicConstraints:
    return x509.BasicConstraints(ca=ca, path_length=path_length)


def _root_allows_no_issuer(chain: Chain, role: ChainRole) -> None:
    chain.root.basic_constraints = _ca(0)


def _issuer_is_no_ca(chain: Chain, role: ChainRole) -> None:
    chain.issuer.basic_constraints = _ca(ca=False)


def _issuer_says_nothing(chain: Chain, role: ChainRole) -> None:
    chain.issuer.basic_constraints = None


def _issuer_may_not_certify(chain: Chain, role: ChainRole) -> None:
    chain.issuer.usage = usage(sign=True)


def _issuer_forbids_the_name(chain: Chain, role: ChainRole) -> None:
    other = [x509.DirectoryName(name("Device", "Somebody else"))]
    chain.issuer.constraints = x509.NameConstraints(permitted_subtrees=other, excluded_subtrees=None)


def _root_excludes_the_name(chain: Chain, role: ChainRole) -> None:
    own = [x509.DirectoryName(name("Device"))]
    chain.root.constraints = x509.NameConstraints(permitted_subtrees=None, excluded_subtrees=own)


def _leaf_is_a_ca(chain: Chain, role: ChainRole) -> None:
    chain.leaf.basic_constraints = _ca()


def _leaf_may_not_sign(chain: Chain, role: ChainRole) -> None:
    chain.leaf.usage = usage(agree=True)


def _leaf_says_no_usage(chain: Chain, role: ChainRole) -> None:
    chain.leaf.usage = None


def _leaf_is_for_the_other_role(chain: Chain, role: ChainRole) -> None:
    chain.leaf.extended = [OID_REQUESTER_AUTH if role is ChainRole.RESPONDER else OID_RESPONDER_AUTH]


def _leaf_has_an_unknown_critical_extension(chain: Chain, role: ChainRole) -> None:
    chain.leaf.others = [("1.2.3.4", True)]


def _never_valid_together(chain: Chain, role: ChainRole) -> None:
    chain.issuer.not_before, chain.issuer.not_after = NOW - 9 * YEAR, NOW - 8 * YEAR
    chain.leaf.not_before, chain.leaf.not_after = NOW - timedelta(days=1), NOW + YEAR


_BENDS: Final[tuple[Callable[[Chain, ChainRole], None], ...]] = (
    _root_allows_no_issuer,
    _issuer_is_no_ca,
    _issuer_says_nothing,
    _issuer_may_not_certify,
    _issuer_forbids_the_name,
    _root_excludes_the_name,
    _leaf_is_a_ca,
    _leaf_may_not_sign,
    _leaf_says_no_usage,
    _leaf_is_for_the_other_role,
    _leaf_has_an_unknown_critical_extension,
    _never_valid_together,
)

_Issued = tuple[Certificate, ...]


def _signed_by_another(chain: Chain) -> _Issued:
    other = attrs.evolve(chain.issuer, key=new_key(chain.kind, 3))
    leaf = chain.leaf.issued_by(other, issuer_name=chain.issuer.subject)
    return (*chain.issue()[:2], leaf)


def _issued_by_another_name(chain: Chain) -> _Issued:
    return (*chain.issue()[:2], chain.leaf.issued_by(chain.issuer, issuer_name=name("Nobody")))


def _without_the_issuer(chain: Chain) -> _Issued:
    root, _, leaf = chain.issue()
    return root, leaf


def _out_of_order(chain: Chain) -> _Issued:
    root, issuer, leaf = chain.issue()
    return root, leaf, issuer


_ISSUES: Final[tuple[Callable[[Chain], _Issued], ...]] = (
    _signed_by_another,
    _issued_by_another_name,
    _without_the_issuer,
    _out_of_order,
)

BENT: Final = len(_BENDS) + len(_ISSUES)
"""How many kinds there are."""


@cache
def bent(number: int, kind: str, role: ChainRole) -> tuple[bytes, ...]:
    """Return one of the chains, DER from the root to the leaf, with keys of a kind."""
    chain = Chain(kind)
    chain.leaf.extended = [ExtendedKeyUsageOID.CLIENT_AUTH.dotted_string]
    if number < len(_BENDS):
        _BENDS[number](chain, role)
        issued: _Issued = chain.issue()
    else:
        issued = _ISSUES[number - len(_BENDS)](chain)
    return tuple(certificate.der for certificate in issued)


def spoilt(certificates: tuple[bytes, ...], at: int) -> tuple[bytes, ...]:
    """Return a chain of which a byte of the leaf's signature is another."""
    leaf = bytearray(certificates[-1])
    leaf[-1 - at % 32] ^= 1 << at % 8
    return (*certificates[:-1], bytes(leaf))
