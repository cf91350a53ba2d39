"""Evidence as JSON: the bytes, where each part came from, and beside them what a reader wants to see.

What is there for the reader is made from the bytes again when the text is read, and has to be the same: nobody is shown
what was not signed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeVar

from pytio.errors import DecodeError
from pytio.spdm.transcript import Piece, Pieces

if TYPE_CHECKING:
    from pytio.evidence.evidence import Evidence

__all__ = ("FORMAT", "from_json", "to_json")

FORMAT: Final = "pytio evidence 1"
"""What the text says it is."""

_E = TypeVar("_E", bound="Evidence")
_T = TypeVar("_T")


def to_json(evidence: Evidence) -> str:
    """Return evidence as JSON."""
    parts = {
        "format": FORMAT,
        "shown": _shown(evidence),
        "vca": [_plain(piece) for piece in evidence.vca],
        "exchanges": [_plain(piece) for piece in evidence.exchanges],
        "signature": evidence.signature.hex(),
        "chain": evidence.chain.hex(),
        "reports": {interface: report.hex() for interface, report in evidence.reports.items()},
        "sources": dict(evidence.sources),
    }
    return json.dumps(parts, indent=1) + "\n"


def _plain(piece: Piece) -> dict[str, Any]:
    return {"message": piece.what, "record": piece.source, "bytes": piece.data.hex()}


def _shown(evidence: Evidence) -> dict[str, Any]:
    """Return what the bytes say."""
    return {
        "version": f"{evidence.version >> 4}.{evidence.version & 0xF}",
        "algorithms": _algorithms(evidence),
        "slot": evidence.slot,
        "nonce": evidence.nonce.hex(),
        "responder_nonce": evidence.responder_nonce.hex(),
        "transcript": evidence.form.value,
        "measurements": [block.to_dict() for block in evidence.measurements.values()],
    }


def _algorithms(evidence: Evidence) -> dict[str, str]:
    """Return the algorithms that the signature depends on, by what they are for."""
    agreed = evidence.negotiated
    chosen = {
        "base_hash": agreed.base_hash,
        "signature": agreed.base_asym or agreed.pqc_asym,
        "measurement_hash": agreed.measurement_hash,
    }
    return {use: str(algorithm.name) for use, algorithm in chosen.items() if algorithm}


def from_json(cls: type[_E], text: str | bytes) -> _E:
    """Return the evidence. Raises DecodeError if the text is something else, or shows what its bytes do not say."""
    data = text.encode() if isinstance(text, str) else text
    try:
        parts = json.loads(data)
    except json.JSONDecodeError as error:
        raise DecodeError(f"not JSON: {error.msg}", data, error.pos) from error
    except (UnicodeDecodeError, RecursionError) as error:
        raise DecodeError(f"not JSON: {error}", data) from error
    if not isinstance(parts, dict) or parts.get("format") != FORMAT:
        raise DecodeError(f"no format {FORMAT!r}", data, path="format")
    take = _Taker(parts, data)
    evidence = cls(
        vca=take("vca", lambda part: _pieces(part, "A")),
        exchanges=take("exchanges", lambda part: _pieces(part, "L")),
        signature=take("signature", bytes.fromhex),
        chain=take("chain", bytes.fromhex),
        reports=take("reports", lambda part: {str(name): bytes.fromhex(report) for name, report in part.items()}),
        sources=take("sources", lambda part: {str(name): str(source) for name, source in part.items()}),
    )
    shown = json.loads(json.dumps(_shown(evidence)))
    if parts.get("shown") != shown:
        raise DecodeError("what it shows is not what its bytes say", data, path="shown")
    return evidence


def _pieces(part: list[Mapping[str, Any]], rule: str) -> Pieces:
    return tuple(
        Piece(str(plain["message"]), bytes.fromhex(plain["bytes"]), rule, _number(plain.get("record")))
        for plain in part
    )


def _number(value: object) -> int | None:
    if value is not None and not isinstance(value, int):
        raise TypeError(f"{value!r} is no number of a record")
    return value


class _Taker:
    """Takes parts of the JSON; what is not as it should be is reported with its name."""

    def __init__(self, parts: Mapping[str, Any], data: bytes) -> None:
        self._parts = parts
        self._data = data

    def __call__(self, name: str, convert: Callable[[Any], _T]) -> _T:
        """Return a part. Raises DecodeError if it is missing or malformed."""
        try:
            return convert(self._parts[name])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise DecodeError(f"missing or malformed: {error}", self._data, path=name) from None
