"""The bounce loop: commands that speak to a device, whose messages the host carries.

Document: AMD 58271, "SPDM control", "The bounce loop", "Buffer expansion". The firmware writes a request, the host
carries it to the device's mailbox, writes the response and issues the same bytes again; the size of a response is
rounded up, and the firmware finds its end. A failed exchange is told with a response object of LENGTH 0 (`SEV_A9`), so
that the firmware does not wait for what will never come.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from itertools import count
from types import MappingProxyType
from typing import Any, ClassVar, Final

import attrs

from pytio.clients.psp.actions import DoeExchange, Issue, Plan
from pytio.clients.psp.failures import command_error
from pytio.clients.psp.firmware import Firmware
from pytio.clients.psp.memory import Buffer
from pytio.clients.rollback import Undo, roll_back, try_all
from pytio.errors import LocalProtocolError, RemoteProtocolError
from pytio.ids import Bdf
from pytio.sev.codes import SevStatus
from pytio.sev.data_objects import (
    BUFFER_HEADER_BYTES,
    RESULT_HEADER_BYTES,
    SPDM_HEADER_BYTES,
    BufferHeader,
    DataObjectHeader,
    ResultObject,
    SpdmControl,
    SpdmObject,
    padded_size,
)
from pytio.sev.tio_codes import DataObjectId, SevCommand, SpdmDataType

__all__ = ("RESULTS", "Bounce", "SpdmBuffers")

_MOST_EXCHANGES: Final = 4096
"""Rounds after which a command that does not end is given up; the longest certificate chain takes a few hundred."""
RESULTS: Final[Mapping[SevCommand, DataObjectId]] = MappingProxyType(
    {
        SevCommand.TIO_DEV_CONNECT: DataObjectId.CERTIFICATES,
        SevCommand.TIO_DEV_CERTIFICATES: DataObjectId.CERTIFICATES,
        SevCommand.TIO_DEV_MEASUREMENTS: DataObjectId.MEASUREMENTS,
        SevCommand.TIO_TDI_BIND: DataObjectId.INTERFACE_REPORT,
        SevCommand.TIO_TDI_REPORT: DataObjectId.INTERFACE_REPORT,
    }
)
"""What a command leaves in OUTPUT; the others leave nothing."""


@attrs.define
class SpdmBuffers:
    """The four buffers of a device's connection; scratch and output may be replaced by larger ones."""

    spdm_req: Buffer
    spdm_rsp: Buffer
    spdm_scratch: Buffer
    spdm_output: Buffer

    def control(self) -> SpdmControl:
        """Return what names them in a command."""
        return SpdmControl(
            spdm_req=self.spdm_req.sla,
            spdm_rsp=self.spdm_rsp.sla,
            spdm_scratch=self.spdm_scratch.sla,
            spdm_output=self.spdm_output.sla,
        )

    @classmethod
    def allocate(cls, firmware: Firmware, *, at_least: bool = False) -> Plan[SpdmBuffers]:
        """Allocate them in the sizes that TIO_STATUS gave: the largest, or the least, which the firmware may expand.

        Requests and responses always get the larger of the two largest, since a response may be as long as either.
        """
        sizes, pool, undo = firmware.known_sizes, firmware.pool, Undo()
        carried = max(sizes.spdm_req_size_max, sizes.spdm_rsp_size_max)
        scratch = sizes.spdm_scratch_size_min if at_least else sizes.spdm_scratch_size_max
        output = sizes.spdm_out_size_min if at_least else sizes.spdm_out_size_max
        made: list[Buffer] = []
        try:
            for size, is_donated in ((carried, True), (carried, False), (scratch, True), (output, True)):
                made.append((yield from pool.buffer(size, is_donated=is_donated)))
                undo.push(partial(pool.release, made[-1]))
        except Exception as error:
            yield from undo.unwind(error)
            raise
        return cls(*made)

    def release(self, firmware: Firmware) -> Plan[None]:
        """Take all of them back."""
        buffers = (self.spdm_req, self.spdm_rsp, self.spdm_scratch, self.spdm_output)
        yield from try_all(*(partial(firmware.pool.release, buffer) for buffer in buffers))


