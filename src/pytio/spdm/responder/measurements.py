"""GET_MEASUREMENTS, the measurement extension log and endpoint information, as the responder answers (DSP0274)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytio.crypto import digest
from pytio.spdm import algorithms
from pytio.spdm.capabilities import ResponderCapabilities
from pytio.spdm.codes import (
    NONCE_BYTES,
    RAW_PUBLIC_KEY_SLOT,
    RAW_PUBLIC_KEY_SLOT_NIBBLE,
    EndpointInfoSubCode,
    KeyUsage,
    MeasurementContentChanged,
    MeasurementIndex,
    MeasurementSummaryHashType,
    SpdmErrorCode,
    SpdmVersion,
)
from pytio.spdm.events import Checked
from pytio.spdm.messages.endpoint_info import EndpointInfo, GetEndpointInfo
from pytio.spdm.messages.measurement_log import GetMeasurementExtensionLog, MeasurementExtensionLog
from pytio.spdm.messages.measurements import GetMeasurements, MeasurementBlock, Measurements
from pytio.spdm.refusal import require
from pytio.spdm.responder.calls import Call
from pytio.spdm.signing import SigningContext

if TYPE_CHECKING:
    from pytio.spdm.responder.engine import Responder

__all__ = ("answer_get_endpoint_info", "answer_get_measurements", "answer_get_mel", "summary_hash")

_MEL_HEADER_BYTES: Final = 12
_MAX_MEL_BYTES: Final = 0xFFFF


def _blocks(responder: Responder, *, is_raw: bool) -> list[MeasurementBlock]:
    selected = responder.negotiated.measurement_hash
    hash_algorithm = algorithms.measurement_hash_algorithm(selected)
    ordered = sorted(responder.measurements, key=lambda measurement: measurement.index)
    return [measurement.block(hash_algorithm, is_raw=is_raw) for measurement in ordered]


def summary_hash(responder: Responder, kind: MeasurementSummaryHashType) -> bytes:
    """Return the measurement summary hash: the base hash of whole measurement blocks, all of them or the TCB's.

    Raises Refusal for a kind that there is not, and where there are no measurements.
    """
    if kind == MeasurementSummaryHashType.NONE:
        return b""
    known = (MeasurementSummaryHashType.TCB, MeasurementSummaryHashType.ALL)
    require(kind in known, f"measurement summary hash type {kind:#x}")
    can_measure = responder.negotiated.responder & (
        ResponderCapabilities.MEAS_CAP_NO_SIG | ResponderCapabilities.MEAS_CAP_SIG
    )
    require(can_measure and responder.negotiated.measurement_hash, "a measurement summary hash without measurements")
    in_tcb = {measurement.index for measurement in responder.measurements if measurement.is_in_tcb}
    wanted = [
        block.build()
        for block in _blocks(responder, is_raw=False)
        if kind == MeasurementSummaryHashType.ALL or block.index in in_tcb
    ]
    return digest(responder.hash_algorithm, *wanted)


def _key_slot(slot: int) -> int:
    return RAW_PUBLIC_KEY_SLOT if slot == RAW_PUBLIC_KEY_SLOT_NIBBLE else slot


def answer_get_measurements(responder: Responder, call: Call) -> Measurements:
    """Tell measurements, signed on request."""
    request: GetMeasurements = call.request
    agreed = responder.negotiated
    require(
        agreed.measurement_specification and agreed.measurement_hash,
        "no measurement specification was agreed on",
        SpdmErrorCode.UNEXPECTED_REQUEST,
    )
    is_signed, operation = request.signature_requested, request.measurement_operation
    can_sign = ResponderCapabilities.MEAS_CAP_SIG in agreed.responder
    require(can_sign or not is_signed, "a signature was asked for, and measurements are not signed")
    slot = request.slot_id_param.slot_id if request.slot_id_param is not None else 0
    key = responder.identity.signing_key(_key_slot(slot), KeyUsage.MEASUREMENT_USE) if is_signed else None
    blocks = _blocks(responder, is_raw=request.raw_bit_stream_requested)
    count = len(blocks) if operation == MeasurementIndex.TOTAL_NUMBER else 0
    if operation != MeasurementIndex.ALL:
        blocks = [block for block in blocks if block.index == operation]
        require(blocks or operation == MeasurementIndex.TOTAL_NUMBER, f"no measurement at index {operation}")
    notices = is_signed and responder.version >= SpdmVersion.V1_2
    unsigned = Measurements(
        version=responder.version,
        total_number_of_measurements=count,
        slot_id=slot if is_signed and responder.version >= SpdmVersion.V1_1 else 0,
        content_changed=MeasurementContentChanged.NO_CHANGE if notices else MeasurementContentChanged.NOT_DETECTED,
        measurement_record=tuple(blocks),
        nonce=responder.nonce(NONCE_BYTES),
        opaque_data=responder.config.measurement_opaque_data,
        requester_context=request.requester_context,
    )
    if key is None:
        return unsigned
    pieces = responder.transcript.l1l2(unsigned.build(), context=call.context)
    check = responder.sign(
        key, pieces, _key_slot(slot), what="MEASUREMENTS signature", context=SigningContext.RESPONDER_MEASUREMENTS
    )
    call.events.append(Checked(check))
    return unsigned.replace(signature=check.signature)


def answer_get_mel(responder: Responder, call: Call) -> MeasurementExtensionLog:
    """Send a part of the measurement extension log."""
    request: GetMeasurementExtensionLog = call.request
    selected = responder.negotiated.mel_specification
    require(selected, "no MEL specification was agreed on", SpdmErrorCode.UNEXPECTED_REQUEST)
    log = responder.config.measurement_log.build()
    require(request.offset < len(log) and request.length, f"offset {request.offset} in a log of {len(log)} bytes")
    room = (responder.response_room or _MAX_MEL_BYTES) - _MEL_HEADER_BYTES
    portion = log[request.offset : request.offset + min(request.length, max(room, 1))]
    return MeasurementExtensionLog(
        version=responder.version,
        remainder_length=len(log) - request.offset - len(portion),
        mel=portion,
    )


def answer_get_endpoint_info(responder: Responder, call: Call) -> EndpointInfo:
    """Tell what kind of device this is, signed on request."""
    request: GetEndpointInfo = call.request
    is_signed, slot = request.signature_requested, request.slot_id
    require(request.sub_code == EndpointInfoSubCode.DEVICE_CLASS_IDENTIFIER, f"SubCode {request.sub_code:#x}")
    can_sign = ResponderCapabilities.EP_INFO_CAP_SIG in responder.negotiated.responder
    require(can_sign or not is_signed, "a signature was asked for, and endpoint information is not signed")
    key = responder.identity.signing_key(_key_slot(slot), KeyUsage.ENDPOINT_INFO_USE) if is_signed else None
    info = responder.config.endpoint_info.build()
    if key is None:
        return EndpointInfo(version=responder.version, endpoint_info=info)
    size = responder.signer(of_requester=False).algorithm.signature_size
    unsigned = EndpointInfo(
        version=responder.version,
        slot_id=slot,
        nonce=responder.nonce(NONCE_BYTES),
        endpoint_info=info,
        signature=bytes(size),  # the nonce is there only where a signature is
    )
    pieces = responder.transcript.il1il2(unsigned.build()[:-size], context=call.context)
    check = responder.sign(
        key, pieces, _key_slot(slot), what="ENDPOINT_INFO signature", context=SigningContext.RESPONDER_ENDPOINT_INFO
    )
    call.events.append(Checked(check))
    return unsigned.replace(signature=check.signature)
