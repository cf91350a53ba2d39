"""Host, guest and device around one root port: configuration and MMIO as TLPs, DMA, and what blocks each of them."""

from __future__ import annotations

from typing import Any

import attrs
import pytest

from pytio import ide
from pytio.ids import Bdf
from pytio.mock.link import LinkDirection
from pytio.mock.platform import (
    EXAMPLE_ROOT_PORT,
    DeviceTableEntry,
    DmaFault,
    NestedPageFault,
    Platform,
    RmpViolation,
    RootPortConfig,
)
from pytio.sev.rmp import RmpEntry
from tests.mock.platform.machine import ASID, BAR, DEVICE, DOMAIN, PORT, Machine

GPA, MMIO_GPA = 0x40_0000, 0x8000_0000
SECRET = b"no host shall see these 32 bytes"
ONES = b"\xff" * 4


@pytest.fixture
def machine() -> Machine:
    return Machine()


@pytest.fixture
def running() -> Machine:
    """A device that runs for a guest on stream 3."""
    machine = Machine()
    machine.place_bar()
    machine.secure(3)
    machine.give_mmio(MMIO_GPA)
    machine.trust(3)
    machine.wire.clear()
    return machine


def seen(machine: Machine) -> list[tuple[str, bool, bool]]:
    """Return type of TLP, whether it was an IDE TLP, and T, in the order of the wire."""
    return [
        (tlp.header.tlp_type.name, tlp.ide is not None, tlp.ide is not None and bool(tlp.ide.t)) for tlp in machine.wire
    ]


# configuration space


def test_configuration_space_is_reached_by_tlps(machine: Machine) -> None:
    assert machine.platform.config_read(DEVICE, 0, 4) == bytes.fromhex("2210a614")
    assert machine.platform.config_read(DEVICE, 2, 2) == bytes.fromhex("a614")
    machine.platform.config_write(DEVICE, 0x3C, b"\x7b")
    assert machine.device.function.space.peek(0x3C, 1) == 0x7B
    assert seen(machine)[:2] == [("CFGRD0", False, False), ("CPLD", False, False)]
    assert seen(machine)[-2:] == [("CFGWR0", False, False), ("CPL", False, False)]


def test_the_root_port_answers_for_itself(machine: Machine) -> None:
    assert machine.platform.config_read(PORT, 0x0E, 1) == b"\x01"
    capabilities = machine.platform.config_read(PORT, machine.port.function.pci_express + 0x0C, 4)
    assert capabilities[3] == EXAMPLE_ROOT_PORT.port_number
    assert not machine.wire


@pytest.mark.parametrize("address", ["e1:1f.0", "e2:00.0"])
def test_functions_that_do_not_exist_read_as_all_ones(machine: Machine, address: str) -> None:
    absent = Bdf.parse(address)
    assert machine.platform.config_read(absent, 0, 4) == ONES
    machine.platform.config_write(absent, 0, bytes(4))
    expected = "CFGRD0" if absent.bus == DEVICE.bus else "CFGRD1"
    assert seen(machine)[0][0] == expected


def test_what_is_below_no_root_port_is_a_mistake(machine: Machine) -> None:
    with pytest.raises(KeyError, match="no root port"):
        machine.platform.config_read(Bdf.parse("05:00.0"), 0, 4)
    with pytest.raises(KeyError, match="no root port"):
        machine.platform.config_read(Bdf.parse("0001:e1:00.0"), 0, 4)
    assert machine.port.config_read(Bdf.parse("05:00.0"), 0, 4) == ONES


def test_configuration_requests_go_on_the_stream_as_soon_as_it_is_secure(machine: Machine) -> None:
    machine.secure()
    machine.wire.clear()
    assert machine.platform.config_read(DEVICE, 0, 4) == bytes.fromhex("2210a614")
    assert seen(machine) == [("CFGRD1", True, False), ("CPLD", True, False)]


# MMIO


