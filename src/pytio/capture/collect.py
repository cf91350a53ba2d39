"""Evidence out of a capture: every signed measurement that it holds, with the chain and the reports of its connection.

This file gathers what the records say. What evidence is, is `pytio.evidence`'s.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress

import attrs

from pytio.capture.ends import Place, ends_of
from pytio.capture.records import Record
from pytio.errors import SpdmDecodeError
from pytio.evidence import Evidence
from pytio.evidence.evidence import WHAT
from pytio.spdm.codes import SpdmCode
from pytio.spdm.proofs import SignatureProof
from pytio.spdm.transcript import Pieces
from pytio.tdisp.messages import DeviceInterfaceReport, GetDeviceInterfaceReport

__all__ = ("evidence_of",)


@attrs.define
class _Reports:
    """The TDI reports of one place, put together from their portions."""

    _portions: dict[str, bytes] = attrs.field(factory=dict)
    _asked: GetDeviceInterfaceReport | None = None
    whole: dict[str, bytes] = attrs.field(factory=dict)
    records: dict[str, int] = attrs.field(factory=dict)

    def take(self, record: Record) -> None:
        """Take what a record says of reports."""
        message = record.message
        if isinstance(message, GetDeviceInterfaceReport):
            self._asked = message
        if not isinstance(message, DeviceInterfaceReport) or self._asked is None:
            return
        interface = str(message.interface_id)
        so_far = self._portions.get(interface, b"") if self._asked.offset else b""
        if len(so_far) != self._asked.offset:
            return
        self._portions[interface] = so_far + message.report_bytes
        if not message.remainder_length:
            self.whole[interface] = self._portions.pop(interface)
            self.records[interface] = record.number


def evidence_of(records: Iterable[Record], name: str) -> Iterator[Evidence]:
    """Yield what verified records prove, in order: one `Evidence` for each signed MEASUREMENTS that could be checked.

    ``name`` is what the evidence calls the capture. Every one has all reports of its connection, whenever they came.
    Measurements whose messages are not all there, as in a damaged capture, are left out.
    """
    reports: dict[Place | None, _Reports] = {}
    found: list[tuple[SignatureProof, _Reports]] = []
    for record in records:
        ends = ends_of(record)
        place = ends.place if ends is not None else None
        here = reports.setdefault(place, _Reports())
        if any(layer.title == SpdmCode.GET_VERSION.name for layer in record.layers):
            here = reports[place] = _Reports()
        here.take(record)
        for check in record.checks:
            if isinstance(check.proof, SignatureProof) and check.check == WHAT:
                found.append((check.proof, here))  # noqa: PERF401  a comprehension would not narrow the type
    for proof, here in found:
        with suppress(SpdmDecodeError):
            yield Evidence.from_proof(proof, reports=here.whole, sources=_sources(proof, here, name))


def _sources(proof: SignatureProof, reports: _Reports, name: str) -> dict[str, str]:
    exchanges = tuple(piece for piece in proof.pieces if piece.rule == "L")
    told = {
        "vca": _records(proof.background.vca, name),
        "exchanges": _records(exchanges, name),
        "chain": _records(proof.chain, name),
    }
    return told | {f"report {interface}": f"{name}, record {number}" for interface, number in reports.records.items()}


def _records(pieces: Pieces, name: str) -> str:
    numbers = [piece.source for piece in pieces if piece.source is not None]
    if not numbers:
        return name
    first, last = numbers[0], numbers[-1]
    return f"{name}, record {first}" if first == last else f"{name}, records {first} to {last}"
