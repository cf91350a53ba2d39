"""CHUNK_SEND and CHUNK_GET, as the responder answers them: underneath every other exchange (DSP0274)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from pytio.spdm.chunking import ChunkError, Cut, Gathering, ack_room
from pytio.spdm.codes import SpdmCode, SpdmErrorCode
from pytio.spdm.messages.chunk import ChunkGet, ChunkResponse, ChunkSend, ChunkSendAck
from pytio.spdm.refusal import Refusal, require
from pytio.spdm.responder.calls import Call

if TYPE_CHECKING:
    from pytio.spdm.responder.engine import Responder

__all__ = ("Transfers", "answer_chunk_get", "answer_chunk_send")

_CARRIERS = (SpdmCode.CHUNK_SEND, SpdmCode.CHUNK_GET)
_NEVER_IN_CHUNKS = (*_CARRIERS, SpdmCode.GET_VERSION, SpdmCode.GET_CAPABILITIES)
_HANDLES = 256


@attrs.define
class Transfers:
    """The large messages of a connection: one at a time."""

    gathering: Gathering | None = None
    """A large request on its way in."""
    cut: Cut | None = None
    """A large response on its way out."""
    context: int | None = None
    """The session that it is in."""
    handle: int = 0
    """The last handle that was given to a response; the reference implementation counts ends, too."""

    @property
    def is_busy(self) -> bool:
        """Whether a transfer is under way."""
        return self.gathering is not None or self.cut is not None

    def offer(self, response: bytes, context: int | None, room: int, responder: Responder) -> Refusal:
        """Keep a large response; return the ERROR that says so."""
        self.handle = (self.handle + 1) % _HANDLES
        self.cut = Cut(response, self.handle, room, responder.version)
        self.context = context
        return Refusal(SpdmErrorCode.LARGE_RESPONSE, f"{len(response)} bytes in chunks", extended=self.handle)

    def close(self) -> None:
        """Forget the transfer."""
        if self.cut is not None:
            self.handle = (self.handle + 1) % _HANDLES
        self.gathering = self.cut = None


def answer_chunk_send(responder: Responder, call: Call) -> ChunkSendAck | bytes:
    """Take a chunk; after the last one, answer the request that they make."""
    request: ChunkSend = call.request
    transfers = responder.transfers
    require(transfers.cut is None, "a large response is to be fetched first", SpdmErrorCode.UNEXPECTED_REQUEST)
    is_first = transfers.gathering is None
    limits = responder.config.limits
    if is_first:
        transfers.gathering = Gathering(request.handle, limits.max_spdm_msg_size, limits.data_transfer_size)
        transfers.context = call.context
    gathering = transfers.gathering
    assert gathering is not None
    is_here = transfers.context == call.context
    require(is_here, "a large request is on its way somewhere else", SpdmErrorCode.UNEXPECTED_REQUEST)
    try:
        whole = gathering.take(request, len(call.raw))
    except ChunkError as error:
        transfers.close()
        return _early_error(responder, request, str(error))
    if whole is None:
        return _ack(responder, request, b"")
    transfers.close()
    return _answer_whole(responder, call, whole)


def _ack(responder: Responder, request: ChunkSend, inner: bytes, *, is_error: bool = False) -> ChunkSendAck:
    return ChunkSendAck(
        version=responder.version,
        early_error_detected=is_error,
        handle=request.handle,
        chunk_seq_no=request.chunk_seq_no,
        response_to_large_request=inner,
    )


def _early_error(responder: Responder, request: ChunkSend, reason: str) -> ChunkSendAck:
    refusal = Refusal(SpdmErrorCode.INVALID_REQUEST, reason)
    return _ack(responder, request, responder.error_of(refusal, request.code), is_error=True)


def _answer_whole(responder: Responder, call: Call, whole: bytes) -> ChunkSendAck | bytes:
    """Answer a request that came in chunks, inside the last acknowledgement if there is room."""
    if len(whole) > 1 and whole[1] in _NEVER_IN_CHUNKS:
        refusal = Refusal(SpdmErrorCode.INVALID_REQUEST, "a request that never comes in chunks")
        return _ack(responder, call.request, responder.error_of(refusal, whole[1]))
    inner = responder.answer_inner(whole, call)
    room = responder.send_room(call.session)
    if room is None or len(inner) <= ack_room(responder.version, room):
        return _ack(responder, call.request, inner)
    return responder.error_of(responder.too_large(inner, call.session), call.code)


def answer_chunk_get(responder: Responder, call: Call) -> ChunkResponse:
    """Send the next chunk of a large response."""
    request: ChunkGet = call.request
    transfers = responder.transfers
    cut = transfers.cut
    is_pending = cut is not None and transfers.context == call.context
    require(is_pending, "nothing is to be fetched", SpdmErrorCode.UNEXPECTED_REQUEST)
    assert cut is not None
    asked, expected = (request.handle, request.chunk_seq_no), (cut.handle, cut.next_seq_no)
    require(asked == expected, f"handle and chunk {asked} instead of {expected}")
    chunk = cut.next(ChunkResponse)
    if cut.is_done:
        transfers.close()
    return chunk
