"""A link with an IDE stream on it: two ends with each other's keys, and traffic of every kind."""

from __future__ import annotations

from random import Random
from typing import Any

import attrs

from pytio import ide
from pytio.ide import Event, IdeError, PortRole, StreamConfig, StreamState, Tlp, TlpType
from pytio.ids import Direction, KeySlot, SubStream

STREAM = 0xBC
ENDPOINT_ID = 0x0100
ROOT_PORT_ID = 0x0008
SUB_STREAMS = (SubStream.PR, SubStream.NPR, SubStream.CPL)


def slots(key_set: int, direction: Direction) -> list[KeySlot]:
    return [KeySlot(key_set=key_set, direction=direction, sub_stream=each) for each in SUB_STREAMS]


def configs(**changes: Any) -> tuple[StreamConfig, StreamConfig]:
    """Return the configurations of endpoint and root port, as AMD's host sets them up, but for the changes."""
    everyone = ide.RidRange(0, 0xFFFF)
    endpoint = StreamConfig(
        stream_id=STREAM,
        role=PortRole.ENDPOINT,
        default_stream=True,
        rid_range=everyone,
        requester_id=ENDPOINT_ID,
        partner_id=ROOT_PORT_ID,
    )
    root_port = StreamConfig(
        stream_id=STREAM,
        role=PortRole.ROOT_PORT,
        config_requests=True,
        rid_range=everyone,
        requester_id=ROOT_PORT_ID,
        partner_id=ENDPOINT_ID,
    )
    return attrs.evolve(endpoint, **changes), attrs.evolve(root_port, **changes)


@attrs.define
class Link:
    """Two ends of one stream."""

    endpoint: ide.Stream
    root_port: ide.Stream
    random: Random

    def program(self, key_set: int, ifv: int = 1) -> None:
        """Give both ends fresh keys: one end's TX key is the other's RX key."""
        for sender, receiver in ((self.endpoint, self.root_port), (self.root_port, self.endpoint)):
            for tx, rx in zip(slots(key_set, Direction.TX), slots(key_set, Direction.RX), strict=True):
                key = self.random.randbytes(32)
                sender.program(tx, key, ifv)
                receiver.program(rx, key, ifv)

    def go(self, key_set: int, *directions: Direction) -> None:
        for direction in directions or (Direction.RX, Direction.TX):
            for end in (self.endpoint, self.root_port):
                for slot in slots(key_set, direction):
                    end.go(slot)

    def is_settled(self, key_set: int) -> bool:
        """Whether every sub-stream of both ends uses a key set, and the other one is gone."""
        ends = (self.endpoint, self.root_port)
        keys = [end._keys.held(way, each, 1 - key_set) for end in ends for way in Direction for each in SUB_STREAMS]
        return all(key is None for key in keys)

    def is_settled_one_way(self, key_set: int) -> bool:
        """Whether all of what the endpoint sends is under a key set; the other way is helped along."""
        for end, way in ((self.root_port, Direction.TX), (self.endpoint, Direction.RX)):
            for each in SUB_STREAMS:
                if end._keys.waiting(way, each) is not None:
                    end._keys.change(way, each)
        return self.is_settled(key_set)

    def refresh(self, key_set: int) -> None:
        """Do what the requester does to refresh keys: all of RX before any of TX."""
        self.program(key_set)
        self.go(key_set)


def link(seed: int = 1, *, ifv: int = 1, enabled: bool = True, **changes: Any) -> Link:
    """Return a link whose stream is Secure at both ends."""
    ends = configs(**changes)
    made = Link(ide.Stream(ends[0]), ide.Stream(ends[1]), Random(seed))
    made.program(0, ifv)
    made.go(0)
    if enabled:
        made.endpoint.enable()
        made.root_port.enable()
        assert made.endpoint.state is made.root_port.state is StreamState.SECURE
    return made


def drain(end: ide.Stream | ide.Port) -> list[bytes]:
    """Return everything that an end has to send."""
    sent = []
    while (message := end.bytes_to_send()) is not None:
        sent.append(message)
    return sent


def deliver(end: ide.Stream | ide.Port, wire: list[bytes]) -> list[Event]:
    return [event for message in wire for event in end.receive(message)]


def received(events: list[Event]) -> list[tuple[Tlp, bool]]:
    return [(event.tlp, event.is_tee) for event in events if isinstance(event, ide.TlpReceived)]


def errors(events: list[Event]) -> list[IdeError]:
    return [event.error for event in events if isinstance(event, ide.ErrorDetected)]


