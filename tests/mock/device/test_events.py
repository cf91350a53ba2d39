"""Every event that sends a locked interface to ERROR, set off the way that software or the link sets it off."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pytio import ide, idekm, tdisp
from pytio.idekm import KSetStop
from pytio.mock.device import CapabilityConfig, Quirk
from pytio.mock.device.events import TRACKED_CAPABILITIES, TRACKED_EXTENDED_CAPABILITIES, TRACKED_REGISTERS
from pytio.pci.codes import CapabilityId, ExtendedCapabilityId
from pytio.tdisp import LockFlags, TdiEvent, TdiState
from tests.mock.device.bench import (
    COMMAND,
    LATER_SLOTS,
    PF,
    PF_BARS,
    ROOT_PORT,
    SESSION,
    SLOTS,
    VF,
    VF2,
    VF_BARS,
    Bench,
    small_config,
)

EXTRA = {
    ExtendedCapabilityId.DEVICE_3: CapabilityConfig(
        capability_id=ExtendedCapabilityId.DEVICE_3, body=bytes(12), writable=bytes(4) + b"\4"
    ),
    **{
        kind: CapabilityConfig(
            capability_id=int(kind),
            body=bytes(12),
            writable=bytes(2) + b"\xff\xff",
            is_extended=isinstance(kind, ExtendedCapabilityId),
        )
        for kind in (*TRACKED_CAPABILITIES, *map(ExtendedCapabilityId, TRACKED_EXTENDED_CAPABILITIES))
        if isinstance(kind, CapabilityId) or kind not in {ExtendedCapabilityId.ARI, ExtendedCapabilityId.SR_IOV}
    },
}
"""Capabilities that the example lacks."""
CONFIG = small_config(capabilities=tuple(EXTRA.values()), rom_bytes=1 << 16, no_soft_reset=False)


def bench() -> Bench:
    return Bench.secure(CONFIG)


def pci_express(bench: Bench, offset: int, value: bytes) -> None:
    bench.write(PF, bench.device.functions[PF].pci_express + offset, value)


def extended(bench: Bench, kind: ExtendedCapabilityId, offset: int, value: bytes) -> None:
    bench.write(PF, bench.capability(kind) + offset, value)


def conventional(bench: Bench, kind: CapabilityId, offset: int, value: bytes) -> None:
    bench.write(PF, bench.device.function(PF).offset_of(kind, is_extended=False) + offset, value)


def to_d3hot_and_back(bench: Bench) -> None:
    conventional(bench, CapabilityId.POWER_MANAGEMENT, 4, b"\3\0")
    assert bench.device.state(PF) is not TdiState.ERROR
    conventional(bench, CapabilityId.POWER_MANAGEMENT, 4, b"\0\0")


def poisoned_write(bench: Bench) -> None:
    tlp = ide.memory_write(PF_BARS[4], b"\xff" * 4, poisoned=True)
    bench.root.send(tlp, tee=True, on=0)


def failing_dma(bench: Bench) -> None:
    bench.refuses = True
    with pytest.raises(Exception, match="UNSUPPORTED_REQUEST"):
        bench.device.dma_read(PF, 0x1000, 4)


def other_bus(bench: Bench) -> None:
    header = ide.ConfigurationRequest(
        tlp_type=ide.TlpType.CFGWR0, length=1, destination_id=0x4200, register=15, first_dw_be=1, tag=7
    )
    bench.device.receive(ide.Tlp(header=header, payload=b"\x05\0\0\0").build())
    assert bench.read(PF, 0x3C, 1) == 5


def link_down(bench: Bench) -> None:
    bench.link.set_up(False)


def bad_mac(bench: Bench) -> None:
    bench.link.filters.append(lambda direction, raw: [raw[:-1] + bytes([raw[-1] ^ 1])])
    bench.mmio_write(PF_BARS[4], bytes(4), tee=True)


EVENTS: list[tuple[str, TdiEvent, Callable[[Bench], object]]] = [
    (
        "Memory Space Enable",
        TdiEvent.MEMORY_OR_BUS_MASTER_DISABLED,
        lambda bench: bench.write(PF, COMMAND, b"\4\0"),
    ),
    ("Bus Master Enable", TdiEvent.MEMORY_OR_BUS_MASTER_DISABLED, lambda bench: bench.write(PF, COMMAND, b"\2\0")),
    ("BIST", TdiEvent.BASE_ADDRESS_WRITTEN, lambda bench: bench.write(PF, 0x0F, b"\0")),
    ("BAR 0, its own value", TdiEvent.BASE_ADDRESS_WRITTEN, lambda bench: bench.write_address(0x10, PF_BARS[0])),
    ("a BAR that is not there", TdiEvent.BASE_ADDRESS_WRITTEN, lambda bench: bench.write(PF, 0x27, b"\0")),
    ("expansion ROM", TdiEvent.BASE_ADDRESS_WRITTEN, lambda bench: bench.write(PF, 0x30, bytes(4))),
    ("D3hot", TdiEvent.POWER_STATE_LOST, to_d3hot_and_back),
    ("extended tag", TdiEvent.DEVICE_CONTROL_CHANGED, lambda bench: pci_express(bench, 8, b"\x10\x29")),
    ("phantom functions", TdiEvent.DEVICE_CONTROL_CHANGED, lambda bench: pci_express(bench, 8, b"\x10\x2a")),
    ("no-snoop", TdiEvent.DEVICE_CONTROL_CHANGED, lambda bench: pci_express(bench, 8, b"\x10\x20")),
    ("10-bit tag", TdiEvent.DEVICE_CONTROL_CHANGED, lambda bench: pci_express(bench, 0x28, b"\0\x10")),
    (
        "14-bit tag",
        TdiEvent.DEVICE_CONTROL_CHANGED,
        lambda bench: extended(bench, ExtendedCapabilityId.DEVICE_3, 8, b"\4\0\0\0"),
    ),
    ("FLR", TdiEvent.FUNCTION_LEVEL_RESET, lambda bench: pci_express(bench, 8, b"\x10\xa8")),
    (
        "MSI-X Message Control",
        TdiEvent.MSI_X_CHANGED,
        lambda bench: conventional(bench, CapabilityId.MSI_X, 2, b"\3\xc0"),
    ),
    (
        "enhanced allocation",
        TdiEvent.TRACKED_CAPABILITY_WRITTEN,
        lambda bench: conventional(bench, CapabilityId.ENHANCED_ALLOCATION, 4, b"\0"),
    ),
    *(
        (
            kind.name,
            event,
            lambda bench, kind=kind: extended(bench, kind, 8, b"\0\0\0\0"),
        )
        for number, event in TRACKED_EXTENDED_CAPABILITIES.items()
        if (kind := ExtendedCapabilityId(number)) is not ExtendedCapabilityId.ARI
    ),
    (
        "ARI",
        TdiEvent.TRACKED_CAPABILITY_WRITTEN,
        lambda bench: extended(bench, ExtendedCapabilityId.ARI, 6, b"\0\0"),
    ),
    ("bus number", TdiEvent.REQUESTER_ID_CHANGED, other_bus),
    ("poisoned data", TdiEvent.DATA_POISONED, poisoned_write),
    ("failed DMA", TdiEvent.COMPLETION_FAILED, failing_dma),
    (
        "stream control",
        TdiEvent.STREAM_REGISTERS_WRITTEN,
        lambda bench: bench.write_stream(bench.device.ide, 4, 0x0080_0001),
    ),
    (
        "RID association",
        TdiEvent.STREAM_REGISTERS_WRITTEN,
        lambda bench: bench.write_stream(bench.device.ide, 0x0C, 0x0000_FF00),
    ),
    (
        "address association",
        TdiEvent.STREAM_REGISTERS_WRITTEN,
        lambda bench: bench.write_stream(bench.device.ide, 0x14, 1),
    ),
    ("bad MAC", TdiEvent.STREAM_INSECURE, bad_mac),
    ("link down", TdiEvent.STREAM_INSECURE, link_down),
    ("K_SET_STOP", TdiEvent.STREAM_INSECURE, lambda bench: bench.stop_key(SLOTS[0])),
    ("session end", TdiEvent.SESSION_ENDED, lambda bench: bench.device.dsm.session_ended(SESSION)),
    ("debug authorised", TdiEvent.TRUST_LOST, lambda bench: bench.device.happen(TdiEvent.TRUST_LOST)),
    (
        "translation without T",
        TdiEvent.TRANSLATION_VIOLATED,
        lambda bench: bench.device.happen(TdiEvent.TRANSLATION_VIOLATED, PF),
    ),
]


IN_RUN_ONLY = {failing_dma, poisoned_write}
"""An interface that does not run sends nothing, and takes nothing."""


@pytest.mark.parametrize(
    ("event", "cause", "state"),
    [
        pytest.param(event, cause, state, id=f"{name} in {state.name}")
        for name, event, cause in EVENTS
        for state in (TdiState.CONFIG_LOCKED, TdiState.RUN)
        if state is TdiState.RUN or cause not in IN_RUN_ONLY
    ],
)
def test_an_event_breaks_the_lock(event: TdiEvent, cause: Callable[[Bench], object], state: TdiState) -> None:
    tested = bench()
    tested.reach(PF, state, LockFlags.LOCK_MSIX)
    cause(tested)
    assert tested.device.state(PF) is TdiState.ERROR
    changes = [one for one in tested.device.dsm.events if isinstance(one, tdisp.StateChanged)]
    first = next(one for one in changes if one.after is TdiState.ERROR)
    assert first.cause in {event, TdiEvent.STREAM_INSECURE if event is TdiEvent.SESSION_ENDED else event}


def test_every_event_is_tried() -> None:
    harmless = {TdiEvent.CONVENTIONAL_RESET, TdiEvent.SECRETS_SCRUBBED}
    assert {event for _, event, _ in EVENTS} == set(TdiEvent) - harmless
    assert len({register.name for register in TRACKED_REGISTERS}) == len(TRACKED_REGISTERS)


ALLOWED: list[tuple[str, Callable[[Bench], object]]] = [
    ("Command, other bits", lambda bench: bench.write(PF, COMMAND, b"\x46\1")),
    ("Command, the same", lambda bench: bench.write(PF, COMMAND, b"\6\0")),
    ("cache line size", lambda bench: bench.write(PF, 0x0C, b"\x10")),
    ("interrupt line", lambda bench: bench.write(PF, 0x3C, b"\x10")),
    ("Status", lambda bench: bench.write(PF, 0x06, b"\0\xf9")),
    ("Device Status", lambda bench: pci_express(bench, 0x0A, b"\x0f\0")),
    ("Device Control, other bits", lambda bench: pci_express(bench, 8, b"\x1f\x58")),
    ("Link Control", lambda bench: pci_express(bench, 0x10, b"\x40\0")),
    ("DOE", lambda bench: extended(bench, ExtendedCapabilityId.DATA_OBJECT_EXCHANGE, 8, b"\1\0\0\0")),
    ("stream status", lambda bench: bench.write_stream(bench.device.ide, 8, 1 << 31)),
    ("stream control, the same", lambda bench: bench.write_stream(bench.device.ide, 4, 0x00C0_0001)),
    ("MSI-X, not locked", lambda bench: conventional(bench, CapabilityId.MSI_X, 2, b"\3\xc0")),
    ("the neighbour's Command", lambda bench: bench.write(VF2, COMMAND, b"\0\0")),
]


@pytest.mark.parametrize("cause", [pytest.param(cause, id=name) for name, cause in ALLOWED])
def test_what_is_allowed_leaves_it_running(cause: Callable[[Bench], object]) -> None:
    tested = bench()
    tested.run(PF)
    cause(tested)
    assert tested.device.state(PF) is TdiState.RUN
    assert tested.mmio_read(PF_BARS[0], tee=True) == b"pTIO"


def test_a_table_entry_of_a_locked_msi_x_table_is_the_tvms_to_write() -> None:
    tested = bench()
    tested.run(PF, LockFlags.LOCK_MSIX)
    tested.mmio_write(PF_BARS[2], b"\0\x10\0\0", tee=True)
    assert tested.device.state(PF) is TdiState.RUN


def test_an_event_reaches_its_function_alone() -> None:
    tested = bench()
    tested.run(VF)
    tested.run(VF2)
    tested.write(VF, COMMAND, b"\0\0")
    assert (tested.device.state(VF), tested.device.state(VF2)) == (TdiState.ERROR, TdiState.RUN)
    tested.write(VF2, tested.device.functions[VF2].pci_express + 8, b"\0\x80")
    assert tested.device.state(VF2) is TdiState.ERROR
    assert tested.device.ide.state_of(0) is ide.StreamState.SECURE


@pytest.mark.parametrize("offset", [0x08, 0x10, 0x20, 0x24])
def test_a_write_to_sr_iov_reaches_all_that_the_physical_function_hosts(offset: int) -> None:
    tested = bench()
    for bdf in (PF, VF, VF2):
        tested.run(bdf)
    at = tested.capability(ExtendedCapabilityId.SR_IOV) + offset
    tested.write(PF, at, tested.device.config_read(PF, at, 2))
    assert {tested.device.state(bdf) for bdf in (PF, VF, VF2)} == {TdiState.ERROR}


def test_a_reset_of_the_physical_function_reaches_all() -> None:
    tested = bench()
    for bdf in (PF, VF, VF2):
        tested.run(bdf)
    pci_express(tested, 8, b"\x10\xa8")
    assert {tested.device.state(bdf) for bdf in (PF, VF, VF2)} == {TdiState.ERROR}
    assert tested.device.ide.state_of(0) is ide.StreamState.INSECURE
    assert tested.device.dsm.idekm is not None
    assert tested.device.dsm.idekm.session_of(0) is None


def test_the_write_itself_completes() -> None:
    tested = bench()
    tested.run(PF)
    answer = tested.down.configure(ROOT_PORT.requester_id, PF, COMMAND, b"\2\0", is_type_1=True)
    assert answer.is_successful
    assert tested.device.state(PF) is TdiState.ERROR
    assert tested.read(PF, COMMAND, 2) == 2


@pytest.mark.parametrize(
    ("quirks", "state"), [((), TdiState.RUN), ((Quirk.BUS_MASTER_WRITTEN_AS_ZERO,), TdiState.ERROR)]
)
def test_a_driver_that_enables_memory_first(quirks: tuple[Quirk, ...], state: TdiState) -> None:
    """The device of the RFC takes the first of two writes for one that clears Bus Master Enable."""
    tested = Bench.secure(small_config(quirks=frozenset(quirks)))
    tested.write(PF, COMMAND, b"\0\0")
    tested.run(PF)
    tested.write(PF, COMMAND, b"\2\0")
    assert tested.device.state(PF) is state
    tested.write(PF, COMMAND, b"\6\0")
    assert tested.device.state(PF) is state


def test_keys_of_the_other_set_leave_it_running() -> None:
    tested = bench()
    tested.run(VF)
    tested.give_keys(LATER_SLOTS)
    assert tested.mmio_read(VF_BARS[0], tee=True) == b"pTIO"
    tested.mmio_write(VF_BARS[4], b"more", tee=True)
    tested.device.dma_write(VF, 0x100, b"back")
    tested.device.dma_read(VF, 0x100, 4)
    assert tested.device.state(VF) is TdiState.RUN
    assert tested.device.dsm.idekm is not None
    states = {tested.device.dsm.idekm.key_state(0, slot) for slot in SLOTS}
    assert states == {idekm.KeyState.EMPTY}
    assert {tested.device.dsm.idekm.key_state(0, slot) for slot in LATER_SLOTS} == {idekm.KeyState.ACTIVE}


def test_a_stream_that_is_stopped_key_by_key_can_be_keyed_again() -> None:
    tested = bench()
    tested.run(VF)
    for slot in SLOTS:
        tested.ask(KSetStop(stream_id=0, slot=slot))
    assert tested.device.state(VF) is TdiState.ERROR
    for port in (tested.root, tested.device.ide):
        port.happen(ide.StreamCause.LINK_DOWN)
        at = tested.stream_register(port, 4)
        port.function.space.write(at, 4, port.function.space.read(at, 4) & ~1)
    tested.stop(VF)
    tested.give_keys()
    tested.enable_stream()
    tested.run(VF)
    assert tested.mmio_read(VF_BARS[0], tee=True) == b"pTIO"
