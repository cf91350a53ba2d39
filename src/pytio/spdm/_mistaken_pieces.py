"""What a peer may cover by mistake: each function yields what may have been covered in place of a proof's own pieces.

The table that names the mistakes is in `pytio.spdm.mistakes`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain
from typing import Final

import attrs

from pytio.crypto import digest
from pytio.errors import SpdmDecodeError
from pytio.spdm.certificate_chain import CertificateChain
from pytio.spdm.codes import SpdmCode
from pytio.spdm.proofs import Proof
from pytio.spdm.transcript import Piece, Pieces, joined

_DWORD_BYTES: Final = 4
_PAIR: Final = 2
_EXCHANGE_RESPONSES: Final = (SpdmCode.KEY_EXCHANGE_RSP.name, SpdmCode.PSK_EXCHANGE_RSP.name)
_HASHES_OF_CHAINS: Final = ("Ct", "CM")


def _split(pieces: Pieces) -> tuple[Pieces, Pieces]:
    """Return A, and what follows it."""
    vca = tuple(piece for piece in pieces if piece.rule == "A")
    return vca, pieces[len(vca) :]


def no_vca(proof: Proof) -> Iterator[Pieces]:
    """Leave out A."""
    yield _split(proof.pieces)[1]


def with_vca(proof: Proof) -> Iterator[Pieces]:
    """Put A before what has none."""
    if not _split(proof.pieces)[0]:
        yield (*proof.background.vca, *proof.pieces)


def last_pair_only(proof: Proof) -> Iterator[Pieces]:
    """Leave out all but A and the last two pieces, where a transcript is of requests and responses only."""
    vca, rest = _split(proof.pieces)
    if not any(piece.rule == "K" for piece in rest):
        yield (*vca, *rest[-_PAIR:])


def _suffixes(runs: tuple[Pieces, ...]) -> Iterator[Pieces]:
    """Yield the last run, the last two, and so on."""
    for start in reversed(range(len(runs))):
        yield tuple(chain.from_iterable(runs[start:]))


def missing_reset(proof: Proof) -> Iterator[Pieces]:
    """Keep what resets removed: the last of it, and more and more of what was before."""
    vca, rest = _split(proof.pieces)
    for dropped in _suffixes(proof.background.dropped):
        yield (*vca, *dropped, *rest)


def failed_attempt(proof: Proof) -> Iterator[Pieces]:
    """Keep requests that were not answered, or answered by ERROR, with or without what a reset removed."""
    vca, rest = _split(proof.pieces)
    strays = proof.background.strays
    requests = tuple(piece for piece in strays if piece.what != SpdmCode.ERROR.name)
    for covered in (*_suffixes(tuple((piece,) for piece in strays)), *_suffixes(tuple((piece,) for piece in requests))):
        for kept in ((), *_suffixes(proof.background.dropped)):
            yield (*vca, *_in_order((*kept, *covered, *rest)))


def _in_order(pieces: Pieces) -> Pieces:
    """Put pieces into the order in which they were said; those that do not know stay behind the one before."""
    order: list[tuple[int, Piece]] = []
    for piece in pieces:
        order.append((piece.source if piece.source is not None else order[-1][0] if order else 0, piece))
    return tuple(piece for _, piece in sorted(order, key=lambda entry: entry[0]))


def padding(proof: Proof) -> Iterator[Pieces]:
    """Keep the padding of every message to a dword."""
    *whole, last = proof.pieces  # the last one ends within its message, or has nothing behind it yet
    yield (*(piece if piece.rule in _HASHES_OF_CHAINS else _padded(piece) for piece in whole), last)


def _padded(piece: Piece) -> Piece:
    return attrs.evolve(piece, data=piece.data + bytes(-len(piece.data) % _DWORD_BYTES))


def _replaced(pieces: Pieces, old: Piece, data: bytes) -> Pieces:
    return tuple(attrs.evolve(piece, data=data) if piece is old else piece for piece in pieces)


def _chains(proof: Proof) -> Iterator[tuple[Piece, bytes]]:
    """Yield the hashes of certificate chains that are covered, each with the chain."""
    return (
        (piece, joined(piece.stands_for))
        for piece in proof.pieces
        if piece.rule in _HASHES_OF_CHAINS and piece.stands_for
    )


def _split_chains(proof: Proof) -> Iterator[tuple[Piece, CertificateChain, tuple[bytes, ...]]]:
    for piece, raw in _chains(proof):
        try:
            parsed = CertificateChain.parse(raw, digest=proof.hash_algorithm.digest_size)
            yield piece, parsed, parsed.certificates()
        except SpdmDecodeError:
            continue


def _hashed(proof: Proof, chain_of: CertificateChain, certificates: tuple[bytes, ...]) -> bytes:
    changed = CertificateChain(root_hash=chain_of.root_hash, certificate_list=b"".join(certificates))
    return digest(proof.hash_algorithm, changed.build())


def without_root(proof: Proof) -> Iterator[Pieces]:
    """Hash a chain without its first certificate."""
    for piece, parsed, certificates in _split_chains(proof):
        yield _replaced(proof.pieces, piece, _hashed(proof, parsed, certificates[1:]))


def with_root(proof: Proof) -> Iterator[Pieces]:
    """Hash a chain with the root that it leaves out."""
    for piece, parsed, certificates in _split_chains(proof):
        for root in proof.background.roots:
            if root not in certificates and digest(proof.hash_algorithm, root) == parsed.root_hash:
                yield _replaced(proof.pieces, piece, _hashed(proof, parsed, (root, *certificates)))


def certificates_only(proof: Proof) -> Iterator[Pieces]:
    """Hash the certificates without what stands before them."""
    for piece, parsed, _ in _split_chains(proof):
        yield _replaced(proof.pieces, piece, digest(proof.hash_algorithm, parsed.certificate_list))


def chain_not_hashed(proof: Proof) -> Iterator[Pieces]:
    """Put a chain in the place of its hash."""
    for piece, raw in _chains(proof):
        yield _replaced(proof.pieces, piece, raw)


def without(*rules: str) -> Callable[[Proof], Iterator[Pieces]]:
    """Leave out the pieces of some rules."""

    def variants(proof: Proof) -> Iterator[Pieces]:
        yield tuple(piece for piece in proof.pieces if piece.rule not in rules)

    return variants


def with_digests(proof: Proof) -> Iterator[Pieces]:
    """Put the first DIGESTS into the transcript of a session."""
    vca, rest = _split(proof.pieces)
    if rest and any(piece.rule == "K" for piece in rest) and not any(piece.rule == "D" for piece in rest):
        yield (*vca, *proof.background.digests, *rest)


def no_verify_data(proof: Proof) -> Iterator[Pieces]:
    """Leave out ResponderVerifyData of the key exchange."""
    for piece in proof.pieces[:-1]:
        if piece.what in _EXCHANGE_RESPONSES:
            yield _replaced(proof.pieces, piece, piece.data[: -proof.hash_algorithm.digest_size])
