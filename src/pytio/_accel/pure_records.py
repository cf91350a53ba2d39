"""Opening the secured records of an index one after the other, in plain Python.

Rows that need more than that end a run: a message that changes what later ones mean, a record that is not the next one
of its session, and whatever is unusual.
"""

from __future__ import annotations

from typing import Final

from pytio._accel.pure_openers import TAG_BYTES, SessionOpener
from pytio._accel.pure_rows import (
    INNER_MCTP_TYPE,
    KIND_SECURED,
    KIND_SPDM,
    RECORD_HEADER_BYTES,
    ROW,
    ROW_BYTES,
    STATE_FOREIGN,
    STATE_OPEN,
    describe,
)

__all__ = ("DONE", "FAILED", "OPENED", "RAW", "READ", "STOPS", "RecordTable", "fill_opened", "turned")

DONE, READ, OPENED, RAW, FAILED = range(5)
"""Why a run ended: no more rows; a packet to be read; a record that was opened and is to be followed; one that was
opened and does not say what it is; one that did not open."""
STOPS: Final = 512
"""How many marks say where a run ends: one for each SPDM code in clear, then one for each inside a record."""
_SPDM_TYPE: Final = 5
_SPDM_HEADER_BYTES: Final = 4


class RecordTable:
    """The sessions whose records can be opened."""

    def __init__(self) -> None:
        self._sessions: dict[tuple[int, int], list[tuple[int, SessionOpener | None]]] = {}

    def set(self, sessions: list[tuple[int, int, SessionOpener | None]]) -> None:
        """Name the sessions: flow, session id, and what opens them; None where that happens elsewhere."""
        self._sessions = {}
        for flow, session, opener in sessions:
            for heard in {flow, turned(flow)}:
                self._sessions.setdefault((heard, session), []).append((flow, opener))

    def open_rows(
        self, data: bytes, rows: bytearray, first: int, count: int, stops: bytes, plain: bytearray, plain_at: int
    ) -> tuple[int, int, int]:
        """Go through rows from ``first`` on, and open what can be opened.

        Returns the row at which the run ended, how far ``plain`` is filled, and why it ended. Rows say what was found
        in them; ``plain`` takes the messages. Raises ValueError where rows point outside of ``data``.
        """
        view = memoryview(data)
        if first < 0 or count > len(rows) // ROW_BYTES or len(stops) != STOPS:
            raise ValueError("rows that are not there")
        if not 0 <= plain_at <= len(plain):
            raise ValueError("no room for payloads")
        for at in range(first, count):
            fields = [*ROW.unpack_from(rows, at * ROW_BYTES)]
            kind, code = fields[11], fields[15]
            if kind == KIND_SPDM:
                if stops[code]:
                    return at, plain_at, READ
            elif kind != KIND_SECURED:
                return at, plain_at, READ
            elif (fields[9], fields[8]) in self._sessions:
                reason, plain_at = self._open_row(view, fields, stops, plain, plain_at)
                ROW.pack_into(rows, at * ROW_BYTES, *fields)
                if reason != DONE:
                    return at, plain_at, reason
        return max(first, count), plain_at, DONE

    def _open_row(
        self, view: memoryview, fields: list[int], stops: bytes, plain: bytearray, plain_at: int
    ) -> tuple[int, int]:
        offset, body, body_size, number_bytes = fields[1], fields[4], fields[5], fields[18]
        header = RECORD_HEADER_BYTES + number_bytes
        if offset + body + body_size > len(view) or plain_at + body_size > len(plain) or body_size < header + TAG_BYTES:
            raise ValueError("rows that do not fit their data")
        record = bytes(view[offset + body : offset + body + body_size])
        for flow, opener in self._sessions[fields[9], fields[8]]:
            opened = opener and opener.open(record[:header], record[header:], record[4 : 4 + number_bytes])
            if not opener or not opened:
                continue
            side, payload = opened
            plain[plain_at : plain_at + len(payload)] = payload
            is_told = fill_opened(fields, flow, side + 1, memoryview(payload), plain_at, opener[0].is_encrypted)
            reason = RAW if not is_told else OPENED if stops[256 + fields[15]] else DONE
            return reason, plain_at + len(payload)
        return FAILED, plain_at


def turned(flow: int) -> int:
    """Return a flow with its ends in the other order."""
    return flow & ~0xFFFF | flow << 8 & 0xFF00 | flow >> 8 & 0xFF


def fill_opened(
    fields: list[int], flow: int, direction: int, payload: memoryview, plain_at: int, is_encrypted: bool
) -> bool:
    """Fill in what an opened record says, its payload being at ``plain_at``; return whether its bytes tell."""
    fields[6:8] = plain_at, len(payload)
    fields[9] = flow
    fields[12:14] = STATE_OPEN, direction
    at, size = 0, len(payload)
    if is_encrypted:
        at, size = 2, int.from_bytes(payload[:2], "little")
        if at + size > len(payload):
            return False
    if fields[19] == INNER_MCTP_TYPE:
        if not size:
            return False
        if payload[at] != _SPDM_TYPE:
            fields[12] = STATE_FOREIGN
            return False
        at, size = at + 1, size - 1
    if size < _SPDM_HEADER_BYTES:
        return False
    said, is_plain = describe(payload[at : at + size], direction)
    fields[13:18] = said
    if is_plain:
        fields[6:8] = plain_at + at, size
    return is_plain