def reorder_legally(random: Random, wire: list[bytes], flit: bool = False) -> list[bytes]:
    """Let posted requests overtake others, and the others one another, never their own kind nor a posted request."""
    messages = list(wire)
    kinds = [Tlp.parse(message, flit_mode=flit).header.sub_stream for message in messages]
    for _ in range(len(messages)):
        at = random.randrange(max(len(messages) - 1, 1))
        pair = kinds[at : at + 2]
        if len(set(pair)) == 2 and pair[0] is not SubStream.PR:
            messages[at : at + 2] = messages[at + 1], messages[at]
            kinds[at : at + 2] = kinds[at + 1], kinds[at]
    return messages


class Traffic:
    """Seeded traffic of every type that a selective stream carries, with completions for what was asked."""

    def __init__(self, random: Random, sender_id: int, *, is_root_port: bool) -> None:
        self.random = random
        self.sender_id = sender_id
        self.is_root_port = is_root_port
        self.tag = 0
        self.asked: list[Tlp] = []

    def next(self) -> Tlp:
        """Return one TLP; half of what was asked of this end is answered before it sends something of its own."""
        if self.asked and self.random.random() < 0.5:
            return self._answer(self.asked.pop(0))
        if self.random.random() < 0.5:
            return self._posted()
        return self._non_posted()

    def _address(self) -> int:
        return self.random.randrange(1 << self.random.choice((32, 48))) & ~3

    def _posted(self) -> Tlp:
        kind = self.random.randrange(4)
        payload = self.random.randbytes(4 * self.random.randint(1, 32))
        if kind == 0:
            header = ide.MessageRequest(
                tlp_type=TlpType.MSG_TO_ROOT_COMPLEX,
                requester_id=self.sender_id,
                message_code=ide.MessageCode.PM_PME,
            )
            return Tlp(header=header)
        if kind == 1:
            vendor = ide.VendorDefinedMessage(
                tlp_type=TlpType.MSGD_BY_ID, requester_id=self.sender_id, vendor_id=0x1AF4, length=len(payload) // 4
            )
            return Tlp(header=vendor, payload=payload)
        prefixes = (ide.PasidPrefix(pasid=5),) if kind == 2 else ()
        return ide.memory_write(self._address(), payload, requester_id=self.sender_id).replace(prefixes=prefixes)

    def _non_posted(self) -> Tlp:
        self.tag = (self.tag + 1) % 1024
        fields: dict[str, Any] = {
            "requester_id": self.sender_id,
            "tag": self.tag & 0xFF,
            "tag_8": bool(self.tag & 0x100),
        }
        fields["tag_9"] = bool(self.tag & 0x200)
        kind = self.random.choice((*ATOMICS, "MRD", "MRD", "MRDLK", "DMWR", *(["CFG"] if self.is_root_port else [])))
        address = self._address()
        if kind == "CFG":
            is_write = self.random.random() < 0.5
            cfg = ide.ConfigurationRequest(
                tlp_type=TlpType.CFGWR1 if is_write else TlpType.CFGRD1, destination_id=ENDPOINT_ID, length=1, **fields
            )
            return Tlp(header=cfg, payload=self.random.randbytes(4) if is_write else b"")
        if kind == "MRD":
            return ide.memory_read(address, 4 * self.random.randint(1, 64), **fields)
        size = ATOMICS.get(kind, 4)
        tlp_type = TlpType[f"{kind}{64 if address >= 1 << 32 else 32}"]
        payload = self.random.randbytes(size) if tlp_type & 0x40 else b""
        if address >= 1 << 32:
            return Tlp(
                header=ide.MemoryRequest64(tlp_type=tlp_type, address_63_2=address // 4, length=size // 4, **fields),
                payload=payload,
            )
        return Tlp(
            header=ide.MemoryRequest32(tlp_type=tlp_type, address_31_2=address // 4, length=size // 4, **fields),
            payload=payload,
        )

    def _answer(self, request: Tlp) -> Tlp:
        name = request.header.tlp_type.name
        size = request.header.length_dw * 4 if name.startswith(("MRD", "CFGRD")) else 0
        size = {"FETCHADD": 4, "SWAP": 4, "CAS": 4}.get(name.rstrip("0123456789"), size)
        answer = ide.completion(request, self.random.randbytes(size), completer_id=self.sender_id)
        if name.startswith("MRDLK"):
            return answer.replace(header=answer.header.replace(tlp_type=TlpType.CPLDLK))
        return answer


ATOMICS = {"FETCHADD": 4, "SWAP": 4, "CAS": 8}