def test_the_host_reaches_mmio_in_clear(machine: Machine) -> None:
    machine.place_bar()
    machine.platform.mmio_write(BAR + 6, SECRET)
    assert machine.platform.mmio_read(BAR + 6, len(SECRET)) == SECRET
    assert not any(is_ide for _, is_ide, _ in seen(machine))
    assert machine.platform.mmio_read(BAR - (1 << 40), 4) == ONES
    machine.platform.mmio_write(BAR - (1 << 40), ONES)


def test_without_memory_space_enable_the_port_forwards_nothing(machine: Machine) -> None:
    machine.platform.config_write(PORT, 0x04, b"\x04\x00")
    machine.wire.clear()
    assert machine.platform.mmio_read(BAR, 4) == ONES
    assert not machine.wire
    assert machine.platform.is_mmio(BAR)
    assert not machine.platform.is_mmio(0x1000)


def test_the_guest_reaches_validated_mmio_on_the_stream_with_t(running: Machine) -> None:
    """The test of the RFC: 0xabcd at an offset of the BAR, once privately, once through a shared mapping."""
    running.guest.write(MMIO_GPA + 0x20, b"\xcd\xab\0\0")
    assert running.guest.read(MMIO_GPA + 0x20, 4) == b"\xcd\xab\0\0"
    assert seen(running) == [("MWR64", True, True), ("MRD64", True, True), ("CPLD", True, True)]
    assert all(tlp.payload != b"\xcd\xab\0\0" for tlp in running.wire)
    assert running.guest.read(MMIO_GPA + 0x20, 4, private=False) == ONES
    assert seen(running)[-2:] == [("MRD64", False, False), ("CPL", False, False)]
    with pytest.raises(RmpViolation, match="write to shared memory"):
        running.guest.write(MMIO_GPA + 0x20, ONES, private=False)
    with pytest.raises(RmpViolation):
        running.platform.mmio_write(BAR, ONES)
    assert running.platform.mmio_read(BAR + 0x20, 4) == ONES
    assert running.device.memory[0x20:0x24] == b"\xcd\xab\0\0"


def test_mmio_that_is_not_validated_is_not_private(machine: Machine) -> None:
    machine.place_bar()
    machine.secure()
    machine.give_mmio(MMIO_GPA, is_validated=False)
    machine.wire.clear()
    with pytest.raises(RmpViolation):
        machine.guest.read(MMIO_GPA, 4)
    with pytest.raises(RmpViolation):
        machine.guest.write(MMIO_GPA, ONES)
    assert not machine.wire


def test_a_fence_keeps_private_mmio_from_the_device(running: Machine) -> None:
    running.platform.iommu.fences = type(running.platform.iommu.fences)()
    assert running.guest.read(MMIO_GPA, 4) == ONES
    running.guest.write(MMIO_GPA, SECRET)
    assert not running.wire


def test_without_a_secure_stream_t_is_never_sent(running: Machine) -> None:
    running.port.ide.happen(ide.StreamCause.LINK_DOWN)
    assert running.guest.read(MMIO_GPA, 4) == ONES
    running.guest.write(MMIO_GPA, SECRET)
    assert not running.wire


# DMA


def test_dma_to_private_memory_is_encrypted_on_the_link_and_in_memory(running: Machine) -> None:
    paddr = running.give_memory(GPA)
    running.device.dma.write(DEVICE.requester_id, GPA + 0x100, SECRET, tee=True)
    assert running.guest.read(GPA + 0x100, len(SECRET)) == SECRET
    assert SECRET not in running.platform.host.read(paddr, 4096)
    running.guest.write(GPA + 0x200, SECRET[::-1])
    answer = running.device.dma.read(DEVICE.requester_id, GPA + 0x200, len(SECRET), tee=True)
    assert answer.data == SECRET[::-1]
    assert seen(running) == [("MWR32", True, True), ("MRD32", True, True), ("CPLD", True, True)]
    assert running.platform.iommu.events == []


def test_dma_in_clear_never_reaches_private_memory(running: Machine) -> None:
    running.give_memory(GPA)
    running.guest.write(GPA, SECRET)
    running.device.dma.write(DEVICE.requester_id, GPA, ONES)
    assert running.guest.read(GPA, len(SECRET)) == SECRET
    assert [event.fault for event in running.platform.iommu.events] == [DmaFault.RMP_VIOLATION]
    assert SECRET not in running.device.dma.read(DEVICE.requester_id, GPA, 64).data


