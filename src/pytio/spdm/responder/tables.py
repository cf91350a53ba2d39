"""Which handler answers which request."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import attrs

from pytio.spdm.codes import SpdmCode
from pytio.spdm.messages import MESSAGES
from pytio.spdm.messages.base import SpdmMessage
from pytio.spdm.responder import (
    chunks,
    connection,
    deferral,
    encapsulated,
    events,
    handshake,
    identity,
    key_pairs,
    measurements,
    provisioning,
    upkeep,
    vendor,
)
from pytio.spdm.responder.calls import Call

if TYPE_CHECKING:
    from pytio.spdm.responder.engine import Responder

__all__ = ("ANSWERS", "Answer")

_Handle: TypeAlias = "Callable[[Responder, Call], Any]"


@attrs.frozen
class Answer:
    """What answers a request."""

    code: SpdmCode
    handle: _Handle

    @property
    def cls(self) -> type[SpdmMessage]:
        """The request's class."""
        return MESSAGES[self.code]

    def answer(self, responder: Responder, call: Call) -> SpdmMessage | bytes:
        """Return the response, as bytes where it is that of another request. Raises Refusal to have it refused."""
        response: SpdmMessage | bytes = self.handle(responder, call)
        return response


_HANDLERS: Final[Mapping[SpdmCode, _Handle]] = {
    SpdmCode.GET_VERSION: connection.answer_get_version,
    SpdmCode.GET_CAPABILITIES: connection.answer_get_capabilities,
    SpdmCode.NEGOTIATE_ALGORITHMS: connection.answer_negotiate_algorithms,
    SpdmCode.GET_DIGESTS: identity.answer_get_digests,
    SpdmCode.GET_CERTIFICATE: identity.answer_get_certificate,
    SpdmCode.CHALLENGE: identity.answer_challenge,
    SpdmCode.GET_MEASUREMENTS: measurements.answer_get_measurements,
    SpdmCode.GET_MEASUREMENT_EXTENSION_LOG: measurements.answer_get_mel,
    SpdmCode.GET_ENDPOINT_INFO: measurements.answer_get_endpoint_info,
    SpdmCode.KEY_EXCHANGE: handshake.answer_key_exchange,
    SpdmCode.FINISH: handshake.answer_finish,
    SpdmCode.PSK_EXCHANGE: handshake.answer_psk_exchange,
    SpdmCode.PSK_FINISH: handshake.answer_psk_finish,
    SpdmCode.HEARTBEAT: upkeep.answer_heartbeat,
    SpdmCode.KEY_UPDATE: upkeep.answer_key_update,
    SpdmCode.END_SESSION: upkeep.answer_end_session,
    SpdmCode.GET_ENCAPSULATED_REQUEST: encapsulated.answer_get_encapsulated_request,
    SpdmCode.DELIVER_ENCAPSULATED_RESPONSE: encapsulated.answer_deliver_encapsulated_response,
    SpdmCode.CHUNK_SEND: chunks.answer_chunk_send,
    SpdmCode.CHUNK_GET: chunks.answer_chunk_get,
    SpdmCode.RESPOND_IF_READY: deferral.answer_respond_if_ready,
    SpdmCode.GET_CSR: provisioning.answer_get_csr,
    SpdmCode.SET_CERTIFICATE: provisioning.answer_set_certificate,
    SpdmCode.GET_KEY_PAIR_INFO: key_pairs.answer_get_key_pair_info,
    SpdmCode.SET_KEY_PAIR_INFO: key_pairs.answer_set_key_pair_info,
    SpdmCode.GET_SUPPORTED_EVENT_TYPES: events.answer_get_supported_event_types,
    SpdmCode.SUBSCRIBE_EVENT_TYPES: events.answer_subscribe_event_types,
    SpdmCode.SEND_EVENT: events.answer_send_event,
    SpdmCode.VENDOR_DEFINED_REQUEST: vendor.answer_vendor_request,
}

ANSWERS: Final[Mapping[SpdmCode, Answer]] = MappingProxyType(
    {code: Answer(code, handle) for code, handle in _HANDLERS.items()}
)
"""One row for each request that is answered by something else than ERROR."""
