"""How requesters lie about what was put off, and in chunks (DSP0274)."""

from __future__ import annotations

from collections.abc import Callable

import attrs

from pytio.spdm.codes import SpdmCode, SpdmErrorCode, SpdmVersion
from pytio.spdm.messages.error import Error
from pytio.spdm.requests import ReadCertificate
from pytio.spdm.session import Side
from pytio.spdm.state import ConnectionState
from tests.spdm.lies.telling import in_clear, lie, refused
from tests.spdm.pair import Pair
from tests.spdm.test_engine_flows import FIRST, narrow_pair
from tests.spdm.test_engine_sessions import both, ready, started

E = SpdmErrorCode
V1_2 = SpdmVersion.V1_2


def deferring(two_of: Callable[[], Pair] = ready) -> tuple[Pair, Error]:
    """Return two endpoints one of which was answered ResponseNotReady, outside any session."""
    two = two_of()
    two.responder.config = attrs.evolve(two.responder.config, deferred_s={SpdmCode.GET_DIGESTS: 1})
    error = Error.parse(in_clear(two, "12810000"))
    assert error.error_code == E.RESPONSE_NOT_READY
    two.now += 2
    return two, error


@lie
def ready_by_another_token() -> None:
    two, error = deferring()
    token = error.extended_error_data.token  # type: ignore[union-attr]
    refused(two, bytes.fromhex("12ff81") + bytes([token ^ 1]), E.INVALID_REQUEST)


@lie
def ready_in_clear_for_what_was_asked_in_a_session() -> None:
    two = ready()
    number = started(two)
    mine, _ = both(two, number)
    two.responder.config = attrs.evolve(two.responder.config, deferred_s={SpdmCode.GET_MEASUREMENTS: 1})
    asked = mine.seal(Side.REQUEST, bytes.fromhex("12e000ff"), two.requester.provider)
    two.responder.receive(asked, now=two.now, is_secured=True)
    record = two.responder.bytes_to_send()
    assert record is not None
    error = Error.parse(mine.rules.framing.unwrap(mine.open(Side.RESPONSE, record)))
    two.now += 2
    token = error.extended_error_data.token  # type: ignore[union-attr]
    refused(two, bytes.fromhex("12ffe0") + bytes([token]), E.UNEXPECTED_REQUEST)


@lie
def something_else_than_the_next_chunk() -> None:
    two = narrow_pair(V1_2, 60)
    assert Error.parse(in_clear(two, "12810000")).error_code == E.LARGE_RESPONSE
    refused(two, "12810000", E.UNEXPECTED_REQUEST)


@lie
def a_chunk_out_of_turn() -> None:
    two = narrow_pair(V1_2, 60)
    assert Error.parse(in_clear(two, "12810000")).extended_error_data == 1
    for wrong in ("128600020000", "128600010100"):
        refused(two, wrong, E.INVALID_REQUEST)
    assert in_clear(two, "128600010000")[1] == SpdmCode.CHUNK_RESPONSE


@lie
def chunks_in_clear_of_what_was_asked_in_a_session() -> None:
    two = narrow_pair(V1_2, 60)
    two.run(ReadCertificate())
    number = started(two)
    mine, _ = both(two, number)
    asked = mine.seal(Side.REQUEST, bytes.fromhex("12e000ff"), two.requester.provider)
    two.responder.receive(asked, now=two.now, is_secured=True)
    record = two.responder.bytes_to_send()
    assert record is not None
    handle = Error.parse(mine.rules.framing.unwrap(mine.open(Side.RESPONSE, record))).extended_error_data
    assert isinstance(handle, int)
    refused(two, bytes([0x12, 0x86, 0, handle, 0, 0]), E.UNEXPECTED_REQUEST)


@lie
def a_large_request_while_a_large_response_waits() -> None:
    two = narrow_pair(V1_2, 60)
    assert Error.parse(in_clear(two, "12810000")).error_code == E.LARGE_RESPONSE
    refused(two, FIRST, E.UNEXPECTED_REQUEST)


@lie
def a_large_request_that_goes_on_somewhere_else() -> None:
    two = narrow_pair(V1_2, 60)
    two.run(ReadCertificate())
    number = started(two)
    assert in_clear(two, FIRST)[1] == SpdmCode.CHUNK_SEND_ACK
    refused(two, "12850000 0100 0000 1e000000" + 30 * "aa", E.UNEXPECTED_REQUEST, number)


def in_chunks(two: Pair, whole: bytes, at: int = 26) -> bytes:
    """Send a request in two chunks; return what the last acknowledgement carries."""
    first = bytes.fromhex("1285000000000000") + at.to_bytes(4, "little") + len(whole).to_bytes(4, "little")
    in_clear(two, first + whole[:at])
    rest = whole[at:]
    last = in_clear(two, bytes.fromhex("1285010001000000") + len(rest).to_bytes(4, "little") + rest)
    assert last[1] == SpdmCode.CHUNK_SEND_ACK
    return last[6:]


@lie
def a_new_connection_in_chunks() -> None:
    two = narrow_pair(V1_2, 60)
    inner = in_chunks(two, bytes.fromhex("10840000") + bytes(40))
    assert Error.parse_prefix(inner)[0].error_code == E.INVALID_REQUEST
    assert two.responder.state is ConnectionState.NEGOTIATED


@lie
def a_chunk_larger_than_the_responder_takes() -> None:
    two = narrow_pair(V1_2, 60)
    answer = in_clear(two, "12850000 0000 0000 30000000 64000000" + 48 * "aa")
    assert answer[2] & 1, "no early error"


@lie
def a_chunk_that_skips_one() -> None:
    two = narrow_pair(V1_2, 60)
    in_clear(two, FIRST)
    answer = in_clear(two, "12850000 0200 0000 1e000000" + 30 * "aa")
    assert answer[2] & 1, "no early error"


@lie
def a_large_request_of_two_gigabytes() -> None:
    two = narrow_pair(V1_2, 60)
    answer = in_clear(two, "12850000 0000 0000 1a000000 ffffff7f" + 26 * "aa")
    assert answer[2] & 1, "no early error"
