"""From KEY_PROG to the wire: keys that IDE_KM carries to a port decrypt what the root port sends, or do not."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pytio import ide, idekm
from pytio.crypto import Secret
from pytio.ids import Direction, KeySlot
from tests.mock.ports import ROOT_PORT, SUB_STREAMS, Pair

SLOTS = [KeySlot(direction=direction, sub_stream=sub) for direction in Direction for sub in SUB_STREAMS]
MISTAKES: dict[str, Callable[[bytes], bytes]] = {
    "none": bytes,
    "bytes in their natural order": idekm.aes_key_from_wire,
    "the whole key reversed": lambda key: idekm.aes_key_from_wire(key)[::-1],
    "dwords in another order": lambda key: b"".join(key[at : at + 4] for at in range(28, -1, -4)),
}


def keyed_by_ide_km(mistake: str) -> tuple[Pair, idekm.Responder]:
    """Return a pair whose root port got its keys by hand, and whose device by IDE_KM, with a mistake or none."""
    pair = Pair()
    pair.set_up()
    responder = idekm.Responder({0: pair.device})
    for number, slot in enumerate(SLOTS, start=1):
        key = bytes(range(number, number + 32))
        other = Direction.TX if slot.direction is Direction.RX else Direction.RX
        pair.root.program(0, slot.replace(direction=other), Secret(key), 1)
        raw = idekm.KeyProg.of(stream_id=0, slot=slot, aes_key=key).build()
        head, wire_key, ifv = raw[:-40], raw[-40:-8], raw[-8:]
        assert wire_key == idekm.aes_key_to_wire(key)
        responder.receive(head + MISTAKES[mistake](wire_key) + ifv, session=1)
        answer = responder.bytes_to_send()
        assert answer is not None
        assert idekm.KpAck.parse(answer).status == idekm.KpAckStatus.SUCCESS
    for direction in Direction:
        for slot in (slot for slot in SLOTS if slot.direction is direction):
            responder.receive(idekm.KSetGo(stream_id=0, slot=slot).build(), session=1)
            responder.bytes_to_send()
            other = Direction.TX if direction is Direction.RX else Direction.RX
            pair.root.go(0, slot.replace(direction=other))
    pair.enable()
    assert pair.states() == (ide.StreamState.SECURE, ide.StreamState.SECURE)
    return pair, responder


@pytest.mark.parametrize("mistake", MISTAKES)
def test_the_byte_order_of_keys_is_proven_by_traffic(mistake: str) -> None:
    """A mistake leaves both ends Secure by their registers; the first TLP tells."""
    pair, _ = keyed_by_ide_km(mistake)
    pair.down.write(ROOT_PORT.requester_id, 0x1000, b"key test", tee=True, on=0)
    is_right = mistake == "none"
    state = ide.StreamState.SECURE if is_right else ide.StreamState.INSECURE
    assert pair.states() == (state, state)
    assert pair.device.errors.ide_check_failed is not is_right
    assert (bytes(pair.memory[0x1000:0x1008]) == b"key test") is is_right


def test_a_session_that_ends_takes_the_stream_with_it() -> None:
    """IDE_KM's responder stops the keys of the session; what the partner sends from then on is misrouted."""
    pair, responder = keyed_by_ide_km("none")
    responder.session_ended(1)
    assert pair.states() == (ide.StreamState.SECURE, ide.StreamState.INSECURE)
    answer = pair.down.read(ROOT_PORT.requester_id, 0x1000, 4, tee=True, on=0)
    assert answer.status is None
    assert pair.device.errors.misrouted_ide_tlp
