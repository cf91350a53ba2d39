"""An interface on a host of paper: golden commands, orders, every way in which a step fails, and a guest's launch."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest

from pytio.clients.psp import ConnectOptions, Device, Interface, LaunchPage, PspClient, SnpGuest
from pytio.clients.psp.actions import Issue, TrustDma
from pytio.errors import BackendError, LocalProtocolError, RemoteProtocolError, SevCommandError
from pytio.ids import Bdf, InterfaceId
from pytio.sev.codes import SevStatus
from pytio.sev.commands import LockFlags
from pytio.sev.rmp import RmpEntry
from pytio.sev.structures import AsidFence, AsidFenceR1, TdiInfo, TdiInfoR1
from pytio.sev.tio_codes import (
    PAGE_BYTES,
    AsidFenceState,
    DmaFenceState,
    LaunchPageType,
    MmioFenceState,
    Revision,
    SevCommand,
    SpdmDataType,
)
from pytio.tdisp import TdiState
from tests.clients.psp.fake import HANDLERS, INTERFACE, FakeHost, writes

C = SevCommand
WITH_GUESTS = pytest.mark.parametrize(
    "revision", [Revision.R1, Revision.R2, Revision.P2, Revision.N], ids=lambda revision: revision.name
)
TALK = [(SpdmDataType.SECURED, b"one"), (SpdmDataType.SECURED, b"two")]
FENCED = AsidFence(dma=DmaFenceState.FENCED_BY_ERROR, mmio=MmioFenceState.FENCED)


class Paper(FakeHost):
    """The host, with a device's word on its interface."""

    def __init__(self, revision: Revision) -> None:
        super().__init__(revision)
        self.says = TdiState.CONFIG_UNLOCKED
        self.fence: Any = AsidFence() if revision in (Revision.P2, Revision.N) else AsidFenceR1(state=AsidFenceState(0))
        self.handlers |= {
            C.TIO_TDI_STATUS: self._status,
            C.TIO_TDI_BIND: self._bind,
            C.TIO_TDI_UNBIND: self._unbind,
            C.TIO_ASID_FENCE_STATUS: self._fence,
        }

    def _status(self, host: FakeHost, buffer: Any) -> int:
        host.poke(buffer.status_paddr, (16).to_bytes(4, "little") + bytes([self.says]))
        return 0

    def _bind(self, host: FakeHost, buffer: Any) -> int:
        starts = self.revision is Revision.R1 or buffer.run
        self.says = TdiState.RUN if starts else TdiState.CONFIG_LOCKED
        return HANDLERS[C.TIO_TDI_BIND](host, buffer)

    def _unbind(self, host: FakeHost, buffer: Any) -> int:
        self.says = TdiState.CONFIG_UNLOCKED
        return 0

    def _fence(self, host: FakeHost, buffer: Any) -> int:
        host.poke(buffer.status_paddr, self.fence.build())
        return 0


def started(revision: Revision = Revision.P2) -> tuple[Paper, PspClient, Device, SnpGuest]:
    """Return a host with a connected device and a guest."""
    host, client = Paper(revision), PspClient(revision)
    host.run(client.init())
    device = host.run(client.connect(host.ports, ConnectOptions()))
    guest = host.run(client.launch(7, ()))
    host.done.clear()
    return host, client, device, guest


def bound(revision: Revision = Revision.P2) -> tuple[Paper, PspClient, Interface]:
    host, client, device, guest = started(revision)
    interface = host.run(client.bind(device, INTERFACE, guest, 0x100))
    host.done.clear()
    return host, client, interface


# bind and start


def test_the_golden_bytes_of_a_bind() -> None:
    host, client, device, guest = started()
    interface = host.run(client.bind(device, INTERFACE, guest, 0x100, lock_flags=LockFlags(lock_msix=True)))
    host.run(interface.run())
    assert interface.context is not None
    context = interface.context.sla.build()
    create = host.issued(C.TIO_TDI_CREATE).build()
    assert create == (
        bytes.fromhex("30000000 00000000") + device.sla.build() + context + bytes.fromhex("01010000") + bytes(20)
    )
    first, last = (
        action.buffer for action in host.done if isinstance(action, Issue) and action.command is C.TIO_TDI_BIND
    )
    head = bytes.fromhex("50000000 00000000") + device.bounce.buffers.control().build() + device.sla.build() + context
    gctx = guest.context.to_bytes(8, "little")
    assert first == head + gctx + bytes.fromhex("0001 0400 0000") + bytes(10)
    assert last == head + gctx + bytes.fromhex("0001 0000 0100") + bytes(10)


