"""Records: the published numbers, every record of the recorded sessions, and the table of transport bindings."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pytio.crypto import AeadAlgorithm, HashAlgorithm, Secret
from pytio.errors import EncodeError, SpdmDecodeError
from pytio.spdm.key_schedule import KeySchedule, RecordKeys
from pytio.spdm.messages.session import Heartbeat
from pytio.spdm.records import RecordCipher
from pytio.spdm.secured import (
    MAC_BYTES,
    MAX_RECORD_LENGTH,
    RECORD_FORMATS,
    AuthenticatedRecord,
    InnerHeader,
    RecordFormat,
    RecordHeader,
    RecordPlaintext,
    RecordTransport,
    SecuredRecord,
    session_id,
)

SESSIONS = Path(__file__).parents[1] / "sessions"
LINK_TYPES = {291: RecordTransport.MCTP, 292: RecordTransport.PCI_DOE}
PCAP_HEADER = struct.Struct("<20xI")
FRAME_HEADER = struct.Struct("<8xI4x")
MAX_DOE_PADDING = 3
# As many as DMTF's dump tool finds.
SECURED = {"s01": 316, "s02": 0, "s03": 50, "s04": 20, "s05": 86, "s06": 44, "s07": 212, "s08": 122}


def secured_records(path: Path) -> Iterator[tuple[RecordFormat, bytes]]:
    """Yield the transport's format and the bytes of every secured record in a capture, padding included."""
    raw = path.read_bytes()
    (link_type,) = PCAP_HEADER.unpack_from(raw)
    transport = LINK_TYPES[link_type]
    at = PCAP_HEADER.size
    while at < len(raw):
        (size,) = FRAME_HEADER.unpack_from(raw, at)
        frame = raw[at + FRAME_HEADER.size :][:size]
        at += FRAME_HEADER.size + size
        if transport is RecordTransport.MCTP and frame[4] == 6:
            yield RECORD_FORMATS[transport], frame[5:]
        if transport is RecordTransport.PCI_DOE and frame[:3] == b"\x01\0\x02":
            yield RECORD_FORMATS[transport], frame[8:]


def capture(name: str) -> Path:
    """Return the capture whose name starts so."""
    return next(SESSIONS.glob(f"{name}-*.pcap"))


def recorded_keys(name: str) -> tuple[set[int], list[RecordKeys]]:
    """Return the session ids of a capture, and the keys of its first records, request direction first."""
    lines = json.loads(capture(name).with_suffix(".json").read_text())["key_schedule"]
    phases = [index for index, (what, _) in enumerate(lines) if what == "# session"]
    first = next(i for i in phases if lines[i][1].endswith("handshake" if name == "s08" else "data"))
    aead = AeadAlgorithm.CHACHA20_POLY1305 if name in ("s04", "s08") else AeadAlgorithm.AES_256_GCM
    aead = AeadAlgorithm.AES_128_GCM if name in ("s03", "s06") else aead
    keys, ivs = (
        [Secret(bytes.fromhex(value)) for what, value in lines[first:] if what == kind] for kind in ("key", "iv")
    )
    ids = {int(lines[i][1].split()[0], 16) for i in phases}
    return ids, [RecordKeys(aead, key, iv) for key, iv in zip(keys[:2], ivs[:2], strict=True)]


@pytest.mark.parametrize("name", SECURED)
def test_every_recorded_record_parses_and_builds_back(name: str) -> None:
    ids, _ = recorded_keys(name) if SECURED[name] else (set(), [])
    count = 0
    for form, raw in secured_records(capture(name)):
        record, size = SecuredRecord.parse_prefix(raw, sequence=form.sequence_bytes)
        header, header_size = RecordHeader.parse_prefix(raw, sequence=form.sequence_bytes)
        assert record.build() == raw[:size] == header.build() + record.body
        assert record.header == header
        assert header_size + header.length == size
        assert header.session_id in ids
        assert not any(raw[size:])
        assert len(raw) - size <= MAX_DOE_PADDING
        count += 1
    assert count == SECURED[name]


