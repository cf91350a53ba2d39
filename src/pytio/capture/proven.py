"""What of SEV-TIO a capture lets one check: the tag of a guest message, and digests of what was handed over.

These are proofs as `pytio.spdm.proofs` makes them of signatures, but simpler: they say what is covered and whether it
holds, and no mistake is looked for.
"""

from __future__ import annotations

from typing import Final

import attrs

from pytio.capture.records import Check
from pytio.crypto import HashAlgorithm, digest
from pytio.spdm.transcript import Piece, Pieces

__all__ = ("SimpleProof", "digest_check", "tag_check")

_DIGEST: Final = HashAlgorithm.SHA_384  # whatever hash SPDM negotiated (AMD 58271, "Digests")


@attrs.frozen
class SimpleProof:
    """A tag or a digest.

    Attributes:
        what: what was checked, as in ``TDI_INFO_RSP certs_digest``.
        pieces: what it covers, in order.
        how: one line on how it is made.
        ok: whether it holds.
    """

    what: str
    pieces: Pieces
    how: str
    ok: bool

    def explain(self) -> str:
        """Return what it covers, how it is made, and whether it holds."""
        lines = [f"{self.what} {'holds' if self.ok else 'does not hold'}", f"  {self.how}, over"]
        return "\n".join([*lines, *(f"  {len(piece.data):>6} bytes  {piece.what}" for piece in self.pieces)])


def tag_check(what: str, header: bytes, ciphertext: bytes, *, ok: bool) -> Check:
    """Return the check of a guest message's tag, which covers a part of the header and the ciphertext."""
    pieces = (Piece("header from ALGO on", header, "AAD"), Piece("ciphertext", ciphertext, "ciphertext"))
    return Check(SimpleProof(f"{what} AUTHTAG", pieces, "AES-256-GCM under a VMPCK", ok), ok)


def digest_check(what: str, said: bytes, data: bytes, name: str, source: int | None) -> Check:
    """Return the check of a digest: ``data``, called ``name``, came with record ``source``."""
    ok = digest(_DIGEST, data) == said  # public values
    return Check(SimpleProof(what, (Piece(name, data, "data", source),), "SHA-384", ok), ok)
