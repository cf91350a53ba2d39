"""GET_MEASUREMENTS, the measurement extension log and endpoint information, as the requester asks (DSP0274)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pytio.errors import LocalProtocolError
from pytio.spdm import algorithms
from pytio.spdm.codes import (
    NONCE_BYTES,
    RAW_PUBLIC_KEY_SLOT,
    RAW_PUBLIC_KEY_SLOT_NIBBLE,
    MeasurementIndex,
    SpdmVersion,
)
from pytio.spdm.events import Checked, EndpointInfoRead, Event, Measured, MeasurementLogRead, MessageReceived
from pytio.spdm.messages.endpoint_info import EndpointInfo, GetEndpointInfo
from pytio.spdm.messages.measurement_log import GetMeasurementExtensionLog, MeasurementExtensionLog
from pytio.spdm.messages.measurements import DmtfMeasurement, GetMeasurements, Measurements, SlotIdParam
from pytio.spdm.peer_identity import ChainReading
from pytio.spdm.requests import Measure, ReadEndpointInfo, ReadMeasurementLog
from pytio.spdm.signing import SigningContext

if TYPE_CHECKING:
    from pytio.spdm.requester.engine import Requester
    from pytio.spdm.requester.exchange import Answer

__all__ = (
    "build_get_endpoint_info",
    "build_get_measurements",
    "build_get_mel",
    "take_endpoint_info",
    "take_measurements",
    "take_mel",
)

_MEL_HEADER_BYTES: Final = 12
_MAX_MEL_BYTES: Final = 0xFFFFFFFF


def _key_slot(slot: int) -> int:
    """Return the slot of four bits as it is in a whole byte."""
    return RAW_PUBLIC_KEY_SLOT if slot == RAW_PUBLIC_KEY_SLOT_NIBBLE else slot


def build_get_measurements(requester: Requester, intent: Measure) -> GetMeasurements:
    """Ask for measurements."""
    is_signed, version = intent.slot is not None, requester.version
    if intent.slot is not None and not requester.knows_key_of(_key_slot(intent.slot)):
        raise LocalProtocolError(requester.state, intent, "the key of the slot is not known; read its chain first")
    has_slot = is_signed and version >= SpdmVersion.V1_1
    return GetMeasurements(
        version=version,
        signature_requested=is_signed,
        raw_bit_stream_requested=intent.is_raw and version >= SpdmVersion.V1_2,
        new_measurement_requested=intent.is_new and version >= SpdmVersion.V1_3,
        measurement_operation=intent.index,
        nonce=requester.nonce(NONCE_BYTES) if is_signed else None,
        slot_id_param=SlotIdParam(slot_id=intent.slot or 0) if has_slot else None,
        requester_context=requester.new_context(),
    )


def take_measurements(requester: Requester, answer: Answer) -> list[Event]:
    """Check blocks and signature."""
    message: Measurements = answer.message
    request: GetMeasurements = answer.request
    operation, blocks = request.measurement_operation, message.measurement_record
    is_count = operation == MeasurementIndex.TOTAL_NUMBER
    answer.require(not is_count or not blocks, "blocks where only their number was asked for")
    if operation not in (MeasurementIndex.TOTAL_NUMBER, MeasurementIndex.ALL):
        indices = [block.index for block in blocks]
        answer.require(indices == [operation], f"blocks {indices} instead of {operation}")
    answer.require(len({block.index for block in blocks}) == len(blocks), "an index twice")
    answer.require(message.requester_context == request.requester_context, "another RequesterContext")
    _check_digests(requester, answer)
    checked: list[Event] = []
    if request.signature_requested:
        checked = [_check_signature(requester, answer)]
    count = message.total_number_of_measurements if is_count else None
    return [*checked, Measured(message, request.signature_requested, count, answer.context)]


def _check_digests(requester: Requester, answer: Answer) -> None:
    """Check that every digest is as long as the measurement hash."""
    size = algorithms.measurement_digest_size(requester.negotiated.measurement_hash)
    for block in answer.message.measurement_record:
        value = block.measurement
        if not isinstance(value, DmtfMeasurement) or value.is_raw_bit_stream:
            continue
        answer.require(value.value_size == size, f"a digest of {value.value_size} bytes at index {block.index}")


def _check_signature(requester: Requester, answer: Answer) -> Checked:
    message, request = answer.message, answer.request
    slot = request.slot_id_param.slot_id if request.slot_id_param is not None else 0
    has_slot = requester.version >= SpdmVersion.V1_1
    answer.require(not has_slot or message.slot_id == slot, f"slot {message.slot_id} instead of {slot}")
    pieces = requester.transcript.l1l2(answer.unsigned(message.signature), context=answer.context)
    return Checked(
        requester.verify(
            answer,
            pieces,
            _key_slot(slot),
            what="MEASUREMENTS signature",
            context=SigningContext.RESPONDER_MEASUREMENTS,
        )
    )


def _log_portion(requester: Requester, offset: int) -> GetMeasurementExtensionLog:
    agreed = requester.negotiated
    size = agreed.message_size(to_requester=True) if agreed.can_chunk else agreed.transfer_size(to_requester=True)
    return GetMeasurementExtensionLog(
        version=requester.version, offset=offset, length=(size or _MAX_MEL_BYTES) - _MEL_HEADER_BYTES
    )


def build_get_mel(requester: Requester, intent: ReadMeasurementLog) -> GetMeasurementExtensionLog:
    """Ask for the first part of the log."""
    return _log_portion(requester, 0)


def take_mel(requester: Requester, answer: Answer) -> list[Event]:
    """Add a part to the log."""
    message: MeasurementExtensionLog = answer.message
    answer.require(len(message.mel) <= answer.request.length, "more than was asked for")
    if not isinstance(answer.exchange.intent, ReadMeasurementLog):
        return [MessageReceived(answer.raw, answer.context)]
    reading: ChainReading = answer.exchange.memory or ChainReading(slot=0)
    if message.mel or message.remainder_length:
        objection = reading.take(message.mel, message.remainder_length)
        answer.require(not objection, objection)
    if message.remainder_length:
        requester.follow(answer, _log_portion(requester, len(reading.data)), memory=reading)
        return []
    return [MeasurementLogRead(bytes(reading.data), answer.context)]


def build_get_endpoint_info(requester: Requester, intent: ReadEndpointInfo) -> GetEndpointInfo:
    """Ask for endpoint information."""
    is_signed = intent.slot is not None
    if intent.slot is not None and not requester.knows_key_of(_key_slot(intent.slot)):
        raise LocalProtocolError(requester.state, intent, "the key of the slot is not known; read its chain first")
    return GetEndpointInfo(
        version=requester.version,
        sub_code=intent.sub_code,
        slot_id=intent.slot or 0,
        signature_requested=is_signed,
        nonce=requester.nonce(NONCE_BYTES) if is_signed else None,
    )


def take_endpoint_info(requester: Requester, answer: Answer) -> list[Event]:
    """Check the signature, if one was asked for."""
    message: EndpointInfo = answer.message
    request: GetEndpointInfo = answer.request
    is_signed = request.signature_requested
    if not is_signed:
        return [EndpointInfoRead(message, is_signed, answer.context)]
    answer.require(message.slot_id == request.slot_id, f"slot {message.slot_id} instead of {request.slot_id}")
    pieces = requester.transcript.il1il2(answer.unsigned(message.signature), context=answer.context)
    check = requester.verify(
        answer,
        pieces,
        _key_slot(request.slot_id),
        what="ENDPOINT_INFO signature",
        context=SigningContext.RESPONDER_ENDPOINT_INFO,
    )
    return [Checked(check), EndpointInfoRead(message, is_signed, answer.context)]