def test_dma_to_shared_memory_needs_no_trust(machine: Machine) -> None:
    machine.give_memory(GPA, is_private=False)
    machine.platform.iommu.set_dte(DEVICE.requester_id, DeviceTableEntry(DOMAIN, page_table=machine.table))
    machine.device.dma.write(DEVICE.requester_id, GPA, SECRET)
    assert machine.guest.read(GPA, len(SECRET), private=False) == SECRET
    machine.guest.write(GPA, SECRET[::-1], private=False)
    assert machine.device.dma.read(DEVICE.requester_id, GPA, len(SECRET)).data == SECRET[::-1]


def test_a_blocked_read_is_all_ones_and_leaves_an_event(running: Machine) -> None:
    running.give_memory(GPA)
    running.platform.iommu.clear_sdte(DEVICE.requester_id)
    assert running.device.dma.read(DEVICE.requester_id, GPA, 4, tee=True).data == ONES
    (event,) = running.platform.iommu.events
    assert (event.requester_id, event.is_tee, event.fault) == (DEVICE.requester_id, True, DmaFault.NOT_SECURE)


def test_a_doorbell_starts_dma_while_its_own_tlp_is_still_being_delivered(running: Machine) -> None:
    """A device may ask, and have its answer, before the write that made it ask is over; counters and keys bear it."""
    running.give_memory(GPA)
    running.guest.write(GPA, SECRET)
    take, fetched = running.device.ide.deliver, []

    def ring(event: ide.TlpReceived) -> None:
        take(event)
        if event.tlp.header.tlp_type is ide.TlpType.MWR64:
            fetched.append(running.device.dma.read(DEVICE.requester_id, GPA, len(SECRET), tee=True).data)
            running.device.dma.write(DEVICE.requester_id, GPA + 0x800, SECRET[::-1], tee=True)

    running.device.ide.deliver = ring
    for _ in range(3):
        running.guest.write(MMIO_GPA, b"ring")
    assert fetched == [SECRET] * 3
    assert running.guest.read(GPA + 0x800, len(SECRET)) == SECRET[::-1]
    assert running.guest.read(MMIO_GPA, 4) == b"ring"
    assert [name for name, _, _ in seen(running)][:4] == ["MWR64", "MRD32", "CPLD", "MWR32"]
    assert running.port.ide.state_of(3) is running.device.ide.state_of(3) is ide.StreamState.SECURE


def test_traffic_leaves_no_events_behind(running: Machine) -> None:
    running.give_memory(GPA)
    before = len(running.port.ide.events), len(running.device.ide.events)
    for _ in range(5):
        running.guest.write(MMIO_GPA, SECRET)
        running.device.dma.write(DEVICE.requester_id, GPA, SECRET, tee=True)
    assert (len(running.port.ide.events), len(running.device.ide.events)) == before


def test_the_stream_of_a_request_has_to_be_the_entrys(running: Machine) -> None:
    running.give_memory(GPA)
    running.trust(4)
    running.device.dma.write(DEVICE.requester_id, GPA, SECRET, tee=True)
    assert [event.fault for event in running.platform.iommu.events] == [DmaFault.WRONG_ORIGIN]


def test_tampering_on_the_link_stops_both_ways(running: Machine) -> None:
    running.give_memory(GPA)
    running.guest.write(GPA, SECRET)
    running.port.link.filters.append(
        lambda direction, raw: [raw[:-1] + bytes([raw[-1] ^ 1]) if direction is LinkDirection.UP else raw]
    )
    running.device.dma.write(DEVICE.requester_id, GPA, ONES, tee=True)
    assert running.guest.read(GPA, len(SECRET)) == SECRET
    assert running.port.ide.errors.ide_check_failed
    assert running.port.ide.state_of(3) is running.device.ide.state_of(3) is ide.StreamState.INSECURE
    running.port.link.filters.clear()
    assert running.guest.read(MMIO_GPA, 4) == ONES


