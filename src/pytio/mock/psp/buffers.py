"""Request, response, scratch and output buffers: what the firmware reads and writes in them.

Document: AMD 58271, "SPDM control", "Buffer header", "Data objects". Nothing that the firmware relies on is kept in
them: a buffer is looked at once, when the host issues a command.
"""

from __future__ import annotations

from typing import Final

from pytio.errors import DecodeError
from pytio.mock.psp.contexts import Carry, Grow
from pytio.mock.psp.pages import FIRMWARE_PAGES, Pages
from pytio.mock.psp.refusal import Refused
from pytio.sev.codes import SevStatus
from pytio.sev.data_objects import (
    BUFFER_HEADER_BYTES,
    RESULT_HEADER_BYTES,
    SPDM_HEADER_BYTES,
    BufferHeader,
    ResultObject,
    SpdmControl,
    SpdmObject,
    padded_size,
)
from pytio.sev.rmp import PageState
from pytio.sev.sla import NULL, Sla
from pytio.sev.tio_codes import PAGE_BYTES, DataObjectId, SpdmDataType

__all__ = ("Buffer", "SpdmBuffers", "result_bytes")

_HYPERVISOR: Final = frozenset({PageState.HYPERVISOR})
_DATA_TYPES: Final = {False: SpdmDataType.PLAIN, True: SpdmDataType.SECURED}


def result_bytes(data: bytes) -> int:
    """Return how large a buffer has to be for a result, in bytes."""
    return BUFFER_HEADER_BYTES + padded_size(RESULT_HEADER_BYTES + len(data))


