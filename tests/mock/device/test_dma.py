"""DMA and interrupts: what registers and states allow, with which T, and the engine that a driver rings."""

from __future__ import annotations

import pytest

from pytio import ide
from pytio.errors import LocalProtocolError, RemoteProtocolError
from pytio.ids import Bdf
from pytio.mock.device import OUTGOING, DmaControl, DmaRegister, DmaStatus, Outgoing
from pytio.pci.codes import ExtendedCapabilityId
from pytio.tdisp import LockFlags, TdiState
from tests.mock.device.bench import COMMAND, NO_FLAGS, PF, PF_BARS, VF, VF_BARS, Bench, small_config

TABLE = VF_BARS[2]


@pytest.fixture
def bench() -> Bench:
    return Bench.secure()


def last(bench: Bench) -> ide.TlpReceived:
    return bench.received[-1]


def enable_msi_x(bench: Bench, bdf: Bdf) -> None:
    at = bench.device.function(bdf).offset_of(0x11, is_extended=False)
    bench.write(bdf, at + 2, b"\0\x80")


def program_vector(bench: Bench, *, masked: bool = False) -> None:
    """Let vector 1 write 0x5a to address 0x900; the state has to allow it."""
    tee = bench.device.state(VF) is TdiState.RUN and bench.device._tdis[VF.requester_id].is_msi_x_locked
    entry = (0x900).to_bytes(8, "little") + b"\x5a\0\0\0" + bytes([masked, 0, 0, 0])
    bench.mmio_write(TABLE + 16, entry, tee=tee)


@pytest.mark.parametrize("state", TdiState)
def test_dma_follows_the_state(bench: Bench, state: TdiState) -> None:
    bench.reach(VF, state)
    bench.memory[0x100:0x104] = b"host"
    tee = OUTGOING.get((state, Outgoing.MEMORY))
    if tee is None:
        with pytest.raises(LocalProtocolError, match="does not run"):
            bench.device.dma_read(VF, 0x100, 4)
        with pytest.raises(LocalProtocolError, match="does not run"):
            bench.device.dma_write(VF, 0x100, b"dev.")
        assert bytes(bench.memory[0x100:0x104]) == b"host"
        return
    assert bench.device.dma_read(VF, 0x100, 4) == b"host"
    assert last(bench).is_tee is tee
    bench.device.dma_write(VF, 0x102, b"dev")
    assert bytes(bench.memory[0x100:0x105]) == b"hodev"
    header = last(bench).tlp.header
    assert isinstance(header, ide.MemoryRequest32)
    assert header.requester_id == VF.requester_id
    assert (last(bench).is_tee, last(bench).stream_id) == (tee, 0 if tee else None)  # TEE-Limited: T=0 goes in clear


def test_dma_needs_bus_master_enable(bench: Bench) -> None:
    bench.write(VF, COMMAND, b"\0\0")
    with pytest.raises(LocalProtocolError, match="no bus master"):
        bench.device.dma_write(VF, 0x100, b"dev.")
    bench.write(PF, bench.capability(ExtendedCapabilityId.SR_IOV) + 8, b"\0\0")
    with pytest.raises(LocalProtocolError, match="no bus master"):
        bench.device.dma_write(VF, 0x100, b"dev.")


def test_a_long_transfer_is_split(bench: Bench) -> None:
    bench.run(VF)
    pattern = bytes(range(256)) * 20
    bench.device.dma_write(VF, 0x0FFD, pattern)
    assert bytes(bench.memory[0x0FFD : 0x0FFD + len(pattern)]) == pattern
    assert bench.device.dma_read(VF, 0x0FFD, len(pattern)) == pattern


@pytest.mark.parametrize("is_fatal", [True, False])
def test_a_request_that_fails(is_fatal: bool) -> None:
    bench = Bench.secure(small_config(is_failed_dma_fatal=is_fatal))
    bench.run(VF)
    bench.refuses = True
    with pytest.raises(RemoteProtocolError, match="UNSUPPORTED_REQUEST"):
        bench.device.dma_read(VF, 0x100, 4)
    assert bench.device.state(VF) is (TdiState.ERROR if is_fatal else TdiState.RUN)


def test_nobody_answers(bench: Bench) -> None:
    bench.run(VF)
    bench.link.filters.append(lambda direction, raw: [])
    with pytest.raises(RemoteProtocolError, match="no completion"):
        bench.device.dma_read(VF, 0x100, 4)
    assert bench.device.state(VF) is TdiState.ERROR
    assert bench.device.ide.errors.completion_timeout


@pytest.mark.parametrize("is_running", [False, True])
def test_poisoned_data_are_none(bench: Bench, is_running: bool) -> None:
    if is_running:
        bench.run(VF)

    def poison(event: ide.TlpReceived) -> None:
        completion = ide.completion(event.tlp, b"\xba\xad\xda\xda")
        bench.root.send(completion.replace(header=completion.header.replace(poisoned=True)))

    bench.root.deliver = poison
    with pytest.raises(RemoteProtocolError, match="COMPLETER_ABORT"):
        bench.device.dma_read(VF, 0x100, 4)
    assert bench.device.state(VF) is (TdiState.ERROR if is_running else TdiState.CONFIG_UNLOCKED)


# the engine


