"""CHUNK_SEND and CHUNK_GET, as the requester uses them: underneath every other exchange (DSP0274)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytio.errors import LocalProtocolError, RemoteProtocolError
from pytio.spdm.capabilities import ResponderCapabilities
from pytio.spdm.chunking import ChunkError, Cut, Gathering
from pytio.spdm.codes import SpdmCode
from pytio.spdm.events import Event
from pytio.spdm.messages.chunk import ChunkGet, ChunkResponse, ChunkSend, ChunkSendAck
from pytio.spdm.messages.error import Error

if TYPE_CHECKING:
    from pytio.spdm.requester.engine import Requester
    from pytio.spdm.requester.exchange import Exchange

__all__ = ("begin_get", "cut", "take_ack", "take_part")

_NEVER_IN_CHUNKS = (SpdmCode.GET_VERSION, SpdmCode.GET_CAPABILITIES)


def cut(requester: Requester, exchange: Exchange) -> Cut | None:
    """Return a request that is too large for one message as a transfer, None for any other.

    Raises LocalProtocolError if the responder does not take it at all.
    """
    room, size = requester.request_room(exchange.session), len(exchange.raw)
    if room is None or size <= room or exchange.code in _NEVER_IN_CHUNKS:
        return None
    _, response = requester.capabilities_exchange
    most = response.max_spdm_msg_size or 0
    can_chunk = requester.can_gather and ResponderCapabilities.CHUNK_CAP in response.flags
    if not can_chunk or size > most:
        raise LocalProtocolError(requester.state, exchange.code, f"{size} bytes, the responder takes {room} or {most}")
    try:
        return Cut(exchange.raw, requester.next_handle(), room, requester.version)
    except ChunkError as error:
        raise LocalProtocolError(requester.state, exchange.code, str(error)) from error


def take_ack(requester: Requester, exchange: Exchange, message: bytes, now: float) -> list[Event]:
    """Send the next chunk; after the last one, take the response that the acknowledgement carries."""
    transfer = exchange.cut
    if transfer is None:
        raise RemoteProtocolError(exchange.code, SpdmCode.CHUNK_SEND_ACK, "nothing was sent in chunks")
    ack = ChunkSendAck.parse(message)
    if (ack.handle, ack.chunk_seq_no) != (transfer.handle, transfer.next_seq_no - 1):
        raise RemoteProtocolError(exchange.code, ack.code, f"of handle {ack.handle}, chunk {ack.chunk_seq_no}")
    inner = ack.response_to_large_request
    if ack.early_error_detected:
        exchange.cut = None
        error, size = Error.parse_prefix(inner)
        return requester.take_error(exchange, error, inner[:size], now)
    if transfer.is_done:
        exchange.cut = None
        if inner[1:2] == bytes([SpdmCode.CHUNK_SEND_ACK]):
            raise RemoteProtocolError(exchange.code, ack.code, "a carrier inside a carrier")
        return requester.take(exchange, inner, now)
    requester.transmit(transfer.next(ChunkSend).build(), exchange.session, now)
    return []


def begin_get(requester: Requester, exchange: Exchange, error: Error, raw: bytes, now: float) -> list[Event]:
    """Ask for the first chunk of a large response."""
    handle = error.extended_error_data
    if not requester.can_gather or not isinstance(handle, int) or exchange.gathering is not None:
        raise RemoteProtocolError(exchange.code, error.error_code)
    limits = requester.config.limits
    exchange.cut = None
    exchange.gathering = Gathering(handle, max(limits.max_spdm_msg_size, limits.data_transfer_size))
    exchange.gathering.room = limits.data_transfer_size
    exchange.gathering.least = 0  # what fits into a message need not fit into CHUNK_SEND_ACK
    _ask(requester, exchange, now)
    return []


def _ask(requester: Requester, exchange: Exchange, now: float) -> None:
    gathering = exchange.gathering
    assert gathering is not None
    get = ChunkGet(version=requester.version, handle=gathering.handle, chunk_seq_no=gathering.next_seq_no)
    requester.transmit(get.build(), exchange.session, now)


def take_part(requester: Requester, exchange: Exchange, message: bytes, now: float) -> list[Event]:
    """Ask for the next chunk; after the last one, take the response that they make."""
    gathering = exchange.gathering
    if gathering is None:
        raise RemoteProtocolError(exchange.code, SpdmCode.CHUNK_RESPONSE, "nothing was to come in chunks")
    chunk, size = ChunkResponse.parse_prefix(message)
    try:
        whole = gathering.take(chunk, size)
    except ChunkError as error:
        raise RemoteProtocolError(exchange.code, chunk.code, str(error)) from error
    if whole is None:
        _ask(requester, exchange, now)
        return []
    exchange.gathering = None
    if whole[1:2] == bytes([SpdmCode.CHUNK_RESPONSE]):
        raise RemoteProtocolError(exchange.code, chunk.code, "a carrier inside a carrier")
    return requester.take(exchange, whole, now)