class Buffer:
    """One buffer: pages that are one after the other to the eye, with a header in front."""

    def __init__(self, memory: Pages, sla: Sla) -> None:
        """Find the pages; refuses as `Pages.of_buffer`."""
        self._memory = memory
        self.pages = memory.of_buffer(sla)
        self.is_2mib = sla.is_2mib

    @property
    def size(self) -> int:
        """Bytes of the pages."""
        return len(self.pages) * PAGE_BYTES

    def header(self) -> BufferHeader:
        """Return the header, as it is now."""
        return BufferHeader.parse(self.read(0, BUFFER_HEADER_BYTES))

    def read(self, at: int, size: int) -> bytes:
        """Return bytes of the buffer, fewer where it ends."""
        whole = b"".join(self._memory.read(page, PAGE_BYTES) for page in self.pages[at // PAGE_BYTES :])
        return whole[at % PAGE_BYTES :][:size]

    def write(self, at: int, data: bytes) -> None:
        """Write bytes, which have to fit."""
        while data:
            page, offset = divmod(at, PAGE_BYTES)
            part, data = data[: PAGE_BYTES - offset], data[PAGE_BYTES - offset :]
            self._memory.write(self.pages[page] + offset, part)
            at += len(part)

    def put(self, payload: bytes) -> None:
        """Write a payload and say its size; the size is rounded up, the payload ends in zeros (`SEV_A7`)."""
        header = self.header().replace(payload_sz=padded_size(len(payload)), is_encrypted=False)
        self.write(0, header.build() + payload.ljust(header.payload_sz, b"\0"))


class SpdmBuffers:
    """The four buffers that a command names."""

    def __init__(
        self, memory: Pages, control: SpdmControl, smallest: dict[str, int], *, needs_output: bool = True
    ) -> None:
        """Check shapes, owners and sizes, in this order.

        Refuses with INVALID_ADDRESS, INVALID_PAGE_STATE and its like, INCORRECT_BUFFER_LENGTH (`SEV_A8`).

        Args:
            memory: the platform's.
            control: what the command says.
            smallest: bytes of each buffer at least, by the name of its field.
            needs_output: whether the command may leave an object (`SEV_A5`).
        """
        named = {"spdm_req": control.spdm_req, "spdm_rsp": control.spdm_rsp, "spdm_scratch": control.spdm_scratch}
        if needs_output or control.spdm_output != NULL:
            named["spdm_output"] = control.spdm_output
        found = {name: Buffer(memory, sla) for name, sla in named.items()}
        every = [page for buffer in found.values() for page in buffer.pages]
        if len(set(every)) != len(every):
            raise Refused(SevStatus.INVALID_ADDRESS, "two buffers share a page")
        for name, buffer in found.items():
            states = _HYPERVISOR if name == "spdm_rsp" else FIRMWARE_PAGES
            memory.check_states(buffer.pages, states, is_2mib=buffer.is_2mib)
        for name, buffer in found.items():
            capacity = buffer.header().capacity_sz
            if not smallest[name] <= capacity <= buffer.size:
                raise Refused(SevStatus.INCORRECT_BUFFER_LENGTH, f"{name} says {capacity} of {buffer.size} bytes")
        self.request = found["spdm_req"]
        self.response = found["spdm_rsp"]
        self.scratch = found["spdm_scratch"]
        self.output = found.get("spdm_output")

    def ask(self, what: Carry) -> None:
        """Leave a message for the device."""
        carried = SpdmObject(
            object_id=DataObjectId.SPDM_REQUEST, data_type=_DATA_TYPES[what.is_secured], message=what.message
        ).build()
        if BUFFER_HEADER_BYTES + len(carried) > self.request.header().capacity_sz:
            raise Refused(SevStatus.RESOURCE_LIMIT, f"a message of {len(what.message)} bytes")
        self.request.put(carried)

    def answer(self, *, is_secured: bool) -> bytes:
        """Return what the host says the device answered, with what it padded the answer by.

        Refuses with SPDM_ERROR where there is none, or none of the right kind (`SEV_A10`), and with RESPONSE_TOO_LARGE
        where it is said to end behind the buffer.
        """
        raw = self.response.read(BUFFER_HEADER_BYTES, self.response.size)
        try:
            head, _ = SpdmObject.parse_prefix(raw[:4] + SPDM_HEADER_BYTES.to_bytes(4, "little") + raw[8:])
        except DecodeError as error:
            raise Refused(SevStatus.SPDM_ERROR, str(error)) from error
        length = int.from_bytes(raw[4:8], "little")
        if not length or head.object_id != DataObjectId.SPDM_RESPONSE:
            raise Refused(SevStatus.SPDM_ERROR, "there is no response")
        if BUFFER_HEADER_BYTES + length > self.response.size:
            raise Refused(SevStatus.RESPONSE_TOO_LARGE, f"a response of {length} bytes")
        if head.data_type != _DATA_TYPES[is_secured] or length < SPDM_HEADER_BYTES:
            raise Refused(SevStatus.SPDM_ERROR, f"a response of type {head.data_type.name} and {length} bytes")
        return raw[SPDM_HEADER_BYTES:length]

    def grow(self, wanted: Grow) -> None:
        """Say how large output and scratch buffers have to be."""
        for buffer, size in ((self.output, wanted.output_bytes), (self.scratch, wanted.scratch_bytes)):
            if buffer is not None and buffer.header().capacity_sz < size:
                buffer.write(0, buffer.header().replace(capacity_sz=-(-size // PAGE_BYTES) * PAGE_BYTES).build())

    def is_large_enough(self, wanted: Grow) -> bool:
        """Return whether both buffers are."""
        return all(
            buffer is None or buffer.header().capacity_sz >= size
            for buffer, size in ((self.output, wanted.output_bytes), (self.scratch, wanted.scratch_bytes))
        )

    def clear_output(self) -> None:
        """Say that there is no result (`SEV_A13`)."""
        if self.output is not None:
            header = self.output.header().replace(payload_sz=0, is_encrypted=False)
            self.output.write(0, header.build() + bytes(RESULT_HEADER_BYTES))

    def put_result(self, result: ResultObject) -> None:
        """Leave a result, which has to fit."""
        if self.output is None:
            raise Refused(SevStatus.INVALID_ADDRESS, "there is no output buffer")
        self.output.put(result.build())
