"""Somebody tampers with what goes over wires, or an end lies: data objects, records, keys of the port, TLPs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final
from unittest.mock import patch

from pytio.crypto import Secret
from pytio.errors import DoePeerError
from pytio.ids import Bdf, Direction, KeySlot, StreamId, SubStream
from pytio.mock.link import LinkDirection
from pytio.spdm.session import Session, Side
from tests.hosts.tampering.stage import Stage, Turn, flipped, tampering

_VENDOR_DEFINED: Final = 0x7E
_PROTOCOL_AT: Final = 11


@tampering
def exchange(stage: Stage, number: int, way: str = "answer", change: str = "flip", at: int = -1, xor: int = 1) -> None:
    """Tamper with the message of a number, counted from the step's begin, between host and device."""
    turn = Turn(stage, number)
    before: list[bytes] = [b""]

    def changed(data: bytes) -> bytes:
        match change:
            case "flip":
                return flipped(data, at, xor)
            case "cut":
                return data[:at]
            case "replay":
                return before[0]
        raise DoePeerError(0, "nothing came")

    def make(carry: Callable[[Bdf, bool, bytes], bytes]) -> Callable[[Bdf, bool, bytes], bytes]:
        def run(function: Bdf, is_secured: bool, payload: bytes) -> bytes:
            is_it = turn.comes()
            sent = changed(payload) if is_it and way == "request" else payload
            got = carry(function, is_secured, sent)
            answer = changed(got) if is_it and way == "answer" else got
            before[0] = payload if way == "request" else got
            return answer

        return run

    stage.replace(stage.machine.port, "exchange", make)


@tampering
def secured(
    stage: Stage,
    at: int,
    xor: int = 1,
    code: int = _VENDOR_DEFINED,
    protocol: int | None = None,
    kind: int | None = None,
    way: str = "answer",
    number: int = 0,
) -> None:
    """Flip bits in a message of the session before it is sealed: an end that lies.

    ``code`` is SPDM's; of a vendor-defined message ``protocol`` and ``kind`` say which, and ``at`` counts from the
    protocol id on.
    """
    turn, side = Turn(stage, number), Side.RESPONSE if way == "answer" else Side.REQUEST
    seal = Session.seal

    def lie(session: Session, which: Side, message: bytes, provider: Any) -> bytes:
        is_it = which is side and message[1] == code
        begin = 0
        if protocol is not None and is_it:
            begin = _PROTOCOL_AT
            is_it = message[begin] == protocol and message[begin + (2 if protocol == 1 else 1)] == kind
        if is_it and turn.comes():
            message = flipped(message, begin + at if at >= 0 else at, xor)
        return seal(session, which, message, provider)

    patched = patch.object(Session, "seal", lie)
    patched.start()
    stage.later(patched.stop)


_Key = tuple[StreamId, KeySlot, Secret, int]
_OTHER_WAY: Final = {Direction.RX: Direction.TX, Direction.TX: Direction.RX}


def _double_words_turned(key: bytes) -> bytes:
    return b"".join(key[at : at + 4][::-1] for at in range(0, len(key), 4))


_KEYS: Final[dict[str, Callable[[StreamId, KeySlot, Secret, int], _Key]]] = {
    "flip": lambda stream, slot, key, ifv: (stream, slot, Secret(flipped(key.reveal(), 0)), ifv),
    "byte order": lambda stream, slot, key, ifv: (stream, slot, Secret(key.reveal()[::-1]), ifv),
    "double word order": lambda stream, slot, key, ifv: (stream, slot, Secret(_double_words_turned(key.reveal())), ifv),
    "IV": lambda stream, slot, key, ifv: (stream, slot, key, ifv + 1),
    "swap directions": lambda stream, slot, key, ifv: (
        stream,
        slot.replace(direction=_OTHER_WAY[slot.direction]),
        key,
        ifv,
    ),
    "key set": lambda stream, slot, key, ifv: (stream, slot.replace(key_set=1 - slot.key_set), key, ifv),
    "sub-stream": lambda stream, slot, key, ifv: (
        stream,
        slot.replace(sub_stream=SubStream((slot.sub_stream + 1) % 3)),
        key,
        ifv,
    ),
    "stream id": lambda stream, slot, key, ifv: (stream + 1, slot, key, ifv),
}


@tampering
def port_key(stage: Stage, change: str, number: int = 0) -> None:
    """Give the root port another key, or the key elsewhere."""
    turn, changed = Turn(stage, number, every=change == "swap directions"), _KEYS[change]

    def make(program: Callable[..., None]) -> Callable[..., None]:
        def run(*asked: Any) -> None:
            program(*(changed(*asked) if turn.comes() else asked))

        return run

    stage.replace(stage.machine.root_port.ide, "program", make)


@tampering
def port_silent(stage: Stage, verb: str) -> None:
    """Leave a verb of the root port's keys out."""
    turn = Turn(stage, every=True)
    stage.replace(stage.machine.root_port.ide, verb, lambda real: lambda *asked: turn.comes() and None)


@tampering
def tlp(stage: Stage, way: str, change: str, at: int = -1, xor: int = 1, number: int = 0) -> None:
    """Tamper with a TLP on the link."""
    turn, direction = Turn(stage, number), LinkDirection(way)

    def tamper(which: LinkDirection, raw: bytes) -> list[bytes]:
        if which is not direction or not turn.comes():
            return [raw]
        return {"drop": [], "replay": [raw, raw], "cut": [raw[:at]]}.get(change, [flipped(raw, at, xor)])

    link = stage.machine.root_port.link
    link.filters.append(tamper)
    stage.later(lambda: link.filters.remove(tamper))