def test_without_bus_master_enable_the_port_takes_no_request(machine: Machine) -> None:
    machine.platform.config_write(PORT, 0x04, b"\x02\x00")
    answer = machine.device.dma.read(DEVICE.requester_id, 0x1000, 4)
    assert answer.status == ide.CompletionStatus.UNSUPPORTED_REQUEST
    machine.device.dma.write(DEVICE.requester_id, 0x1000, ONES)
    assert machine.port.ide.errors.unsupported_request_error
    assert machine.platform.memory.read(0x1000, 4) == bytes(4)


def test_interrupts_and_messages_are_kept(machine: Machine) -> None:
    machine.device.dma.write(DEVICE.requester_id, 0xFEE0_0000, b"\x41\0\0\0")
    (interrupt,) = machine.port.interrupts
    assert (interrupt.requester_id, interrupt.address, interrupt.data) == (DEVICE.requester_id, 0xFEE0_0000, 0x41)
    assert not interrupt.is_tee
    message = ide.MessageRequest(
        tlp_type=ide.TlpType.MSG_TO_ROOT_COMPLEX,
        message_code=ide.MessageCode.PM_PME,
        requester_id=DEVICE.requester_id,
    )
    machine.device.ide.send(ide.Tlp(header=message))
    assert [tlp.header for tlp in machine.port.messages] == [message]
    assert machine.platform.iommu.events == []


def test_a_request_of_another_kind_is_unsupported(machine: Machine) -> None:
    request = ide.IoRequest(tlp_type=ide.TlpType.IORD, length=1, requester_id=DEVICE.requester_id, address_31_2=4)
    machine.device.ide.send(ide.Tlp(header=request))
    completion = machine.wire[-1].header
    assert isinstance(completion, ide.Completion)
    assert completion.status == ide.CompletionStatus.UNSUPPORTED_REQUEST


# what makes the root port's stream Insecure


@pytest.mark.parametrize(
    ("offset", "data"),
    [
        (0x04, "04"),
        (0x04, "02"),
        (0x19, "e0"),
        (0x20, "10000000"),
        (0x2C, "01000000"),
        ("express", "10"),
        ("link", "10"),
        ("link", "20"),
        (0x3E, "40"),
    ],
)
def test_writes_that_make_a_stream_insecure(running: Machine, offset: int | str, data: str) -> None:
    places = {"express": 0x09, "link": 0x10}
    at = offset if isinstance(offset, int) else running.port.function.pci_express + places[offset]
    if offset == "express":
        data = f"{running.port.function.space.peek(at, 1) ^ 1:02x}"  # Extended Tag is bit 8 of Device Control
    assert running.port.ide.state_of(3) is ide.StreamState.SECURE
    running.platform.config_write(PORT, at, bytes.fromhex(data))
    assert running.port.ide.state_of(3) is ide.StreamState.INSECURE


@pytest.mark.parametrize(("offset", "data"), [(0x0C, "10"), (0x3C, "05"), (0x3E, "01"), (0x04, "0600"), (0x24, "")])
def test_writes_that_do_not(running: Machine, offset: int, data: str) -> None:
    again = bytes.fromhex(data) or running.platform.config_read(PORT, offset, 4)
    running.platform.config_write(PORT, offset, again)
    assert running.port.ide.state_of(3) is ide.StreamState.SECURE


def test_a_disabled_link_comes_back_without_its_streams(running: Machine) -> None:
    at = running.port.function.pci_express + 0x10
    running.platform.config_write(PORT, at, b"\x10\x00")
    assert running.platform.config_read(DEVICE, 0, 4) == ONES
    assert running.port.ide.errors.surprise_down_error
    running.platform.config_write(PORT, at, b"\x00\x00")
    assert running.port.ide.state_of(3) is ide.StreamState.INSECURE
    running.device.ide.happen(ide.StreamCause.LINK_DOWN)
    assert running.platform.config_read(DEVICE, 0, 4) != ONES


# the guest's memory


