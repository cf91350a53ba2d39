"""Commands of interfaces: make a context, bind it to a guest and start it, ask about it, unbind it.

Document: AMD 58271, "TIO_TDI_…"; which TDISP messages a bind takes is `SEV_A33`. In R1 a bind locks and starts at once
(`SEV_A14`), from R2 on these are two commands.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Any, Final

from pytio.errors import TdispPeerError
from pytio.mock.psp.call import Call
from pytio.mock.psp.checks import new_context
from pytio.mock.psp.contexts import Conversation, TdiContext, blob_digest
from pytio.mock.psp.device_commands import line_of, write_result
from pytio.mock.psp.device_states import DeviceState, DeviceStep
from pytio.mock.psp.losses import cancel, fail_tdi
from pytio.mock.psp.refusal import Refused
from pytio.mock.psp.tdi_states import BIND_STATES, DEVICE_STATES, FenceMoment, TdiContextState, TdiStep
from pytio.sev.codes import SevStatus
from pytio.sev.commands import LockFlags, TioTdiCreate
from pytio.sev.structures import TdiInfo, TdiInfoR1, TdiInfoR2, TdiLockState, TdiStatus, TdiStatusR1
from pytio.sev.tio_codes import DataObjectId, MeasurementFlags, Revision
from pytio.tdisp import (
    DeviceInterfaceState,
    GetDeviceInterfaceReport,
    GetDeviceInterfaceState,
    InterfaceReport,
    LockInterfaceRequest,
    StopInterfaceRequest,
    TdiState,
)
from pytio.tdisp import LockFlags as TdispLockFlags
from pytio.tdisp.events import InterfaceReported, ResponseReceived
from pytio.wire import WireStruct

if TYPE_CHECKING:
    from pytio.mock.psp.firmware import Psp

__all__ = (
    "bind",
    "bind_step",
    "create",
    "info",
    "info_bytes",
    "measurement_flags",
    "reclaim",
    "report",
    "status",
    "status_bytes",
    "unbind",
    "unbind_step",
)

_OLDER: Final = (Revision.R1, Revision.R2)
_REPORTING_OFFSET: Final = 0
"""Added by the device to addresses in its report (`SEV_A28`)."""
_INFO: Final[Mapping[Revision, type[WireStruct]]] = {Revision.R1: TdiInfoR1, Revision.R2: TdiInfoR2}
_ID_MASK: Final = (1 << 32) - 1
_FLAGS: Final = {
    "no_fw_update": TdispLockFlags.NO_FW_UPDATE,
    "lock_msix": TdispLockFlags.LOCK_MSIX,
    "all_request_redirect": TdispLockFlags.ALL_REQUEST_REDIRECT,
}
"""What a host may lock with, and how TDISP says it (`SEV_A17`)."""


def create(psp: Psp, call: Call) -> None:
    """TIO_TDI_CREATE: refused with IN_USE for an interface that has a context."""
    asked: TioTdiCreate = call.message
    pages = new_context(psp, asked.tdi_ctx_sla, psp.config.sizes.tdi_context)
    made = TdiContext(asked.tdi_ctx_sla, pages, call.device, asked.interface_id)
    if any(tdi.bdf == made.bdf for tdi in psp.tdis):
        raise Refused(SevStatus.IN_USE, f"{made.bdf} has a context")
    function = asked.interface_id.function_id
    segment = function.segment if function.is_segment_valid else made.bdf.segment
    if asked.interface_id.reserved.strip(b"\0") or segment != made.bdf.segment:
        raise Refused(SevStatus.INVALID_PARAM, f"{asked.interface_id} is not in the device's segment")
    psp.take_over(pages)
    call.device.tdis.append(made)


def reclaim(psp: Psp, call: Call) -> None:
    """TIO_TDI_RECLAIM: refused with IN_USE while a command about it waits for the device."""
    pending = call.device.pending
    if pending is not None and pending.call.found_tdi is call.tdi:
        raise Refused(SevStatus.IN_USE, f"{pending.call.command.name} waits for the device")
    call.device.tdis.remove(call.tdi)
    psp.give_back(call.tdi.pages)


# bind


def bind_step(psp: Psp, call: Call) -> TdiStep:
    """Return what TIO_TDI_BIND asks for."""
    if psp.revision is Revision.R1:
        return TdiStep.BIND_AT_ONCE
    return TdiStep.BIND_RUN if call.message.run else TdiStep.BIND_LOCK


def bind(psp: Psp, call: Call) -> Conversation[None]:
    """TIO_TDI_BIND."""
    step = bind_step(psp, call)
    if step is TdiStep.BIND_RUN:
        if call.tdi.guest is not call.guest:
            raise Refused(SevStatus.INVALID_GUEST, "the interface was locked for another guest")
        return _run(psp, call)
    lock = _lock_flags(call.message.tdisp_lock_if_flags)
    if any(_is_named(tdi, call) for tdi in psp.tdis if tdi.is_bound):
        raise Refused(SevStatus.IN_USE, f"the guest has a device {call.message.guest_device_id:#x}")
    return _lock(psp, call, lock, starts=step is TdiStep.BIND_AT_ONCE)


def _is_named(tdi: TdiContext, call: Call) -> bool:
    return tdi.guest is call.guest and tdi.guest_device_id == call.message.guest_device_id


def _lock_flags(flags: LockFlags) -> TdispLockFlags:
    if flags.cache_line_size or flags.bind_p2p or flags.reserved:
        raise Refused(SevStatus.INVALID_PARAM, f"{flags}")
    return reduce(or_, (flag for name, flag in _FLAGS.items() if getattr(flags, name)), TdispLockFlags(0))


def _lock(psp: Psp, call: Call, flags: TdispLockFlags, *, starts: bool) -> Conversation[None]:
    tdi, line = call.tdi, line_of(call.device)
    before = yield from _ask_state(tdi)
    if before is not TdiState.CONFIG_UNLOCKED:
        raise Refused(SevStatus.INVALID_TDI_STATE, f"the device says {before.name}")
    lock = LockInterfaceRequest(
        interface_id=tdi.interface_id,
        flags=flags,
        default_stream_id=call.device.ide_stream_id[0],
        mmio_reporting_offset=_REPORTING_OFFSET,
    )
    yield from line.ask_tdisp(lock)
    try:
        blob = yield from _read_report(tdi)
        if starts:
            yield from line.ask_tdisp(line.tdisp.start_request(tdi.interface_id))
        yield from write_result(psp, call, DataObjectId.INTERFACE_REPORT, blob, tdi.bdf)
    except (TdispPeerError, Refused):  # the context stays unbound, and so does the interface
        yield from line.ask_tdisp(StopInterfaceRequest(interface_id=tdi.interface_id))
        raise
    tdi.guest, tdi.guest_device_id = call.guest, call.message.guest_device_id
    tdi.tdi_id = psp.next_tdi_id()
    tdi.lock = TdiLockState(**{name: flag in flags for name, flag in _FLAGS.items()})
    tdi.is_measured_since_bind = False
    tdi.report_count = 0
    _note_report(tdi, blob)
    tdi.state = TdiContextState.BIND_LOCKED
    if starts:
        _note_run(psp, tdi)


def _run(psp: Psp, call: Call) -> Conversation[None]:
    tdi, line = call.tdi, line_of(call.device)
    yield from line.ask_tdisp(line.tdisp.start_request(tdi.interface_id))
    _note_run(psp, tdi)
    blob = yield from _read_report(tdi)
    yield from write_result(psp, call, DataObjectId.INTERFACE_REPORT, blob, tdi.bdf)
    _note_report(tdi, blob)


def _note_run(psp: Psp, tdi: TdiContext) -> None:
    tdi.state = TdiContextState.BIND_RUN
    psp.fence(tdi, FenceMoment.RUN)


def _ask_state(tdi: TdiContext) -> Conversation[TdiState]:
    learnt = yield from line_of(tdi.device).ask_tdisp(GetDeviceInterfaceState(interface_id=tdi.interface_id))
    [answer] = [event.response for event in learnt if isinstance(event, ResponseReceived)]
    assert isinstance(answer, DeviceInterfaceState)
    return answer.tdi_state


def _read_report(tdi: TdiContext) -> Conversation[bytes]:
    learnt = yield from line_of(tdi.device).ask_tdisp(GetDeviceInterfaceReport(interface_id=tdi.interface_id))
    [reported] = [event.report for event in learnt if isinstance(event, InterfaceReported)]
    InterfaceReport.parse(reported)
    return reported


def _note_report(tdi: TdiContext, blob: bytes) -> None:
    tdi.report, tdi.report_digest = InterfaceReport.parse(blob), blob_digest(blob)
    tdi.report_count += 1


# unbind


def unbind_step(psp: Psp, call: Call) -> DeviceStep:
    """Return what TIO_TDI_UNBIND asks of the device: without FORCE a word, in R1 and R2 only where it hears it."""
    is_forced = getattr(call.message, "force", call.device.state is not DeviceState.CONNECTED)
    return DeviceStep.KEEP_TDI if is_forced else DeviceStep.TALK_TO_TDI


def unbind(psp: Psp, call: Call) -> Conversation[None] | None:
    """TIO_TDI_UNBIND: with FORCE not a word is said to the device."""
    tdi = call.tdi
    if tdi.guest is not call.guest:
        raise Refused(SevStatus.INVALID_GUEST, "the interface is another guest's")
    if unbind_step(psp, call) is DeviceStep.TALK_TO_TDI:
        return _stop(psp, tdi)
    if call.device.pending is not None:
        cancel(psp, call.device)
    _note_unbound(psp, tdi, FenceMoment.ERROR)
    return None


def _stop(psp: Psp, tdi: TdiContext) -> Conversation[None]:
    yield from line_of(tdi.device).ask_tdisp(StopInterfaceRequest(interface_id=tdi.interface_id))
    _note_unbound(psp, tdi, None if not psp.is_last_to_run(tdi) else FenceMoment.UNBIND)


def _note_unbound(psp: Psp, tdi: TdiContext, moment: FenceMoment | None) -> None:
    psp.shut_out(tdi)
    if moment is not None:
        psp.fence(tdi, moment)
    tdi.state = TdiContextState.UNBOUND


# ask


def report(psp: Psp, call: Call) -> Conversation[None]:
    """TIO_TDI_REPORT."""
    tdi = call.tdi
    if tdi.guest is not call.guest:
        raise Refused(SevStatus.INVALID_GUEST, "the interface is another guest's")
    blob = yield from _read_report(tdi)
    yield from write_result(psp, call, DataObjectId.INTERFACE_REPORT, blob, tdi.bdf)
    _note_report(tdi, blob)


def status_bytes(psp: Psp) -> int:
    """Return how much TIO_TDI_STATUS writes."""
    size = (TdiStatusR1 if psp.revision in _OLDER else TdiStatus).fixed_size()
    assert size is not None
    return size


def status(psp: Psp, call: Call) -> Conversation[None]:
    """TIO_TDI_STATUS: an interface that is not where it was bound has failed."""
    tdi = call.tdi
    found = yield from _ask_state(tdi)
    if tdi.is_bound and found is not DEVICE_STATES[tdi.state]:
        fail_tdi(psp, tdi)
    cls = TdiStatusR1 if psp.revision in _OLDER else TdiStatus
    psp.pages.write(call.message.status_paddr, cls(tdisp_state=found).build())


def info_bytes(psp: Psp) -> int:
    """Return how much TIO_TDI_INFO writes."""
    size = _INFO.get(psp.revision, TdiInfo).fixed_size()
    assert size is not None
    return size


def measurement_flags(tdi: TdiContext) -> MeasurementFlags:
    """Return what is known of the measurements of an interface's device (`SEV_A22`)."""
    flags = MeasurementFlags(0)
    if tdi.device.has_measurements:
        flags |= MeasurementFlags.MEAS_DIGEST_VALID
    if tdi.is_measured_since_bind:
        flags |= MeasurementFlags.MEAS_DIGEST_FRESH
    return flags


