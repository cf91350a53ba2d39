"""Everything that the documents name is exercised from the client's side: commands, statuses, transitions.

What a firmware may say is said here to the client, by a firmware that lies once; what pages and interfaces may go
through is watched while the clients go the whole way. Exceptions are listed, each with the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import attrs
import pytest

from pytio.clients.psp.memory import reclaim_page
from pytio.errors import LocalProtocolError, PytioError, SevCommandError
from pytio.mock.platform.rmp import HUGE_PAGE_BYTES, Rmp, RmpStep
from pytio.mock.platform.rmp import TRANSITIONS as RMP_TRANSITIONS
from pytio.sev.codes import SevStatus
from pytio.sev.commands import COMMANDS, LockFlags, PageRange, PageRangeList
from pytio.sev.guest_envelope import GuestMessage, open_message, seal_message
from pytio.sev.guest_ioctl import ReportRequest
from pytio.sev.rmp import PageState, RmpEntry
from pytio.sev.tio_codes import PAGE_BYTES, GuestMessageType, Revision, SevCommand
from pytio.tdisp import TdiEvent, TdiState
from pytio.tdisp.state import TRANSITIONS as TDISP_TRANSITIONS
from tests.clients.machine import BARS_GPA, MEMORY_GPA, VF, Guest, Machine

BOTH = pytest.mark.parametrize("revision", [Revision.R1, Revision.P2], ids=lambda revision: revision.name)

STEPS_OF_NOBODY = {
    (PageState.FIRMWARE, RmpStep.CREATE_METADATA): "SEV_A19: contexts are kept outside of host memory",
    (PageState.METADATA, RmpStep.RECLAIM): "the same",
}
"""Steps of the RMP that no client can bring about, each with what stands in the way."""
REFUSED = (
    SevCommand.TIO_DEV_CREATE,
    SevCommand.TIO_DEV_CONNECT,
    SevCommand.TIO_TDI_CREATE,
    SevCommand.TIO_TDI_BIND,
    SevCommand.TIO_DEV_STATUS,
    SevCommand.TIO_ROLL_KEY,
    SevCommand.TIO_TDI_INFO,
    SevCommand.TIO_TDI_REPORT,
)
"""Commands whose refusal the client passes on; others it has an answer to, such as FORCE."""
GO_ON = frozenset({SevStatus.SPDM_REQUEST, SevStatus.EXPAND_BUFFER_LENGTH_REQUEST})
"""Statuses that are no refusal; here there is nothing behind them."""


def tour(machine: Machine) -> Guest:
    """Use every verb of the host's client and of the guest's, once at least; leave the interface running."""
    guest = machine.start()
    client = machine.client
    machine.run(client.platform_status())
    machine.run(client.feature_info())
    machine.run(client.tio_status())
    machine.run(guest.host.status())
    guest.trust()
    interface = next(iter(guest.device.interfaces.values()))
    machine.run(guest.device.status())
    machine.run(guest.device.refresh())
    machine.run(guest.device.roll_key())
    machine.run(interface.status())
    machine.run(interface.info())
    machine.run(interface.read_report())
    machine.run(interface.fence())
    for bar in BARS_GPA:
        if bar != 2:
            guest.run(guest.client.mmio_config(guest.interface, bar))
    return guest


def tear_down(machine: Machine, guest: Guest, *, before_the_end: Callable[[], None] = lambda: None) -> None:
    """Undo a tour, to the platform's shutdown."""
    interface = next(iter(guest.device.interfaces.values()))
    guest.run(guest.client.invalidate(guest.interface))
    if interface.context is not None:
        machine.run(interface.unbind())
        guest.relay.interfaces.clear()
    machine.run(machine.client.destroy(guest.host))
    machine.run(machine.client.disconnect(guest.device))
    before_the_end()
    machine.run(machine.client.shutdown())