def test_private_memory_is_the_guests_alone(machine: Machine) -> None:
    paddr = machine.give_memory(GPA)
    machine.guest.write(GPA + 4090, b"secret")
    machine.give_memory(GPA + 4096)
    machine.guest.write(GPA + 4090, SECRET)
    assert machine.guest.read(GPA + 4090, len(SECRET)) == SECRET
    assert machine.platform.host.read(paddr + 4090, 6) != SECRET[:6]
    with pytest.raises(RmpViolation):
        machine.platform.host.write(paddr, b"x")
    other = machine.platform.guest(ASID + 1)
    other.map(GPA, paddr)
    with pytest.raises(RmpViolation):
        other.read(GPA, 4)
    assert other.read(GPA, 4, private=False) == machine.platform.host.read(paddr, 4)


def test_a_page_that_is_mapped_elsewhere_is_not_the_guests(machine: Machine) -> None:
    """The hypervisor swaps two pages of a guest: the guest notices, since the RMP knows where each belongs."""
    first, second = machine.give_memory(GPA), machine.give_memory(GPA + 4096)
    machine.guest.map(GPA, second)
    machine.guest.map(GPA + 4096, first)
    with pytest.raises(RmpViolation, match="private access"):
        machine.guest.read(GPA, 4)


def test_a_page_taken_away_and_given_back_has_to_be_validated_again(machine: Machine) -> None:
    paddr = machine.give_memory(GPA)
    machine.platform.host.rmp_update(paddr, RmpEntry())
    with pytest.raises(RmpViolation):
        machine.guest.read(GPA, 4)
    machine.platform.host.rmp_update(paddr, RmpEntry(assigned=1, asid=ASID, gpa=GPA))
    with pytest.raises(RmpViolation):
        machine.guest.read(GPA, 4)
    machine.guest.pvalidate(GPA)
    machine.guest.read(GPA, 4)
    machine.guest.pvalidate(GPA, is_validated=False)
    with pytest.raises(RmpViolation):
        machine.guest.write(GPA, b"x")


def test_nothing_is_behind_an_address_that_nobody_mapped(machine: Machine) -> None:
    machine.guest.map(GPA, 0x1000)
    machine.guest.unmap(GPA)
    with pytest.raises(NestedPageFault, match="0x400004"):
        machine.guest.read(GPA + 4, 4)
    with pytest.raises(ValueError, match="begin a page"):
        machine.guest.map(GPA, 0x1001)


# the machine


def test_asids() -> None:
    platform = Platform(asid_count=2)
    platform.asids.activate(2)
    for asid, reason in ((0, "within 1 to 2"), (3, "within 1 to 2"), (2, "in use")):
        with pytest.raises(ValueError, match=reason):
            platform.asids.activate(asid)
    platform.memory.write(0x1000, SECRET, 2)
    platform.asids.release(2)
    platform.asids.release(2)
    assert platform.memory.read(0x1000, len(SECRET), 2) != SECRET
    platform.asids.activate(2)


SECOND = RootPortConfig(Bdf.parse("c0:01.1"), 3, (0xC1, 0xC1), (0x200_0000_0000, 0x200_0FFF_FFFF))


def test_root_ports_are_named_by_segment_and_port_number() -> None:
    platform = Platform(root_ports=(EXAMPLE_ROOT_PORT, SECOND))
    assert platform.root_port(0, 3).bdf == SECOND.bdf
    assert platform.root_port_above(Bdf.parse("c1:05.0")).port_number == 3
    assert platform.root_port_above(PORT).port_number == 2
    assert platform.root_port_at(0x200_0000_1000) is platform.root_port(0, 3)
    with pytest.raises(KeyError, match="no root port 9"):
        platform.root_port(0, 9)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"bdf": PORT}, "the address"),
        ({"port_number": 2}, "the port number"),
        ({"buses": (0xE2, 0xE5)}, "buses"),
        ({"window": (0x107_0000_0000, 0x108_FFFF_FFFF)}, "memory"),
        ({"window": (0, 0xF_FFFF)}, "DRAM"),
        ({"window": (0x200_0000_0001, 0x200_0FFF_FFFF)}, "whole megabytes"),
    ],
)
def test_root_ports_share_nothing(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Platform(root_ports=(EXAMPLE_ROOT_PORT, attrs.evolve(SECOND, **changes)))
