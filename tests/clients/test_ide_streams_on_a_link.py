"""The plans of IDE streams on two ports with a link between them: Secure by their registers, and in fact."""

from __future__ import annotations

from typing import TypeVar

import pytest

from pytio import ide
from pytio.clients import ide_streams
from pytio.clients.ide_streams import AddressRange, StreamPolicy, StreamSlots
from pytio.errors import VerificationError
from tests.mock.platform.machine import BAR, DEVICE, PORT, Machine

T = TypeVar("T")
MEGABYTE = 1 << 20
EXACT = StreamPolicy.exact(PORT, DEVICE, root_port_addresses=(AddressRange(BAR, BAR + MEGABYTE - 1),))
POLICIES = {
    "AMD's": StreamPolicy(),
    "the endpoint first": StreamPolicy(is_endpoint_first=True),
    "exact ranges": EXACT,
    "not TEE-Limited": StreamPolicy(tee_limited=False),
}


def perform(machine: Machine, plan: ide_streams.Plan[T]) -> T:
    """Perform a plan's accesses as TLPs."""
    read = b""
    try:
        access = next(plan)
        while True:
            if isinstance(access, ide_streams.ReadConfig):
                read = machine.platform.config_read(access.function, access.offset, 4)
            else:
                machine.platform.config_write(access.function, access.offset, access.data)
                read = b""
            access = plan.send(read)
    except StopIteration as stop:
        found: T = stop.value
        return found


def set_up(machine: Machine, slots: StreamSlots, policy: StreamPolicy) -> ide_streams.Stream:
    root_port = perform(machine, ide_streams.survey(PORT, machine.port.ide.offset))
    endpoint = perform(machine, ide_streams.survey(DEVICE, machine.device.ide.offset))
    return perform(machine, ide_streams.set_up(root_port, endpoint, slots, policy=policy, stream_id=5))


@pytest.mark.parametrize("policy", POLICIES.values(), ids=list(POLICIES))
def test_a_stream_is_established_carries_traffic_and_is_torn_down(policy: StreamPolicy) -> None:
    machine, slots = Machine(), StreamSlots()
    machine.place_bar()
    for _ in range(2):  # and again, with the same id
        stream = set_up(machine, slots, policy)
        machine.give_keys(5)
        perform(machine, ide_streams.enable(stream))
        machine.device.is_trusted = True
        machine.port.mmio_write(BAR, b"over the stream", tee=True)
        assert machine.port.mmio_read(BAR, 15, tee=True) == b"over the stream"
        assert machine.port.ide.state_of(5) is machine.device.ide.state_of(5) is ide.StreamState.SECURE
        perform(machine, ide_streams.tear_down(stream, slots))
        assert machine.port.mmio_read(BAR, 15, tee=True) == b"\xff" * 15
        assert len(slots) == 256
    for port in (machine.port.ide, machine.device.ide):
        assert not any(isinstance(event, ide.ErrorDetected) for event in port.events)


def test_without_keys_enabling_fails_and_leaves_nothing_enabled() -> None:
    machine, slots = Machine(), StreamSlots()
    stream = set_up(machine, slots, StreamPolicy())
    with pytest.raises(VerificationError, match="INSECURE"):
        perform(machine, ide_streams.enable(stream))
    for port in (machine.port.ide, machine.device.ide):
        assert not port.registers().selective_streams[0].control.enable
