"""Stream set-up on two mock ports: every register in order, secure or rolled back."""

from __future__ import annotations

from typing import Any, TypeVar

import pytest

from pytio.clients.ide_streams import (
    AddressRange,
    IdePort,
    Plan,
    ReadConfig,
    Stream,
    StreamPolicy,
    StreamSlots,
    WriteConfig,
    establish_between,
    survey,
    tear_down,
)
from pytio.errors import BackendError, LocalProtocolError, VerificationError
from pytio.ids import Bdf
from pytio.mock import Change, MockFunction

T = TypeVar("T")
ROOT, DEVICE = Bdf.parse("0000:00:01.1"), Bdf.parse("0000:01:00.0")


class Machine:
    """A root port and an endpoint; a stream becomes secure where it is enabled, valid, and its keys are there."""

    def __init__(self, associations: int = 1, streams: int = 2) -> None:
        self.keys: set[Bdf] = set()
        self.done: list[ReadConfig | WriteConfig] = []
        self.fails_at: int | None = None
        self.broken: Bdf | None = None
        self.ports = {
            ROOT: MockFunction(0x1022, 0x14AB, port_type=4),
            DEVICE: MockFunction(0x1022, 0x14A0, tee_io=True),
        }
        self.at: dict[Bdf, int] = {}
        size = 20 + 12 * associations
        for function, port in self.ports.items():
            capability = 0x0100_00C2 | streams - 1 << 16
            block = associations.to_bytes(4, "little") + bytes(size - 4)
            body = capability.to_bytes(4, "little") + bytes(4) + block * streams
            writable = bytes(4) + b"\xff" * 4 + bytes(4) + b"\xff" * (size - 12)
            rw = int.from_bytes(bytes(8) + writable * streams, "little")
            self.at[function] = at = port.add_extended_capability(0x30, body, rw=rw)
            for index in range(streams):
                self._watch(function, at + 12 + index * size)

    def _watch(self, function: Bdf, block: int) -> None:
        space = self.ports[function].space

        def written(change: Change) -> None:
            has_rids = space.peek(block + 0x10) & 1
            secure = change.new & 1 and has_rids and function in self.keys
            space.poke(block + 8, 4, 2 if secure else 0)

        space.watch(block + 4, 4, written)

    def run(self, plan: Plan[T]) -> T:
        outcome: bytes | None = None
        failure: BackendError | None = None
        while True:
            try:
                action = plan.throw(failure) if failure else plan.send(outcome)  # type: ignore[arg-type]  # None starts it
            except StopIteration as stop:
                result: T = stop.value
                return result
            outcome, failure = b"", None
            self.done.append(action)
            if action.function == self.broken and isinstance(action, WriteConfig) and len(self.done) > 10:
                failure = BackendError("test", "the port is gone")
                continue
            if self.fails_at == len(self.done):
                failure = BackendError("test", "the access failed")
                continue
            bus = self.ports[action.function].space.bus
            if isinstance(action, ReadConfig):
                outcome = bus.read(action.offset, 4)
            else:
                bus.write(action.offset, action.data)

    def program_keys(self, stream: Stream) -> Plan[None]:
        self.keys |= {stream.root_port.function, stream.endpoint.function}
        yield from ()

    def establish(self, slots: StreamSlots, **others: Any) -> Stream:
        return self.run(
            establish_between((ROOT, self.at[ROOT]), (DEVICE, self.at[DEVICE]), slots, self.program_keys, **others)
        )

    def register(self, function: Bdf, offset: int, block: int = 0, associations: int = 1) -> int:
        at = self.at[function] + 12 + block * (20 + 12 * associations) + offset
        return self.ports[function].space.peek(at)

    def writes(self, function: Bdf | None = None) -> list[tuple[Bdf, int, str]]:
        return [
            (action.function, action.offset - self.at[action.function] - 12, action.data[::-1].hex())
            for action in self.done
            if isinstance(action, WriteConfig) and function in {None, action.function}
        ]

    def is_untouched(self) -> bool:
        """Return whether no block has anything in it but how long it is."""
        return all(
            not any(self.register(function, offset, block) for offset in (4, 8, 12, 16, 20, 24, 28))
            for function in (ROOT, DEVICE)
            for block in (0, 1)
        )


