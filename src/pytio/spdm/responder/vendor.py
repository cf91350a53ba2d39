"""VENDOR_DEFINED_REQUEST, as the responder hands it to whoever registered for it (DSP0274)."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from pytio.errors import DecodeError, ProtocolError
from pytio.spdm.codes import SpdmCode, SpdmErrorCode
from pytio.spdm.events import Dropped
from pytio.spdm.messages.vendor_defined import VendorDefinedRequest, VendorDefinedResponse
from pytio.spdm.refusal import Refusal, require
from pytio.spdm.responder.calls import Call, NotReadyError, VendorHandler
from pytio.spdm.responder.deferral import defer

if TYPE_CHECKING:
    from pytio.spdm.responder.engine import Responder

__all__ = ("VendorKey", "answer_vendor_request", "find_handler")

VendorKey: TypeAlias = tuple[int, bytes, int | None]
"""Standard id, vendor id as on the wire, protocol id; None as protocol id for all that have no handler of their own."""


def find_handler(handlers: dict[VendorKey, VendorHandler], request: VendorDefinedRequest) -> VendorHandler | None:
    """Return who registered for a request: by protocol id, the first byte of the payload, or for the whole vendor."""
    vendor = int(request.standard_id), request.vendor_id
    protocol = request.payload[0] if request.payload else None
    return handlers.get((*vendor, protocol)) or handlers.get((*vendor, None))


def answer_vendor_request(responder: Responder, call: Call) -> VendorDefinedResponse | bytes:
    """Let the handler answer, or stay silent."""
    request: VendorDefinedRequest = call.request
    is_large = bool(request.is_large) and responder.negotiated.has_large_forms
    require(is_large or not request.is_large or not responder.has_large_vendor_form, "a large form not agreed on")
    handler = find_handler(responder.vendor_handlers, request)
    unsupported = int(SpdmCode.VENDOR_DEFINED_REQUEST)
    if handler is None:
        raise Refusal(SpdmErrorCode.UNSUPPORTED_REQUEST, "nobody registered for this vendor", unsupported)
    try:
        payload = handler.handle(request.payload, call.context)
    except NotReadyError as error:
        raise defer(responder, call, error.seconds) from error
    except LookupError as error:
        raise Refusal(SpdmErrorCode.UNSUPPORTED_REQUEST, str(error), unsupported) from error
    except (DecodeError, ProtocolError) as error:
        raise Refusal(SpdmErrorCode.INVALID_REQUEST, type(error).__name__) from error
    if payload is None:
        call.events.append(Dropped("the vendor's protocol is silent"))
        return b""
    return VendorDefinedResponse(
        version=responder.version,
        is_large=is_large,
        standard_id=request.standard_id,
        vendor_id=request.vendor_id,
        payload=payload,
    )
