"""Requests and completions of one port: what a read or a write is as TLPs, and how the answers come back together.

Document: PCIe Base 6.x, 2.2.5 "First/Last DW Byte Enables", 2.2.7 "Memory, I/O and Configuration Request Rules", 2.3.1
"Request Handling Rules" and 2.3.2 "Completion Handling Rules". Both ends use it: a root port for MMIO and configuration
space, a device for DMA. Requests are split at 4 KiB and at their largest sizes, and so are completions.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import attrs

from pytio import ide
from pytio.errors import LocalProtocolError
from pytio.ide.codes import BYTES_PER_DW
from pytio.ide.header import MemoryRequest32, MemoryRequest64
from pytio.ids import Bdf, StreamId
from pytio.mock.ide_port import IdePort
from pytio.pci.capabilities.advanced_error_reporting import UncorrectableErrors

__all__ = ("Answer", "MemoryRequest", "Transactions", "enabled_runs", "span_of")

MemoryRequest = MemoryRequest32 | MemoryRequest64
"""The header of a memory request, of either size."""

_SMALLEST_PAGE_BYTES: Final = 4096
_ALL_BYTES: Final = 0xF
_TAGS: Final = 1 << 8
_BYTE_COUNTS: Final = 1 << 12
_LOWER_ADDRESSES: Final = 1 << 7
_REGISTER_BITS: Final = 6


@attrs.frozen
class Answer:
    """What became of a request that waits for a completion."""

    status: ide.CompletionStatus | None
    """None where no completion came: a timeout."""
    data: bytes = attrs.field(default=b"", repr=lambda data: f"<{len(data)} bytes>")

    @property
    def is_successful(self) -> bool:
        """Whether the request was carried out."""
        return self.status == ide.CompletionStatus.SUCCESSFUL_COMPLETION


@attrs.define
class _Pending:
    """A request that waits."""

    status: ide.CompletionStatus | None = None
    data: bytes = b""
    is_over: bool = False


class Transactions:
    """The requests of one port.

    Attributes:
        ide: the port they go through.
        max_payload_bytes: the largest payload of a TLP, for writes and completions.
        max_read_request_bytes: the largest read.
    """

    def __init__(self, port: IdePort, *, max_payload_bytes: int = 128, max_read_request_bytes: int = 512) -> None:
        """Start with nothing under way."""
        self.ide = port
        self.max_payload_bytes = max_payload_bytes
        self.max_read_request_bytes = max_read_request_bytes
        self._pending: dict[tuple[int, int], _Pending] = {}
        self._next_tag = 0

    # the requester's side

    def read(
        self, requester_id: int, address: int, size: int, *, tee: bool = False, on: StreamId | None = None
    ) -> Answer:
        """Read ``size`` bytes of memory; the first answer that is not successful ends it.

        Raises:
            LocalProtocolError: T=1 is asked for, and there is no Secure stream; or no tag is free.
        """
        data = b""
        for at, part in _chunks(address, size, self.max_read_request_bytes):
            tag = self._tag(requester_id)
            tlp = ide.memory_read(*_dwords(at, part), requester_id=requester_id, tag=tag, **_enables(at, part))
            answer = self._ask(tlp, tee=tee, on=on)
            if not answer.is_successful:
                return answer
            data += answer.data
        return Answer(ide.CompletionStatus.SUCCESSFUL_COMPLETION, data)

    def write(
        self, requester_id: int, address: int, data: bytes, *, tee: bool = False, on: StreamId | None = None
    ) -> None:
        """Write memory; a posted request has no answer.

        Raises:
            LocalProtocolError: T=1 is asked for, and there is no Secure stream.
        """
        for at, part in _chunks(address, len(data), self.max_payload_bytes):
            first, size = _dwords(at, part)
            payload = (bytes(at - first) + data[at - address : at - address + part]).ljust(size, b"\0")
            tlp = ide.memory_write(first, payload, requester_id=requester_id, **_enables(at, part))
            self.ide.send(tlp, tee=tee, on=on)

    def configure(
        self, requester_id: int, function: Bdf, offset: int, data: bytes | int, *, is_type_1: bool = False
    ) -> Answer:
        """Read as many bytes of a function's configuration space as ``data`` says, or write ``data``.

        Raises:
            ValueError: the bytes are not within one dword of the 4096.
            LocalProtocolError: no tag is free, or the stream of the TLP does not carry it.
        """
        size = data if isinstance(data, int) else len(data)
        if not 0 < size <= BYTES_PER_DW - offset % BYTES_PER_DW or not 0 <= offset < _SMALLEST_PAGE_BYTES:
            raise ValueError(f"{size} bytes at {offset:#x} are not within one dword of configuration space")
        name = f"CFG{'RD' if isinstance(data, int) else 'WR'}{int(is_type_1)}"
        register = offset // BYTES_PER_DW
        header = ide.ConfigurationRequest(
            tlp_type=ide.TlpType[name],
            length=1,
            requester_id=requester_id,
            tag=self._tag(requester_id),
            destination_id=function.requester_id,
            extended_register=register >> _REGISTER_BITS,
            register=register % (1 << _REGISTER_BITS),
            first_dw_be=_enables(offset, size)["first_dw_be"],
        )
        payload = b"" if isinstance(data, int) else (bytes(offset % BYTES_PER_DW) + data).ljust(BYTES_PER_DW, b"\0")
        answer = self._ask(ide.Tlp(header=header, payload=payload), tee=False)
        first = offset % BYTES_PER_DW
        return attrs.evolve(answer, data=answer.data[first : first + size])

    def take(self, tlp: ide.Tlp) -> None:
        """Take a completion that arrived; one that nobody waits for is noted as an error."""
        header = tlp.header
        pending = self._pending.get(header.transaction or (-1, -1))
        if pending is None or not isinstance(header, ide.Completion):
            self.ide.report(UncorrectableErrors(unexpected_completion=True))
            return
        pending.status = header.status
        before = header.lower_address % BYTES_PER_DW if tlp.payload else 0
        left = header.byte_count or _BYTE_COUNTS
        pending.data += tlp.payload[before : before + left]
        pending.is_over = not tlp.payload or len(tlp.payload) - before >= left

    def _ask(self, tlp: ide.Tlp, *, tee: bool, on: StreamId | None = None) -> Answer:
        """Send a request, and return what came back before the link fell silent."""
        transaction = tlp.header.transaction
        assert transaction is not None
        pending = self._pending[transaction] = _Pending()
        try:
            self.ide.send(tlp, tee=tee, on=on)
        finally:
            del self._pending[transaction]
        if pending.is_over:
            return Answer(pending.status, pending.data)
        self.ide.port.outstanding.expire(transaction)
        self.ide.report(UncorrectableErrors(completion_timeout=True))
        return Answer(None)

    def _tag(self, requester_id: int) -> int:
        """Return a tag that no completion can still come for (CVE-2025-9613)."""
        for _ in range(_TAGS):
            tag, self._next_tag = self._next_tag, (self._next_tag + 1) % _TAGS
            if not self.ide.port.outstanding.is_taken((requester_id, tag)):
                return tag
        raise LocalProtocolError("every tag is taken", "a request", "none of them was answered")

    # the completer's side

    def complete(self, request: ide.Tlp, completer_id: int, data: bytes = b"") -> None:
        """Answer a request with success: a read of memory with as many bytes as `span_of` says, a write with none.

        Raises:
            ValueError: the data are not as many bytes as were asked for.
        """
        if not data:
            self.ide.send(ide.completion(request, completer_id=completer_id))
            return
        address, size = span_of(request)
        if len(data) != size:
            raise ValueError(f"{size} bytes were asked for, not {len(data)}")
        for at, part in _chunks(address, size, self.max_payload_bytes):
            self.ide.send(_with_data(request, completer_id, at, data[at - address :], part))

    def refuse(
        self,
        request: ide.Tlp,
        completer_id: int,
        status: ide.CompletionStatus = ide.CompletionStatus.UNSUPPORTED_REQUEST,
    ) -> None:
        """Answer a request with a failure; a posted request has no answer. Unsupported Request is noted as an error."""
        if status == ide.CompletionStatus.UNSUPPORTED_REQUEST:
            self.ide.report(UncorrectableErrors(unsupported_request_error=True))
        if request.header.sub_stream is ide.sub_stream_of(ide.TlpType.MRD32):
            self.ide.send(ide.completion(request, completer_id=completer_id, status=status))


def span_of(request: ide.Tlp) -> tuple[int, int]:
    """Return the first byte that a memory or configuration request enables, and how many there are up to the last.

    For configuration space the address is an offset. A request that enables no byte asks for one whose value nobody
    looks at.

    Raises:
        ValueError: the request is of another kind.
    """
    header = request.header
    if isinstance(header, ide.ConfigurationRequest):
        address = (header.extended_register << _REGISTER_BITS | header.register) * BYTES_PER_DW
    elif isinstance(header, MemoryRequest):
        address = header.address
    else:  # a TLP of any kind has the right type
        raise ValueError(f"{header.tlp_type.name} has no byte enables")  # noqa: TRY004
    if not header.first_dw_be:
        return address, 1
    before = _trailing_zeros(header.first_dw_be)
    last = header.last_dw_be if header.length_dw > 1 else header.first_dw_be
    return address + before, (header.length_dw - 1) * BYTES_PER_DW + last.bit_length() - before


def enabled_runs(request: ide.Tlp) -> Iterator[tuple[int, bytes]]:
    """Yield address and bytes of each run of enabled bytes of a write.

    Raises:
        ValueError: as `span_of`.
    """
    address, size = span_of(request)
    header = request.header
    assert isinstance(header, MemoryRequest | ide.ConfigurationRequest)
    base = address - address % BYTES_PER_DW
    enables = [_ALL_BYTES] * header.length_dw
    enables[-1] = header.last_dw_be
    enables[0] = header.first_dw_be
    run = b""
    for at in range(address, address + size):
        is_enabled = enables[(at - base) // BYTES_PER_DW] >> at % BYTES_PER_DW & 1
        run += request.payload[at - base : at - base + 1] if is_enabled else b""
        if run and (not is_enabled or at == address + size - 1):
            yield at + bool(is_enabled) - len(run), run
            run = b""


def _with_data(request: ide.Tlp, completer_id: int, at: int, left: bytes, part: int) -> ide.Tlp:
    """Return the completion with ``part`` of the bytes that are left."""
    first, size = _dwords(at, part)
    payload = (bytes(at - first) + left[:part]).ljust(size, b"\0")
    made = ide.completion(request, payload, completer_id=completer_id)
    is_memory = isinstance(request.header, MemoryRequest)  # Byte Count and Lower Address mean nothing elsewhere
    count, lower = (len(left), at) if is_memory else (BYTES_PER_DW, 0)
    header = made.header.replace(byte_count=count % _BYTE_COUNTS, lower_address=lower % _LOWER_ADDRESSES)
    return made.replace(header=header)


def _chunks(address: int, size: int, largest: int) -> Iterator[tuple[int, int]]:
    """Yield address and size of the parts of an access: none crosses a multiple of the largest size, or of 4 KiB."""
    step = min(largest, _SMALLEST_PAGE_BYTES)
    end = address + size
    while address < end:
        part = min(end, address - address % step + step) - address
        yield address, part
        address += part


def _dwords(address: int, size: int) -> tuple[int, int]:
    """Return address and size of the whole dwords around some bytes."""
    first = address - address % BYTES_PER_DW
    return first, -(-(address + size - first) // BYTES_PER_DW) * BYTES_PER_DW


def _enables(address: int, size: int) -> dict[str, int]:
    """Return the byte enables of an access."""
    before = address % BYTES_PER_DW
    after = -(address + size) % BYTES_PER_DW
    first, last = _ALL_BYTES << before & _ALL_BYTES, _ALL_BYTES >> after
    if before + size <= BYTES_PER_DW:
        return {"first_dw_be": first & last, "last_dw_be": 0}
    return {"first_dw_be": first, "last_dw_be": last}


def _trailing_zeros(bits: int) -> int:
    return (bits & -bits).bit_length() - 1
