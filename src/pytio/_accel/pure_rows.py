"""What a captured packet is, as far as its headers tell: rows of the record index, in plain Python.

A row is 64 bytes. Its fields, in order: time in ns; offset of the packet; bytes captured, and on the wire; offset in
the packet of the SPDM message or the record inside, and its size; offset of the plaintext, and its size; session id;
flow (interface, and requester's and responder's end; of a record that is not open: sender's and receiver's); interface;
kind; state; direction; SPDM version and code; what the message carries, and the code of that; how many bytes of its
number a record carries; what stands before the message in a plaintext. Whatever is in any way unusual is `KIND_OTHER`:
somebody else has to read it, and to say what is wrong.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

__all__ = (
    "INNER_MCTP_TYPE",
    "INTERFACE",
    "KIND_DISCOVERY",
    "KIND_OTHER",
    "KIND_SECURED",
    "KIND_SPDM",
    "LAYER_CXL",
    "LAYER_IDEKM",
    "LAYER_SPDM",
    "LAYER_TDISP",
    "LINK_DOE",
    "LINK_MCTP",
    "MOST_PLACES",
    "RECORD_HEADER_BYTES",
    "REQUEST",
    "RESPONSE",
    "ROW",
    "ROW_BYTES",
    "STATE_CLEAR",
    "STATE_CLOSED",
    "STATE_FOREIGN",
    "STATE_OPEN",
    "classify",
    "describe",
    "last_requests",
)

ROW: Final = Struct("=qQIIIIIIIIIBBBBBBBBB3x")
"""The layout of a row."""
ROW_BYTES: Final = ROW.size
"""How many bytes a row has."""
INTERFACE: Final = Struct("=qqII")
"""What pcapng scanners need of an interface: ns per tick, ns to add, link, and the number that rows are to have."""

LINK_DOE, LINK_MCTP = 1, 2
"""Links whose packets are messages."""
KIND_OTHER, KIND_DISCOVERY, KIND_SPDM, KIND_SECURED = range(4)
"""What a packet is."""
STATE_CLEAR, STATE_CLOSED, STATE_OPEN, STATE_FOREIGN = range(4)
"""In clear; not opened; opened; opened, and not SPDM inside."""
LAYER_IDEKM, LAYER_TDISP, LAYER_CXL, LAYER_SPDM = range(1, 5)
"""What a message carries: a protocol of vendors, of which CXL's show no code, or a message of the encapsulated flow."""
MOST_PLACES: Final = 64
"""How many places to talk in are told apart; more than a run of rows ever has, unless somebody made it up."""
REQUEST, RESPONSE = 1, 2
"""Directions; 0 where the bytes do not tell."""
RECORD_HEADER_BYTES: Final = 6
"""Of a record: session id and length; the number's bytes, if any, are between them."""
INNER_MCTP_TYPE: Final = 1
"""An MCTP message type stands before the message in a plaintext."""

_SPDM_HEADER_BYTES: Final = 4
_REQUEST_BIT: Final = 0x80
_DOE_HEADER_BYTES: Final = 8
_DOE_MOST_DW: Final = 1 << 18
_DW_BYTES: Final = 4
_DOE_DISCOVERY, _DOE_SPDM, _DOE_SECURED = range(3)
_DOE: Final = Struct("<HBBI")
_MCTP_HEADER_BYTES: Final = 5
_MCTP_WHOLE: Final = 0xC0
_MCTP_RESERVED: Final = 0xF0
_MCTP_SPDM, _MCTP_SECURED = 5, 6
_MCTP_NUMBER_BYTES: Final = 2
_MAC_BYTES: Final = 16
_MOST_PADDING: Final = 3
_VENDOR_DEFINED: Final = 0x7E
_LARGE_FORM_VERSION: Final = 0x14
_VENDOR: Final = Struct("<4xHBHH")  # registry, vendor id with its length, payload length
_LARGE_VENDOR: Final = Struct("<4xHBH2xI")
_PCI_SIG: Final = (3, 2)  # the registry, and how many bytes its vendor ids have
_PCI_SIG_VENDOR: Final = 0x0001
_CXL: Final = 0x1E98
_CODE_OFFSETS: Final = {0: (LAYER_IDEKM, 1), 1: (LAYER_TDISP, 2)}  # by protocol id, which is the payload's first byte
_DELIVER_ENCAPSULATED_RESPONSE: Final = 0xEB
_ENCAPSULATED_REQUEST: Final = 0x6A
_ENCAPSULATED_RESPONSE_ACK: Final = 0x6B
_WITHOUT_PAYLOAD: Final = (0, 2)
_ACK_VERSION: Final = 0x12  # from which on four more bytes stand before what it carries
_ACK_BYTES: Final = 8


