"""Rows of the record index as values with names, and a record's facts as a row."""

from __future__ import annotations

from typing import Final, NamedTuple

from pytio._accel.pure_rows import (
    KIND_DISCOVERY,
    KIND_OTHER,
    KIND_SECURED,
    KIND_SPDM,
    LAYER_CXL,
    LAYER_IDEKM,
    LAYER_SPDM,
    LAYER_TDISP,
    REQUEST,
    RESPONSE,
    ROW,
    ROW_BYTES,
    STATE_CLEAR,
    STATE_CLOSED,
    STATE_FOREIGN,
    STATE_OPEN,
)
from pytio.capture.places import Places
from pytio.capture.records import Direction, Layer, Record

__all__ = (
    "CARRIED",
    "KIND_GUEST",
    "KIND_PSP",
    "NO_OFFSET",
    "NO_TIME",
    "WITHOUT_CODE",
    "IndexRow",
    "row_at",
    "row_of",
)

KIND_PSP, KIND_GUEST = 4, 5
"""What a record is beside what scanners tell: their rows have its revision as version, and its code."""

CARRIED: Final = {"idekm": LAYER_IDEKM, "tdisp": LAYER_TDISP, "cxl": LAYER_CXL, "spdm": LAYER_SPDM}
"""Layers directly inside an SPDM message, as rows have them."""
WITHOUT_CODE: Final = 0x80
"""Added to a layer that says no code, where it might."""
NO_OFFSET: Final = (1 << 64) - 1
"""In place of an offset, for a record whose bytes are not in one place."""
NO_TIME: Final = -(1 << 63)
"""In place of a time that 64 bits do not hold."""
_NUMBERS: Final = {None: 0, Direction.REQUEST: REQUEST, Direction.RESPONSE: RESPONSE}


class IndexRow(NamedTuple):
    """One row of the record index; `pytio._accel.pure_rows` says what its fields are."""

    time_ns: int
    offset: int
    size: int
    original: int
    body: int
    body_size: int
    plain: int
    plain_size: int
    session: int
    flow: int
    place: int
    kind: int
    state: int
    direction: int
    version: int
    code: int
    layer: int
    layer_code: int
    number_bytes: int
    inner: int


def row_at(rows: bytearray, at: int) -> IndexRow:
    """Return a row."""
    return IndexRow._make(ROW.unpack_from(rows, at * ROW_BYTES))


def row_of(record: Record, places: Places, offset: int) -> bytes:
    """Return the row of a record whose bytes lie at ``offset``."""
    spdm = next((at for at, layer in enumerate(record.layers) if layer.name == "spdm"), None)
    said = record.layers[spdm].facts if spdm is not None else {}
    carried = record.layers[spdm + 1] if spdm is not None and spdm + 1 < len(record.layers) else None
    version = record.layers[spdm].data[0] if spdm is not None and said else 0
    kind, state = _kind_and_state(record, is_said=bool(said))
    code = said.get("code", 0)
    if record.transport in _SEV_KINDS:
        kind, (version, code) = _SEV_KINDS[record.transport], _sev_code(record)
    is_time = NO_TIME < record.time_ns < -NO_TIME
    return ROW.pack(
        record.time_ns if is_time else NO_TIME,
        offset,
        len(record.data),
        len(record.data),
        *(0, 0, 0, 0),
        record.session_id or 0,
        0,
        places.number(record.transport, record.interface),
        kind,
        state,
        _NUMBERS[record.direction],
        version,
        code,
        *_carried(carried),
        *(0, 0),
    )


_SEV_KINDS: Final = {"psp": KIND_PSP, "guest": KIND_GUEST}
_CODES: Final = 1 << 8


def _sev_code(record: Record) -> tuple[int, int]:
    """Return the revision and the code of a command, or of a guest message; zeros where there is none."""
    from pytio.capture.sev_records import RecordedRevision  # noqa: PLC0415  few captures have any

    said = next((layer for layer in record.layers if "revision" in layer.facts), None)
    if said is None:
        return 0, 0
    code = said.facts.get("code", getattr(said.message, "msg_type", 0))
    return (RecordedRevision[said.facts["revision"]], code) if code < _CODES else (0, 0)


def _kind_and_state(record: Record, *, is_said: bool) -> tuple[int, int]:
    if record.session_id is not None:
        opened = STATE_OPEN if is_said else STATE_FOREIGN
        return KIND_SECURED, opened if record.is_decrypted else STATE_CLOSED
    if is_said:
        return KIND_SPDM, STATE_CLEAR
    is_discovery = record.direction is not None and record.layers[-1].name == "doe"
    return KIND_DISCOVERY if is_discovery else KIND_OTHER, STATE_CLEAR


def _carried(layer: Layer | None) -> tuple[int, int]:
    if layer is None or layer.name not in CARRIED:
        return 0, 0
    number, code = CARRIED[layer.name], layer.facts.get("code")
    return (number, code) if code is not None else (number | WITHOUT_CODE, 0)
