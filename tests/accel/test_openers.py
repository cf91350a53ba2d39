"""Opening records: both twins open what pytio's own ciphers seal, and nothing else."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from pytio import _accel
from pytio._accel.pure_openers import BIG, LITTLE
from pytio._accel.pure_openers import RecordOpener as PureRecordOpener
from pytio._accel.pure_records import DONE, FAILED, OPENED, RAW, READ, STOPS
from pytio._accel.pure_rows import KIND_OTHER, KIND_SECURED, KIND_SPDM, ROW, ROW_BYTES, STATE_FOREIGN, STATE_OPEN
from pytio.capture.derivation import record_opener
from pytio.capture.index_rows import row_at
from pytio.crypto import Secret
from pytio.crypto.algorithms import AeadAlgorithm
from pytio.spdm.key_schedule import RecordKeys
from pytio.spdm.records import Protection, RecordCipher, SequenceOrder

KEYS = {
    aead: RecordKeys(aead=aead, key=Secret(bytes(range(aead.key_size))), iv=Secret(bytes(range(12))))
    for aead in (AeadAlgorithm.AES_128_GCM, AeadAlgorithm.AES_256_GCM, AeadAlgorithm.CHACHA20_POLY1305)
}
EITHER = (SequenceOrder.LITTLE, SequenceOrder.BIG)
SESSION = 0xFFFE0001
NO_STOPS = bytes(STOPS)


def opener(aead: AeadAlgorithm = AeadAlgorithm.AES_256_GCM, protection: Protection = Protection.ENCRYPT_AND_MAC) -> Any:
    """Return what opens records, either order of numbers being possible."""
    return record_opener(KEYS[aead], protection, EITHER)


def sealer(
    aead: AeadAlgorithm = AeadAlgorithm.AES_256_GCM,
    protection: Protection = Protection.ENCRYPT_AND_MAC,
    order: SequenceOrder = SequenceOrder.LITTLE,
    sequence: int = 0,
) -> RecordCipher:
    """Return what seals them."""
    return RecordCipher(KEYS[aead], protection=protection, orders=(order,), sequence=sequence)


@pytest.mark.parametrize("aead", KEYS)
@pytest.mark.parametrize("protection", Protection)
@pytest.mark.parametrize("order", SequenceOrder)
def test_opens_what_was_sealed(twins: str, aead: AeadAlgorithm, protection: Protection, order: SequenceOrder) -> None:
    seal, opens = sealer(aead, protection, order), opener(aead, protection)
    assert isinstance(opens, PureRecordOpener) is (twins == "pure")
    for number in range(300):
        payload = bytes([number & 0xFF]) * (number % 70)
        assert opens.sequence == number
        assert opens.open(b"head", seal.seal(b"head", payload)) == payload
    assert opens.orders == (LITTLE if order is SequenceOrder.LITTLE else BIG)


def test_what_does_not_open_leaves_no_trace(twins: str) -> None:
    seal, opens = sealer(), opener()
    first, second = seal.seal(b"head", b"one"), seal.seal(b"head", b"two")
    for header, body in (
        (b"heat", first),
        (b"head", second),
        (b"head", first[:-1]),
        (b"head", b""),
        (b"head", bytes(16)),
    ):
        assert opens.open(header, body) is None
        assert (opens.sequence, opens.orders) == (0, LITTLE | BIG)
    assert opens.open(b"head", second, 1) == b"two"
    assert opens.sequence == 2
    assert opens.open(b"head", first, 0) == b"one"  # whoever asks for a number has reasons
    assert opens.sequence == 1


def test_the_last_number_is_never_used(twins: str) -> None:
    opens = opener()
    last = (1 << 64) - 2
    assert opens.open(b"", sealer(sequence=last).seal(b"", b"last"), last) == b"last"
    assert opens.sequence == last + 1
    assert opens.open(b"", bytes(40)) is None


def test_compiled_refuses_what_does_not_fit() -> None:
    compiled = pytest.importorskip("pytio._accel.openers", reason="openers are not compiled here").RecordOpener
    with pytest.raises(NotImplementedError, match="no AEAD called"):
        compiled("no-such-cipher", bytes(32), bytes(12), True, LITTLE)
    with pytest.raises(NotImplementedError, match="no AEAD called"):
        compiled("AES-256-CBC", bytes(32), bytes(12), True, LITTLE)
    for key, iv, orders in ((31, 12, LITTLE), (32, 11, LITTLE), (32, 12, 0), (32, 12, 4), (0, 12, 1)):
        with pytest.raises(ValueError, match="do not fit"):
            compiled("AES-256-GCM", bytes(key), bytes(iv), True, orders)
    with pytest.raises(TypeError):
        compiled("AES-256-GCM", bytearray(32), bytes(12), True, LITTLE)
    with pytest.raises(TypeError):
        compiled("AES-256-GCM", bytes(32), bytes(12), True, LITTLE).open(b"", None)


def session() -> tuple[Any, RecordCipher, RecordCipher]:
    """Return what opens a session, and what seals its two sides."""
    sides = AeadAlgorithm.AES_256_GCM, AeadAlgorithm.AES_256_GCM
    keys = [RecordKeys(aead=aead, key=Secret(bytes([at]) * 32), iv=Secret(bytes(12))) for at, aead in enumerate(sides)]
    opens = [record_opener(key, Protection.ENCRYPT_AND_MAC, EITHER) for key in keys]
    return _accel.chosen.session_opener(*opens), RecordCipher(keys[0]), RecordCipher(keys[1])


def test_either_side_may_speak(twins: str) -> None:
    opens, request, response = session()
    sides = random.Random(1).choices((0, 1), k=100)
    for side in sides:
        opens.failures = 3
        assert opens.open(b"h", (request, response)[side].seal(b"h", b"said"), b"") == (side, b"said")
        assert (opens.expected, opens.failures) == (1 - side, 0)
    assert (opens[0].sequence, opens[1].sequence) == (sides.count(0), sides.count(1))
    assert opens.open(b"h", bytes(40), b"") is None


def test_a_record_may_carry_its_number(twins: str) -> None:
    opens, request, _ = session()
    for number in range(300):
        low = (number & 0xFFFF).to_bytes(2, "little")
        body = request.seal(b"h", b"said")
        assert opens.open(b"h", body, b"\x07\xff") is None
        assert opens.open(b"h", body, low) == (0, b"said")


def test_a_side_goes_on_under_another_key(twins: str) -> None:
    opens, _, _ = session()
    opens[1] = opener()
    assert opens.open(b"h", sealer().seal(b"h", b"new"), b"") == (1, b"new")
    assert opens[1].sequence == 1


# --- the table -----------------------------------------------------------------------------------------------------


class Capture:
    """Records of one session, one after the other, and their rows."""

    def __init__(self) -> None:
        self.opens, self.request, self.response = session()
        self.data = b""
        self.rows = bytearray()

    def add(self, side: int, message: bytes, *, inner: int = 0, session_id: int = SESSION) -> None:
        """Add a record that holds a message."""
        payload = len(message).to_bytes(2, "little") + message
        header = session_id.to_bytes(4, "little") + (len(payload) + 16).to_bytes(2, "little")
        record = header + (self.request, self.response)[side].seal(header, payload)
        size = len(record)
        self.rows += ROW.pack(
            0, len(self.data), size, size, 0, size, 0, 0, session_id, 0, 0, KIND_SECURED, 1, 0, 0, 0, 0, 0, 0, inner
        )
        self.data += record

    def open(self, stops: bytes = NO_STOPS, first: int = 0, filled: int = 0) -> tuple[int, int, int]:
        """Open what there is."""
        table = _accel.chosen.record_table()
        table.set([(0, SESSION, self.opens)])
        self.plain = bytearray(len(self.data) + 100)
        return table.open_rows(self.data, self.rows, first, len(self.rows) // ROW_BYTES, stops, self.plain, filled)


def marked(code: int) -> bytes:
    """Return marks that stop at one code inside records."""
    marks = bytearray(STOPS)
    marks[256 + code] = 1
    return bytes(marks)


def test_opens_rows(twins: str) -> None:
    capture = Capture()
    said = [(side, bytes([0x12, 0x60 | side << 7, number, 0]) * 3) for number, side in enumerate((0, 1, 0, 1, 1, 0))]
    for side, message in said:
        capture.add(side, message)
    at, filled, reason = capture.open(filled=5)
    assert (at, reason) == (6, DONE)
    for number, (side, message) in enumerate(said):
        found = row_at(capture.rows, number)
        assert capture.plain[found.plain : found.plain + found.plain_size] == message
        assert (found.state, found.direction, found.version, found.code) == (STATE_OPEN, side + 1, 0x12, message[1])
    assert filled == 5 + sum(len(message) + 2 for _, message in said)
    assert (capture.opens[0].sequence, capture.opens[1].sequence) == (3, 3)


def test_stops_where_it_is_told_to(twins: str) -> None:
    capture = Capture()
    for code in (0x60, 0x61, 0x62):
        capture.add(1, bytes([0x12, code, 0, 0]))
    at, filled, reason = capture.open(marked(0x61))
    assert (at, reason, row_at(capture.rows, 1).code) == (1, OPENED, 0x61)
    assert capture.open(first=2, filled=filled)[0::2] == (3, DONE)


@pytest.mark.parametrize(
    ("message", "inner", "state"),
    [
        pytest.param(b"\x12\x60\x00", 0, STATE_OPEN, id="short"),
        pytest.param(b"\x01\x12\x60\x00\x00", 1, STATE_FOREIGN, id="not SPDM"),
        pytest.param(b"", 1, STATE_OPEN, id="no type"),
        pytest.param(bytes.fromhex("12fe0000 0300 02 0100 0100 00"), 0, STATE_OPEN, id="IDE_KM without a code"),
    ],
)
def test_says_what_it_cannot_tell(twins: str, message: bytes, inner: int, state: int) -> None:
    capture = Capture()
    capture.add(0, message, inner=inner)
    at, filled, reason = capture.open()
    assert (at, filled, reason) == (0, len(message) + 2, RAW)
    assert row_at(capture.rows, 0).state == state
    assert capture.plain[2:filled] == message


def test_says_what_does_not_open(twins: str) -> None:
    capture = Capture()
    capture.add(0, b"\x12\x60\x00\x00")
    capture.data = capture.data[:-1] + bytes([capture.data[-1] ^ 1])
    assert capture.open() == (0, 0, FAILED)
    assert capture.opens[0].sequence == 0
    assert not any(capture.plain)


def test_passes_over_records_of_other_sessions(twins: str) -> None:
    capture = Capture()
    capture.add(0, b"\x12\x60\x00\x00", session_id=7)
    assert capture.open() == (1, 0, DONE)


def test_leaves_everything_else_to_others(twins: str) -> None:
    capture = Capture()
    for kind, reason in ((KIND_OTHER, READ), (KIND_SPDM, DONE)):
        capture.rows[:] = ROW.pack(*[0] * 11, kind, *[0] * 8)
        assert capture.open()[2] == reason
    assert capture.open(b"\x01" + bytes(STOPS - 1)) == (0, 0, READ)


def test_without_anything_that_opens(twins: str) -> None:
    table = _accel.chosen.record_table()
    table.set([(0, SESSION, None), (0, 8, None)])
    capture = Capture()
    capture.add(0, b"\x12\x60\x00\x00")
    assert table.open_rows(capture.data, capture.rows, 0, 1, NO_STOPS, bytearray(100), 0) == (0, 0, FAILED)


def test_either_end_may_be_the_requester(twins: str) -> None:
    """A record's row has sender and receiver; the session's flow has requester and responder."""
    capture = Capture()
    for side in (0, 1):
        capture.add(side, b"\x12\x60\x00\x00")
    flow = 5 << 16 | 8 << 8 | 9
    table = _accel.chosen.record_table()
    table.set([(flow, SESSION, capture.opens)])
    for at, heard in enumerate((flow, 5 << 16 | 9 << 8 | 8)):
        fields = [*row_at(capture.rows, at)]
        fields[9] = heard
        ROW.pack_into(capture.rows, at * ROW_BYTES, *fields)
    assert table.open_rows(capture.data, capture.rows, 0, 2, NO_STOPS, bytearray(200), 0)[::2] == (2, DONE)
    assert [row_at(capture.rows, at).flow for at in (0, 1)] == [flow, flow]


Spoil = Callable[[list[int]], None]


def field(at: int, value: int) -> Spoil:
    """Return what sets a field of a row."""

    def spoil(fields: list[int]) -> None:
        fields[at] = value

    return spoil


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(field(1, (1 << 64) - 1), id="offset"),
        pytest.param(field(1, 30), id="offset near the end"),
        pytest.param(field(4, (1 << 32) - 1), id="body"),
        pytest.param(field(5, (1 << 32) - 1), id="size"),
        pytest.param(field(5, 21), id="size without room for a MAC"),
        pytest.param(field(18, 255), id="bytes of the number"),
    ],
)
def test_refuses_rows_that_do_not_fit(twins: str, spoil: Spoil) -> None:
    capture = Capture()
    capture.add(0, b"\x12\x60\x00\x00")
    fields = [*row_at(capture.rows, 0)]
    spoil(fields)
    ROW.pack_into(capture.rows, 0, *fields)
    with pytest.raises(ValueError, match="rows that do not fit their data"):
        capture.open()


def test_refuses_what_is_not_there(twins: str) -> None:
    capture = Capture()
    capture.add(0, b"\x12\x60\x00\x00")
    table = _accel.chosen.record_table()
    table.set([(0, SESSION, capture.opens)])
    for first, count, stops in ((-1, 1, STOPS), (0, 2, STOPS), (0, 1 << 58, STOPS), (0, 1, STOPS - 1)):
        with pytest.raises(ValueError, match="rows that are not there"):
            table.open_rows(capture.data, capture.rows, first, count, bytes(stops), bytearray(100), 0)
    for filled in (-1, 101):
        with pytest.raises(ValueError, match="no room for payloads"):
            table.open_rows(capture.data, capture.rows, 0, 1, NO_STOPS, bytearray(100), filled)
    with pytest.raises(ValueError, match="rows that do not fit their data"):
        table.open_rows(capture.data, capture.rows, 0, 1, NO_STOPS, bytearray(20), 0)
    assert table.open_rows(capture.data, capture.rows, 1, 1, NO_STOPS, bytearray(100), 0) == (1, 0, DONE)
    with pytest.raises((TypeError, ValueError)):
        table.set([(0, SESSION)])  # type: ignore[list-item]  # which is the point
