"""Recorded sessions, record by record, against what a reference decoder says of the same bytes."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from pytio import idekm
from pytio.capture import Record, open_capture
from pytio.capture.render import annotated_hex
from pytio.idekm import KeyProg
from pytio.ids import Direction, KeySlot, SubStream
from pytio.spdm.codes import RegistryId, SpdmVersion
from pytio.spdm.messages.vendor_defined import VendorDefinedRequest
from tests.capture.agreement import Comparison, digest
from tests.capture.peers import Peers, Terms
from tests.capture.recorded import RECORDED, log, path, records, reference, secrets
from tests.capture.routes import Doe, Mctp, Route, write

every_session = pytest.mark.parametrize("name", RECORDED)
TRANSPORTS = {1: "mctp", 2: "pci-doe"}
"""By how many numbers the reference shows of a transport: MCTP's type, or DOE's vendor and type."""
CLEAR = {"spdm": b"", "pldm": b"\x01"}
"""Layers whose bytes the reference shows, and MCTP's message type where it shows that, too."""


def messages(record: Record, sizes: list[int]) -> list[bytes]:
    """Return a record's messages in clear, outermost first, filled up with zeros to what the reference saw of each."""
    told = [layer for layer in record.layers if layer.name in CLEAR]
    return [(CLEAR[layer.name] + layer.data).ljust(size, b"\0") for layer, size in zip(told, sizes, strict=True)]


def test_all_records_are_here() -> None:
    assert sum(RECORDED.values()) == 1862


@every_session
def test_count(name: str) -> None:
    assert len(records(name)) == len(reference(name)) == log(name)["messages"] == RECORDED[name]
    assert [record.number for record in records(name)] == [*range(1, RECORDED[name] + 1)]


@every_session
def test_transport_direction_session_and_sequence(name: str) -> None:
    for record, (direction, transport, session, sequence, _, _) in zip(records(name), reference(name), strict=True):
        assert record.direction
        assert record.direction.value == direction
        assert record.transport == TRANSPORTS[len(transport)]
        assert record.session_id == session
        if sequence is not None:
            assert record.data[9:11] == sequence.to_bytes(2, "little")  # 4 bytes of MCTP, its type, the session id


@every_session
def test_every_secured_record_decrypts(name: str) -> None:
    for record, row in zip(records(name), reference(name), strict=True):
        assert record.is_decrypted is (None if row[2] is None else True), record.summary()


@every_session
def test_bytes_of_every_message(name: str) -> None:
    for record, row in zip(records(name), reference(name), strict=True):
        if row[5][0][0] != "doe":  # discovery, which the reference shows as fields only
            sizes = [int(entry.partition(":")[0]) for entry in row[4]]
            assert [digest(raw) for raw in messages(record, sizes)] == row[4], record.summary()
            assert row[4]


@every_session
def test_versions_codes_and_fields(name: str) -> None:
    comparison = Comparison()
    problems = [
        f"record {record.number}: {problem}"
        for record, row in zip(records(name), reference(name), strict=True)
        for problem in comparison.layers(record, row[5])
    ]
    assert not problems
    assert comparison.fields == sum(
        len(layer[-1]) if isinstance(layer[-1], dict) and layer[0] != "pldm" else 1
        for row in reference(name)
        for layer in row[5]
    )


@every_session
def test_no_record_has_a_problem(name: str) -> None:
    assert not [record.summary() for record in records(name) if record.problems]


def test_only_these_remarks() -> None:
    notes = {
        (name.partition("-")[0], note.partition(" is ")[0])
        for name in RECORDED
        for record in records(name)
        for note in record.notes
    }
    assert notes == {
        ("s07", "8 zero bytes after KEY_PAIR_INFO"),
        ("s07", "VENDOR_DEFINED_REQUEST.reserved"),
    }


# --- without secrets, with wrong ones, in another order ------------------------------------------------------------


@every_session
def test_without_secrets(name: str) -> None:
    closed = [*open_capture(path(name))]
    assert len(closed) == RECORDED[name]
    for record, opened in zip(closed, records(name), strict=True):
        assert not record.problems
        if opened.is_decrypted is None:
            assert record == opened
        else:
            assert record.is_decrypted is False
            assert record.session_id == opened.session_id
            assert record.layers[-1].name == "secured"
            assert record.to_dict()["layers"][-1]["decrypted"] is False


@every_session
def test_wrong_secrets_open_nothing(name: str) -> None:
    wrong: dict[str, Any] = {}
    for kind, given in secrets(name).items():
        wrong[kind] = [bytes(byte ^ 1 for byte in secret) for secret in given]
    assert [*open_capture(path(name), **wrong)] == [*open_capture(path(name))]


@pytest.mark.parametrize("name", ["s03-mctp11-p256-aes128", "s08-doe12-psk-only"])
def test_secrets_under_the_wrong_name_open_nothing(name: str) -> None:
    given = secrets(name)
    exchanged = open_capture(path(name), psk=given["dhe_secret"], dhe_secret=given["psk"])
    assert [*exchanged] == [*open_capture(path(name))]


@every_session
def test_the_order_of_secrets_does_not_matter(name: str) -> None:
    given = secrets(name)
    for psk, dhe in zip(orders(given["psk"]), orders(given["dhe_secret"]), strict=True):
        assert (*open_capture(path(name), psk=psk, dhe_secret=dhe),) == records(name)


