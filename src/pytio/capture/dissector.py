"""From captured frames to records: transports are taken off here, conversations are kept apart, records are opened.

One table says what each link type holds. Everything inside SPDM is `pytio.capture.conversation`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, Final, NamedTuple

import attrs

from pytio import doe
from pytio.capture.conversation import Conversation, Session, Signed
from pytio.capture.decoding import is_request
from pytio.capture.draft import Draft
from pytio.capture.frames import Carrier, Frame, Framing, LinkType
from pytio.capture.packets import PACKET_LINK_TYPES
from pytio.capture.records import Direction, Layer, Record
from pytio.capture.secrets import SecretStore
from pytio.capture.tlps import TlpReader
from pytio.doe.codes import BYTES_PER_DW
from pytio.errors import DecodeError, SpdmDecodeError
from pytio.spdm.secured import (
    MAC_BYTES,
    RECORD_FORMATS,
    InnerHeader,
    RecordFormat,
    RecordHeader,
    RecordPlaintext,
    RecordTransport,
)
from pytio.transports.mctp import MctpMessage, MctpMessageType, MctpPacket
from pytio.transports.platform_socket import (
    CLIENT_HELLO,
    SERVER_HELLO,
    PlatformCommand,
    PlatformFrame,
    PlatformTransport,
)
from pytio.transports.tcp import TcpFrame, TcpHeader, TcpMessageType

if TYPE_CHECKING:
    from pytio.capture.guest import GuestReader
    from pytio.capture.psp import PspReader

__all__ = ("Dissector", "Heard", "Opened")

_SEQUENCES: Final = 4  # MCTP counts the packets of a message in two bits
_DOE_PADDING: Final = BYTES_PER_DW - 1
_TCP_HEADER_BYTES: Final = TcpHeader.minimum_size()
_GREETINGS: Final = {CLIENT_HELLO: Direction.REQUEST, SERVER_HELLO: Direction.RESPONSE}
_PLATFORM_TRANSPORTS: Final = {
    PlatformTransport.NONE: "none",
    PlatformTransport.MCTP: RecordTransport.MCTP.value,
    PlatformTransport.PCI_DOE: RecordTransport.PCI_DOE.value,
    PlatformTransport.TCP: RecordTransport.TCP.value,
}
_Sender = tuple[Hashable, int]  # a TCP connection, and which of its ends


class Heard(NamedTuple):
    """Where a conversation is heard whose packets are messages.

    Attributes:
        transport: as in a record.
        interface: the interface's name.
        requester: the endpoint that asks; 0 in a mailbox, which has only one.
        responder: the endpoint that answers.
    """

    transport: str
    interface: str | None
    requester: int = 0
    responder: int = 0


@attrs.frozen
class Opened:
    """A record that a session's keys opened.

    Attributes:
        conversation: the session's conversation.
        session: the session.
        direction: who sent the record.
        plaintext: what it holds.
    """

    conversation: Conversation
    session: Session
    direction: Direction
    plaintext: bytes


@attrs.define(eq=False)
class _Flow:
    """One place where a conversation is heard: a mailbox, a pair of MCTP endpoints, a TCP connection."""

    conversation: Conversation
    awaits_discovery_response: bool = False
    requester: int | None = None  # of a TCP connection: which end was seen to ask

    def takes_discovery_response(self) -> bool:
        """Say whether a discovery is a response, and count it.

        The bytes of a request and of a response can be the same: only the order of things tells them apart.
        """
        is_response = self.awaits_discovery_response
        self.awaits_discovery_response = not is_response
        return is_response


class Dissector:
    """Reads frames in their order; keeps what later frames need, and nothing else."""

    def __init__(self, secrets: SecretStore, signed: Signed | None = None, *, verify: bool = False) -> None:
        """Start with nothing heard. ``signed`` is told of every value that is signed or MACed; ``verify`` checks it."""
        self._secrets = secrets
        self._signed = signed
        self._verify = verify
        self._flows: dict[Hashable, _Flow] = {}
        self._tlps = TlpReader(secrets)
        self._packets: dict[Hashable, list[MctpPacket]] = {}
        self._opened: Opened | None = None

    def conversations(self) -> Iterator[tuple[Heard, Conversation]]:
        """Yield the conversations whose packets are messages, and where they are heard."""
        for key, flow in self._flows.items():
            if isinstance(key, Heard):
                yield key, flow.conversation

    def conversation(self, heard: Heard) -> Conversation:
        """Return the conversation that is heard somewhere."""
        return self._flow(heard).conversation

    def takes_discovery_response(self, heard: Heard) -> bool:
        """Say whether a discovery is a response, and count it."""
        return self._flow(heard).takes_discovery_response()

    def read(self, frame: Frame, opened: Opened | None = None) -> Record:
        """Return the record of a frame; a frame that does not decode becomes a record that says why.

        ``opened`` is what is inside, if the frame is a record that was opened before.
        """
        draft = Draft(frame)
        self._opened = opened
        if len(frame.data) < frame.original_size and frame.problem is None:
            draft.notes.append(f"{len(frame.data)} of {frame.original_size} bytes were captured")
        if frame.comment is not None:
            draft.notes.append(f"comment: {frame.comment}")
        draft.notes += frame.notes
        if frame.carrier is not None:
            self._framed(draft, frame.carrier)
            return draft.finish()
        reader = self._READERS.get(frame.link_type)
        if reader is None and frame.link_type in PACKET_LINK_TYPES:
            pass  # a packet that carries nothing for us
        elif reader is None:
            draft.notes.append(f"link type {int(frame.link_type)} ({frame.link_type.name}) is not read")
        elif frame.problem is None:
            reader(self, draft)
        return draft.finish()

    def _flow(self, key: Hashable) -> _Flow:
        if key not in self._flows:
            self._flows[key] = _Flow(Conversation(self._secrets, self._signed, verify=self._verify))
        return self._flows[key]

    # DOE

    def _doe(self, draft: Draft) -> None:
        self._data_object(draft, draft.frame.data, 0, Heard(RecordTransport.PCI_DOE.value, draft.frame.interface))

    def _data_object(self, draft: Draft, data: bytes, base: int, place: Hashable) -> None:
        draft.transport = RecordTransport.PCI_DOE.value
        flow = self._flow(place)
        try:
            data_object = doe.DataObject.parse(data)
        except DecodeError as error:
            draft.add(Layer("doe", data, None, {}, doe.DataObject.NAME))
            draft.fail(error, base)
            return
        draft.add(Layer("doe", data, data_object, {}, data_object.NAME))
        base += len(data) - len(data_object.payload)
        if data_object.vendor_id != doe.VendorId.PCI_SIG:
            draft.notes.append(f"data objects of vendor {int(data_object.vendor_id):#06x} are not read")
            return
        kind = data_object.data_object_type
        if kind == doe.DataObjectType.DISCOVERY:
            self._discovery(draft, flow, data_object.payload, base)
        elif kind in (doe.DataObjectType.CMA_SPDM, doe.DataObjectType.CMA_SPDM_WITH_CONNECTION_ID):
            conversation = self._connection(flow, place, data_object)
            conversation.read(draft, data_object.payload, conversation.outside, base=base, padding=_DOE_PADDING)
        elif kind in (doe.DataObjectType.SECURED_CMA_SPDM, doe.DataObjectType.SECURED_CMA_SPDM_WITH_CONNECTION_ID):
            conversation = self._connection(flow, place, data_object)
            self._secured(draft, [conversation], data_object.payload, base, RecordTransport.PCI_DOE)
        else:
            draft.notes.append(f"data object type {kind:#x} is not read")

    def _connection(self, flow: _Flow, place: Hashable, data_object: doe.DataObject) -> Conversation:
        if data_object.connection_id is None:
            return flow.conversation
        return self._flow((place, data_object.connection_id)).conversation

    def _discovery(self, draft: Draft, flow: _Flow, payload: bytes, base: int) -> None:
        is_response = flow.takes_discovery_response()
        draft.direction = Direction.RESPONSE if is_response else Direction.REQUEST
        cls = doe.DiscoveryResponse if is_response else doe.DiscoveryRequest
        try:
            message = cls.parse(payload)
        except DecodeError as error:
            draft.fail(error, base)
            return
        draft.add(Layer("doe", payload, message, {}, message.NAME))

    # PCIe

    def _tlp(self, draft: Draft) -> None:
        self._tlps.read(draft)

    # SEV-TIO

    @cached_property
    def _psp(self) -> PspReader:
        from pytio.capture.psp import PspReader  # noqa: PLC0415  few captures have any, and its layouts take time

        return PspReader(verify=self._verify)

    @cached_property
    def _guest(self) -> GuestReader:
        from pytio.capture.guest import GuestReader  # noqa: PLC0415  likewise

        return GuestReader(self._secrets, verify=self._verify)

    def _psp_command(self, draft: Draft) -> None:
        self._psp.read(draft)

    def _guest_message(self, draft: Draft) -> None:
        self._guest.read(draft)

    # MCTP

    def _mctp(self, draft: Draft) -> None:
        draft.transport = RecordTransport.MCTP.value
        data = draft.frame.data
        try:
            packet = MctpPacket.parse(data)
        except DecodeError as error:
            draft.add(Layer("mctp", data, None, {}, MctpPacket.NAME))
            draft.fail(error, 0)
            return
        draft.add(Layer("mctp", data, packet, {}, packet.NAME))
        ends = (packet.header.source_endpoint_id, packet.header.destination_endpoint_id)
        whole = self._whole_message(draft, packet, (draft.frame.interface, *ends))
        if whole is None:
            return
        base = len(data) - len(whole) if packet.is_whole_message else 0
        there = Heard(draft.transport, draft.frame.interface, *ends)
        back = Heard(draft.transport, draft.frame.interface, *reversed(ends))
        self._mctp_message(draft, [self.conversation(there), self.conversation(back)], whole, base)

    def _whole_message(self, draft: Draft, packet: MctpPacket, route: Hashable) -> bytes | None:
        """Put a message together from its packets; None until its last one."""
        header = packet.header
        if packet.is_whole_message:
            return packet.payload
        key = (route, header.message_tag, header.tag_owner)
        parts = [] if header.start_of_message else self._packets.pop(key, None)
        if parts is None or (parts and header.packet_sequence != (parts[-1].header.packet_sequence + 1) % _SEQUENCES):
            draft.notes.append("this packet does not continue a message")
            return None
        parts.append(packet)
        if header.end_of_message:
            return b"".join(part.payload for part in parts)
        self._packets[key] = parts
        return None

    def _mctp_message(self, draft: Draft, conversations: list[Conversation], data: bytes, base: int) -> None:
        """Read a message; the conversations are that in which its sender asks, and that in which it answers."""
        try:
            message = MctpMessage.parse(data)
        except DecodeError as error:
            draft.fail(error, base)
            return
        base += len(data) - len(message.payload)
        if message.message_type is MctpMessageType.SPDM:
            conversation = conversations[0 if is_request(message.payload) else 1]
            conversation.read(draft, message.payload, conversation.outside, base=base, padding=0)
        elif message.message_type is MctpMessageType.SECURED_MESSAGE:
            self._secured(draft, conversations, message.payload, base, RecordTransport.MCTP)
        else:
            draft.notes.append(f"MCTP message type {message.message_type.name} is not read")

    # TCP

    def _framed(self, draft: Draft, carrier: Carrier) -> None:
        """Read a frame out of a TCP connection."""
        said = {"source": carrier.source, "destination": carrier.destination}
        if carrier.framing is Framing.BINDING:
            draft.transport = RecordTransport.TCP.value
        if draft.frame.problem is not None or carrier.framing is Framing.NONE:
            return
        place = (draft.frame.interface, "tcp", carrier.connection)
        if carrier.framing is Framing.BINDING:
            self._tcp(draft, draft.frame.data, 0, (place, carrier.sender), said)
            return
        frame = PlatformFrame.parse(draft.frame.data)
        draft.add(Layer("socket", draft.frame.data, frame, said, frame.NAME))
        draft.transport = _PLATFORM_TRANSPORTS.get(frame.transport)
        base = len(draft.frame.data) - len(frame.payload)
        if frame.command is not PlatformCommand.NORMAL:
            self._socket_command(draft, frame, self._flow(place), carrier.sender)
        elif carry := self._CARRIED.get(frame.transport):
            carry(self, draft, frame.payload, base, (place, carrier.sender))
        if draft.direction is not None:
            asks = draft.direction is Direction.REQUEST
            self._flow(place).requester = carrier.sender if asks else 1 - carrier.sender

    def _socket_command(self, draft: Draft, frame: PlatformFrame, flow: _Flow, sender: int) -> None:
        """Tell who sent what is for the emulators alone: by its greeting, or by who was seen to ask before."""
        draft.direction = _GREETINGS.get(frame.payload)
        if draft.direction is None and flow.requester is not None:
            draft.direction = Direction.REQUEST if flow.requester == sender else Direction.RESPONSE

    def _socket_doe(self, draft: Draft, data: bytes, base: int, sender: _Sender) -> None:
        self._data_object(draft, data, base, sender[0])

    def _socket_mctp(self, draft: Draft, data: bytes, base: int, sender: _Sender) -> None:
        self._mctp_message(draft, self._either_way(sender[0], sender[1], 1 - sender[1]), data, base)

    def _socket_bare(self, draft: Draft, data: bytes, base: int, sender: _Sender) -> None:
        conversation = self._either_way(sender[0], sender[1], 1 - sender[1])[0 if is_request(data) else 1]
        conversation.read(draft, data, conversation.outside, base=base, padding=0)

    def _tcp(self, draft: Draft, data: bytes, base: int, sender: _Sender, said: dict[str, str] | None = None) -> None:
        try:
            frame = TcpFrame.parse(data)
        except DecodeError as error:
            draft.add(Layer("tcp", data, None, dict(said or {}), TcpFrame.NAME))
            draft.fail(error, base)
            return
        draft.add(Layer("tcp", data, frame, dict(said or {}), frame.NAME))
        base += len(data) - len(frame.message)
        conversations = self._either_way(sender[0], sender[1], 1 - sender[1])
        if frame.message_type is TcpMessageType.OUT_OF_SESSION:
            conversation = conversations[0 if is_request(frame.message) else 1]
            conversation.read(draft, frame.message, conversation.outside, base=base, padding=0)
        elif frame.message_type is TcpMessageType.IN_SESSION:
            self._secured(draft, conversations, frame.message, base, RecordTransport.TCP)

    def _either_way(self, place: Hashable, sender: int, receiver: int) -> list[Conversation]:
        """Return the conversation in which the sender asks, and that in which it answers: either end may ask."""
        return [self._flow((place, end)).conversation for end in (sender, receiver)]

    # records

    def _secured(
        self, draft: Draft, conversations: list[Conversation], data: bytes, base: int, transport: RecordTransport
    ) -> None:
        """Read a record that belongs to one of the conversations."""
        layout = RECORD_FORMATS[transport]
        try:
            header, size = RecordHeader.parse_prefix(data, sequence=layout.sequence_bytes)
            body = _body(data, size, header.length)
        except SpdmDecodeError as error:
            draft.add(Layer("secured", data, None, {"decrypted": False}))
            draft.fail(error, base)
            return
        facts = {"session_id": header.session_id, "decrypted": False}
        _judge_rest(draft, data[size + len(body) :], base + size + len(body), transport)
        opened = self._opened or _opened(conversations, header, data[:size], body)
        draft.add(Layer("secured", data[: size + len(body)], None, facts | {"decrypted": opened is not None}))
        if opened is None:
            return
        draft.direction, plaintext = opened.direction, opened.plaintext
        if opened.session.is_encrypted:
            try:
                plaintext = RecordPlaintext.parse(plaintext).application_data
            except SpdmDecodeError as error:
                draft.fail(error, 0)
                return
        self._application(draft, opened.conversation, opened.session, plaintext, layout)

    def _application(
        self, draft: Draft, conversation: Conversation, session: Session, data: bytes, layout: RecordFormat
    ) -> None:
        if layout.inner_header is InnerHeader.MCTP_MESSAGE_TYPE:
            try:
                inner = MctpMessage.parse(data)
            except DecodeError as error:
                draft.fail(error, 0)
                return
            if inner.message_type is not MctpMessageType.SPDM:
                name = "pldm" if inner.message_type is MctpMessageType.PLDM else "mctp"
                draft.add(Layer(name, inner.payload, None, {}, inner.message_type.name))
                return
            data = inner.payload
        elif layout.inner_header is InnerHeader.TCP_BINDING:
            data = _without_binding(data)
        conversation.read(draft, data, session.channel, base=0, padding=0)

    _CARRIED: ClassVar[dict[int, Callable[[Dissector, Draft, bytes, int, _Sender], None]]] = {
        PlatformTransport.NONE: _socket_bare,
        PlatformTransport.MCTP: _socket_mctp,
        PlatformTransport.PCI_DOE: _socket_doe,
        PlatformTransport.TCP: _tcp,
    }
    _READERS: ClassVar[dict[int, Callable[[Dissector, Draft], None]]] = {
        LinkType.PCI_DOE: _doe,
        LinkType.MCTP: _mctp,
        LinkType.USER0: _psp_command,
        LinkType.USER1: _guest_message,
        LinkType.USER2: _tlp,
    }


def _opened(conversations: list[Conversation], header: RecordHeader, raw: bytes, body: bytes) -> Opened | None:
    """Open a record with the keys of whichever session has its id, ``raw`` being its header."""
    for conversation in conversations:
        session = conversation.sessions.get(header.session_id)
        keys = session.keys if session is not None else None
        opened = keys.open(raw, body, header.sequence_number) if keys is not None else None
        if session is not None and keys is not None and opened is not None:
            return Opened(conversation, session, Direction(opened[0]), opened[1])
    return None


def _without_binding(data: bytes) -> bytes:
    """Return the message in a record on TCP: SPDM_U3, a header of the binding may stand before it, and may not."""
    if len(data) > _TCP_HEADER_BYTES:
        header = TcpHeader.parse(data[:_TCP_HEADER_BYTES])
        if header.message_type is TcpMessageType.OUT_OF_SESSION and header.frame_bytes == len(data):
            return data[_TCP_HEADER_BYTES:]
    return data


def _judge_rest(draft: Draft, rest: bytes, offset: int, transport: RecordTransport) -> None:
    """Report what follows a record, unless it is the transport's padding."""
    padding = _DOE_PADDING if transport is RecordTransport.PCI_DOE else 0
    if len(rest) > padding or any(rest):
        draft.fail(SpdmDecodeError(f"{len(rest)} bytes left over after a record", rest), offset)


def _body(data: bytes, start: int, length: int) -> bytes:
    """Return the part of a record behind its header."""
    left = len(data) - start
    if not MAC_BYTES <= length <= left:
        reason = f"length {length}, {left} bytes left, of which {MAC_BYTES} at least are the MAC"
        raise SpdmDecodeError(reason, data, start - 2, "RecordHeader.length")
    return data[start : start + length]