def test_the_values_and_their_order_are_those_of_the_kernel() -> None:
    machine, slots = Machine(), StreamSlots()
    stream = machine.establish(slots)
    assert machine.writes() == [
        (DEVICE, 0x0C, "00ffff00"),
        (DEVICE, 0x10, "00000001"),
        (DEVICE, 0x14, "00000000"),
        (DEVICE, 0x18, "00000000"),
        (DEVICE, 0x1C, "00000000"),
        (DEVICE, 0x04, "00c00000"),
        (ROOT, 0x0C, "00ffff00"),
        (ROOT, 0x10, "00000001"),
        (ROOT, 0x14, "00000000"),
        (ROOT, 0x18, "00000000"),
        (ROOT, 0x1C, "00000000"),
        (ROOT, 0x04, "00000200"),
        (ROOT, 0x04, "00000201"),
        (DEVICE, 0x04, "00c00001"),
    ]
    assert machine.register(ROOT, 8) == machine.register(DEVICE, 8) == 2
    assert stream.name == "stream0.0.0"
    assert len(slots) == 255


def test_tear_down_leaves_nothing() -> None:
    machine, slots = Machine(), StreamSlots()
    stream = machine.establish(slots)
    machine.done.clear()
    machine.run(tear_down(stream, slots))
    assert machine.writes()[:2] == [(ROOT, 4, "00000000"), (DEVICE, 4, "00000000")]
    assert [offset for _, offset, _ in machine.writes(ROOT)] == [4, 0x14, 0x18, 0x1C, 0x10, 0x0C]
    assert machine.is_untouched()
    assert len(slots) == 256


def test_a_second_stream_takes_the_next_slot_and_blocks() -> None:
    machine, slots = Machine(), StreamSlots(used=(0,))
    machine.ports[ROOT].space.poke(machine.at[ROOT] + 12 + 4, 4, 1)
    stream = machine.establish(slots)
    assert (stream.stream_id, stream.name) == (1, "stream1.1.0")
    assert machine.register(ROOT, 4, block=1) == 0x0100_0201
    assert machine.register(DEVICE, 4, block=0) == 0x01C0_0001


def test_exact_ranges_and_addresses() -> None:
    machine = Machine()
    policy = StreamPolicy.exact(
        ROOT, DEVICE, Bdf.parse("0000:01:00.4"), root_port_addresses=(AddressRange(0x20_0000_0000, 0x20_3FFF_FFFF),)
    )
    machine.establish(StreamSlots(), policy=policy)
    assert machine.register(ROOT, 0x0C) == 0x0001_0400
    assert machine.register(ROOT, 0x10) == 0x0001_0001
    assert machine.register(DEVICE, 0x0C) == machine.register(DEVICE, 0x10) & ~1 == 0x0000_0900
    assert [machine.register(ROOT, offset) for offset in (0x14, 0x18, 0x1C)] == [0x3FF0_0001, 0x20, 0x20]


def test_intel_enables_the_endpoint_first() -> None:
    machine = Machine()
    machine.establish(StreamSlots(), policy=StreamPolicy(is_endpoint_first=True))
    last = [(function, value) for function, _, value in machine.writes()[-2:]]
    assert last == [(DEVICE, "00c00001"), (ROOT, "00000201")]


@pytest.mark.parametrize("lacking", [ROOT, DEVICE])
def test_a_port_that_stays_insecure_rolls_everything_back(lacking: Bdf) -> None:
    machine, slots = Machine(), StreamSlots()

    def half_of_the_keys(_: Stream) -> Plan[None]:
        machine.keys = {ROOT, DEVICE} - {lacking}
        yield from ()

    plan = establish_between((ROOT, machine.at[ROOT]), (DEVICE, machine.at[DEVICE]), slots, half_of_the_keys)
    with pytest.raises(VerificationError, match=rf"stream 0 at {lacking}, selective\[0\]: INSECURE"):
        machine.run(plan)
    assert machine.is_untouched()
    assert len(slots) == 256


