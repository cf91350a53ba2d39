"""Commands of devices: make a context, connect, ask, disconnect, give the context back.

Document: AMD 58271, "TIO_DEV_…", "TIO_ROLL_KEY".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from pytio.ids import Bdf, FunctionId, InterfaceId
from pytio.mock.psp import connecting
from pytio.mock.psp.buffers import result_bytes
from pytio.mock.psp.call import Call
from pytio.mock.psp.checks import new_context
from pytio.mock.psp.contexts import Conversation, DeviceContext, Grow, TdiContext, blob_digest
from pytio.mock.psp.device_states import CTX_STATES, DeviceState, DeviceStep
from pytio.mock.psp.line import Line
from pytio.mock.psp.losses import cancel, fail_tdi, hang_up
from pytio.mock.psp.refusal import Refused
from pytio.sev.codes import SevStatus
from pytio.sev.commands import TRAFFIC_CLASSES, TioDevConnect, TioDevCreate
from pytio.sev.data_objects import ResultObject
from pytio.sev.structures import DeviceStatus, DeviceStatusR1, DeviceStatusR2
from pytio.sev.tio_codes import DataObjectId, DataObjectType, Revision, SevCommand
from pytio.spdm.codes import NONCE_BYTES
from pytio.wire import WireStruct

if TYPE_CHECKING:
    from pytio.mock.psp.firmware import Psp

__all__ = (
    "certificates",
    "connect",
    "create",
    "disconnect",
    "disconnect_step",
    "line_of",
    "measurements",
    "reclaim",
    "roll_key",
    "status",
    "status_bytes",
    "write_result",
)

_LAST_SLOT: Final = 7
_STATUS: Final[Mapping[Revision, type[WireStruct]]] = {Revision.R1: DeviceStatusR1, Revision.R2: DeviceStatusR2}
_NOBODY: Final = InterfaceId(function_id=FunctionId(requester_id=0))


def create(psp: Psp, call: Call) -> None:
    """TIO_DEV_CREATE: refused with IN_USE for a device that has a context."""
    asked: TioDevCreate = call.message
    bdf = Bdf.from_requester_id(asked.device_id, asked.segment_id)
    pages = new_context(psp, asked.dev_ctx_sla, psp.config.sizes.device_context)
    if any(device.bdf == bdf for device in psp.devices.values()):
        raise Refused(SevStatus.IN_USE, f"{bdf} has a context")
    device = DeviceContext(asked.dev_ctx_sla, pages, bdf, asked.root_port_id)
    psp.root_port_of(device)
    psp.take_over(pages)
    psp.devices[device.handle] = device


def reclaim(psp: Psp, call: Call) -> None:
    """TIO_DEV_RECLAIM: refused while interfaces are left."""
    _refuse_while_used(call.device)
    del psp.devices[call.device.handle]
    psp.give_back(call.device.pages)


def _refuse_while_used(device: DeviceContext) -> None:
    if device.bound_tdis:
        raise Refused(SevStatus.IN_USE, f"{len(device.bound_tdis)} interfaces are bound")
    if device.tdis:
        raise Refused(SevStatus.RECLAIM_REQUIRED, f"{len(device.tdis)} interfaces are left")


def connect(psp: Psp, call: Call) -> Conversation[None]:
    """TIO_DEV_CONNECT."""
    asked: TioDevConnect = call.message
    if not asked.tc_mask & 1 or asked.cert_slot > _LAST_SLOT:
        raise Refused(SevStatus.INVALID_PARAM, f"TC_MASK {asked.tc_mask:#x}, CERT_SLOT {asked.cert_slot}")
    used = [asked.ide_stream_id[tc] for tc in range(TRAFFIC_CLASSES) if asked.tc_mask >> tc & 1]
    if len(set(used)) != len(used):
        raise Refused(SevStatus.INVALID_PARAM, f"one stream for two traffic classes: {used}")
    device = call.device
    device.tc_mask, device.cert_slot, device.ide_stream_id = asked.tc_mask, asked.cert_slot, asked.ide_stream_id
    device.line = Line(psp.config.requester, provider=psp.provider, on_secret=psp.on_secret, on_vendor=psp.on_vendor)
    return _connect(psp, call, device.line)


def _connect(psp: Psp, call: Call, line: Line) -> Conversation[None]:
    device = call.device
    chain = yield from connecting.connect(psp, device, line)
    yield from write_result(psp, call, DataObjectId.CERTIFICATES, chain, device.bdf)
    device.certs_digest = blob_digest(chain)
    device.has_measurements, device.meas_digest = False, bytes(len(device.meas_digest))  # `SEV_A30`
    device.state = DeviceState.CONNECTED


def line_of(device: DeviceContext) -> Line:
    """Return the line to a device that is connected."""
    assert device.line is not None
    return device.line


def write_result(
    psp: Psp,
    call: Call,
    object_id: DataObjectId,
    data: bytes,
    bdf: Bdf,
    layout: DataObjectType = DataObjectType.RECORD,
) -> Conversation[None]:
    """Leave a result in the output buffer; ask for larger buffers until it fits (`SEV_A11`).

    Refuses with RESOURCE_LIMIT what does not fit in the largest one.
    """
    sizes = psp.config.sizes
    wanted = Grow(result_bytes(data), min(result_bytes(data), sizes.scratch[1]))
    if wanted.output_bytes > sizes.out[1]:
        raise Refused(SevStatus.RESOURCE_LIMIT, f"a result of {len(data)} bytes")
    while call.buffers is not None and not call.buffers.is_large_enough(wanted):
        yield wanted
    assert call.buffers is not None
    call.buffers.put_result(
        ResultObject(
            object_id=object_id,
            device_id=bdf.requester_id,
            segment_id=bdf.segment,
            data_object_type=layout,
            data=data,
        )
    )


# disconnect


def disconnect_step(psp: Psp, call: Call) -> DeviceStep:
    """Return what TIO_DEV_DISCONNECT asks for."""
    return DeviceStep.FORCE_DISCONNECT if call.message.force else DeviceStep.DISCONNECT


def disconnect(psp: Psp, call: Call) -> Conversation[None] | None:
    """TIO_DEV_DISCONNECT: with FORCE not a word is said to the device, and its interfaces fail."""
    device = call.device
    if not call.message.force:
        _refuse_while_used(device)
        return _leave(psp, device)
    for tdi in device.bound_tdis:
        fail_tdi(psp, tdi)
    if device.pending is not None:
        cancel(psp, device)
    hang_up(psp, device)
    device.state = DeviceState.DISCONNECTED
    return None


def _leave(psp: Psp, device: DeviceContext) -> Conversation[None]:
    yield from connecting.leave(line_of(device))
    hang_up(psp, device)
    device.state = DeviceState.DISCONNECTED


# ask


def measurements(psp: Psp, call: Call) -> Conversation[None]:
    """TIO_DEV_MEASUREMENTS: in R1 the nonce is the firmware's own."""
    device, asked = call.device, call.message
    nonce = psp.provider.nonce(NONCE_BYTES) if psp.revision is Revision.R1 else asked.meas_nonce
    blob, layout = yield from connecting.measure(psp, device, line_of(device), nonce=nonce, is_raw=asked.raw_bitstream)
    yield from write_result(psp, call, DataObjectId.MEASUREMENTS, blob, device.bdf, layout)
    device.meas_digest, device.has_measurements = blob_digest(blob), True
    for tdi in device.bound_tdis:
        tdi.is_measured_since_bind = True  # `SEV_A22`