@pytest.mark.parametrize("name", [name for name, count in SECURED.items() if count])
def test_the_first_records_decrypt_to_framed_messages(name: str) -> None:
    _, keys = recorded_keys(name)
    for key, (form, raw) in zip(keys, secured_records(capture(name)), strict=False):
        record, _ = SecuredRecord.parse_prefix(raw, sequence=form.sequence_bytes)
        cipher = RecordCipher(key)
        cipher.verify_sequence(record.sequence_number)
        plaintext = RecordPlaintext.parse(cipher.open(record.header.build(), record.body))
        inner = plaintext.application_data[1:] if form.inner_header is InnerHeader.MCTP_MESSAGE_TYPE else None
        assert len(plaintext.random_padding) <= form.max_padding_bytes
        if inner is not None and plaintext.application_data[0] == 1:
            assert inner in (bytes.fromhex("800002"), bytes.fromhex("0000020001"))  # PLDM, GetTID
        else:
            assert (plaintext.application_data if inner is None else inner)[0] in (0x11, 0x12, 0x13, 0x14)


def test_the_published_record() -> None:
    keys = KeySchedule(0x12, HashAlgorithm.SHA_256, AeadAlgorithm.AES_256_GCM).record_keys(
        Secret(bytes.fromhex("aa2e6a9ed7f117707b1e02faf4815fa4a5b9ff2575dc48fb1ced056d3b4d9b8b"))
    )
    cipher = RecordCipher(keys, sequence=1)
    heartbeat = Heartbeat(version=0x12)  # type: ignore[arg-type]  # by value, as in the text
    plaintext = RecordPlaintext(application_data=b"\x05" + heartbeat.build(), random_padding=b"\xaa").build()
    header = RecordHeader(
        session_id=session_id(0xFFFF, 0xFFFE),
        sequence_number=cipher.sequence_bytes(RECORD_FORMATS[RecordTransport.MCTP].sequence_bytes),
        length=cipher.body_size(len(plaintext)),
    )
    record = header.build() + cipher.seal(header.build(), plaintext)
    assert record.hex() == "fffffeff010018002e82ce4e2a06f3068e2964e64626ffd298456d533f6f22d7"
    assert SecuredRecord.parse(record, sequence=2).body == record[8:]


def test_a_session_id_has_two_halves() -> None:
    header = RecordHeader(session_id=session_id(0x1234, 0xABCD), length=16)
    assert header.build() == bytes.fromhex("3412cdab 1000")
    assert (header.req_session_id, header.rsp_session_id) == (0x1234, 0xABCD)


@pytest.mark.parametrize("transport", RecordTransport)
def test_every_transport_has_a_format(transport: RecordTransport) -> None:
    form = RECORD_FORMATS[transport]
    record = SecuredRecord(
        session_id=1, sequence_number=bytes(form.sequence_bytes), ciphertext=b"abc", mac=bytes(MAC_BYTES)
    )
    assert len(record.build()) == 4 + form.sequence_bytes + 2 + 3 + 16
    assert record.given() == {"sequence": form.sequence_bytes}


@pytest.mark.parametrize(("cls", "field"), [(SecuredRecord, "ciphertext"), (AuthenticatedRecord, "application_data")])
def test_a_record_holds_so_much_and_no_more(cls: Any, field: str) -> None:
    most = MAX_RECORD_LENGTH - MAC_BYTES
    full = cls(session_id=1, mac=bytes(MAC_BYTES), **{field: bytes(most)})
    assert cls.parse(full.build(), sequence=0) == full
    with pytest.raises(EncodeError, match="does not fit"):
        full.replace(**{field: bytes(most + 1)}).build()


def test_the_authenticated_form_has_the_same_header_and_body() -> None:
    record = AuthenticatedRecord(session_id=7, application_data=b"clear", mac=bytes(MAC_BYTES))
    twin = SecuredRecord(session_id=7, ciphertext=b"clear", mac=bytes(MAC_BYTES))
    assert record.build() == twin.build()
    assert (record.header, record.body) == (twin.header, twin.body)


def test_what_was_decrypted_shows_nowhere() -> None:
    plaintext = RecordPlaintext(application_data=b"KEY_PROG and a key")
    assert "KEY_PROG" not in repr(plaintext) + plaintext.show()
    with pytest.raises(SpdmDecodeError) as caught:
        RecordPlaintext.parse(plaintext.build()[:-1])
    assert not any(caught.value.data)