def test_whatever_fails_is_rolled_back() -> None:
    counted = Machine()
    counted.establish(StreamSlots())
    first_write = next(i for i, action in enumerate(counted.done, 1) if isinstance(action, WriteConfig))
    for failing in range(first_write, len(counted.done) + 1):
        machine, slots = Machine(), StreamSlots()
        machine.fails_at = failing
        with pytest.raises(BackendError, match="the access failed"):
            machine.establish(slots)
        assert machine.is_untouched(), failing
        assert len(slots) == 256


def test_keys_that_fail_are_rolled_back() -> None:
    machine, slots = Machine(), StreamSlots()

    def no_keys(_: Stream) -> Plan[None]:
        yield from ()
        raise LocalProtocolError("no session", "KEY_PROG")

    plan = establish_between((ROOT, machine.at[ROOT]), (DEVICE, machine.at[DEVICE]), slots, no_keys)
    with pytest.raises(LocalProtocolError, match="KEY_PROG"):
        machine.run(plan)
    assert machine.is_untouched()
    assert len(slots) == 256


def test_nothing_is_written_where_there_is_no_room() -> None:
    machine = Machine()
    with pytest.raises(LocalProtocolError, match="no stream slot is free"):
        machine.establish(StreamSlots(count=0))
    policy = StreamPolicy(root_port_addresses=(AddressRange(0, 0xFFFFF),) * 2)
    slots = StreamSlots()
    with pytest.raises(LocalProtocolError, match="has 1 address associations"):
        machine.establish(slots, policy=policy)
    for block in (0, 1):
        machine.ports[DEVICE].space.poke(machine.at[DEVICE] + 12 + 32 * block + 4, 4, 0x0500_0001)
    with pytest.raises(LocalProtocolError, match="2 streams in use"):
        machine.establish(slots)
    machine.ports[DEVICE].space.poke(machine.at[DEVICE] + 12 + 32 + 4, 4, 0)
    with pytest.raises(LocalProtocolError, match=r"stream 5 is enabled at 0000:01:00\.0"):
        machine.establish(StreamSlots(used=range(5)))
    assert machine.writes() == []
    assert len(slots) == 256


def test_a_port_without_selective_streams() -> None:
    machine = Machine()
    machine.ports[ROOT].space.poke(machine.at[ROOT] + 4, 4, 0x0000_0041)
    with pytest.raises(LocalProtocolError, match="has no selective IDE streams"):
        machine.establish(StreamSlots())


def test_the_survey_walks_blocks_behind_link_streams() -> None:
    machine = Machine(associations=3, streams=2)
    port: IdePort = machine.run(survey(DEVICE, machine.at[DEVICE]))
    first = machine.at[DEVICE] + 12
    assert [(block.offset, block.associations) for block in port.blocks] == [(first, 3), (first + 56, 3)]
    assert all(isinstance(action, ReadConfig) for action in machine.done)


def test_flags_that_a_port_lacks_are_not_set() -> None:
    machine = Machine()
    for function in (ROOT, DEVICE):
        machine.ports[function].space.poke(machine.at[function] + 4, 4, 0x0001_0042)
    machine.establish(StreamSlots())
    assert machine.register(ROOT, 4) == 0x0000_0001
    assert machine.register(DEVICE, 4) == 0x0040_0001


@pytest.mark.parametrize("broken", [ROOT, DEVICE])
def test_a_rollback_that_fails_is_a_note_to_what_failed_first(broken: Bdf) -> None:
    machine, slots = Machine(), StreamSlots()

    def no_keys(_: Stream) -> Plan[None]:
        machine.broken = broken
        yield ReadConfig(ROOT, 0)
        raise LocalProtocolError("no keys", "program")

    with pytest.raises(LocalProtocolError, match="no keys") as caught:
        machine.run(establish_between((ROOT, machine.at[ROOT]), (DEVICE, machine.at[DEVICE]), slots, no_keys))
    assert any("the port is gone" in note for note in caught.value.__notes__)
    other = next(function for function in (ROOT, DEVICE) if function != broken)
    assert not any(machine.register(other, offset) for offset in (4, 8, 12, 16, 20, 24, 28))
    assert len(slots) == 255  # whoever cannot clear the registers may not use the stream's id again
