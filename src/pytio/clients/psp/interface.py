"""An interface as the host drives it: bind to a guest, start, ask, stop, unbind, reclaim.

Document: AMD 58271, commands about interfaces and fences; SEV-TIO's sequences "Bind" and "Unbind, disconnect, reclaim".
The steps of a bind are `pytio.clients.psp.manner`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, Final

import attrs

from pytio.clients.psp.actions import Plan, TrustDma
from pytio.clients.psp.device import Device
from pytio.clients.psp.launch import SnpGuest
from pytio.clients.psp.manner import AnyFence, AnyTdiInfo, BindStep
from pytio.clients.psp.memory import Buffer
from pytio.clients.psp.private_pages import PrivatePages
from pytio.clients.rollback import Undo, try_all
from pytio.errors import LocalProtocolError, RemoteProtocolError, SevCommandError
from pytio.ids import Bdf, InterfaceId
from pytio.sev.codes import SevStatus
from pytio.sev.commands import LockFlags
from pytio.sev.data_objects import ResultObject
from pytio.sev.structures import AsidFence, AsidFenceR1
from pytio.sev.tio_codes import AsidFenceState, DmaFenceState, MmioFenceState, SevCommand
from pytio.tdisp import TdiState

__all__ = ("Interface",)

_SEGMENT_MASK: Final = 0xFF
_NOT_BOUND: Final = frozenset({SevStatus.INVALID_TDI_STATE, SevStatus.INVALID_DEV_STATE})
"""What TDI_UNBIND says of an interface that is not bound, or whose device is gone already."""


@attrs.frozen
class _Bind:
    """What a bind is told."""

    guest_device_id: int
    lock_flags: LockFlags


class Interface:
    """One interface of a device, from its context to its reclaim.

    Attributes:
        device: whose.
        function: which.
        context: its context's pages; None before, and after the reclaim.
        guest: whose it is while it is bound, and until everything of it is taken back.
        is_bound: whether the firmware has bound it.
        was_started: whether it ran, so that its guest's fence has to be looked at.
        report: the interface report as the firmware gave it last.
        tdisp_state: what the device said last of the interface's state.
        private_pages: MMIO pages that are the guest's.
        is_dma_trusted: whether its device table entry is that of the trusted domain.
    """

    def __init__(self, device: Device, function: Bdf) -> None:
        """Make the record of an interface; nothing is done yet."""
        self.device = device
        self.function = function
        self.context: Buffer | None = None
        self.guest: SnpGuest | None = None
        self.is_bound = False
        self.was_started = False
        self.report: ResultObject | None = None
        self.tdisp_state: TdiState | None = None
        self.private_pages = PrivatePages()
        self.is_dma_trusted = False
        self.guest_device_id = 0
        self._firmware = device.firmware
        self._is_created = False

    # bind and start

    def bind(self, guest: SnpGuest, guest_device_id: int, *, lock_flags: LockFlags | None = None) -> Plan[None]:
        """Bind the interface to a guest, in the steps of the revision; or leave nothing behind.

        Args:
            guest: launched, and with its ASID.
            guest_device_id: the name that the interface has in the guest, its requester id there.
            lock_flags: what it is locked with.

        Raises:
            LocalProtocolError: it has a context already, or the revision has no interfaces.
            SevCommandError: the firmware refused a step.
            PytioError: whatever a step raises; a rollback that failed, too, is a note to it.
        """
        if self.context is not None:
            raise LocalProtocolError(f"{self.function} is bound, or was not cleaned up", "bind")
        if not self._firmware.manner.bind:
            raise LocalProtocolError(f"revision {self._firmware.manner.revision.value}", "bind", "it has no interfaces")
        self.guest, self.guest_device_id = guest, guest_device_id
        options, undo = _Bind(guest_device_id, lock_flags or LockFlags()), Undo()
        try:
            for step in self._firmware.manner.bind:
                yield from self._BIND_STEPS[step](self, options, undo)
        except Exception as error:
            yield from undo.unwind(error)
            if self.context is None:
                self.guest = None
            raise

    def _create(self, _: _Bind, undo: Undo) -> Plan[None]:
        self.context = yield from self._firmware.pool.buffer(self._firmware.known_sizes.tdictx_size)
        self.device.interfaces[self.function] = self
        undo.push(self._reclaim)
        with_segment = self.function.segment != 0
        yield from self._firmware.issue(
            SevCommand.TIO_TDI_CREATE,
            **self.names(),
            interface_id=InterfaceId.of(self.function, with_segment=with_segment),
        )
        self._is_created = True

    def _lock(self, options: _Bind, undo: Undo) -> Plan[None]:
        undo.push(self._abandon)
        yield from self._bind(options)

    def _lock_and_start(self, options: _Bind, undo: Undo) -> Plan[None]:
        yield from self._lock(options, undo)
        self.was_started = True

    def _lock_or_start(self, options: _Bind, undo: Undo) -> Plan[None]:
        try:
            yield from self._lock(options, undo)
        except SevCommandError:
            yield from self._start(options)

    def _ask_status(self, _: _Bind, undo: Undo) -> Plan[None]:
        yield from self.status()

    def _start_if_locked(self, options: _Bind, undo: Undo) -> Plan[None]:
        if self.tdisp_state is TdiState.CONFIG_LOCKED:
            yield from self._start(options)

    _BIND_STEPS: Final[Mapping[BindStep, Callable[[Interface, _Bind, Undo], Plan[None]]]] = MappingProxyType(
        {
            BindStep.CREATE_CONTEXT: _create,
            BindStep.LOCK: _lock,
            BindStep.LOCK_AND_START: _lock_and_start,
            BindStep.LOCK_OR_START: _lock_or_start,
            BindStep.STATUS: _ask_status,
            BindStep.START_IF_LOCKED: _start_if_locked,
        }
    )

    def run(self) -> Plan[None]:
        """Start the interface, which was locked by `bind`; one that runs already is left as it is.

        Raises:
            LocalProtocolError: it is not bound, or the revision starts it in `bind`.
            RemoteProtocolError: the device says that it is not locked.
            SevCommandError: the firmware refused.
        """
        if not self._firmware.manner.starts_on_request:
            raise LocalProtocolError(f"revision {self._firmware.manner.revision.value}", "run", "bind starts it")
        if not self.is_bound:
            raise LocalProtocolError(f"{self.function} is not bound", "run")
        state = yield from self.status()
        if state is not TdiState.RUN:
            if state is not TdiState.CONFIG_LOCKED:
                raise RemoteProtocolError(state, "run", f"the device has {self.function} not locked")
            yield from self._start(_Bind(self.guest_device_id, LockFlags()))
        self.was_started = True

    def _start(self, options: _Bind) -> Plan[None]:
        yield from self._bind(options, run=True)
        self.was_started = True

    def _bind(self, options: _Bind, **run: bool) -> Plan[None]:
        self.report = yield from self.device.bounce.result(
            SevCommand.TIO_TDI_BIND,
            **self.names(),
            gctx_paddr=self._known_guest().context,
            guest_device_id=options.guest_device_id,
            tdisp_lock_if_flags=options.lock_flags,
            **run,
        )
        self.is_bound = True

    # while it is bound

    def status(self) -> Plan[TdiState]:
        """Ask the device, through the firmware, for the interface's state. Raises as `Bounce.issue`."""

        def ask(page: int) -> Plan[None]:
            return self.device.bounce.issue(SevCommand.TIO_TDI_STATUS, **self.names(), status_paddr=page)

        found = yield from self._firmware.query(self._firmware.manner.tdi_status, ask)
        try:
            self.tdisp_state = TdiState(found.tdisp_state)
        except ValueError:
            raise RemoteProtocolError("TIO_TDI_STATUS", found.tdisp_state, "no state of TDISP") from None
        return self.tdisp_state

    def info(self) -> Plan[AnyTdiInfo]:
        """Ask the firmware what it knows of the interface: digests, flags, owner. Raises SevCommandError."""
        structure = self._firmware.manner.tdi_info

        def ask(page: int) -> Plan[None]:
            size = structure.minimum_size()
            return self._firmware.issue(SevCommand.TIO_TDI_INFO, **self.names(), status_length=size, status_paddr=page)

        return (yield from self._firmware.query(structure, ask))

    def read_report(self) -> Plan[ResultObject]:
        """Have the interface report read again; raises as `Bounce.result`."""
        self.report = yield from self.device.bounce.result(
            SevCommand.TIO_TDI_REPORT, **self.names(), gctx_paddr=self._known_guest().context
        )
        return self.report

    # fences

    def fence(self) -> Plan[AnyFence]:
        """Ask whether the guest's traffic with the device is fenced off. Raises SevCommandError."""
        structure, asid = self._firmware.manner.fence, self._known_guest().asid

        def ask(page: int) -> Plan[None]:
            return self._firmware.issue(
                SevCommand.TIO_ASID_FENCE_STATUS, **self._fence_names(), asid=asid, status_paddr=page
            )

        return (yield from self._firmware.query(structure, ask))

    def clear_fence(self) -> Plan[None]:
        """Open the fence of the guest. Raises SevCommandError, with IN_USE while an interface of it is bound."""
        yield from self._firmware.issue(
            SevCommand.TIO_ASID_FENCE_CLEAR, **self._fence_names(), gctx_paddr=self._known_guest().context
        )

    def _fence_names(self) -> dict[str, Any]:
        """Return what names the fence: the root port in R1 and R2, the device from P2 on."""
        root_port = self.device.ports.root_port
        return {
            "dev_ctx_sla": self.device.sla,
            "device_id": root_port.requester_id,
            "segment_id": root_port.segment & _SEGMENT_MASK,
        }

    # the end

    def stop(self, *, is_forced: bool = False) -> Plan[None]:
        """Unbind from the guest, by force where the device does not take part and the revision has it.

        Raises:
            SevCommandError: the firmware refused, even by force.
        """
        can_force = self._firmware.manner.has_field(SevCommand.TIO_TDI_UNBIND, "force")
        try:
            yield from self._unbind(is_forced=is_forced and can_force)
        except Exception as error:
            if is_forced or not can_force:
                raise
            try:
                yield from self._unbind(is_forced=True)
            except Exception as worse:
                raise worse from error

    def _unbind(self, *, is_forced: bool) -> Plan[None]:
        yield from self.device.bounce.issue(
            SevCommand.TIO_TDI_UNBIND, **self.names(), gctx_paddr=self._known_guest().context, force=is_forced
        )
        self.is_bound = False

    def release(self) -> Plan[None]:
        """Take everything of an unbound interface back: its context, the fence, its MMIO pages, its DMA domain.

        Every step is tried, and the first failure raised. What the device says of the interface, which should be
        CONFIG_UNLOCKED, is in `tdisp_state`.
        """
        steps: list[Callable[[], Plan[Any]]] = [
            self._reclaim,
            self._look_at_fence,
            self.private_pages.take_back,
            self._distrust,
        ]
        if self.device.is_connected and self._is_created:
            steps.insert(0, self.status)
        yield from try_all(*steps)
        self.guest = None

    def unbind(self, *, is_forced: bool = False) -> Plan[None]:
        """`stop` where it is bound, and `release`; every step is tried, and the first failure raised."""
        steps: list[Callable[[], Plan[None]]] = [self.release]
        if self.is_bound:
            steps.insert(0, partial(self.stop, is_forced=is_forced))
        yield from try_all(*steps)

    def abandon(self) -> Plan[None]:
        """Unbind by all means, for `PspClient.recover`; an interface that was not bound is no error."""
        if not self._is_created or self.guest is None:
            return
        try:
            yield from self.stop(is_forced=True)
        except SevCommandError as error:
            if error.status not in _NOT_BOUND:
                raise

    def _distrust(self) -> Plan[None]:
        if self.is_dma_trusted:
            yield TrustDma(self.function, self._known_guest().asid, is_trusted=False)
            self.is_dma_trusted = False

    def _look_at_fence(self) -> Plan[None]:
        """See whether the fence is closed, and open it: only where the interface ran, from P2 on."""
        if self.guest is None or (self._firmware.manner.starts_on_request and not self.was_started):
            return
        if not _is_fenced((yield from self.fence())):
            return
        try:
            yield from self.clear_fence()
        except SevCommandError as error:
            if error.status != SevStatus.IN_USE:  # another interface of the guest still needs it as it is
                raise
        self.was_started = False

    def _abandon(self) -> Plan[None]:
        """Take a bind back, as far as it came."""
        yield from self.stop() if self.is_bound else self.abandon()

    def _reclaim(self) -> Plan[None]:
        """Issue TDI_RECLAIM, and only then take the context's pages back."""
        if self.context is None:
            return
        if self._is_created:
            yield from self._firmware.issue(SevCommand.TIO_TDI_RECLAIM, **self.names())
            self._is_created = False
        context, self.context = self.context, None
        self.device.interfaces.pop(self.function, None)
        yield from self._firmware.pool.release(context)

    def names(self) -> dict[str, Any]:
        """Return what names it in commands. Raises LocalProtocolError without a context."""
        if self.context is None:
            raise LocalProtocolError(f"{self.function} has no context", "a command about it", "bind it first")
        return {"dev_ctx_sla": self.device.sla, "tdi_ctx_sla": self.context.sla}

    def _known_guest(self) -> SnpGuest:
        if self.guest is None:
            raise LocalProtocolError(f"{self.function} belongs to no guest", "a command about it", "bind it first")
        return self.guest


def _is_fenced(fence: AnyFence) -> bool:
    match fence:
        case AsidFenceR1(state=state):
            return state != AsidFenceState.NOT_FENCED
        case AsidFence(dma=dma, mmio=mmio):
            return dma != DmaFenceState.NOT_FENCED or mmio != MmioFenceState.NOT_FENCED
