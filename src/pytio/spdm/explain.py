"""A proof as text: what it covers, message by message, how it was made, and why it may fail.

This file shows. What a proof is and whether it holds is `pytio.spdm.proofs`', mistakes are `pytio.spdm.mistakes`'.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from pytio.crypto import UnsupportedAlgorithmError
from pytio.spdm.mistakes import Fit, find_mistake
from pytio.spdm.proofs import HmacProof, Proof, SignatureProof
from pytio.spdm.transcript import Pieces

__all__ = ("FAILS", "HOLDS", "RULES", "explain", "explain_outcome")

HOLDS: Final = "holds"
"""The outcome of a proof that holds."""
FAILS: Final = "does not hold"
"""The outcome of one that does not."""

RULES: Final = {
    "A": "the connection: GET_VERSION to ALGORITHMS (VCA)",
    "B": "digests and certificates read outside sessions since the last reset",
    "C": "the challenge, without its signature",
    "mutB": "the requester's digests and certificates, encapsulated",
    "mutC": "the challenge of the requester, without its signature",
    "L": "measurements since the last reset; the last one without its signature",
    "E": "the exchange about the endpoint, without its signature",
    "D": "the first DIGESTS after ALGORITHMS, on a multi-key connection",
    "Ct": "the responder's certificate chain, or its provisioned key, hashed",
    "K": "the key exchange",
    "ED": "the requester's first DIGESTS, encapsulated, on a multi-key connection",
    "CM": "the requester's certificate chain, or its provisioned key, hashed",
    "F": "the finish exchange",
}
"""Why a piece is covered, by the name that the specification's formulas use (DSP0274, message transcripts)."""

_SECTIONS: Final = {
    "CHALLENGE_AUTH signature": ("M1/M2", "DSP0274, CHALLENGE_AUTH signature"),
    "MEASUREMENTS signature": ("L1/L2", "DSP0274, MEASUREMENTS signature"),
    "ENDPOINT_INFO signature": ("IL1/IL2", "DSP0274, ENDPOINT_INFO signature"),
    "KEY_EXCHANGE_RSP signature": ("TH", "DSP0274, transcript for the KEY_EXCHANGE_RSP signature"),
    "KEY_EXCHANGE_RSP ResponderVerifyData": ("TH1", "DSP0274, transcript for the KEY_EXCHANGE_RSP HMAC"),
    "FINISH signature": ("TH", "DSP0274, transcript for the FINISH signature"),
    "FINISH RequesterVerifyData": ("TH", "DSP0274, transcript for the FINISH HMAC"),
    "FINISH_RSP ResponderVerifyData": ("TH", "DSP0274, transcript for the FINISH_RSP HMAC"),
    "PSK_EXCHANGE_RSP ResponderVerifyData": ("TH1", "DSP0274, transcript for the PSK_EXCHANGE_RSP HMAC"),
    "PSK_FINISH RequesterVerifyData": ("TH", "DSP0274, transcript for the PSK_FINISH HMAC"),
}
"""What the specification calls the transcript, and where it defines it."""


def explain(proof: Proof) -> str:
    """Return what a proof covers, how it was made, and whether it holds.

    If it does not hold, the last lines name the known mistake that would explain it, or say that none does.
    """
    return explain_outcome(proof, *_outcome(proof))


def explain_outcome(proof: Proof, outcome: str, fit: Fit | None = None) -> str:
    """Return the same for a proof of which it is known already how it came out, and which mistake fits if it failed."""
    return "\n".join(_lines(proof, outcome, fit))


def _lines(proof: Proof, outcome: str, fit: Fit | None) -> Iterator[str]:
    yield f"{proof.what}: {outcome}"
    name, section = _SECTIONS.get(proof.what, ("transcript", "DSP0274"))
    yield f"  {_version(proof.version)}, {_algorithms(proof)}"
    yield f"  {name} = {_formula(proof.pieces)}  ({section})"
    yield from _table(proof.pieces)
    yield from _making(proof)
    if outcome == FAILS:
        yield f"  known mistake: {_fit_text(fit)}"
        if fit is not None and fit.pieces:
            yield "  it holds over"
            yield from _table(fit.pieces)


def _outcome(proof: Proof) -> tuple[str, Fit | None]:
    if not proof.can_be_checked:
        return "not checked, no key is known", None
    try:
        return (HOLDS, None) if proof.holds else (FAILS, find_mistake(proof))
    except UnsupportedAlgorithmError as error:
        return f"not checked, {error}", None


def _fit_text(fit: Fit | None) -> str:
    return "none of the known" if fit is None else f"{fit} ({fit.mistake.section})"


def _version(version: int) -> str:
    return f"SPDM {version >> 4}.{version & 0xF}"


def _algorithms(proof: Proof) -> str:
    if isinstance(proof, SignatureProof):
        return f"{proof.algorithm} with {proof.hash_algorithm}"
    return f"HMAC with {proof.hash_algorithm} under the sender's finished key"


def _formula(pieces: Pieces) -> str:
    return " || ".join(dict.fromkeys(piece.rule for piece in pieces))


def _table(pieces: Pieces) -> Iterator[str]:
    width = max((len(piece.what) for piece in pieces), default=0)
    rule = ""
    for piece in pieces:
        reason = RULES.get(piece.rule, "") if piece.rule != rule else ""
        rule = piece.rule
        source = "" if piece.source is None else f"{piece.source}"
        row = f"    {source:>6}  {piece.what:<{width}}  {len(piece.data):>6} bytes  {rule:<4}  {reason}"
        yield row.rstrip()


def _making(proof: Proof) -> Iterator[str]:
    size = sum(len(piece.data) for piece in proof.pieces)
    try:
        yield f"  digest    {proof.digest.hex()}  of {size} bytes"
    except UnsupportedAlgorithmError as error:
        yield f"  digest    {error}"
    if isinstance(proof, SignatureProof):
        if proof.prefix:
            repeated = proof.prefix[:_VERSION_TEXT_BYTES].decode()
            yield f'  prefix    4 x "{repeated}", then "{proof.context.value.decode()}"'
        else:
            yield "  prefix    none before SPDM 1.2"
        yield f"  signature {proof.value.hex()}"
        yield from _key(proof.chain)
    elif isinstance(proof, HmacProof):
        yield f"  HMAC      {proof.value.hex()}"


def _key(chain: Pieces) -> Iterator[str]:
    if chain:
        first, last = chain[0].source, chain[-1].source
        yield f"  key       the leaf's, of the certificate chain in {first}" + (f" to {last}" if last != first else "")


_VERSION_TEXT_BYTES: Final = 16
"""One of the four repetitions that a prefix begins with."""
