"""Memory requests over an encrypted link: who is answered in which state, cell by cell, and what is behind the BARs."""

from __future__ import annotations

import pytest

from pytio import ide
from pytio.ids import Bdf
from pytio.mock import BarKind
from pytio.mock.device import ACCEPTED, BarConfig, DmaRegister, MsiXConfig, Origin, Target, VirtualFunctions
from pytio.mock.device.config import MSI_X, RAM, REGISTERS
from pytio.pci.codes import ExtendedCapabilityId
from pytio.tdisp import LockFlags, MmioAttributes, TdiState
from tests.mock.device.bench import (
    COMMAND,
    NO_FLAGS,
    PF,
    PF_BARS,
    ROOT_PORT,
    TWO_STREAMS,
    VF,
    VF2,
    VF_BARS,
    Bench,
    small_config,
)

OPEN_BAR = 0x8000_0000
BARS = (
    BarConfig(index=0, size_bytes=1 << 14, content=REGISTERS),
    BarConfig(index=2, size_bytes=1 << 14, content=MSI_X),
    BarConfig(index=4, size_bytes=1 << 16, kind=BarKind.MEMORY_32, content=RAM),
    BarConfig(index=5, size_bytes=4096, kind=BarKind.MEMORY_32, attributes=MmioAttributes.IS_NON_TEE_MEM),
)
CONFIG = small_config(ide=TWO_STREAMS, virtual_functions=VirtualFunctions(bars=BARS, msi_x=MsiXConfig()))
ADDRESSES = {
    Target.TEE_MEMORY: VF_BARS[0],
    Target.NON_TEE_MEMORY: OPEN_BAR,
    Target.MSI_X: VF_BARS[2],
    Target.UNLOCKED_MSI_X: VF_BARS[2],
}


@pytest.fixture
def bench() -> Bench:
    return Bench.secure()


def all_sorts() -> Bench:
    """Return virtual functions with every sort of memory, and a second stream that nothing is bound to."""
    bench = Bench.secure(CONFIG)
    bench.secure_stream(1, endpoint=0)
    at = bench.capability(ExtendedCapabilityId.SR_IOV) + 0x24
    bench.write(PF, at + 4 * 4, (0x9000_0000).to_bytes(4, "little"))
    bench.write(PF, at + 4 * 5, OPEN_BAR.to_bytes(4, "little"))
    return bench


@pytest.mark.parametrize("origin", Origin)
@pytest.mark.parametrize(("state", "target"), ACCEPTED)
def test_each_cell_of_the_table(state: TdiState, target: Target, origin: Origin) -> None:
    """The table is what happens; that it is right is shown by the rules below."""
    bench = all_sorts()
    bench.reach(VF, state, LockFlags.LOCK_MSIX if target is Target.MSI_X else NO_FLAGS)
    tee = origin is not Origin.ORDINARY
    if state is TdiState.CONFIG_UNLOCKED and origin is Origin.TVM:
        origin = Origin.OTHER_TEE  # nothing is bound
    address = ADDRESSES[target]
    is_read = bench.mmio_read(address, tee=tee, on=1 if origin is Origin.OTHER_TEE else None) is not None
    assert is_read == (origin in ACCEPTED[state, target])
    assert bench.device.state(VF) is state


def test_tee_memory_is_the_tvms_alone_and_in_run_alone(bench: Bench) -> None:
    found = []
    for state in TdiState:
        bench.stop(VF)
        bench.reach(VF, state)
        found.append((state, bench.mmio_read(VF_BARS[0]), bench.mmio_read(VF_BARS[0], tee=True)))
    assert found == [
        (TdiState.CONFIG_UNLOCKED, b"pTIO", None),
        (TdiState.CONFIG_LOCKED, None, None),
        (TdiState.RUN, None, b"pTIO"),
        (TdiState.ERROR, None, None),
    ]


def test_the_pcimem_test(bench: Bench) -> None:
    """Write and read 0xabcd at BAR 4 with T=1; the same offset with T=0 gives nothing, and takes nothing."""
    bench.run(VF)
    bench.mmio_write(VF_BARS[4], b"\xcd\xab", tee=True)
    bench.mmio_write(VF_BARS[4], b"\0\0")
    assert bench.mmio_read(VF_BARS[4], 2, tee=True) == b"\xcd\xab"
    assert bench.mmio_read(VF_BARS[4], 2) is None
    assert bench.device.ide.errors.unsupported_request_error
    bench.stop(VF)
    assert bench.mmio_read(VF_BARS[4], 2) == bytes(2)


def test_neighbours_are_not_reached(bench: Bench) -> None:
    bench.run(VF)
    bench.mmio_write(VF_BARS[4], b"mine", tee=True)
    bench.mmio_write(VF_BARS[4] + (1 << 16), b"his.")
    assert bench.mmio_read(VF_BARS[4], tee=True) == b"mine"
    assert bench.mmio_read(VF_BARS[4] + (1 << 16)) == b"his."
    assert bench.mmio_read(VF_BARS[4] + (1 << 16), tee=True) is None
    assert bench.mmio_read(PF_BARS[0]) == b"pTIO"
    assert bench.device.state(VF2) is TdiState.CONFIG_UNLOCKED


