"""Every IDE_KM object of the recorded sessions, beside what DMTF's dump tool says about it.

data/recorded.txt has each different object once, of 228 in the sessions s01, s07 and s08.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from pytio import idekm
from pytio.idekm import KeyProg, KpAck, Query, QueryResp
from pytio.ids import KeySlot

LINES = (Path(__file__).parent / "data" / "recorded.txt").read_text().splitlines()[1:]


def slot_words(slot: KeySlot) -> str:
    raw = slot.build()[0]
    return f"KeySubStream=0x{raw:02x} (KeySet={slot.key_set}, RxTx={slot.direction:d}, SubStream={slot.sub_stream:d})"


def words(message: idekm.IdeKmMessage) -> str:
    """Say what DMTF's dump tool says; it calls the last object K_SET_GOSTOP_ACK."""
    port = f"0x{message.port_index:02x}"
    match message:
        case Query():
            return f"QUERY (port={port})"
        case QueryResp():
            place = f"DevFunc=0x{message.device_function:02x}, Bus=0x{message.bus:02x}, Seg=0x{message.segment:02x}"
            return f"QUERY_RESP (port={port}, {place}, MaxPort=0x{message.max_port_index:02x})"
        case KpAck():
            stream = f"StreamId=0x{message.stream_id:02x}, Status=0x{message.status:02x}"
            return f"KP_ACK ({stream}, {slot_words(message.slot)}, PortIndex={port})"
        case KeyProg() | idekm.KSetGo() | idekm.KSetStop() | idekm.KGostopAck():
            name = message.NAME.replace("K_GOSTOP", "K_SET_GOSTOP")
            return f"{name} (StreamId=0x{message.stream_id:02x}, {slot_words(message.slot)}, PortIndex={port})"
    raise AssertionError(message)


@pytest.mark.parametrize("line", LINES, ids=lambda line: "-".join(line.split()[:2]))
def test_recorded(line: str) -> None:
    said = line.partition(" = ")[2]
    raw = bytes.fromhex(line.split()[2])
    parsed = idekm.parse(raw)
    assert parsed.build() == raw
    if said:
        assert words(parsed) == said


def test_the_recorded_keys_are_fresh() -> None:
    """Every KEY_PROG has another key and an invocation field of 1."""
    parsed = [idekm.parse(bytes.fromhex(line.split()[2])) for line in LINES]
    keys = [message for message in parsed if isinstance(message, KeyProg)]
    assert len({message.key for message in keys}) == len(keys) == 36
    assert {message.ifv.value for message in keys} == {1}
