"""VENDOR_DEFINED_REQUEST, as the requester sends it (DSP0274)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytio.spdm.events import Event, VendorResponseReceived
from pytio.spdm.messages.vendor_defined import VendorDefinedRequest, VendorDefinedResponse
from pytio.spdm.requests import VendorRequest

if TYPE_CHECKING:
    from pytio.spdm.requester.engine import Requester
    from pytio.spdm.requester.exchange import Answer

__all__ = ("build_vendor_request", "take_vendor_response")


def build_vendor_request(requester: Requester, intent: VendorRequest) -> VendorDefinedRequest:
    """Wrap a vendor's payload, in the large form where both sides have it."""
    return VendorDefinedRequest(
        version=requester.version,
        is_large=requester.negotiated.has_large_forms,
        standard_id=intent.standard_id,
        vendor_id=intent.vendor_id,
        payload=intent.payload,
    )


def take_vendor_response(requester: Requester, answer: Answer) -> list[Event]:
    """Check that the same vendor answers."""
    message: VendorDefinedResponse = answer.message
    request: VendorDefinedRequest = answer.request
    same = (message.standard_id, message.vendor_id) == (request.standard_id, request.vendor_id)
    answer.require(same, "another vendor answers")
    answer.require(message.is_large == request.is_large, "the other form of lengths")
    return [VendorResponseReceived(message, answer.context)]