def test_memory_space_enable_opens_memory(bench: Bench) -> None:
    at = bench.capability(ExtendedCapabilityId.SR_IOV)
    bench.write(PF, at + 8, b"\x11\0")
    assert bench.mmio_read(VF_BARS[0]) is None
    bench.write(PF, at + 8, b"\x19\0")
    assert bench.mmio_read(VF_BARS[0]) == b"pTIO"
    bench.write(PF, COMMAND, b"\x04\0")
    assert bench.mmio_read(PF_BARS[0]) is None
    assert bench.mmio_read(0x5000_0000) is None


def test_registers_take_any_bytes(bench: Bench) -> None:
    scratch = PF_BARS[0] + DmaRegister.SCRATCH
    bench.mmio_write(scratch, b"\x11\x22\x33\x44")
    bench.mmio_write(scratch + 1, b"\xaa")
    assert bench.mmio_read(scratch - 4, 12) == b"\x00\xe1\x00\x00" + b"\x11\xaa\x33\x44" + bytes(4)
    assert bench.mmio_read(scratch + 1, 2) == b"\xaa\x33"
    bench.mmio_write(PF_BARS[0], b"none" * 2)
    assert bench.mmio_read(PF_BARS[0]) == b"pTIO"
    assert bench.mmio_read(PF_BARS[0] + 0x100, 8) == bytes(8)
    bench.mmio_write(PF_BARS[0] + 0x100, bytes(8))


def test_long_transfers_are_split(bench: Bench) -> None:
    pattern = bytes(range(256)) * 8
    bench.mmio_write(PF_BARS[4] + 3, pattern)
    assert bench.mmio_read(PF_BARS[4] + 3, len(pattern)) == pattern


def test_the_msi_x_table_is_masked_and_its_pending_bits_read_only(bench: Bench) -> None:
    table = PF_BARS[2]
    assert bench.mmio_read(table + 12) == b"\1\0\0\0"
    bench.mmio_write(table, b"\0\x10\0\0" + bytes(12))
    assert bench.mmio_read(table, 16) == b"\0\x10\0\0" + bytes(12)
    bench.mmio_write(table + 0x1000, b"\xff" * 8)
    assert bench.mmio_read(table + 0x1000, 8) == bytes(8)
    assert bench.mmio_read(table + 0x800, 8) == bytes(8)


@pytest.mark.parametrize(
    "request_tlp",
    [
        ide.Tlp(header=ide.IoRequest(tlp_type=ide.TlpType.IORD, length=1, address_31_2=4, tag=9)),
        ide.Tlp(header=ide.MemoryRequest32(tlp_type=ide.TlpType.MRDLK32, length=1, address_31_2=4, tag=9)),
        ide.Tlp(
            header=ide.MemoryRequest64(
                tlp_type=ide.TlpType.FETCHADD64, length=1, address_63_2=PF_BARS[4] >> 2, first_dw_be=15, tag=9
            ),
            payload=bytes(4),
        ),
        ide.Tlp(
            header=ide.ConfigurationRequest(
                tlp_type=ide.TlpType.CFGRD1, length=1, destination_id=0xE1FF, first_dw_be=15, tag=9
            )
        ),
    ],
    ids=lambda tlp: tlp.header.tlp_type.name,
)
def test_what_a_device_does_not_do_is_unsupported(request_tlp: ide.Tlp) -> None:
    bench = Bench.plain()
    bench.device.receive(request_tlp.build())
    completion = ide.Tlp.parse(bench.sent[-1]).header
    assert isinstance(completion, ide.Completion)
    assert completion.status == ide.CompletionStatus.UNSUPPORTED_REQUEST
    assert completion.tag == 9


def test_messages_are_taken_and_mean_nothing(bench: Bench) -> None:
    code = ide.MessageCode.SET_SLOT_POWER_LIMIT
    header = ide.MessageRequest(tlp_type=ide.TlpType.MSGD_LOCAL, length=1, message_code=code)
    bench.device.receive(ide.Tlp(header=header, payload=bytes(4)).build())
    assert bench.sent == []


@pytest.mark.parametrize("is_secure", [False, True])
def test_configuration_requests_reach_each_function(is_secure: bool) -> None:
    """In clear as type 0, on a stream as type 1."""
    bench = Bench.secure() if is_secure else Bench.plain()
    rid = ROOT_PORT.requester_id
    assert bench.down.configure(rid, PF, 0, 4, is_type_1=is_secure).data == bytes.fromhex("ced1157d")
    assert bench.down.configure(rid, VF, 0, 4, is_type_1=is_secure).data == b"\xff" * 4
    absent = bench.down.configure(rid, Bdf.from_requester_id(0xE130), 0, 4, is_type_1=is_secure)
    assert absent.status == ide.CompletionStatus.UNSUPPORTED_REQUEST
    bench.down.configure(rid, PF, COMMAND + 1, b"\1", is_type_1=is_secure)
    bench.down.configure(rid, PF, 0x3C, b"\x0b", is_type_1=is_secure)
    assert bench.read(PF, COMMAND, 2) == 0x0106
    assert bench.down.configure(rid, PF, 0x3D, 3, is_type_1=is_secure).data == bytes(3)
    assert bench.read(PF, 0x3C, 1) == 0x0B


def test_a_function_that_is_not_there_is_all_ones(bench: Bench) -> None:
    absent = Bdf.from_requester_id(0xE130)
    bench.write(absent, 0, b"\0" * 4)
    assert bench.device.config_read(absent, 0, 4) == b"\xff" * 4
