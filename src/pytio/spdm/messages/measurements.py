"""GET_MEASUREMENTS and MEASUREMENTS: what a device runs and how it is configured.

Document: DSP0274, "GET_MEASUREMENTS request and MEASUREMENTS response messages", and the DMTF measurement
specification format of the same document.
"""

from __future__ import annotations

from pytio.spdm.algorithms import MeasurementSpecification
from pytio.spdm.codes import (
    NONCE_BYTES,
    RAW_BIT_STREAM,
    REQUESTER_CONTEXT_BYTES,
    DeviceModes,
    MeasurementContentChanged,
    MeasurementIndex,
    MeasurementValueType,
    OperationalModes,
    SpdmCode,
    SpdmVersion,
)
from pytio.spdm.messages.base import CODE, VERSION, SpdmMessage, SpdmStruct
from pytio.wire import (
    AUTO,
    REST,
    U16,
    U24,
    U32,
    U64,
    Array,
    Bit,
    Bits,
    Byte,
    Bytes,
    Flags,
    Nested,
    Sized,
    Switch,
    Within,
    fixed,
    message,
    this,
    wire,
)

__all__ = ("DeviceMode", "DmtfMeasurement", "GetMeasurements", "MeasurementBlock", "Measurements", "SlotIdParam")


@message
class SlotIdParam(SpdmStruct):
    """SlotIDParam: the slot whose key shall sign; 0xF is the public key that was provisioned out of band."""

    slot_id: int = wire(Bits(4), default=0)
    reserved: int = wire(Bits(4), default=0)


@message
class GetMeasurements(SpdmMessage):
    """GET_MEASUREMENTS: ask for the measurement of one index (DSP0274, GET_MEASUREMENTS).

    `MeasurementIndex` names the operations that ask for their number and for all of them.
    """

    version: SpdmVersion = wire(VERSION)
    code: SpdmCode = fixed(CODE, SpdmCode.GET_MEASUREMENTS)
    signature_requested: bool = wire(Bit, default=False)
    raw_bit_stream_requested: bool = wire(Bit, default=False)
    """From 1.2."""
    new_measurement_requested: bool = wire(Bit, default=False)
    """From 1.3."""
    reserved_param1: int = wire(Bits(5), default=0)
    measurement_operation: int = wire(Byte, default=MeasurementIndex.ALL)
    nonce: bytes | None = wire(Bytes(NONCE_BYTES), when=this.signature_requested, default=None)
    slot_id_param: SlotIdParam | None = wire(
        Nested(SlotIdParam),
        when=(this.version >= SpdmVersion.V1_1) & this.signature_requested,
        default=SlotIdParam(slot_id=0),
    )
    requester_context: bytes | None = wire(
        Bytes(REQUESTER_CONTEXT_BYTES),
        when=this.version >= SpdmVersion.V1_3,
        default=bytes(REQUESTER_CONTEXT_BYTES),
    )


@message
class DeviceMode(SpdmStruct):
    """Device mode, the value of a measurement: what it can be set to, and what it is set to."""

    operational_mode_capabilities: OperationalModes = wire(Flags(U32, OperationalModes), default=OperationalModes(0))
    operational_mode_state: OperationalModes = wire(Flags(U32, OperationalModes), default=OperationalModes(0))
    device_mode_capabilities: DeviceModes = wire(Flags(U32, DeviceModes), default=DeviceModes(0))
    device_mode_state: DeviceModes = wire(Flags(U32, DeviceModes), default=DeviceModes(0))


@message
class DmtfMeasurement(SpdmStruct):
    """A measurement in the form that DMTF specifies: its type and its value, raw or hashed.

    A raw device mode is a `DeviceMode`, a raw secure version number an integer, every other value bytes.
    """

    value_type: MeasurementValueType = wire(Bits(7, MeasurementValueType))
    is_raw_bit_stream: bool = wire(Bit, default=False)
    value_size: int = wire(U16, default=AUTO)
    value: bytes | int | DeviceMode = wire(
        Within(
            this.value_size,
            Switch(
                this.value_type + this.is_raw_bit_stream * RAW_BIT_STREAM,
                {
                    MeasurementValueType.DEVICE_MODE | RAW_BIT_STREAM: Nested(DeviceMode),
                    MeasurementValueType.SECURE_VERSION_NUMBER | RAW_BIT_STREAM: U64,
                },
                default=Bytes(REST),
            ),
        )
    )


@message
class MeasurementBlock(SpdmStruct):
    """Measurement block: an index, from 1 to 0xFE, and a measurement in the form that its specification says."""

    index: int = wire(Byte)
    measurement_specification: MeasurementSpecification = wire(
        Flags(Byte, MeasurementSpecification), default=MeasurementSpecification.DMTF
    )
    measurement_size: int = wire(U16, default=AUTO)
    measurement: DmtfMeasurement | bytes = wire(
        Within(
            this.measurement_size,
            Switch(
                this.measurement_specification,
                {MeasurementSpecification.DMTF: Nested(DmtfMeasurement)},
                default=Bytes(REST),
            ),
        )
    )


@message
class Measurements(SpdmMessage):
    """MEASUREMENTS: measurement blocks, signed on request (DSP0274, MEASUREMENTS).

    Where the operation was to count, the first parameter is the number, and there is no block. The nonce, the
    responder's own, is always there.
    """

    version: SpdmVersion = wire(VERSION)
    code: SpdmCode = fixed(CODE, SpdmCode.MEASUREMENTS)
    total_number_of_measurements: int = wire(Byte, default=0)
    slot_id: int = wire(Bits(4), default=0)
    content_changed: MeasurementContentChanged = wire(
        Bits(2, MeasurementContentChanged), default=MeasurementContentChanged.NOT_DETECTED
    )
    """From 1.2, where the response is signed."""
    reserved_param2: int = wire(Bits(2), default=0)
    number_of_blocks: int = wire(Byte, default=AUTO)
    measurement_record_length: int = wire(U24, default=AUTO)
    measurement_record: tuple[MeasurementBlock, ...] = wire(
        Within(this.measurement_record_length, Array(this.number_of_blocks, Nested(MeasurementBlock))), default=()
    )
    nonce: bytes = wire(Bytes(NONCE_BYTES))
    opaque_data_length: int = wire(U16, default=AUTO)
    opaque_data: bytes = wire(Bytes(this.opaque_data_length), default=b"")
    requester_context: bytes | None = wire(
        Bytes(REQUESTER_CONTEXT_BYTES),
        when=this.version >= SpdmVersion.V1_3,
        default=bytes(REQUESTER_CONTEXT_BYTES),
    )
    signature: bytes = wire(Sized("signature"), default=b"")