class Bounce:
    """Issues the commands that speak to one device, one at a time.

    Attributes:
        device: whose mailbox it is.
        buffers: of its connection.
        pending: the command under way, None where there is none.
    """

    def __init__(self, firmware: Firmware, device: Bdf, buffers: SpdmBuffers) -> None:
        """Make the loop of a device."""
        self.device = device
        self.buffers = buffers
        self.pending: SevCommand | None = None
        self._firmware = firmware

    def issue(self, command: SevCommand, **fields: Any) -> Plan[None]:
        """Issue a command and carry its messages until it ends.

        Raises:
            LocalProtocolError: another command of this device is under way, or the revision has no such command.
            SevCommandError: the firmware ended it with another status than success.
            RemoteProtocolError: the firmware asks for what is not in the document.
            PytioError: whatever the exchange with the device raises; the firmware was told.
        """
        if self.pending is not None:
            raise LocalProtocolError(f"{self.pending.name} is under way", command, "one command of a device at a time")
        self.pending = command
        try:
            yield from self._run(command, fields)
        finally:
            self.pending = None

    def result(self, command: SevCommand, **fields: Any) -> Plan[ResultObject]:
        """Issue a command and return what it left in OUTPUT.

        Raises:
            RemoteProtocolError: it left something else.
            SevDecodeError: what it left is not laid out as it should be.
            PytioError: as `issue`.
        """
        yield from self.issue(command, **fields)
        output, wanted = self.buffers.spdm_output, RESULTS[command]
        head = yield from output.read(BUFFER_HEADER_BYTES, RESULT_HEADER_BYTES)
        found, _ = DataObjectHeader.parse_prefix(head)
        room = output.size_bytes - BUFFER_HEADER_BYTES
        if found.object_id != wanted or not RESULT_HEADER_BYTES <= found.length <= room:
            got = f"an object {found.object_id.name} of {found.length} bytes"
            raise RemoteProtocolError(f"{command.name} is done", got, f"{wanted.name} in {room} bytes is due")
        return ResultObject.parse((yield from output.read(BUFFER_HEADER_BYTES, found.length)))

    def _run(self, command: SevCommand, fields: dict[str, Any]) -> Plan[None]:
        yield from self._write_response(None)
        status = yield Issue(command, self._lay_out(command, fields))
        try:
            for round_number in count():
                answer = self._ANSWERS.get(status)
                if answer is None:
                    break
                _check_patience(command, round_number)
                yield from answer(self)
                status = yield Issue(command, self._lay_out(command, fields))
        except Exception as error:
            yield from roll_back(error, self._give_up(command, fields))
            raise
        if status:
            raise command_error(command, status)

    def _lay_out(self, command: SevCommand, fields: dict[str, Any]) -> bytes:
        """Lay the command out; the bytes are the same each time but for the SLAs of buffers that were expanded."""
        return self._firmware.lay_out(command, {**fields, "spdm_ctrl": self.buffers.control()}).build()

    def _carry(self) -> Plan[None]:
        """Take the request out of REQ, through the mailbox, and write the response into RSP."""
        asked = yield from self._request()
        answer = yield DoeExchange(self.device, asked.data_type is SpdmDataType.SECURED, asked.message)
        if not answer:
            raise RemoteProtocolError(f"{self.device} was asked", "an empty response")
        yield from self._write_response(answer, asked.data_type)

    def _request(self) -> Plan[SpdmObject]:
        buffer = self.buffers.spdm_req
        head, _ = DataObjectHeader.parse_prefix((yield from buffer.read(BUFFER_HEADER_BYTES, SPDM_HEADER_BYTES)))
        room = buffer.size_bytes - BUFFER_HEADER_BYTES
        if head.object_id != DataObjectId.SPDM_REQUEST or not SPDM_HEADER_BYTES < head.length <= room:
            got = f"an object {head.object_id.name} of {head.length} bytes"
            raise RemoteProtocolError("SPDM_REQUEST", got, f"a request in {room} bytes is due")
        asked = SpdmObject.parse((yield from buffer.read(BUFFER_HEADER_BYTES, head.length)))
        if asked.data_type not in (SpdmDataType.PLAIN, SpdmDataType.SECURED):
            raise RemoteProtocolError("SPDM_REQUEST", asked.data_type, "neither plain nor secured")
        return asked

    def _write_response(self, answer: bytes | None, data_type: SpdmDataType = SpdmDataType.PLAIN) -> Plan[None]:
        """Write a response, padded; without one, an object of LENGTH 0 and a payload of its header alone."""
        buffer = self.buffers.spdm_rsp
        if answer is None:
            made = (
                DataObjectHeader(object_id=DataObjectId.SPDM_RESPONSE, length=0).build().ljust(SPDM_HEADER_BYTES, b"\0")
            )
        else:
            size = padded_size(SPDM_HEADER_BYTES + len(answer))
            if BUFFER_HEADER_BYTES + size > buffer.size_bytes:
                raise RemoteProtocolError(
                    f"{self.device} was asked", f"{len(answer)} bytes", "they do not fit into RSP"
                )
            padded = answer.ljust(size - SPDM_HEADER_BYTES, b"\0")
            made = SpdmObject(object_id=DataObjectId.SPDM_RESPONSE, data_type=data_type, message=padded).build()
        head = BufferHeader(capacity_sz=buffer.size_bytes, payload_sz=len(made))
        yield from buffer.write(0, head.build() + made)

    def _give_up(self, command: SevCommand, fields: dict[str, Any]) -> Plan[None]:
        """Tell the firmware that no response will come: the command once more, with an object of LENGTH 0."""
        yield from self._write_response(None)
        status = yield Issue(command, self._lay_out(command, fields))
        if status != SevStatus.SPDM_ERROR:
            raise command_error(command, status)

    def _expand(self) -> Plan[None]:
        """Replace each buffer whose CAPACITY_SZ the firmware has raised by a larger one with the same contents."""
        sizes, is_larger = self._firmware.known_sizes, False
        for name, most in (("spdm_scratch", sizes.spdm_scratch_size_max), ("spdm_output", sizes.spdm_out_size_max)):
            old: Buffer = getattr(self.buffers, name)
            wanted = (yield from old.header()).capacity_sz
            if wanted <= old.size_bytes:
                continue
            if wanted > most:
                detail = f"{name} may have {most} at most"
                raise RemoteProtocolError("EXPAND_BUFFER_LENGTH_REQUEST", f"{wanted} bytes", detail)
            setattr(self.buffers, name, (yield from self._larger(old, wanted)))
            is_larger = True
            yield from self._firmware.pool.release(old)
        if not is_larger:
            raise RemoteProtocolError("EXPAND_BUFFER_LENGTH_REQUEST", "no larger CAPACITY_SZ", "of scratch or output")

    def _larger(self, old: Buffer, wanted: int) -> Plan[Buffer]:
        contents = yield from old.read(0, old.size_bytes)
        header = BufferHeader.parse(contents[:BUFFER_HEADER_BYTES])

        def with_size(size: int) -> bytes:
            return header.replace(capacity_sz=size).build() + contents[BUFFER_HEADER_BYTES:]

        return (yield from self._firmware.pool.buffer(wanted, content=with_size))

    _ANSWERS: ClassVar[Mapping[SevStatus, Callable[[Bounce], Plan[None]]]] = MappingProxyType(
        {SevStatus.SPDM_REQUEST: _carry, SevStatus.EXPAND_BUFFER_LENGTH_REQUEST: _expand}
    )


def _check_patience(command: SevCommand, round_number: int) -> None:
    if round_number >= _MOST_EXCHANGES:
        raise RemoteProtocolError(command.name, "another request", f"{_MOST_EXCHANGES} did not end it")