Said = tuple[int, int, int, int, int]
"""Direction, version and code of a message, what it carries, and the code of that."""
_NOTHING: Final[Said] = (0, 0, 0, 0, 0)


def classify(packet: memoryview, link: int, interface: int, original: int) -> tuple[int, ...]:
    """Return the fields of a row from ``body`` on, as far as a packet tells them."""
    if len(packet) == original:
        if link == LINK_DOE and len(packet) >= _DOE_HEADER_BYTES:
            return _doe(packet, interface)
        if link == LINK_MCTP and len(packet) >= _MCTP_HEADER_BYTES:
            return _mctp(packet, interface)
    return _row(interface)


def _row(
    interface: int,
    kind: int = KIND_OTHER,
    body: tuple[int, int] = (0, 0),
    said: Said = _NOTHING,
    *,
    ends: tuple[int, int] = (0, 0),
    session: int = 0,
    number_bytes: int = 0,
    inner: int = 0,
) -> tuple[int, ...]:
    state = STATE_CLOSED if kind == KIND_SECURED else STATE_CLEAR
    asker, answerer = ends if said[0] != RESPONSE else ends[::-1]
    flow = interface << 16 | asker << 8 | answerer
    return (*body, 0, 0, session, flow, interface, kind, state, *said, number_bytes, inner)


def _doe(packet: memoryview, interface: int) -> tuple[int, ...]:
    vendor, kind, reserved, length = _DOE.unpack_from(packet)
    if vendor != 1 or reserved or length >= _DOE_MOST_DW or (length or _DOE_MOST_DW) * _DW_BYTES != len(packet):
        return _row(interface)
    if kind == _DOE_DISCOVERY:
        return _row(interface, KIND_DISCOVERY, (_DOE_HEADER_BYTES, 0))
    if kind == _DOE_SPDM:
        return _message(packet, _DOE_HEADER_BYTES, interface)
    if kind == _DOE_SECURED:
        return _record(packet, _DOE_HEADER_BYTES, interface, padding=_MOST_PADDING)
    return _row(interface, body=(_DOE_HEADER_BYTES, 0))


def _mctp(packet: memoryview, interface: int) -> tuple[int, ...]:
    if packet[0] & _MCTP_RESERVED or packet[3] & _MCTP_WHOLE != _MCTP_WHOLE:
        return _row(interface)
    ends = packet[2], packet[1]
    if packet[4] == _MCTP_SPDM:
        return _message(packet, _MCTP_HEADER_BYTES, interface, ends=ends, inner=INNER_MCTP_TYPE)
    if packet[4] == _MCTP_SECURED:
        return _record(
            packet, _MCTP_HEADER_BYTES, interface, number_bytes=_MCTP_NUMBER_BYTES, ends=ends, inner=INNER_MCTP_TYPE
        )
    return _row(interface, body=(_MCTP_HEADER_BYTES, 0), ends=ends, inner=INNER_MCTP_TYPE)


def _message(
    packet: memoryview, body: int, interface: int, *, ends: tuple[int, int] = (0, 0), inner: int = 0
) -> tuple[int, ...]:
    size = len(packet) - body
    if size < _SPDM_HEADER_BYTES:
        return _row(interface, body=(body, size), ends=ends, inner=inner)
    said, is_plain = describe(packet[body:])
    return _row(interface, KIND_SPDM if is_plain else KIND_OTHER, (body, size), said, ends=ends, inner=inner)


