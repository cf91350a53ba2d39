"""Registers of a live function: read when asked, written with the right width, nothing cleared by accident."""

from __future__ import annotations

import pytest

from pytio.ide_registers import AddressAssociation, IdeStreamState, SelectiveIdeStreamControl
from pytio.mock import ConfigSpace, MockFunction
from pytio.pci import CapabilityId, ConfigView, DumpAccess, ExtendedCapabilityId, decode, read_all
from pytio.pci.access import read_bytes, write_bytes
from pytio.pci.capabilities.msi import Msi
from pytio.pci.capabilities.multicast import MulticastBaseAddress, MulticastPort
from pytio.pci.capabilities.pci_express import DeviceControl, DeviceStatus
from pytio.pci.codes import LinkSpeed
from tests.pci.corpus import ENDPOINT, placed, space
from tests.pci.test_dump import EXPRESS, PLAIN

BLOCK_RW = 0xFFFF_FFFF << 32 | 0xFFFF_FF00 << 96 | 0xFFFF_FF01 << 128 | 0xFFFF_FFFF_FFFF_FFFF_FFFF_FF01 << 160


class Recorder:
    """Access that notes what it did."""

    def __init__(self, space: ConfigSpace) -> None:
        self._bus = space.bus
        self.done: list[tuple[str, int, int]] = []

    @property
    def visible_bytes(self) -> int:
        return self._bus.visible_bytes

    def read(self, offset: int, size: int, /) -> bytes:
        self.done.append(("read", offset, size))
        return self._bus.read(offset, size)

    def write(self, offset: int, data: bytes, /) -> None:
        self.done.append(("write", offset, len(data)))
        self._bus.write(offset, data)


@pytest.fixture
def device() -> MockFunction:
    """A device with one link and two selective streams; the first has two address associations, the second none."""
    made = MockFunction(0x1022, 0x14A0, tee_io=True)
    blocks = [(2).to_bytes(4, "little") + bytes(40), bytes(20)]
    capability = (0x0001_0043).to_bytes(4, "little")
    body = capability + bytes(4) + bytes(8) + b"".join(blocks)
    rw = 0xFFFF_FFFF << 64 | BLOCK_RW << 128 | BLOCK_RW << 480
    made.add_extended_capability(0x30, body, rw=rw & (1 << 8 * len(body)) - 1, rw1c=1 << 223)
    return made


def view(device: MockFunction) -> tuple[ConfigView, Recorder]:
    recorder = Recorder(device.space)
    config = ConfigView(recorder)
    assert config.walked.problems == ()
    recorder.done.clear()
    return config, recorder


def test_the_tree_reads_like_the_specification(device: MockFunction) -> None:
    config, recorder = view(device)
    assert config.tee_io
    assert config.ide is not None
    assert config.ide.capability.selective_stream_count == 2
    assert len(config.ide.selective) == 2
    assert len(config.ide.link) == 1
    seen = [config.ide.selective[0].control.enable]
    device.space.set_bits(config.ide.selective[0].control.offset, 1)
    assert [*seen, config.ide.selective[0].control.enable] == [False, True]  # nothing was remembered
    recorder.done.clear()
    control = config.ide.selective[1].control
    recorder.done.clear()
    assert control.stream_id == 0
    assert recorder.done == [("read", control.offset, 4)]


def test_blocks_of_different_length_are_walked(device: MockFunction) -> None:
    config, _ = view(device)
    assert config.ide is not None
    first, second = config.ide.selective
    assert (first.offset, second.offset) == (0x114, 0x140)
    assert [one.offset for one in first.address_associations] == [0x128, 0x134]
    assert second.address_associations == ()
    assert config.ide.link[0].control.offset == 0x10C
    assert config.ide.link[0].status.state == 0
    assert config.ide.control.offset == 0x108


def test_a_modification_is_one_read_and_one_write(device: MockFunction) -> None:
    config, recorder = view(device)
    assert config.ide is not None
    control = config.ide.selective[0].control
    recorder.done.clear()
    written = control.modify(stream_id=7, default_stream=True)
    assert written == SelectiveIdeStreamControl(stream_id=7, default_stream=True)
    assert recorder.done == [("read", control.offset, 4), ("write", control.offset, 4)]
    assert control.read() == written
    assert device.space.violations == []


def test_a_status_is_not_cleared_by_accident(device: MockFunction) -> None:
    config, recorder = view(device)
    express = device.pci_express
    device.space.set_bits(express + 0x0A, 0x000F, width=2)
    assert config.pci_express is not None
    control = config.pci_express.register("device_control", DeviceControl)
    status = config.pci_express.register("device_status", DeviceStatus)
    recorder.done.clear()
    control.modify(max_payload_size=1)
    assert recorder.done == [("read", express + 8, 2), ("write", express + 8, 2)]
    status.modify(aux_power_detected=True)  # read-only here: nothing happens, above all no clearing
    assert device.space.peek(express + 0x0A, 2) == 0x000F
    status.clear("fatal_error_detected")
    assert device.space.peek(express + 0x0A, 2) == 0x000B
    with pytest.raises(ValueError, match="aux_power_detected is not cleared by writing ones"):
        status.clear("aux_power_detected")


def test_a_received_fail_message_stays_until_it_is_cleared(device: MockFunction) -> None:
    config, _ = view(device)
    assert config.ide is not None
    status = config.ide.selective[0].status
    device.space.set_bits(status.offset, 1 << 31 | 2)
    status.modify()
    assert status.read().state is IdeStreamState.SECURE
    assert status.received_integrity_check_fail_message
    status.clear("received_integrity_check_fail_message")
    assert not status.received_integrity_check_fail_message


