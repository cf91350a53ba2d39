"""Virtual functions: how they come, where their memory is, and how they go."""

from __future__ import annotations

import pytest

from pytio.ids import Bdf
from pytio.mock.device import VirtualFunctions
from pytio.pci.capabilities.virtualization import Sriov
from pytio.pci.codes import ExtendedCapabilityId
from tests.mock.device.bench import COMMAND, PF, VF, VF2, VF_BARS, Bench, small_config

FLR = b"\0\x80"


@pytest.fixture
def bench() -> Bench:
    bench = Bench()
    bench.enable_virtual_functions()
    return bench


def capability(bench: Bench) -> Sriov:
    at = bench.capability(ExtendedCapabilityId.SR_IOV)
    raw = b"".join(bench.device.config_read(PF, at + offset, 4) for offset in range(0, 64, 4))
    return Sriov.parse(raw)


def addresses(bench: Bench) -> list[str]:
    return [str(bdf) for bdf in bench.device.functions]


def test_the_capability_after_reset() -> None:
    found = capability(Bench())
    assert (found.total_vfs, found.initial_vfs, found.num_vfs) == (4, 4, 0)
    assert (found.first_vf_offset, found.vf_stride, found.vf_device_id) == (0x20, 1, 0x7D16)
    assert not found.control.vf_enable
    assert found.system_page_size == 1
    assert found.vf_bars == (4, 0, 4, 0, 12, 0)


def test_they_come_with_vf_enable(bench: Bench) -> None:
    assert addresses(bench) == ["0000:e1:00.0", "0000:e1:04.0", "0000:e1:04.1"]
    assert bench.read(VF, 0) == 0xFFFF_FFFF  # the ids of a virtual function are in the physical one
    assert bench.read(VF, 0x08) >> 8 == 0x12_0000
    assert bench.read(VF, 0x44) & 1 << 30 or bench.device.functions[VF].pci_express != 0x40
    assert bench.read(VF, 0x10) == 0


def test_tee_io_is_announced_by_each(bench: Bench) -> None:
    for bdf, function in bench.device.functions.items():
        capabilities = bench.read(bdf, function.pci_express + 4)
        assert capabilities & 1 << 30, bdf
        assert capabilities & 1 << 28, bdf


@pytest.mark.parametrize("asked", [0, 1, 4, 9])
def test_as_many_as_there_can_be(asked: int) -> None:
    bench = Bench()
    bench.enable_virtual_functions(asked)
    assert len(bench.device.functions) == 1 + min(asked, 4)


def test_offset_and_stride_say_where() -> None:
    virtual = VirtualFunctions(total=3, first_offset=0x100, stride=8)
    bench = Bench(small_config(virtual_functions=virtual))
    at = bench.capability(ExtendedCapabilityId.SR_IOV)
    bench.write(PF, at + 0x10, b"\3\0")
    bench.write(PF, at + 0x08, b"\1\0")
    assert addresses(bench)[1:] == ["0000:e2:00.0", "0000:e2:01.0", "0000:e2:02.0"]


def test_the_number_is_fixed_while_they_are_enabled(bench: Bench) -> None:
    at = bench.capability(ExtendedCapabilityId.SR_IOV)
    bench.write(PF, at + 0x10, b"\4\0")
    assert capability(bench).num_vfs == 2
    bench.write(PF, at + 0x08, b"\0\0")
    bench.write(PF, at + 0x10, b"\4\0")
    assert capability(bench).num_vfs == 4
    assert addresses(bench) == ["0000:e1:00.0"]


def test_vf_bars_size_themselves() -> None:
    bench = Bench()
    at = bench.capability(ExtendedCapabilityId.SR_IOV)
    for index in (0, 2, 4):
        bench.write(PF, at + 0x24 + 4 * index, b"\xff" * 4)
    assert [bench.read(PF, at + 0x24 + 4 * index) & ~0xF for index in (0, 2, 4)] == [
        0xFFFF_C000,
        0xFFFF_E000,
        0xFFFF_0000,
    ]


def test_each_has_its_part_of_a_vf_bar(bench: Bench) -> None:
    for number, bdf in enumerate((VF, VF2)):
        function = bench.device.function(bdf)
        bases = {window.bar.index: window.base for window in function.windows()}
        sizes = {bar.index: bar.size_bytes for bar in function.bars}
        assert bases == {index: base + number * sizes[index] for index, base in VF_BARS.items()}


def test_the_system_page_size_is_the_least_distance(bench: Bench) -> None:
    at = bench.capability(ExtendedCapabilityId.SR_IOV)
    bench.write(PF, at + 0x20, (1 << 4).to_bytes(4, "little"))
    bases = [next(bench.device.function(bdf).windows()).base for bdf in (VF, VF2)]
    assert bases[1] - bases[0] == 1 << 16


def test_command_has_bus_master_enable_alone(bench: Bench) -> None:
    bench.write(VF, COMMAND, b"\xff\xff")
    assert bench.read(VF, COMMAND, 2) == 0x0004


def test_what_comes_back_is_as_after_a_reset(bench: Bench) -> None:
    at = bench.capability(ExtendedCapabilityId.SR_IOV)
    bench.write(VF, COMMAND, b"\4\0")
    bench.write(PF, at + 0x08, b"\0\0")
    assert bench.device.config_read(VF, 0x08, 4) == b"\xff" * 4
    bench.write(PF, at + 0x08, b"\1\0")
    assert bench.read(VF, COMMAND, 2) == 0


def test_a_reset_of_the_physical_function_takes_them_away(bench: Bench) -> None:
    bench.write(PF, bench.device.functions[PF].pci_express + 8, FLR)
    assert addresses(bench) == ["0000:e1:00.0"]
    assert capability(bench).num_vfs == 0


def test_a_device_without_has_no_such_capability() -> None:
    bench = Bench(small_config(virtual_functions=None))
    with pytest.raises(LookupError):
        bench.capability(ExtendedCapabilityId.SR_IOV)
    assert list(bench.device.functions) == [Bdf.parse("e1:00.0")]