def certificates(psp: Psp, call: Call) -> Conversation[None]:
    """TIO_DEV_CERTIFICATES: refused with DEV_CERT_CHANGED where they are not those of the session (`SEV_A32`)."""
    device = call.device
    chain = yield from connecting.read_certificates(line_of(device), device.cert_slot, in_session=True)
    if blob_digest(chain) != device.certs_digest:
        raise Refused(SevStatus.DEV_CERT_CHANGED, f"slot {device.cert_slot}")
    yield from write_result(psp, call, DataObjectId.CERTIFICATES, chain, device.bdf)


def roll_key(psp: Psp, call: Call) -> Conversation[None]:
    """TIO_ROLL_KEY: the other key set, at both ends."""
    device = call.device
    yield from connecting.key_streams(psp, device, line_of(device), key_set=1 - device.key_set)


# status


def status_bytes(psp: Psp) -> int:
    """Return how much TIO_DEV_STATUS writes."""
    size = _STATUS.get(psp.revision, DeviceStatus).fixed_size()
    assert size is not None
    return size


def status(psp: Psp, call: Call) -> None:
    """TIO_DEV_STATUS: in R1 and R2 refused with INCORRECT_BUFFER_LENGTH where there is too little room."""
    device, asked = call.device, call.message
    cls = _STATUS.get(psp.revision, DeviceStatus)
    room: int = getattr(asked, "status_length", status_bytes(psp))
    if room < status_bytes(psp):
        raise Refused(SevStatus.INCORRECT_BUFFER_LENGTH, f"{room} bytes for {cls.__name__}")
    pending = device.pending
    tdi: TdiContext | None = pending.call.found_tdi if pending is not None else None
    facts: dict[str, Any] = {
        "ctx_state": CTX_STATES[device.state],
        "request_pending": pending is not None,
        "request_pending_tdi": tdi is not None,
        "certs_slot": device.cert_slot,
        "device_id": device.bdf.requester_id,
        "segment_id": device.bdf.segment,
        "tc_mask": device.tc_mask,
        "request_pending_command": pending.call.command if pending is not None else SevCommand(0),
        "request_pending_interface_id": tdi.interface_id if tdi is not None else _NOBODY,
        "meas_digest_valid": device.has_measurements,
        "no_fw_update": any(tdi.lock.no_fw_update for tdi in device.bound_tdis),
        "ide_stream_id": device.ide_stream_id,
        "certs_digest": device.certs_digest,
        "meas_digest": device.meas_digest,
    }
    if psp.revision is not Revision.R1:
        facts |= {"tdi_count": len(device.tdis), "bound_tdi_count": len(device.bound_tdis)}
    if cls is DeviceStatus:
        algos = device.algos
        facts |= {name: getattr(algos, name) for name in ("dhe", "aead", "asym", "hash", "key_sched")}
    psp.pages.write(asked.status_paddr, cls(**facts).build())