def _record(
    packet: memoryview,
    body: int,
    interface: int,
    *,
    number_bytes: int = 0,
    padding: int = 0,
    ends: tuple[int, int] = (0, 0),
    inner: int = 0,
) -> tuple[int, ...]:
    header = RECORD_HEADER_BYTES + number_bytes
    left = len(packet) - body - header
    length = int.from_bytes(packet[body + header - 2 : body + header], "little")
    if not _MAC_BYTES <= length <= left <= length + padding or any(packet[body + header + length :]):
        return _row(interface, body=(body, 0), ends=ends, inner=inner)
    session = int.from_bytes(packet[body : body + 4], "little")
    return _row(
        interface,
        KIND_SECURED,
        (body, header + length),
        ends=ends,
        session=session,
        number_bytes=number_bytes,
        inner=inner,
    )


def describe(message: memoryview, direction: int = 0) -> tuple[Said, bool]:
    """Say what an SPDM message of at least four bytes is, and whether its bytes tell what it carries."""
    version, code = message[0], message[1]
    said = direction or (REQUEST if code & _REQUEST_BIT else RESPONSE), version, code
    if code & ~_REQUEST_BIT == _VENDOR_DEFINED:
        carried = _vendors(message)
    elif code in (_ENCAPSULATED_REQUEST, _DELIVER_ENCAPSULATED_RESPONSE):
        carried = _encapsulated(message, _SPDM_HEADER_BYTES)
    elif code == _ENCAPSULATED_RESPONSE_ACK and message[3] not in _WITHOUT_PAYLOAD:
        carried = _encapsulated(message, _ACK_BYTES if version >= _ACK_VERSION else _SPDM_HEADER_BYTES)
    else:
        carried = _NOTHING_CARRIED
    return (*said, *(carried or _NOTHING_CARRIED)), carried is not None


_NOTHING_CARRIED: Final = (0, 0)


def _encapsulated(message: memoryview, at: int) -> tuple[int, int] | None:
    if len(message) <= at:
        return _NOTHING_CARRIED
    return (LAYER_SPDM, message[at + 1]) if len(message) - at >= _SPDM_HEADER_BYTES else None


def _vendors(message: memoryview) -> tuple[int, int] | None:
    if len(message) < _VENDOR.size:
        return _NOTHING_CARRIED
    is_large = message[0] >= _LARGE_FORM_VERSION and bool(message[2] & _REQUEST_BIT)
    layout = _LARGE_VENDOR if is_large else _VENDOR
    if len(message) < layout.size:
        return _NOTHING_CARRIED
    registry, vendor_bytes, vendor, length = layout.unpack_from(message)
    if (registry, vendor_bytes) != _PCI_SIG or length > len(message) - layout.size:
        return _NOTHING_CARRIED
    if vendor == _CXL:
        return LAYER_CXL, 0
    payload = message[layout.size : layout.size + length]
    if vendor != _PCI_SIG_VENDOR or not length or payload[0] not in _CODE_OFFSETS:
        return _NOTHING_CARRIED
    layer, offset = _CODE_OFFSETS[payload[0]]
    return (layer, payload[offset]) if offset < length else None


def last_requests(rows: bytearray, first: int, stop: int) -> list[int]:
    """Return the last request of each place to talk in, among rows from ``first`` up to ``stop``; the newest first."""
    if not 0 <= first <= stop <= len(rows) // ROW_BYTES:
        raise ValueError("rows that are not there")
    found: dict[tuple[int, int, bool], int] = {}
    for at in range(stop - 1, first - 1, -1):
        fields = ROW.unpack_from(rows, at * ROW_BYTES)
        if fields[13] == REQUEST and len(found) < MOST_PLACES:
            found.setdefault((fields[9], fields[8], fields[12] == STATE_OPEN), at)
    return [*found.values()]