def test_associations_are_written_register_by_register(device: MockFunction) -> None:
    config, recorder = view(device)
    assert config.ide is not None
    block = config.ide.selective[0]
    rid = block.rid_association
    addresses = block.address_associations[0]
    wanted = AddressAssociation.of(0x20_1230_0000, 0x20_12FF_FFFF)
    recorder.done.clear()
    rid.modify(rid_limit=0x1FF, rid_base=0x100, valid=True)
    assert recorder.done[2:] == [("write", rid.offset, 4), ("write", rid.offset + 4, 4)]
    assert (rid.rid_base, rid.rid_limit, rid.valid) == (0x100, 0x1FF, True)
    addresses.modify(
        valid=wanted.valid,
        memory_base_31_20=wanted.memory_base_31_20,
        memory_limit_31_20=wanted.memory_limit_31_20,
        memory_limit_63_32=wanted.memory_limit_63_32,
        memory_base_63_32=wanted.memory_base_63_32,
    )
    assert addresses.read() == wanted


def test_the_header_and_numbers(device: MockFunction) -> None:
    config, recorder = view(device)
    assert config.header.vendor_id == 0x1022
    assert config.header.class_code == 0x120000
    config.header.command.modify(bus_master_enable=True)
    assert device.space.peek(4, 2) == 4
    recorder.done.clear()
    config.header.modify(interrupt_line=9, cache_line_size_dw=16)
    assert recorder.done == [("write", 0x3C, 1), ("write", 0x0C, 1)]
    assert config.header.interrupt_line == 9
    assert config.header.bars[0].prefetchable is False
    assert config.header.reserved == bytes(7)
    assert config.header.read().vendor_id == 0x1022


def test_doe_instances(device: MockFunction) -> None:
    config, _ = view(device)
    assert config.doe == ()
    assert config.find(CapabilityId.MSI) is None
    both = ConfigView(DumpAccess(PLAIN))
    assert [instance.capability_version for instance in both.doe] == [2]
    assert both.doe[0].capability_id is ExtendedCapabilityId.DATA_OBJECT_EXCHANGE
    assert both.pci_express is not None
    assert both.pci_express.link_capabilities.max_link_speed == LinkSpeed.UNKNOWN


def test_where_a_register_is_may_depend_on_others() -> None:
    for is_wide, data_at, size in ((False, 8, 20), (True, 12, 24)):
        upper = 0 if is_wide else None
        msi = Msi(
            capability_id=CapabilityId.MSI,
            is_64_bit=is_wide,
            per_vector_masking_capable=True,
            message_upper_address=upper,
            extended_message_data=0,
            mask_bits=3,
            pending_bits=1,
        )
        access = DumpAccess(space(ENDPOINT, [placed(msi)]))
        found = ConfigView(access).find(CapabilityId.MSI)
        assert found is not None
        assert found.size() == size
        found.modify(message_data=0x4021, enable=True)
        assert bytes(access)[0x40 + data_at : 0x42 + data_at] == b"\x21\x40"
        assert (found.enable, found.mask_bits) == (True, 3)
        if not is_wide:
            with pytest.raises(AttributeError, match="this Msi is without message_upper_address"):
                _ = found.message_upper_address


def test_registers_of_eight_bytes() -> None:
    multicast = MulticastPort(
        capability_id=ExtendedCapabilityId.MULTICAST, base_address=MulticastBaseAddress(base_address_page=0x12345)
    )
    access = DumpAccess(space(ENDPOINT, [placed(EXPRESS), placed(multicast)]))
    found = ConfigView(access).find(ExtendedCapabilityId.MULTICAST)
    assert found is not None
    found.base_address.modify(index_position=12)
    assert found.base_address.base_address_page == 0x12345
    assert bytes(access)[0x108] == 12


def test_misuse_is_an_error() -> None:
    config = ConfigView(DumpAccess(PLAIN))
    assert config.pci_express is not None
    with pytest.raises(AttributeError, match="PciExpress has no colour"):
        _ = config.pci_express.colour
    with pytest.raises(AttributeError, match="DeviceControl has no colour"):
        _ = config.pci_express.device_control.colour
    with pytest.raises(TypeError, match="is no DeviceStatus"):
        config.pci_express.register("device_control", DeviceStatus)
    with pytest.raises(TypeError, match="is no number"):
        config.pci_express.modify(device_control=1)
    with pytest.raises(ValueError, match="of a dump of 4096 bytes"):
        DumpAccess(PLAIN).write(4095, b"12")
    assert repr(config.pci_express.device_control) == "<DeviceControl at 0x50>"
    assert repr(config.pci_express) == "<PciExpress at 0x48>"


def test_dumps_and_pieces() -> None:
    access = DumpAccess(PLAIN)
    assert read_all(access) == PLAIN
    assert read_bytes(access, 9, 7) == PLAIN[9:16]
    write_bytes(access, 9, b"abcdefg")
    assert bytes(access)[8:17] == PLAIN[8:9] + b"abcdefg" + PLAIN[16:17]
    assert decode(read_all(DumpAccess(PLAIN[:100]))).size == 64


def test_a_live_function_without_pci_express() -> None:
    config = ConfigView(DumpAccess(space(ENDPOINT, [])))
    assert config.pci_express is None
    assert config.ide is None
    assert not config.tee_io