def transfer(bench: Bench, source: int, destination: int, size: int, control: DmaControl, *, tee: bool) -> DmaStatus:
    base = VF_BARS[0]
    values = {
        DmaRegister.SOURCE_LOW: source,
        DmaRegister.DESTINATION_LOW: destination,
        DmaRegister.LENGTH: size,
        DmaRegister.CONTROL: control | 1 << 16,
    }
    for register, value in values.items():
        bench.mmio_write(base + register, int(value).to_bytes(4, "little"), tee=tee)
    found = bench.mmio_read(base + DmaRegister.STATUS, tee=tee)
    assert found is not None
    return DmaStatus(int.from_bytes(found, "little"))


@pytest.mark.parametrize("tee", [False, True])
def test_a_driver_moves_memory_both_ways(bench: Bench, tee: bool) -> None:
    if tee:
        bench.run(VF)
    bench.memory[0x200:0x204] = b"ping"
    assert transfer(bench, 0x200, 0x10, 4, DmaControl.START | DmaControl.FROM_HOST, tee=tee) is DmaStatus.DONE
    assert bench.mmio_read(VF_BARS[4] + 0x10, tee=tee) == b"ping"
    bench.mmio_write(VF_BARS[4] + 0x10, b"pong", tee=tee)
    assert transfer(bench, 0x10, 0x300, 4, DmaControl.START, tee=tee) is DmaStatus.DONE
    assert bytes(bench.memory[0x300:0x304]) == b"pong"
    control = bench.mmio_read(VF_BARS[0] + DmaRegister.CONTROL, tee=tee)
    assert control == bytes(4)


def test_the_engine_says_what_went_wrong(bench: Bench) -> None:
    start = DmaControl.START | DmaControl.FROM_HOST
    assert transfer(bench, 0x200, 0, 4, DmaControl.FROM_HOST, tee=False) is DmaStatus.IDLE
    assert transfer(bench, 0x200, 0, 0, start, tee=False) is DmaStatus.REFUSED
    assert transfer(bench, 0x200, 0, 1 << 30, start, tee=False) is DmaStatus.REFUSED
    assert transfer(bench, 0x200, 0, 4, start | DmaControl.INTERRUPT, tee=False) is DmaStatus.REFUSED  # not enabled
    bench.refuses = True
    assert transfer(bench, 0x200, 0, 4, start, tee=False) is DmaStatus.FAILED
    bench.write(VF, COMMAND, b"\0\0")
    assert transfer(bench, 0x200, 0, 4, start, tee=False) is DmaStatus.REFUSED


def test_the_engine_interrupts(bench: Bench) -> None:
    enable_msi_x(bench, VF)
    program_vector(bench)
    control = DmaControl.START | DmaControl.INTERRUPT
    assert transfer(bench, 0, 0x300, 4, control, tee=False) is DmaStatus.DONE
    assert bytes(bench.memory[0x900:0x904]) == b"\x5a\0\0\0"


def test_what_ran_is_forgotten(bench: Bench) -> None:
    bench.run(VF)
    bench.mmio_write(VF_BARS[4], b"secret", tee=True)
    bench.mmio_write(VF_BARS[0] + DmaRegister.SCRATCH, b"key!", tee=True)
    bench.write(VF, COMMAND, b"\0\0")
    assert bench.device.state(VF) is TdiState.ERROR
    bench.stop(VF)
    assert bench.mmio_read(VF_BARS[4], 6) == bytes(6)
    assert bench.mmio_read(VF_BARS[0] + DmaRegister.SCRATCH) == bytes(4)


def test_what_no_guest_had_stays(bench: Bench) -> None:
    bench.mmio_write(PF_BARS[4], b"driver")
    bench.stop(PF)
    assert bench.mmio_read(PF_BARS[4], 6) == b"driver"


# interrupts


@pytest.mark.parametrize("is_locked", [False, True])
@pytest.mark.parametrize("state", TdiState)
def test_an_interrupt_has_the_t_of_its_table(bench: Bench, state: TdiState, is_locked: bool) -> None:
    enable_msi_x(bench, VF)
    if not is_locked or state is not TdiState.RUN:
        program_vector(bench)
    bench.reach(VF, state, LockFlags.LOCK_MSIX if is_locked else NO_FLAGS)
    if is_locked and state is TdiState.RUN:
        program_vector(bench)
    sent = Outgoing.MSI_X if bench.device._tdis[VF.requester_id].is_msi_x_locked else Outgoing.UNLOCKED_MSI_X
    tee = OUTGOING.get((state, sent))
    if state is TdiState.ERROR:  # what the interface was told is scrubbed, so every vector is masked
        assert tee is None
        assert bench.device.interrupt(VF, 1) is False
        return
    assert bench.device.interrupt(VF, 1) is True
    assert bytes(bench.memory[0x900:0x904]) == b"\x5a\0\0\0"
    assert last(bench).is_tee is tee


def test_a_masked_vector_waits(bench: Bench) -> None:
    enable_msi_x(bench, VF)
    program_vector(bench, masked=True)
    assert bench.device.interrupt(VF, 1) is False
    assert bench.mmio_read(TABLE + 0x1000, 8) == b"\2" + bytes(7)
    program_vector(bench)
    assert bytes(bench.memory[0x900:0x904]) == b"\x5a\0\0\0"
    assert bench.mmio_read(TABLE + 0x1000, 8) == bytes(8)


def test_interrupts_need_msi_x(bench: Bench) -> None:
    with pytest.raises(LocalProtocolError, match="not enabled"):
        bench.device.interrupt(VF, 0)
    enable_msi_x(bench, VF)
    with pytest.raises(IndexError):
        bench.device.interrupt(VF, 4)
    without = Bench.plain(small_config(msi_x=None, bars=small_config().bars[::2]))
    with pytest.raises(LocalProtocolError, match="not enabled"):
        without.device.interrupt(PF, 0)