@contextmanager
def watched_rmp(monkeypatch: pytest.MonkeyPatch) -> Iterator[set[tuple[PageState, RmpStep]]]:
    """Collect what pages go through."""
    seen: set[tuple[PageState, RmpStep]] = set()
    honest = Rmp._take

    def take(self: Rmp, paddr: int, step: RmpStep, entry: Any) -> None:
        before = self.state(paddr)
        honest(self, paddr, step, entry)
        seen.add((before, step))

    monkeypatch.setattr(Rmp, "_take", take)
    yield seen


def commands_of(machine: Machine) -> list[SevCommand]:
    """Have a machine note the commands that it runs."""
    seen: list[SevCommand] = []
    honest = machine.port.execute

    def execute(command: int, paddr: int) -> int:
        seen.append(SevCommand(command))
        return honest(command, paddr)

    machine.port.execute = execute
    return seen


def ask_for_a_report(machine: Machine, guest: Guest) -> None:
    """Have the firmware answer a guest's message that is not about an interface."""
    firmware, host = machine.client.firmware, machine.platform.host
    header = GuestMessage(msg_seqno=1, msg_type=GuestMessageType.REPORT_REQ, msg_vmpck=1, payload=b"")
    page = seal_message(guest.secrets.vmpck1, header, ReportRequest(user_data=bytes(64), vmpl=1).build()).build()
    asked, answered = host.allocate(1), machine.run(firmware.pool.page(is_donated=True))
    host.write(asked, page.ljust(PAGE_BYTES, b"\0"))
    names = {"gctx_paddr": guest.host.context, "req_paddr": asked, "res_paddr": answered}
    machine.run(firmware.issue(SevCommand.SNP_GUEST_REQUEST, **names))
    answer, _ = GuestMessage.parse_prefix(host.read(answered, PAGE_BYTES))
    assert len(open_message(guest.secrets.vmpck1, answer)) > len(ReportRequest(user_data=bytes(64), vmpl=1).build())
    machine.run(firmware.pool.release_page(answered, is_donated=True))
    host.free(asked, 1)


def fix_a_page(machine: Machine) -> None:
    """Have the firmware keep a page for the hypervisor for ever."""
    firmware, host = machine.client.firmware, machine.platform.host
    listed, paddr = host.allocate(1), host.allocate(1, alignment=HUGE_PAGE_BYTES)
    host.rmp_update(paddr, RmpEntry(assigned=1, immutable=1))
    host.write(listed, PageRangeList(ranges=(PageRange(base=paddr, page_count=1),)).build())
    machine.run(firmware.issue(SevCommand.SNP_PAGE_SET_STATE, list_paddr=listed))
    assert machine.platform.rmp.state(paddr) is PageState.HV_FIXED


@BOTH
def test_every_command(revision: Revision) -> None:
    machine = Machine(revision)
    seen = commands_of(machine)
    guest = tour(machine)
    interface = next(iter(guest.device.interfaces.values()))
    ask_for_a_report(machine, guest)
    tear_down(machine, guest, before_the_end=lambda: fix_a_page(machine))
    assert interface.context is None
    assert set(COMMANDS[revision]) - set(seen) == set()


@BOTH
@pytest.mark.parametrize("status", [status for status in SevStatus if status], ids=lambda status: str(status.name))
def test_every_status(status: SevStatus, revision: Revision) -> None:
    """A firmware that refuses a command once: which one goes round, so that all of them are refused with something."""
    wanted = REFUSED[list(SevStatus).index(status) % len(REFUSED)]
    machine = Machine(revision)
    honest = machine.port.execute
    lies = [status]

    def execute(command: int, paddr: int) -> int:
        return lies.pop() if command == wanted and lies else honest(command, paddr)

    machine.port.execute = execute
    with pytest.raises(PytioError) as caught:
        tour(machine)
    assert not lies
    if status not in GO_ON:
        assert isinstance(caught.value, SevCommandError)
        assert caught.value.status == status
        assert caught.value.command in {
            wanted,
            SevCommand.TIO_GUEST_REQUEST,
            SevCommand.TIO_TDI_BIND,
        }  # what a guest sees
    machine.run(machine.client.recover())
    assert not machine.client.devices


