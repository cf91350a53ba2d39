"""`Psp`: firmware of AMD's secure processor, acting on command buffers in a platform's memory.

Documents: AMD 58271 (SEV-TIO), AMD 56860 (SEV-SNP around it). What it knows is here and in its contexts; which command
does what, and in which order a command is checked, is `pytio.mock.psp.dispatch`. It performs no I/O and reads no clock;
entropy enters through one provider.
"""

from __future__ import annotations

import logging
from typing import Final

import attrs

from pytio.crypto import LibraryProvider, Provider, Secret
from pytio.ids import Bdf
from pytio.mock.platform import Platform, RmpStep, RootPort
from pytio.mock.psp.configuration import PspConfig
from pytio.mock.psp.contexts import DeviceContext, GuestContext, TdiContext
from pytio.mock.psp.dispatch import run
from pytio.mock.psp.line import OnSecret, OnVendor
from pytio.mock.psp.pages import Pages
from pytio.mock.psp.refusal import Refused
from pytio.mock.psp.registers import Mailbox, PspRegister
from pytio.mock.psp.tdi_states import FENCES, FenceMoment, TdiContextState
from pytio.sev.codes import SevStatus
from pytio.sev.sla import Sla
from pytio.sev.structures import AsidFence
from pytio.sev.tio_codes import PAGE_BYTES, Revision, SevCommand

__all__ = ("CommandDone", "Psp")

_LOGGER: Final = logging.getLogger(__name__)
_SCRIBBLE: Final = 0x5A
"""What pages of a context are filled with when they are given back (`SEV_A19`)."""


@attrs.frozen
class CommandDone:
    """A command that the firmware finished, for whoever wants to know why."""

    command: SevCommand
    """Which."""
    status: SevStatus
    """What the host was told."""
    why: str = ""
    """What the host was not told: the reason for a refusal, in words."""


def _tell_nobody(kind: str, key: str, secret: Secret) -> None:
    """Keep a secret."""


def _show_nobody(request: bytes, answer: bytes, session: int) -> None:
    """Keep to oneself what was said to a device."""