def orders(given: list[bytes]) -> list[list[bytes]]:
    """Return secrets backwards, and between others that belong to no session."""
    foreign = [bytes([number]) * 32 for number in range(1, 4)]
    mixed = [*given, *foreign]
    random.Random(len(given)).shuffle(mixed)
    return [given[::-1], mixed]


@every_session
def test_each_secret_alone_opens_its_own_sessions(name: str) -> None:
    given = secrets(name)
    found: list[set[int]] = []
    alone: list[dict[str, Any]] = [{kind: [secret]} for kind in given for secret in given[kind]]
    for one in alone:
        trace = open_capture(path(name), **one)
        found.append({record.number for record in trace if record.is_decrypted})
        assert found[-1]
    everything = {record.number for record in records(name) if record.is_decrypted}
    assert set().union(*found) == everything
    assert sum(map(len, found)) >= len(everything)


# --- secrets stay secret -------------------------------------------------------------------------------------------

KEY_MATERIAL = {"handshake_secret", "finished_key", "key", "iv", "master_secret"}


CXL_MESSAGES_WITH_KEYS = (["cxl", 0, 0x02], ["cxl", 0, 0x08], ["cxl", 1, 0x83])
"""KEY_PROG and GET_KEY_ACK of CXL's IDE_KM; SET_TARGET_CONFIGURATION, which brings the key of a second session."""


def needles(name: str) -> set[str]:
    """Return every secret of a session, logged or carried by its messages, in hex, both ways round."""
    logged = {value for entry, value in log(name)["key_schedule"] if is_key_material(entry)}
    found = {bytes.fromhex(value) for value in logged} | {part for given in secrets(name).values() for part in given}
    for record in records(name):
        for layer in record.layers:
            for field in layer.message.FIELDS if layer.message is not None else ():
                if field.secret:
                    found.add(getattr(layer.message, field.name))
    return {form.hex() for secret in found for form in (secret, secret[::-1])}


def is_key_material(entry: str) -> bool:
    """Say whether a logged value is secret: hashes, HMACs and headings are not."""
    return entry in KEY_MATERIAL or entry.endswith(("_secret", "Update"))


def texts(record: Record) -> list[str]:
    """Return all that a record says of itself, hex dumps also without their spaces and offsets."""
    shown = [record.show(), record.summary(), *hex_rows(annotated_hex(record))]
    return [*shown, repr(record), *map(repr, record.layers), json.dumps(record.to_dict())]


def hex_rows(text: str) -> list[str]:
    """Return a hex dump as it is, and with its bytes run together across rows."""
    columns = "".join(line[14:62].replace(" ", "") for line in text.splitlines())
    return [text, columns, text.replace(" ", "")]


@pytest.mark.parametrize("name", [name for name in RECORDED if not name.startswith("s02")])  # which has no session
def test_no_text_shows_a_secret(name: str) -> None:
    hidden = needles(name)
    assert len(hidden) > 20
    for record in records(name):
        told = "\n".join(texts(record) if record.is_decrypted else [repr(record), json.dumps(record.to_dict())]).lower()
        told += "".join(repr(layer.message) for layer in record.layers)
        assert not [secret for secret in hidden if secret in told], record.number


@pytest.mark.parametrize("transport", [Mctp, Doe])
@pytest.mark.parametrize("is_encrypted", [False, True], ids=["MAC only", "encrypted"])
def test_no_text_of_a_built_session_shows_a_key(transport: type[Route], is_encrypted: bool, tmp_path: Path) -> None:
    route = transport()
    peers = Peers(Terms(is_encrypted=is_encrypted), route)
    peers.connect()
    session = peers.psk_exchange(b"a pre-shared key").finish()
    key = bytes(range(32))
    slot = KeySlot(key_set=0, direction=Direction.RX, sub_stream=SubStream.PR)
    payload = KeyProg(stream_id=0, slot=slot, port_index=0, key=key).build()
    session.ask(
        VendorDefinedRequest(
            version=SpdmVersion.V1_2,
            standard_id=RegistryId.PCI_SIG,
            vendor_id=b"\1\0",
            payload=bytes([idekm.PROTOCOL_ID]) + payload,
        )
    )
    found = [*open_capture(write(tmp_path / "keys.pcap", route.frames, route.link_type), psk=[b"a pre-shared key"])]
    assert isinstance(found[-1].message, KeyProg)
    for record in found:
        told = "\n".join(texts(record)).lower()
        assert key[:8].hex() not in told
        assert repr(key[:8])[2:-1].lower() not in told


def test_keys_that_messages_carry_are_among_what_is_hidden() -> None:
    name = "s01-doe12-p384-full"
    programmed = [
        layer.message for record in records(name) for layer in record.layers if isinstance(layer.message, KeyProg)
    ]
    assert len(programmed) > 10
    assert {message.key.hex() for message in programmed} <= needles(name)
    opaque = {record.number for record in records(name) if any(layer.secret for layer in record.layers)}
    assert opaque == {
        number for number, row in enumerate(reference(name), start=1) if row[5][-1][:3] in CXL_MESSAGES_WITH_KEYS
    }
    assert len(opaque) == 10
