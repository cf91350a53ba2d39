"""A guest as the host launches it: context, ASID, measured pages; and its end.

Documents: AMD 56860, "SNP_LAUNCH_START" and the two after it, "SNP_ACTIVATE", "SNP_DECOMMISSION"; the order is KVM's,
which activates between LAUNCH_START and the first page. A page's contents are written while it is the hypervisor's,
then it is given to the guest, and the firmware measures and encrypts it in place.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import attrs

from pytio.clients.psp.actions import Issue, Plan, RmpUpdate, Write
from pytio.clients.psp.failures import command_error
from pytio.clients.psp.firmware import Firmware
from pytio.clients.psp.memory import HYPERVISOR_PAGE, reclaim_page
from pytio.clients.rollback import Undo, roll_back, try_all
from pytio.errors import LocalProtocolError, SevCommandError
from pytio.sev.codes import SevStatus
from pytio.sev.commands.launch import GuestStatus
from pytio.sev.rmp import RmpEntry
from pytio.sev.tio_codes import PAGE_BYTES, LaunchPageType, SevCommand

__all__ = ("LaunchPage", "SnpGuest")


@attrs.frozen
class LaunchPage:
    """A page of a guest as it is launched.

    Attributes:
        gpa: where the guest sees it.
        paddr: where it is, a page of the hypervisor's; the caller allocated it, and frees it after `SnpGuest.destroy`.
        content: what it begins with, 4096 bytes at most; empty for the pages that the firmware fills.
        page_type: what the firmware makes of it.
    """

    gpa: int
    paddr: int
    content: bytes = attrs.field(default=b"", repr=False)
    page_type: LaunchPageType = LaunchPageType.NORMAL


class SnpGuest:
    """One SNP guest, from its context to its end.

    Attributes:
        asid: its ASID.
        gctx_paddr: its context page, which names it in commands; None before, and after its end.
        is_running: whether its launch is finished.
        pages: physical addresses of the pages that were given to it, with the guest's addresses.
    """

    def __init__(self, firmware: Firmware, asid: int) -> None:
        """Make the record of a guest; nothing is done yet."""
        self.asid = asid
        self.gctx_paddr: int | None = None
        self.is_running = False
        self.pages: dict[int, int] = {}
        self._firmware = firmware
        self._has_context = False

    @property
    def context(self) -> int:
        """The context page. Raises LocalProtocolError where there is none."""
        if self.gctx_paddr is None:
            raise LocalProtocolError(f"the guest with ASID {self.asid} has no context", "a command about it")
        return self.gctx_paddr

    def launch(self, pages: tuple[LaunchPage, ...], *, policy: int = 0, **finish: Any) -> Plan[None]:
        """Launch: context, LAUNCH_START, ASID, every page, LAUNCH_FINISH; or leave nothing behind.

        Args:
            pages: what it begins with.
            policy: the guest policy, a `pytio.sev.GuestPolicy` as an integer.
            finish: further fields of SNP_LAUNCH_FINISH, such as ``host_data``.

        Raises:
            LocalProtocolError: it has a context already.
            SevCommandError: the firmware refused a step.
        """
        if self.gctx_paddr is not None:
            raise LocalProtocolError(f"the guest with ASID {self.asid} has a context", "launch")
        undo = Undo()
        try:
            self.gctx_paddr = yield from self._firmware.pool.page(is_donated=True)
            undo.push(self.destroy)
            yield from self._issue(SevCommand.SNP_GCTX_CREATE)
            self._has_context = True
            yield from self._issue(SevCommand.SNP_LAUNCH_START, policy=policy)
            yield from self._activate()
            for page in pages:
                yield from self._add(page)
            yield from self._issue(SevCommand.SNP_LAUNCH_FINISH, **finish)
            self.is_running = True
        except Exception as error:
            yield from undo.unwind(error)
            raise

    def _activate(self) -> Plan[None]:
        """Take the ASID; where another guest had it before, flush what may be left of that."""
        try:
            yield from self._issue(SevCommand.SNP_ACTIVATE, asid=self.asid)
        except SevCommandError as error:
            if error.status != SevStatus.DFFLUSH_REQUIRED:
                raise
            status = yield Issue(SevCommand.SNP_DF_FLUSH, b"")  # it has no buffer
            if status:
                raise command_error(SevCommand.SNP_DF_FLUSH, status) from error
            yield from self._issue(SevCommand.SNP_ACTIVATE, asid=self.asid)

    def _add(self, page: LaunchPage) -> Plan[None]:
        yield Write(page.paddr, page.content.ljust(PAGE_BYTES, b"\0"))
        yield RmpUpdate(page.paddr, RmpEntry(gpa=page.gpa, assigned=1, immutable=1, asid=self.asid))
        self.pages[page.paddr] = page.gpa
        try:
            yield from self._issue(SevCommand.SNP_LAUNCH_UPDATE, page_type=page.page_type, page_paddr=page.paddr)
        except Exception as error:
            yield from roll_back(error, self._take_page(page.paddr, is_immutable=True))
            raise

    def status(self) -> Plan[GuestStatus]:
        """Ask the firmware what it knows of the guest. Raises SevCommandError."""
        return (
            yield from self._firmware.query(
                GuestStatus, lambda page: self._issue(SevCommand.SNP_GUEST_STATUS, status_paddr=page)
            )
        )

    def destroy(self) -> Plan[None]:
        """End the guest: DECOMMISSION, its context page back, its pages the hypervisor's again.

        Every step is tried, and the first failure raised.
        """
        if self.gctx_paddr is None:
            return
        self.is_running = False
        if self._has_context:
            yield from self._issue(SevCommand.SNP_DECOMMISSION)
            self._has_context = False
        context, self.gctx_paddr = self.gctx_paddr, None
        yield from try_all(
            partial(self._firmware.pool.release_page, context, is_donated=True),
            *(partial(self._take_page, paddr) for paddr in tuple(self.pages)),
        )

    def _take_page(self, paddr: int, *, is_immutable: bool = False) -> Plan[None]:
        if is_immutable:
            yield from reclaim_page(paddr)
        yield RmpUpdate(paddr, HYPERVISOR_PAGE)
        self.pages.pop(paddr, None)

    def _issue(self, command: SevCommand, **fields: Any) -> Plan[None]:
        return self._firmware.issue(command, gctx_paddr=self.context, **fields)