def info(psp: Psp, call: Call) -> None:
    """TIO_TDI_INFO: in R1 refused with INCORRECT_BUFFER_LENGTH where there is too little room."""
    tdi, asked = call.tdi, call.message
    cls = _INFO.get(psp.revision, TdiInfo)
    room: int = getattr(asked, "status_length", info_bytes(psp))
    if room < info_bytes(psp):
        raise Refused(SevStatus.INCORRECT_BUFFER_LENGTH, f"{room} bytes for {cls.__name__}")
    flags = measurement_flags(tdi)
    facts: dict[str, Any] = {
        "interface_id": tdi.interface_id,
        "spdm_algos": tdi.device.algos,
        "certs_digest": tdi.device.certs_digest,
        "meas_digest": tdi.device.meas_digest,
        "interface_report_digest": tdi.report_digest,
    }
    if psp.revision is Revision.R1:
        facts["meas_flags"] = flags
    else:
        facts |= {
            "meas_digest_valid": MeasurementFlags.MEAS_DIGEST_VALID in flags,
            "meas_digest_fresh": MeasurementFlags.MEAS_DIGEST_FRESH in flags,
            "tdi_status": BIND_STATES[tdi.state],
            "intf_report_counter": tdi.report_count,
            "asid": tdi.guest.asid if tdi.guest is not None and tdi.is_bound else 0,
        }
    if cls is TdiInfo:
        facts["lock_flags"] = tdi.lock
    if psp.revision is Revision.N:  # where a host learns it from is not public (`SEV_A27`)
        facts["reserved_end"] = tdi.tdi_id & _ID_MASK
    psp.pages.write(asked.status_paddr, cls(**facts).build())
