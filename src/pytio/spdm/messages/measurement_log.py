"""GET_MEASUREMENT_EXTENSION_LOG and MEASUREMENT_EXTENSION_LOG: what was hashed into measurements (from 1.3).

Document: DSP0274, "GET_MEASUREMENT_EXTENSION_LOG request and MEASUREMENT_EXTENSION_LOG response messages", and the
DMTF measurement extension log format of the same document.
"""

from __future__ import annotations

from pytio.spdm.codes import SpdmCode, SpdmVersion
from pytio.spdm.messages.base import CODE, VERSION, SpdmMessage, SpdmStruct
from pytio.spdm.messages.measurements import DmtfMeasurement
from pytio.wire import (
    AUTO,
    U32,
    U64,
    Array,
    Byte,
    Bytes,
    Nested,
    Within,
    fixed,
    message,
    this,
    wire,
)

__all__ = (
    "DmtfMeasurementExtensionLog",
    "GetMeasurementExtensionLog",
    "MeasurementExtensionLog",
    "MeasurementExtensionLogEntry",
)


@message
class GetMeasurementExtensionLog(SpdmMessage):
    """GET_MEASUREMENT_EXTENSION_LOG: ask for a part of the log, in bytes (DSP0274, GET_MEASUREMENT_EXTENSION_LOG)."""

    version: SpdmVersion = wire(VERSION)
    code: SpdmCode = fixed(CODE, SpdmCode.GET_MEASUREMENT_EXTENSION_LOG)
    reserved_param1: int = wire(Byte, default=0)
    reserved_param2: int = wire(Byte, default=0)
    offset: int = wire(U32, default=0)
    length: int = wire(U32)


@message
class MeasurementExtensionLog(SpdmMessage):
    """MEASUREMENT_EXTENSION_LOG: a part of the log (DSP0274, MEASUREMENT_EXTENSION_LOG)."""

    # SPDM_U9: whether 1.4 has a large form of this message is open; here it has none.
    version: SpdmVersion = wire(VERSION)
    code: SpdmCode = fixed(CODE, SpdmCode.MEASUREMENT_EXTENSION_LOG)
    reserved_param1: int = wire(Byte, default=0)
    reserved_param2: int = wire(Byte, default=0)
    portion_length: int = wire(U32, default=AUTO)
    remainder_length: int = wire(U32, default=0)
    mel: bytes = wire(Bytes(this.portion_length), default=b"")


@message
class MeasurementExtensionLogEntry(SpdmStruct):
    """MEL entry: one measurement, and the index of the measurement that it was hashed into."""

    mel_index: int = wire(U32)
    measurement_index: int = wire(Byte)
    reserved: bytes = wire(Bytes(3), default=bytes(3))
    measurement: DmtfMeasurement = wire(Nested(DmtfMeasurement))


@message
class DmtfMeasurementExtensionLog(SpdmStruct):
    """The whole log in the form that DMTF specifies: what all parts make together."""

    number_of_entries: int = wire(U32, default=AUTO)
    mel_entries_length: int = wire(U32, default=AUTO)
    reserved: int = wire(U64, default=0)
    mel_entries: tuple[MeasurementExtensionLogEntry, ...] = wire(
        Within(this.mel_entries_length, Array(this.number_of_entries, Nested(MeasurementExtensionLogEntry))),
        default=(),
    )