@pytest.mark.parametrize("state", [TdiState.CONFIG_LOCKED, TdiState.RUN], ids=lambda state: str(state.name))
@pytest.mark.parametrize("event", list(TdiEvent), ids=lambda event: str(event.name))
def test_every_event_of_an_interface(event: TdiEvent, state: TdiState) -> None:
    """What the device goes through, its host sees by TIO_TDI_STATUS, as far as the session is left to ask by."""
    machine = Machine()
    guest = machine.start()
    rid = guest.interface.guest_rid
    guest.relay.assignments[rid] = attrs.evolve(guest.relay.assignments[rid], lock_flags=LockFlags(lock_msix=True))
    guest.run(guest.client.lock(guest.interface, lambda attestation: None))
    if state is TdiState.RUN:
        guest.run(guest.client.accept(guest.interface))
    interface = next(iter(guest.device.interfaces.values()))
    assert machine.device.state(VF) is state
    due = TDISP_TRANSITIONS.get((state, event), state)
    dsm = machine.device.dsm
    assert dsm.endpoint is not None
    if event is TdiEvent.SESSION_ENDED:
        dsm.session_ended(next(iter(dsm.endpoint.spdm.sessions)))
    else:
        machine.device.happen(event, VF, stream_id=0)
    assert machine.device.state(VF) is due
    assert machine.run(interface.status()) is due
    if (state, due) == (TdiState.RUN, TdiState.ERROR):
        assert machine.memory.read(BARS_GPA[4], 4) == b"\xff" * 4
        with pytest.raises(LocalProtocolError):
            machine.device.dma_write(VF, MEMORY_GPA, b"too late")
    machine.run(machine.client.recover())
    assert not machine.client.devices
    assert machine.device.state(VF) in {TdiState.CONFIG_UNLOCKED, TdiState.ERROR}


def test_every_step_of_a_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both revisions together: P2 has pages immutable while the firmware validates them, and R1 has not."""
    with watched_rmp(monkeypatch) as seen:
        for revision in (Revision.R1, Revision.P2):
            machine = Machine(revision)
            guest = tour(machine)
            for wanted in (True, False, False):  # MMIO of the guest's own is taken again, and given back twice
                for span in guest.interface.validated:
                    guest.run(guest.client.mmio_validate(guest.interface, span, is_validated=wanted, is_forced=True))
            walk_a_page(machine)
            tear_down(machine, guest, before_the_end=partial(fix_a_page, machine))
    missing = set(RMP_TRANSITIONS) - seen - set(STEPS_OF_NOBODY)
    assert sorted((before.name, step.name) for before, step in missing) == []


def walk_a_page(machine: Machine) -> None:
    """Take a page of memory through what host and guest may do with it."""
    host, gpa = machine.platform.host, 0x2000_0000
    paddr = host.allocate(1)
    machine.memory.map(gpa, paddr)
    nobody, firmware = RmpEntry(), RmpEntry(assigned=1, immutable=1)
    guest = RmpEntry(gpa=gpa, assigned=1, asid=machine.memory.asid)
    elsewhere = guest.replace(gpa=gpa + PAGE_BYTES)
    ends = (nobody, firmware, guest, guest.replace(immutable=1), elsewhere, elsewhere.replace(immutable=1))
    for start in (nobody, firmware, guest, guest.replace(immutable=1)):
        for is_validated in (False, True):
            for after in ends:
                host.rmp_update(paddr, start)
                if start.immutable:
                    machine.run(reclaim_page(paddr))
                if start.asid:
                    for value in (False, True, True, False, is_validated):
                        machine.memory.pvalidate(gpa, is_validated=value)
                host.rmp_update(paddr, after)
                if after.immutable:
                    machine.run(reclaim_page(paddr))
                host.rmp_update(paddr, nobody)
    assert machine.platform.rmp.state(paddr) is PageState.HYPERVISOR
