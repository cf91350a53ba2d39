"""Something happens to the machine, or the hypervisor turns a register: once, as a step begins."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import attrs

from pytio.hosts.capabilities import extended_capabilities
from pytio.hosts.model.kernel import COMMAND
from pytio.hosts.model.machine import FunctionSpace
from pytio.hosts.model.vm import IMAGE
from pytio.ids import Bdf
from pytio.mock.link import LinkDirection
from pytio.sev.rmp import RmpEntry
from pytio.sev.structures import AsidFence
from pytio.sev.tio_codes import (
    DmaFenceState,
    MmioFenceState,
)
from tests.clients.machine import identity
from tests.hosts.tampering.stage import Stage, tampering

_SR_IOV: Final = 0x10


@tampering
def machine(stage: Stage, what: str) -> None:
    """Do something to the machine, once, as the step begins."""
    stage.fired += 1
    _DEEDS[what](stage)


def _command_register(stage: Stage, value: int) -> None:
    stage.machine.space(stage.function).write(COMMAND, value.to_bytes(2, "little"))


def _sr_iov(stage: Stage) -> tuple[FunctionSpace, int]:
    space = stage.machine.space(stage.machine.device.bdf)
    [at] = [at for kind, _, at in extended_capabilities(space) if kind == _SR_IOV]
    return space, at


def _hide_virtual_memory(stage: Stage) -> None:
    space, at = _sr_iov(stage)
    space.write(at + 0x08, b"\x01\0")  # VF Enable without VF Memory Space Enable


def _move_bar(stage: Stage) -> None:
    space, at = _sr_iov(stage)
    low = int.from_bytes(space.read(at + 0x24, 4), "little")
    space.write(at + 0x24, (low + 0x40_0000).to_bytes(4, "little"))


def _close(stage: Stage, *, dma: bool = False, mmio: bool = False) -> None:
    fences, port = stage.machine.platform.iommu.fences, stage.machine.root_port.bdf
    assert stage.workflow.guest is not None
    state = AsidFence(
        dma=DmaFenceState.FENCED_BY_DEFAULT if dma else DmaFenceState.NOT_FENCED,
        mmio=MmioFenceState.FENCED if mmio else MmioFenceState.NOT_FENCED,
    )
    fences.set(port, stage.workflow.guest.vm.asid, state)


def _change_dte(stage: Stage, **changes: Any) -> None:
    iommu, rid = stage.machine.platform.iommu, stage.function.requester_id
    entry = iommu.dte(rid)
    assert entry is not None
    iommu.set_dte(rid, attrs.evolve(entry, **changes))


def _stream_register(stage: Stage, port: str, value: int) -> None:
    assert stage.host is not None
    stream = stage.host.kernel.client.devices[stage.machine.device.bdf].stream
    assert stream is not None
    bdf = stage.machine.root_port.bdf if port == "root port" else stage.machine.device.bdf
    block = stream.root_port_block if port == "root port" else stream.endpoint_block
    space = stage.machine.space(bdf)
    old = int.from_bytes(space.read(block.offset + 4, 4), "little")
    space.write(block.offset + 4, (old ^ value).to_bytes(4, "little"))


def _guest_page_away(stage: Stage, gpa_of: Callable[[Stage], int]) -> None:
    assert stage.workflow.guest is not None
    page = stage.workflow.guest.vm.memory.find(gpa_of(stage))
    rmp = stage.machine.platform.rmp
    before, was_validated = rmp.entry(page), rmp.is_validated(page)
    rmp.firmware_set(page, RmpEntry())
    stage.later(lambda: rmp.firmware_set(page, before, is_validated=was_validated))


def _bar_gpa(stage: Stage) -> int:
    assert stage.workflow.guest is not None
    return stage.workflow.guest.interface(stage.function).bars[4].gpa


def _mailbox(stage: Stage, deed: Callable[[Any], object]) -> None:
    """Let the real mailbox carry, and do something to it."""
    assert stage.machine.device.mailbox is not None
    stage.replace(stage.machine.port, "exchange", lambda short: stage.through_mailbox)
    deed(stage.machine.device.mailbox)


def _stuck(mailbox: Any) -> None:
    mailbox.fail()
    mailbox.is_deferred = True


def _unwire(stage: Stage) -> None:
    """Take the device away, until the end; the real mailbox carries, and finds nobody."""
    link = stage.machine.root_port.link
    _mailbox(stage, lambda mailbox: None)
    link.detach(LinkDirection.DOWN)
    stage.later(lambda: link.attach(downstream=stage.machine.device))


def _link_down(stage: Stage) -> None:
    link = stage.machine.root_port.link
    _mailbox(stage, lambda mailbox: None)
    link.set_up(False)
    stage.later(lambda: link.set_up(True))


def _reset(stage: Stage, function: Bdf) -> None:
    assert stage.host is not None
    stage.host.kernel.reset(function)


_DEEDS: Final[dict[str, Callable[[Stage], None]]] = {
    "link down": _link_down,
    "device gone": _unwire,
    "hot reset": lambda stage: stage.machine.root_port.link.hot_reset(),
    "function reset": lambda stage: _reset(stage, stage.function),
    "device reset": lambda stage: _reset(stage, stage.machine.device.bdf),
    "Bus Master cleared": lambda stage: _command_register(stage, 2),
    "Memory Space cleared": lambda stage: _command_register(stage, 4),
    "VF Memory Space cleared": _hide_virtual_memory,
    "BAR moved": _move_bar,
    "DMA fence closed": lambda stage: _close(stage, dma=True),
    "MMIO fence closed": lambda stage: _close(stage, mmio=True),
    "DTE domain": lambda stage: _change_dte(stage, domain_id=77),
    "DTE trusted": lambda stage: _change_dte(stage, is_trusted=False),
    "DTE write permission": lambda stage: _change_dte(stage, iw=False),
    "DTE page table": lambda stage: _change_dte(stage, page_table=None),
    "sDTE cleared": lambda stage: stage.machine.platform.iommu.clear_sdte(stage.function.requester_id),
    "stream off at the root port": lambda stage: _stream_register(stage, "root port", 1),
    "stream off at the device": lambda stage: _stream_register(stage, "device", 1),
    "image page away": lambda stage: _guest_page_away(stage, lambda stage: IMAGE),
    "BAR page away": lambda stage: _guest_page_away(stage, _bar_gpa),
    "mailbox stuck": lambda stage: _mailbox(stage, _stuck),
    "session forgotten": lambda stage: stage.machine.device.dsm.answer_with(identity()),
}
