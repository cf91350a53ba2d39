"""Large messages in chunks: what completes them, and what breaks them."""

from __future__ import annotations

import pytest

from pytio.capture.reassembly import ChunkTransfer, LostChunkError
from pytio.spdm.codes import SpdmVersion
from pytio.spdm.messages.chunk import ChunkResponse, ChunkSend

MESSAGE = bytes(range(100))


def chunks(handle: int = 1, size: int = 30, message: bytes = MESSAGE) -> list[ChunkSend]:
    """Return the chunks of a message."""
    starts = range(0, len(message), size)
    return [
        ChunkSend(
            version=SpdmVersion.V1_2,
            handle=handle,
            chunk_seq_no=number,
            last_chunk=number == len(starts) - 1,
            large_message_size=None if number else len(message),
            spdm_chunk=message[start : start + size],
        )
        for number, start in enumerate(starts)
    ]


def test_the_last_chunk_completes_the_message() -> None:
    transfer = ChunkTransfer()
    *first, last = chunks()
    assert [transfer.take(chunk) for chunk in first] == [None, None, None]
    assert transfer.take(last) == MESSAGE
    assert transfer == ChunkTransfer()


def test_one_chunk_may_be_all() -> None:
    assert ChunkTransfer().take(chunks(size=100)[0]) == MESSAGE


def test_responses_are_no_different() -> None:
    transfer = ChunkTransfer()
    wholes = [
        transfer.take(
            ChunkResponse(
                version=SpdmVersion.V1_4,
                handle=chunk.handle,
                chunk_seq_no=chunk.chunk_seq_no,
                last_chunk=chunk.last_chunk,
                large_message_size=chunk.large_message_size,
                spdm_chunk=chunk.spdm_chunk,
            )
        )
        for chunk in chunks()
    ]
    assert wholes == [None, None, None, MESSAGE]


def test_a_first_chunk_starts_over() -> None:
    transfer = ChunkTransfer()
    for chunk in chunks()[:2]:
        transfer.take(chunk)
    assert [transfer.take(chunk) for chunk in chunks(handle=2)][-1] == MESSAGE


@pytest.mark.parametrize("lost", [0, 1, 2])
def test_a_lost_chunk_breaks_the_message_and_not_the_next_one(lost: int) -> None:
    transfer = ChunkTransfer()
    left = chunks()
    del left[lost]
    with pytest.raises(LostChunkError, match="was expected"):
        _ = [transfer.take(chunk) for chunk in left]
    assert transfer == ChunkTransfer()
    assert [transfer.take(chunk) for chunk in chunks()][-1] == MESSAGE


def test_a_chunk_of_nothing() -> None:
    with pytest.raises(LostChunkError, match="handle 1, chunk 3 where no transfer was expected"):
        ChunkTransfer().take(chunks()[3])


def test_a_chunk_of_another_message() -> None:
    transfer = ChunkTransfer()
    transfer.take(chunks()[0])
    with pytest.raises(LostChunkError, match="handle 2, chunk 1 where handle 1, chunk 1 was expected"):
        transfer.take(chunks(handle=2)[1])


def test_chunks_that_hold_too_little() -> None:
    transfer = ChunkTransfer()
    first, *_, last = chunks()
    transfer.take(first)
    with pytest.raises(LostChunkError, match="the chunks hold 40 bytes of a message of 100"):
        transfer.take(last.replace(chunk_seq_no=1))


def test_chunks_that_hold_too_much_end_at_once() -> None:
    transfer = ChunkTransfer()
    first, second, *_ = chunks()
    transfer.take(first.replace(large_message_size=59))
    with pytest.raises(LostChunkError, match="the chunks hold 60 bytes of a message of 59"):
        transfer.take(second)
    assert transfer == ChunkTransfer()


def test_a_first_chunk_without_a_size() -> None:
    with pytest.raises(LostChunkError, match="of a message of 0"):
        ChunkTransfer().take(chunks()[0].replace(large_message_size=None))