def test_segments_are_named_where_there_is_more_than_one() -> None:
    host, client, device, guest = started()
    host.run(client.bind(device, Bdf.parse("0003:01:00.1"), guest, 0))
    assert host.issued(C.TIO_TDI_CREATE).interface_id == InterfaceId.of("0003:01:00.1", with_segment=True)


@pytest.mark.parametrize(
    ("revision", "commands", "size"),
    [
        (Revision.R1, [C.TIO_TDI_CREATE, C.TIO_TDI_BIND], 70),
        (Revision.R2, [C.TIO_TDI_CREATE, C.TIO_TDI_BIND, C.TIO_TDI_STATUS, C.TIO_TDI_BIND], 72),
        (Revision.P2, [C.TIO_TDI_CREATE, C.TIO_TDI_BIND, C.TIO_TDI_STATUS], 80),
        (Revision.N, [C.TIO_TDI_CREATE, C.TIO_TDI_BIND, C.TIO_TDI_STATUS], 80),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_each_revision_has_its_order(revision: Revision, commands: list[SevCommand], size: int) -> None:
    host, client, device, guest = started(revision)
    interface = host.run(client.bind(device, INTERFACE, guest, 0x100))
    assert host.commands() == commands
    assert host.issued(C.TIO_TDI_BIND).length == size
    assert interface.report is not None
    assert interface.was_started is (revision in (Revision.R1, Revision.R2))


def test_r2_tries_to_start_where_it_cannot_lock() -> None:
    host, client, device, guest = started(Revision.R2)

    def only_start(host: FakeHost, buffer: Any) -> int:
        return Paper._bind(host, host, buffer) if buffer.run else SevStatus.INVALID_TDI_STATE  # type: ignore[arg-type]

    host.handlers[C.TIO_TDI_BIND] = only_start
    interface = host.run(client.bind(device, INTERFACE, guest, 0x100))
    assert host.commands() == [C.TIO_TDI_CREATE, C.TIO_TDI_BIND, C.TIO_TDI_BIND, C.TIO_TDI_STATUS]
    assert interface.was_started


def test_run_wants_a_locked_interface_and_lets_a_running_one_be() -> None:
    host, _, interface = bound()
    host.says = TdiState.ERROR
    with pytest.raises(RemoteProtocolError, match="not locked"):
        host.run(interface.run())
    host.says = TdiState.RUN
    host.run(interface.run())
    assert host.commands() == [C.TIO_TDI_STATUS, C.TIO_TDI_STATUS]
    assert interface.was_started


@pytest.mark.parametrize("revision", [Revision.R1, Revision.R2], ids=lambda revision: revision.name)
def test_before_p2_bind_starts(revision: Revision) -> None:
    host, _, interface = bound(revision)
    with pytest.raises(LocalProtocolError, match="bind starts it"):
        host.run(interface.run())


def test_u_has_no_interfaces() -> None:
    host, client, device, _ = started(Revision.U)
    with pytest.raises(LocalProtocolError, match="it has no interfaces"):
        host.run(client.bind(device, INTERFACE, SnpGuest(client.firmware, 7), 0))


def test_a_state_that_is_none() -> None:
    host, _, interface = bound()
    host.says = 9  # type: ignore[assignment]
    with pytest.raises(RemoteProtocolError, match="no state of TDISP"):
        host.run(interface.status())


@WITH_GUESTS
def test_whatever_fails_in_a_bind_nothing_is_left(revision: Revision) -> None:
    counted, client, device, guest = started(revision)
    counted.dialogue[C.TIO_TDI_BIND] = TALK
    counted.run(client.bind(device, INTERFACE, guest, 0x100))
    whole = list(counted.done)
    for failing in range(1, len(whole) + 1):
        host, client, device, guest = started(revision)
        host.dialogue[C.TIO_TDI_BIND] = TALK
        before = set(host.pages)
        host.fails_at = failing
        with pytest.raises(BackendError, match="failed"):
            host.run(client.bind(device, INTERFACE, guest, 0x100))
        host.fails_at = None
        assert set(host.pages) - before == set(client.firmware.pool.lost), (failing, whole[failing - 1])
        host.run(client.recover())
        host.run(client.destroy(guest))
        assert host.is_clean(), (failing, whole[failing - 1])


@pytest.mark.parametrize("command", [C.TIO_TDI_CREATE, C.TIO_TDI_BIND, C.TIO_TDI_STATUS])
@WITH_GUESTS
def test_a_refusal_leaves_nothing(revision: Revision, command: SevCommand) -> None:
    host, client, device, guest = started(revision)
    before = set(host.pages)
    host.refuse[command] = SevStatus.INVALID_PARAM
    del host.handlers[C.TIO_TDI_STATUS]
    if command is C.TIO_TDI_STATUS and revision is Revision.R1:
        return  # R1 does not ask
    with pytest.raises(SevCommandError) as caught:
        host.run(client.bind(device, INTERFACE, guest, 0x100))
    assert caught.value.command is command
    assert set(host.pages) == before
    assert not device.interfaces


def test_a_context_that_cannot_be_reclaimed_is_kept_for_recover() -> None:
    host, client, device, guest = started()
    host.refuse = {C.TIO_TDI_BIND: SevStatus.SPDM_ERROR, C.TIO_TDI_RECLAIM: SevStatus.INVALID_TDI_STATE}
    with pytest.raises(SevCommandError, match="TIO_TDI_BIND failed with SPDM_ERROR") as caught:
        host.run(client.bind(device, INTERFACE, guest, 0x100))
    assert "TIO_TDI_RECLAIM failed with INVALID_TDI_STATE" in caught.value.__notes__[0]
    assert INTERFACE in device.interfaces
    with pytest.raises(LocalProtocolError, match="not cleaned up"):
        host.run(client.bind(device, INTERFACE, guest, 0x100))
    with pytest.raises(LocalProtocolError, match="unbind them first"):
        host.run(client.disconnect(device))
    host.refuse.clear()
    host.run(client.recover())
    host.run(client.destroy(guest))
    assert host.is_clean()


# while it is bound, and the end


@WITH_GUESTS
def test_info_and_report(revision: Revision) -> None:
    host, _, interface = bound(revision)
    structure = TdiInfoR1 if revision is Revision.R1 else TdiInfo
    told = structure(interface_id=InterfaceId.of(INTERFACE), certs_digest=bytes(range(48)))
    host.handlers[C.TIO_TDI_INFO] = writes(told)
    assert host.run(interface.info()).certs_digest == bytes(range(48))
    assert host.issued(C.TIO_TDI_INFO).length == (40 if revision is Revision.R1 else 48)
    assert host.run(interface.read_report()).data == b"report"


@WITH_GUESTS
def test_an_unbind_goes_in_order(revision: Revision) -> None:
    host, client, interface = bound(revision)
    if revision in (Revision.P2, Revision.N):
        host.run(interface.run())
        host.fence = FENCED
    else:
        host.fence = AsidFenceR1(state=AsidFenceState.FENCED)
    host.done.clear()
    host.run(interface.unbind())
    assert host.commands() == [
        C.TIO_TDI_UNBIND,
        C.TIO_TDI_STATUS,
        C.TIO_TDI_RECLAIM,
        C.TIO_ASID_FENCE_STATUS,
        C.TIO_ASID_FENCE_CLEAR,
    ]
    clear = host.issued(C.TIO_ASID_FENCE_CLEAR)
    if revision in (Revision.P2, Revision.N):
        assert clear.dev_ctx_sla == interface.device.sla
    else:
        assert clear.device_id == host.ports.root_port.requester_id
    assert interface.tdisp_state is TdiState.CONFIG_UNLOCKED
    host.run(client.disconnect(interface.device))
    host.run(client.destroy(client.guests[7]))
    assert host.is_clean()


def test_p2_looks_at_the_fence_only_where_it_ran() -> None:
    host, _, interface = bound()
    host.run(interface.unbind())
    assert C.TIO_ASID_FENCE_STATUS not in host.commands()


def test_a_fence_that_another_interface_needs_stays() -> None:
    host, _, interface = bound()
    host.run(interface.run())
    host.fence = FENCED
    host.refuse[C.TIO_ASID_FENCE_CLEAR] = SevStatus.IN_USE
    host.run(interface.unbind())
    host.refuse.clear()


def test_a_device_that_does_not_take_part_is_unbound_by_force_from_p2_on() -> None:
    for revision in (Revision.R1, Revision.P2):
        host, _, interface = bound(revision)

        def only_by_force(host: FakeHost, buffer: Any) -> int:
            return 0 if getattr(buffer, "force", False) else SevStatus.SPDM_ERROR

        host.handlers[C.TIO_TDI_UNBIND] = only_by_force
        if revision is Revision.R1:
            with pytest.raises(SevCommandError, match="SPDM_ERROR"):
                host.run(interface.stop())
            assert interface.is_bound
        else:
            host.run(interface.stop())
            assert host.commands() == [C.TIO_TDI_UNBIND] * 2
            assert not interface.is_bound


@WITH_GUESTS
def test_whatever_fails_in_an_unbind_recover_brings_back(revision: Revision) -> None:
    counted, _, interface = bound(revision)
    counted.run(interface.unbind())
    whole = list(counted.done)
    for failing in range(1, len(whole) + 1):
        host, client, interface = bound(revision)
        host.fails_at = failing
        with suppress(BackendError):
            host.run(interface.unbind())
        host.fails_at = None
        host.run(client.recover())
        host.run(client.destroy(client.guests[7]))
        assert host.is_clean(), (failing, whole[failing - 1])


def test_an_interface_that_cannot_be_unbound_even_by_force() -> None:
    host, client, interface = bound()
    host.refuse = {
        C.TIO_TDI_UNBIND: SevStatus.HWERROR_PLATFORM,
        C.TIO_TDI_RECLAIM: SevStatus.INVALID_TDI_STATE,
        C.TIO_DEV_RECLAIM: SevStatus.RECLAIM_REQUIRED,
    }
    del host.handlers[C.TIO_TDI_UNBIND]
    with pytest.raises(SevCommandError, match="HWERROR_PLATFORM"):
        host.run(interface.unbind())
    assert host.commands()[:2] == [C.TIO_TDI_UNBIND] * 2
    assert interface.is_bound
    with pytest.raises(SevCommandError, match="HWERROR_PLATFORM"):
        host.run(client.recover())
    host.refuse.clear()
    host.run(client.recover())
    host.run(client.destroy(client.guests[7]))
    assert host.is_clean()


def test_what_is_asked_of_an_interface_that_is_not_there() -> None:
    host, client, device, guest = started()
    interface = Interface(device, INTERFACE)
    for plan in (interface.status(), interface.info(), interface.stop(), interface.fence(), interface.read_report()):
        with pytest.raises(LocalProtocolError, match="bind it first"):
            host.run(plan)
    with pytest.raises(LocalProtocolError, match="is not bound"):
        host.run(interface.run())
    host.run(interface.abandon())  # nothing to do
    host.run(interface.bind(guest, 0))
    with pytest.raises(LocalProtocolError, match="is bound"):
        host.run(interface.bind(guest, 0))
    with pytest.raises(LocalProtocolError, match="has a context"):
        host.run(guest.launch(()))
    stranger = SnpGuest(client.firmware, 8)
    with pytest.raises(LocalProtocolError, match="ASID 8 has no context"):
        host.run(stranger.status())
    host.run(stranger.destroy())


def test_a_fence_that_does_not_open_is_said() -> None:
    host, _, interface = bound()
    host.run(interface.run())
    host.fence = FENCED
    host.refuse[C.TIO_ASID_FENCE_CLEAR] = SevStatus.INVALID_GUEST
    with pytest.raises(SevCommandError, match="TIO_ASID_FENCE_CLEAR failed with INVALID_GUEST"):
        host.run(interface.unbind())
    assert not interface.device.interfaces  # everything else went back


def test_pages_and_dma_of_the_guest_go_back() -> None:
    host, _, interface = bound()
    bar = 0x200_0000
    host.pages[bar] = bytearray(PAGE_BYTES)
    host.run(_give(interface, bar))
    assert host.trusted == {INTERFACE: 7}
    host.run(interface.unbind())
    assert host.rmp[bar] == RmpEntry()
    assert not interface.private_pages
    assert not host.trusted


def _give(interface: Interface, bar: int) -> Any:
    """Do what the relay does when the guest asks."""
    yield from interface.private_pages.give(bar, RmpEntry(assigned=1, asid=7, gpa=0x8000_0000))
    yield TrustDma(interface.function, 7, is_trusted=True)
    interface.is_dma_trusted = True


# the guest itself


def launching(host: FakeHost) -> tuple[LaunchPage, ...]:
    pages = []
    for number, kind in enumerate((LaunchPageType.NORMAL, LaunchPageType.SECRETS)):
        paddr = 0x300_0000 + number * PAGE_BYTES
        host.pages[paddr] = bytearray(PAGE_BYTES)
        content = b"code" if kind is LaunchPageType.NORMAL else b""
        pages.append(LaunchPage(number * PAGE_BYTES, paddr, content, kind))
    host.handlers[C.SNP_LAUNCH_UPDATE] = _take_page
    return tuple(pages)


def _take_page(host: FakeHost, buffer: Any) -> int:
    assert host.peek(buffer.page_paddr, 4) in (b"code", bytes(4))
    host.rmp[buffer.page_paddr] = host.rmp[buffer.page_paddr].replace(immutable=0)
    host.validated.add(buffer.page_paddr)
    return 0


def test_a_launch_goes_in_the_order_of_kvm() -> None:
    host, client = FakeHost(), PspClient()
    host.run(client.init())
    host.done.clear()
    pages = launching(host)
    guest = host.run(client.launch(9, pages, policy=0x30000, host_data=bytes(range(32))))
    assert host.commands() == [
        C.SNP_GCTX_CREATE,
        C.SNP_LAUNCH_START,
        C.SNP_ACTIVATE,
        C.SNP_LAUNCH_UPDATE,
        C.SNP_LAUNCH_UPDATE,
        C.SNP_LAUNCH_FINISH,
    ]
    assert host.issued(C.SNP_LAUNCH_START).policy == 0x30000
    assert host.issued(C.SNP_LAUNCH_FINISH).host_data == bytes(range(32))
    assert host.issued(C.SNP_ACTIVATE).asid == 9
    assert host.issued(C.SNP_LAUNCH_UPDATE).page_type is LaunchPageType.SECRETS
    assert host.rmp[pages[1].paddr] == RmpEntry(gpa=PAGE_BYTES, assigned=1, asid=9)
    assert client.guests == {9: guest}
    assert guest.is_running
    with pytest.raises(LocalProtocolError, match="ASID 9 is in use"):
        host.run(client.launch(9, ()))
    with pytest.raises(LocalProtocolError, match="the guest with ASID 9"):
        host.run(client.shutdown())
    host.run(client.destroy(guest))
    assert all(host.rmp[page.paddr] == RmpEntry() for page in pages)
    assert set(host.pages) == {page.paddr for page in pages}


def test_an_asid_that_was_used_is_flushed_first() -> None:
    host, client = FakeHost(), PspClient()
    host.run(client.init())
    host.done.clear()
    asked: list[int] = []

    def first_dirty(host: FakeHost, buffer: Any) -> int:
        asked.append(1)
        return SevStatus.DFFLUSH_REQUIRED if len(asked) == 1 else 0

    host.handlers[C.SNP_ACTIVATE] = first_dirty
    host.run(client.launch(9, ()))
    assert host.commands()[2:5] == [C.SNP_ACTIVATE, C.SNP_DF_FLUSH, C.SNP_ACTIVATE]


@pytest.mark.parametrize("command", [C.SNP_ACTIVATE, C.SNP_DF_FLUSH])
def test_an_asid_that_is_not_to_be_had(command: SevCommand) -> None:
    host, client = FakeHost(), PspClient()
    host.run(client.init())
    host.refuse = {C.SNP_ACTIVATE: SevStatus.DFFLUSH_REQUIRED, command: SevStatus.ASID_OWNED}
    with pytest.raises(SevCommandError, match=f"{command.name} failed with ASID_OWNED"):
        host.run(client.launch(9, ()))
    assert not host.pages
    assert not client.guests


def test_whatever_fails_in_a_launch_nothing_is_left() -> None:
    counted, client = FakeHost(), PspClient()
    counted.run(client.init())
    counted.done.clear()
    counted.run(client.launch(9, launching(counted)))
    whole = list(counted.done)
    for failing in range(1, len(whole) + 1):
        host, client = FakeHost(), PspClient()
        host.run(client.init())
        host.done.clear()
        pages = launching(host)
        host.fails_at = failing
        with pytest.raises(BackendError, match="failed"):
            host.run(client.launch(9, pages))
        host.fails_at = None
        for guest in tuple(client.guests.values()):
            host.run(client.destroy(guest))
        host.run(client.firmware.pool.retry_lost())
        assert set(host.pages) == {page.paddr for page in pages}, (failing, whole[failing - 1])
        assert all(not host.rmp.get(page.paddr, RmpEntry()).assigned for page in pages), whole[failing - 1]
        assert not client.guests
