"""A recorder of everything around a device that does TEE-IO: one pcapng file that carries its own secrets.

Data objects of mailboxes, commands of the PSP, what guests say to the firmware, TLPs: each kind has a link type, and
each place an interface of its own, ``doe:BDF``, ``psp``, ``guest:NAME`` and ``link:BDF:up`` or ``link:BDF:down``.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import islice
from types import TracebackType
from typing import BinaryIO, Final, Literal, Self

from pytio import doe
from pytio.capture import KeyLog, LinkType, PcapngWriter
from pytio.capture.keylog import SECRETS_TYPE
from pytio.capture.sev_records import (
    GhcbRegisters,
    GuestDirection,
    GuestRecord,
    PspRecord,
    RecordedMemory,
    RecordedRevision,
)
from pytio.clients.psp.exits import GuestOperation, GuestReply, GuestRequest
from pytio.errors import SevDecodeError
from pytio.hosts.guest_port import GuestPort
from pytio.hosts.psp_port import PspPort
from pytio.hosts.tap import ClockNs
from pytio.ids import Bdf
from pytio.mock.link import Link, LinkDirection
from pytio.sev.blobs import blobs_size
from pytio.sev.codes import SevStatus
from pytio.sev.commands import COMMANDS
from pytio.sev.commands.memory import memory_used
from pytio.sev.ghcb import SW_EXIT_TIO_GUEST_REQUEST, SW_EXIT_TIO_OPERATION
from pytio.sev.guest_envelope import GuestMessage
from pytio.sev.registers import CommandRegister, ResponseRegister
from pytio.sev.tio_codes import PAGE_BYTES, Revision, SevCommand

__all__ = ("Execute", "ReadMemory", "Recorder")

Execute = Callable[[int, int], int]
"""Gives the PSP a command id and the physical address of its buffer; returns the status."""
ReadMemory = Callable[[int, int], bytes]
"""Returns so many bytes at a physical address, as the host sees them."""

_MOST_BUFFER_BYTES: Final = 128


class Recorder:
    """Writes what goes by, in the order in which it is told.

    A record is written when the next one comes, or with `flush`: what firmware makes of a message, such as the secrets
    of a session, belongs before it. What has been written is of use when a program dies.

    Attributes:
        key_log: the secrets; whoever adds one adds it to the file, before the next record.
    """

    def __init__(self, stream: BinaryIO, *, key_log: KeyLog | None = None, clock_ns: ClockNs = time.time_ns) -> None:
        """Begin the file, which is its owner's to close."""
        self.key_log = KeyLog() if key_log is None else key_log
        self._writer = PcapngWriter(stream)
        self._clock_ns = clock_ns
        self._interfaces: dict[tuple[LinkType, str], int] = {}
        self._secrets = 0
        self._pending: tuple[bytes, int, int] | None = None

    def add_doe(self, place: Bdf, data_object: bytes) -> None:
        """Take a data object of the mailbox of the function at ``place``, header included."""
        self._add(LinkType.PCI_DOE, f"doe:{place}", data_object)

    def add_tlp(self, place: Bdf, way: Literal["up", "down"], tlp: bytes, *, is_flit: bool = False) -> None:
        """Take a TLP of the link above ``place``, as it travels: ``up`` is what the device sends."""
        self._add(LinkType.USER2, f"link:{place}:{way}{':flit' if is_flit else ''}", tlp)

    def add_psp(self, record: PspRecord) -> None:
        """Take a command of the PSP; `around_psp` makes them."""
        self._add(LinkType.USER0, "psp", record.build())

    def add_guest(self, name: str, record: GuestRecord) -> None:
        """Take a guest's exit, or its answer. ``name`` is the guest's, such as that of its device."""
        self._add(LinkType.USER1, f"guest:{name}", record.build())

    def around_psp(self, execute: Execute, read: ReadMemory, revision: Revision = Revision.P2) -> Execute:
        """Return a function that does what ``execute`` does, and records it with the memory that the command names."""
        waiting: set[tuple[SevCommand, bytes]] = set()  # for a response of a device

        def recorded(command: int, paddr: int) -> int:
            kind = SevCommand(command)
            buffer = _buffer_of(revision, kind, paddr, read)
            status = SevStatus(execute(command, paddr))
            continues = (kind, buffer) in waiting
            (waiting.add if status is SevStatus.SPDM_REQUEST else waiting.discard)((kind, buffer))
            used = memory_used(revision, kind, buffer, status, read, continues=continues)
            self.add_psp(
                PspRecord(
                    revision=RecordedRevision[revision.name],
                    command=CommandRegister(command=kind),
                    buffer_paddr=paddr,
                    response=ResponseRegister(status=status),
                    buffer=buffer,
                    memory=tuple(
                        RecordedMemory(paddr=use.paddr, is_written=use.is_written, data=use.data) for use in used
                    ),
                )
            )
            return status

        return recorded

    def record_host(self, port: PspPort, revision: Revision = Revision.P2) -> None:
        """Record every command and every exchange with a mailbox that goes through ``port`` from now on."""
        port.execute = self.around_psp(port.execute, port.memory.read, revision)
        exchange = port.exchange

        def recorded(device: Bdf, is_secured: bool, payload: bytes) -> bytes:
            kind = doe.DataObjectType.SECURED_CMA_SPDM if is_secured else doe.DataObjectType.CMA_SPDM
            self.add_doe(device, doe.DataObject.wrap(kind, payload).build())
            answer = exchange(device, is_secured, payload)
            self.add_doe(device, doe.DataObject.wrap(kind, answer).build())
            return answer

        port.exchange = recorded

    def record_guest(self, name: str, port: GuestPort, revision: Revision = Revision.P2) -> None:
        """Record every exit that goes through ``port`` from now on, as the guest ``name`` makes it."""
        request, operation, read = port.request, port.operation, port.memory.read
        kind = RecordedRevision[revision.name]

        def page(gpa: int) -> bytes:
            return _message_in(read(gpa, PAGE_BYTES))

        def recorded_request(asked: GuestRequest) -> GuestReply:
            registers = GhcbRegisters(
                sw_exitcode=SW_EXIT_TIO_GUEST_REQUEST,
                sw_exitinfo1=asked.sw_exitinfo1,
                sw_exitinfo2=asked.sw_exitinfo2,
                rax=asked.rax,
                rbx=asked.rbx,
                rcx=asked.rcx,
                rdx=asked.rdx,
            )
            said = GuestRecord(revision=kind, direction=GuestDirection.REQUEST, registers=registers)
            self.add_guest(name, said.replace(page=page(asked.sw_exitinfo1)))
            reply = request(asked)
            area = _blobs_in(read(asked.rax, asked.rbx * PAGE_BYTES)) if asked.rbx else b""
            self.add_guest(name, _answer(said, reply, page(asked.sw_exitinfo2), area))
            return reply

        def recorded_operation(asked: GuestOperation) -> GuestReply:
            registers = GhcbRegisters(sw_exitcode=SW_EXIT_TIO_OPERATION, sw_exitinfo1=asked.sw_exitinfo1)
            said = GuestRecord(revision=kind, direction=GuestDirection.REQUEST, registers=registers)
            self.add_guest(name, said)
            reply = operation(asked)
            self.add_guest(name, _answer(said, reply))
            return reply

        port.request, port.operation = recorded_request, recorded_operation

    def record_link(self, place: Bdf, link: Link) -> None:
        """Record every TLP that arrives on a link from now on; ``place`` is the function at its lower end."""

        def tap(direction: LinkDirection, tlp: bytes) -> None:
            self.add_tlp(place, "up" if direction is LinkDirection.UP else "down", tlp)

        link.taps.append(tap)

    def flush(self) -> None:
        """Write the secrets that have become known, and the record that waits."""
        fresh = [*islice(self.key_log, self._secrets, None)]
        if fresh:
            self._secrets += len(fresh)
            self._writer.write_secrets(SECRETS_TYPE, KeyLog(fresh).build())
        if self._pending is not None:
            data, interface, time_ns = self._pending
            self._pending = None
            self._writer.write_packet(data, interface=interface, time_ns=time_ns)

    def _add(self, link_type: LinkType, name: str, data: bytes) -> None:
        self.flush()
        place = link_type, name
        if place not in self._interfaces:
            self._interfaces[place] = self._writer.add_interface(*place)
        self._pending = data, self._interfaces[place], self._clock_ns()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write what waits."""
        self.flush()


def _buffer_of(revision: Revision, command: SevCommand, paddr: int, read: ReadMemory) -> bytes:
    """Return a command buffer: as many bytes as its layout has, or as its LENGTH says where none is known."""
    cls = COMMANDS[revision].get(command)
    if cls is None and not command.name.startswith("TIO_"):
        return b""
    try:
        size = cls.minimum_size() if cls is not None else int.from_bytes(read(paddr, 4), "little")
        return read(paddr, min(size, _MOST_BUFFER_BYTES))
    except ValueError:  # no such address, which the PSP will say
        return b""


def _answer(asked: GuestRecord, reply: GuestReply, page: bytes = b"", area: bytes = b"") -> GuestRecord:
    """Return the record of a reply: the registers that a reply says nothing of are those of the exit."""
    registers = asked.registers.replace(sw_exitinfo2=reply.sw_exitinfo2, rbx=reply.rbx, rcx=reply.rcx, rdx=reply.rdx)
    return asked.replace(direction=GuestDirection.RESPONSE, registers=registers, page=page, area=area)


def _message_in(page: bytes) -> bytes:
    """Return the message in a page without what follows it; nothing of an empty page."""
    if not any(page):
        return b""
    try:
        return GuestMessage.parse_prefix(page)[0].build()
    except SevDecodeError:
        return page


def _blobs_in(area: bytes) -> bytes:
    """Return as much of a data area as its blobs take; nothing where there are none."""
    try:
        return area[: blobs_size(area)]
    except SevDecodeError:
        return b""
