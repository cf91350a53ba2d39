"""Whether a chain of certificates may be believed, with a finding for every rule (RFC 5280, 6; DSP0274).

This file knows paths and trusted roots; the rules are in `pytio.crypto.chain_rules`. It knows no protocol message.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from pytio.crypto import _path_verifier
from pytio.crypto.algorithms import UnsupportedAlgorithmError
from pytio.crypto.chain_rules import ChainPolicy, ChainRule, examinations
from pytio.crypto.digests import digest
from pytio.errors import VerificationError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pytio.crypto.x509 import Certificate

__all__ = ("ChainError", "Finding", "build_path", "examine_chain", "verify_chain")


@attrs.frozen
class Finding:
    """The outcome of one rule, asked of one certificate or of the whole chain."""

    rule: ChainRule
    holds: bool
    index: int | None = None
    """Which certificate, counted as the chain was given; None where the rule is about the chain."""
    detail: str = ""
    """What was found."""

    def __str__(self) -> str:
        """Say rule, certificate, outcome and reason."""
        where = "" if self.index is None else f"certificate[{self.index}]: "
        outcome = "holds" if self.holds else "does not hold"
        return f"{where}{self.rule}: {outcome}" + (f" ({self.detail})" if self.detail else "")


class ChainError(VerificationError):
    """A chain does not hold.

    Attributes:
        finding: the first rule that failed, and for which certificate.
    """

    def __init__(self, finding: Finding, pieces: tuple[object, ...] = ()) -> None:
        super().__init__(str(finding), pieces)
        self.args = (finding, pieces)
        self.finding = finding

    def __str__(self) -> str:
        """Say the finding."""
        return str(self.finding)


def build_path(certificates: Sequence[Certificate], policy: ChainPolicy) -> tuple[Certificate, ...]:
    """Return the certificates from the root to the leaf: those given, below the trusted root that they leave out.

    A chain may leave its root out; then it is looked for among the policy's roots, by RootHash if that is known. The
    certificates come back alone where none fits.
    """
    if not certificates or certificates[0].is_self_issued:
        return tuple(certificates)
    for root in policy.roots or ():
        if _has_root_hash(root, policy) is not False and _is_issued_by(certificates[0], root):
            return (root, *certificates)
    return tuple(certificates)


def examine_chain(certificates: Sequence[Certificate], policy: ChainPolicy) -> tuple[Finding, ...]:
    """Return the outcome of every rule that applies, in order from the root to the leaf.

    Where all of them hold and the library's own path verifier knows everything in the chain, it is asked last.
    ``certificates`` are in the order of an SPDM chain: root side first, leaf last.
    """
    if not certificates:
        return (Finding(ChainRule.NOT_EMPTY, holds=False),)
    path = build_path(certificates, policy)
    offset = len(path) - len(certificates)
    findings = [
        *_examine_root(path, policy, offset),
        *(
            Finding(rule, holds=not objection, index=position - offset, detail=objection)
            for position in range(offset, len(path))
            for rule, objection in examinations(path, position, policy)
        ),
    ]
    if policy.roots is not None and all(finding.holds for finding in findings):
        opinion = _path_verifier.objection(path, policy.at)
        if opinion is not None:
            findings.append(Finding(ChainRule.PATH, holds=not opinion, detail=opinion))
    return tuple(findings)


def verify_chain(certificates: Sequence[Certificate], policy: ChainPolicy) -> tuple[Finding, ...]:
    """Return the findings of ``examine_chain``. Raises ChainError for the first that does not hold."""
    findings = examine_chain(certificates, policy)
    for finding in findings:
        if not finding.holds:
            pieces = () if finding.index is None else (certificates[finding.index].der,)
            raise ChainError(finding, pieces)
    return findings


def _examine_root(path: Sequence[Certificate], policy: ChainPolicy, offset: int) -> Iterator[Finding]:
    root, index = path[0], None if offset else 0
    has_root_hash = _has_root_hash(root, policy)
    is_trusted = policy.roots is None or root in policy.roots
    if has_root_hash is not None and (root.is_self_issued or is_trusted):
        yield Finding(ChainRule.ROOT_HASH, has_root_hash, index, "" if has_root_hash else f"not that of {root.subject}")
    if policy.roots is not None:
        yield Finding(ChainRule.TRUST_ANCHOR, is_trusted, index, root.subject if root.is_self_issued else root.issuer)


def _has_root_hash(root: Certificate, policy: ChainPolicy) -> bool | None:
    """Say whether the root has the given hash, None if none is given."""
    if policy.root_hash is None or policy.hash_algorithm is None:
        return None
    return digest(policy.hash_algorithm, root.der) == policy.root_hash


def _is_issued_by(certificate: Certificate, issuer: Certificate) -> bool:
    try:
        return certificate.is_issued_by(issuer)
    except UnsupportedAlgorithmError:
        return False
