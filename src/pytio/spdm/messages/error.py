"""ERROR: what a responder answers when it cannot, or not yet.

Document: DSP0274, "ERROR response message".
"""

from __future__ import annotations

from pytio.spdm.codes import SpdmCode, SpdmErrorCode, SpdmVersion
from pytio.spdm.messages.base import CODE, VERSION, SpdmMessage, SpdmStruct
from pytio.wire import AUTO, REST, U32, Byte, Bytes, Nested, OpenCode, Switch, fixed, message, this, wire

__all__ = ("Error", "ResponseNotReady", "VendorDefinedError")


@message
class ResponseNotReady(SpdmStruct):
    """Extended data of RESPONSE_NOT_READY: when to ask again, and for what.

    The requester waits 2^RDTExponent microseconds, sends RESPOND_IF_READY, and gives up after RDTM times that.
    """

    rdt_exponent: int = wire(Byte)
    request_code: SpdmCode = wire(CODE)
    token: int = wire(Byte)
    rdtm: int = wire(Byte)


@message
class VendorDefinedError(SpdmStruct):
    """Extended data of VENDOR_DEFINED: the vendor, in the registry that the error data names, and what it says."""

    vendor_id_length: int = wire(Byte, default=AUTO)
    vendor_id: bytes = wire(Bytes(this.vendor_id_length), default=b"")
    opaque_error_data: bytes = wire(Bytes(REST), default=b"")


_WITHOUT_DATA = (
    SpdmErrorCode.INVALID_REQUEST,
    SpdmErrorCode.INVALID_SESSION,
    SpdmErrorCode.BUSY,
    SpdmErrorCode.UNEXPECTED_REQUEST,
    SpdmErrorCode.UNSPECIFIED,
    SpdmErrorCode.DECRYPT_ERROR,
    SpdmErrorCode.UNSUPPORTED_REQUEST,
    SpdmErrorCode.REQUEST_IN_FLIGHT,
    SpdmErrorCode.INVALID_RESPONSE_CODE,
    SpdmErrorCode.SESSION_LIMIT_EXCEEDED,
    SpdmErrorCode.SESSION_REQUIRED,
    SpdmErrorCode.RESET_REQUIRED,
    SpdmErrorCode.REQUEST_TOO_LARGE,
    SpdmErrorCode.MESSAGE_LOST,
    SpdmErrorCode.INVALID_POLICY,
    SpdmErrorCode.VERSION_MISMATCH,
    SpdmErrorCode.REQUEST_RESYNCH,
    SpdmErrorCode.OPERATION_FAILED,
    SpdmErrorCode.NO_PENDING_REQUESTS,
    SpdmErrorCode.REQUEST_SESSION_TERMINATED,
    SpdmErrorCode.INVALID_STATE,
)


@message
class Error(SpdmMessage):
    """ERROR: a request cannot be answered, or not now (DSP0274, ERROR).

    Extended data are there for some codes: the size of a response that is too large, the handle of a large response,
    the length of a certificate chain, `ResponseNotReady`, `VendorDefinedError`. Of codes without a name they are all
    that follows.
    """

    version: SpdmVersion = wire(VERSION)
    code: SpdmCode = fixed(CODE, SpdmCode.ERROR)
    error_code: SpdmErrorCode = wire(OpenCode(Byte, SpdmErrorCode))
    error_data: int = wire(Byte, default=0)
    extended_error_data: bytes | int | ResponseNotReady | VendorDefinedError = wire(
        Switch(
            this.error_code,
            {
                **dict.fromkeys(_WITHOUT_DATA, Bytes(0)),
                SpdmErrorCode.RESPONSE_TOO_LARGE: U32,
                SpdmErrorCode.LARGE_RESPONSE: Byte,
                SpdmErrorCode.DATA_TOO_LARGE: U32,
                SpdmErrorCode.RESPONSE_NOT_READY: Nested(ResponseNotReady),
                SpdmErrorCode.VENDOR_DEFINED: Nested(VendorDefinedError),
            },
            default=Bytes(REST),
        ),
        default=b"",
    )