class Psp:
    """The firmware of one platform.

    Attributes:
        platform: the platform.
        revision: which revision of SEV-TIO it speaks.
        is_strict: whether reserved bytes have to be zero (`SEV_A1`).
        provider: where keys and nonces come from.
        config: sizes, versions, and how it talks SPDM.
        on_secret: takes every secret as a key log has them: kind, key and value.
        on_vendor: takes what IDE_KM and TDISP said to a device: request, answer and session. Keys are in it. A model
            of a device whose responder is somebody else's has no other way to know (`pytio.mock.device.Dsm.follow`).
        pages: the platform's memory, as the firmware checks it.
        is_initialized: whether SNP_INIT_EX was done.
        tio_en: whether that enabled SEV-TIO.
        tio_init_done: whether TIO_INIT was done.
        guests: by the physical address of their context pages.
        devices: by the SLAs that name them.
        dirty_asids: ASIDs that nobody may have before SNP_DF_FLUSH.
        last: the command before, with the reason for its status.
    """

    def __init__(
        self,
        platform: Platform,
        *,
        revision: Revision = Revision.P2,
        strict: bool = True,
        provider: Provider | None = None,
        config: PspConfig | None = None,
        on_secret: OnSecret = _tell_nobody,
    ) -> None:
        """Start as after a reset: nothing is initialized."""
        self.platform = platform
        self.revision = revision
        self.is_strict = strict
        self.provider: Provider = provider or LibraryProvider()
        self.config = config or PspConfig()
        self.on_secret = on_secret
        self.on_vendor: OnVendor = _show_nobody
        self.pages = Pages(platform)
        self.last: CommandDone | None = None
        self._mailbox = Mailbox(self.execute)
        self._tdi_ids = 0
        self.guests: dict[int, GuestContext] = {}
        self.devices: dict[Sla, DeviceContext] = {}
        self.dirty_asids: set[int] = set()
        self.is_initialized: bool = False
        self.tio_en: bool = False
        self.tio_init_done: bool = False

    def __repr__(self) -> str:
        """Say revision and how much there is."""
        counts = f"{len(self.guests)} guests, {len(self.devices)} devices"
        return f"<{type(self).__name__} {self.revision.name}, {counts}>"

    # what the host has

    def write(self, register: PspRegister, value: int) -> None:
        """Write a register; writing CmdResp runs a command. Raises ValueError for more than 32 bits."""
        self._mailbox.write(register, value)

    def read(self, register: PspRegister) -> int:
        """Return a register."""
        return self._mailbox.read(register)

    def execute(self, command: int, paddr: int = 0) -> SevStatus:
        """Run a command whose buffer is at a physical address, and return its status. Raises nothing."""
        asked = SevCommand(command)
        try:
            status, why = run(self, asked, paddr), ""
        except Refused as refused:
            status, why = refused.status, refused.why
        self.last = CommandDone(asked, status, why)
        if why:
            _LOGGER.debug("%s: %s, %s", asked.name, status.name, why)
        return status

    # what commands share

    @property
    def tdis(self) -> list[TdiContext]:
        """Every interface."""
        return [tdi for device in self.devices.values() for tdi in device.tdis]

    def next_tdi_id(self) -> int:
        """Return the id of a new bind (`SEV_A27`)."""
        self._tdi_ids += 1
        return self._tdi_ids

    def root_port_of(self, device: DeviceContext) -> RootPort:
        """Return the root port above a device: by its number, in R1 by what is below it.

        Refuses with INVALID_PARAM where there is none.
        """
        for port in self.platform.root_ports.values():
            is_named = self.revision is Revision.R1 or port.port_number == device.root_port_id
            if is_named and port.bdf.segment == device.bdf.segment and device.bdf.bus in port.buses:
                return port
        raise Refused(SevStatus.INVALID_PARAM, f"no root port {device.root_port_id} leads to {device.bdf}")

    def root_port_at(self, bdf: Bdf) -> RootPort:
        """Return the root port at an address; refuses with INVALID_PARAM where there is none."""
        if bdf not in self.platform.root_ports:
            raise Refused(SevStatus.INVALID_PARAM, f"{bdf} is no root port")
        return self.platform.root_ports[bdf]

    def fence(self, tdi: TdiContext, moment: FenceMoment) -> None:
        """Move the fences of an interface's guest at its root port."""
        if tdi.guest is not None and tdi.guest.asid:
            port = self.root_port_of(tdi.device)
            self.platform.iommu.fences.set(port.bdf, tdi.guest.asid, FENCES[moment])

    def is_last_to_run(self, tdi: TdiContext) -> bool:
        """Return whether an interface runs, and is the last one of its guest that does at its root port."""
        port = self.root_port_of(tdi.device)
        running = [
            each
            for each in self.tdis
            if each.state is TdiContextState.BIND_RUN
            and each.guest is tdi.guest
            and self.root_port_of(each.device) is port
        ]
        return running == [tdi]

    def close_fences(self, asid: int) -> None:
        """Fence an ASID off at every root port, as one that nobody had yet."""
        for port in self.platform.root_ports.values():
            self.platform.iommu.fences.set(port.bdf, asid, FENCES[FenceMoment.NEVER_BOUND])

    def fence_state(self, root_port: Bdf, asid: int) -> AsidFence:
        """Return the fences of an ASID at a root port."""
        return self.platform.iommu.fences.state(root_port, asid)

    def take_over(self, pages: tuple[int, ...]) -> None:
        """Make pages that were given away those of a context."""
        for page in pages:
            self.platform.rmp.step(page, RmpStep.CREATE_CONTEXT)

    def give_back(self, pages: tuple[int, ...]) -> None:
        """Scribble over the pages of a context; they stay the firmware's until SNP_PAGE_RECLAIM."""
        for page in pages:
            self.pages.write(page, bytes([_SCRIBBLE]) * PAGE_BYTES)
            self.platform.rmp.step(page, RmpStep.DELETE_CONTEXT)

    def shut_out(self, tdi: TdiContext) -> None:
        """Take from an interface what its guest gave it: no page of it is validated, and no DMA passes."""
        for page in sorted(tdi.validated):
            is_guests = tdi.guest is not None and self.platform.rmp.entry(page).asid == tdi.guest.asid
            if is_guests and self.platform.rmp.is_validated(page):
                self.platform.rmp.set_validated(page, False)
        tdi.validated.clear()
        self.platform.iommu.clear_sdte(tdi.interface_id.function_id.requester_id)

    def forget_everything(self) -> None:
        """Drop every context: SNP_SHUTDOWN_EX."""
        for tdi in self.tdis:
            self.shut_out(tdi)
            self.give_back(tdi.pages)
        for device in self.devices.values():
            self.give_back(device.pages)
        for guest in self.guests.values():
            self.give_back((guest.gctx_paddr,))
            if guest.asid:
                self.platform.asids.release(guest.asid)
        self.guests.clear()
        self.devices.clear()
        self.dirty_asids.clear()
        self.is_initialized = self.tio_en = self.tio_init_done = False
