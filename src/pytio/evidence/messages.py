"""The messages that measurement evidence is made of, taken apart (DSP0274; DMTF, standard measurement transcripts).

A transcript is messages one after the other, with nothing between them: from SPDM 1.2 on those of GET_VERSION to
ALGORITHMS, in all versions pairs of GET_MEASUREMENTS and MEASUREMENTS, of which the last is signed. What a message does
not say of its own size, ALGORITHMS says. This file takes apart; it judges nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import Enum
from typing import Any, Final

import attrs

from pytio.errors import SpdmDecodeError
from pytio.spdm.codes import MeasurementIndex, SpdmCode, SpdmVersion
from pytio.spdm.messages.algorithms import Algorithms, NegotiateAlgorithms
from pytio.spdm.messages.base import SpdmMessage
from pytio.spdm.messages.capabilities import Capabilities, GetCapabilities
from pytio.spdm.messages.measurements import GetMeasurements, MeasurementBlock, Measurements
from pytio.spdm.messages.version import GetVersion, Version
from pytio.spdm.negotiated import Negotiated, UnknownFactError
from pytio.spdm.transcript import Piece, Pieces

__all__ = ("Measured", "TranscriptForm", "form_of", "measured", "negotiated", "split_exchanges", "split_vca")

_VCA: Final[tuple[type[SpdmMessage], ...]] = (
    GetVersion,
    Version,
    GetCapabilities,
    Capabilities,
    NegotiateAlgorithms,
    Algorithms,
)
_HEADER_BYTES: Final = 4


class TranscriptForm(Enum):
    """Which of DMTF's standard measurement transcripts it is."""

    SINGLE_REQUEST = "single-request"
    """One request for all measurements."""
    MULTIPLE_REQUESTS = "multiple-request"
    """A request for their number, and one for each."""
    OTHER = "other"
    """None of the two; it may be verified all the same, but not every verifier takes it."""


@attrs.frozen
class Measured:
    """One exchange: what was asked and what was answered."""

    request: GetMeasurements
    response: Measurements


def split_vca(data: bytes) -> tuple[Pieces, int]:
    """Return the six messages from GET_VERSION to ALGORITHMS at the start of ``data``, and how many bytes they take.

    Raises SpdmDecodeError, with the offset in ``data``, if they are not there.
    """
    pieces: list[Piece] = []
    offset = 0
    for cls in _VCA:
        _, size = _parsed(cls, data, offset)
        pieces.append(Piece(cls.NAME, data[offset : offset + size], "A"))
        offset += size
    return tuple(pieces), offset


def negotiated(vca: Pieces) -> Negotiated:
    """Return what the messages from GET_VERSION to ALGORITHMS settle. Raises SpdmDecodeError if they are no such."""
    if [piece.what for piece in vca] != [cls.NAME for cls in _VCA]:
        raise SpdmDecodeError("not the messages from GET_VERSION to ALGORITHMS", b"".join(piece.data for piece in vca))
    parsed: list[Any] = [cls.parse(piece.data) for cls, piece in zip(_VCA, vca, strict=True)]
    return Negotiated.from_messages(*parsed[2:])


def split_exchanges(data: bytes, agreed: Negotiated, base: int = 0) -> tuple[Pieces, bytes]:
    """Return the messages of measurement exchanges from ``base`` on, and the signature at the end of the last.

    Raises SpdmDecodeError, with the offset in ``data``, if something else is there.
    """
    pieces: list[Piece] = []
    offset, signature = base, b""
    while offset < len(data) or not pieces:
        if signature:
            raise SpdmDecodeError(f"{len(data) - offset} bytes left over after the signature", data, offset)
        request, size = _parsed(GetMeasurements, data, offset)
        pieces.append(Piece(SpdmCode.GET_MEASUREMENTS.name, data[offset : offset + size], "L"))
        offset += size
        response, size = _parsed(Measurements, data, offset, **_facts(agreed, request, data, offset))
        signature = response.signature
        unsigned = data[offset : offset + size - len(signature)]
        pieces.append(Piece(SpdmCode.MEASUREMENTS.name, unsigned, "L"))
        offset += size
    return tuple(pieces), signature


def measured(exchanges: Pieces, agreed: Negotiated, signature: bytes) -> tuple[Measured, ...]:
    """Return the messages of measurement exchanges. Raises SpdmDecodeError if the pieces are no such."""
    data = b"".join(piece.data for piece in exchanges) + signature
    split, found = split_exchanges(data, agreed)
    named = [(piece.what, piece.data) for piece in exchanges]
    if [(piece.what, piece.data) for piece in split] != named or found != signature:
        raise SpdmDecodeError("messages that do not begin and end where it is said", data)
    return tuple(_pairs(exchanges, agreed, signature))


def _pairs(exchanges: Sequence[Piece], agreed: Negotiated, signature: bytes) -> Iterator[Measured]:
    for position in range(0, len(exchanges), 2):
        request = GetMeasurements.parse(exchanges[position].data)
        is_last = position + 2 == len(exchanges)
        raw = exchanges[position + 1].data + (signature if is_last else b"")
        facts = agreed.facts(Measurements, request, from_requester=False)
        yield Measured(request, Measurements.parse(raw, **facts))


def form_of(exchanges: Sequence[Measured]) -> TranscriptForm:
    """Return which standard measurement transcript the exchanges make."""
    requests = [exchange.request for exchange in exchanges]
    version = requests[0].version
    if any(request.raw_bit_stream_requested and version >= SpdmVersion.V1_2 for request in requests):
        return TranscriptForm.OTHER
    if any(request.new_measurement_requested and version >= SpdmVersion.V1_3 for request in requests):
        return TranscriptForm.OTHER
    operations = [request.measurement_operation for request in requests]
    if operations == [MeasurementIndex.ALL]:
        return TranscriptForm.SINGLE_REQUEST
    count, indices = operations[0], operations[1:]
    total = exchanges[0].response.total_number_of_measurements
    is_count = count == MeasurementIndex.TOTAL_NUMBER and len(indices) == total > 0
    ascends = indices == sorted(set(indices)) and MeasurementIndex.ALL not in indices
    has_gaps = version >= SpdmVersion.V1_2 or indices == list(range(1, total + 1))
    is_form = is_count and ascends and has_gaps and all(_is_single(exchange) for exchange in exchanges[1:])
    return TranscriptForm.MULTIPLE_REQUESTS if is_form else TranscriptForm.OTHER


def _is_single(exchange: Measured) -> bool:
    blocks: tuple[MeasurementBlock, ...] = exchange.response.measurement_record
    return [block.index for block in blocks] == [exchange.request.measurement_operation]


def _parsed(cls: type[Any], data: bytes, offset: int, **facts: int) -> tuple[Any, int]:
    """Parse the message at an offset; an error has its offset in all of ``data``."""
    try:
        return cls.parse_prefix(data[offset:], **facts)  # type: ignore[no-any-return]  # as the class says
    except SpdmDecodeError as error:
        raise SpdmDecodeError(error.reason, data, offset + error.offset, error.path) from None


def _facts(agreed: Negotiated, request: GetMeasurements, data: bytes, offset: int) -> dict[str, int]:
    try:
        return agreed.facts(Measurements, request, from_requester=False)
    except UnknownFactError as error:
        raise SpdmDecodeError(str(error), data, offset) from None
